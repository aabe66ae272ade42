"""500 networks: the same table from everywhere, also where a worker is killed in the middle."""

import os
import signal
from functools import partial

import numpy as np
import pandas as pd
import pytest
from needs import needs
from oracles.calls import unless

import cntgraph as cg
from cntgraph.core import mapping
from cntgraph.core.errors import CntGraphError
from cntgraph.training.measuring import Measuring
from cntgraph.training.population import Population

N = 500


@pytest.fixture(scope="module")
def population(tmp_path_factory):
    """Networks of three architectures; one in fifty diverged."""
    folder = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(0)
    nets = [cg.load([np.zeros((n, 4), np.float32), np.zeros(4, np.float32)]) for n in (3, 5, 700)]
    for k in range(N):
        net = nets[k % 3]
        scale = np.inf if k % 50 == 7 else 10.0 ** rng.uniform(-2, 0)
        tensors = {
            name: cg.Parameter.from_array(name, rng.normal(0, 1, p.shape).astype("f4") * scale)
            for name, p in net.parameters.items()
        }
        cg.save(net.bind(tensors, {"accuracy": rng.uniform()}), folder / f"{k:03}.h5")
    return Population.from_files(folder / "*.h5")


@pytest.fixture(scope="module")
def serial(population):
    table = population.analyze()
    assert table["network"].nunique() == N
    assert table.loc[table["diverged"], "network"].unique().tolist() == [*range(7, N, 50)]
    return table


def check(population, serial, client):
    again = population[:]  # knows nothing of what was measured before
    table = again.analyze(client=client)
    pd.testing.assert_frame_equal(table, serial, check_exact=True)
    assert table.attrs == serial.attrs
    pd.testing.assert_frame_equal(again.diverged, population.diverged)


def test_on_threads(population, serial):
    check(population, serial, "threads")


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def test_a_process_killed_midway(population, serial, monkeypatch):
    submit, seen = mapping._Processes.submit, []

    def submit_and_kill(self, item):
        seen.append(item)
        if len(seen) == N // 2:
            kill(next(iter(self.pool._processes)))
        return submit(self, item)

    monkeypatch.setattr(mapping._Processes, "submit", submit_and_kill)
    check(population, serial, "processes")
    assert len(seen) > N, "nothing was computed again"


def test_a_network_that_kills_every_process_is_set_apart(population, serial, monkeypatch):
    monkeypatch.setattr(mapping, "ATTEMPTS", 2)
    members = population[:12]._measuring
    task = partial(unless, path=str(members.members.of[5].path))
    with pytest.warns(UserWarning, match=r"1 of 12 networks cannot be read.*has died 2 times"):
        found = dict(members.results(task, range(12), what="test", client="processes"))
    assert sorted(found) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert [path for path, _ in members.failed] == [str(members.members.of[5].path)]
    strict = Measuring(members.members, {}, strict=True)
    with pytest.raises(CntGraphError, match="has died 2 times"):
        list(strict.results(task, range(12), what="test", client="processes"))


class Killing:
    """A client that kills a worker when about half of the work has been given away."""

    def __init__(self, client):
        self.client, self.n, self.killed = client, 0, None

    def __getattr__(self, name):
        return getattr(self.client, name)

    def submit(self, *args, **options):
        self.n += 1
        if self.n == 25:  # of 63 calls, for 8 networks each
            workers = self.client.run(os.getpid)
            self.killed = next(iter(workers.values()))
            kill(self.killed)
        return self.client.submit(*args, **options)


def test_a_worker_of_a_cluster_killed_midway(population, serial, dask):
    client = Killing(dask)
    check(population, serial, client)
    assert client.killed is not None
    dask.wait_for_workers(2)
    assert client.killed not in dask.run(os.getpid).values()


def test_what_is_compared_is_the_same(population, dask):
    """Densities take samples from the workers: here of all architectures."""
    here, there = (
        part.densities("strength", "dense1", bins=[0, 0.3, 0.8, 1], client=client)
        for part, client in ((population[:60], "threads"), (population[:60], dask))
    )
    pd.testing.assert_frame_equal(here, there, check_exact=True)
    assert here.attrs == there.attrs
    assert there.attrs["n_diverged"] == 2


# -- networks that are rows of a matrix ---------------------------------------------------------


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """Networks that are measured many at a time: more than are sent together."""
    net = cg.toy("mlp")
    path = tmp_path_factory.mktemp("zoo") / "weights.npy"
    rng = np.random.default_rng(0)
    np.save(path, rng.normal(size=(50_000, net.n_parameters)).astype("f4"))
    return Population.from_matrix(path, template=net)


class KillingOnce(Killing):
    """A client that kills a worker with its third call."""

    def submit(self, *args, **options):
        self.n += 22 if self.n == 2 else 0
        return super().submit(*args, **options)


def test_a_worker_killed_midway_in_many_networks(zoo, dask):
    expected = zoo[:].analyze()
    client = KillingOnce(dask)
    found = zoo[:].analyze(client=client)
    assert client.killed is not None
    dask.wait_for_workers(2)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_what_is_written_is_what_is_returned(zoo, tmp_path):
    needs("pyarrow")
    some = zoo[:2500]
    expected = some.analyze().drop(columns="diverged")
    expected["shape"] = expected["shape"].map(list)
    folder = some.write_analysis(tmp_path / "layers", show_progress=False)
    assert [path.name for path in sorted(folder.iterdir())] == [
        f"part-{k:06}.parquet" for k in range(3)
    ]
    found = pd.read_parquet(folder)
    found["shape"] = found["shape"].map(list)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    with pytest.raises(CntGraphError, match="exists: expected a new folder"):
        some.write_analysis(folder)
    some[:3].write_analysis(folder, overwrite=True, show_progress=False)
    assert len(pd.read_parquet(folder)) == 3 * 4
    (folder / "other.txt").write_text("mine")
    with pytest.raises(CntGraphError, match="holds more than tables of layers"):
        some.write_analysis(folder, overwrite=True)


def test_networks_of_files_are_written_some_at_a_time(population, serial, tmp_path, monkeypatch):
    needs("pyarrow")
    monkeypatch.setattr("cntgraph.training.measured._AT_A_TIME", 7)
    folder = population[:20].write_analysis(tmp_path / "layers", show_progress=False)
    found = pd.read_parquet(folder)
    expected = serial[serial["network"] < 20].drop(columns=["diverged", "shape"])
    pd.testing.assert_frame_equal(found.drop(columns="shape"), expected, check_exact=True)
    assert len([*folder.iterdir()]) == 3
