"""Functions of one neuron, between two dense layers, however they are written."""

import math

from oracles.same_operations.products import F, jax, jnp, kl, ops, t
from oracles.same_operations.table import elementwise


def nn():
    return jax().nn


def lax():
    return jax().lax


def simple(name, onnx, jax, torch, keras, **attributes):
    elementwise(
        name,
        torch=lambda m, x: torch(x),
        onnx=lambda m, x: m(onnx, x, **attributes),
        keras=lambda m, x: keras(x),
        jax=lambda m, x: jax(x),
    )


elementwise(
    "relu",
    torch=lambda m, x: t().relu(x),
    onnx=lambda m, x: m("Relu", x),
    keras={"": lambda m, x: ops().relu(x), "layer": lambda m, x: kl().ReLU()(x)},
    jax={"": lambda m, x: nn().relu(x), "where": lambda m, x: jnp().where(x > 0, x, 0)},
)
elementwise(
    "maximum(x, 0)",
    torch={
        "": lambda m, x: t().maximum(x, t().tensor(0.0)),
        "clamp": lambda m, x: x.clamp(min=0),
        "clamp_min": lambda m, x: t().clamp_min(x, 0),
    },
    onnx={
        "": lambda m, x: m("Max", x, m.const(0.0)),
        "Clip": lambda m, x: m("Clip", x, m.const(0.0)),
    },
    keras=lambda m, x: ops().maximum(x, 0.0),
    jax=lambda m, x: jnp().maximum(x, 0),
)
elementwise(
    "maximum(x, 1)",
    torch=lambda m, x: t().maximum(x, t().tensor(1.0)),
    onnx=lambda m, x: m("Max", x, m.const(1.0)),
    keras=lambda m, x: ops().maximum(x, 1.0),
    jax=lambda m, x: jnp().maximum(x, 1.0),
)
elementwise(
    "clip to (-1, 2)",
    torch=lambda m, x: x.clamp(-1, 2),
    onnx={
        "": lambda m, x: m("Clip", x, m.const(-1.0), m.const(2.0)),
        "Min of Max": lambda m, x: m("Min", m("Max", x, m.const(-1.0)), m.const(2.0)),
    },
    keras=lambda m, x: ops().clip(x, -1.0, 2.0),
    jax={
        "": lambda m, x: jnp().clip(x, -1, 2),
        "lax": lambda m, x: lax().clamp(-1.0, x, 2.0),
    },
)
elementwise(
    "relu6",
    torch={"": lambda m, x: F().relu6(x), "clamp": lambda m, x: x.clamp(0, 6)},
    onnx=lambda m, x: m("Clip", x, m.const(0.0), m.const(6.0)),
    keras={"": lambda m, x: ops().relu6(x), "layer": lambda m, x: kl().ReLU(6.0)(x)},
    jax=lambda m, x: nn().relu6(x),
)
elementwise(
    "hard tanh",
    torch=lambda m, x: F().hardtanh(x),
    onnx=lambda m, x: m("Clip", x, m.const(-1.0), m.const(1.0)),
    keras={"": lambda m, x: ops().hard_tanh(x), "clip": lambda m, x: ops().clip(x, -1, 1)},
    jax=lambda m, x: nn().hard_tanh(x),
)
simple(
    "leaky relu",
    "LeakyRelu",
    lambda x: nn().leaky_relu(x, 0.2),
    lambda x: F().leaky_relu(x, 0.2),
    lambda x: ops().leaky_relu(x, 0.2),
    alpha=0.2,
)
simple(
    "sigmoid",
    "Sigmoid",
    lambda x: nn().sigmoid(x),
    lambda x: t().sigmoid(x),
    lambda x: ops().sigmoid(x),
)
simple("tanh", "Tanh", lambda x: jnp().tanh(x), lambda x: t().tanh(x), lambda x: ops().tanh(x))
simple(
    "softplus",
    "Softplus",
    lambda x: nn().softplus(x),
    lambda x: F().softplus(x),
    lambda x: ops().softplus(x),
)
simple("elu", "Elu", lambda x: nn().elu(x), lambda x: F().elu(x), lambda x: ops().elu(x))
simple("selu", "Selu", lambda x: nn().selu(x), lambda x: F().selu(x), lambda x: ops().selu(x))
simple(
    "softsign",
    "Softsign",
    lambda x: nn().soft_sign(x),
    lambda x: F().softsign(x),
    lambda x: ops().softsign(x),
)
simple("abs", "Abs", lambda x: jnp().abs(x), lambda x: x.abs(), lambda x: ops().abs(x))
simple("exp", "Exp", lambda x: jnp().exp(x), lambda x: x.exp(), lambda x: ops().exp(x))
simple("sin", "Sin", lambda x: jnp().sin(x), lambda x: x.sin(), lambda x: ops().sin(x))
simple("erf", "Erf", lambda x: lax().erf(x), lambda x: t().erf(x), lambda x: ops().erf(x))
simple("round", "Round", lambda x: jnp().round(x), lambda x: x.round(), lambda x: ops().round(x))
simple(
    "reciprocal",
    "Reciprocal",
    lambda x: 1 / x,
    lambda x: x.reciprocal(),
    lambda x: ops().reciprocal(x),
)
elementwise(
    "sign",
    torch=lambda m, x: x.sign(),
    onnx=lambda m, x: m("Sign", x),
    keras=lambda m, x: ops().sign(x),
    jax=lambda m, x: jnp().sign(x),
)
elementwise(
    "sqrt",
    torch=lambda m, x: x.abs().sqrt(),
    onnx=lambda m, x: m("Sqrt", m("Abs", x)),
    keras=lambda m, x: ops().sqrt(ops().abs(x)),
    jax=lambda m, x: jnp().sqrt(jnp().abs(x)),
)
elementwise(
    "log",
    torch=lambda m, x: x.abs().log(),
    onnx=lambda m, x: m("Log", m("Abs", x)),
    keras=lambda m, x: ops().log(ops().abs(x)),
    jax=lambda m, x: jnp().log(jnp().abs(x)),
)
elementwise(
    "rsqrt",
    torch={"": lambda m, x: x.abs().rsqrt(), "1 / sqrt": lambda m, x: 1 / x.abs().sqrt()},
    onnx=lambda m, x: m("Reciprocal", m("Sqrt", m("Abs", x))),
    keras=lambda m, x: ops().rsqrt(ops().abs(x)),
    jax=lambda m, x: lax().rsqrt(jnp().abs(x)),
)
elementwise(
    "square",
    torch={"": lambda m, x: x.square(), "x**2": lambda m, x: x**2, "x*x": lambda m, x: x * x},
    onnx={"": lambda m, x: m("Mul", x, x), "Pow": lambda m, x: m("Pow", x, m.const(2.0))},
    keras={"": lambda m, x: ops().square(x), "x**2": lambda m, x: x**2, "x*x": lambda m, x: x * x},
    jax={"": lambda m, x: jnp().square(x), "x*x": lambda m, x: x * x},
)
elementwise(
    "cube",
    torch=lambda m, x: x**3,
    onnx=lambda m, x: m("Pow", x, m.const(3.0)),
    keras=lambda m, x: x**3,
    jax=lambda m, x: x**3,
)


def erf_gelu(m, x):
    inner = m("Add", m("Erf", m("Div", x, m.const(math.sqrt(2)))), m.const(1.0))
    return m("Mul", m("Mul", x, m.const(0.5)), inner)


def tanh_gelu(m, x):
    cubed = m("Mul", m("Pow", x, m.const(3.0)), m.const(0.044715))
    inner = m("Tanh", m("Mul", m("Add", x, cubed), m.const(math.sqrt(2 / math.pi))))
    return m("Mul", m("Mul", x, m.const(0.5)), m("Add", inner, m.const(1.0)))


elementwise(
    "gelu",
    torch=lambda m, x: F().gelu(x),
    onnx={"": lambda m, x: m("Gelu", x), "by erf": erf_gelu},
    keras=lambda m, x: ops().gelu(x, approximate=False),
    jax=lambda m, x: nn().gelu(x, approximate=False),
)
elementwise(
    "gelu by tanh",
    torch=lambda m, x: F().gelu(x, approximate="tanh"),
    onnx={"": lambda m, x: m("Gelu", x, approximate="tanh"), "written out": tanh_gelu},
    keras=lambda m, x: ops().gelu(x, approximate=True),
    jax=lambda m, x: nn().gelu(x, approximate=True),
)
elementwise(
    "silu",
    torch={"": lambda m, x: F().silu(x), "written out": lambda m, x: x * t().sigmoid(x)},
    onnx=lambda m, x: m("Mul", x, m("Sigmoid", x)),
    keras={"": lambda m, x: ops().silu(x), "written out": lambda m, x: x * ops().sigmoid(x)},
    jax={"": lambda m, x: nn().silu(x), "written out": lambda m, x: x * nn().sigmoid(x)},
)
# PyTorch, Keras and JAX agree on relu6(x + 3) / 6, ONNX has its slope as an attribute.
elementwise(
    "hard sigmoid",
    torch=lambda m, x: F().hardsigmoid(x),
    onnx={
        "": lambda m, x: m("HardSigmoid", x, alpha=1 / 6, beta=0.5),
        "written out": lambda m, x: m(
            "Div", m("Clip", m("Add", x, m.const(3.0)), m.const(0.0), m.const(6.0)), m.const(6.0)),
    },
    keras=lambda m, x: ops().hard_sigmoid(x),
    jax=lambda m, x: nn().hard_sigmoid(x),
)  # fmt: skip
elementwise(
    "hard swish",
    torch=lambda m, x: F().hardswish(x),
    onnx={
        "": lambda m, x: m("HardSwish", x),
        "written out": lambda m, x: m("Mul", x, m("HardSigmoid", x, alpha=1 / 6, beta=0.5)),
    },
    keras=lambda m, x: ops().hard_silu(x),
    jax=lambda m, x: nn().hard_swish(x),
)
elementwise(
    "mish",
    torch=lambda m, x: F().mish(x),
    onnx={
        "": lambda m, x: m("Mish", x),
        "written out": lambda m, x: m("Mul", x, m("Tanh", m("Softplus", x))),
    },
    keras=lambda m, x: kl().Activation("mish")(x),
    jax=lambda m, x: nn().mish(x),
)
elementwise(
    "log sigmoid",
    torch=lambda m, x: F().logsigmoid(x),
    onnx=lambda m, x: m("Log", m("Sigmoid", x)),
    keras=lambda m, x: ops().log_sigmoid(x),
    jax=lambda m, x: nn().log_sigmoid(x),
)
elementwise(
    "softmax",
    torch=lambda m, x: x.softmax(-1),
    onnx=lambda m, x: m("Softmax", x, axis=-1),
    keras={"": lambda m, x: ops().softmax(x), "layer": lambda m, x: kl().Softmax()(x)},
    jax=lambda m, x: nn().softmax(x),
)
elementwise(
    "log softmax",
    torch=lambda m, x: x.log_softmax(-1),
    onnx=lambda m, x: m("LogSoftmax", x, axis=-1),
    keras=lambda m, x: ops().log_softmax(x),
    jax=lambda m, x: nn().log_softmax(x),
)
elementwise(
    "prelu", weights={"p": (1,)},
    torch=lambda m, x: F().prelu(x, m["p"]),
    onnx=lambda m, x: m("PRelu", x, m["p"]),
    keras={
        "layer": lambda m, x: m.put(kl().PReLU(shared_axes=[1]), "p")(x),
        "": lambda m, x: m.own(lambda p, x: ops().where(x >= 0, x, p["p"] * x), "p")(x),
    },
    jax=lambda m, x: jnp().where(x >= 0, x, m["p"] * x),
)  # fmt: skip
elementwise(
    "dropout",
    torch=lambda m, x: F().dropout(x, 0.5, training=False),
    onnx=lambda m, x: m("Dropout", x),
    keras=lambda m, x: kl().Dropout(0.5)(x),
    jax=lambda m, x: x,
)
elementwise(
    "identity",
    torch={
        "": lambda m, x: t().nn.Identity()(x),
        "detach": lambda m, x: x.detach(),
        "clone": lambda m, x: x.clone(),
    },
    onnx={"": lambda m, x: m("Identity", x), "Cast": lambda m, x: m("Cast", x, to=1)},
    keras={"": lambda m, x: kl().Identity()(x), "stop": lambda m, x: ops().stop_gradient(x)},
    jax={"": lambda m, x: x, "stop": lambda m, x: lax().stop_gradient(x)},
)
