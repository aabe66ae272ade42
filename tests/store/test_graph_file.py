"""Files of explicit graphs that are damaged or hostile: refused, or read as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from oracles.mutate import mutations
from oracles.nets import random_net

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, FormatError, StoreError
from cntgraph.store.hdf5 import LIBVER
from cntgraph.store.writer import fixed_text


@pytest.fixture
def graph(path: Path) -> Path:
    cg.build_graph(random_net(0), out=path)
    return path


def is_refused(path: Path) -> bool:
    """Open a graph and look at all of it; other errors than CntGraphErrors come through."""
    try:
        graph = cg.open_graph(path)
        cg.node_strength(graph)
        assert graph.adjacency.indices.max() < graph.n_nodes
        return False
    except CntGraphError:
        return True


def write(path: Path, name: str, values: Any, **options: Any) -> None:
    with h5py.File(path, "r+", libver=LIBVER) as file:
        del file[name]
        file.create_dataset(name, data=values, **options)


def read(path: Path, name: str) -> np.ndarray:
    with h5py.File(path) as file:
        return np.asarray(file[name])


def describe(path: Path, **changes: Any) -> None:
    with h5py.File(path, "r+", libver=LIBVER) as file:
        described = json.loads(file["description"].asstr()[()]) | changes
        del file["description"]
        file["description"] = fixed_text(json.dumps(described))


def test_a_whole_file_is_read(graph: Path) -> None:
    assert not is_refused(graph)


def test_cut_off(graph: Path) -> None:
    data = graph.read_bytes()
    for length in [*range(0, 100, 9), *np.linspace(100, len(data) - 1, 30, dtype=int)]:
        graph.write_bytes(data[:length])
        assert is_refused(graph), length


@pytest.mark.parametrize("seed", range(3))
def test_damage_anywhere_is_an_error_or_harmless(graph: Path, seed: int) -> None:
    refused = 0
    for data in mutations(graph.read_bytes(), 60, seed=seed):
        graph.write_bytes(data)
        refused += is_refused(graph)
    assert refused > 20


@pytest.mark.parametrize(("at", "value"), [(3, -1), (3, 10**6), (-1, 0), (0, 1), (-1, 10**6)])
def test_rows_that_do_not_follow_each_other(graph: Path, at: int, value: int) -> None:
    indptr = read(graph, "indptr")
    indptr[at] = value
    write(graph, "indptr", indptr)
    with pytest.raises(StoreError, match="expected rows that follow each other"):
        cg.open_graph(graph)


@pytest.mark.parametrize(("at", "value"), [(0, -1), (5, 10**6), (0, 10**6)])
def test_targets_beyond_the_nodes_or_out_of_order(graph: Path, at: int, value: int) -> None:
    indices = read(graph, "indices")
    indices[at] = value
    write(graph, "indices", indices)
    with pytest.raises(StoreError, match="with ascending targets below"):
        cg.open_graph(graph)


def test_blocks_that_are_not_there(graph: Path) -> None:
    marks = read(graph, "edge_block")
    marks[-1] = 200
    write(graph, "edge_block", marks)
    with pytest.raises(StoreError, match="blocks below 8"):
        cg.open_graph(graph)


@pytest.mark.parametrize("name", ["data", "indices", "indptr", "edge_block", "bias"])
def test_arrays_of_another_size_or_type(graph: Path, name: str) -> None:
    values = read(graph, name)
    write(graph, name, values.astype(np.complex64))
    with pytest.raises(StoreError, match=f"{name} is damaged: expected"):
        cg.open_graph(graph)
    write(graph, name, values[:-1])
    assert is_refused(graph)


@pytest.mark.parametrize("options", [{"chunks": (8,)}, {"compression": 4}])
def test_numbers_that_do_not_lie_together(graph: Path, options: dict[str, Any]) -> None:
    write(graph, "data", read(graph, "data"), **options)
    with pytest.raises(StoreError, match="cut into chunks or packed"):
        cg.open_graph(graph)


def test_numbers_in_other_files_are_refused(graph: Path) -> None:
    data = read(graph, "data")
    with h5py.File(graph, "r+", libver=LIBVER) as file:
        del file["data"]
        file.create_dataset(
            "data", data.shape, data.dtype, external=[("other.raw", 0, data.nbytes)]
        )
    with pytest.raises(StoreError, match="files that refer to other files are refused"):
        cg.open_graph(graph)


def test_numbers_that_were_never_written(graph: Path) -> None:
    with h5py.File(graph, "r+", libver=LIBVER) as file:
        shape, dtype = file["data"].shape, file["data"].dtype
        del file["data"]
        file.create_dataset("data", shape, dtype)
    with pytest.raises(StoreError, match="its numbers are not in the file"):
        cg.open_graph(graph)


@pytest.mark.parametrize(("changes", "said"), [
    ({"layers": [{"name": "a"}]}, r"graph\.layers\[0\]: expected an object with"),
    ({"blocks": [{"name": "a", "parametric": True}] * 2}, "names of their own"),
    ({"labels": {"epoch": [1]}}, "a number, a text, true or false"),
    ({"blocks": []}, "edge_block is damaged|blocks below 0"),
    ({"layers": []}, "is damaged"),
])  # fmt: skip
def test_a_description_of_something_else(graph: Path, changes: dict[str, Any], said: str) -> None:
    describe(graph, **changes)
    with pytest.raises(StoreError, match=said):
        cg.open_graph(graph)


def test_a_newer_file(graph: Path) -> None:
    with h5py.File(graph, "r+", libver=LIBVER) as file:
        file.attrs["format_version"] = 2
    with pytest.raises(StoreError, match="a graph of format 2, this cntgraph reads up to 1"):
        cg.open_graph(graph)


def test_other_files(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(FormatError, match="of another one"):
        cg.open_graph(path)
    path.write_text("text")
    with pytest.raises(FormatError, match="HDF5"):
        cg.open_graph(path)
    path.write_text("")
    with pytest.raises(FormatError, match="found no file"):
        cg.open_graph(path)


def test_a_journal_beside_it_is_refused(graph: Path) -> None:
    Path(f"{graph}.journal").write_bytes(b"")
    with pytest.raises(StoreError, match="journal beside it"):
        cg.open_graph(graph)


def test_labels_that_a_file_cannot_hold_are_refused_before(path: Path) -> None:
    net = cg.toy("mlp").bind(cg.toy("mlp").parameters, {"when": object()})
    with pytest.raises(StoreError, match="label 'when': expected a number"):
        cg.build_graph(net, out=path)
    assert not path.exists()
