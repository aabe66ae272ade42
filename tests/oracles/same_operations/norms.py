"""Normalisations before a dense layer, or after a convolution."""

import numpy as np
from oracles.same_operations.models import Image
from oracles.same_operations.products import F, jax, jnp, kl, ops, t
from oracles.same_operations.table import operation

#: Statistics of three channels; the variances are positive.
STATISTICS = {"n.gain": (3,), "n.shift": (3,), "n.mean": (3,),
              "n.var": np.array([0.5, 2.0, 1.25])}  # fmt: skip
BUFFERS = ("n.mean", "n.var")
EPS = 1e-3


def batch_norm(m, x):
    return F().batch_norm(x, m["n.mean"], m["n.var"], m["n.gain"], m["n.shift"], eps=EPS)


def onnx_batch_norm(m, x):
    return m("BatchNormalization", x, *(m[name] for name in STATISTICS), epsilon=EPS)


def keras_batch_norm(m, x):
    return m.put(kl().BatchNormalization(epsilon=EPS), *STATISTICS)(x)


def jax_batch_norm(m, x):
    scaled = (x - m["n.mean"]) * (jax().lax.rsqrt(m["n.var"] + EPS) * m["n.gain"])
    return scaled + m["n.shift"]


BATCH_NORM = {"torch": batch_norm, "onnx": onnx_batch_norm, "keras": keras_batch_norm,
              "jax": jax_batch_norm}  # fmt: skip

operation(
    "batch norm after conv2d",
    Image((2, 4, 3)),
    before="a",
    buffers=BUFFERS,
    weights={"a.w": (3, 2, 3, 3), "a.b": (3,), **STATISTICS},
    **BATCH_NORM,
)
operation(
    "batch norm after a dense layer",
    (4,),
    before="a",
    buffers=BUFFERS,
    weights={"a.w": (3, 4), **STATISTICS},
    **BATCH_NORM,
)
operation(
    "batch norm before a dense layer",
    (3,),
    after="a",
    buffers=BUFFERS,
    weights={"a.w": (2, 3), **STATISTICS},
    **BATCH_NORM,
)
operation(
    "batch norm after relu", Image((2, 4, 3)), before="a", buffers=BUFFERS,
    weights={"a.w": (3, 2, 3, 3), **STATISTICS},
    torch=lambda m, x: batch_norm(m, x.relu()),
    onnx=lambda m, x: onnx_batch_norm(m, m("Relu", x)),
    keras=lambda m, x: keras_batch_norm(m, ops().relu(x)),
    jax=lambda m, x: jax_batch_norm(m, jax().nn.relu(x)),
)  # fmt: skip

#: A dense layer to three units, the gain and shift of a norm, and a dense layer that reads it.
AROUND = {"a.w": (3, 4), "g": (3,), "h": (3,), "b.w": (2, 3)}


def variance(x):
    """The mean of the squared differences, and the differences, in JAX."""
    centred = x - x.mean(-1, keepdims=True)
    return jnp().square(centred).mean(-1, keepdims=True), centred


def written_layer_norm(m, x):
    centred = m("Sub", x, m("ReduceMean", x, m.ints(-1)))
    var = m("ReduceMean", m("Pow", centred, m.const(2.0)), m.ints(-1))
    scaled = m("Div", centred, m("Sqrt", m("Add", var, m.const(EPS))))
    return m("Add", m("Mul", scaled, m["g"]), m["h"])


def torch_layer_norm(m, x):
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.pow(2).mean(-1, keepdim=True) + EPS).sqrt() * m["g"] + m["h"]


def keras_layer_norm(p, x):
    centred = x - ops().mean(x, axis=-1, keepdims=True)
    var = ops().mean(ops().square(centred), axis=-1, keepdims=True)
    return centred / ops().sqrt(var + EPS) * p["g"] + p["h"]


operation(
    "layer norm before a dense layer", (4,), weights=AROUND, before="a", after="b",
    torch=lambda m, x: F().layer_norm(x, (3,), m["g"], m["h"], EPS),
    onnx=lambda m, x: m("LayerNormalization", x, m["g"], m["h"], axis=-1, epsilon=EPS),
    keras=lambda m, x: m.put(kl().LayerNormalization(epsilon=EPS), "g", "h")(x),
    jax=lambda m, x: (lambda var, y: y * jax().lax.rsqrt(var + EPS) * m["g"] + m["h"])(
        *variance(x)),
)  # fmt: skip
operation(
    "layer norm, written out", (4,), weights=AROUND, before="a", after="b",
    torch=torch_layer_norm,
    onnx=written_layer_norm,
    keras=lambda m, x: m.own(keras_layer_norm, "g", "h")(x),
    jax=lambda m, x: (lambda var, y: y / jnp().sqrt(var + EPS) * m["g"] + m["h"])(*variance(x)),
)  # fmt: skip
operation(
    "layer norm at every position", (2, 4), weights=AROUND, before="a", after="b",
    torch=lambda m, x: F().layer_norm(x, (3,), m["g"], m["h"], EPS),
    onnx=lambda m, x: m("LayerNormalization", x, m["g"], m["h"], axis=-1, epsilon=EPS),
    keras=lambda m, x: m.put(kl().LayerNormalization(epsilon=EPS), "g", "h")(x),
    jax=lambda m, x: (lambda var, y: y * jax().lax.rsqrt(var + EPS) * m["g"] + m["h"])(
        *variance(x)),
)  # fmt: skip
operation(
    "layer norm before a relu", (4,), weights=AROUND, before="a", after="b",
    torch=lambda m, x: F().layer_norm(x, (3,), m["g"], m["h"], EPS).relu(),
    onnx=lambda m, x: m(
        "Relu", m("LayerNormalization", x, m["g"], m["h"], axis=-1, epsilon=EPS)),
    keras=lambda m, x: ops().relu(m.put(kl().LayerNormalization(epsilon=EPS), "g", "h")(x)),
    jax=lambda m, x: (lambda var, y: jax().nn.relu(
        y * jax().lax.rsqrt(var + EPS) * m["g"] + m["h"]))(*variance(x)),
)  # fmt: skip

GAIN = {k: v for k, v in AROUND.items() if k != "h"}


def onnx_rms_norm(m, x):
    mean = m("ReduceMean", m("Pow", x, m.const(2.0)), m.ints(-1))
    root = m("Reciprocal", m("Sqrt", m("Add", mean, m.const(EPS))))
    return m("Mul", m("Mul", x, root), m["g"])


operation(
    "rms norm, written out", (4,), weights=GAIN, before="a", after="b",
    torch={
        "": lambda m, x: x * t().rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS) * m["g"],
        "layer": lambda m, x: F().rms_norm(x, (3,), m["g"], EPS),
    },
    onnx=onnx_rms_norm,
    keras={
        "": lambda m, x: m.own(lambda p, x: x * ops().rsqrt(
            ops().mean(ops().square(x), axis=-1, keepdims=True) + EPS) * p["g"], "g")(x),
        "layer": lambda m, x: m.put(kl().RMSNormalization(epsilon=EPS), "g")(x),
    },
    jax=lambda m, x: x * jax().lax.rsqrt(
        jnp().square(x).mean(-1, keepdims=True) + EPS) * m["g"],
)  # fmt: skip
operation(
    "unit norm", (4,), weights={"a.w": (3, 4), "b.w": (2, 3)}, before="a", after="b",
    torch={"": lambda m, x: F().normalize(x, dim=-1, eps=1e-12),
           "written out": lambda m, x: x / x.norm(dim=-1, keepdim=True)},
    onnx={"": lambda m, x: m("LpNormalization", x, axis=-1, p=2),
          "written out": lambda m, x: m("Div", x, m("ReduceL2", x, m.ints(-1)))},
    keras={"": lambda m, x: ops().normalize(x, axis=-1),
           "layer": lambda m, x: kl().UnitNormalization()(x)},
    jax=lambda m, x: x / jnp().linalg.norm(x, axis=-1, keepdims=True),
)  # fmt: skip

GROUPS = {"a.w": (4, 2, 1, 1), "g": (4,), "h": (4,), "b.w": (2, 4, 1, 1)}


def jax_group_norm(m, x, groups):
    y = x.reshape(*x.shape[:-1], groups, -1)
    axes = (1, 2, 4)
    centred = y - y.mean(axes, keepdims=True)
    var = jnp().square(centred).mean(axes, keepdims=True)
    y = (centred * jax().lax.rsqrt(var + EPS)).reshape(x.shape)
    return y * m["g"] + m["h"]


operation(
    "group norm before a conv2d", Image((2, 2, 3)), weights=GROUPS, before="a", after="b",
    torch=lambda m, x: F().group_norm(x, 2, m["g"], m["h"], EPS),
    onnx={
        "": lambda m, x: m(
            "GroupNormalization", x, m["g"], m["h"], num_groups=2, epsilon=EPS),
        "written out": lambda m, x: m("Add", m("Mul", m("Reshape", m(
            "InstanceNormalization", m("Reshape", x, m.ints(1, 2, 12)), m.const([1, 1]),
            m.const([0, 0]), epsilon=EPS), m.ints(1, 4, 2, 3)),
            m("Unsqueeze", m["g"], m.ints(1, 2))), m("Unsqueeze", m["h"], m.ints(1, 2))),
    },
    keras=lambda m, x: m.put(kl().GroupNormalization(2, epsilon=EPS), "g", "h")(x),
    jax=lambda m, x: jax_group_norm(m, x, 2),
)  # fmt: skip
operation(
    "instance norm before a conv2d", Image((2, 2, 3)), weights=GROUPS, before="a", after="b",
    torch=lambda m, x: F().instance_norm(x, weight=m["g"], bias=m["h"], eps=EPS),
    onnx=lambda m, x: m("InstanceNormalization", x, m["g"], m["h"], epsilon=EPS),
    keras=lambda m, x: m.put(kl().GroupNormalization(-1, epsilon=EPS), "g", "h")(x),
    jax=lambda m, x: jax_group_norm(m, x, 4),
)  # fmt: skip
