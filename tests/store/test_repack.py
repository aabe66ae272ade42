"""Files written anew hold what they held, bit by bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from oracles.nets import random_net
from store.faults import add, leave_journal
from store.samples import FORMAT_1

import cntgraph as cg
from cntgraph.core.errors import FormatError, StoreError
from cntgraph.store.hdf5 import LIBVER
from cntgraph.store.reader import StoreFile
from cntgraph.store.stack_writer import STACK_VERSION
from cntgraph.store.writer import write_snapshot, write_topology

ARCHIVE = Path(__file__).parent / "archive"
OLD = [FORMAT_1, *sorted(ARCHIVE.glob("*.h5")), cg.demo_file("training")]


def assert_equal(old: Path, new: Path) -> None:
    with cg.open(old) as before, cg.open(new) as after:
        pd.testing.assert_frame_equal(after.labels, before.labels, check_exact=True)
        pd.testing.assert_frame_equal(after.analyze(), before.analyze(), check_exact=True)
        assert after.topology.coverage.equals(before.topology.coverage)
        for ours, theirs in zip(*((t if t.has_parameters else ()) for t in (after, before)),
                                strict=True):  # fmt: skip
            assert ours.labels == theirs.labels
            for name, parameter in theirs.parameters.items():
                assert ours.parameters[name].raw().tobytes() == parameter.raw().tobytes()
                assert ours.parameters[name].dtype == parameter.dtype


def version(path: Path) -> int:
    with h5py.File(path) as file:
        return int(file.attrs["format_version"])


@pytest.mark.parametrize("old", OLD, ids=lambda path: path.name)
@pytest.mark.parametrize("compression", [None, 1])
def test_files_of_before(path: Path, old: Path, compression: int | None) -> None:
    data = old.read_bytes()
    cg.repack(old, path, compression=compression)
    assert version(path) == STACK_VERSION > version(old)
    assert_equal(old, path)
    assert old.read_bytes() == data


@pytest.mark.parametrize("store", ["parameters", "measures", "both"])
@pytest.mark.parametrize("inputs", [None, np.ones((6, 5), np.float32)], ids=["", "inputs"])
@pytest.mark.parametrize("form", ["groups", "stack"])
def test_all_that_is_recorded(
    path: Path, request: pytest.FixtureRequest, store: Any, inputs: Any, form: str
) -> None:
    if form == "groups":
        request.getfixturevalue("groups")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))
    record = cg.Recorder(path, model, input_shape=(5,), store=store, inputs=inputs, mode="resume")
    for step in range(5):
        record(step=step, note="x" * step)
        with torch.no_grad():
            model[0].weight.mul_(1.5)
    new = path.with_name("new.h5")
    cg.repack(path, new)
    assert_equal(path, new)
    ours, theirs = StoreFile(new), StoreFile(path)
    assert ours.kind == theirs.kind == store
    if inputs is not None:
        for measure in theirs.neurons.measures:
            found, expected = (f.neurons.summary(3, measure, f.topology.layers)
                               for f in (ours, theirs))  # fmt: skip
            assert found.values.tobytes() == expected.values.tobytes()
            assert found.n_samples == expected.n_samples == 6
    if theirs.measures is not None:
        assert ours.measures.bins == theirs.measures.bins
        for measure, layer in theirs.measures.bins:
            found, expected = (f.measures.counts(4, measure, layer) for f in (ours, theirs))
            np.testing.assert_array_equal(found, expected)
    record = cg.Recorder(new, model, input_shape=(5,), store=store, inputs=inputs, mode="resume")
    assert record(step=5) == 5


@pytest.mark.parametrize("n", [0, 1, 3])
def test_files_of_any_number_of_snapshots(path: Path, n: int) -> None:
    net = random_net(0)
    with h5py.File(path, "w", libver=LIBVER) as file:
        write_topology(file, net)
        for step in range(n):
            write_snapshot(file, net.parameters, {"step": step})
    cg.repack(path, path.with_name("new.h5"))
    assert len(StoreFile(path.with_name("new.h5"))) == n
    if n:
        assert_equal(path, path.with_name("new.h5"))


def test_a_snapshot_that_is_still_in_the_journal(path: Path) -> None:
    cg.save([cg.toy("mlp")] * 2, path)
    net = cg.toy("mlp")

    def append_one(path: Path) -> None:
        from cntgraph.store.hdf5 import append

        with append(path) as file:
            write_snapshot(file, net.parameters, {"step": 2})

    leave_journal(path, append_one)
    cg.repack(path, path.with_name("new.h5"))
    assert len(StoreFile(path.with_name("new.h5"))) == 3


def test_what_is_there_is_not_replaced(path: Path) -> None:
    cg.save(cg.toy("mlp"), path)
    other = path.with_name("other.h5")
    other.write_text("notes")
    with pytest.raises(StoreError, match=r"other\.h5 exists.*overwrite=True"):
        cg.repack(path, other)
    assert other.read_text() == "notes"
    before = path.read_bytes()
    for overwrite in (False, True):
        with pytest.raises(StoreError, match="is what is read"):
            cg.repack(path, path, overwrite=overwrite)
    assert path.read_bytes() == before
    cg.repack(path, other, overwrite=True)
    assert_equal(path, other)


def test_a_damaged_file_leaves_nothing(path: Path) -> None:
    cg.save([cg.toy("mlp")] * 3, path)
    with h5py.File(path, "r+", libver=LIBVER) as file:
        del file["stack/parameters/fc1.weight"]
    with pytest.raises(StoreError, match=r"run\.h5.*fc1\.weight is missing"):
        cg.repack(path, path.with_name("new.h5"))
    path.with_name("text.h5").write_text("notes")
    with pytest.raises(FormatError, match="expected a cntgraph file"):
        cg.repack(path.with_name("text.h5"), path.with_name("new.h5"))
    with pytest.raises(FormatError, match="found no file"):
        cg.repack(path.with_name("absent.h5"), path.with_name("new.h5"))
    assert {p.name for p in path.parent.iterdir()} == {"run.h5", "text.h5"}
    add("more", np.zeros(3))(path)  # no lock is left
