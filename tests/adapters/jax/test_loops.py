"""Loops of JAX whose cells are no standard ones."""

import flax.linen as fl
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax, nn
from oracles.propagate import propagate

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.adapters.builder.recurrent import Cell, Gate, run_cell
from cntgraph.core.errors import CoverageWarning
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe

N_IN, N, STEPS = 3, 4, 5
X = np.random.default_rng(0).normal(size=(2, STEPS, N_IN)).astype(np.float32)
#: Weights of all cells: from input, from states, one a unit.
SHAPES = {"w": (4, N_IN, N), "u": (4, N, N), "b": (4, N), "d": (4, N)}
WEIGHTS = {key: np.random.default_rng(1).normal(size=shape).astype(np.float32) / 2
           for key, shape in SHAPES.items()}  # fmt: skip


def minimal_gated(p, h, x):
    f = nn.sigmoid(x @ p["w"][0] + h @ p["u"][0] + p["b"][0])
    n = jnp.tanh(x @ p["w"][1] + (f * h) @ p["u"][1] + p["b"][1])
    return (1 - f) * h + f * n


def diagonal(p, h, x):
    return p["d"][0] * h + x @ p["w"][0]


def residual(p, h, x):
    return h + 0.5 * jnp.tanh(x @ p["w"][0] + h @ p["u"][0] + p["b"][0])


def learned_rate(p, h, x):
    return h + p["d"][0] * (jnp.tanh(x @ p["w"][0] + h @ p["u"][0]) - h)


def normalized(p, h, x):
    d = h - h.mean(-1, keepdims=True)
    normed = d * lax.rsqrt((d * d).mean(-1, keepdims=True) + 1e-5)
    return h + jnp.tanh(normed @ p["u"][0] + x @ p["w"][0])


def leaky(p, h, x):
    return 0.9 * h + 0.1 * nn.relu(nn.relu(h) @ p["u"][0] + x @ p["w"][0])


def rectified(p, h, x):
    """A function of a function: the state stays a layer of its own."""
    return jnp.tanh(nn.relu(h) @ p["u"][0] + x @ p["w"][0])


def joined(p, h, x):
    return h - nn.relu(jnp.concatenate([x, h], -1) @ jnp.concatenate([p["w"][0], p["u"][0]]))


def peephole(p, state, x):
    h, c = state
    i, f, g, o = (x @ p["w"][k] + h @ p["u"][k] + p["b"][k] for k in range(4))
    c = nn.sigmoid(f + p["d"][1] * c) * c + nn.sigmoid(i + p["d"][0] * c) * jnp.tanh(g)
    return nn.sigmoid(o + p["d"][2] * c) * jnp.tanh(c), c


def stacked(p, state, x):
    two, one = state
    one = jnp.tanh(x @ p["w"][0] + one @ p["u"][0])
    return jnp.tanh(one @ p["u"][1] + two @ p["u"][2]), one


def shifted(p, state, x):
    """What RWKV does: the input of the step before is a state."""
    h, before = state
    return h * p["d"][0] + (x * 0.3 + before * 0.7) @ p["w"][0], x


#: The sizes of each cell's states, and how many matrices it reads of the input and of states, and
#: how many weights of one unit.
CELLS = {
    minimal_gated: ((N,), 2, 2, 0), diagonal: ((N,), 1, 0, 1), residual: ((N,), 1, 1, 0),
    learned_rate: ((N,), 1, 1, 1), normalized: ((N,), 1, 1, 0), leaky: ((N,), 1, 1, 0),
    rectified: ((N,), 1, 1, 0), joined: ((N,), 1, 1, 0), peephole: ((N, N), 4, 4, 3),
    stacked: ((N, N), 1, 3, 0), shifted: ((N, N_IN), 1, 0, 1),
}  # fmt: skip
cells = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.__name__)


def over_time(cell, **options):
    """The hidden state at every step, of an input and an initial hidden state."""

    def function(p, x, start=None):
        def step(state, x):
            made = cell(p, state, x)
            return made, made[0] if len(sizes) > 1 else made

        sizes, (b, *_) = CELLS[cell][0], x.shape
        first, *others = (jnp.zeros((b, n)) for n in sizes)
        first = first if start is None else start
        state = (first, *others) if others else first
        return lax.scan(step, state, x.swapaxes(0, 1), **options)[1].swapaxes(0, 1)

    return function


class Read(dict):
    """Weights that know which of them were read."""

    def __getitem__(self, key):
        self.keys_read = {*getattr(self, "keys_read", ()), key}
        return super().__getitem__(key)


def load(function, *inputs, unroll=None):
    weights = Read(WEIGHTS)
    function(weights, *inputs)
    params = {key: WEIGHTS[key] for key in weights.keys_read}
    example = inputs if len(inputs) > 1 else inputs[0]
    return cg.load(function, params=params, example_input=example, unroll=unroll)


def outputs(net, *inputs, **options):
    _, after = propagate(net, *inputs, **options)
    return np.concatenate([after[layer.name].ravel() for layer in net.layers if layer.is_output])


def carried_out(net, x, *start, reverse=False):
    """The loop carried out step by step: of every step, the input feeds the same nodes."""
    z, found = np.zeros(net.n_nodes), np.zeros((STEPS, N))
    for n, k in enumerate(range(STEPS)[::-1] if reverse else range(STEPS)):
        now = np.zeros_like(x)
        now[k] = x[k]
        found[k] = outputs(net, now, *(before * (n == 0) for before in start), z=z)
    return found


@pytest.mark.parametrize("start", [False, True], ids=["zeros", "start"])
@pytest.mark.parametrize("cell", [*CELLS][:-1], ids=lambda cell: cell.__name__)
def test_any_cell_is_a_loop(cell, start):
    """Carried out step by step, the loop has the values that JAX has.

    But where a cell reads the input of the step before: that is not told from the present one.
    """
    inputs = (X, np.ones((2, N), np.float32) / 3)[: 1 + start]
    function = over_time(cell)
    wanted = function(WEIGHTS, *(x[:1] for x in inputs))[0]
    net = load(function, *inputs)
    assert sum(layer.kind == "state" for layer in net.layers) == (cell is rectified or (
        start and cell in (leaky, normalized)))  # fmt: skip
    found = carried_out(net, *(x[0] for x in inputs))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


@cells
def test_any_cell_step_by_step(cell):
    function = over_time(cell)
    net = load(function, X, unroll=STEPS)
    wanted = np.ravel(function(WEIGHTS, X[:1]))
    np.testing.assert_allclose(outputs(net, X[0]), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("power", [1, 2])
@cells
def test_weights_of_a_loop(cell, power):
    """Every step of the input has the weights that read it; states have theirs once."""
    w, u, d = (np.abs(WEIGHTS[key]) ** power for key in "wud")
    _, of_input, of_state, of_unit = CELLS[cell]
    steps = 1 if cell is shifted else STEPS  # whose weights read a mixture of two steps
    wanted = steps * w[:of_input].sum() + u[:of_state].sum() + d[:of_unit].sum()
    transform = {1: "absolute", 2: "square"}[power]
    blocks = [block for block in load(over_time(cell), X).blocks if block.parametric]
    ours = sum(block.sums(transform)[transform].column.sum() for block in blocks)
    np.testing.assert_allclose(ours, wanted, rtol=1e-5)


def test_a_loop_that_runs_backwards():
    function = over_time(minimal_gated, reverse=True)
    wanted = function(WEIGHTS, X[:1])[0]
    found = carried_out(load(function, X), X[0], reverse=True)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


def test_a_peephole_lstm_is_that_of_other_frameworks():
    builder = Builder()
    w, u, b, d = (
        [Recipe.of(builder.parameter(Parameter.from_array(f"{key}{k}", value.T)))
         for k, value in enumerate(WEIGHTS[key][:count])]
        for key, count in zip("wubd", (4, 4, 4, 3), strict=True)
    )  # fmt: skip
    gates = [Gate(*parts) for parts in zip(w, u, b, strict=True)]
    cell = Cell("lstm", "lstm", gates, peepholes=d)
    builder.output(run_cell(builder, builder.input("x", (STEPS, N_IN)), cell)[0])
    theirs, ours = builder.finish(), load(over_time(peephole), X)
    for edges in ("parametric", "all"):
        for transform in ("signed", "square", "count"):
            options = {"transform": transform, "edges": edges}
            one, other = (np.sort(cg.node_strength(net, **options)) for net in (ours, theirs))
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_what_follows_a_loop():
    """A shift of the last state is none of the nodes of the loop."""

    def function(p, x):
        def step(h, x):
            return (h + x @ p["w"][0]) @ p["u"][0], None

        h = lax.scan(step, jnp.zeros((len(x), N)), x.swapaxes(0, 1))[0]
        return jnp.stack([h + p["b"][0]] * STEPS, 1)

    found = carried_out(load(function, X), X[0])
    np.testing.assert_allclose(found[-1], function(WEIGHTS, X[:1])[0, 0], rtol=0, atol=1e-5)


def test_an_initial_state_of_ones():
    """Of a standard cell, whose steps are one layer, and of any other."""
    for cell in (minimal_gated, lambda p, h, x: jnp.tanh(x @ p["w"][0] + h @ p["u"][0])):

        def function(p, x, cell=cell):
            ones = jnp.ones((len(x), N))
            return lax.scan(lambda h, x: (cell(p, h, x), None), ones, x.swapaxes(0, 1))[0]

        net = load(function, X, unroll=STEPS)
        z = np.zeros(net.n_nodes)
        found = [outputs(net, X[0], z=z) for _ in range(STEPS)][-1].reshape(N, -1)[:, -1]
        np.testing.assert_allclose(found, function(WEIGHTS, X[:1])[0], rtol=0, atol=1e-5)
        assert sum(layer.n_nodes for layer in load(function, X).layers if layer.kind == "learned")


class OverImages(fl.Module):
    @fl.compact
    def __call__(self, x):
        return fl.RNN(fl.ConvLSTMCell(N, (3, 3)))(x)


def test_a_convolutional_cell():
    x, model = np.ones((2, STEPS, 6, 6, N_IN), np.float32), OverImages()
    params = model.init(jax.random.key(0), x)
    net = cg.load(model.apply, params=params, example_input=x, strict=True)
    assert [layer.shape[1:] for layer in net.layers[1:]] == [(6, 6)] * (len(net.layers) - 1)
    of_input, of_state = (np.asarray(params["params"]["ConvLSTMCell_0"][key]["kernel"])
                          for key in ("ih", "hh"))  # fmt: skip
    convs = [block for block in net.blocks if type(block).__name__ == "Conv"]
    ours = sum(block.sums("absolute")["absolute"].column.sum() for block in convs)
    seen = np.array([5, 6, 5])  # positions at which a tap meets a node
    both = STEPS * np.abs(of_input).sum((2, 3)) + np.abs(of_state).sum((2, 3))
    np.testing.assert_allclose(ours, (both * np.outer(seen, seen)).sum(), rtol=1e-5)


def test_what_a_loop_does_not_know():
    def counting(p, x):
        def step(state, x):
            h, k = state
            return (jnp.tanh(x @ p["w"][0]) + nn.relu(h) * k, k + 1), None

        start = jnp.zeros((len(x), N)), 0
        return lax.scan(step, start, x.swapaxes(0, 1))[0][0]

    def tokens(p, x):
        def step(h, x):
            return jnp.tanh(jnp.asarray(p["u"][0])[x] + nn.relu(h) @ p["u"][1]), None

        return lax.scan(step, jnp.zeros((len(x), N)), x.swapaxes(0, 1))[0]

    with pytest.warns(CoverageWarning, match="mul: it differs from step to step"):
        load(counting, X)
    with pytest.warns(CoverageWarning, match="a loop that reads tokens; pass unroll="):
        load(tokens, np.array([[0, 1, 2], [3, 2, 1]]))
