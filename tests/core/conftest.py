"""Wherever a function may be mapped."""

import pytest


@pytest.fixture(params=[None, "threads", "processes", "dask", "address"])
def client(request):
    """Each of what `client` may be."""
    if request.param == "dask":
        return request.getfixturevalue("dask")
    if request.param == "address":
        return request.getfixturevalue("cluster").scheduler_address
    return request.param
