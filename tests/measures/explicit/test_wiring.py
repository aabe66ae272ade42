import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.classic import graph_of, networks, random_graph

import cntgraph as cg
from cntgraph.core.errors import UndefinedMeasureError
from cntgraph.measures.explicit.engine import topology
from cntgraph.measures.explicit.wiring import Wiring

NETS = networks()


def wiring_of(net):
    return Wiring.of(net if isinstance(net, cg.Graph) else cg.build_graph(net))


def keys(wiring):
    return wiring.source * wiring.n_nodes + wiring.target


@pytest.mark.parametrize("name", NETS)
def test_the_edges_are_those_of_the_simple_graph(name):
    graph = NETS[name] if name == "trained" else cg.build_graph(NETS[name])
    wiring = Wiring.of(graph)
    expected = topology(graph, loops=False)
    assert (wiring.matrix() != expected).nnz == 0
    assert len(np.unique(keys(wiring))) == wiring.n_edges
    block = np.repeat(np.arange(len(wiring.starts) - 1), np.diff(wiring.starts))
    matrix = graph.adjacency
    first = {}
    source = np.repeat(np.arange(graph.n_nodes), np.diff(matrix.indptr))
    for i, j, b in zip(source.tolist(), matrix.indices.tolist(), graph.edge_block, strict=True):
        first.setdefault(i * graph.n_nodes + j, int(b))
    assert [first[k] for k in keys(wiring).tolist()] == block.tolist()


@given(st.integers(0, 10**6))
def test_every_degree_of_every_block_stays(seed):
    graph = random_graph(seed, n_nodes=12, n_edges=30)
    wiring = Wiring.of(graph)
    try:
        null = wiring.rewired(np.random.default_rng(seed))
    except UndefinedMeasureError:
        return
    assert np.array_equal(null.source, wiring.source)
    for low, high in zip(wiring.starts[:-1], wiring.starts[1:], strict=True):
        into = [np.bincount(x.target[low:high], minlength=12) for x in (wiring, null)]
        assert np.array_equal(*into)
    assert (null.source != null.target).all()
    assert len(np.unique(keys(null))) == wiring.n_edges
    assert keys(Wiring.of(graph)).tolist() == keys(wiring).tolist()


def test_layers_stay_and_most_edges_move():
    graph = NETS["trained"]
    wiring = wiring_of(graph)
    null = wiring.rewired(np.random.default_rng(0))
    layer = np.repeat(np.arange(graph.n_layers), [x.n_nodes for x in graph.layers])
    assert np.array_equal(layer[wiring.target], layer[null.target])
    low, high = wiring.starts[4:6]  # a dense block, of which the threshold left a part
    kept = np.isin(keys(null)[low:high], keys(wiring)[low:high]).mean()
    density = (high - low) / (128 * 16) if graph.block_names[4] == "fc1" else None
    assert density is not None
    assert kept == pytest.approx(density, abs=0.15)


def test_all_wirings_are_equally_likely():
    """Of the six ways to connect three nodes with three others, one each."""
    wiring = wiring_of(graph_of([(k, k + 3, 1.0, 0) for k in range(3)], 6))
    rng, counts, n = np.random.default_rng(0), {}, 3000
    for _ in range(n):
        found = tuple(wiring.rewired(rng, swaps_per_edge=20).target.tolist())
        counts[found] = counts.get(found, 0) + 1
    assert len(counts) == 6
    assert sum((c - n / 6) ** 2 / (n / 6) for c in counts.values()) < 20.5  # p = 0.001


def test_degrees_of_two_and_a_loop_are_equally_likely():
    """All simple graphs of the same degrees, counted by hand, are met alike."""
    edges = [(0, 3, 1.0, 0), (0, 4, 1.0, 0), (1, 3, 1.0, 0), (2, 5, 1.0, 0)]
    wiring = wiring_of(graph_of(edges, 6))
    rng, counts, n = np.random.default_rng(0), {}, 3000
    for _ in range(n):
        null = wiring.rewired(rng, swaps_per_edge=20)
        found = tuple(sorted(keys(null).tolist()))
        counts[found] = counts.get(found, 0) + 1
    # Node 0 takes two of {3, 4, 5}: {3, 4}: 2 ways for the rest, {3, 5}: 2, {4, 5}: 1.
    assert len(counts) == 5
    assert sum((c - n / 5) ** 2 / (n / 5) for c in counts.values()) < 18.5


def test_the_same_rng_gives_the_same():
    wiring = wiring_of(NETS["cnn"])
    first, again, other = (wiring.rewired(np.random.default_rng(r)).target for r in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_what_cannot_be_swapped():
    for graph in (graph_of([], 0), graph_of([], 3), graph_of([(0, 1, 1.0, 0)], 2)):
        with pytest.raises(UndefinedMeasureError, match="no two edges can be swapped"):
            Wiring.of(graph).rewired(np.random.default_rng(0))
    with pytest.raises(UndefinedMeasureError, match="motifs compares"):
        wiring_of(cg.toy("mlp")).rewired(np.random.default_rng(0), noun="motifs")


def test_the_table_holds_what_was_put_in_when_it_is_nearly_full():
    """Removing an edge keeps the others findable: many swaps in a dense block."""
    rng = np.random.default_rng(0)
    chosen = rng.random((20, 20)) < 0.5
    edges = [(i, 20 + j, 1.0, 0) for i, j in np.argwhere(chosen).tolist()]
    wiring = wiring_of(graph_of(edges, 40))
    null = wiring.rewired(np.random.default_rng(1), swaps_per_edge=500)
    assert len(np.unique(keys(null))) == len(edges)
    assert np.array_equal(np.sort(null.target), np.sort(wiring.target))
