"""Every kind of block between channels and between layers, against loops over unrolled edges."""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import loops
from oracles.coarse import Coarse
from oracles.nets import edge_list

import cntgraph as cg
from cntgraph.core.errors import CntGraphError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
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
from cntgraph.network.coarsening import between_channels
from cntgraph.network.layer import Layer
from cntgraph.network.network import Network

AGGREGATIONS = ("sum", "l1", "l2")
seeds = st.integers(0, 2**32 - 1)


# -- networks of one block -----------------------------------------------------------------------


@st.composite
def source_layers(draw, shape):
    """Layers to read from, and a view of that shape on them."""
    rng, size = np.random.default_rng(draw(seeds)), int(np.prod(shape))
    kind = draw(st.sampled_from(["layer", "channels", "slices", "pixels", "flat", "any", "masked"]))
    if kind in ("layer", "channels", "masked"):
        layers = [Layer("a", shape, "input", is_input=True)]
        ids = np.arange(size).reshape(shape)
        if kind == "channels":
            ids = ids[rng.integers(0, max(shape[0], 1), shape[0])]
        if kind == "masked":
            ids = np.where(rng.random(shape) < 0.4, -1, ids)
            ids[rng.random(shape[0]) < 0.2] = -1
        return layers, ids
    # Two layers: their channels joined, interleaved position by position, or at random.
    n = int(np.prod(shape[1:]))
    layers = [
        Layer("a", (shape[0], max(n, 1)), "input", is_input=True),
        Layer("b", (2, 1 + n // 2), "conv", start=shape[0] * max(n, 1)),
    ]
    total = layers[1].slice.stop
    if kind == "slices":
        first = rng.integers(0, total - n + 1, shape[0])
        return layers, (first[:, None] + np.arange(n)).reshape(shape)
    if kind == "pixels":
        return layers, np.arange(size).reshape(n, shape[0]).T.reshape(shape)
    if kind == "flat":
        return layers, np.arange(total - size, total).reshape(shape)
    return layers, rng.integers(-1, total, size).reshape(shape)


@st.composite
def target_views(draw, shape, start):
    """A layer to write to, seen in order, by another order of its channels, or in any order."""
    rng, size = np.random.default_rng(draw(seeds)), int(np.prod(shape))
    kind = draw(st.sampled_from(["layer", "layer", "channels", "any", "reshaped"]))
    ids = np.arange(size).reshape(shape)
    layer = Layer("z", shape, "conv", start=start, is_output=True)
    if kind == "channels":
        ids = ids[rng.permutation(shape[0])]
    if kind == "any":
        ids = rng.permutation(size).reshape(shape)
    if kind == "reshaped":
        divisors = [k for k in range(1, size + 1) if size % k == 0] or [1]
        n = draw(st.sampled_from(divisors))
        layer = replace(layer, shape=(n, size // n))
    return layer, ids + start


@st.composite
def ends(draw, source_shape, target_shape):
    layers, source = draw(source_layers(source_shape))
    layer, target = draw(target_views(target_shape, layers[-1].slice.stop))
    views = {"source": View.of(source, source_shape), "target": View.of(target, target_shape)}
    return [*layers, layer], views


@st.composite
def biases(draw, shape):
    kept = tuple(n if draw(st.booleans()) else 1 for n in shape)
    kept = kept[draw(st.integers(0, len(kept) - 1)) :]
    return draw(st.one_of(st.none(), st.just(leaf(RNG.normal(size=kept), "b"))))


RNG = np.random.default_rng(3)


def leaf(array, name="w"):
    return Recipe.of(Parameter.from_array(name, np.asarray(array)))


def stored(shape):
    values = RNG.normal(size=shape)
    return leaf(values), values.reshape(-1), np.arange(values.size).reshape(shape)


def network(layers, block):
    parameters = {p.name: p for p in block.parameters()}
    return Network(tuple(layers), (block,), parameters)


@st.composite
def windows(draw, small):
    return Window(
        fine=draw(st.integers(1, 4 if small else 6)),
        coarse=draw(st.integers(1, 4 if small else 5)),
        kernel=draw(st.integers(1, 3)),
        stride=draw(st.integers(1, 3)),
        dilation=draw(st.integers(1, 2)),
        before=draw(st.integers(-1, 3)),
    )


@st.composite
def conv_nets(draw):
    rank = draw(st.integers(0, 2))
    axes = tuple(draw(windows(rank > 1)) for _ in range(rank))
    groups, transposed = draw(st.integers(1, 3)), draw(st.booleans())
    per_group, inner = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    if draw(st.integers(0, 3)) == 0:
        per_group = inner = 1  # depthwise
    weight, values, entries = stored((groups * per_group, inner, *(w.kernel for w in axes)))
    fine = (groups * inner, *(w.fine for w in axes))
    coarse = (groups * per_group, *(w.coarse for w in axes))
    shapes = (coarse, fine) if transposed else (fine, coarse)
    layers, views = draw(ends(*shapes))
    block = Conv(name="conv", **views, weight=weight, bias=draw(biases(shapes[1])), windows=axes,
                 groups=groups, transposed=transposed)  # fmt: skip
    sides = [(w.fine, w.coarse, w.stride, w.dilation, w.before) for w in axes]
    edges = [(i, j, int(e)) for i, j, e in loops.conv_edges(entries, sides, groups, transposed)]
    return network(layers, block), edges, values


@st.composite
def dense_nets(draw):
    shapes = [tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))) for _ in range(2)]
    size = [int(np.prod(shape)) for shape in shapes]
    weight, values, entries = stored((size[1], size[0]))
    if draw(st.booleans()):
        weight, values, turned = stored((size[0], size[1]))
        weight, entries = weight.transpose((1, 0)), turned.T
    layers, views = draw(ends(*shapes))
    block = Dense(name="fc", **views, weight=weight, bias=draw(biases(shapes[1])))
    edges = [(i, j, int(e)) for i, j, e in loops.dense_edges(entries)]
    return network(layers, block), edges, values


@st.composite
def diagonal_nets(draw):
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    kept = tuple(n if draw(st.booleans()) else 1 for n in shape)
    kept = kept[draw(st.integers(0, len(kept) - 1)) :]
    weight, values, entries = stored(kept)
    layers, views = draw(ends(shape, shape))
    if draw(st.booleans()):
        views["source"] = views["source"].reshape((int(np.prod(shape)),))
    block = Diagonal(name="norm", **views, weight=weight, bias=draw(biases(shape)))
    spread = np.broadcast_to(entries, shape).reshape(-1)
    return network(layers, block), [(k, k, int(e)) for k, e in enumerate(spread)], values


@st.composite
def sparse_nets(draw):
    n_in, n_out = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    pairs = st.tuples(st.integers(0, n_in - 1), st.integers(0, n_out - 1))
    pairs = sorted(draw(st.lists(pairs, max_size=20)))
    counts = np.bincount([i for i, _ in pairs], minlength=n_in)
    weight, values, _ = stored((len(pairs),))
    layers, views = draw(ends((n_in,), (n_out,)))
    block = Sparse(
        name="local", **views, weight=weight, bias=draw(biases((n_out,))),
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        indices=np.array([j for _, j in pairs], dtype=np.int64),
    )  # fmt: skip
    return network(layers, block), [(i, j, k) for k, (i, j) in enumerate(pairs)], values


other_nets = st.one_of(dense_nets(), diagonal_nets(), sparse_nets())


@st.composite
def pool_nets(draw):
    axes, operators = [], []
    for k in range(draw(st.integers(1, 2))):
        kinds = ["adaptive", "max", "sliding", "attention", "identity", *["signs"][k:]]
        kind = draw(st.sampled_from(kinds))
        n_in, n_out = draw(st.integers(1, 5)), draw(st.integers(1, 4))
        if kind in ("adaptive", "max"):
            operator = AxisOperator.adaptive(n_in, n_out, average=kind == "adaptive")
        elif kind == "sliding":
            operator = AxisOperator.of_window(Window(n_in, n_out, 3, 1, 1, 1), np.full(n_out, 3.0))
        elif kind == "attention":
            keep = np.random.default_rng(draw(seeds)).random((n_out, n_in)) < 0.7
            keep[:, 0] = True
            operator = AxisOperator.uniform(keep)
        elif kind == "signs":
            operator = AxisOperator.of_matrix(
                np.random.default_rng(draw(seeds)).normal(size=(3, 2))
            )
        else:
            operator = AxisOperator.identity(n_in)
        operators.append(operator)
        into = [{} for _ in range(operator.n_out)]
        for row, column, weight in zip(
            operator.rows.tolist(), operator.columns.tolist(), operator.weights, strict=True
        ):
            into[column][row] = float(weight)
        axes.append((operator.n_in, into))
    channels = draw(st.integers(1, 3))
    shapes = [(channels, *(n for n, _ in axes)), (channels, *(len(w) for _, w in axes))]
    layers, views = draw(ends(*shapes))
    block = Pool(name="pool", **views, operators=tuple(operators), mode="average",
                 modulatory=draw(st.booleans()))  # fmt: skip
    return network(layers, block), loops.pool_edges(channels, axes), None


@st.composite
def identity_nets(draw):
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    layers, views = draw(ends(shape, shape))
    block = Identity(name="skip", **views, bias=draw(biases(shape)), modulatory=draw(st.booleans()))
    return network(layers, block), [(k, k, 1.0) for k in range(block.source.size)], None


structural_nets = st.one_of(pool_nets(), identity_nets())


# -- against the loops ---------------------------------------------------------------------------


def as_dict(net):
    """The edges of a network; there is one a pair."""
    edges = edge_list(net)
    found = {(i, j): w for i, j, w in edges}
    assert len(found) == len(edges) == net.n_edges
    return found


def same(found, expected):
    assert found.keys() == expected.keys()
    for pair, weight in expected.items():
        assert found[pair] == pytest.approx(weight, rel=1e-6, abs=1e-6), pair


def check(net, weights, aggregation):
    """Compare both granularities with channel weights that loops have found."""
    (block,), coarse = net.blocks, Coarse(net.layers)
    channels = cg.coarsen(net, "channel", aggregation=aggregation)
    layers = cg.coarsen(net, "layer", aggregation=aggregation)
    by_layer = coarse.by_layer(weights, aggregation, modulatory=block.modulatory)
    biases = coarse.biases(net.bias())
    for made, expected, bias in (
        (channels, weights, biases[0]),
        (layers, by_layer, biases[1]),
    ):
        same(as_dict(made), expected)
        assert np.allclose(made.bias(), bias)
        (found,) = made.blocks
        for name in ("name", "parametric", "modulatory"):
            assert getattr(found, name) == getattr(block, name)
        assert found.target.mask is None
        strengths = (
            cg.node_strength(made, edges="all"),
            cg.node_strength(cg.build_graph(made), edges="all"),
        )
        assert np.allclose(*strengths, atol=1e-5)
    assert [layer.shape for layer in channels.layers] == [layer.shape[:1] for layer in net.layers]
    assert [layer.shape for layer in layers.layers] == [(1,)] * net.n_layers


def check_learned(drawn, aggregation):
    net, edges, values = drawn
    check(net, Coarse(net.layers).learned(net.blocks[0], edges, values, aggregation), aggregation)


@settings(max_examples=100)
@given(conv_nets(), st.sampled_from(AGGREGATIONS))
def test_convolutions(drawn, aggregation):
    check_learned(drawn, aggregation)


def test_a_bias_reaches_channels_that_no_edge_does():
    """A target whose positions are mixed: those that read padding only are a channel."""
    weight, values, _ = stored((2, 1, 1))
    views = {"source": View((1, 1), 0), "target": View.of(np.array([4, 3, 6, 5, 1, 2]), (2, 3))}
    bias = Recipe.of(Parameter.from_array("b", np.array([[-0.5]])))
    windows = (Window(fine=1, coarse=3, kernel=1, before=1),)
    block = Conv(name="conv", **views, weight=weight, bias=bias, windows=windows)
    net = network([Layer("a", (1, 1), "input"), Layer("z", (2, 3), "conv", start=1)], block)
    for aggregation in AGGREGATIONS:
        check_learned((net, [(0, 1, 0), (0, 4, 1)], values), aggregation)


@settings(max_examples=100)
@given(other_nets, st.sampled_from(AGGREGATIONS))
def test_other_learned_blocks(drawn, aggregation):
    check_learned(drawn, aggregation)


@settings(max_examples=100)
@given(structural_nets, st.sampled_from(AGGREGATIONS))
def test_structural_blocks(drawn, aggregation):
    net, edges, _ = drawn
    check(net, Coarse(net.layers).structural(net.blocks[0], edges, aggregation), aggregation)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("mixed", [False, True])
def test_taps_that_are_at_work_at_some_channels_only(transposed, mixed):
    """A source with holes, of a convolution without groups."""
    weight, values, entries = stored((2, 2, 3))
    layers = [Layer("a", (2, 4), "input"), Layer("z", (4, 2) if mixed else (2, 4), "conv", start=8)]
    source = np.array([[0, -1, -1, -1], [4, 5, 6, 7]])
    target = np.arange(8, 16).reshape((4, 2)).T if mixed else np.arange(8, 16)
    views = {"source": View.of(source, (2, 4)), "target": View.of(target, (2, 4))}
    block = Conv(name="conv", **views, weight=weight, windows=(Window(4, 4, 3, before=1),),
                 transposed=transposed)  # fmt: skip
    edges = loops.conv_edges(entries, [(4, 4, 1, 1, 1)], 1, transposed)
    edges = [(i, j, int(e)) for i, j, e in edges]
    for aggregation in AGGREGATIONS:
        check_learned((network(layers, block), edges, values), aggregation)


# -- what kind of block it is ----------------------------------------------------------------------


def test_groups_are_kept():
    window = Window(5, 5, 3, before=1)
    block = Conv(name="c", source=View((6, 5)), target=View((4, 5), 30),
                 weight=leaf(np.ones((4, 3, 3))), windows=(window,), groups=2)  # fmt: skip
    net = network([Layer("a", (6, 5), "input"), Layer("b", (4, 5), "conv", start=30)], block)
    (made,) = cg.coarsen(net, "channel").blocks
    assert isinstance(made, Conv)
    assert (made.groups, made.windows, made.weight.shape) == (2, (), (4, 3))
    assert made.n_edges == 12
    assert made.weight.read().tolist() == [[3.0] * 3] * 4


def test_a_position_wise_convolution_is_its_matrix():
    matrix = RNG.normal(size=(4, 3)).astype(np.float32)
    block = Conv(name="c", source=View((3, 7)), target=View((4, 7), 21), weight=leaf(
        matrix[..., None]), windows=(Window(7, 7, 1),))  # fmt: skip
    net = network([Layer("a", (3, 7), "input"), Layer("b", (4, 7), "conv", start=21)], block)
    (made,) = cg.coarsen(net, "channel").blocks
    assert made.dtype == np.float32
    assert np.array_equal(made.weight.read(), matrix)


def test_a_matrix_that_is_stored_the_other_way_round_is_still_read_as_it_lies():
    block = Dense(name="fc", source=View((2, 3)), target=View((4,), 6),
                  weight=leaf(np.ones((6, 4))).transpose((1, 0)))  # fmt: skip
    net = network([Layer("a", (2, 3), "input"), Layer("b", (4,), "dense", start=6)], block)
    for aggregation in AGGREGATIONS:
        assert (
            cg.coarsen(net, "channel", aggregation=aggregation).blocks[0].weight.stored_transposed
        )


def pooled(operator, channels=3):
    layers = [
        Layer("a", (channels, operator.n_in), "input"),
        Layer("b", (channels, operator.n_out), "pool", start=channels * operator.n_in),
    ]
    block = Pool(name="p", source=View(layers[0].shape), mode="average", operators=(operator,),
                 target=View(layers[1].shape, layers[1].start))  # fmt: skip
    return network(layers, block)


def test_a_pooling_stays_one_where_all_windows_are_alike():
    (made,) = cg.coarsen(pooled(AxisOperator.adaptive(6, 2)), "channel").blocks
    assert isinstance(made, Pool)
    assert made.to_csr().toarray().tolist() == np.eye(3).tolist()
    (made,) = cg.coarsen(pooled(AxisOperator.adaptive(6, 2, average=False)), "channel").blocks
    assert made.to_csr().diagonal().tolist() == [3.0] * 3


def test_a_window_that_is_padding_only_connects_nothing():
    nothing = AxisOperator.of_window(Window(fine=2, coarse=2, kernel=1, before=5))
    made = cg.coarsen(pooled(nothing), "channel")
    assert made.n_edges == cg.coarsen(pooled(nothing), "layer").n_edges == 0
    block = Conv(name="c", source=View((1, 2)), target=View((1, 2), 2), bias=leaf([4.0], "b"),
                 weight=leaf(np.ones((1, 1, 1))), windows=(Window(2, 2, 1, before=5),))  # fmt: skip
    net = network([Layer("a", (1, 2), "input"), Layer("b", (1, 2), "conv", start=2)], block)
    made = cg.coarsen(net, "channel")
    assert made.n_edges == 0
    assert made.bias().tolist() == [0.0, 4.0]


# -- kinds of third parties ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, kw_only=True)
class Foreign(Block):
    """A kind of which nobody says what it is between channels: it has the edges of a matrix."""

    kind = "foreign"

    weight: Recipe
    parametric: bool = True

    _sums = Dense._sums
    _apply = Dense._apply
    _apply_transposed = Dense._apply_transposed
    fill, _few_sources = Dense.fill, Dense._few_sources
    geometry = Dense.geometry

    @classmethod
    def from_geometry(cls, geometry, **common):
        return cls(**common)


def foreign(shape):
    n = int(np.prod(shape))
    block = Foreign(name="odd", source=View(shape), target=View((2,), n),
                    weight=leaf(np.ones((2, n))))  # fmt: skip
    return network([Layer("a", shape, "input"), Layer("b", (2,), "dense", start=n)], block)


def test_a_kind_that_does_not_know_about_channels_is_kept_where_there_is_nothing_to_know():
    made = cg.coarsen(foreign((3,)), "channel")
    assert isinstance(made.blocks[0], Foreign)
    assert as_dict(made) == dict.fromkeys([(i, j) for i in range(3) for j in (3, 4)], 1.0)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((3, 2), {"granularity": "channel"}),
        ((3,), {"granularity": "layer"}),
        ((3,), {"granularity": "channel", "aggregation": "l1"}),
    ],
)
def test_it_is_refused_elsewhere(shape, options):
    with pytest.raises(CntGraphError, match=r"'odd'.*the kind 'foreign'.*register"):
        cg.coarsen(foreign(shape), **options)


def test_a_third_party_says_what_its_kind_is_between_channels():
    class Known(Foreign):
        kind = "known"

    @between_channels.register(Known)
    def coarse(block, source, target, aggregation):
        return Dense(name=block.name, source=View.of(source.nodes), target=View.of(target.nodes),
                     weight=leaf(np.full((len(target.nodes), len(source.nodes)), 7.0)))  # fmt: skip

    net = foreign((3, 2))
    (block,) = net.blocks
    known = Known(name="odd", source=block.source, target=block.target, weight=block.weight)
    net = network(net.layers, known)
    assert as_dict(cg.coarsen(net, "channel")) == dict.fromkeys(product(range(3), (3, 4)), 7.0)
    assert as_dict(cg.coarsen(net, "layer")) == {(0, 1): 42.0}


def test_a_kind_that_is_a_dense_one_is_treated_as_such():
    class Own(Dense):
        kind = "own"

    (block,) = foreign((3, 2)).blocks
    own = Own(name="odd", source=block.source, target=block.target, weight=block.weight)
    made = cg.coarsen(network(foreign((3, 2)).layers, own), "channel")
    assert isinstance(made.blocks[0], Own)
    assert as_dict(made) == dict.fromkeys(product(range(3), (3, 4)), 2.0)
