"""A Dask cluster of two processes on this machine."""

import pytest


def start():
    from distributed import LocalCluster

    return LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0")


@pytest.fixture(scope="session")
def cluster():
    with start() as started:
        yield started


@pytest.fixture
def doomed():
    """A client of a cluster whose workers are killed so often that not all come back."""
    from distributed import Client

    with start() as cluster, Client(cluster) as client:
        cluster.scheduler.allowed_failures = 0
        yield client


@pytest.fixture(scope="session")
def dask(cluster):
    from distributed import Client

    with Client(cluster) as client:
        yield client
