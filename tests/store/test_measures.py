"""Recorded measures are those of the parameters of their moments."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from store.faults import ROOT
from training.test_recorder import SHAPE, make, state, step

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, StoreError
from cntgraph.measures.layer_values import DISTRIBUTIONS, values_by_layer
from cntgraph.network.blocks.histogram import N_COUNTS
from cntgraph.store.hdf5 import LIBVER
from cntgraph.store.reader import StoreFile


def record(path: Path, store: Any = "measures", n: int = 4, **options: Any) -> list[Any]:
    """Record a short training, and return what load gives at each moment."""
    model, nets = make(), []
    recorder = cg.Recorder(path, model, input_shape=SHAPE, store=store, mode="resume", **options)
    for k in range(n):
        assert recorder(step=k, note="x") == k
        net = cg.load(model, input_shape=SHAPE)
        copies = {
            n: cg.Parameter.from_array(n, p.raw().copy(), trainable=p.trainable)
            for n, p in net.parameters.items()
        }
        nets.append(net.bind(copies, {}))
        step(model, k)
    return nets


@pytest.fixture
def opened(path: Path) -> Iterator[StoreFile]:
    record(path)
    store = StoreFile(path)
    yield store
    store.close()


@pytest.mark.parametrize("store", ["measures", "both"])
def test_tables_are_those_of_analyze(path: Path, store: str) -> None:
    nets = record(path, store)
    opened = StoreFile(path)
    assert opened.measures is not None
    for k, net in enumerate(nets):
        pd.testing.assert_frame_equal(
            opened.measures.table(k, opened.topology.layers), cg.analyze(net), check_exact=True
        )
        assert opened.labels(k) == {"step": k, "note": "x"}


@pytest.mark.parametrize("store", ["measures", "both"])
def test_histograms_are_those_of_the_samples(path: Path, store: str) -> None:
    nets = record(path, store)
    measures = StoreFile(path).measures
    assert measures is not None
    expected = [(m, layer) for m in DISTRIBUTIONS for layer in values_by_layer(nets[0], m)]
    assert list(measures.bins) == expected
    for k, net in enumerate(nets):
        for (measure, layer), bins in measures.bins.items():
            values = values_by_layer(net, measure)[layer]
            counts = measures.counts(k, measure, layer)
            np.testing.assert_array_equal(counts, bins.count(values))


def test_parameters_are_there_as_well(path: Path) -> None:
    nets = record(path, "both")
    for net, expected in zip(cg.open(path), nets, strict=True):
        for name, parameter in expected.parameters.items():
            np.testing.assert_array_equal(net.parameters[name].raw(), parameter.raw())


def test_there_are_no_parameters(path: Path) -> None:
    record(path)
    for use in (lambda: cg.open(path)[0], lambda: cg.load(path), lambda: list(cg.open(path))):
        with pytest.raises(StoreError, match=r'store="measures".*table\(\), analyze\(\), density'):
            use()
    with h5py.File(path, "r") as file:
        assert set(file["snapshots/0"]) == {"measures"}
        assert file.attrs["format_version"] == 5
        assert set(file["stack"]) == {"labels"}


def test_the_topology_is_known(path: Path) -> None:
    (net, *_) = record(path)
    topology = cg.open(path).topology
    pd.testing.assert_frame_equal(cg.describe(topology), cg.describe(net))
    pd.testing.assert_frame_equal(topology.coverage, net.coverage)
    with pytest.raises(StoreError, match="measures"):
        cg.node_strength(topology)


def test_the_topology_of_a_file_with_parameters(path: Path) -> None:
    record(path, "parameters")
    with pytest.raises(StoreError, match=r"topology has no weights; take a snapshot"):
        cg.node_strength(cg.open(path).topology)


def test_files_without_measures_have_none(path: Path) -> None:
    model = make()
    cg.Recorder(path, model, input_shape=SHAPE, mode="resume")(step=3)
    with h5py.File(path, "r") as file:
        assert set(file) == {"network", "coverage", "snapshots", "stack"}
        assert set(file["stack"]) == {"labels", "parameters"}
        assert not len(file["snapshots"])


def test_a_copy_with_parameters_alone(path: Path, tmp_path: Path) -> None:
    record(path, "both")
    cg.save(cg.open(path), tmp_path / "copy.h5")
    assert StoreFile(tmp_path / "copy.h5").kind == "parameters"
    np.testing.assert_array_equal(
        cg.node_strength(cg.open(tmp_path / "copy.h5")[2]), cg.node_strength(cg.open(path)[2])
    )


def test_it_is_small(path: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(600, 400)
    for store in ("measures", "parameters"):
        recorder = cg.Recorder(
            tmp_path / store, model, input_shape=(600,), store=store, mode="resume"
        )
        for _ in range(3):
            recorder()
    sizes = [(tmp_path / store).stat().st_size for store in ("measures", "parameters")]
    assert sizes[0] < 40_000 < 2_800_000 < sizes[1]


# --- Resuming -----------------------------------------------------------------------------------


def test_the_first_snapshot_decides_the_bins(path: Path) -> None:
    record(path)
    before = StoreFile(path).measures
    model = make(seed=9)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 1e6
    assert cg.Recorder(path, model, input_shape=SHAPE, store="measures", mode="resume")() == 4
    after = StoreFile(path).measures
    assert before is not None
    assert after is not None
    assert after.bins == before.bins
    counts = after.counts(4, "link_weights", "4")
    assert counts[0] + counts[-2] > 200  # almost all of them are far outside
    assert counts.sum() == 240


@pytest.mark.parametrize("store", ["parameters", "measures", "both"])
@pytest.mark.parametrize("other", ["parameters", "measures", "both"])
def test_another_kind_is_refused(path: Path, store: Any, other: Any) -> None:
    record(path, store, n=1)
    if store == other:
        assert cg.Recorder(path, make(), input_shape=SHAPE, store=other, mode="resume")() == 1
        return
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"recorded with store='{store}', not '{other}'"):
        cg.Recorder(path, make(), input_shape=SHAPE, store=other, mode="resume")
    assert path.read_bytes() == before


@pytest.mark.parametrize("store", ["measures", "both"])
def test_another_network_is_refused(path: Path, store: Any) -> None:
    record(path, store, n=1)
    with pytest.raises(StoreError, match="holds another network"):
        cg.Recorder(path, make(6), input_shape=SHAPE, store=store, mode="resume")


def test_two_recorders_take_turns(path: Path) -> None:
    """The second takes over the bins of the first, although there was no file at its start."""
    models = [make(seed=k) for k in range(2)]
    records = [
        cg.Recorder(path, m, input_shape=SHAPE, store="measures", mode="resume") for m in models
    ]
    assert [records[k % 2](step=k) for k in range(4)] == [0, 1, 2, 3]
    store = StoreFile(path)
    assert store.measures is not None
    for k in range(4):
        own = store.measures.table(k, store.topology.layers)
        pd.testing.assert_frame_equal(own, cg.analyze(cg.load(models[k % 2], input_shape=SHAPE)))


def test_a_file_that_was_exchanged_is_refused(path: Path) -> None:
    recorders = [
        cg.Recorder(path, make(seed=k), input_shape=SHAPE, store="measures", mode="resume")
        for k in (0, 1)
    ]
    recorders[0]()
    path.unlink()
    recorders[1]()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="begun by another"):
        recorders[0]()
    assert path.read_bytes() == before


# --- Options ------------------------------------------------------------------------------------


def test_options_are_checked(path: Path) -> None:
    with pytest.raises(StoreError, match="expected store to be one of"):
        cg.Recorder(path, make(), input_shape=SHAPE, store="weights", mode="resume")  # type: ignore[arg-type]
    for every in (0, -1, 1.5, True):
        with pytest.raises(StoreError, match="expected every"):
            cg.Recorder(path, make(), input_shape=SHAPE, every=every, mode="resume")  # type: ignore[arg-type]


def test_values_that_are_not_finite(path: Path) -> None:
    model = make()
    recorder = cg.Recorder(path, model, input_shape=SHAPE, store="measures", mode="resume")
    recorder()
    with torch.no_grad():
        model[4].weight[0, :2] = torch.tensor([float("nan"), float("inf")])
    recorder()
    store = StoreFile(path)
    assert store.measures is not None
    assert store.measures.counts(1, "link_weights", "4")[-1] == 2
    row = store.measures.table(1, store.topology.layers).loc["4"]
    assert row["status"] == "non-finite weights"
    assert row["link_weight_n_nan"] == 1


def test_a_call_always_records(path: Path) -> None:
    recorder = cg.Recorder(path, make(), input_shape=SHAPE, every=10, mode="resume")
    assert [recorder() for _ in range(3)] == [0, 1, 2]


def test_labels_may_have_any_name(path: Path) -> None:
    labels = {"self": 1.0, "val/acc": 0.5, "path": "x"}
    cg.Recorder(path, make(), input_shape=SHAPE, mode="resume")(**labels)  # type: ignore[arg-type]
    assert cg.open(path)[0].labels == labels


# --- What is not there --------------------------------------------------------------------------


def test_unknown_distributions(opened: StoreFile) -> None:
    assert opened.measures is not None
    for measure, layer in (("strength", "nowhere"), ("disparity", "4"), ("link_weights", "input")):
        with pytest.raises(CntGraphError, match=f"no distribution of '{measure}' was recorded"):
            opened.measures.counts(0, measure, layer)


def test_snapshots_can_be_pickled(path: Path) -> None:
    import pickle

    record(path)
    again = pickle.loads(pickle.dumps(StoreFile(path)))
    assert again.kind == "measures"
    assert again.measures.table(0, again.topology.layers).index.tolist() == [
        x.name for x in again.topology.layers
    ]


# --- Other processes ----------------------------------------------------------------------------


def test_only_rank_0_writes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    recorder = cg.Recorder(path, make(), input_shape=SHAPE, mode="resume")
    assert recorder(step=1) is None
    assert list(path.parent.iterdir()) == []
    monkeypatch.setenv("RANK", "0")
    assert recorder(step=2) == 0


PROCESS = """
import sys
import torch
import cntgraph as cg

torch.set_num_threads(1)
record = cg.Recorder(sys.argv[1], torch.nn.Linear(3, 2), input_shape=(3,), store="measures")
print([record(step=k, rank=int(sys.argv[2])) for k in range(3)])
"""


def test_two_processes(path: Path) -> None:
    """Each has its rank from its launcher; one of them writes."""
    processes = []
    for rank in (0, 1):
        command = [sys.executable, "-c", PROCESS, str(path), str(rank)]
        env = {**os.environ, "RANK": str(rank)}
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=env))
    told = [process.communicate(timeout=120)[0].decode().strip() for process in processes]
    assert told == ["[0, 1, 2]", "[None, None, None]"]
    assert cg.open(path).labels["rank"].tolist() == [0, 0, 0]


def test_ranks_of_torch_distributed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They come before the environment's."""
    monkeypatch.setenv("RANK", "0")
    torch.distributed.init_process_group(
        "gloo", store=torch.distributed.HashStore(), rank=0, world_size=1
    )
    try:
        recorder = cg.Recorder(path, make(), input_shape=SHAPE, mode="resume")
        assert recorder() == 0
        monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
        assert recorder() is None
    finally:
        torch.distributed.destroy_process_group()


# --- A model that is compiled -------------------------------------------------------------------


@pytest.mark.parametrize("store", ["parameters", "measures", "both"])
def test_a_compiled_model(path: Path, store: Any) -> None:
    model = make()
    compiled = torch.compile(model, backend="eager")
    recorder = cg.Recorder(path, compiled, input_shape=SHAPE, store=store, mode="resume")
    expected = []
    for k in range(3):
        recorder()
        expected.append((state(model), cg.analyze(cg.load(model, input_shape=SHAPE))))
        step(compiled, k)
    assert any(name.startswith("_orig_mod.") for name in compiled.state_dict())
    opened = StoreFile(path)
    for k, (values, table) in enumerate(expected):
        if opened.measures is not None:
            pd.testing.assert_frame_equal(opened.measures.table(k, opened.topology.layers), table)
        if opened.has_parameters:
            net = opened.network(k)
            assert net.parameters.keys() == values.keys()
            for name, own in values.items():
                np.testing.assert_array_equal(net.parameters[name].raw(), own)
    assert cg.Recorder(path, model, input_shape=SHAPE, store=store, mode="resume")() == 3


# --- Attached to an optimizer -------------------------------------------------------------------


def train(model: torch.nn.Module, optimizer: torch.optim.Optimizer, n: int) -> None:
    for k in range(n):
        optimizer.zero_grad()
        x = torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(k))
        model(x).square().sum().backward()
        optimizer.step()


def test_attached_to_an_optimizer(path: Path) -> None:
    model = make()
    optimizer = torch.optim.Adam(model.parameters())
    recorder = cg.Recorder(path, model, input_shape=SHAPE, every=3, mode="resume")
    handle = recorder.attach(optimizer)
    train(model, optimizer, 6)
    last = state(model)
    train(model, optimizer, 2)
    handle.remove()
    train(model, optimizer, 3)
    trajectory = cg.open(path)
    assert trajectory.labels["step"].tolist() == [3, 6]
    for name, values in last.items():  # after the step, not before it
        np.testing.assert_array_equal(trajectory[-1].parameters[name].raw(), values)


def test_steps_go_on_where_the_file_ends(path: Path) -> None:
    for first in (0, 4, 8):
        model = make()
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        cg.Recorder(path, model, input_shape=SHAPE, every=2, mode="resume").attach(optimizer)
        train(model, optimizer, 4)
        assert cg.open(path).labels["step"].tolist() == list(range(2, first + 5, 2))
    recorder = cg.Recorder(path, model, input_shape=SHAPE, mode="resume")
    recorder.attach(optimizer, step=100)
    optimizer.step()
    assert 101 in cg.open(path).labels["step"].tolist()


def test_what_takes_no_hook(path: Path) -> None:
    with pytest.raises(StoreError, match="optimizer of PyTorch"):
        cg.Recorder(path, make(), input_shape=SHAPE, mode="resume").attach(object())


def test_the_number_of_counts_is_that_of_the_format() -> None:
    assert N_COUNTS == 515
    assert LIBVER == ("v110", "v110")
