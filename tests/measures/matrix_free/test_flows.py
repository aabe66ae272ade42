"""Measures of flow on toys, small CNNs, residual, recurrent and coarse nets: each equals networkx,
NumPy on the dense matrix or a slow loop, and is the same for a network and its explicit graph."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from oracles import flows
from oracles.convolutions import convolutions
from oracles.flows import SIGNS, dense
from scipy.sparse import csr_array

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.core.errors import (
    CntGraphError,
    ConvergenceError,
    SignedWeightError,
    UndefinedMeasureError,
)
from cntgraph.core.recipe import Recipe
from cntgraph.graph.graph import Graph
from cntgraph.measures.matrix_free.eigenvector import eigenvector_centrality
from cntgraph.measures.matrix_free.hits import hits
from cntgraph.measures.matrix_free.katz import katz_centrality
from cntgraph.measures.matrix_free.loops import largest_eigenvalue, loops_of, perron_vector
from cntgraph.measures.matrix_free.n_cut import n_cut
from cntgraph.measures.matrix_free.pagerank import pagerank
from cntgraph.measures.matrix_free.spectral_radius import spectral_radius
from cntgraph.network.layer import Layer

DAGS, LOOPS = flows.feed_forward(), flows.with_loops()
NETS = DAGS | LOOPS
EDGES = ("all", "parametric")
CASES = [("absolute", "parametric"), *((sign, "all") for sign in SIGNS)]


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


@pytest.fixture(params=LOOPS)
def loop(request):
    return LOOPS[request.param]


def both(net):
    return net, cg.build_graph(net)


def as_networkx(matrix):
    return nx.from_numpy_array(matrix, create_using=nx.DiGraph)


def in_order(values):
    return np.array([values[node] for node in sorted(values)])


# -- PageRank -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("sign", "edges"), CASES)
def test_pagerank_is_that_of_networkx(net, sign, edges):
    graph = as_networkx(dense(net, sign, edges))
    expected = in_order(nx.pagerank(graph, tol=1e-15, max_iter=5000))
    for measured in both(net):
        found = pagerank(measured, sign=sign, edges=edges)
        assert found.dtype == np.float64
        assert np.allclose(found, expected, rtol=1e-9, atol=1e-13)


def test_pagerank_with_other_jumps_and_alphas(net):
    jumps = np.random.default_rng(1).random(net.n_nodes) * (np.arange(net.n_nodes) % 3 > 0)
    graph = as_networkx(dense(net, "absolute"))
    for alpha in (0.0, 0.5, 0.95):
        options = {"alpha": alpha, "personalization": dict(enumerate(jumps))}
        expected = in_order(nx.pagerank(graph, tol=1e-15, max_iter=10000, **options))
        for measured in both(net):
            found = pagerank(measured, sign="absolute", alpha=alpha, personalization=jumps)
            assert np.allclose(found, expected, rtol=1e-8, atol=1e-12)


def test_pagerank_solves_its_equation_to_rounding(net):
    matrix = dense(net, "absolute")
    strength = matrix.sum(axis=1)
    walk = np.divide(matrix, strength[:, None], where=strength[:, None] > 0, out=0 * matrix)
    found = pagerank(net, sign="absolute")
    lost = found[strength == 0].sum()
    again = 0.85 * (walk.T @ found + lost / net.n_nodes) + 0.15 / net.n_nodes
    assert np.allclose(found, again, rtol=1e-11)


def test_pagerank_refuses_what_makes_no_sense(net):
    n = net.n_nodes
    for alpha in (1.0, -0.1, np.nan):
        with pytest.raises(CntGraphError, match="alpha"):
            pagerank(net, sign="absolute", alpha=alpha)
    for jumps in (np.zeros(n), -np.ones(n), np.ones(n + 1), np.full(n, np.nan)):
        with pytest.raises(CntGraphError, match="personalization"):
            pagerank(net, sign="absolute", personalization=jumps)


def test_a_walk_round_a_loop_that_is_given_too_few_steps():
    with pytest.raises(ConvergenceError, match="did not converge in 3 iterations"):
        pagerank(LOOPS["rnn"], sign="absolute", max_iter=3)


# -- Katz ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sign", "edges"), CASES)
def test_katz_is_that_of_networkx(net, sign, edges):
    graph = as_networkx(dense(net, sign, edges))
    radius = abs(np.linalg.eigvals(dense(net, sign, edges))).max()
    alpha = 0.1 if radius < 1e-3 or net in DAGS.values() else 0.7 / radius
    for normalized in (True, False):
        options = {"alpha": alpha, "normalized": normalized}
        expected = in_order(nx.katz_centrality_numpy(graph, weight="weight", **options))
        for measured in both(net):
            found = katz_centrality(measured, sign=sign, edges=edges, **options)
            assert np.allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", DAGS)
def test_katz_of_a_feed_forward_network_is_exact_for_any_alpha(name):
    net, beta = DAGS[name], np.random.default_rng(2).random(DAGS[name].n_nodes)
    matrix = dense(net, "absolute")
    for alpha in (1.0, 7.5):
        expected = np.linalg.solve(np.eye(net.n_nodes) - alpha * matrix.T, beta)
        options = {"alpha": alpha, "beta": beta, "normalized": False, "sign": "absolute"}
        for measured in both(net):
            assert np.allclose(katz_centrality(measured, **options), expected, rtol=1e-9)


def test_katz_with_walks_that_grow_round_a_loop(loop):
    radius = spectral_radius(loop, transform="absolute")
    for factor in (1.5, 1e200):
        with pytest.raises(ConvergenceError, match="spectral_radius"):
            katz_centrality(loop, sign="absolute", alpha=factor / radius)


def test_katz_whose_squares_are_beyond_what_a_float_holds():
    net, alpha = DAGS["mlp"], 1e90
    values = np.linalg.solve(np.eye(net.n_nodes) - alpha * dense(net, "absolute").T,
                             np.ones(net.n_nodes))  # fmt: skip
    assert 1e160 < values.max() < np.inf
    expected = values / values.max() / np.linalg.norm(values / values.max())
    for measured in both(net):
        assert np.allclose(katz_centrality(measured, sign="absolute", alpha=alpha), expected)


def test_katz_beyond_what_a_float_holds():
    with pytest.raises(UndefinedMeasureError, match="smaller"):
        katz_centrality(DAGS["mlp"], sign="absolute", alpha=1e200)
    for beta in (np.nan, np.ones(3)):
        with pytest.raises(CntGraphError, match="beta"):
            katz_centrality(DAGS["mlp"], sign="absolute", beta=beta)


# -- HITS ---------------------------------------------------------------------------------------


def kleinberg(matrix):
    """Hubs and authorities by iteration from equal scores; a square of AᵀA is many steps."""
    gram = matrix.T @ matrix
    for _ in range(36):
        gram = gram @ gram
        gram /= np.linalg.norm(gram)
    authorities = gram @ np.ones(len(gram))
    return matrix @ authorities, authorities


@pytest.mark.parametrize(("sign", "edges"), CASES)
def test_hits_is_the_iteration_from_equal_scores(net, sign, edges):
    matrix = dense(net, sign, edges)
    hubs, authorities = kleinberg(matrix)
    for measured in both(net):
        for normalized, size in ((True, np.sum), (False, np.max)):
            found = hits(measured, sign=sign, edges=edges, normalized=normalized)
            assert np.allclose(found.hubs, hubs / size(hubs), atol=1e-8)
            assert np.allclose(found.authorities, authorities / size(authorities), atol=1e-8)


@pytest.mark.parametrize("name", sorted(set(NETS) - {"unrolled"}))
def test_hits_is_that_of_networkx(name):
    net = NETS[name]
    matrix = dense(net, "absolute")
    largest = np.linalg.svd(matrix, compute_uv=False)
    assert largest[0] > 1.0001 * largest[1]  # else the vectors are not unique
    expected = nx.hits(as_networkx(matrix), max_iter=10**6, tol=1e-15)
    for measured in both(net):
        found = hits(measured, sign="absolute")
        for ours, theirs in zip(found, expected, strict=True):
            assert np.allclose(ours, in_order(theirs), atol=1e-8)


def test_hits_of_layers_are_those_of_each_block_of_a_chain():
    net = DAGS["mlp"]
    matrix = dense(net, "absolute")
    for measured in both(net):
        found = hits(measured, sign="absolute", scope="layers")
        for block in net.blocks:
            sources, targets = block.source.as_ids(), block.target.as_ids()
            own = np.zeros_like(matrix)
            own[np.ix_(sources, targets)] = matrix[np.ix_(sources, targets)]
            hubs, authorities = kleinberg(own)
            assert np.allclose(found.hubs[sources], (hubs / hubs.sum())[sources])
            expected = (authorities / authorities.sum())[targets]
            assert np.allclose(found.authorities[targets], expected)


def test_layers_that_a_skip_ties_together_have_scores_of_one_sum():
    net = DAGS["residual"]
    found = hits(net, sign="absolute", scope="layers")
    hubs, authorities = net.split(found.hubs), net.split(found.authorities)
    assert [round(float(h.sum()), 9) for h in hubs.values()] == [1, 1, 0]
    assert [round(float(a.sum()), 9) for a in authorities.values()] == [0, 1, 1]


def test_hits_of_equally_strong_blocks_share():
    """Two blocks of the same weights: the scores of both, by their numbers of nodes."""
    weight = np.full((2, 2), 0.5, dtype=np.float32)
    net = chain(weight, weight)
    found = hits(net)
    assert np.allclose(found.hubs, [0.25] * 4 + [0] * 2)
    assert np.allclose(found.authorities, [0] * 2 + [0.25] * 4)


def test_hits_wants_a_scope_that_there_is(net):
    with pytest.raises(CntGraphError, match="scope"):
        hits(net, sign="absolute", scope="block")


def chain(*weights):
    builder = Builder()
    ids = builder.input("input", (weights[0].shape[1],))
    for k, weight in enumerate(weights):
        recipe = Recipe.of(builder.parameter(cg.Parameter.from_array(f"w{k}", weight)))
        ids = builder.activate(builder.linear(f"fc{k}", ids, recipe, None), "relu")
    builder.output(ids)
    return builder.finish()


# -- eigenvalues --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DAGS)
def test_without_loops_the_spectral_radius_is_zero_and_the_centrality_undefined(name):
    for measured in both(DAGS[name]):
        assert spectral_radius(measured) == 0.0
        with pytest.raises(UndefinedMeasureError, match="katz_centrality"):
            eigenvector_centrality(measured, sign="absolute")


@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize("transform", ["signed", *SIGNS, "square"])
def test_spectral_radius_is_that_of_the_dense_matrix(loop, transform, edges):
    expected = abs(np.linalg.eigvals(dense(loop, transform, edges))).max()
    for measured in both(loop):
        found = spectral_radius(measured, transform=transform, edges=edges)
        assert np.isclose(found, expected, rtol=1e-9)


def test_eigenvector_centrality_is_what_power_iteration_comes_to(loop):
    matrix = dense(loop, "absolute")
    x = np.ones(len(matrix))
    for _ in range(20_000):
        x = x + matrix.T @ x
        x /= np.linalg.norm(x)
    for measured in both(loop):
        assert np.allclose(eigenvector_centrality(measured, sign="absolute"), x, atol=1e-8)


def test_eigenvector_centrality_of_a_strongly_connected_network_is_that_of_networkx():
    rng = np.random.default_rng(3)
    matrix = rng.random((12, 12)) * (rng.random((12, 12)) < 0.5)
    zeros = np.zeros(12)
    marks, layers = np.zeros(np.count_nonzero(matrix), np.uint8), (Layer("all", (12,), "dense"),)
    graph = Graph(csr_array(matrix), marks, layers, ("block",), np.ones(1, bool), zeros, zeros)
    expected = nx.eigenvector_centrality_numpy(as_networkx(matrix), weight="weight")
    assert np.allclose(eigenvector_centrality(graph), in_order(expected), atol=1e-10)
    assert np.isclose(spectral_radius(graph), abs(np.linalg.eigvals(matrix)).max())


def test_large_loops_are_left_to_arpack(monkeypatch, loop):
    expected = spectral_radius(loop, transform="absolute")
    vector = eigenvector_centrality(loop, sign="absolute")
    monkeypatch.setitem(largest_eigenvalue.__globals__, "_DENSE", 2)
    monkeypatch.setitem(perron_vector.__globals__, "_DENSE", 2)
    assert np.isclose(spectral_radius(loop, transform="absolute"), expected, rtol=1e-9)
    assert np.allclose(eigenvector_centrality(loop, sign="absolute"), vector, atol=1e-8)


def test_loops_too_large_to_unroll_are_operators(monkeypatch):
    net = LOOPS["rnn"]
    expected = spectral_radius(net), eigenvector_centrality(net, sign="absolute")
    monkeypatch.setitem(loops_of.__globals__, "MAX_EDGES", 1)
    assert np.isclose(spectral_radius(net), expected[0])
    assert np.allclose(eigenvector_centrality(net, sign="absolute"), expected[1])


# -- n-cut --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sign", "edges"), CASES)
def test_n_cut_is_the_loop(net, sign, edges):
    rng = np.random.default_rng(5)
    for n_clusters in (1, 2, 5):
        labels = rng.integers(n_clusters, size=net.n_nodes) * 3 - 1
        expected = flows.n_cut(dense(net, sign, edges), labels)
        for measured in both(net):
            found = n_cut(measured, labels, sign=sign, edges=edges)
            assert np.isclose(found, expected, rtol=1e-9, atol=1e-9)


def test_n_cut_of_the_layers_of_a_chain_is_their_number():
    net = DAGS["mlp"]
    labels = np.repeat(range(4), [layer.n_nodes for layer in net.layers])
    assert np.isclose(n_cut(net, labels, sign="absolute"), 4)
    assert n_cut(net, np.zeros(net.n_nodes, int), sign="absolute") < 1e-12


def test_n_cut_refuses_what_is_no_partition():
    net = DAGS["cnn"]
    for labels in (np.zeros(3, int), np.zeros(net.n_nodes)):
        with pytest.raises(CntGraphError, match="partition"):
            n_cut(net, labels, sign="absolute")
    lonely = np.arange(net.n_nodes) == 0
    one = cg.build_graph(net).keep_edges(np.arange(net.n_edges) > 10)
    with pytest.raises(UndefinedMeasureError, match="weigh nothing"):
        n_cut(one, lonely, sign="absolute")


# -- any convolution ----------------------------------------------------------------------------


@given(convolutions())
def test_a_convolution_is_its_explicit_graph(net):
    graph = cg.build_graph(net)
    strongest = [*np.linalg.svd(dense(net, "absolute"), compute_uv=False)[:2], 0.0]
    is_unique = strongest[1] < 0.999 * strongest[0]
    ranks = (hits, hits_of_layers) if is_unique else ()
    for measure in (pagerank, katz_centrality, *ranks):
        closed, explicit = (as_tuple(measure(x, sign="absolute")) for x in (net, graph))
        for a, b in zip(closed, explicit, strict=True):
            assert np.allclose(a, b, rtol=1e-8, atol=1e-8)
    inverse = np.eye(net.n_nodes) - 0.1 * np.abs(graph.adjacency.toarray()).T
    expected = np.linalg.solve(inverse, np.ones(net.n_nodes))
    assert np.allclose(katz_centrality(net, sign="absolute", normalized=False), expected)


def hits_of_layers(net, sign):
    return hits(net, sign=sign, scope="layers")


def as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


# -- policies -----------------------------------------------------------------------------------

SIGNED = {
    "pagerank": pagerank,
    "katz": katz_centrality,
    "hits": hits,
    "eigenvector": eigenvector_centrality,
    "n_cut": lambda net, **options: n_cut(net, np.arange(net.n_nodes) % 2, **options),
}


@pytest.mark.parametrize("name", SIGNED)
def test_negative_weights_need_a_policy(name):
    for measured in both(LOOPS["rnn"]):
        with pytest.raises(SignedWeightError, match="sign="):
            SIGNED[name](measured)


@pytest.mark.parametrize("name", SIGNED)
def test_split_is_both_signs(name):
    options = {"alpha": 0.01} if name == "katz" else {}
    for measured in both(LOOPS["rnn"]):
        found = SIGNED[name](measured, sign="split", **options)
        for sign in ("positive", "negative"):
            expected = SIGNED[name](measured, sign=sign, **options)
            assert np.allclose(getattr(found, sign), expected)
