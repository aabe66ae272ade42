"""Recurrent layers: as loops over one step, and unrolled over two."""

import numpy as np
from oracles.same_operations.products import jax, jnp, kl, t
from oracles.same_operations.table import operation

FEATURES, UNITS = 2, 3
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


def weights(kind):
    """Those of PyTorch, without the second bias where the two only add up."""
    rows = GATES[kind] * UNITS
    found = {"wi": (rows, FEATURES), "wh": (rows, UNITS), "bi": (rows,)}
    return found | ({"bh": (rows,)} if kind == "GRU" else {})


def in_order(order):
    """Put the blocks of rows of each gate in another order."""
    return lambda w: np.concatenate([np.split(w, len(order))[k] for k in order])


def laid_out(kind):
    """Keras has its kernels the other way round; ONNX and Keras have gates in their own order."""
    onnx = {"RNN": [0], "LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2]}[kind]
    keras = {"RNN": [0], "LSTM": [0, 1, 2, 3], "GRU": [1, 0, 2]}[kind]
    found = {name: {"onnx": in_order(onnx)} for name in weights(kind)}
    for name, ways in found.items():
        turned = name in ("wi", "wh")
        ways["keras"] = lambda w, turned=turned: (lambda v: v.T if turned else v)(
            in_order(keras)(w))  # fmt: skip
    return found


def torch_layer(kind):
    def make(values):
        torch = t()
        layer = getattr(torch.nn, kind)(FEATURES, UNITS, batch_first=True)
        given = [values["wi"], values["wh"], values["bi"], values.get("bh")]
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        with torch.no_grad():
            for name, value in zip(names, given, strict=True):
                tensor = getattr(layer, name)
                tensor.copy_(torch.from_numpy(value) if value is not None else tensor * 0)

        class Model(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = layer

            def forward(self, x):
                return self.layer(x)[0]

        return Model()

    make.makes_a_module = True
    return make


def onnx_layer(kind):
    def build(m, x):
        rows = GATES[kind] * UNITS
        x = m("Transpose", x, perm=[1, 0, 2])
        w, r = (m("Unsqueeze", m[name], m.ints(0)) for name in ("wi", "wh"))
        second = m["bh"] if "bh" in m else m.const(np.zeros(rows))
        b = m("Unsqueeze", m("Concat", m["bi"], second, axis=0), m.ints(0))
        more = {"linear_before_reset": 1} if kind == "GRU" else {}
        y = m(kind, x, w, r, b, hidden_size=UNITS, outputs=1, **more)
        return m("Transpose", m("Squeeze", y, m.ints(1)), perm=[1, 0, 2])

    return build


def keras_layer(kind):
    def build(m, x):
        layer = getattr(kl(), {"RNN": "SimpleRNN"}.get(kind, kind))(UNITS, return_sequences=True)
        biases = np.stack([m["bi"], m["bh"]]) if kind == "GRU" else m["bi"]
        m.waiting.append((layer, [m["wi"], m["wh"], biases]))
        return layer(x)

    return build


def flax_layer(kind):
    def make(values):
        import flax.linen as fl

        cells = {"RNN": "SimpleCell", "LSTM": "OptimizedLSTMCell", "GRU": "GRUCell"}
        model = fl.RNN(getattr(fl, cells[kind])(UNITS))
        wi, wh, bi = (np.split(values[name], GATES[kind]) for name in ("wi", "wh", "bi"))
        if kind == "RNN":
            cell = {"i": {"kernel": wi[0].T, "bias": bi[0]}, "h": {"kernel": wh[0].T}}
        elif kind == "LSTM":
            cell = {f"i{gate}": {"kernel": wi[k].T} for k, gate in enumerate("ifgo")}
            cell |= {f"h{gate}": {"kernel": wh[k].T, "bias": bi[k]}
                     for k, gate in enumerate("ifgo")}  # fmt: skip
        else:
            bh = np.split(values["bh"], 3)
            cell = {f"i{gate}": {"kernel": wi[k].T, "bias": bi[k] + (bh[k] if k < 2 else 0)}
                    for k, gate in enumerate("rzn")}  # fmt: skip
            cell |= {f"h{gate}": {"kernel": wh[k].T} for k, gate in enumerate("rz")}
            cell["hn"] = {"kernel": wh[2].T, "bias": bh[2]}
        return model.apply, {"params": {"cell": cell}}

    make.makes_a_module = True
    return make


def scan(kind):
    """The same, written with a scan."""

    def build(m, x):
        def lstm(state, x):
            h, c = state
            i, f, g, o = jnp().split(x @ m["wi"].T + h @ m["wh"].T + m["bi"], 4, axis=-1)
            sigmoid = jax().nn.sigmoid
            c = sigmoid(f) * c + sigmoid(i) * jnp().tanh(g)
            h = sigmoid(o) * jnp().tanh(c)
            return (h, c), h

        def rnn(h, x):
            h = jnp().tanh(x @ m["wi"].T + h @ m["wh"].T + m["bi"])
            return h, h

        start = jnp().zeros((len(x), UNITS))
        body, state = (lstm, (start, start)) if kind == "LSTM" else (rnn, start)
        return jax().lax.scan(body, state, x.swapaxes(0, 1))[1].swapaxes(0, 1)

    return build


for _kind in GATES:
    for _steps in (1, 2):
        operation(
            f"{_kind}, {'a loop' if _steps == 1 else 'unrolled'}", (_steps, FEATURES),
            weights=weights(_kind), layouts=laid_out(_kind), unroll=None if _steps == 1 else _steps,
            counted=False,
            torch=torch_layer(_kind),
            onnx=onnx_layer(_kind),
            keras=keras_layer(_kind),
            jax={"": flax_layer(_kind)} | (
                {} if _kind == "GRU" else {"scan": scan(_kind)}),
        )  # fmt: skip
