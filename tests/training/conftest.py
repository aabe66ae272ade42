"""A Dask cluster of two processes on this machine."""

import pytest


@pytest.fixture(scope="session")
def cluster():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as started:
        yield started


@pytest.fixture(scope="session")
def dask(cluster):
    from distributed import Client

    with Client(cluster) as client:
        yield client
