"""Recurrent layers as loops and unrolled, against the same written out step by step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.recurrence import gru_edges, lstm_edges, matrix, node, rnn_edges

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.adapters.builder.recurrent import Cell, Gate, run_cell
from cntgraph.core.errors import InputShapeError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe

N_IN, N, N_PROJECTED = 3, 4, 2


class Bench:
    """A builder with an input of `steps` time steps, and random weights."""

    def __init__(self, steps, unroll, seed=0):
        self.builder = Builder(unroll=unroll)
        self.rng = np.random.default_rng(seed)
        shape = (N_IN, steps) if steps > 1 else (N_IN,)
        self.ids = self.builder.input("x", shape).reshape(N_IN, steps).T
        self.count = 0

    def recipe(self, *shape):
        self.count += 1
        value = self.rng.normal(size=shape)
        name = f"w{self.count}"
        return Recipe.of(self.builder.parameter(Parameter.from_array(name, value))), value

    def gate(self, n_hidden=N, hidden_bias=False):
        (w, wv), (u, uv), (b, bv) = (
            self.recipe(N, N_IN), self.recipe(N, n_hidden), self.recipe(N)
        )  # fmt: skip
        if not hidden_bias:
            return Gate(w, u, b), (wv, uv, bv)
        c, cv = self.recipe(N)
        return Gate(w, u, b, c), (wv, uv, bv, cv)


def build(kind, steps, unroll, *, reverse=False, seed=0):
    bench = Bench(steps, unroll, seed)
    b = bench.builder
    loop = {"loop": unroll is None, "reverse": reverse}
    if kind == "rnn":
        gate, values = bench.gate()
        cell = Cell("rnn", "r", [gate], reverse=reverse)
        edges = rnn_edges([values], steps, **loop)
    elif kind in ("lstm", "projected"):
        wide = N if kind == "lstm" else N_PROJECTED
        gates, values = zip(*(bench.gate(wide) for _ in range(4)), strict=True)
        projection, matrix_ = (None, None) if kind == "lstm" else bench.recipe(N_PROJECTED, N)
        cell = Cell("lstm", "r", gates, projection=projection, reverse=reverse)
        edges = lstm_edges(values, steps, projection=matrix_, **loop)
    else:
        after = kind == "gru"
        gates, values = zip(*(bench.gate(hidden_bias=after and k == 2) for k in range(3)),
                            strict=True)  # fmt: skip
        cell = Cell("gru", "r", gates, reset_after=after, reverse=reverse)
        edges = gru_edges(values, steps, reset_after=after, **loop)
    sequence, (last, *_) = run_cell(b, bench.ids, cell)
    b.output(last)
    return b.finish(), edges, sequence, last


KINDS = ("rnn", "lstm", "projected", "gru", "gru_reset_before")


@pytest.mark.filterwarnings("ignore:left out of the graph.*one time step only")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("kind", KINDS)
def test_unrolled_over_time_steps_equals_the_loop_by_hand(kind, steps, reverse):
    net, edges, *_ = build(kind, steps, unroll=steps, reverse=reverse)
    check(net, edges)


@pytest.mark.parametrize("kind", KINDS)
def test_a_loop_equals_the_loop_by_hand(kind):
    net, edges, *_ = build(kind, 1, unroll=None)
    check(net, edges)


def check(net, edges):
    parametric = cg.build_graph(net, edges="parametric")
    assert np.allclose(parametric.adjacency.toarray(), matrix(edges.learned, net))
    everything = cg.build_graph(net)
    found = everything.adjacency.copy()
    found.sum_duplicates()
    structural = matrix(edges.structural, net) + matrix(edges.modulatory, net)
    assert np.allclose(found.toarray(), matrix(edges.learned, net) + structural)
    modulating = sum(block.n_edges for block in net.blocks if block.modulatory)
    assert modulating == len(edges.modulatory)
    bias = np.zeros(net.n_nodes)
    for key, value in edges.bias.items():
        bias[node(net, key)] += value
    assert np.allclose(net.bias("parametric"), bias)
    for part in ("all", "parametric"):
        closed, explicit = (cg.node_strength(x, edges=part) for x in (net, everything))
        assert np.allclose(closed, explicit, rtol=1e-13)


def test_the_loop_of_a_simple_layer_is_a_block_from_the_layer_to_itself():
    net, edges, *_ = build("rnn", 1, unroll=None)
    graph = cg.build_graph(net)
    here = graph.layer_slice("r")
    block = graph.adjacency[here][:, here].toarray()
    hidden = {pair: w for pair, w in edges.learned.items() if pair[0][0] == "r"}
    assert block.shape == (N, N)
    assert np.count_nonzero(block) == N * N
    assert np.allclose(block, matrix(hidden, net)[here, here])


@pytest.mark.parametrize("kind", KINDS)
def test_every_step_of_an_input_feeds_the_nodes_of_a_loop(kind):
    once, *_ = build(kind, 1, unroll=None)
    net, _, sequence, last = build(kind, 3, unroll=None)
    assert net.layers[1:] == tuple(
        layer.__class__(**{**vars(layer), "start": layer.start + 2 * N_IN})
        for layer in once.layers[1:]
    )
    assert (sequence == last).all()
    assert sequence.shape[0] == 3
    inputs = cg.build_graph(net).adjacency[net.layers[0].slice]
    alone = cg.build_graph(once).adjacency[once.layers[0].slice]
    for step in range(3):
        assert np.array_equal(inputs[step::3, 3 * N_IN :].toarray(), alone[:, N_IN:].toarray())
    assert np.allclose(net.bias()[3 * N_IN :], once.bias()[N_IN:])


@given(steps=st.integers(2, 5), reverse=st.booleans(), seed=st.integers(0, 9))
@settings(max_examples=15, deadline=None)
def test_the_pre_activations_of_a_recurrence(steps, reverse, seed):
    """Σ Aᵀz + b at the gates is what a recurrence computes there."""
    net, *_ = build("lstm", steps, unroll=steps, reverse=reverse, seed=seed)
    x = np.random.default_rng(seed + 1).normal(size=(N_IN, steps))
    weights = {name: p.read() for name, p in net.parameters.items()}
    before, hidden = run_lstm(weights, x, reverse)
    z = np.zeros(net.n_nodes)
    z[net.layer("x").slice] = x.reshape(-1)
    z[net.layer("r").slice] = hidden.reshape(-1)
    graph = cg.build_graph(net, edges="parametric")
    received = net.split(graph.adjacency.T @ z + graph.bias)
    for name, values in before.items():
        assert np.allclose(received[name], values)


def run_lstm(weights, x, reverse):
    parts = ("r.input_gate", "r.forget_gate", "r.candidate", "r.output_gate")
    steps, sigmoid = x.shape[1], lambda v: 1 / (1 + np.exp(-v))
    before = {part: np.zeros((N, steps)) for part in parts}
    h, c, hidden = np.zeros(N), np.zeros(N), np.zeros((N, steps))
    for t in list(range(steps))[:: -1 if reverse else 1]:
        for k, part in enumerate(parts):
            w, u, b = (weights[f"w{3 * k + i}"] for i in (1, 2, 3))
            before[part][:, t] = w @ x[:, t] + u @ h + b
        i, f, g, o = (before[part][:, t] for part in parts)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        hidden[:, t] = h
    return before, hidden


def test_an_initial_state_leads_to_the_first_step():
    bench = Bench(3, unroll=3)
    b = bench.builder
    initial = b.learned("h0", bench.recipe(N)[0])
    gate, (_, u, _) = bench.gate()
    _, (last,) = run_cell(b, bench.ids, Cell("rnn", "r", [gate], initial=[initial]))
    b.output(last)
    net = b.finish(strict=True)
    graph = cg.build_graph(net)
    to = graph.adjacency[net.layer("h0").slice][:, net.layer("r").slice].toarray()
    assert np.array_equal(to.reshape(N, N, 3)[..., 0], u.T)
    assert not to.reshape(N, N, 3)[..., 1:].any()
    assert np.array_equal(net.bias()[net.layer("h0").slice], net.parameters["w1"].read())


def test_stacked_loops_are_connected_once():
    bench = Bench(3, unroll=None)
    b, (first, _) = bench.builder, bench.gate()
    second = Gate(bench.recipe(N, N)[0], bench.recipe(N, N)[0], bench.recipe(N)[0])
    sequence, _ = run_cell(b, bench.ids, Cell("rnn", "a", [first]))
    sequence, _ = run_cell(b, sequence, Cell("rnn", "b", [second]))
    out = b.linear("out", sequence, bench.recipe(2, N)[0], None)
    assert (out == out[0]).all()
    b.output(out)
    net = b.finish()
    assert [layer.shape for layer in net.layers[1:]] == [(N,), (N,), (2,)]
    assert net.estimate(edges="parametric").n_edges == 3 * N_IN * N + N * N + N * N + N * N + 2 * N


def test_the_sequence_must_be_as_long_as_it_is_unrolled():
    with pytest.raises(InputShapeError, match="unroll=5 time steps, got 3"):
        build("rnn", 3, unroll=5)
