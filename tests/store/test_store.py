"""What is saved is what is opened again, bit by bit."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from oracles.nets import random_net
from store.faults import add, leave_journal
from store.samples import carrying, saved

import cntgraph as cg
from cntgraph.core.errors import FormatError, StoreError
from cntgraph.core.parameter import Parameter
from cntgraph.network.network import Network
from cntgraph.store.parameter_key import parameter_key
from cntgraph.store.reader import read_network

# --- Round trips ------------------------------------------------------------------------------

ALL_BITS = np.arange(2**16, dtype=np.uint16)
TENSORS = {
    "float32": np.random.default_rng(0).integers(0, 2**32, 5000, dtype=np.uint32).view(np.float32),
    "float16": ALL_BITS.view(np.float16),
    "bfloat16": ALL_BITS,
    "float8_e4m3fn": np.arange(256, dtype=np.uint8),
    "float8_e8m0fnu": np.arange(256, dtype=np.uint8),
    "float64": np.array([[np.pi, -0.0, 5e-324], [np.nan, np.inf, -np.inf]]),
    "int8": np.arange(-128, 128, dtype=np.int8).reshape(4, 8, 8),
    "uint8": np.arange(256, dtype=np.uint8),
    "int64": np.array([-(2**63), 2**63 - 1]),
    "bool": np.array([True, False]),
}


@pytest.mark.parametrize("compression", [None, 9])
@pytest.mark.parametrize("dtype", TENSORS)
def test_tensors_are_kept_bit_by_bit(path: Path, dtype: str, compression: int | None) -> None:
    array = TENSORS[dtype]
    parameter = Parameter.from_array("extra", array, dtype=dtype, trainable=False)
    found = saved(carrying(parameter), path, compression=compression).parameters["extra"]
    assert (found.dtype, found.shape, found.trainable) == (dtype, array.shape, False)
    assert found.raw().dtype == array.dtype
    assert found.raw().tobytes() == array.tobytes()
    np.testing.assert_array_equal(found.read(0, 1, 3), parameter.read(0, 1, 3))


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0, 2), (2, 3, 4, 5)])
def test_shapes(path: Path, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(1).normal(size=shape)
    found = saved(carrying(Parameter.from_array("extra", np.asarray(array))), path)
    np.testing.assert_array_equal(found.parameters["extra"].raw(), array)


@pytest.mark.parametrize(
    "name",
    ["a/b", "/onnx/MatMul_W", "100%", "%2F", ".", "..", "...", "a.b", "größe", "权重", " ", "a\nb"],
)
def test_names(path: Path, name: str) -> None:
    others = [Parameter.from_array(n, np.zeros(2)) for n in ("a", "b", "%252F")]
    net = carrying(*others, Parameter.from_array(name, np.arange(3.0)))
    found = saved(net, path)
    assert list(found.parameters) == list(net.parameters)
    np.testing.assert_array_equal(found.parameters[name].raw(), np.arange(3.0))
    with h5py.File(path) as file:
        stored = file["snapshots/0/parameters"]
        assert all(isinstance(item, h5py.Dataset) for item in stored.values())
        assert parameter_key(name) in stored


def test_a_transposed_array_is_stored_as_it_is_seen(path: Path) -> None:
    array = np.arange(6.0).reshape(2, 3).T
    found = saved(carrying(Parameter.from_array("extra", array)), path)
    np.testing.assert_array_equal(found.parameters["extra"].raw(), array)


@pytest.mark.parametrize("seed", range(3))
def test_measures_are_the_same_afterwards(path: Path, seed: int) -> None:
    net = random_net(seed)
    found = saved(net, path)
    for edges in ("all", "parametric"):
        np.testing.assert_array_equal(
            cg.node_strength(found, edges=edges), cg.node_strength(net, edges=edges)
        )
    assert found.coverage.equals(net.coverage)
    assert cg.describe(found).equals(cg.describe(net))
    assert cg.load(path).n_edges == read_network(path).n_edges == net.n_edges


def test_compression_shrinks_what_it_can(path: Path) -> None:
    net = carrying(Parameter.from_array("zeros", np.zeros(100_000)))
    sizes = []
    for level in (None, 9):
        cg.save(net, path, compression=level, overwrite=True)
        sizes.append(path.stat().st_size)
    assert sizes[0] > 800_000 > 50_000 > sizes[1]


# --- Labels -----------------------------------------------------------------------------------


def test_labels(path: Path) -> None:
    given = {"epoch": 3, "loss": 0.1, "name": "größe", "empty": "", "best": True, "worst": False,
             "large": 2**63, "small": -(2**63), "infinite": math.inf, "val/accuracy": 0.5,
             "long": "x" * 100_000}  # fmt: skip
    numpy = {"np_int": np.int32(4), "np_float": np.float32(0.1), "np_bool": np.bool_(True)}
    labels = saved(cg.toy("mlp"), path, nothing=None, **given, **numpy).labels
    expected = {**given, "np_int": 4, "np_float": float(np.float32(0.1)), "np_bool": True}
    assert dict(labels) == expected
    for name, value in expected.items():
        assert type(labels[name]) is type(value), name


def test_labels_of_the_network_are_kept_and_replaced(path: Path) -> None:
    net = replace(cg.toy("mlp"), labels={"epoch": 1, "accuracy": 0.5})
    assert saved(net, path, accuracy=0.75).labels == {"epoch": 1, "accuracy": 0.75}


@pytest.mark.parametrize(
    "value", [[1, 2], np.zeros(3), {"a": 1}, 1j, object(), 2**64, -(2**63) - 1, b"x", "nul\0"]
)
def test_bad_label_is_refused(path: Path, value: Any) -> None:
    with pytest.raises(StoreError, match=r"label 'note'|cannot be written"):
        cg.save(cg.toy("mlp"), path, note=value)
    assert list(path.parent.iterdir()) == []


# --- Whole files ------------------------------------------------------------------------------


def test_overwriting_is_refused_or_asked_for(path: Path) -> None:
    cg.save(cg.toy("mlp"), path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"run\.h5 exists.*pass overwrite=True"):
        cg.save(cg.toy("cnn"), path)
    assert path.read_bytes() == before
    assert saved(cg.toy("cnn"), path, overwrite=True).n_layers == 4
    assert [p.name for p in path.parent.iterdir()] == ["run.h5"]


def test_a_journal_counts_as_a_file_and_does_not_outlive_it(path: Path) -> None:
    """Otherwise the next reader would see the end of another file through it."""
    cg.save(cg.toy("mlp"), path)
    leave_journal(path, add("more", np.zeros(3)))
    path.unlink()
    with pytest.raises(StoreError, match="exists"):
        cg.save(cg.toy("mlp"), path)
    path.with_name("run.h5.journal").unlink()
    cg.save(cg.toy("mlp"), path)
    leave_journal(path, add("more", np.zeros(3)))
    cg.save(cg.toy("cnn"), path, overwrite=True)
    assert [p.name for p in path.parent.iterdir()] == ["run.h5"]
    assert cg.open(path)[0].n_layers == 4


def test_a_failed_save_leaves_the_old_file(path: Path) -> None:
    cg.save(cg.toy("mlp"), path)
    before = path.read_bytes()

    def snapshots() -> Iterator[Network]:
        yield cg.toy("cnn")
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        cg.save(snapshots(), path, overwrite=True)
    with pytest.raises(StoreError, match="at least one network"):
        cg.save([], path, overwrite=True)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["run.h5"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        cg.save(cg.toy("mlp"), tmp_path / "absent" / "run.h5")


def test_bad_compression(path: Path) -> None:
    net = carrying(Parameter.from_array("large", np.zeros(1000)))
    with pytest.raises(StoreError, match="cannot be written"):
        cg.save(net, path, compression=10)


def test_a_part_of_a_trajectory(path: Path) -> None:
    with cg.open(cg.demo_file("training")) as whole:
        cg.save(whole[1::5], path, kept=True)
        with cg.open(path) as part:
            assert len(part) == 3
            for ours, theirs in zip(part, whole[1::5], strict=True):
                assert ours.labels == {**theirs.labels, "kept": True}
                np.testing.assert_array_equal(cg.node_strength(ours), cg.node_strength(theirs))


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be replaced there")
def test_a_file_can_be_thinned_in_place(path: Path) -> None:
    cg.save([replace(cg.toy("mlp"), labels={"step": k}) for k in range(6)], path)
    with cg.open(path) as whole:
        cg.save(whole[::2], path, overwrite=True)
        assert len(whole) == 6
        assert whole[5].parameters["fc1.weight"].raw().size == 48
    assert cg.open(path).labels["step"].tolist() == [0, 2, 4]


def test_snapshots_of_different_networks_are_refused(path: Path) -> None:
    with pytest.raises(StoreError, match="not of one network"):
        cg.save([cg.toy("mlp"), cg.toy("cnn")], path)
    assert not path.exists()


def test_which_snapshot(path: Path) -> None:
    cg.save([replace(cg.toy("mlp"), labels={"step": k}) for k in range(3)], path)
    assert [read_network(path, k).labels["step"] for k in (0, 2, -1, -3)] == [0, 2, 2, 0]
    for outside in (3, -4):
        with pytest.raises(StoreError, match="snapshot below 3"):
            read_network(path, outside)


@pytest.mark.parametrize(
    "options",
    [{"input_shape": (6,)}, {"example_input": np.zeros((1, 6))}, {"norm": "keep"}, {"unroll": 2},
     {"model": None}],
)  # fmt: skip
def test_options_that_a_file_with_a_graph_has_no_use_for_are_refused(tmp_path, options):
    cg.save(cg.toy("mlp"), tmp_path / "net.h5")
    with pytest.raises(FormatError, match="has its graph"):
        cg.load(tmp_path / "net.h5", **options)
    cg.load(tmp_path / "net.h5", strict=True)


@pytest.mark.parametrize("values", [[0, 5], (0, 5), np.array([0, 5]), range(0, 6, 5)])
def test_a_label_for_each_of_several_networks(path: Path, values: Any) -> None:
    nets = [replace(cg.toy("mlp"), labels={"step": k, "epoch": 9}) for k in range(2)]
    cg.save(iter(nets), path, epoch=values, seed=7, name="run")
    expected = {"step": [0, 1], "epoch": [0, 5], "seed": [7, 7], "name": ["run", "run"]}
    assert cg.open(path).labels.to_dict("list") == expected


@pytest.mark.parametrize(
    ("net", "epoch", "said"),
    [
        (cg.toy("mlp"), [1, 2], "expected one value for one network, got a sequence of 2"),
        ([cg.toy("mlp")] * 3, [1, 2], "a value for each of 3 networks, or one for all; got 2"),
        ([cg.toy("mlp")] * 2, [1, 2, 3], "a value for each of 2 networks, or one for all; got 3"),
        ([cg.toy("mlp")] * 2, [1, [2]], "expected a number, a string or a boolean, got list"),
    ],
)
def test_labels_that_do_not_fit_the_networks(path: Path, net: Any, epoch: Any, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        cg.save(net, path, epoch=epoch)
    assert not path.exists()
