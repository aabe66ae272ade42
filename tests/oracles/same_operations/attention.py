"""Attention written out, and the masks that go into it."""

import numpy as np
from oracles.same_operations.products import F, jnp, kl, ops, t
from oracles.same_operations.products import jax as jax_
from oracles.same_operations.table import operation

#: Three tokens of four features; queries, keys and values of two.
TOKENS, LINEAR = (3, 4), {f"{key}.w": (2, 4) for key in "qkv"}
SCALE = 2**-0.5
CAUSAL = np.tril(np.ones((3, 3), bool))
DISTANCES = np.array([[0.0, 0, 0], [-0.5, 0, 0], [-1, -0.5, 0]], np.float32)
MINUS = np.where(CAUSAL, 0.0, -np.inf).astype(np.float32)
#: Linear biases (ALiBi) where a token may look, -∞ elsewhere.
ALIBI = np.where(CAUSAL, DISTANCES, -np.inf).astype(np.float32)


def attention(name, torch=None, onnx=None, keras=None, jax=None, **more):
    """Add an attention whose scores go through a function a framework before the softmax."""

    def of_torch(m, x):
        q, k, v = (m.dense(key, x) for key in "qkv")
        scores = q @ k.transpose(1, 2) * SCALE
        return (scores if torch is None else torch(scores)).softmax(-1) @ v

    def of_onnx(m, x):
        q, k, v = (m.dense(key, x) for key in "qkv")
        scores = m("MatMul", q, m("Transpose", k, perm=[0, 2, 1]))
        scores = m("Mul", scores, m.const(SCALE))
        return m("MatMul", m("Softmax", scores if onnx is None else onnx(m, scores), axis=-1), v)

    def of_keras(m, x):
        return m.own(in_a_layer, *LINEAR)(x)

    def in_a_layer(p, x):
        q, k, v = (ops().matmul(x, p[key]) for key in LINEAR)
        scores = ops().matmul(q, ops().transpose(k, (0, 2, 1))) * SCALE
        return ops().matmul(ops().softmax(scores if keras is None else keras(scores)), v)

    def of_jax(m, x):
        q, k, v = (m.dense(key, x) for key in "qkv")
        scores = q @ k.swapaxes(1, 2) * SCALE
        return jax_().nn.softmax(scores if jax is None else jax(scores)) @ v

    ways = {"torch": of_torch, "onnx": of_onnx, "keras": of_keras, "jax": of_jax}
    written = {framework: {"": way, **more.get(framework + "_too", {})}
               for framework, way in ways.items()}  # fmt: skip
    operation(name, TOKENS, weights=LINEAR, **written)


def own(**options):
    """PyTorch's own function; a mask is an array."""
    return lambda m, x: F().scaled_dot_product_attention(
        *(m.dense(key, x) for key in "qkv"),
        **{k: t().from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in options.items()},
    )


def of_library(**options):
    """JAX's own function, which wants heads."""
    return lambda m, x: jax_().nn.dot_product_attention(
        *(m.dense(key, x)[:, :, None] for key in "qkv"), **options
    )[:, :, 0]


def of_layer(**options):
    """Keras's own layer, which has no scale."""

    def apply(m, x):
        q, k, v = (m.dense(key, x) for key in "qkv")
        return kl().Attention()([q * SCALE, v, k], **options)

    return apply


attention(
    "attention",
    torch_too={"own": own()},
    keras_too={"layer": of_layer()},
    jax_too={"own": of_library()},
)
attention(
    "attention, causal",
    torch=lambda s: s.masked_fill(~t().from_numpy(CAUSAL), -np.inf),
    onnx=lambda m, s: m("Where", m.const(CAUSAL, bool), s, m.const(-np.inf)),
    keras=lambda s: ops().where(CAUSAL, s, -np.inf),
    jax=lambda s: jnp().where(CAUSAL, s, -np.inf),
    torch_too={"own": own(is_causal=True), "own, masked": own(attn_mask=CAUSAL)},
    keras_too={"layer": of_layer(use_causal_mask=True)},
    jax_too={"own": of_library(is_causal=True), "own, masked": of_library(mask=CAUSAL[None, None])},
)
attention(
    "attention, an added mask",
    torch=lambda s: s + t().from_numpy(MINUS),
    onnx=lambda m, s: m("Add", s, m.const(MINUS)),
    keras=lambda s: s + MINUS,
    jax=lambda s: s + MINUS,
    torch_too={"own": own(attn_mask=MINUS)},
    jax_too={"own": of_library(bias=MINUS[None, None])},
)
attention(
    "attention, an added mask of large numbers",
    torch=lambda s: s + t().from_numpy(np.where(CAUSAL, 0, -1e9).astype(np.float32)),
    onnx=lambda m, s: m("Add", s, m.const(np.where(CAUSAL, 0, -1e9))),
    keras=lambda s: s + np.where(CAUSAL, 0, -1e9).astype(np.float32),
    jax=lambda s: s + np.where(CAUSAL, 0, -1e9).astype(np.float32),
)
attention(
    "attention, a mask with a bias",
    torch=lambda s: s + t().from_numpy(ALIBI),
    onnx=lambda m, s: m("Add", s, m.const(ALIBI)),
    keras=lambda s: s + ALIBI,
    jax=lambda s: s + ALIBI,
    torch_too={"own": own(attn_mask=ALIBI)},
    jax_too={"own": of_library(bias=ALIBI[None, None])},
)
attention(
    "attention, a bias",
    torch=lambda s: s + t().from_numpy(DISTANCES),
    onnx=lambda m, s: m("Add", s, m.const(DISTANCES)),
    keras=lambda s: s + DISTANCES,
    jax=lambda s: s + DISTANCES,
    torch_too={"own": own(attn_mask=DISTANCES)},
    jax_too={"own": of_library(bias=DISTANCES[None, None])},
)

LEARNED = {**LINEAR, "g": (3, 3)}

operation(
    "attention, a learned bias", TOKENS, weights=LEARNED,
    torch=lambda m, x: (
        m.dense("q", x) @ m.dense("k", x).transpose(1, 2) + m["g"]).softmax(-1) @ m.dense("v", x),
    onnx=lambda m, x: m("MatMul", m("Softmax", m("Add", m("MatMul", m.dense("q", x), m(
        "Transpose", m.dense("k", x), perm=[0, 2, 1])), m["g"]), axis=-1), m.dense("v", x)),
    keras=lambda m, x: m.own(lambda p, x: ops().matmul(ops().softmax(ops().matmul(
        ops().matmul(x, p["q.w"]), ops().transpose(ops().matmul(x, p["k.w"]), (0, 2, 1)))
        + p["g"]), ops().matmul(x, p["v.w"])), *LEARNED)(x),
    jax=lambda m, x: jax_().nn.softmax(
        m.dense("q", x) @ m.dense("k", x).swapaxes(1, 2) + m["g"]) @ m.dense("v", x),
)  # fmt: skip

HEADS = {f"{key}.w": (4, 4) for key in "qkvo"}


def keras_heads(p, x):
    q, k, v = (
        ops().transpose(ops().reshape(ops().matmul(x, p[f"{key}.w"]), (-1, 3, 2, 2)), (0, 2, 1, 3))
        for key in "qkv"
    )
    y = ops().matmul(ops().softmax(ops().matmul(q, ops().swapaxes(k, -1, -2)) * SCALE), v)
    return ops().matmul(ops().reshape(ops().transpose(y, (0, 2, 1, 3)), (-1, 3, 4)), p["o.w"])


def onnx_heads(m, x):
    q, k, v = (
        m("Transpose", m("Reshape", m.dense(key, x), m.ints(1, 3, 2, 2)), perm=perm)
        for key, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3]))
    )
    y = m("Softmax", m("Mul", m("MatMul", q, k), m.const(SCALE)), axis=-1)
    y = m("Transpose", m("MatMul", y, v), perm=[0, 2, 1, 3])
    return m.dense("o", m("Reshape", y, m.ints(1, 3, 4)))


def torch_heads(m, x):
    q, k, v = (m.dense(key, x).unflatten(2, (2, 2)).transpose(1, 2) for key in "qkv")
    y = (q @ k.transpose(-1, -2) * SCALE).softmax(-1) @ v
    return m.dense("o", y.transpose(1, 2).flatten(2))


def jax_heads(m, x):
    q, k, v = (m.dense(key, x).reshape(-1, 3, 2, 2) for key in "qkv")
    weights = jax_().nn.softmax(jnp().einsum("bthd,bshd->bhts", q, k) * SCALE)
    return m.dense("o", jnp().einsum("bhts,bshd->bthd", weights, v).reshape(-1, 3, 4))


operation(
    "attention of two heads",
    TOKENS,
    weights=HEADS,
    torch=torch_heads,
    onnx=onnx_heads,
    keras=lambda m, x: m.own(keras_heads, *HEADS)(x),
    jax=jax_heads,
)
