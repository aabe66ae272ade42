"""Sums, products and choices of constants, weights and branches."""

import numpy as np
from oracles.same_operations.activations import nn
from oracles.same_operations.products import F, jnp, kl, ops, t
from oracles.same_operations.table import A, B, branches, elementwise, operation

# -- a constant or a weight -----------------------------------------------------------------------

elementwise(
    "times a constant",
    torch=lambda m, x: x * 2.5,
    onnx=lambda m, x: m("Mul", x, m.const(2.5)),
    keras={"": lambda m, x: x * 2.5, "layer": lambda m, x: kl().Rescaling(2.5)(x)},
    jax=lambda m, x: x * 2.5,
)
elementwise(
    "divided by a constant",
    torch=lambda m, x: x / 4.0,
    onnx=lambda m, x: m("Div", x, m.const(4.0)),
    keras=lambda m, x: x / 4.0,
    jax=lambda m, x: x / 4.0,
)
elementwise(
    "a constant minus x",
    torch=lambda m, x: 1.0 - x,
    onnx=lambda m, x: m("Sub", m.const(1.0), x),
    keras=lambda m, x: 1.0 - x,
    jax=lambda m, x: 1.0 - x,
)
elementwise(
    "negate",
    torch=lambda m, x: -x,
    onnx=lambda m, x: m("Neg", x),
    keras=lambda m, x: -x,
    jax=lambda m, x: -x,
)
VECTOR = np.array([1.0, -2.0, 0.5], np.float32)
elementwise(
    "times a constant vector",
    torch=lambda m, x: x * t().from_numpy(VECTOR),
    onnx=lambda m, x: m("Mul", x, m.const(VECTOR)),
    keras=lambda m, x: x * VECTOR,
    jax=lambda m, x: x * VECTOR,
)
elementwise(
    "plus a constant",
    torch=lambda m, x: x + 0.5,
    onnx=lambda m, x: m("Add", x, m.const(0.5)),
    keras=lambda m, x: x + 0.5,
    jax=lambda m, x: x + 0.5,
)
elementwise(
    "times a parameter", weights={"g": (3,)},
    torch=lambda m, x: x * m["g"],
    onnx=lambda m, x: m("Mul", x, m["g"]),
    keras=lambda m, x: m.own(lambda p, x: x * p["g"], "g")(x),
    jax=lambda m, x: x * m["g"],
)  # fmt: skip
elementwise(
    "plus a parameter", weights={"g": (3,)},
    torch=lambda m, x: x + m["g"],
    onnx=lambda m, x: m("Add", x, m["g"]),
    keras=lambda m, x: m.own(lambda p, x: x + p["g"], "g")(x),
    jax=lambda m, x: x + m["g"],
)  # fmt: skip
elementwise(
    "relu times a parameter", weights={"g": (3,)},
    torch=lambda m, x: x.relu() * m["g"],
    onnx=lambda m, x: m("Mul", m("Relu", x), m["g"]),
    keras=lambda m, x: m.own(lambda p, x: x * p["g"], "g")(ops().relu(x)),
    jax=lambda m, x: nn().relu(x) * m["g"],
)  # fmt: skip
elementwise(
    "relu plus a parameter", weights={"g": (3,)},
    torch=lambda m, x: x.relu() + m["g"],
    onnx=lambda m, x: m("Add", m("Relu", x), m["g"]),
    keras=lambda m, x: m.own(lambda p, x: x + p["g"], "g")(ops().relu(x)),
    jax=lambda m, x: nn().relu(x) + m["g"],
)  # fmt: skip
elementwise(
    "maximum(x, parameter)", weights={"g": (3,)},
    torch=lambda m, x: t().maximum(x, m["g"]),
    onnx=lambda m, x: m("Max", x, m["g"]),
    keras=lambda m, x: m.own(lambda p, x: ops().maximum(x, p["g"]), "g")(x),
    jax=lambda m, x: jnp().maximum(x, m["g"]),
)  # fmt: skip
operation(
    "scaling of the input", (4,), weights=A, after="a",
    torch=lambda m, x: (x - 0.5) / 0.25,
    onnx=lambda m, x: m("Div", m("Sub", x, m.const(0.5)), m.const(0.25)),
    keras={"": lambda m, x: (x - 0.5) / 0.25,
           "layer": lambda m, x: kl().Rescaling(4.0, -2.0)(x)},
    jax=lambda m, x: (x - 0.5) / 0.25,
)  # fmt: skip

# -- two branches ---------------------------------------------------------------------------------

branches(
    "a + b",
    torch=lambda m, a, c: a + c,
    onnx={"": lambda m, a, c: m("Add", a, c), "Sum": lambda m, a, c: m("Sum", a, c)},
    keras={"": lambda m, a, c: a + c, "layer": lambda m, a, c: kl().Add()([a, c])},
    jax=lambda m, a, c: a + c,
)
branches(
    "relu(a) + tanh(b)",
    torch=lambda m, a, c: a.relu() + c.tanh(),
    onnx=lambda m, a, c: m("Add", m("Relu", a), m("Tanh", c)),
    keras=lambda m, a, c: ops().relu(a) + ops().tanh(c),
    jax=lambda m, a, c: nn().relu(a) + jnp().tanh(c),
)
branches(
    "a - b",
    torch=lambda m, a, c: a - c,
    onnx=lambda m, a, c: m("Sub", a, c),
    keras={"": lambda m, a, c: a - c, "layer": lambda m, a, c: kl().Subtract()([a, c])},
    jax=lambda m, a, c: a - c,
)
branches(
    "a + 2 b",
    torch={"": lambda m, a, c: a + 2 * c, "alpha": lambda m, a, c: t().add(a, c, alpha=2)},
    onnx=lambda m, a, c: m("Add", a, m("Mul", m.const(2.0), c)),
    keras=lambda m, a, c: a + 2 * c,
    jax=lambda m, a, c: a + 2 * c,
)
branches(
    "average of a and b",
    torch=lambda m, a, c: (a + c) / 2,
    onnx={
        "": lambda m, a, c: m("Div", m("Add", a, c), m.const(2.0)),
        "Mean": lambda m, a, c: m("Mean", a, c),
    },
    keras={"": lambda m, a, c: (a + c) / 2, "layer": lambda m, a, c: kl().Average()([a, c])},
    jax=lambda m, a, c: (a + c) / 2,
)
branches(
    "a · b",
    torch=lambda m, a, c: a * c,
    onnx=lambda m, a, c: m("Mul", a, c),
    keras={"": lambda m, a, c: a * c, "layer": lambda m, a, c: kl().Multiply()([a, c])},
    jax=lambda m, a, c: a * c,
)
branches(
    "sigmoid(a) · b",
    torch=lambda m, a, c: a.sigmoid() * c,
    onnx=lambda m, a, c: m("Mul", m("Sigmoid", a), c),
    keras=lambda m, a, c: ops().sigmoid(a) * c,
    jax=lambda m, a, c: nn().sigmoid(a) * c,
)
branches(
    "sigmoid(a) · tanh(b)",
    torch=lambda m, a, c: a.sigmoid() * c.tanh(),
    onnx=lambda m, a, c: m("Mul", m("Sigmoid", a), m("Tanh", c)),
    keras=lambda m, a, c: ops().sigmoid(a) * ops().tanh(c),
    jax=lambda m, a, c: nn().sigmoid(a) * jnp().tanh(c),
)
branches(
    "silu(a) · b",
    torch=lambda m, a, c: F().silu(a) * c,
    onnx=lambda m, a, c: m("Mul", m("Mul", a, m("Sigmoid", a)), c),
    keras=lambda m, a, c: ops().silu(a) * c,
    jax=lambda m, a, c: nn().silu(a) * c,
)
branches(
    "gelu(a) · b",
    torch=lambda m, a, c: F().gelu(a) * c,
    onnx=lambda m, a, c: m("Mul", m("Gelu", a), c),
    keras=lambda m, a, c: ops().gelu(a, approximate=False) * c,
    jax=lambda m, a, c: nn().gelu(a, approximate=False) * c,
)
branches(
    "tanh(a) · b",
    torch=lambda m, a, c: a.tanh() * c,
    onnx=lambda m, a, c: m("Mul", m("Tanh", a), c),
    keras=lambda m, a, c: ops().tanh(a) * c,
    jax=lambda m, a, c: jnp().tanh(a) * c,
)
branches(
    "softmax(a) · b",
    torch=lambda m, a, c: a.softmax(-1) * c,
    onnx=lambda m, a, c: m("Mul", m("Softmax", a, axis=-1), c),
    keras=lambda m, a, c: ops().softmax(a) * c,
    jax=lambda m, a, c: nn().softmax(a) * c,
)
branches(
    "hard sigmoid(a) · b",
    torch=lambda m, a, c: F().hardsigmoid(a) * c,
    onnx=lambda m, a, c: m("Mul", m("HardSigmoid", a, alpha=1 / 6, beta=0.5), c),
    keras=lambda m, a, c: ops().hard_sigmoid(a) * c,
    jax=lambda m, a, c: nn().hard_sigmoid(a) * c,
)
branches(
    "a / b",
    torch=lambda m, a, c: a / c,
    onnx=lambda m, a, c: m("Div", a, c),
    keras=lambda m, a, c: a / c,
    jax=lambda m, a, c: a / c,
)
branches(
    "sigmoid(a) / b",
    torch=lambda m, a, c: a.sigmoid() / c,
    onnx=lambda m, a, c: m("Div", m("Sigmoid", a), c),
    keras=lambda m, a, c: ops().sigmoid(a) / c,
    jax=lambda m, a, c: nn().sigmoid(a) / c,
)
branches(
    "relu(a) / exp(b)",
    torch=lambda m, a, c: a.relu() / c.exp(),
    onnx=lambda m, a, c: m("Div", m("Relu", a), m("Exp", c)),
    keras=lambda m, a, c: ops().relu(a) / ops().exp(c),
    jax=lambda m, a, c: nn().relu(a) / jnp().exp(c),
)
branches(
    "2 / b + a",
    torch=lambda m, a, c: 2 / c + a,
    onnx=lambda m, a, c: m("Add", m("Div", m.const(2.0), c), a),
    keras=lambda m, a, c: 2 / c + a,
    jax=lambda m, a, c: 2 / c + a,
)
branches(
    "maximum(a, b)",
    torch=lambda m, a, c: t().maximum(a, c),
    onnx=lambda m, a, c: m("Max", a, c),
    keras={
        "": lambda m, a, c: ops().maximum(a, c),
        "layer": lambda m, a, c: kl().Maximum()([a, c]),
    },
    jax=lambda m, a, c: jnp().maximum(a, c),
)
branches(
    "minimum(a, b)",
    torch=lambda m, a, c: t().minimum(a, c),
    onnx=lambda m, a, c: m("Min", a, c),
    keras={
        "": lambda m, a, c: ops().minimum(a, c),
        "layer": lambda m, a, c: kl().Minimum()([a, c]),
    },
    jax=lambda m, a, c: jnp().minimum(a, c),
)
MASK = np.array([True, False, True])
branches(
    "where(constant mask, a, b)",
    torch=lambda m, a, c: t().where(t().from_numpy(MASK), a, c),
    onnx=lambda m, a, c: m("Where", m.const(MASK, bool), a, c),
    keras=lambda m, a, c: ops().where(MASK, a, c),
    jax=lambda m, a, c: jnp().where(MASK, a, c),
)
branches(
    "where(a > 0, a, b)",
    torch=lambda m, a, c: t().where(a > 0, a, c),
    onnx=lambda m, a, c: m("Where", m("Greater", a, m.const(0.0)), a, c),
    keras=lambda m, a, c: ops().where(a > 0, a, c),
    jax=lambda m, a, c: jnp().where(a > 0, a, c),
)
branches(
    "a mix by a gate",
    torch=lambda m, a, c: a.sigmoid() * c + (1 - a.sigmoid()) * c.tanh(),
    onnx=lambda m, a, c: (lambda s: m("Add", m("Mul", s, c), m(
        "Mul", m("Sub", m.const(1.0), s), m("Tanh", c))))(m("Sigmoid", a)),
    keras=lambda m, a, c: ops().sigmoid(a) * c + (1 - ops().sigmoid(a)) * ops().tanh(c),
    jax=lambda m, a, c: nn().sigmoid(a) * c + (1 - nn().sigmoid(a)) * jnp().tanh(c),
)  # fmt: skip
operation(
    "sine and cosine", (4,), weights={**A, "b.w": (2, 6), "b.b": (2,)}, before="a", after="b",
    torch=lambda m, x: t().cat([x.sin(), x.cos()], -1),
    onnx=lambda m, x: m("Concat", m("Sin", x), m("Cos", x), axis=-1),
    keras=lambda m, x: ops().concatenate([ops().sin(x), ops().cos(x)], axis=-1),
    jax=lambda m, x: jnp().concatenate([jnp().sin(x), jnp().cos(x)], -1),
)  # fmt: skip
elementwise(
    "relu(x) beside x",
    torch=lambda m, x: x + x.relu(),
    onnx=lambda m, x: m("Add", x, m("Relu", x)),
    keras=lambda m, x: x + ops().relu(x),
    jax=lambda m, x: x + nn().relu(x),
)
operation(
    "residual", (3,), weights={"a.w": (3, 3), "a.b": (3,), **B}, after="b",
    torch=lambda m, x: x + m.dense("a", x).relu(),
    onnx=lambda m, x: m("Add", x, m("Relu", m.dense("a", x))),
    keras=lambda m, x: x + ops().relu(m.dense("a", x)),
    jax=lambda m, x: x + nn().relu(m.dense("a", x)),
)  # fmt: skip
operation(
    "x + x", (4,), weights=A, before="a",
    torch=lambda m, x: x + x,
    onnx=lambda m, x: m("Add", x, x),
    keras=lambda m, x: x + x,
    jax=lambda m, x: x + x,
)  # fmt: skip
branches(
    "a sort is a choice",
    torch=lambda m, a, c: a.sort(-1).values + c,
    onnx=lambda m, a, c: m("Add", m("TopK", a, m.ints(3), outputs=2, largest=0)[0], c),
    keras=lambda m, a, c: ops().sort(a) + c,
    jax=lambda m, a, c: jnp().sort(a) + c,
)
operation(
    "variance over units", (4,), weights=A, before="a",
    torch=lambda m, x: x.var(-1, correction=0, keepdim=True),
    keras=lambda m, x: ops().var(x, axis=-1, keepdims=True),
    jax=lambda m, x: x.var(-1, keepdims=True),
)  # fmt: skip
