"""Files that were made to do harm: refused with a reason, before they take memory or time.

A longer run, in processes that are watched: ``python benchmarks/fuzz.py --format h5``.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from oracles import hdf5_files, mutate, store_files
from oracles.reading import outcome
from store.samples import replace_text

import cntgraph as cg
from cntgraph.core.errors import GraphSizeError, StoreError
from cntgraph.store.hdf5 import LIBVER
from cntgraph.store.reader import StoreFile

N = 40
NAMES = ("mlp", "double", "convolutions", "channels", "attention", "recurrent", "training",
         "earliest", "measured", "rows")  # fmt: skip
ERRORS = {"StoreError", "FormatError", "GraphSizeError"}
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return store_files.samples(tmp_path_factory.mktemp("sound"))


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_load_or_are_refused(samples: Any, path: Path, name: str) -> None:
    _, data, structured, _ = samples[name]
    seen = Counter[str]()
    path.write_bytes(data)
    assert outcome(path, trajectory=True) == "loaded"
    for damaged in mutate.mutations(data, N, structured=structured):
        path.write_bytes(damaged)
        seen[outcome(path, trajectory=True)] += 1
    assert seen.keys() <= ERRORS | {"loaded"}
    assert seen["StoreError"] > N / 4


def read_all(paths: list[Path]) -> None:
    """What a process of its own does, which HDF5 may bring down."""
    seen = {outcome(path, trajectory=True) for path in paths}
    assert seen <= ERRORS | {"loaded"}, seen


def test_headers_of_hdf5_that_are_damaged_with_their_checksums(samples: Any, path: Path) -> None:
    """A reader must not trust what a right checksum covers."""
    paths = []
    for k in range(80):
        rng = np.random.default_rng(k)
        data = samples[NAMES[k % 7]][1]
        start, stop = mutate.pick(rng, hdf5_files.headers(data))
        stored = int.from_bytes(data[stop : stop + 4], "little")
        assert hdf5_files.checksum(data[start:stop]) == stored
        paths.append(path.with_name(f"{k}.h5"))
        paths[-1].write_bytes(hdf5_files.damage_headers(data, rng))
    process = multiprocessing.get_context("spawn").Process(target=read_all, args=(paths,))
    process.start()
    process.join(100)
    assert process.exitcode == 0


# -- descriptions --------------------------------------------------------------------------------


def nested(depth: int, before: str, inner: str, after: str) -> str:
    return before * depth + inner + after * depth


NEGATIVE = ('{"op": "negative", "args": [', '{"parameter": "fc1.weight"}', "]}")
ROW = {"op": "reshape", "shape": [1, -1], "args": [{"parameter": "fc1.weight"}]}
COLUMN = {"op": "reshape", "shape": [-1, 1], "args": [{"parameter": "fc1.weight"}]}


def squared(value: Any, times: int) -> Any:
    """The sums of all pairs of values, of all pairs of those, …."""
    for _ in range(times):
        turned = [{"op": "reshape", "shape": s, "args": [value]} for s in ([1, -1], [-1, 1])]
        value = {"op": "add", "args": turned}
    return value


def outer(value: Any, times: int) -> Any:
    """The products of all pairs of values, of all pairs of those, …."""
    for _ in range(times):
        turned = [{"op": "reshape", "shape": s, "args": [value]} for s in ([-1, 1], [1, -1])]
        value = {"op": "matmul", "args": turned}
    return value


def chained(length: int, times: int) -> Any:
    """Chains of operations side by side, each of which goes on where the one before ends."""
    chains, value = [], ROW
    for k in range(times):
        for _ in range(length):
            value = {"op": "negative", "args": [value]}
        chains.append(value)
        value = {"same": (k + 1) * length}  # one more, for what the first goes out from
    return {"op": "concatenate", "args": chains, "axis": 0}


def weight(value: Any) -> Callable[[Any], None]:
    return lambda d: d["blocks"][0].update(weight=value)


def block(**values: Any) -> Callable[[Any], None]:
    return lambda d: d["blocks"][0].update(values)


def first_layer(**values: Any) -> Callable[[Any], None]:
    return lambda d: d["layers"][0].update(values)


LIES: dict[str, tuple[Callable[[Any], None], str]] = {
    "too many nodes": (first_layer(shape=[2**29, 2]), "expected at most 1,073,741,824 nodes"),
    "a layer of 2^40 nodes": (first_layer(shape=[2**40]), "layers.0.*at most 32 axes and 1,073"),
    "sizes beyond 64 bits": (first_layer(shape=[10**30]), "a whole number of at most 64 bits"),
    "many axes": (first_layer(shape=[4] + [1] * 40), "at most 32 axes"),
    "empty, yet large": (first_layer(shape=[2**40, 0]), "at most 32 axes and 16,777,216 entries"),
    "half a character": (first_layer(name="\ud800"), "a text of whole characters"),
    "nodes beyond the layers": (block(source={"shape": [6], "start": 2**62}), "beyond the layers"),
    "node ids that are numbers": (block(source={"shape": [6], "ids": {"array": 0}}), "float64"),
    "a recipe that grows": (weight(squared(ROW, 3)), "would make"),
    "products that grow": (weight(outer(ROW, 3)), "would make"),
    "an operation before it is made": (weight({"same": 0}), "no operation number 0"),
    "operations nested by their numbers": (weight(chained(60, 3)), "at most 160 operations"),
    "sums of nothing": (
        weight({"op": "sum_by", "axis": 0, "labels": [0], "n": 2**40, "args": [ROW]}),
        "would make 52,776,558,133,.* values of 48 stored",
    ),
    "labels out of range": (
        weight({"op": "sum_by", "axis": 0, "labels": [7], "n": 3, "args": [ROW]}),
        "labels from -1 to 2",
    ),
    "indices out of range": (
        weight({"op": "gather", "axis": 0, "indices": [0, 48], "args": [COLUMN]}),
        "indices from 0 to 47",
    ),
    "another size": (
        weight({"op": "reshape", "shape": [3, 7], "args": [ROW]}),
        "cannot be reshaped",
    ),
    "an unknown operation": (weight({"op": "eval", "args": [ROW]}), "unknown operation 'eval'"),
    "a constant of nothing": (weight({"constant": [], "shape": [0, 2**50]}), "at most 32 axes"),
    "a pooling that learns": (
        block(kind="pool", parametric=True, geometry={"mode": "max", "stencils": []}),
        "parametric: expected false, as pool blocks have no weights",
    ),
}


def described(path: Path, change: Callable[[Any], Any]) -> None:
    """Save a network whose description was changed."""
    cg.save(cg.toy("mlp"), path, overwrite=True)
    with h5py.File(path, "r+", libver=LIBVER) as file:
        description = json.loads(file["network/description"].asstr()[()])
        file["network/arrays/0"] = np.arange(6.0)
    text = change(description)
    replace_text(path, "network/description", text or json.dumps(description))


@pytest.mark.parametrize("name", LIES)
def test_descriptions_that_ask_for_too_much(path: Path, name: str) -> None:
    change, message = LIES[name]
    described(path, change)
    tracemalloc.start()
    with pytest.raises((StoreError, GraphSizeError), match=message) as error:
        cg.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(error.value).startswith(str(path))
    assert peak < 10 * MEGABYTE


@pytest.mark.parametrize("depth", [100, 101, 900, 100_000])
def test_recipes_one_in_another(path: Path, depth: int) -> None:
    """A hundred are read; more would exhaust the stack where they are measured."""

    def change(description: Any) -> str:
        description["blocks"][0]["weight"] = "HERE"
        return json.dumps(description).replace('"HERE"', nested(depth, *NEGATIVE))

    described(path, change)
    if depth == 100:
        found, sound = cg.analyze(cg.load(path)), cg.analyze(cg.toy("mlp"))
        assert found["link_weight_mean"].iloc[1] == sound["link_weight_mean"].iloc[1]
    else:
        with pytest.raises(StoreError, match=r"at most 100 operations|RecursionError"):
            cg.load(path)


def test_lists_one_in_another(path: Path) -> None:
    def change(description: Any) -> str:
        description["blocks"][0]["weight"] = {"constant": "HERE"}
        return json.dumps(description).replace('"HERE"', nested(40, "[", "1", "]"))

    described(path, change)
    with pytest.raises(StoreError, match="at most 32 lists"):
        cg.load(path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("kernel", 2**40, "a kernel of at most"),
        ("stride", 2**40, "a kernel of at most"),
        ("dilation", 2**62, "a kernel of at most"),
        ("before", -(2**62), "a kernel of at most"),
        ("fine", 2**29, "an axis of at most 16,777,216 positions"),
        ("kernel", 0, "kernel, stride, dilation >= 1"),
    ],
)
def test_windows_of_no_convolution(path: Path, key: str, value: int, message: str) -> None:
    cg.save(cg.toy("cnn"), path)
    with h5py.File(path) as file:
        description = json.loads(file["network/description"].asstr()[()])
    description["blocks"][0]["geometry"]["windows"][0][key] = value
    replace_text(path, "network/description", json.dumps(description))
    with pytest.raises((StoreError, GraphSizeError), match=message):
        cg.load(path)


@pytest.mark.parametrize("weights", [[float("nan")], [float("inf")]])
def test_poolings_whose_weights_are_none(path: Path, weights: list[float]) -> None:
    cg.save(cg.toy("cnn"), path)
    with h5py.File(path) as file:
        description = json.loads(file["network/description"].asstr()[()])
    stencil = description["blocks"][1]["geometry"]["stencils"][0]
    stencil["weights"] = weights * len(stencil["weights"])
    replace_text(path, "network/description", json.dumps(description))
    with pytest.raises(StoreError, match="finite weights of a pooling"):
        cg.load(path)


def test_an_array_is_read_once_however_often_it_is_meant(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cg.save(cg.toy("mlp"), path)
    with h5py.File(path, "r+", libver=LIBVER) as file:
        description = json.loads(file["network/description"].asstr()[()])
        file["network/arrays/0"] = np.arange(6, dtype="i2")
    first = description["blocks"][0]
    first["source"] = {"shape": [6], "ids": {"array": 0}}
    description["blocks"] = [{**first, "name": str(k)} for k in range(50)]
    replace_text(path, "network/description", json.dumps(description))
    read = Counter[str]()
    whole = StoreFile.dataset
    monkeypatch.setattr(
        StoreFile, "dataset", lambda self, name: read.update([name]) or whole(self, name)
    )
    net = cg.load(path)
    assert len(net.blocks) == 50
    assert read["network/arrays/0"] == 1


def test_a_gigabyte_in_a_few_bytes(path: Path) -> None:
    """It is refused, or read in parts: never unpacked beyond what it says it holds."""
    for chunks, plain in (((5, 4), 100 * MEGABYTE), ((5, 4), 80), ((1, 1), 80)):
        cg.save(cg.toy("residual"), path, overwrite=True)
        with h5py.File(path, "r+", libver=LIBVER) as file:
            name = "snapshots/0/parameters/fc1.weight"
            del file[name]
            hdf5_files.packed_dataset(file, name, (5, 4), np.dtype("f4"), chunks, bytes(plain))
        expected = "loaded" if (chunks, plain) == ((5, 4), 80) else "StoreError"
        assert outcome(path, trajectory=True) == expected


def test_names_of_labels_do_not_get_in_each_others_way(path: Path) -> None:
    cg.save(cg.toy("mlp"), path, layer=1, label_layer=2, snapshot=3, kind=4)
    assert len(cg.open(path).analyze()) == 4


def test_what_could_not_be_read_again_is_not_written(path: Path) -> None:
    net = cg.toy("mlp")
    weight = net.blocks[0].weight
    assert weight is not None
    for _ in range(101):
        weight = -weight
    deep = replace(net, blocks=(replace(net.blocks[0], weight=weight), *net.blocks[1:]))
    with pytest.raises(StoreError, match="at most 100 operations"):
        cg.save(deep, path)
    assert not path.exists()


def test_damage_goes_on_where_links_lead_in_circles(samples: Any) -> None:
    """The damage that came first may leave such a link where the description was."""
    _, data, structured, _ = samples["mlp"]
    file = io.BytesIO(data)
    with h5py.File(file, "r+") as opened:
        del opened["network/description"]
        opened["network/description"] = h5py.SoftLink("/network/description")
    for k in range(20):
        assert structured(file.getvalue(), np.random.default_rng(k))
