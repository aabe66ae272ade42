"""Convolutions of images, and what follows one."""

from oracles.same_operations.models import Image
from oracles.same_operations.products import F, jax, kl, ops, t
from oracles.same_operations.table import operation

KERNEL = {"a.w": (3, 2, 3, 3), "a.b": (3,)}


def convolution(name, shape, weights, **options):
    """Add a convolution that all frameworks write with the same options."""
    operation(
        name, Image(shape), weights=weights,
        torch=lambda m, x: m.conv("a", x, **options),
        onnx=lambda m, x: m.conv("a", x, **options),
        keras=lambda m, x: m.conv("a", x, **options),
        jax=lambda m, x: m.conv("a", x, **options),
    )  # fmt: skip


convolution("conv2d", (2, 4, 5), KERNEL)
convolution("conv2d, one channel", (1, 4, 5), {"a.w": (3, 1, 3, 3)})
convolution("conv2d, no bias", (2, 4, 5), {"a.w": (3, 2, 3, 3)})
convolution("conv2d of kernel one", (2, 3, 2), {"a.w": (3, 2, 1, 1)})
convolution("conv2d, strided and padded", (2, 5, 4), KERNEL, stride=2, pad=1)
convolution("conv2d, dilated", (2, 5, 6), KERNEL, dilation=2)
convolution("conv2d, grouped", (4, 4, 4), {"a.w": (6, 2, 3, 3), "a.b": (6,)}, groups=2)
convolution("conv1d", (2, 5), {"a.w": (3, 2, 3), "a.b": (3,)})
convolution("conv1d, strided and padded", (2, 6), {"a.w": (3, 2, 3)}, stride=2, pad=1)
convolution("conv3d", (2, 3, 4, 3), {"a.w": (2, 2, 2, 2, 2), "a.b": (2,)})

# "same" with a stride pads one more behind than in front.
operation(
    "conv2d, same and strided", Image((2, 4, 6)), weights=KERNEL,
    torch=lambda m, x: m.conv("a", F().pad(x, (0, 1, 0, 1)), stride=2),
    onnx=lambda m, x: m("Conv", x, m["a.w"], m["a.b"], auto_pad="SAME_UPPER", strides=[2, 2]),
    keras=lambda m, x: m.put(
        kl().Conv2D(3, 3, strides=2, padding="same"), "a.w", "a.b")(x),
    jax=lambda m, x: jax().lax.conv_general_dilated(
        x, m["a.w"], (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")) + m["a.b"],
)  # fmt: skip

operation(
    "conv2d, depthwise", Image((2, 4, 4)), weights={"k": (4, 1, 3, 3), "a.b": (4,)},
    layouts={"k": {
        "keras": lambda k: k.reshape(2, 2, 3, 3).transpose(2, 3, 0, 1),
        "jax": lambda k: k.transpose(2, 3, 1, 0),
    }},
    torch=lambda m, x: F().conv2d(x, m["k"], m["a.b"], groups=2),
    onnx=lambda m, x: m("Conv", x, m["k"], m["a.b"], group=2),
    keras=lambda m, x: m.put(kl().DepthwiseConv2D(3, depth_multiplier=2), "k", "a.b")(x),
    jax=lambda m, x: jax().lax.conv_general_dilated(
        x, m["k"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=2) + m["a.b"],
)  # fmt: skip

operation(
    "separable conv2d", Image((2, 4, 4)), weights={"k": (2, 1, 3, 3), "a.w": (3, 2, 1, 1)},
    layouts={"k": {
        "keras": lambda k: k.transpose(2, 3, 0, 1), "jax": lambda k: k.transpose(2, 3, 1, 0),
    }},
    torch=lambda m, x: m.conv("a", F().conv2d(x, m["k"], groups=2)),
    onnx=lambda m, x: m.conv("a", m("Conv", x, m["k"], group=2)),
    keras=lambda m, x: m.put(kl().SeparableConv2D(3, 3, use_bias=False), "k", "a.w")(x),
    jax=lambda m, x: m.conv("a", jax().lax.conv_general_dilated(
        x, m["k"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=2)),
)  # fmt: skip

# PyTorch has (in, out, *kernel); JAX does not flip the kernel.
UPWARDS = {"k": {
    "keras": lambda k: k.transpose(2, 3, 1, 0),
    "jax": lambda k: k.transpose(2, 3, 0, 1)[::-1, ::-1],
}}  # fmt: skip
operation(
    "transposed conv2d", Image((2, 3, 2)), weights={"k": (2, 3, 3, 3), "a.b": (3,)},
    layouts=UPWARDS,
    torch=lambda m, x: F().conv_transpose2d(x, m["k"], m["a.b"], stride=2),
    onnx=lambda m, x: m("ConvTranspose", x, m["k"], m["a.b"], strides=[2, 2]),
    keras=lambda m, x: m.put(kl().Conv2DTranspose(3, 3, strides=2), "k", "a.b")(x),
    jax=lambda m, x: jax().lax.conv_transpose(x, m["k"], (2, 2), "VALID") + m["a.b"],
)  # fmt: skip

operation(
    "dense after a flattened conv2d", Image((2, 4, 3)),
    weights={**KERNEL, "b.f": (2, 6)}, flat=(3, 2, 1), before="a", after="b",
    torch=lambda m, x: t().relu(x),
    onnx=lambda m, x: m("Relu", x),
    keras=lambda m, x: ops().relu(x),
    jax=lambda m, x: jax().nn.relu(x),
)  # fmt: skip

operation(
    "conv2d times a parameter of channels", Image((2, 4, 3)),
    weights={**KERNEL, "g": (3, 1, 1)}, before="a",
    layouts={"g": {"keras": lambda g: g.reshape(3), "jax": lambda g: g.reshape(3)}},
    torch=lambda m, x: x * m["g"],
    onnx=lambda m, x: m("Mul", x, m["g"]),
    keras=lambda m, x: m.own(lambda p, x: x * p["g"], "g")(x),
    jax=lambda m, x: x * m["g"],
)  # fmt: skip

operation(
    "conv2d plus a parameter of positions", Image((2, 4, 3)),
    weights={**KERNEL, "g": (2, 1)}, before="a",
    layouts={"g": {"keras": lambda g: g[..., None], "jax": lambda g: g[..., None]}},
    torch=lambda m, x: x + m["g"],
    onnx=lambda m, x: m("Add", x, m["g"]),
    keras=lambda m, x: m.own(lambda p, x: x + p["g"], "g")(x),
    jax=lambda m, x: x + m["g"],
)  # fmt: skip

operation(
    "residual around a conv2d",
    Image((2, 3, 3)),
    weights={"a.w": (2, 2, 3, 3), "b.w": (2, 2, 1, 1)},
    torch=lambda m, x: m.conv("b", t().relu(m.conv("a", x, pad=1) + x)),
    onnx=lambda m, x: m.conv("b", m("Relu", m("Add", m.conv("a", x, pad=1), x))),
    keras=lambda m, x: m.conv("b", ops().relu(m.conv("a", x, pad=1) + x)),
    jax=lambda m, x: m.conv("b", jax().nn.relu(m.conv("a", x, pad=1) + x)),
)  # fmt: skip

EXCITE = {**KERNEL, "s.w": (2, 3), "s.b": (2,), "e.w": (3, 2), "e.b": (3,)}


def excited(m, x):
    s = m("Squeeze", m("GlobalAveragePool", x), m.ints(2, 3))
    s = m("Relu", m("Gemm", s, m["s.w"], m["s.b"]))
    s = m("Sigmoid", m("Gemm", s, m["e.w"], m["e.b"]))
    return m("Mul", x, m("Unsqueeze", s, m.ints(2, 3)))


operation(
    "squeeze and excite", Image((2, 4, 3)), weights=EXCITE, before="a",
    torch=lambda m, x: x * t().sigmoid(
        m.dense("e", t().relu(m.dense("s", x.mean((2, 3))))))[:, :, None, None],
    onnx=excited,
    keras=lambda m, x: x * ops().reshape(ops().sigmoid(
        m.dense("e", ops().relu(m.dense("s", kl().GlobalAveragePooling2D()(x))))), (-1, 1, 1, 3)),
    jax=lambda m, x: x * jax().nn.sigmoid(
        m.dense("e", jax().nn.relu(m.dense("s", x.mean((1, 2))))))[:, None, None, :],
)  # fmt: skip

operation(
    "concatenation of channels", Image((2, 4, 3)), weights={**KERNEL, "b.w": (2, 5, 1, 1)},
    torch=lambda m, x: m.conv("b", t().cat([m.conv("a", x, pad=1), x], 1)),
    onnx=lambda m, x: m.conv("b", m("Concat", m.conv("a", x, pad=1), x, axis=1)),
    keras=lambda m, x: m.conv("b", ops().concatenate([m.conv("a", x, pad=1), x], axis=-1)),
    jax=lambda m, x: m.conv("b", jax().numpy.concatenate([m.conv("a", x, pad=1), x], -1)),
)  # fmt: skip
operation(
    "softmax over channels", Image((2, 4, 3)), weights={**KERNEL, "b.w": (2, 3, 1, 1)},
    before="a", after="b",
    torch=lambda m, x: x.softmax(1),
    onnx=lambda m, x: m("Softmax", x, axis=1),
    keras=lambda m, x: ops().softmax(x, axis=-1),
    jax=lambda m, x: jax().nn.softmax(x, axis=-1),
)  # fmt: skip
operation(
    "mean over channels", Image((2, 4, 3)), weights=KERNEL, before="a",
    torch=lambda m, x: x.mean(1, keepdim=True),
    onnx=lambda m, x: m("ReduceMean", x, m.ints(1)),
    keras=lambda m, x: ops().mean(x, axis=-1, keepdims=True),
    jax=lambda m, x: x.mean(-1, keepdims=True),
)  # fmt: skip
operation(
    "max over channels", Image((2, 4, 3)), weights=KERNEL, before="a",
    torch=lambda m, x: x.amax(1, keepdim=True),
    onnx=lambda m, x: m("ReduceMax", x, m.ints(1)),
    keras=lambda m, x: ops().max(x, axis=-1, keepdims=True),
    jax=lambda m, x: x.max(-1, keepdims=True),
)  # fmt: skip
operation(
    "dense at every pixel", Image((2, 2, 3)), weights={"a.w": (2, 2, 1, 1), "b.w": (3, 2)},
    before="a",
    torch=lambda m, x: m.dense("b", x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
    onnx=lambda m, x: m("Transpose", m.dense(
        "b", m("Transpose", x, perm=[0, 2, 3, 1])), perm=[0, 3, 1, 2]),
    keras=lambda m, x: m.dense("b", x),
    jax=lambda m, x: m.dense("b", x),
)  # fmt: skip
