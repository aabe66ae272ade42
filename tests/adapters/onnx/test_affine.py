"""Affine operations of ONNX, against onnxruntime."""

import numpy as np
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from oracles.onnx_models import (
    check_linear,
    model,
    node,
    oracle,
    propagate,
    read_by,
    single_weight,
    whole,
)

from cntgraph.adapters import onnx as adapter
from cntgraph.core.errors import CoverageWarning


@pytest.mark.parametrize(
    ("attributes", "b_shape", "c_shape"),
    [
        ({}, (5, 4), (4,)),
        ({"transB": 1}, (4, 5), (4,)),
        ({"transB": 1}, (4, 5), None),
        ({"transB": 1, "alpha": 2.0, "beta": -3.0}, (4, 5), (1, 4)),
        ({"beta": 2.0}, (5, 4), ()),
        ({"alpha": 0.5}, (5, 4), (1, 1)),
        ({"transA": 1}, (1, 4), (1, 4)),
    ],
)
def test_gemm(attributes, b_shape, c_shape):
    weights = {"fc.weight": whole(b_shape)}
    if c_shape is not None:
        weights["fc.bias"] = whole(c_shape, 2)
    shape = (1, 5)
    proto = model([node("Gemm", ["x", *weights], **attributes)], weights, shape)
    if attributes.get("transA"):
        net = adapter.load(proto, strict=True)
        x = whole(shape, 1)
        # One sample is a column: five rows of one feature each.
        expected = oracle(proto, x)
        assert expected.shape == (5, 4)
        z = propagate(net, x[0])[net.layers[-1].slice]
        np.testing.assert_allclose(np.sort(z), np.sort(expected.reshape(-1)))
        return
    net = check_linear(proto, shape)
    assert net.layers[-1].name == "fc"


def test_gemm_with_nodes_as_its_addend():
    nodes = [node("Gemm", "x w", "h"), node("Gemm", "h v h")]
    proto = model(nodes, {"w": whole((5, 4)), "v": whole((4, 4), 3)}, (1, 5))
    check_linear(proto, (1, 5))


@pytest.mark.parametrize(
    ("x_shape", "w_shape"),
    [
        ((1, 5), (5, 4)),
        ((1, 3, 5), (5, 4)),
        ((1, 2, 3, 5), (5, 4)),
        ((1, 3, 5), (1, 5, 4)),
        ((1, 5), (5,)),
        ((1, 3, 5), (5,)),
        ((1, 2, 3, 5), (2, 5, 4)),
        ((1, 1, 3, 5), (2, 5, 4)),
        ((1, 2, 3, 5), (1, 2, 5, 4)),
        ((3, 5), (5, 4)),
    ],
)
def test_mat_mul_from_the_right(x_shape, w_shape):
    proto = model([node("MatMul", "x fc.weight", "m")], {}, x_shape)
    moved = np.matmul(np.zeros(x_shape), np.zeros(w_shape)).shape[1:] or (1,)
    extra = {"fc.weight": whole(w_shape), "keep": np.array([x_shape[0], -1], np.int64)}
    nodes = [
        node("MatMul", "x fc.weight", "m"), node("Reshape", "m keep", "flat"),
        node("MatMul", "flat v"),
    ]  # fmt: skip
    proto = model(nodes, {**extra, "v": whole((int(np.prod(moved)), 3), 7)}, x_shape)
    check_linear(proto, x_shape)


@pytest.mark.parametrize(
    ("w_shape", "x_shape"), [((4, 3), (1, 3, 5)), ((4, 3), (1, 2, 3, 5)), ((1, 4, 3), (1, 3, 5))]
)
def test_mat_mul_from_the_left(w_shape, x_shape):
    moved = np.matmul(np.zeros(w_shape), np.zeros(x_shape)).shape
    proto = read_by([node("MatMul", "fc.weight x", "m")], moved, x_shape,
                    {"fc.weight": whole(w_shape)})  # fmt: skip
    check_linear(proto, x_shape)


def test_bias_added_after_a_product_is_folded_into_it():
    nodes = [node("MatMul", "x fc.weight", "m"), node("Add", "fc.bias m")]
    proto = model(nodes, {"fc.weight": whole((5, 4)), "fc.bias": whole(4, 3)}, (1, 3, 5))
    net = adapter.load(proto, strict=True)
    assert [layer.name for layer in net.layers] == ["x", "fc"]
    assert net.coverage.status.to_dict() == {"fc.weight": "included", "fc.bias": "included"}


CONVS = [
    # x, w, attributes
    ((1, 3, 9), (4, 3, 3), {}),
    ((1, 3, 9), (4, 3, 3), {"pads": [2, 0], "strides": [2]}),
    ((1, 3, 7, 8), (4, 3, 3, 2), {}),
    ((1, 3, 7, 8), (4, 3, 3, 2), {"pads": [1, 0, 2, 3], "strides": [2, 1]}),
    ((1, 3, 9, 8), (4, 3, 3, 2), {"dilations": [2, 3], "pads": [0, 1, 1, 0]}),
    ((1, 4, 7, 6), (8, 2, 3, 3), {"group": 2, "pads": [1, 1, 1, 1]}),
    ((1, 4, 7, 6), (4, 1, 3, 3), {"group": 4, "strides": [2, 2]}),
    ((1, 2, 5, 4, 6), (3, 2, 2, 3, 2), {"pads": [0, 1, 0, 1, 0, 1], "strides": [1, 2, 2]}),
    *[
        ((1, 3, n, n + 1), (4, 3, k, 3), {"auto_pad": auto, "strides": [s, s]})
        for auto in ("SAME_UPPER", "SAME_LOWER", "VALID")
        for n, k, s in ((7, 2, 1), (8, 4, 2), (9, 3, 3), (9, 2, 4))
    ],
]


@pytest.mark.parametrize(("x_shape", "w_shape", "attributes"), CONVS)
@pytest.mark.parametrize("with_bias", [True, False])
def test_conv(x_shape, w_shape, attributes, with_bias):
    bias = whole(w_shape[0], 4) if with_bias else None
    attributes = {"kernel_shape": list(w_shape[2:]), **attributes}
    net = check_linear(single_weight("Conv", whole(w_shape), x_shape, bias, **attributes), x_shape)
    assert net.layers[-1].name == "op"
    assert net.blocks[0].kind == "conv"


@pytest.mark.parametrize("auto", ["SAME_UPPER", "SAME_LOWER"])
def test_dilated_conv_with_automatic_padding(auto):
    # onnxruntime does not have it: ONNX's own implementation is the oracle.
    proto = single_weight("Conv", whole((3, 2, 3)), (1, 2, 9), dilations=[2], auto_pad=auto)
    x = whole((1, 2, 9), 1)
    (expected,) = ReferenceEvaluator(proto).run(None, {"x": x})
    net = adapter.load(proto, strict=True)
    assert net.layers[-1].shape == expected.shape[1:]
    np.testing.assert_allclose(propagate(net, x[0])[net.layers[-1].slice], expected.reshape(-1))


TRANSPOSED = [
    ((1, 3, 5), (3, 4, 3), {}),
    ((1, 3, 4, 5), (3, 4, 3, 2), {"strides": [2, 3], "pads": [1, 0, 0, 1]}),
    ((1, 3, 4, 5), (3, 4, 3, 3), {"strides": [2, 2], "output_padding": [1, 1],
                                 "pads": [1, 1, 1, 1]}),
    ((1, 4, 4, 5), (4, 3, 3, 3), {"group": 2, "strides": [2, 1]}),
    ((1, 3, 4, 5), (3, 2, 2, 3), {"dilations": [2, 1]}),
    ((1, 2, 3, 2, 3), (2, 3, 2, 2, 2), {"strides": [2, 1, 2]}),
    ((1, 3, 5), (3, 4, 4), {"strides": [2], "auto_pad": "SAME_UPPER"}),
    ((1, 3, 5), (3, 4, 3), {"strides": [2], "auto_pad": "SAME_LOWER"}),
    ((1, 3, 5), (3, 4, 3), {"strides": [2], "auto_pad": "VALID"}),
    ((1, 3, 5), (3, 4, 3), {"strides": [2], "output_shape": [10]}),
    ((1, 3, 5), (3, 4, 3), {"strides": [2], "output_shape": [8]}),
    ((1, 3, 5), (3, 4, 3), {"strides": [2], "output_shape": [10], "auto_pad": "SAME_UPPER"}),
]  # fmt: skip


@pytest.mark.parametrize(("x_shape", "w_shape", "attributes"), TRANSPOSED)
def test_conv_transpose(x_shape, w_shape, attributes):
    bias = whole(w_shape[1] * attributes.get("group", 1), 4)
    attributes = {"kernel_shape": list(w_shape[2:]), **attributes}
    proto = single_weight("ConvTranspose", whole(w_shape), x_shape, bias, **attributes)
    check_linear(proto, x_shape)


def test_conv_transpose_that_overhangs_is_cut():
    attributes = {"kernel_shape": [3], "strides": [2], "output_shape": [14]}
    proto = single_weight("ConvTranspose", whole((3, 4, 3)), (1, 3, 5), **attributes)
    with pytest.warns(CoverageWarning, match=r"op\.weight.*ConvTranspose"):
        net = adapter.load(proto)
    assert net.layers[-1].shape == (4, 14)


def test_samples_merged_into_the_batch_are_positions():
    # Three frames a sample, each convolved on its own: as `TimeDistributed` does.
    extra = {"merged": np.array([-1, 2, 5, 4], np.int64), "conv.weight": whole((3, 2, 2, 2)),
             "conv.bias": whole(3, 5)}  # fmt: skip
    movement = [
        node("Reshape", "x merged", "frames"), node("Conv", "frames conv.weight conv.bias", "m")
    ]  # fmt: skip
    proto = read_by(movement, (3, 3, 4, 3), (1, 3, 2, 5, 4), extra)
    # What is read is one row per sample: the frames are merged back.
    proto.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.array([1, -1]), "all"))
    check_linear(proto, (1, 3, 2, 5, 4))
