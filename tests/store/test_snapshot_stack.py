"""Snapshots as rows of one dataset a parameter: as those in groups, and never wrong."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store.faults import Crash, crash_at
from store.samples import carrying, is_refused, use

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, StoreError
from cntgraph.core.parameter import Parameter, storage_dtype
from cntgraph.network.network import Network
from cntgraph.store import stack_writer
from cntgraph.store.hdf5 import LIBVER, append
from cntgraph.store.journal import recover
from cntgraph.store.reader import StoreFile
from cntgraph.store.snapshot_groups import SnapshotGroups
from cntgraph.store.snapshot_stack import SnapshotStack
from cntgraph.store.stacked_snapshots import stacked_snapshots
from cntgraph.store.writer import write_snapshot, write_topology

DTYPES = ("float32", "float16", "bfloat16", "float64", "float8_e4m3fn", "int8", "int64", "uint16",
          "bool")  # fmt: skip
SHAPES = st.lists(st.integers(0, 5), max_size=3).map(tuple)
LABELS = st.dictionaries(
    st.sampled_from(["step", "epoch", "note", "größe", "a/b"]),
    st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.booleans()
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
)


def training(shape: Sequence[int], dtype: str, labels: Sequence[Any], seed: int) -> list[Network]:
    """Networks with one more tensor, of any bits, NaN among them."""
    rng, found = np.random.default_rng(seed), []
    stored = storage_dtype(dtype)
    for own in labels:
        bits = rng.bytes(int(np.prod(shape)) * stored.itemsize)
        values = np.frombuffer(bits, np.uint8 if dtype == "bool" else stored).reshape(shape)
        if dtype == "bool":
            values = values % 2 == 0
        net = carrying(Parameter.from_array("extra", values, dtype=dtype, trainable=False))
        found.append(replace(net, labels=own))
    return found


def in_groups(nets: Sequence[Network], path: Path, *, compression: int | None = None) -> None:
    """Write networks as the versions before did."""
    with h5py.File(path, "w", libver=LIBVER) as file:
        write_topology(file, nets[0])
        for net in nets:
            write_snapshot(file, net.parameters, net.labels, compression=compression)


def bits(net: Network) -> dict[str, Any]:
    return {
        name: (p.dtype, p.shape, p.trainable, p.raw().dtype, p.raw().tobytes())
        for name, p in net.parameters.items()
    }


def assert_same(store: StoreFile, nets: Sequence[Network]) -> None:
    assert len(store) == len(nets)
    for number, net in enumerate(nets):
        found = store.network(number)
        assert bits(found) == bits(net)
        assert repr(found.labels) == repr(dict(sorted(net.labels.items())))


@settings(max_examples=25, deadline=None)
@given(
    shape=SHAPES,
    dtype=st.sampled_from(DTYPES),
    labels=st.lists(LABELS, min_size=2, max_size=4),
    compression=st.sampled_from([None, 1]),
    seed=st.integers(0, 99),
)
def test_both_forms_give_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, shape: Any, dtype: str, labels: Any,
    compression: int | None, seed: int,
) -> None:  # fmt: skip
    nets, folder = training(shape, dtype, labels, seed), tmp_path_factory.mktemp("forms")
    cg.save(nets, folder / "stack.h5", compression=compression)
    in_groups(nets, folder / "groups.h5", compression=compression)
    new, old = StoreFile(folder / "stack.h5"), StoreFile(folder / "groups.h5")
    assert isinstance(new.snapshots, SnapshotStack)
    assert isinstance(old.snapshots, SnapshotGroups)
    for store in (new, old):
        assert_same(store, nets)
    numbers = [k % len(nets) for k in (2, 0, 0, 1)]
    for name, ours in stacked_snapshots(new, numbers).parameters.items():
        theirs = stacked_snapshots(old, numbers).parameters[name]
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        assert ours.raw().tobytes() == theirs.raw().tobytes()
    tables = [cg.open(store.path).labels for store in (new, old)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)


@pytest.mark.parametrize("compression", [None, 3])
@pytest.mark.parametrize("numbers", [
    range(200), range(199, -1, -1), range(0, 200, 3), [0, 199], [7, 7, 5], [150, 2, 3, 151], [],
])  # fmt: skip
def test_any_snapshots_in_any_order(path: Path, numbers: Any, compression: int | None) -> None:
    values = np.random.default_rng(0).normal(size=(200, 6, 25)).astype(np.float32)
    cg.save((carrying(Parameter.from_array("extra", v)) for v in values), path,
            compression=compression)  # fmt: skip
    found = stacked_snapshots(StoreFile(path), numbers)
    assert (found.places, found.failed) == ([*range(len(numbers))], {})
    if len(numbers):
        np.testing.assert_array_equal(found.parameters["extra"].raw(), values[[*numbers]])


@pytest.mark.parametrize("key", [
    (), slice(None), slice(3, 7), (slice(39, 40),), slice(7, 3), (slice(None), slice(1, 2)),
    slice(None, None, 3), (slice(None), slice(None), slice(4, 5)), 3, (slice(None), [0, 2]),
])  # fmt: skip
@pytest.mark.parametrize("compression", [None, 3])
@pytest.mark.parametrize("large", [1, 1 << 20])
def test_any_selection_of_a_row(
    path: Path, monkeypatch: Any, key: Any, compression: int | None, large: int
) -> None:
    monkeypatch.setattr("cntgraph.store.stacked_tensor._LARGE", large)
    values = np.random.default_rng(0).normal(size=(3, 40, 3, 5))
    cg.save((carrying(Parameter.from_array("extra", v)) for v in values), path,
            compression=compression)  # fmt: skip
    handle = pickle.loads(pickle.dumps(cg.open(path)[1].parameters["extra"])).data
    np.testing.assert_array_equal(handle[key], values[1][key])


@pytest.mark.parametrize("compression", [None, 2])
def test_large_rows_are_cut(path: Path, monkeypatch: Any, compression: int | None) -> None:
    for name in ("_MOST_PLAIN", "_MOST_PACKED"):
        monkeypatch.setattr(stack_writer, name, 700)
    values = np.random.default_rng(0).normal(size=(3, 5, 7, 11))
    cg.save((carrying(Parameter.from_array("extra", v)) for v in values), path,
            compression=compression)  # fmt: skip
    with h5py.File(path) as file:
        assert file["stack/parameters/extra"].chunks[1:] == (1, 7, 11)
    store = StoreFile(path)
    np.testing.assert_array_equal(store.network(1).parameters["extra"].read(1, 2, 5),
                                  values[1][:, 2:5])  # fmt: skip
    found = stacked_snapshots(store, [2, 0]).parameters["extra"]
    np.testing.assert_array_equal(found.raw(), values[[2, 0]])


def test_as_many_axes_as_hdf5_knows(path: Path) -> None:
    """There is no room for the axis of snapshots."""
    nets = training((2, *(1,) * 31), "float32", [{"step": 0}, {"step": 1}], 0)
    cg.save(nets, path)
    assert isinstance(StoreFile(path).snapshots, SnapshotGroups)
    assert_same(StoreFile(path), nets)


def test_bytes_before_the_file_proper(path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("cntgraph.store.stacked_tensor._LARGE", 1)
    nets = training((4, 3), "float32", [{}, {}], 0)
    cg.save(nets, path)
    path.write_bytes(bytes(512) + path.read_bytes())
    assert_same(StoreFile(path), nets)


def test_a_closed_file_says_so(path: Path) -> None:
    cg.save(training((4, 3), "float32", [{}, {}], 0), path)
    store = StoreFile(path)
    net = store.network(1)
    net.parameters["extra"].raw()
    store.close()
    with pytest.raises(StoreError, match="was closed"):
        net.parameters["extra"].raw()
    with pytest.raises(StoreError, match="was closed"):
        store.labels(0)


# --- Appending --------------------------------------------------------------------------------


def add(path: Path, net: Network) -> None:
    with append(path) as file:
        write_snapshot(file, net.parameters, net.labels)


@pytest.mark.parametrize("compression", [None, 1])
def test_a_file_that_grows(path: Path, compression: int | None) -> None:
    nets = training((9, 20), "float16", [{"step": k, "note": "x" * k} for k in range(70)], 0)
    cg.save(nets[:2], path, compression=compression)
    for net in nets[2:]:
        add(path, net)
    assert_same(StoreFile(path), nets)


def test_a_file_of_before_stays_as_it_was_begun(path: Path) -> None:
    nets = training((9,), "float32", [{"step": k} for k in range(3)], 0)
    in_groups(nets[:2], path)
    add(path, nets[2])
    with h5py.File(path) as file:
        assert file.attrs["format_version"] == 1
        assert "stack" not in file
    assert_same(StoreFile(path), nets)


def test_what_is_beyond_the_count_is_no_snapshot(path: Path) -> None:
    nets = training((9,), "float32", [{"step": k} for k in range(4)], 0)
    cg.save(nets[:2], path)
    with append(path) as file:
        sizes = dict(file["stack"].attrs)
        write_snapshot(file, nets[3].parameters, nets[3].labels)
        for name, value in sizes.items():
            file["stack"].attrs.modify(name, value)
    assert_same(StoreFile(path), nets[:2])
    add(path, nets[2])
    assert_same(StoreFile(path), nets[:3])


def other_shape(net: Network) -> dict[str, Parameter]:
    return {**net.parameters, "extra": Parameter.from_array("extra", np.ones(1, np.float32))}


def other_type(net: Network) -> dict[str, Parameter]:
    return {**net.parameters, "extra": Parameter.from_array("extra", np.ones(9))}


def one_less(net: Network) -> dict[str, Parameter]:
    return {name: p for name, p in net.parameters.items() if name != "extra"}


@pytest.mark.parametrize("change", [other_shape, other_type, one_less, lambda net: None])
def test_other_parameters_are_refused(path: Path, change: Callable[[Network], Any]) -> None:
    """A row of another shape would be repeated, one that is missing be zero."""
    nets = training((9,), "float32", [{}, {}], 0)
    cg.save(nets, path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="expected"), append(path) as file:
        write_snapshot(file, change(nets[0]), {})
    assert path.read_bytes() == before


@pytest.mark.parametrize("torn", [False, True])
def test_a_crash_at_every_step(tmp_path: Path, torn: bool, monkeypatch: Any) -> None:
    monkeypatch.setattr(os, "fsync", lambda number: None)
    nets = training((9, 20), "float32", [{"step": k} for k in range(3)], 0)
    cg.save(nets[:2], tmp_path / "before.h5")
    seen = set()
    for step in range(1000):
        path = tmp_path / f"{step}.h5"
        path.write_bytes((tmp_path / "before.h5").read_bytes())
        with pytest.MonkeyPatch.context() as patch:
            crash_at(patch, step, torn=torn)
            try:
                add(path, nets[2])
                break
            except Crash:
                pass
        n = len(StoreFile(path))
        assert_same(StoreFile(path), nets[:n])
        recover(path)
        assert_same(StoreFile(path), nets[:n])
        seen.add(n)
    assert seen == {2, 3}, "the crashes fell before and after the rename"
    assert_same(StoreFile(path), nets)


# --- Damage -----------------------------------------------------------------------------------

WEIGHT, STACK = "stack/parameters/extra", "stack"


def swap(name: str, make: Callable[[h5py.File], Any]) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        made = make(file)
        if made is not None:
            file[name] = made

    return change


def sized(name: str, value: Any) -> Callable[[h5py.File], None]:
    return lambda file: file[STACK].attrs.__setitem__(name, value)


def lines(text: bytes) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        swap("stack/labels", lambda file: np.frombuffer(text, np.uint8))(file)
        file[STACK].attrs["n_label_bytes"] = len(text)

    return change


DAMAGE: dict[str, tuple[Callable[[h5py.File], None], str]] = {
    "no stack": (swap(STACK, lambda f: None), "stack is missing"),
    "stack is a dataset": (swap(STACK, lambda f: np.ones(3)), "stack is damaged"),
    "more snapshots than rows": (sized("n_snapshots", 3), "stack is damaged|expected 3 lines"),
    "quintillions of snapshots": (sized("n_snapshots", 2**62), "it declares 4611686018427387904"),
    "less than none": (sized("n_snapshots", -1), "it declares -1"),
    "half a snapshot": (sized("n_snapshots", 0.5), "it declares 0.5"),
    "no count": (lambda f: f[STACK].attrs.__delitem__("n_snapshots"), "damaged"),
    "more bytes than there are": (sized("n_label_bytes", 10**6), "bytes of labels, and has"),
    "labels cut": (sized("n_label_bytes", 12), "expected 2 lines"),
    "no labels": (swap("stack/labels", lambda f: None), "stack/labels is missing"),
    "labels of another type": (swap("stack/labels", lambda f: np.ones(99)), "a row of uint8"),
    "a table of labels": (swap("stack/labels", lambda f: np.ones((9, 9), "u1")), "a row of uint8"),
    "a scalar": (swap("stack/labels", lambda f: np.uint8(3)), "a row of uint8"),
    "labels that are no objects": (lines(b"[1]\n{}\n"), "expected an object"),
    "labels that are no text": (lines(b"{}\n\xff\xff\n"), "labels.*|damaged"),
    "labels that are no JSON": (lines(b"{}\n{1}\n"), "damaged"),
    "labels one in another": (lines(b'{}\n{"a": {"b": 1}}\n'), "the label 'a' is no number"),
    "labels of nothing": (lines(b'{}\n{"a": null}\n'), "the label 'a' is no number"),
    "labels beyond 64 bits": (lines(b'{"a": 18446744073709551616}\n{}\n'), "at most 64 bits"),
    "endless digits": (lines(b'{"a": ' + b"9" * 5000 + b"}\n{}\n"), "damaged"),
    "deep labels": (lines(b"{}\n" + b'{"a":' * 10**5 + b"\n"), "damaged"),
    "no parameters": (swap("stack/parameters", lambda f: None), "stack/parameters.* is missing"),
    "no parameter": (swap(WEIGHT, lambda f: None), "stack/parameters/extra is missing"),
    "a group": (swap(WEIGHT, lambda f: f.create_group(WEIGHT) and None), "not a dataset"),
    "short": (swap(WEIGHT, lambda f: np.ones((1, 9), "f4")), "or more rows, found"),
    "one row": (swap(WEIGHT, lambda f: np.ones(9, "f4")), "or more rows, found"),
    "a number": (swap(WEIGHT, lambda f: np.float32(1)), "or more rows, found"),
    "another shape": (swap(WEIGHT, lambda f: np.ones((2, 8), "f4")), "or more rows, found"),
    "another type": (swap(WEIGHT, lambda f: np.ones((2, 9))), "expected float32 of shape"),
    "another order of bytes": (swap(WEIGHT, lambda f: np.ones((2, 9), ">f4")), "expected float32"),
    "never written": (
        swap(WEIGHT, lambda f: f.create_dataset(WEIGHT, (64, 9), "f4", chunks=(64, 9)) and None),
        "declares 576 values and has 0 bytes",
    ),
    "a soft link": (swap(WEIGHT, lambda f: h5py.SoftLink("/stack/parameters/fc1.weight")),
                    "is a link"),
    "a link to itself": (swap(WEIGHT, lambda f: h5py.SoftLink(f"/{WEIGHT}")), "is a link"),
    "another file's": (swap(WEIGHT, lambda f: h5py.ExternalLink("other.h5", "/x")), "is a link"),
    "its own group": (swap(WEIGHT, lambda f: f["stack/parameters"]), "not a dataset"),
    "groups in a circle": (swap("stack/parameters", lambda f: f[STACK]), "is missing"),
    "a version of before": (lambda f: f.attrs.__setitem__("format_version", 4), "below 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_stacks_are_refused(path: Path, name: str) -> None:
    cg.save(training((9,), "float32", [{"step": 0}, {"step": 1}], 0), path)
    change, message = DAMAGE[name]
    with h5py.File(path, "r+", libver=LIBVER) as file:
        change(file)
    with pytest.raises(CntGraphError, match=f"(?s)run.h5.*({message})"):
        cg.load(path)
    assert is_refused(path) or name == "a version of before"
    if name != "a version of before":
        with pytest.raises(CntGraphError):
            cg.open(path).analyze()


def test_every_cut_is_noticed(path: Path) -> None:
    cg.save(training((9,), "float32", [{"step": 0}, {"step": 1}], 0), path)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for size in {*range(60), *rng.integers(60, len(data), 60).tolist(), len(data) - 1}:
        path.write_bytes(data[:size])
        assert is_refused(path), size
    path.write_bytes(data)
    use(path)


def test_snapshots_that_are_no_more_are_named(path: Path) -> None:
    cg.save(training((9,), "float32", [{}, {}, {}], 0), path)
    store = StoreFile(path)
    found = stacked_snapshots(store, [0, 3, 2])
    store.close()
    assert (found.places, [*found.failed]) == ([0, 2], [1])
    assert "expected a snapshot below 3, got 3" in found.failed[1]
    with h5py.File(path, "r+", libver=LIBVER) as file:
        del file[WEIGHT]
    found = stacked_snapshots(StoreFile(path), [0, 3, 2])
    assert (found.places, sorted(found.failed), found.parameters) == ([], [0, 1, 2], {})
