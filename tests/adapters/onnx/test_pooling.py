"""Poolings of ONNX, against onnxruntime."""

import numpy as np
import pytest
from oracles.onnx_models import check_linear, model, node, read_by

POOLS = [
    ((1, 2, 9), {"kernel_shape": [3]}),
    ((1, 2, 9), {"kernel_shape": [3], "strides": [2], "pads": [1, 0]}),
    ((1, 2, 8, 7), {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 0, 1]}),
    ((1, 2, 8, 7), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    ((1, 2, 8, 7), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1,
                    "pads": [1, 1, 1, 1]}),
    ((1, 2, 6, 7), {"kernel_shape": [2, 2], "strides": [3, 3], "ceil_mode": 1,
                    "pads": [1, 0, 1, 1]}),
    ((1, 2, 9, 9), {"kernel_shape": [2, 3], "dilations": [2, 3], "pads": [1, 1, 0, 0]}),
    ((1, 2, 4), {"kernel_shape": [2], "strides": [3], "pads": [1, 1], "ceil_mode": 1}),
    ((1, 1, 4, 5, 6), {"kernel_shape": [2, 2, 3], "strides": [2, 1, 2]}),
    *[
        ((1, 2, n, n + 1), {"kernel_shape": [k, 3], "strides": [s, s], "auto_pad": auto})
        for auto in ("SAME_UPPER", "SAME_LOWER", "VALID")
        for n, k, s in ((7, 2, 1), (8, 4, 2), (9, 3, 3), (9, 2, 4))
    ],
]  # fmt: skip


def pool_model(op, x_shape, attributes):
    return model([node(op, "x", **attributes)], {}, x_shape, opset=20)


@pytest.mark.parametrize(("x_shape", "attributes"), POOLS)
def test_max_pool(x_shape, attributes):
    net = check_linear(pool_model("MaxPool", x_shape, attributes), x_shape)
    assert not net.blocks[0].parametric


@pytest.mark.parametrize("include", [0, 1])
@pytest.mark.parametrize(("x_shape", "attributes"), POOLS)
def test_average_pool(x_shape, attributes, include):
    attributes = {**attributes, "count_include_pad": include}
    check_linear(pool_model("AveragePool", x_shape, attributes), x_shape)


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("x_shape", [(1, 3, 5), (1, 3, 4, 5)])
def test_global_pool(op, x_shape):
    check_linear(model([node(op, "x")], {}, x_shape), x_shape)


@pytest.mark.parametrize("op", ["ReduceMean", "ReduceSum", "ReduceMax"])
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axes", [[-1], [1], [2, 3], [1, 3], None])
def test_reduce(op, keepdims, axes):
    x_shape = (1, 3, 4, 5)
    weights = {} if axes is None else {"axes": np.array(axes, np.int64)}
    nodes = [node(op, ["x", *weights], "m", keepdims=keepdims)]
    over = tuple(axes) if axes else (0, 1, 2, 3)
    moved = np.zeros(x_shape).sum(axis=over, keepdims=bool(keepdims)).shape
    check_linear(read_by(nodes, moved, x_shape, weights), x_shape)


def test_reduce_with_axes_as_an_attribute():
    proto = model([node("ReduceMean", "x", axes=[2], keepdims=0)], {}, (1, 3, 4), opset=11)
    check_linear(proto, (1, 3, 4))
