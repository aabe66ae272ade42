import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import local, persistence

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, GraphSizeError, NonFiniteWeightError
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.measures.explicit.neural_persistence import neural_persistence
from cntgraph.measures.explicit.spanning_tree import tree_of_block
from cntgraph.network.blocks import Conv, Dense, Window

NETS = local.all_nets()
COLUMNS = ["n_nodes", "n_edges", "n_components", "largest", "persistence"]


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


def block_edges(block):
    """(source node, target node, weight) of every edge, parallel ones included."""
    own = block.to_csr().tocoo()
    ends = block.source.as_ids()[own.row], block.target.as_ids()[own.col]
    weights = own.data.astype(np.float64)
    return tuple(zip(*(values.tolist() for values in (*ends, weights)), strict=True))


def largest(edges):
    return max((abs(w) for _, _, w in edges), default=0.0)


# -- against the definition ----------------------------------------------------------------------

OPTIONS = [
    {},
    {"scale": "block"},
    {"p": 1.0, "normalized": False},
    {"p": 3.5, "essential": True},
    {"p": math.inf},
    {"edges": "all"},
    {"edges": "all", "scale": "block", "normalized": False, "essential": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_it_is_the_filtration_by_hand(net, options):
    how = dict(options)
    blocks = net.select_blocks(how.pop("edges", "parametric"))
    listed = {block.name: block_edges(block) for block in blocks}
    tops = {name: largest(edges) for name, edges in listed.items()}
    if how.pop("scale", "network") == "network":
        tops = dict.fromkeys(tops, max(tops.values(), default=0.0))
    expected = [
        persistence.neural_persistence(edges, tops[name], **how) for name, edges in listed.items()
    ]
    for measured in (net, cg.build_graph(net)):
        table = neural_persistence(measured, **options)
        assert table.index.tolist() == list(listed)
        assert table.columns.tolist() == COLUMNS
        assert table.dtypes.tolist() == [np.int64] * 3 + [np.float64] * 2
        assert np.allclose(table["persistence"], expected, rtol=1e-9, equal_nan=True)
        assert table["largest"].tolist() == [largest(edges) for edges in listed.values()]
        assert table["n_edges"].tolist() == [len(edges) for edges in listed.values()]
        for edges, row in zip(listed.values(), table.itertuples(), strict=True):
            points, never = persistence.diagram(edges, 1.0)
            assert (row.n_nodes, row.n_components) == (len(points) + never, never)
        mean = np.nanmean(expected) if np.isfinite(expected).any() else np.nan
        assert table.attrs["mean"] == pytest.approx(mean, nan_ok=True)


def test_networkx_has_the_same_tree(net):
    for block in net.blocks:
        graph = nx.Graph()
        for i, j, w in block_edges(block):
            a, b = ("source", i), ("target", j)
            known = graph.edges.get((a, b), {"weight": 0.0})["weight"]
            graph.add_edge(a, b, weight=max(abs(w), known))
        edges = nx.maximum_spanning_edges(graph, data=True)
        expected = sorted(data["weight"] for _, _, data in edges)
        tree = tree_of_block(block, max_edges=10**6)
        assert np.allclose(np.sort(tree.sizes), expected, rtol=1e-12)
        assert tree.n_parts == nx.number_connected_components(graph)


# -- blocks of any shape, seen in any way --------------------------------------------------------


@st.composite
def views(draw, shape, *, target=False):
    size, rng = math.prod(shape), np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["range", "permuted", *([] if target else ["repeated", "masked"])]))
    ids = {
        "range": np.arange(size),
        "permuted": rng.permutation(size),
        "repeated": rng.integers(0, max(size // 2, 1), size),
        "masked": np.where(rng.random(size) < 0.4, -1, rng.integers(0, size + 1, size)),
    }[kind]
    return View.of(ids, shape)


@st.composite
def weights(draw, shape):
    """Few distinct sizes, zeros and signs among them: ties everywhere."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = rng.normal(size=shape) if draw(st.booleans()) else rng.integers(-2, 3, size=shape)
    return Recipe.of(cg.Parameter.from_array("w", values.astype(draw(st.sampled_from("fd")))))


@st.composite
def dense_blocks(draw):
    n_in, n_out = draw(st.integers(0, 9)), draw(st.integers(0, 9))
    return Dense(
        name="fc", source=draw(views((n_in,))), target=draw(views((n_out,), target=True)),
        weight=draw(weights((n_out, n_in))),
    )  # fmt: skip


@st.composite
def convolutions(draw):
    windows = tuple(
        Window(
            fine=draw(st.integers(0, 6)), coarse=draw(st.integers(0, 4)),
            kernel=draw(st.integers(1, 3)), stride=draw(st.integers(1, 4)),
            dilation=draw(st.integers(1, 2)), before=draw(st.integers(-1, 2)),
        )
        for _ in range(draw(st.integers(1, 2)))
    )  # fmt: skip
    groups, per_group, inner = (draw(st.integers(1, 3)) for _ in range(3))
    fine = (groups * inner, *(w.fine for w in windows))
    coarse = (groups * per_group, *(w.coarse for w in windows))
    transposed = draw(st.booleans())
    source, target = (coarse, fine) if transposed else (fine, coarse)
    return Conv(
        name="conv", source=draw(views(source)), target=draw(views(target, target=True)),
        weight=draw(weights((groups * per_group, inner, *(w.kernel for w in windows)))),
        windows=windows, groups=groups, transposed=transposed,
    )  # fmt: skip


@given(st.one_of(dense_blocks(), convolutions()))
def test_dense_blocks_and_convolutions_need_no_unrolling(block):
    edges = block_edges(block)
    points, never = persistence.diagram(edges, 1.0)
    tree = tree_of_block(block, max_edges=0)
    assert (tree.n_nodes, tree.n_edges, tree.n_parts) == (len(points) + never, len(edges), never)
    assert np.allclose(np.sort(tree.sizes), sorted(death for _, death in points), rtol=1e-12)


@given(st.integers(1, 6), st.integers(1, 6), st.floats(1e-3, 1e3), st.floats(1, 8))
def test_bounds(n_in, n_out, size, p):
    """0 where all weights have one size, 1 where all are zero, and between otherwise."""
    rng = np.random.default_rng(0)
    ends = (0, n_in), (n_in, n_in + n_out)
    for weight, low, high in (
        (np.full((n_out, n_in), size), 0.0, 0.0),
        (np.zeros((n_out, n_in)), 1.0, 1.0),
        (size * rng.normal(size=(n_out, n_in)), 0.0, 1.0),
    ):
        net = local.network((n_in, n_out), [local.dense("fc", *ends, weight)])
        (found,) = neural_persistence(net, p=p)["persistence"]
        assert low - 1e-9 <= found <= high + 1e-9


def test_a_scale_changes_nothing():
    net = cg.toy("cnn")
    scaled = net.bind(
        {k: cg.Parameter.from_array(k, -8 * v.read()) for k, v in net.parameters.items()}, {}
    )
    found, again = (neural_persistence(n)["persistence"] for n in (net, scaled))
    assert np.allclose(found, again, rtol=1e-12)


# -- the odd ones --------------------------------------------------------------------------------


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    ("kernel", "fine", "coarse", "stride"), [(1, 5, 5, 1), (2, 6, 3, 2), (2, 7, 3, 2), (3, 9, 2, 4)]
)
def test_windows_that_do_not_overlap(kernel, fine, coarse, stride, transposed):
    """Features of tokens, patches of an image, and the other way round."""
    rng = np.random.default_rng(kernel)
    window = Window(fine=fine, coarse=coarse, kernel=kernel, stride=stride)
    weight = Recipe.of(cg.Parameter.from_array("w", rng.normal(size=(6, 4, kernel, kernel))))
    sides = [(8, fine, fine), (6, coarse, coarse)][:: -1 if transposed else 1]
    n = [math.prod(side) for side in sides]
    block = Conv(
        name="c", source=View(sides[0]), target=View(sides[1], n[0]), weight=weight, groups=2,
        windows=(window, window), transposed=transposed,
    )  # fmt: skip
    net = local.network(n, [block])
    found = neural_persistence(net).loc["c"]
    assert np.allclose(found, neural_persistence(cg.build_graph(net)).loc["c"], rtol=1e-12)
    assert found["n_components"] == 2 * coarse**2


@pytest.mark.parametrize("groups", [1, 2])
def test_channels_without_weights_come_last(groups):
    """All else is connected long before: a convolution's tree is that of its edges."""
    weight = np.random.default_rng(3).normal(size=(12, 10 // groups, 3, 3))
    weight[4], weight[:, 2] = 0.0, 0.0
    window = Window(fine=5, coarse=5, kernel=3, before=1)
    block = Conv(
        name="c", source=View((10, 5, 5)), target=View((12, 5, 5), 250), groups=groups,
        weight=Recipe.of(cg.Parameter.from_array("w", weight)), windows=(window, window),
    )  # fmt: skip
    net = local.network((250, 300), [block])
    unrolled = neural_persistence(cg.build_graph(net)).loc["c"]
    assert np.allclose(neural_persistence(net).loc["c"], unrolled, rtol=1e-12)
    assert unrolled["n_components"] == groups


def test_blocks_without_edges_have_none():
    net = local.network((0, 2), [local.dense("fc", (0, 0), (0, 2), np.zeros((2, 0)))])
    for measured in (net, cg.build_graph(net)):
        table = neural_persistence(measured)
        assert table.loc["fc", COLUMNS[:3]].tolist() == [0, 0, 0]
        assert np.isnan(table.loc["fc", "persistence"])
        assert np.isnan(table.attrs["mean"])
    assert len(neural_persistence(NETS["nothing"])) == 0


def test_a_loop_has_its_node_on_both_sides():
    table = neural_persistence(NETS["single loop"])
    assert table.loc["loop"].tolist() == [2, 1, 1, 2.0, 0.0]


def test_what_is_not_connected_persists():
    """Windows side by side: no two of them share a node."""
    window = Window(fine=6, coarse=3, kernel=2, stride=2)
    weight = Recipe.of(cg.Parameter.from_array("w", np.ones((1, 1, 2))))
    block = Conv(
        name="c", source=View((1, 6)), target=View((1, 3), 6), weight=weight, windows=(window,)
    )
    net = local.network((6, 3), [block])
    for measured in (net, cg.build_graph(net)):
        table = neural_persistence(measured, normalized=False)
        assert table["n_components"].tolist() == [3]
        assert table["persistence"].tolist() == [math.sqrt(2)]


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_weights_that_are_not_finite_are_refused(bad):
    net = local.network((1, 2), [local.dense("fc", (0, 1), (1, 3), [[bad], [1.0]])])
    for measured in (net, cg.build_graph(net)):
        with pytest.raises(NonFiniteWeightError, match="neural persistence needs finite weights"):
            neural_persistence(measured)


def test_only_blocks_that_have_to_be_unrolled_are_limited():
    net = cg.toy("cnn")
    assert neural_persistence(net, max_edges=0)["n_edges"].sum() == 566
    with pytest.raises(GraphSizeError, match=r"'pool' has 72 edges.*max_edges=71"):
        neural_persistence(net, edges="all", max_edges=71)
    assert len(neural_persistence(net, edges="all", max_edges=72)) == 3


@pytest.mark.parametrize("wrong", [{"p": 0.5}, {"p": math.nan}, {"scale": "layer"}, {"edges": "b"}])
def test_options_are_checked(wrong):
    for measured in (cg.toy("mlp"), cg.build_graph(cg.toy("mlp"))):
        with pytest.raises(CntGraphError, match=f"got {next(iter(wrong.values()))!r}"):
            neural_persistence(measured, **wrong)
