"""A picture of a graph: nodes in their places, the strongest edges between them."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from oracles.random_graphs import graph_of, layers_of
from scipy.sparse import csr_array

import cntgraph as cg
from cntgraph.core.errors import CntGraphError
from cntgraph.graph.node_positions import node_positions
from cntgraph.report.plots.graph_drawing import plot_graph


@pytest.fixture(scope="module")
def graph():
    with cg.open(cg.demo_file("training")) as trajectory:
        return cg.build_graph(trajectory[-1], granularity="channel")


def lines(ax):
    (found,) = [one for one in ax.collections if isinstance(one, LineCollection)]
    return found


def points(ax):
    (found,) = [one for one in ax.collections if not isinstance(one, LineCollection)]
    return found


def test_all_nodes_and_edges_are_drawn(graph, ax):
    assert plot_graph(graph, ax=ax) is ax
    places = node_positions(graph)[:, :2]
    assert np.array_equal(points(ax).get_offsets(), places)
    edges = graph.edge_arrays(parallel="keep")
    top = {k: np.abs(edges.weight[edges.block == k]).max() for k in set(edges.block.tolist())}
    share = np.abs(edges.weight) / [top[k] for k in edges.block.tolist()]
    order = np.argsort(share, kind="stable")
    segments = np.array(lines(ax).get_segments())
    assert np.array_equal(segments[:, 0], places[edges.source[order]])
    assert np.array_equal(segments[:, 1], places[edges.target[order]])
    colors = {1: "#d55e00", 0: "#a0a0a0", -1: "#0072b2"}
    drawn = [to_hex(color) for color in lines(ax).get_colors()]
    assert drawn == [colors[int(sign)] for sign in np.sign(edges.weight[order])]
    assert [text.get_text() for text in ax.texts] == [layer.name for layer in graph.layers]
    assert ax.get_xlabel() == ""
    ax.figure.canvas.draw()


def test_the_strongest_edges_alone(graph, ax):
    plot_graph(graph, max_edges=100, ax=ax)
    assert len(lines(ax).get_segments()) == 100
    assert ax.get_xlabel() == f"100 of {graph.n_edges:,} edges, the strongest of their blocks"
    segments = np.array(lines(ax).get_segments())
    places = node_positions(graph)[:, :2]
    edges = graph.edge_arrays(parallel="keep")
    for block in set(edges.block.tolist()):  # no block is without edges because others are larger
        best = np.argmax(np.where(edges.block == block, np.abs(edges.weight), -1))
        ends = places[[edges.source[best], edges.target[best]]]
        assert np.all(segments == ends, axis=(1, 2)).any()


def test_an_edge_is_as_opaque_as_its_share_of_the_block(ax):
    layers = layers_of(["a", "b"], [(2,), (2,)])
    weights = [(0, 2, 1.0, 0), (0, 3, -2.0, 0), (1, 2, 0.0, 0), (1, 3, 100.0, 1)]
    plot_graph(graph_of(layers, weights), ax=ax)
    alpha = [color[3] for color in lines(ax).get_colors()]
    assert alpha == pytest.approx([0.08, 0.49, 0.9, 0.9])


@pytest.mark.parametrize("sign", [1, -1])
def test_values_of_nodes(graph, sign, ax):
    values = sign * np.linspace(-1.0, 2.0, graph.n_nodes)
    values[3] = np.nan
    plot_graph(graph, values=values, label="rank", ax=ax)
    shown = points(ax).get_array()
    np.testing.assert_array_equal(shown.filled(np.nan), values)
    assert points(ax).get_clim() == (-2.0, 2.0)
    assert [one.get_ylabel() for one in ax.figure.axes if one is not ax] == ["rank"]
    ax.figure.canvas.draw()


def test_values_on_one_side_of_zero(graph, ax):
    values = np.linspace(1.0, 2.0, graph.n_nodes)
    plot_graph(graph, values=values, ax=ax)
    assert points(ax).get_clim() == (1.0, 2.0)


def test_values_that_do_not_fit(graph, ax):
    with pytest.raises(CntGraphError, match=r"one a node, shape \(91,\); got \(3,\)"):
        plot_graph(graph, values=np.zeros(3), ax=ax)


@pytest.mark.parametrize("shapes", [(), ((0,),), ((1,),), ((0,), (2,), (0,))])
def test_graphs_without_edges(shapes, ax):
    graph = graph_of(layers_of([f"$layer_{k}$" for k in range(len(shapes))], shapes), [])
    plot_graph(graph, ax=ax)
    plot_graph(graph, values=np.zeros(graph.n_nodes), ax=ax)
    ax.figure.canvas.draw()


def test_weights_that_are_not_finite_are_not_drawn(ax):
    layers = layers_of(["a"], [(2,)])
    plot_graph(graph_of(layers, [(0, 1, np.nan, 0), (1, 0, 1.0, 0)]), ax=ax)
    assert len(lines(ax).get_segments()) == 1
    assert ax.get_xlabel().startswith("1 of 2 edges")


def test_a_figure_of_its_own(graph):
    assert plot_graph(graph).figure.axes


def chain(names):
    """A node per layer, one behind the other; every third adds what it gets."""
    n = len(names)
    layers = tuple(cg.Layer(name, (1,), "add" if k % 3 == 2 else "dense", start=k)
                   for k, name in enumerate(names))  # fmt: skip
    edges = csr_array((np.ones(n - 1), (range(n - 1), range(1, n))), shape=(n, n))
    none = np.zeros(n)
    return cg.Graph(
        edges, np.zeros(n - 1, np.uint8), layers, ("all",), np.ones(1, bool), none, none
    )


@pytest.mark.parametrize("n", [3, 6, 12, 60])
@pytest.mark.parametrize("name", ["fc{}", "model.layers.{}.self_attn.q_proj", "x" * 150 + "{}"])
def test_names_are_not_over_each_other(n, name):
    graph = chain([name.format(k) for k in range(n)])
    ax = plot_graph(graph)
    ax.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert sum(a.overlaps(b) for a in boxes for b in boxes) == len(boxes) >= min(n, 3)
    assert ax.get_window_extent().width > 0.5 * ax.figure.bbox.width
    whole = f"names of {len(boxes)} of {n} layers"
    assert ax.get_xlabel() == ("" if len(boxes) == n else whole)
    if n == 60:
        assert 10 < len(boxes) < n
