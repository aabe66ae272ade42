"""Matrix products, tables, and what is made of weights before they are applied."""

import numpy as np
from oracles.same_operations.models import ENTRIES, Tokens
from oracles.same_operations.table import A, B, operation


def t():
    import torch

    return torch


def F():
    import torch

    return torch.nn.functional


def jax():
    import jax

    return jax


def jnp():
    return jax().numpy


def ops():
    import keras

    return keras.ops


def kl():
    import keras

    return keras.layers


def matmul_and_add(m, x):
    return m("Add", m("MatMul", x, m["a.w"]), m["a.b"])


operation(
    "linear", (4,), weights=A,
    torch=lambda m, x: m.dense("a", x),
    onnx={"": lambda m, x: m.dense("a", x), "MatMul and Add": matmul_and_add},
    keras={
        "": lambda m, x: m.dense("a", x),
        "ops": lambda m, x: m.own(
            lambda p, x: ops().matmul(x, p["a.w"]) + p["a.b"], "a.w", "a.b")(x),
    },
    jax=lambda m, x: m.dense("a", x),
)  # fmt: skip

operation(
    "linear, no bias", (4,), weights={"a.w": (3, 4)},
    torch=lambda m, x: m.dense("a", x),
    onnx=lambda m, x: m.dense("a", x),
    keras=lambda m, x: m.dense("a", x),
    jax=lambda m, x: m.dense("a", x),
)  # fmt: skip

operation(
    "linear at every position", (2, 4), weights=A,
    torch=lambda m, x: m.dense("a", x),
    onnx=lambda m, x: m.dense("a", x),
    keras=lambda m, x: m.dense("a", x),
    jax=lambda m, x: m.dense("a", x),
)  # fmt: skip

operation(
    "matmul, parameter on the left", (4, 2), weights={"p": (3, 4)},
    torch=lambda m, x: m["p"] @ x,
    onnx=lambda m, x: m("MatMul", m["p"], x),
    keras=lambda m, x: m.own(lambda p, x: ops().matmul(p["p"], x), "p")(x),
    jax=lambda m, x: m["p"] @ x,
)  # fmt: skip

HEADS = {"p": (2, 3, 4)}
EACH = "bthd,hde->bthe"

# Three axes: a fourth would be an image to Keras, whose channels are last.
operation(
    "one matrix per head", (2, 6), weights=HEADS,
    torch=lambda m, x: x.unflatten(2, (2, 3)).transpose(1, 2) @ m["p"],
    onnx=lambda m, x: m("MatMul", m("Transpose", m(
        "Reshape", x, m.ints(1, 2, 2, 3)), perm=[0, 2, 1, 3]), m["p"]),
    keras=lambda m, x: m.own(lambda p, x: ops().matmul(
        ops().transpose(ops().reshape(x, (-1, 2, 2, 3)), (0, 2, 1, 3)), p["p"]), "p")(x),
    jax=lambda m, x: x.reshape(-1, 2, 2, 3).transpose(0, 2, 1, 3) @ m["p"],
)  # fmt: skip

operation(
    "one matrix per head, einsum", (2, 6), weights=HEADS,
    torch=lambda m, x: t().einsum(EACH, x.unflatten(2, (2, 3)), m["p"]),
    onnx=lambda m, x: m("Einsum", m("Reshape", x, m.ints(1, 2, 2, 3)), m["p"], equation=EACH),
    keras=lambda m, x: m.own(
        lambda p, x: ops().einsum(EACH, ops().reshape(x, (-1, 2, 2, 3)), p["p"]), "p")(x),
    jax=lambda m, x: jnp().einsum(EACH, x.reshape(-1, 2, 2, 3), m["p"]),
)  # fmt: skip

operation(
    "one matrix per head, one position", (2, 3), weights=HEADS,
    torch={
        "": lambda m, x: t().einsum("bhd,hde->bhe", x, m["p"]),
        "bmm": lambda m, x: t().bmm(x.transpose(0, 1), m["p"]).transpose(0, 1),
    },
    onnx=lambda m, x: m("Einsum", x, m["p"], equation="bhd,hde->bhe"),
    keras=lambda m, x: m.own(lambda p, x: ops().einsum("bhd,hde->bhe", x, p["p"]), "p")(x),
    jax=lambda m, x: jnp().einsum("bhd,hde->bhe", x, m["p"]),
)  # fmt: skip

operation(
    "einsum to heads", (2, 4), weights={"p": (4, 2, 3)},
    torch=lambda m, x: t().einsum("btd,dhe->bthe", x, m["p"]),
    onnx=lambda m, x: m("Einsum", x, m["p"], equation="btd,dhe->bthe"),
    keras={
        "": lambda m, x: m.own(lambda p, x: ops().einsum("btd,dhe->bthe", x, p["p"]), "p")(x),
        "layer": lambda m, x: m.put(
            kl().EinsumDense("btd,dhe->bthe", (2, 2, 3)), "p")(x),
    },
    jax=lambda m, x: jnp().einsum("btd,dhe->bthe", x, m["p"]),
)  # fmt: skip

JOIN = "bthd,hde->bte"
operation(
    "einsum of two axes", (2, 6), weights={"p": (2, 3, 4)},
    torch=lambda m, x: t().einsum(JOIN, x.unflatten(2, (2, 3)), m["p"]),
    onnx=lambda m, x: m("Einsum", m("Reshape", x, m.ints(1, 2, 2, 3)), m["p"], equation=JOIN),
    keras=lambda m, x: m.own(
        lambda p, x: ops().einsum(JOIN, ops().reshape(x, (-1, 2, 2, 3)), p["p"]), "p")(x),
    jax=lambda m, x: jnp().einsum(JOIN, x.reshape(-1, 2, 2, 3), m["p"]),
)  # fmt: skip

PAIRS = "bi,kij,bj->bk"
operation(
    "bilinear", (3,), (2,), weights={"p": (4, 3, 2)},
    torch=lambda m, x, y: F().bilinear(x, y, m["p"]),
    onnx=lambda m, x, y: m("Einsum", x, m["p"], y, equation=PAIRS),
    keras=lambda m, x, y: m.own(lambda p, x, y: ops().einsum(PAIRS, x, p["p"], y), "p")(x, y),
    jax=lambda m, x, y: jnp().einsum(PAIRS, x, m["p"], y),
)  # fmt: skip

TABLE = {"e": (ENTRIES, 3)}

operation(
    "embedding", Tokens((2,)), weights=TABLE,
    torch=lambda m, x: F().embedding(x, m["e"]),
    onnx=lambda m, x: m("Gather", m["e"], x),
    keras=lambda m, x: m.put(kl().Embedding(ENTRIES, 3), "e")(x),
    jax={
        "": lambda m, x: m["e"][x],
        "take": lambda m, x: jnp().take(m["e"], x, axis=0),
    },
)  # fmt: skip

operation(
    "position embedding", Tokens((2,)), weights={**TABLE, "g": (2, 3)},
    torch=lambda m, x: F().embedding(x, m["e"]) + m["g"],
    onnx=lambda m, x: m("Add", m("Gather", m["e"], x), m["g"]),
    keras=lambda m, x: m.own(lambda p, x: x + p["g"], "g")(
        m.put(kl().Embedding(ENTRIES, 3), "e")(x)),
    jax=lambda m, x: m["e"][x] + m["g"],
)  # fmt: skip

operation(
    "tokens, some of which become others", Tokens((4,)), weights=TABLE,
    torch={
        "": lambda m, x: F().embedding(x.where(x < 3, 1), m["e"]),
        "masked_fill": lambda m, x: F().embedding(x.masked_fill(x > 2, 1), m["e"]),
        "in place": lambda m, x: F().embedding(t().clamp(x, max=9).masked_fill_(x > 2, 1), m["e"]),
    },
    onnx=lambda m, x: m("Gather", m["e"], m("Where", m("Less", x, m.const(3, np.int64)), x,
                                            m.const(1, np.int64))),
    keras=lambda m, x: m.put(kl().Embedding(ENTRIES, 3), "e")(ops().where(x < 3, x, 1)),
    jax=lambda m, x: m["e"][jnp().where(x < 3, x, 1)],
)  # fmt: skip

operation(
    "tokens, masked", Tokens((4,)), weights=TABLE,
    torch=lambda m, x: F().embedding(x * (x > 1), m["e"]),
    onnx=lambda m, x: m("Gather", m["e"], m("Mul", x, m(
        "Cast", m("Greater", x, m.const(1, np.int64)), to=7))),
    keras=lambda m, x: m.put(kl().Embedding(ENTRIES, 3), "e")(x * ops().cast(x > 1, "int32")),
    jax=lambda m, x: m["e"][x * (x > 1)],
)  # fmt: skip

operation(
    "tokens, constants at some places", Tokens((4,)), weights=TABLE,
    torch={
        "": lambda m, x: F().embedding(x.where(t().arange(4) != 2, 3), m["e"]),
        "index_put": lambda m, x: F().embedding(
            x.index_put((t().tensor([0]), t().tensor([2])), t().tensor(3)), m["e"]),
    },
    onnx=lambda m, x: m("Gather", m["e"], m("Where", m.const([[1, 1, 0, 1]], bool), x,
                                            m.const(3, np.int64))),
    keras=lambda m, x: m.put(kl().Embedding(ENTRIES, 3), "e")(
        ops().where(ops().arange(4) != 2, x, 3)),
    jax=lambda m, x: m["e"][jnp().where(jnp().arange(4) != 2, x, 3)],
)  # fmt: skip

operation(
    "tokens within bounds", Tokens((4,)), weights=TABLE,
    torch=lambda m, x: F().embedding(x.clamp(1, 3), m["e"]),
    onnx=lambda m, x: m("Gather", m["e"], m("Clip", x, m.const(1, np.int64),
                                            m.const(3, np.int64))),
    keras=lambda m, x: m.put(kl().Embedding(ENTRIES, 3), "e")(ops().clip(x, 1, 3)),
    jax=lambda m, x: m["e"][jnp().clip(x, 1, 3)],
)  # fmt: skip

operation(
    "a weight that is computed", (4,), weights={"p": (4, 3)},
    torch=lambda m, x: x @ (m["p"] * 2.0),
    onnx=lambda m, x: m("MatMul", x, m("Mul", m["p"], m.const(2.0))),
    keras=lambda m, x: m.own(lambda p, x: ops().matmul(x, p["p"] * 2.0), "p")(x),
    jax=lambda m, x: x @ (m["p"] * 2.0),
)  # fmt: skip

operation(
    "two weights multiplied", (4,), weights={"p": (4, 3), "q": (4, 3)},
    torch=lambda m, x: x @ (m["p"] * m["q"]),
    onnx=lambda m, x: m("MatMul", x, m("Mul", m["p"], m["q"])),
    keras=lambda m, x: m.own(lambda p, x: ops().matmul(x, p["p"] * p["q"]), "p", "q")(x),
    jax=lambda m, x: x @ (m["p"] * m["q"]),
)  # fmt: skip

operation(
    "tied weights", (4,), weights={"p": (4, 3)},
    torch=lambda m, x: t().tanh(x @ m["p"]) @ m["p"].T,
    onnx=lambda m, x: m(
        "MatMul", m("Tanh", m("MatMul", x, m["p"])), m("Transpose", m["p"], perm=[1, 0])),
    keras=lambda m, x: m.own(
        lambda p, x: ops().matmul(
            ops().tanh(ops().matmul(x, p["p"])), ops().transpose(p["p"])), "p")(x),
    jax=lambda m, x: jnp().tanh(x @ m["p"]) @ m["p"].T,
)  # fmt: skip

operation(
    "low rank", (4,), weights={**A, "p": (4, 1), "q": (1, 3)},
    torch=lambda m, x: m.dense("a", x) + x @ m["p"] @ m["q"],
    onnx=lambda m, x: m("Add", m.dense("a", x), m("MatMul", m("MatMul", x, m["p"]), m["q"])),
    keras=lambda m, x: m.dense("a", x) + m.own(
        lambda p, x: ops().matmul(ops().matmul(x, p["p"]), p["q"]), "p", "q")(x),
    jax=lambda m, x: m.dense("a", x) + x @ m["p"] @ m["q"],
)  # fmt: skip

operation(
    "two outputs", (4,), weights={**A, **B},
    torch=lambda m, x: (lambda y: (y, m.dense("b", t().relu(y))))(m.dense("a", x)),
    onnx=lambda m, x: (lambda y: (y, m.dense("b", m("Relu", y))))(m.dense("a", x)),
    keras=lambda m, x: (lambda y: (y, m.dense("b", ops().relu(y))))(m.dense("a", x)),
    jax=lambda m, x: (lambda y: (y, m.dense("b", jax().nn.relu(y))))(m.dense("a", x)),
)  # fmt: skip
