import numpy as np
import pytest
from hypothesis import given
from oracles.nets import nets
from oracles.random_graphs import SHAPES, graph_of, layers_of
from scipy.spatial.distance import pdist

import cntgraph as cg
from cntgraph.graph.node_positions import COLUMN, node_positions


def of_shapes(*shapes):
    return graph_of(layers_of([f"layer{k}" for k in range(len(shapes))], shapes), [])


@pytest.mark.parametrize("name", nets())
def test_layers_follow_each_other_and_no_node_hides_another(name):
    net = nets()[name]
    places = node_positions(net)
    assert places.shape == (net.n_nodes, 3)
    assert np.array_equal(places, node_positions(cg.build_graph(net)))
    assert pdist(places[:, :2]).min() > 5
    for one, two in zip(net.layers, net.layers[1:], strict=False):
        assert places[one.slice, 0].max() < places[two.slice, 0].min()
    for layer in net.layers:
        assert np.allclose(places[layer.slice, 1:].mean(axis=0), 0)


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 3, 4, 5), (7, 6), (COLUMN,), (COLUMN + 1,)])
def test_nodes_of_a_layer_are_at_least_the_spacing_apart(shape):
    y, z = (places := node_positions(of_shapes(shape), spacing=3.0))[:, 1:].T
    assert pdist(np.column_stack([y - 0.25 * z, z])).min() >= 3 - 1e-9
    assert node_positions(of_shapes(shape), spacing=6.0) == pytest.approx(2 * places)


def test_units_are_a_column_from_top_to_bottom():
    places = node_positions(of_shapes((5,)))
    assert np.all(places[:, [0, 2]] == 0)
    assert np.all(np.diff(places[:, 1]) == -20)


def test_many_units_are_a_square():
    places = node_positions(of_shapes((100,)))
    assert np.unique(places[:, 2].round(6)).size == 10


def test_pixels_keep_their_order():
    n, height, width = 3, 4, 5
    x, y, z = node_positions(of_shapes((n, height, width))).T.reshape(3, n, height, width)
    assert np.all(np.diff(z, axis=2) > 0)  # columns to the right
    assert np.all(np.diff(y, axis=1) < 0)  # rows downwards
    assert np.allclose(x, 0.5 * z - (0.5 * z).min())
    # Tiles of channels do not overlap, and stand further apart than pixels.
    assert (z[1].min() - z[0].max()) / np.diff(z[0, 0])[0] == pytest.approx(2)


def test_empty_layers_and_single_nodes():
    assert node_positions(of_shapes()).shape == (0, 3)
    assert node_positions(of_shapes((0,))).shape == (0, 3)
    assert node_positions(of_shapes((0,), (1,), (), (0, 2), (2,))).shape == (4, 3)
    assert np.isfinite(node_positions(of_shapes((1,), (0,), (1,)))).all()


@given(...)
def test_all_shapes_have_places(seed: int):
    rng = np.random.default_rng(abs(seed))
    shapes = [SHAPES[k] for k in rng.integers(len(SHAPES), size=3)]
    places = node_positions(of_shapes(*shapes))
    assert np.isfinite(places).all()
    assert len(np.unique(places.round(6), axis=0)) == len(places)
