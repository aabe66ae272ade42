"""What only moves data: nodes are re-indexed, and a dense layer behind it tells places apart."""

import numpy as np
from oracles.same_operations.models import Image
from oracles.same_operations.products import F, jax, jnp, kl, ops, t
from oracles.same_operations.table import A, C, operation

#: A dense layer to three features at two positions, and what is made of them.
SHAPE, BEFORE = (2, 4), {"a.w": (3, 4)}


def movement(name, size, torch, onnx, keras, jax):
    """Add a movement of (batch, 2, 3) to `size` values, which a dense layer reads."""
    operation(
        name, SHAPE, weights={**BEFORE, "b.f": (2, size)}, before="a", after="b",
        torch=lambda m, x: torch(x),
        onnx=onnx,
        keras={k: lambda m, x, f=f: f(x) for k, f in keras.items()} if isinstance(keras, dict)
        else lambda m, x: keras(x),
        jax=lambda m, x: jax(x),
    )  # fmt: skip


movement(
    "reshape",
    6,
    lambda x: x.reshape(-1, 3, 2),
    lambda m, x: m("Reshape", x, m.ints(0, 3, 2)),
    {"": lambda x: ops().reshape(x, (-1, 3, 2)), "layer": lambda x: kl().Reshape((3, 2))(x)},
    lambda x: x.reshape(-1, 3, 2),
)
movement(
    "transpose",
    6,
    lambda x: x.transpose(1, 2),
    lambda m, x: m("Transpose", x, perm=[0, 2, 1]),
    {"": lambda x: ops().transpose(x, (0, 2, 1)), "layer": lambda x: kl().Permute((2, 1))(x)},
    lambda x: x.swapaxes(1, 2),
)
movement(
    "slice",
    3,
    lambda x: x[:, 1],
    lambda m, x: m("Gather", x, m.const(1, np.int64), axis=1),
    lambda x: x[:, 1],
    lambda x: x[:, 1],
)
movement(
    "slice with a step",
    4,
    lambda x: x[:, :, ::2],
    lambda m, x: m("Slice", x, m.ints(0), m.ints(9), m.ints(2), m.ints(2)),
    lambda x: x[:, :, ::2],
    lambda x: x[:, :, ::2],
)
movement(
    "crop",
    4,
    lambda x: x[..., 1:],
    lambda m, x: m("Slice", x, m.ints(1), m.ints(3), m.ints(2)),
    lambda x: x[..., 1:],
    lambda x: x[..., 1:],
)
movement(
    "split",
    6,
    lambda x: t().cat(x.split((1, 2), -1)[::-1], -1),
    lambda m, x: m("Concat", *m("Split", x, m.ints(1, 2), axis=-1, outputs=2)[::-1], axis=-1),
    lambda x: ops().concatenate(ops().split(x, [1], axis=-1)[::-1], axis=-1),
    lambda x: jnp().concatenate(jnp().split(x, [1], axis=-1)[::-1], axis=-1),
)
movement(
    "concatenation",
    12,
    lambda x: t().cat([x, x.relu()], 1),
    lambda m, x: m("Concat", x, m("Relu", x), axis=1),
    {
        "": lambda x: ops().concatenate([x, ops().relu(x)], axis=1),
        "layer": lambda x: kl().Concatenate(axis=1)([x, kl().ReLU()(x)]),
    },
    lambda x: jnp().concatenate([x, jax().nn.relu(x)], axis=1),
)
movement(
    "stack",
    6,
    lambda x: t().stack([x[:, 1], x[:, 0]], 2),
    lambda m, x: m(
        "Concat",
        *(m("Unsqueeze", m("Gather", x, m.const(k, np.int64), axis=1), m.ints(2)) for k in (1, 0)),
        axis=2,
    ),
    lambda x: ops().stack([x[:, 1], x[:, 0]], axis=2),
    lambda x: jnp().stack([x[:, 1], x[:, 0]], axis=2),
)
movement(
    "squeeze",
    3,
    lambda x: x[:, :1].squeeze(1),
    lambda m, x: m("Squeeze", m("Slice", x, m.ints(0), m.ints(1), m.ints(1)), m.ints(1)),
    lambda x: ops().squeeze(x[:, :1], axis=1),
    lambda x: x[:, :1].squeeze(1),
)
movement(
    "tile",
    12,
    lambda x: x.tile(1, 1, 2),
    lambda m, x: m("Tile", x, m.ints(1, 1, 2)),
    lambda x: ops().tile(x, (1, 1, 2)),
    lambda x: jnp().tile(x, (1, 1, 2)),
)
movement(
    "repeat",
    12,
    lambda x: x.repeat_interleave(2, 1),
    lambda m, x: m(
        "Reshape", m("Expand", m("Unsqueeze", x, m.ints(2)), m.ints(1, 2, 2, 3)), m.ints(0, 4, 3)
    ),
    lambda x: ops().repeat(x, 2, axis=1),
    lambda x: jnp().repeat(x, 2, axis=1),
)
movement(
    "gather of constant places",
    9,
    lambda x: x[:, [1, 0, 0]],
    lambda m, x: m("Gather", x, m.ints(1, 0, 0), axis=1),
    lambda x: ops().take(x, [1, 0, 0], axis=1),
    lambda x: x[:, np.array([1, 0, 0])],
)
movement(
    "flip",
    6,
    lambda x: x.flip(1),
    lambda m, x: m("Slice", x, m.ints(-1), m.ints(-9), m.ints(1), m.ints(-1)),
    lambda x: ops().flip(x, axis=1),
    lambda x: x[:, ::-1],
)
movement(
    "roll",
    6,
    lambda x: x.roll(1, 2),
    lambda m, x: m(
        "Concat",
        m("Slice", x, m.ints(2), m.ints(3), m.ints(2)),
        m("Slice", x, m.ints(0), m.ints(2), m.ints(2)),
        axis=2,
    ),
    lambda x: ops().roll(x, 1, axis=2),
    lambda x: jnp().roll(x, 1, axis=2),
)
movement(
    "padding",
    12,
    lambda x: F().pad(x, (1, 0, 0, 1)),
    lambda m, x: m("Pad", x, m.ints(0, 0, 1, 0, 1, 0)),
    lambda x: ops().pad(x, ((0, 0), (0, 1), (1, 0))),
    lambda x: jnp().pad(x, ((0, 0), (0, 1), (1, 0))),
)
movement(
    "padding by reflection",
    10,
    lambda x: F().pad(x, (1, 1), mode="reflect"),
    lambda m, x: m("Pad", x, m.ints(0, 0, 1, 0, 0, 1), mode="reflect"),
    lambda x: ops().pad(x, ((0, 0), (0, 0), (1, 1)), mode="reflect"),
    lambda x: jnp().pad(x, ((0, 0), (0, 0), (1, 1)), mode="reflect"),
)
movement(
    "padding by a number",
    8,
    lambda x: F().pad(x, (1, 0), value=1.0),
    lambda m, x: m("Pad", x, m.ints(0, 0, 1, 0, 0, 0), m.const(1.0)),
    lambda x: ops().pad(x, ((0, 0), (0, 0), (1, 0)), constant_values=1.0),
    lambda x: jnp().pad(x, ((0, 0), (0, 0), (1, 0)), constant_values=1.0),
)
movement(
    "triangle",
    6,
    lambda x: x.tril(),
    lambda m, x: m("Trilu", x, upper=0),
    lambda x: ops().tril(x),
    lambda x: jnp().tril(x),
)
KEPT = np.array([[True], [False]])
movement(
    "zeros by a constant mask",
    6,
    lambda x: x.masked_fill(~t().from_numpy(KEPT), 0.0),
    lambda m, x: m("Where", m.const(KEPT, bool), x, m.const(0.0)),
    lambda x: ops().where(KEPT, x, 0.0),
    lambda x: jnp().where(KEPT, x, 0.0),
)
movement(
    "times a mask of ones and zeros",
    6,
    lambda x: x * t().from_numpy(KEPT).float(),
    lambda m, x: m("Mul", x, m.const(KEPT)),
    lambda x: x * KEPT.astype(np.float32),
    lambda x: x * KEPT.astype(np.float32),
)
movement(
    "expansion",
    12,
    lambda x: x[:, None].expand(-1, 2, -1, -1),
    lambda m, x: m("Expand", m("Unsqueeze", x, m.ints(1)), m.ints(1, 2, 2, 3)),
    lambda x: ops().broadcast_to(x[:, None], (1, 2, 2, 3)),
    lambda x: jnp().broadcast_to(x[:, None], (1, 2, 2, 3)),
)

operation(
    "concatenation of branches", (4,), weights={**A, **C, "b.w": (2, 6)}, after="b",
    torch=lambda m, x: t().cat([m.dense("a", x), m.dense("c", x)], 1),
    onnx=lambda m, x: m("Concat", m.dense("a", x), m.dense("c", x), axis=1),
    keras=lambda m, x: ops().concatenate([m.dense("a", x), m.dense("c", x)], axis=1),
    jax=lambda m, x: jnp().concatenate([m.dense("a", x), m.dense("c", x)], 1),
)  # fmt: skip
operation(
    "a learned token", (2, 3), weights={"g": (1, 1, 3), "b.w": (2, 3)}, after="b",
    torch=lambda m, x: t().cat([m["g"], x], 1),
    onnx=lambda m, x: m("Concat", m["g"], x, axis=1),
    keras=lambda m, x: m.own(lambda p, x: ops().concatenate(
        [ops().broadcast_to(p["g"], (ops().shape(x)[0], 1, 3)), x], axis=1), "g")(x),
    jax=lambda m, x: jnp().concatenate([m["g"], x], 1),
)  # fmt: skip
operation(
    "depth to space", Image((2, 2, 2)), weights={"a.w": (4, 2, 1, 1), "b.w": (2, 1, 2, 2)},
    before="a", after="b",
    torch=lambda m, x: F().pixel_shuffle(x, 2),
    onnx=lambda m, x: m("DepthToSpace", x, blocksize=2, mode="CRD"),
    keras={"": lambda m, x: ops().depth_to_space(x, 2),
           "written out": lambda m, x: ops().reshape(ops().transpose(
               ops().reshape(x, (-1, 2, 2, 2, 2)), (0, 1, 3, 2, 4)), (-1, 4, 4, 1))},
    jax=lambda m, x: x.reshape(-1, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4).reshape(-1, 4, 4, 1),
)  # fmt: skip
