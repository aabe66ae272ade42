"""Recurrent layers in JAX, however they are written, are those of PyTorch."""

import equinox as eqx
import flax.linen as fl
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from jax import lax, nn
from oracles.propagate import propagate

import cntgraph as cg
from cntgraph.core.errors import CoverageWarning, InputShapeError

N_IN, N, STEPS = 3, 4, 5
X = np.random.default_rng(0).normal(size=(2, STEPS, N_IN)).astype(np.float32)


class Last(torch.nn.Module):
    """A recurrent layer, and a linear layer on the last state and on all states."""

    def __init__(self, kind, **options):
        super().__init__()
        torch.manual_seed(0)
        self.rnn = kind(N_IN, N, batch_first=True, **options)
        wide = N * (2 if options.get("bidirectional") else 1)
        self.fc = torch.nn.Linear(wide, 2)

    def forward(self, x):
        sequence, _ = self.rnn(x)
        return self.fc(sequence)


def gates(model, suffix="l0"):
    """The weights of each gate, as (W, U, b, c): input, hidden, and their biases."""
    w, u, b, c = (
        getattr(model.rnn, f"{kind}_{suffix}").detach().numpy()
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    rows = [slice(k, k + N) for k in range(0, len(w), N)]
    return [(w[r], u[r], b[r], c[r]) for r in rows]


def head(model):
    return {"kernel": model.fc.weight.detach().numpy().T, "bias": model.fc.bias.detach().numpy()}


def same_graph(ours, theirs):
    assert [layer.shape for layer in ours.layers] == [layer.shape for layer in theirs.layers]
    assert [layer.activation for layer in ours.layers] == [
        layer.activation for layer in theirs.layers
    ]
    for edges in ("parametric", "all"):
        for transform in ("signed", "square", "count"):
            options = {"transform": transform, "edges": edges}
            one, other = (cg.node_strength(net, **options) for net in (ours, theirs))
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def compare(model, function, params, **options):
    """Both as a loop and unrolled."""
    for unroll in (None, STEPS):
        theirs = cg.load(model, example_input=torch.from_numpy(X), unroll=unroll, strict=True)
        ours = cg.load(function, params=params, example_input=X, unroll=unroll, strict=True)
        same_graph(ours, theirs)
    return ours


# -- written in JAX alone -------------------------------------------------------------------------


def over_time(step, states, x, p, **options):
    """Run a step over the time axis of a batch, and a dense layer over what it yields."""
    initial = tuple(jnp.zeros((x.shape[0], N)) for _ in range(states))
    initial = initial if states > 1 else initial[0]
    _, y = lax.scan(step, initial, x.swapaxes(0, 1), **options)
    return y.swapaxes(0, 1) @ p["kernel"] + p["bias"]


def test_a_simple_cell():
    model = Last(torch.nn.RNN)
    ((w, u, b, c),) = gates(model)

    def function(p, x):
        def step(h, x):
            h = jnp.tanh(p["b"] + h @ p["u"].T + x @ p["w"].T)
            return h, h

        return over_time(step, 1, x, p)

    compare(model, function, {"w": w, "u": u, "b": b + c, **head(model)})
    relu = Last(torch.nn.RNN, nonlinearity="relu")
    ((w, u, b, c),) = gates(relu)

    def joined(p, x):
        def step(h, x):
            h = nn.relu(jnp.concatenate([x, h], axis=-1) @ p["wu"] + p["b"])
            return h, h

        return over_time(step, 1, x, p)

    wu = np.concatenate([w, u], axis=1).T
    compare(relu, joined, {"wu": wu, "b": b + c, **head(relu)})


def lstm_by_parts(p, x):
    """Four matrices a source, every gate on its own."""

    def step(state, x):
        h, c = state
        i, f, g, o = (x @ p["w"][k].T + h @ p["u"][k].T + p["b"][k] for k in range(4))
        c = nn.sigmoid(i) * jnp.tanh(g) + c * nn.sigmoid(f)
        h = nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    return over_time(step, 2, x, p)


def lstm_in_one(p, x):
    """One matrix for both sources, gates cut from the product, the cell first."""

    def step(state, x):
        c, h = state
        z = jnp.concatenate([x, h], -1) @ jnp.concatenate([p["w"], p["u"]], -1).reshape(4 * N, -1).T
        i, f, g, o = jnp.split(z + p["b"].reshape(-1), 4, axis=-1)
        c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(g)
        h = jnp.tanh(c) * nn.sigmoid(o)
        return (c, h), h

    return over_time(step, 2, x, p)


def lstm_by_slices(p, x):
    """Gates activated together, cut afterwards."""

    def step(state, x):
        c, h = state
        z = x @ p["w"].reshape(4 * N, -1).T + (h @ p["u"].reshape(4 * N, -1).T)
        z = z + p["b"].reshape(-1)
        gate = nn.sigmoid(z)
        c = gate[:, N : 2 * N] * c + gate[:, :N] * jnp.tanh(z[:, 2 * N : 3 * N])
        h = gate[:, 3 * N :] * jnp.tanh(c)
        return (c, h), h

    return over_time(step, 2, x, p)


@pytest.mark.parametrize("function", [lstm_by_parts, lstm_in_one, lstm_by_slices])
def test_lstm_cells(function):
    model = Last(torch.nn.LSTM)
    w, u, b, c = (np.stack(parts) for parts in zip(*gates(model), strict=True))
    compare(model, function, {"w": w, "u": u, "b": b + c, **head(model)})


def gru_that_keeps(p, x):
    """h' = (1 - z) n + z h."""

    def step(h, x):
        r, z = (nn.sigmoid(x @ p["w"][k].T + p["b"][k] + h @ p["u"][k].T) for k in range(2))
        n = jnp.tanh(x @ p["w"][2].T + p["b"][2] + r * (h @ p["u"][2].T + p["c"]))
        h = (1 - z) * n + z * h
        return h, h

    return over_time(step, 1, x, p)


def gru_that_enters(p, x):
    """h' = h + z' (n - h), with z' = 1 - z."""

    def step(h, x):
        r = nn.sigmoid(x @ p["w"][0].T + p["b"][0] + h @ p["u"][0].T)
        z = nn.sigmoid(-(x @ p["w"][1].T) - p["b"][1] - h @ p["u"][1].T)
        n = jnp.tanh(x @ p["w"][2].T + p["b"][2] + r * (h @ p["u"][2].T + p["c"]))
        h = h + z * (n - h)
        return h, h

    return over_time(step, 1, x, p)


@pytest.mark.parametrize("function", [gru_that_keeps, gru_that_enters])
def test_gru_cells(function):
    model = Last(torch.nn.GRU)
    w, u, b, c = (np.stack(parts) for parts in zip(*gates(model), strict=True))
    bias = b + c * np.array([1, 1, 0])[:, None]
    compare(model, function, {"w": w, "u": u, "b": bias, "c": c[2], **head(model)})


def test_a_gru_that_resets_before_its_weights():
    def function(p, x):
        def step(h, x):
            r, z = (nn.sigmoid(x @ p["w"][k].T + h @ p["u"][k].T + p["b"][k]) for k in range(2))
            n = jnp.tanh(x @ p["w"][2].T + (r * h) @ p["u"][2].T + p["b"][2])
            h = z * h + (1 - z) * n
            return h, h

        return over_time(step, 1, x, p)

    rng = np.random.default_rng(0)
    params = {
        "w": rng.normal(size=(3, N, N_IN)),
        "u": rng.normal(size=(3, N, N)),
        "b": rng.normal(size=(3, N)),
        "kernel": np.ones((N, 2)),
        "bias": np.ones(2),
    }
    net = cg.load(function, params=params, example_input=X, unroll=STEPS, strict=True)
    assert [layer.kind for layer in net.layers][3] == "hidden"  # r ⊙ h
    assert [layer.shape for layer in net.layers] == [(STEPS, N_IN), *[(N, STEPS)] * 5, (2, STEPS)]


def test_time_that_runs_backwards():
    model = Last(torch.nn.RNN, bidirectional=True)
    one, other = gates(model)[0], gates(model, "l0_reverse")[0]

    def run(p, x, **options):
        def step(h, x):
            h = jnp.tanh(x @ p["w"].T + h @ p["u"].T + p["b"])
            return h, h

        return lax.scan(step, jnp.zeros((x.shape[1], N)), x, **options)[1]

    def by_option(p, x):
        x = x.swapaxes(0, 1)
        y = jnp.concatenate([run(p["one"], x), run(p["other"], x, reverse=True)], -1)
        return y.swapaxes(0, 1) @ p["kernel"] + p["bias"]

    def by_turning(p, x):
        x = x.swapaxes(0, 1)
        y = jnp.concatenate([run(p["one"], x), run(p["other"], x[::-1])[::-1]], -1)
        return y.swapaxes(0, 1) @ p["kernel"] + p["bias"]

    params = {k: {"w": w, "u": u, "b": b + c} for k, (w, u, b, c) in
              (("one", one), ("other", other))}  # fmt: skip
    for function in (by_option, by_turning):
        compare(model, function, params | head(model))


def test_initial_states():
    def function(p, x):
        def step(h, x):
            h = jnp.tanh(x @ p["w"] + h @ p["u"] + p["b"])
            return h, None

        initial = p["h"] if "h" in p else jnp.tanh(x[:, 0] @ p["v"])
        return lax.scan(step, jnp.broadcast_to(initial, (len(x), N)), x.swapaxes(0, 1))[0]

    rng = np.random.default_rng(0)
    params = {"w": rng.normal(size=(N_IN, N)), "u": rng.normal(size=(N, N)), "b": np.ones(N)}
    learned = cg.load(function, params=params | {"h": np.ones(N)}, example_input=X, strict=True)
    assert [layer.kind for layer in learned.layers] == ["input", "learned", "recurrent"]
    made = cg.load(function, params=params | {"v": np.ones((N_IN, N))}, example_input=X,
                   unroll=STEPS, strict=True)  # fmt: skip
    assert [layer.kind for layer in made.layers] == ["input", "dense", "recurrent"]


# -- cells of libraries ---------------------------------------------------------------------------


def flax_cells(model):
    """Flax's cells with the weights of PyTorch's layer."""
    if isinstance(model.rnn, torch.nn.RNN):
        ((w, u, b, c),) = gates(model)
        yield fl.SimpleCell(N), {"i": {"kernel": w.T, "bias": b + c}, "h": {"kernel": u.T}}
    elif isinstance(model.rnn, torch.nn.LSTM):
        cell = {}
        for name, (w, u, b, c) in zip("ifgo", gates(model), strict=True):
            cell |= {f"i{name}": {"kernel": w.T}, f"h{name}": {"kernel": u.T, "bias": b + c}}
        yield from ((kind(N), cell) for kind in (fl.LSTMCell, fl.OptimizedLSTMCell))
    else:
        cell = {}
        for name, (w, u, b, c) in zip("rzn", gates(model), strict=True):
            both = name != "n"
            cell[f"i{name}"] = {"kernel": w.T, "bias": b + c if both else b}
            cell[f"h{name}"] = {"kernel": u.T, **({} if both else {"bias": c})}
        yield fl.GRUCell(N), cell


@pytest.mark.parametrize("kind", [torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU])
def test_cells_of_flax(kind):
    model = Last(kind)
    for cell, weights in flax_cells(model):

        class Model(fl.Module):
            kind: fl.Module

            @fl.compact
            def __call__(self, x):
                return fl.Dense(2, name="fc")(fl.RNN(self.kind)(x))

        params = {"params": {"kind": weights, "fc": head(model)}}
        net = compare(model, Model(cell).apply, params)
        assert {"kind", "fc"} <= {layer.name for layer in net.layers}


class Unrolled(eqx.Module):
    """A cell of Equinox over time, and a dense layer on every state."""

    cell: eqx.Module
    fc: eqx.nn.Linear

    def __call__(self, x):
        def step(state, x):
            state = self.cell(x, state)
            return state, state[0] if isinstance(state, tuple) else state

        zero = jnp.zeros(N)
        lstm = isinstance(self.cell, eqx.nn.LSTMCell)
        return jax.vmap(self.fc)(lax.scan(step, (zero, zero) if lstm else zero, x)[1])


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_cells_of_equinox(kind):
    model, key = Last(getattr(torch.nn, kind)), jax.random.key(0)
    parts = gates(model)
    w, u, b, c = (np.concatenate(rows) for rows in zip(*parts, strict=True))
    cell = getattr(eqx.nn, f"{kind}Cell")(N_IN, N, key=key)
    bias = b + c if kind == "LSTM" else b + np.concatenate([c[: 2 * N], np.zeros(N)])
    cell = eqx.tree_at(lambda m: (m.weight_ih, m.weight_hh, m.bias), cell,
                       (w, u, bias.astype(np.float32)))  # fmt: skip
    if kind == "GRU":
        cell = eqx.tree_at(lambda m: m.bias_n, cell, c[2 * N :])
    weights = [model.fc.weight.detach().numpy(), model.fc.bias.detach().numpy()]
    linear = eqx.tree_at(lambda m: [m.weight, m.bias], eqx.nn.Linear(N, 2, key=key), weights)
    compare(model, Unrolled(cell, linear), None)


def test_two_layers_in_flax():
    model = Last(torch.nn.LSTM, num_layers=2)

    class Model(fl.Module):
        @fl.compact
        def __call__(self, x):
            for k in range(2):
                x = fl.RNN(fl.OptimizedLSTMCell(N, name=f"cell{k}"))(x)
            return fl.Dense(2, name="fc")(x)

    params = {"fc": head(model)}
    for k in range(2):
        cell = params.setdefault(f"cell{k}", {})
        for name, (w, u, b, c) in zip("ifgo", gates(model, f"l{k}"), strict=True):
            cell |= {f"i{name}": {"kernel": w.T}, f"h{name}": {"kernel": u.T, "bias": b + c}}
    compare(model, Model().apply, {"params": params})


# -- loops that are no standard cell --------------------------------------------------------------


def odd(p, x):
    def step(h, x):
        h = jnp.tanh(x @ p["w"] + jnp.tanh(h @ p["u"]))
        return h, h @ p["v"]

    return lax.scan(step, jnp.zeros((len(x), N)), x.swapaxes(0, 1))[1].swapaxes(0, 1)


def test_any_other_cell_is_a_loop_or_unrolled():
    rng = np.random.default_rng(0)
    shapes = {"w": (N_IN, N), "u": (N, N), "v": (N, 2)}
    params = {k: rng.normal(size=s).astype(np.float32) for k, s in shapes.items()}
    loop = cg.load(odd, params=params, example_input=X, strict=True)
    assert [layer.shape for layer in loop.layers] == [(STEPS, N_IN), (N,), (N,), (2,)]
    with pytest.raises(InputShapeError, match="unroll=3"):
        cg.load(odd, params=params, example_input=X, unroll=3)
    net = cg.load(odd, params=params, example_input=X, unroll=STEPS, strict=True)
    assert not net.coverage["status"].eq("skipped").any()
    _, after = propagate(net, X[0])
    ours = np.concatenate([after[x.name].ravel() for x in net.layers if x.is_output])
    np.testing.assert_allclose(ours, np.ravel(odd(params, X[:1])), rtol=0, atol=1e-5)
    with pytest.warns(CoverageWarning, match="u: multiplied by a state that is zero"):
        one = cg.load(odd, params=params, example_input=X[:, :1])
    assert [layer.shape for layer in one.layers] == [(1, N_IN), (N,), (2,)]
