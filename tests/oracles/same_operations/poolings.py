"""Poolings of images, reductions over axes, up-sampling, running sums."""

import numpy as np
from oracles.same_operations.models import Image
from oracles.same_operations.products import F, jax, jnp, kl, ops
from oracles.same_operations.table import operation

IMAGE = Image((2, 4, 5))
#: A convolution that says where the channels are to a framework that is told nothing else.
POINTWISE = {"a.w": (2, 2, 1, 1)}


def windows(x, size, strides, padding, how, start):
    lax = jax().lax
    return lax.reduce_window(
        x, start, getattr(lax, how), (1, size, size, 1), (1, strides, strides, 1), padding
    )


def largest(x, size, strides, padding):
    return windows(x, size, strides, padding, "max", -np.inf)


def total(x, size, strides, padding):
    return windows(x, size, strides, padding, "add", 0.0)


PADDED = [(0, 0), (1, 1), (1, 1), (0, 0)]

operation(
    "max pool", IMAGE, weights={},
    torch=lambda m, x: F().max_pool2d(x, 2),
    onnx=lambda m, x: m("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]),
    keras={"": lambda m, x: kl().MaxPooling2D(2)(x), "ops": lambda m, x: ops().max_pool(x, 2, 2)},
    jax=lambda m, x: largest(x, 2, 2, "VALID"),
)  # fmt: skip
operation(
    "max pool, padded", IMAGE, weights={},
    torch=lambda m, x: F().max_pool2d(x, 3, 2, 1),
    onnx=lambda m, x: m("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    jax=lambda m, x: largest(x, 3, 2, PADDED),
)  # fmt: skip
operation(
    "max pool, ceiled", IMAGE, weights={},
    torch=lambda m, x: F().max_pool2d(x, 2, ceil_mode=True),
    onnx=lambda m, x: m("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    keras=lambda m, x: kl().MaxPooling2D(2, padding="same")(x),
    jax=lambda m, x: largest(x, 2, 2, "SAME"),
)  # fmt: skip
operation(
    "average pool", IMAGE, weights={},
    torch=lambda m, x: F().avg_pool2d(x, 2),
    onnx=lambda m, x: m("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]),
    keras={"": lambda m, x: kl().AveragePooling2D(2)(x),
           "ops": lambda m, x: ops().average_pool(x, 2, 2)},
    jax=lambda m, x: total(x, 2, 2, "VALID") / 4,
)  # fmt: skip
operation(
    "average pool, padding counted", IMAGE, weights={},
    torch=lambda m, x: F().avg_pool2d(x, 3, 2, 1),
    onnx=lambda m, x: m("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1],
                        count_include_pad=1),
    keras=lambda m, x: kl().AveragePooling2D(3, 2)(kl().ZeroPadding2D(1)(x)),
    jax=lambda m, x: total(x, 3, 2, PADDED) / 9,
)  # fmt: skip
operation(
    "average pool, padding left out", Image((2, 5, 5)), weights={},
    torch=lambda m, x: F().avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    onnx=lambda m, x: m("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    keras=lambda m, x: kl().AveragePooling2D(3, 2, padding="same")(x),
    jax=lambda m, x: total(x, 3, 2, PADDED) / total(jnp().ones_like(x), 3, 2, PADDED),
)  # fmt: skip
operation(
    "average pool to a size", IMAGE, weights={},
    torch=lambda m, x: F().adaptive_avg_pool2d(x, (2, 3)),
    keras=lambda m, x: kl().AdaptiveAveragePooling2D((2, 3))(x),
)  # fmt: skip
operation(
    "global average pool", IMAGE, weights=POINTWISE, before="a",
    torch={"": lambda m, x: x.mean((2, 3)),
           "layer": lambda m, x: F().adaptive_avg_pool2d(x, 1).flatten(1)},
    onnx={"": lambda m, x: m("Flatten", m("GlobalAveragePool", x)),
          "ReduceMean": lambda m, x: m("ReduceMean", x, m.ints(2, 3), keepdims=0)},
    keras={"": lambda m, x: kl().GlobalAveragePooling2D()(x),
           "ops": lambda m, x: ops().mean(x, axis=(1, 2))},
    jax=lambda m, x: x.mean((1, 2)),
)  # fmt: skip
operation(
    "global average pool, axes kept", IMAGE, weights=POINTWISE, before="a",
    torch={"": lambda m, x: x.mean((2, 3), keepdim=True),
           "layer": lambda m, x: F().adaptive_avg_pool2d(x, 1)},
    onnx=lambda m, x: m("GlobalAveragePool", x),
    keras=lambda m, x: kl().GlobalAveragePooling2D(keepdims=True)(x),
    jax=lambda m, x: x.mean((1, 2), keepdims=True),
)  # fmt: skip
operation(
    "global average pool of an input", IMAGE, weights={},
    torch=lambda m, x: x.mean((2, 3)),
    onnx=lambda m, x: m("ReduceMean", x, m.ints(2, 3), keepdims=0),
    keras=lambda m, x: ops().mean(x, axis=(1, 2)),
    jax=lambda m, x: x.mean((1, 2)),
)  # fmt: skip
operation(
    "global max pool", IMAGE, weights=POINTWISE, before="a",
    torch={"": lambda m, x: x.amax((2, 3)),
           "layer": lambda m, x: F().adaptive_max_pool2d(x, 1).flatten(1)},
    onnx={"": lambda m, x: m("Flatten", m("GlobalMaxPool", x)),
          "ReduceMax": lambda m, x: m("ReduceMax", x, m.ints(2, 3), keepdims=0)},
    keras={"": lambda m, x: kl().GlobalMaxPooling2D()(x),
           "ops": lambda m, x: ops().max(x, axis=(1, 2))},
    jax=lambda m, x: x.max((1, 2)),
)  # fmt: skip

#: Rows of a dense layer's output, at three positions.
ROWS, BEFORE = (3, 4), {"a.w": (2, 4)}


def reduction(name, torch, onnx, keras, jax, axis=1):
    operation(
        name, ROWS, weights=BEFORE, before="a",
        torch=lambda m, x: torch(x),
        onnx=lambda m, x: m(onnx, x, m.ints(axis), keepdims=0),
        keras=lambda m, x: keras(x),
        jax=lambda m, x: jax(x),
    )  # fmt: skip


reduction(
    "mean over positions",
    lambda x: x.mean(1),
    "ReduceMean",
    lambda x: ops().mean(x, axis=1),
    lambda x: x.mean(1),
)
reduction(
    "mean over features",
    lambda x: x.mean(-1),
    "ReduceMean",
    lambda x: ops().mean(x, axis=-1),
    lambda x: x.mean(-1),
    axis=-1,
)
reduction(
    "sum over positions",
    lambda x: x.sum(1),
    "ReduceSum",
    lambda x: ops().sum(x, axis=1),
    lambda x: x.sum(1),
)
reduction(
    "sum over features",
    lambda x: x.sum(-1),
    "ReduceSum",
    lambda x: ops().sum(x, axis=-1),
    lambda x: x.sum(-1),
    axis=-1,
)
reduction(
    "max over positions",
    lambda x: x.max(1).values,
    "ReduceMax",
    lambda x: ops().max(x, axis=1),
    lambda x: x.max(1),
)
reduction(
    "max over features",
    lambda x: x.amax(-1),
    "ReduceMax",
    lambda x: ops().max(x, axis=-1),
    lambda x: x.max(-1),
    axis=-1,
)
reduction(
    "min over positions",
    lambda x: x.amin(1),
    "ReduceMin",
    lambda x: ops().min(x, axis=1),
    lambda x: x.min(1),
)
reduction(
    "norm over features",
    lambda x: x.norm(dim=-1),
    "ReduceL2",
    lambda x: ops().norm(x, axis=-1),
    lambda x: jnp().linalg.norm(x, axis=-1),
    axis=-1,
)

operation(
    "mean over all axes", ROWS, weights=BEFORE, before="a",
    torch=lambda m, x: x.mean((1, 2)),
    onnx=lambda m, x: m("ReduceMean", x, m.ints(1, 2), keepdims=0),
    keras=lambda m, x: ops().mean(x, axis=(1, 2)),
    jax=lambda m, x: x.mean((1, 2)),
)  # fmt: skip
operation(
    "sum over units", (4,), weights={"a.w": (3, 4)}, before="a",
    torch=lambda m, x: x.sum(1, keepdim=True),
    onnx=lambda m, x: m("ReduceSum", x, m.ints(1), keepdims=1),
    keras=lambda m, x: ops().sum(x, axis=1, keepdims=True),
    jax=lambda m, x: x.sum(1, keepdims=True),
)  # fmt: skip
operation(
    "cumulative sum", ROWS, weights=BEFORE, before="a",
    torch=lambda m, x: x.cumsum(1),
    onnx=lambda m, x: m("CumSum", x, m.const(1, np.int64)),
    keras=lambda m, x: ops().cumsum(x, axis=1),
    jax=lambda m, x: jnp().cumsum(x, axis=1),
)  # fmt: skip
operation(
    "up-sampling, nearest", Image((2, 2, 3)), weights={"a.w": (1, 2, 1, 1)}, after="a",
    torch=lambda m, x: F().interpolate(x, scale_factor=2.0),
    onnx=lambda m, x: m("Resize", x, "", m.const([1, 1, 2, 2]), mode="nearest",
                        coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    keras={"": lambda m, x: kl().UpSampling2D(2)(x),
           "ops": lambda m, x: ops().image.resize(x, (4, 6), interpolation="nearest")},
    jax={"": lambda m, x: jax().image.resize(x, (1, 4, 6, 2), "nearest"),
         "repeat": lambda m, x: x.repeat(2, axis=1).repeat(2, axis=2)},
)  # fmt: skip
operation(
    "up-sampling, linear", Image((2, 2, 3)), weights=POINTWISE, before="a",
    torch=lambda m, x: F().interpolate(x, scale_factor=2.0, mode="bilinear"),
    onnx=lambda m, x: m("Resize", x, "", m.const([1, 1, 2, 2]), mode="linear"),
    keras={"": lambda m, x: kl().UpSampling2D(2, interpolation="bilinear")(x),
           "ops": lambda m, x: ops().image.resize(x, (4, 6), interpolation="bilinear")},
    jax=lambda m, x: jax().image.resize(x, (1, 4, 6, 2), "linear"),
)  # fmt: skip
operation(
    "argmax", (4,), weights={"a.w": (3, 4)}, before="a",
    torch=lambda m, x: x.argmax(1),
    onnx=lambda m, x: m("Cast", m("ArgMax", x, axis=1, keepdims=0), to=1),
    keras=lambda m, x: ops().argmax(x, axis=1),
    jax=lambda m, x: x.argmax(1),
)  # fmt: skip
