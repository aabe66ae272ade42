"""The adjacency as an operator: products, groups, the order of blocks, numbers of any size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import flows

import cntgraph as cg
from cntgraph.core.errors import ConvergenceError
from cntgraph.core.view import View
from cntgraph.measures.matrix_free.lanczos import leading_eigenpair
from cntgraph.measures.matrix_free.node_groups import node_groups
from cntgraph.measures.matrix_free.operator import adjacency_operator
from cntgraph.measures.matrix_free.order import stages_of
from cntgraph.measures.matrix_free.scaled import Scaled

DAGS, LOOPS = flows.feed_forward(), flows.with_loops()
NETS = DAGS | LOOPS


@pytest.mark.parametrize("edges", ["all", "parametric"])
@pytest.mark.parametrize("name", NETS)
def test_products_are_those_of_the_dense_matrix(name, edges):
    net, rng = NETS[name], np.random.default_rng(0)
    x = rng.normal(size=net.n_nodes)
    for transform in flows.F:
        for magnitude in (False, True):
            dense = flows.dense(net, transform, edges)
            if transform == "negative" and not magnitude:
                dense = -dense
            for measured in (net, cg.build_graph(net)):
                operator = adjacency_operator(
                    measured, transform=transform, edges=edges, magnitude=magnitude
                )
                assert np.allclose(operator.matvec(x), dense @ x)
                assert np.allclose(operator.rmatvec(x), dense.T @ x)
                assert np.allclose(operator.to_csr().toarray(), dense)
                linear = operator.linear_operator()
                assert np.allclose(linear @ x, dense @ x)
                assert np.allclose(linear.T @ x[:, None], (dense.T @ x)[:, None])


@pytest.mark.parametrize("name", NETS)
def test_parts_by_themselves(name):
    net = NETS[name]
    dense = flows.dense(net)
    for measured in (net, cg.build_graph(net)):
        operator = adjacency_operator(measured)
        total = np.zeros_like(dense)
        for k in range(len(operator.parts)):
            own, rows, columns = operator.between([k])
            total[np.ix_(rows, columns)] += own.to_csr().toarray()
        assert np.allclose(total, dense)
        among, nodes = operator.among(range(len(operator.parts)))
        assert np.allclose(among.to_csr().toarray(), dense[np.ix_(nodes, nodes)])


@pytest.mark.parametrize("name", NETS)
def test_a_network_is_a_dag_if_its_nodes_are(name):
    net = NETS[name]
    reach = flows.dense(net, "count") > 0
    for _ in range(12):
        reach = reach | (reach.astype(int) @ reach.astype(int) > 0)
    assert (not reach.diagonal().any()) == (name in DAGS)
    for measured in (net, cg.build_graph(net)):
        assert adjacency_operator(measured).is_dag == (name in DAGS)


@pytest.mark.parametrize("name", NETS)
def test_stages_come_after_all_they_depend_on(name):
    operator = adjacency_operator(NETS[name])
    place = {k: n for n, stage in enumerate(operator.stages) for k in stage.parts}
    assert sorted(place) == list(range(len(operator.parts)))
    for a, before in enumerate(operator.parts):
        for b, after in enumerate(operator.parts):
            written = set(before.target.as_ids().tolist())
            if written & set(after.source.as_ids().tolist()):
                same = place[a] == place[b]
                assert same or place[a] < place[b]
                assert not same or operator.stages[place[a]].is_strongly_connected


def test_no_blocks_have_no_stages():
    assert stages_of([], 5) == ()


# -- groups ----------------------------------------------------------------------------------------


@st.composite
def views(draw):
    n = draw(st.integers(1, 12))
    found = []
    for _ in range(draw(st.integers(1, 5))):
        if draw(st.booleans()):
            start = draw(st.integers(0, n - 1))
            found.append(View((draw(st.integers(0, n - start)),), start))
        else:
            ids = draw(st.lists(st.integers(-1, n - 1), max_size=8))
            found.append(View.of(np.array(ids, dtype=np.int64)))
    return n, found


@given(views())
def test_views_share_a_cell_where_they_share_a_node(case):
    n, found = case
    groups = node_groups(found, n)
    nodes = [set(view.as_ids().tolist()) - {-1} for view in found]
    for a in range(len(found)):
        for b in range(len(found)):
            shared = set(groups[a].tolist()) & set(groups[b].tolist())
            assert bool(shared) == bool(nodes[a] & nodes[b])


# -- numbers of any size --------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(-3000, 3000), st.integers(0, 3), st.booleans()), max_size=12))
def test_scaled_sums_are_exact_where_integers_are(terms):
    """Powers of two are added up at four nodes, and in Python's integers."""
    total, exact = Scaled(np.zeros(4)), [0] * 4
    for power, node, negative in terms:
        sign = -1 if negative else 1
        total.scatter_add(View.of(np.array([node])), np.array([sign * 1.0]), power)
        exact[node] += sign * 2 ** (power + 3000)
    for k in range(4):
        expected = float("-inf") if not exact[k] else _log10(exact[k]) - 3000 * np.log10(2)
        spread = [p for p, node, _ in terms if node == k]
        if max(spread, default=0) - min(spread, default=0) < 50:  # no bits are lost
            assert np.isclose(total.log10()[k], expected, rtol=1e-12, atol=1e-9)


def _log10(integer):
    bits = max(abs(integer).bit_length() - 60, 0)
    return np.log10(float(abs(integer) >> bits)) + bits * np.log10(2)


def test_scaled_values_at_repeated_and_missing_nodes():
    total = Scaled(np.array([1.0, 2.0, 0.0]))
    total.scatter_add(View.of(np.array([1, -1, 1, 2])), np.array([1.0, 9.0, 3.0, 5.0]), 2)
    assert np.array_equal(total.values(), [1.0, 18.0, 20.0])
    values, exponent = total.gather(View.of(np.array([2, -1, 1])))
    assert np.array_equal(np.ldexp(values, exponent), [20.0, 0.0, 18.0])
    assert np.isclose(total.sum(np.array([0, 2])).values()[0], 21.0)


# -- Lanczos ---------------------------------------------------------------------------------------


@given(st.integers(1, 60), st.integers(0, 99), st.integers(2, 20))
def test_the_leading_eigenpair_of_a_gram_matrix(n, seed, n_vectors):
    rng = np.random.default_rng(seed)
    a = rng.random((n, n))
    found = leading_eigenpair(
        lambda x: a.T @ (a @ x), np.ones(n), tol=1e-12, max_iter=10_000, noun="test",
        n_vectors=n_vectors,
    )  # fmt: skip
    values, vectors = np.linalg.eigh(a.T @ a)
    assert np.isclose(found.value, values[-1])
    assert np.allclose(found.vector, np.abs(vectors[:, -1]), atol=1e-8)


def test_too_few_products():
    values = np.linspace(1, 1.001, 100)
    with pytest.raises(ConvergenceError, match="did not converge"):
        leading_eigenpair(lambda x: values * x, np.ones(100), tol=1e-14, max_iter=5, noun="test",
                          n_vectors=4)  # fmt: skip
