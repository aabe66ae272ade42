"""Hypothesis in one profile: the same examples in every run, and no deadline.

A test adds a row to a table that is printed at the end by `record_property("table: title", row)`.
"""

import gc
import os
import sys

# Workers share the cores already, and threads of a matrix library that wait for each other take
# three times as long for small matrices. It is read when NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from _pytest.doctest import DoctestModule
from hypothesis import HealthCheck, settings
from oracles.clusters import start_cluster
from oracles.keras_weights import draw_by_numpy

pytest_plugins = ["needs"]

# Keras takes its backend when it is imported; its tests run themselves on PyTorch, too.
os.environ.setdefault("KERAS_BACKEND", "jax")
# Most of the time of JAX's tests was that of compilers, for programs that run once.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
)

settings.register_profile(
    "cntgraph",
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("cntgraph")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file():
    """Examples are in the docstrings of the package: those of tests are not searched for any."""
    return [found for found in (yield) if not isinstance(found, DoctestModule)]


def pytest_collection(session):
    """Imports of five frameworks leave millions of objects, all of which stay: no garbage."""
    gc.disable()


def pytest_collection_finish(session):
    """What was imported is not searched for garbage again; what tests make is, now and then.

    What compiling a kernel leaves stays, too: to search all of it as often as a small program needs
    took much of the time; and more seldom, arrays in cycles of exceptions would take much memory.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 5, 5)
    gc.enable()
    if "keras" in sys.modules:
        draw_by_numpy()


def pytest_terminal_summary(terminalreporter):
    """Print the tables that tests have noted rows for, also where other processes ran them."""
    tables = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, row in getattr(report, "user_properties", ()):
                if name.startswith("table: ") and report.when == "call":
                    tables.setdefault(name.removeprefix("table: "), set()).add(row)
    for title, rows in sorted(tables.items()):
        terminalreporter.section(f"{title} ({len(rows)})")
        for row in sorted(rows, key=str.lower):
            terminalreporter.write_line(row)


# -- a Dask cluster -----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def cluster():
    with start_cluster() as started:
        yield started


@pytest.fixture
def doomed():
    """A client of a cluster whose workers are killed so often that not all come back."""
    from distributed import Client

    with start_cluster() as cluster, Client(cluster) as client:
        cluster.scheduler.allowed_failures = 0
        yield client


@pytest.fixture(scope="session")
def dask(cluster):
    from distributed import Client

    with Client(cluster) as client:
        yield client
