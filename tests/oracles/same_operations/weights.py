"""What is made of parameters before it is applied: a recipe, which is one dense block."""

import numpy as np
from oracles.same_operations.activations import nn
from oracles.same_operations.products import F, jnp, ops, t
from oracles.same_operations.table import operation

#: The operations of this family, all of which have the same graph but for the number of parameters.
COMPUTED = {}
W = {"p": (4, 3)}


def tensor(variable):
    return ops().convert_to_tensor(variable)


def weight(name, weights=None, **written):
    """Add x W, where W of shape (4, 3) is a function of the parameters in each framework."""
    weights = weights or W
    names = [*weights]

    def torch(m, x):
        return x @ written["torch"](*(m[name] for name in names))

    def onnx(m, x):
        return m("MatMul", x, written["onnx"](m, *(m[name] for name in names)))

    def keras(m, x):
        def product(p, x):
            return ops().matmul(x, written["keras"](*(p[name] for name in names)))

        return m.own(product, *names)(x)

    def jax(m, x):
        return x @ written["jax"](*(m[name] for name in names))

    ways = {"torch": torch, "onnx": onnx, "keras": keras, "jax": jax}
    label = f"a weight: {name}"
    COMPUTED[label] = len(names)
    operation(label, (4,), weights=weights, **{k: ways[k] for k in written})


def elementwise(name, torch=None, onnx=None, keras=None, jax=None):
    """Add a function that goes value by value."""
    weight(
        name, torch=torch or (lambda w: getattr(t(), name)(w)),
        onnx=lambda m, w: m(onnx or name.capitalize(), w),
        keras=keras or (lambda w: getattr(ops(), name)(w)),
        jax=jax or (lambda w: getattr(jnp(), name)(w)),
    )  # fmt: skip


for _name in ("exp", "tanh", "sign", "floor", "ceil", "round", "sin", "cos", "sinh", "cosh"):
    elementwise(_name)
for _name in ("sigmoid", "softplus", "relu", "elu", "selu", "softsign"):
    elementwise(
        _name, torch=lambda w, name=_name: getattr(F(), name)(w),
        jax=lambda w, name=_name: getattr(nn(), name.replace("softsign", "soft_sign"))(w),
    )  # fmt: skip
elementwise("erf", jax=lambda w: __import__("jax").scipy.special.erf(w))
weight(
    "leaky_relu",
    torch=lambda w: F().leaky_relu(w, 0.3),
    onnx=lambda m, w: m("LeakyRelu", w, alpha=0.3),
    keras=lambda w: ops().leaky_relu(w, 0.3),
    jax=lambda w: nn().leaky_relu(w, 0.3),
)
weight(
    "gelu",
    torch=lambda w: F().gelu(w),
    onnx=lambda m, w: m("Gelu", w),
    keras=lambda w: ops().gelu(w, approximate=False),
    jax=lambda w: nn().gelu(w, approximate=False),
)
weight(
    "silu",
    torch=lambda w: F().silu(w),
    onnx=lambda m, w: m("Mul", w, m("Sigmoid", w)),
    keras=lambda w: ops().silu(w),
    jax=lambda w: nn().silu(w),
)
weight(
    "clamp",
    torch=lambda w: w.clamp(-0.5, 0.75),
    onnx=lambda m, w: m("Clip", w, m.const(-0.5), m.const(0.75)),
    keras=lambda w: ops().clip(w, -0.5, 0.75),
    jax=lambda w: jnp().clip(w, -0.5, 0.75),
)
weight(
    "power",
    torch=lambda w: w.abs() ** 1.5,
    onnx=lambda m, w: m("Pow", m("Abs", w), m.const(1.5)),
    keras=lambda w: ops().power(ops().abs(w), 1.5),
    jax=lambda w: abs(w) ** 1.5,
)
weight(
    "maximum", {"p": (4, 3), "q": (3,)},
    torch=lambda w, v: t().maximum(w, v),
    onnx=lambda m, w, v: m("Max", w, v),
    keras=lambda w, v: ops().maximum(w, v),
    jax=lambda w, v: jnp().maximum(w, v),
)  # fmt: skip

# -- over axes ------------------------------------------------------------------------------------

weight(
    "softmax",
    torch=lambda w: w.softmax(0),
    onnx=lambda m, w: m("Softmax", w, axis=0),
    keras=lambda w: ops().softmax(w, axis=0),
    jax=lambda w: nn().softmax(w, axis=0),
)
weight(
    "log_softmax",
    torch=lambda w: w.log_softmax(-1),
    onnx=lambda m, w: m("LogSoftmax", w, axis=-1),
    keras=lambda w: ops().log_softmax(w, axis=-1),
    jax=lambda w: nn().log_softmax(w, axis=-1),
)
weight(
    "logsumexp",
    torch=lambda w: w - w.logsumexp(0, keepdim=True),
    onnx=lambda m, w: m("Sub", w, m("ReduceLogSumExp", w, m.ints(0))),
    keras=lambda w: w - ops().logsumexp(w, axis=0, keepdims=True),
    jax=lambda w: w - nn().logsumexp(w, axis=0, keepdims=True),
)
weight(
    "over its largest",
    torch=lambda w: w / w.abs().amax(0, keepdim=True),
    onnx=lambda m, w: m("Div", w, m("ReduceMax", m("Abs", w), m.ints(0))),
    keras=lambda w: w / ops().max(ops().abs(w), axis=0, keepdims=True),
    jax=lambda w: w / abs(w).max(0, keepdims=True),
)
weight(
    "standardized",
    torch=lambda w: (w - w.mean(0)) / (w.var(0, correction=0) + 1e-3).sqrt(),
    onnx=lambda m, w: (lambda off: m("Div", off, m("Sqrt", m("Add", m(
        "ReduceMean", m("Mul", off, off), m.ints(0)), m.const(1e-3)))))(
            m("Sub", w, m("ReduceMean", w, m.ints(0)))),
    keras=lambda w: (w - ops().mean(w, axis=0)) / ops().sqrt(ops().var(w, axis=0) + 1e-3),
    jax=lambda w: (w - w.mean(0)) / jnp().sqrt(w.var(0) + 1e-3),
)  # fmt: skip
weight(
    "layer norm",
    torch=lambda w: F().layer_norm(w, (3,), eps=1e-3),
    onnx=lambda m, w: m("LayerNormalization", w, m.const(np.ones(3)), epsilon=1e-3),
    keras=lambda w: ops().layer_normalization(w, epsilon=1e-3),
    jax=lambda w: nn().standardize(w, axis=-1, epsilon=1e-3),
)

# -- masks and movement ---------------------------------------------------------------------------

MASK = np.arange(12).reshape(4, 3) % 3 > 0
weight(
    "triu",
    torch=lambda w: w.triu(),
    onnx=lambda m, w: m("Trilu", w, upper=1),
    keras=lambda w: ops().triu(w),
    jax=lambda w: jnp().triu(w),
)
weight(
    "where", {"p": (4, 3), "q": (3,)},
    torch=lambda w, v: t().where(t().from_numpy(MASK), w, v),
    onnx=lambda m, w, v: m("Where", m.const(MASK, bool), w, v),
    keras=lambda w, v: ops().where(MASK, tensor(w), tensor(v)),
    jax=lambda w, v: jnp().where(MASK, w, v),
)  # fmt: skip
weight(
    "where it is large",
    torch=lambda w: t().where(w > 0.25, w, 0.0),
    onnx=lambda m, w: m("Where", m("Greater", w, m.const(0.25)), w, m.const(0.0)),
    keras=lambda w: ops().where(ops().greater(w, 0.25), tensor(w), 0.0),
    jax=lambda w: jnp().where(w > 0.25, w, 0.0),
)
weight(
    "stack", {"p": (4,), "q": (4,), "r": (4,)},
    torch=lambda *parts: t().stack(parts, 1),
    onnx=lambda m, *parts: m("Concat", *(m("Unsqueeze", p, m.ints(1)) for p in parts), axis=1),
    keras=lambda *parts: ops().stack(parts, axis=1),
    jax=lambda *parts: jnp().stack(parts, axis=1),
)  # fmt: skip
weight(
    "pad", {"p": (3, 2)},
    torch=lambda w: F().pad(w, (0, 1, 1, 0)),
    onnx=lambda m, w: m("Pad", w, m.ints(1, 0, 0, 1)),
    keras=lambda w: ops().pad(w, ((1, 0), (0, 1))),
    jax=lambda w: jnp().pad(w, ((1, 0), (0, 1))),
)  # fmt: skip

# -- products -------------------------------------------------------------------------------------

weight(
    "U V W", {"p": (4, 2), "q": (2, 2), "r": (2, 3)},
    torch=lambda u, v, w: u @ v @ w,
    onnx=lambda m, u, v, w: m("MatMul", m("MatMul", u, v), w),
    keras=lambda u, v, w: ops().matmul(ops().matmul(u, v), w),
    jax=lambda u, v, w: u @ v @ w,
)  # fmt: skip
weight(
    "W + U V", {"p": (4, 3), "q": (4, 2), "r": (2, 3)},
    torch=lambda w, u, v: w + u @ v,
    onnx=lambda m, w, u, v: m("Gemm", u, v, w),
    keras=lambda w, u, v: w + ops().matmul(u, v),
    jax=lambda w, u, v: w + u @ v,
)  # fmt: skip
TRAIN = "ia,ajb,bk->ijk"
weight(
    "a tensor train", {"p": (2, 2), "q": (2, 2, 2), "r": (2, 3)},
    torch=lambda a, b, c: t().einsum(TRAIN, a, b, c).reshape(4, 3),
    onnx=lambda m, a, b, c: m("Reshape", m("Einsum", a, b, c, equation=TRAIN), m.ints(4, 3)),
    keras=lambda a, b, c: ops().reshape(ops().einsum(TRAIN, a, b, c), (4, 3)),
    jax=lambda a, b, c: jnp().einsum(TRAIN, a, b, c).reshape(4, 3),
)  # fmt: skip
weight(
    "a small network", {"p": (1, 2), "q": (2, 5), "r": (5,), "s": (5, 12)},
    torch=lambda z, u, b, v: ((z @ u + b).relu() @ v).reshape(4, 3),
    onnx=lambda m, z, u, b, v: m(
        "Reshape", m("MatMul", m("Relu", m("Gemm", z, u, b)), v), m.ints(4, 3)),
    keras=lambda z, u, b, v: ops().reshape(
        ops().matmul(ops().relu(ops().matmul(z, u) + b), v), (4, 3)),
    jax=lambda z, u, b, v: (nn().relu(z @ u + b) @ v).reshape(4, 3),
)  # fmt: skip
weight(
    "convolved", {"p": (4, 1, 3), "q": (1, 1, 2)},
    torch=lambda w, k: F().conv1d(w, k, padding=1)[:, 0, :3],
    onnx=lambda m, w, k: m("Squeeze", m("Slice", m("Conv", w, k, pads=[1, 1]), m.ints(0), m.ints(3),
                                        m.ints(2)), m.ints(1)),
    keras=lambda w, k: ops().conv(
        ops().pad(ops().transpose(w, (0, 2, 1)), ((0, 0), (1, 1), (0, 0))),
        ops().transpose(k, (2, 1, 0)), data_format="channels_last")[:, :3, 0],
    jax=lambda w, k: __import__("jax").lax.conv_general_dilated(w, k, (1,), [(1, 1)])[:, 0, :3],
)  # fmt: skip
