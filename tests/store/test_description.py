"""A topology, written as JSON and read again, is the same one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.nets import TOYS, random_net

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, ParameterError, StoreError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe, recipe_to_json
from cntgraph.core.view import View
from cntgraph.network.blocks import (
    AxisOperator,
    Block,
    Conv,
    Dense,
    Diagonal,
    Identity,
    Pool,
    Sparse,
    Window,
)
from cntgraph.network.coverage import CoverageEntry
from cntgraph.network.layer import Layer
from cntgraph.network.network import Network
from cntgraph.store.description import (
    block_kinds,
    describe_coverage,
    describe_network,
    differences,
    rebuild_network,
)

RNG = np.random.default_rng(5)


def tensor(name: str, *shape: int, dtype: str = "float32") -> Recipe:
    return Recipe.of(Parameter.from_array(name, RNG.normal(size=shape).astype(dtype)))


def network_of(*blocks: Block, n_nodes: int = 4000) -> Network:
    """A network around blocks: one layer, all of its parameters, an entry for each."""
    parameters = {p.name: p for block in blocks for p in block.parameters()}
    entries = tuple(
        CoverageEntry(p.name, "parameter", "included", "block", "", p.shape, p.dtype)
        for p in parameters.values()
    )
    return Network((Layer("all", (n_nodes,), "dense"),), blocks, parameters, entries)


def rebuilt(net: Network, change: Any = None) -> Network:
    """The network after its description was text; `change` may tamper with the values."""
    description, arrays = describe_network(net)
    description = json.loads(json.dumps(description))
    coverage = json.loads(json.dumps(describe_coverage(net)))
    if change is not None:
        change(description)
    return rebuild_network(description, coverage, net.parameters, net.labels, arrays.__getitem__)


def assert_same_block(found: Block, expected: Block) -> None:
    assert type(found) is type(expected)
    for name in ("name", "parametric", "modulatory", "n_edges", "dtype", "shape"):
        assert getattr(found, name) == getattr(expected, name), name
    for side in ("source", "target"):
        ours, theirs = getattr(found, side), getattr(expected, side)
        assert ours.shape == theirs.shape
        assert (ours.ids is None) == (theirs.ids is None)
        np.testing.assert_array_equal(ours.as_ids(), theirs.as_ids())
    np.testing.assert_array_equal(found.bias_values(), expected.bias_values())
    assert (found.bias is None) == (expected.bias is None)
    own, other = found.to_csr(), expected.to_csr()
    for part in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(own, part), getattr(other, part))


def assert_same_network(found: Network, expected: Network) -> None:
    assert found.layers == expected.layers
    assert found.entries == expected.entries
    assert dict(found.labels) == dict(expected.labels)
    assert differences(found, expected) == []
    for ours, theirs in zip(found.blocks, expected.blocks, strict=True):
        assert_same_block(ours, theirs)


def some_blocks() -> list[Block]:
    """Every kind of block, with every option that its description has to carry."""
    window = Window(fine=7, coarse=4, kernel=3, stride=2, dilation=1, before=1)
    crop = Window(fine=6, coarse=2, kernel=2, stride=2, dilation=2, before=-1)
    halves = AxisOperator.of_window(Window(7, 3, 2, 2), np.full(3, 2.0))
    wide = AxisOperator.of_window(Window(600, 300, 2, 2))
    padded = np.where(np.arange(20) % 7 == 3, -1, np.arange(20)[::-1])
    large = np.random.default_rng(0).permutation(600)
    indices = np.random.default_rng(1).integers(0, 3, 500)
    return [
        Dense(name="dense", source=View((5,), 3), target=View((4,), 9), weight=tensor("a", 4, 5),
              bias=tensor("ab", 4)),
        Dense(name="views", source=View((20,), 0, padded), target=View.of(np.array([30, 28])),
              weight=tensor("b", 2, 20, dtype="float64"), parametric=False),
        Dense(name="large view", source=View((600,), 0, large), target=View((1,), 700),
              weight=tensor("c", 1, 600), modulatory=True),
        Conv(name="conv", source=View((4, 7, 6), 0), target=View((6, 4, 2), 200), groups=2,
             weight=tensor("d", 6, 2, 3, 2), windows=(window, crop), bias=tensor("db", 6, 1, 1)),
        Conv(name="transposed", source=View((2, 4), 0), target=View((3, 7), 100), transposed=True,
             weight=tensor("e", 2, 3, 3), windows=(window,), parametric=False),
        Pool(name="max", source=View((2, 7), 0), target=View((2, 3), 50), mode="max",
             operators=(AxisOperator.adaptive(7, 3, average=False),)),
        Pool(name="average", source=View((2, 7, 5), 0), target=View((2, 3, 5), 80), mode="average",
             operators=(halves, AxisOperator.adaptive(5, 5))),
        Pool(name="wide", source=View((1, 600), 0), target=View((1, 300), 600), mode="max",
             operators=(wide,)),
        Diagonal(name="norm", source=View((2, 3), 0), target=View((2, 3), 6),
                 weight=tensor("f", 2, 1), bias=tensor("fb", 2, 1)),
        Diagonal(name="gate", source=View((6,), 0), target=View((6,), 6), weight=tensor("g", 6),
                 parametric=False, modulatory=True),
        Identity(name="skip", source=View.of(np.array([1, -1, 0])), target=View((3,), 9)),
        Identity(name="gated", source=View((3,), 0), target=View((3,), 9), modulatory=True),
        Sparse(name="sparse", source=View((2,), 0), target=View((2,), 2), weight=tensor("h", 3),
               indptr=np.array([0, 2, 3]), indices=np.array([0, 1, 1])),
        Sparse(name="many", source=View((1,), 0), target=View((3,), 2), weight=tensor("i", 500),
               indptr=np.array([0, 500]), indices=np.sort(indices), parametric=False),
        Sparse(name="none", source=View((2,), 0), target=View((2,), 2), weight=tensor("j", 0),
               indptr=np.array([0, 0, 0]), indices=np.zeros(0, dtype=np.int64)),
    ]  # fmt: skip


@pytest.mark.parametrize("block", some_blocks(), ids=lambda block: block.name)
def test_block(block: Block) -> None:
    net = network_of(block)
    assert_same_network(rebuilt(net), net)


def test_every_kind_is_tested() -> None:
    assert {block.kind for block in some_blocks()} == set(block_kinds())


def some_recipes() -> dict[str, Recipe]:
    a, b = tensor("a", 4, 6), tensor("b", 4, 1)
    return {
        "parameter": a,
        "constant": Recipe.constant(RNG.normal(size=(4, 6))),
        "empty constant": Recipe.concatenate((Recipe.constant(np.zeros((4, 0))), a), 1),
        "nan and infinity": a * Recipe.constant(np.array([np.nan, np.inf, -np.inf, -0.0, 1, 2])),
        "add": a + b,
        "subtract": a - 0.1,
        "multiply": a * b * 3.0,
        "divide": a / b,
        "negative": -a,
        "sqrt of absolute": abs(a).sqrt(),
        "transpose": tensor("t", 6, 4).transpose((1, 0)),
        "reshape": tensor("r", 2, 12).reshape((4, 6)),
        "take": tensor("k", 4, 13).take(1, 1, 13, 2),
        "sum": a - a.sum((1,)),
        "square": a.square(),
        "gather": a.gather(1, [3, 3, 0, 5, 1, 2]).gather(0, [1, 0, 3, 2]),
        "sum by": a.gather(1, [0, 1, 2] * 4).sum_by(1, [0, 1, -1, 5, 4, 3] * 2, 6),
        "concatenate": Recipe.concatenate((a.take(1, 0, 2), tensor("c", 4, 4)), 1),
    }


@pytest.mark.parametrize("name", some_recipes())
def test_recipe(name: str) -> None:
    recipe = some_recipes()[name]
    block = Dense(name="fc", source=View((6,), 0), target=View((4,), 6), weight=recipe,
                  bias=recipe.sum((1,)).reshape((4,)))  # fmt: skip
    net = network_of(block)
    found = rebuilt(net).blocks[0]
    assert_same_block(found, block)
    assert found.weight is not None
    assert json.dumps(recipe_to_json(found.weight)) == json.dumps(recipe_to_json(recipe))


@pytest.mark.parametrize("name", TOYS)
def test_toy(name: str) -> None:
    assert_same_network(rebuilt(cg.toy(name)), cg.toy(name))


@given(st.integers(0, 10_000))
def test_random_network(seed: int) -> None:
    net = random_net(seed)
    assert_same_network(rebuilt(net), net)


def test_numpy_numbers_in_a_geometry() -> None:
    window = Window(*map(np.int64, (4, 4, 3, 1, 1, 1)))
    block = Conv(name="conv", source=View((1, 4), 0), target=View((1, 4), 4),
                 weight=tensor("w", 1, 1, 3), windows=(window,))  # fmt: skip
    net = network_of(block)
    assert_same_network(rebuilt(net), net)


def test_large_arrays_stand_beside_the_text() -> None:
    for size, n_arrays in ((256, 0), (257, 1)):
        ids = np.arange(size)[::-1].copy()
        block = Identity(name="flip", source=View((size,), 0, ids), target=View((size,), size))
        description, arrays = describe_network(network_of(block))
        assert len(arrays) == n_arrays
        assert len(json.dumps(description)) < 3000


# --- What cannot be rebuilt -------------------------------------------------------------------


def test_unknown_kind_is_named() -> None:
    def change(description: dict[str, Any]) -> None:
        description["blocks"][0]["kind"] = "hyperedge"

    with pytest.raises(StoreError, match=r"fc1.*'hyperedge'.*known are conv, dense.*newer"):
        rebuilt(cg.toy("mlp"), change)


@pytest.mark.parametrize(
    ("toy", "path", "value"),
    [
        ("mlp", ("layers", 0, "shape"), [6.0]),
        ("mlp", ("layers", 0, "shape"), [-6]),
        ("mlp", ("layers", 1, "name"), "fc2"),
        ("mlp", ("blocks", 0, "source", "start"), 17),
        ("mlp", ("blocks", 0, "source", "start"), -1),
        ("mlp", ("blocks", 0, "source"), {"shape": [6], "ids": [0, 1, 2]}),
        ("mlp", ("blocks", 0, "source"), {"shape": [6], "ids": [0, 1, 2, 3, 4, 99]}),
        ("mlp", ("blocks", 0, "source", "shape"), [2, 3, 2]),
        ("mlp", ("blocks", 0, "weight"), {"parameter": "fc2.weight"}),
        ("mlp", ("blocks", 0, "weight"), {"op": "exec", "args": []}),
        ("mlp", ("blocks", 0, "weight", "parameter"), "absent"),
        ("mlp", ("blocks", 0, "bias"), {"constant": [1.0, 2.0]}),
        ("cnn", ("blocks", 0, "geometry", "windows", 0, "kernel"), 3.0),
        ("cnn", ("blocks", 0, "geometry", "windows", 0, "stride"), 0),
        ("cnn", ("blocks", 0, "geometry", "windows", 0, "fine"), 7),
        ("cnn", ("blocks", 0, "geometry", "groups"), 3),
        ("cnn", ("blocks", 1, "geometry", "stencils", 0, "rows", 0), 6),
        ("cnn", ("blocks", 1, "geometry", "stencils", 0, "columns", 0), -1),
        ("cnn", ("blocks", 1, "geometry", "stencils", 0, "weights"), [1.0]),
        ("cnn", ("blocks", 1, "geometry", "stencils", 0, "weights", 0), float("inf")),
        ("cnn", ("blocks", 1, "geometry", "stencils", 0, "n_in"), 10**12),
    ],
)
def test_what_does_not_fit_is_refused(toy: str, path: tuple[Any, ...], value: Any) -> None:
    def change(description: dict[str, Any]) -> None:
        *where, last = path
        found: Any = description
        for step in where:
            found = found[step]
        assert json.dumps(found[last]) != json.dumps(value)
        found[last] = value

    assert_same_network(rebuilt(cg.toy(toy)), cg.toy(toy))
    with pytest.raises((CntGraphError, ValueError)):
        rebuilt(cg.toy(toy), change)


# --- Comparing topologies ---------------------------------------------------------------------


def test_differences() -> None:
    net = cg.toy("cnn")
    assert differences(net, rebuilt(net)) == []
    renamed = replace(net, layers=(replace(net.layers[0], name="image"), *net.layers[1:]))
    assert differences(net, renamed) == ["layers"]
    frozen = {n: replace(p, trainable=False) for n, p in net.parameters.items()}
    assert differences(net, net.bind(frozen, {})) == ["parameters"]
    scaled = replace(net.blocks[0], bias=None)
    assert differences(net, replace(net, blocks=(scaled, *net.blocks[1:]))) == ["blocks"]


def test_differences_in_large_arrays() -> None:
    def flipped(ids: np.ndarray) -> Network:
        return network_of(Identity(name="i", source=View((600,), 0, ids), target=View((600,), 600)))

    one, other = np.arange(600)[::-1].copy(), np.roll(np.arange(600), 7)
    assert differences(flipped(one), flipped(one.copy())) == []
    assert differences(flipped(one), flipped(other)) == ["blocks"]


def test_differences_of_nan_constants() -> None:
    def net() -> Network:
        weight = tensor("a", 2, 2) * Recipe.constant(np.array([np.nan, 1.0]))
        return network_of(Dense(name="a", source=View((2,)), target=View((2,), 2), weight=weight))

    assert differences(net(), net()) == []


def test_missing_parameter_is_named() -> None:
    net = cg.toy("mlp")
    description, arrays = describe_network(net)
    some = {name: p for name, p in net.parameters.items() if name != "fc2.weight"}
    with pytest.raises(ParameterError, match=r"fc2\.weight"):
        rebuild_network(description, [], some, {}, arrays.__getitem__)
