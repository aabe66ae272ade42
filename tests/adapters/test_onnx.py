"""ONNX against onnxruntime, and against the same network read by the PyTorch adapter.

Weights and inputs are small whole numbers, so that onnxruntime's float32 results are exact.
"""

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import nn

import cntgraph as cg
from cntgraph.adapters import onnx as adapter
from cntgraph.adapters.onnx.file import MappedTensor
from cntgraph.adapters.onnx.names import operation_name
from cntgraph.blocks import Pool
from cntgraph.errors import (
    CntGraphError,
    CoverageError,
    CoverageWarning,
    FormatError,
    InputShapeError,
    TraceError,
)

# -- helpers ----------------------------------------------------------------------------------


def whole(shape, seed=0, low=-4, high=5):
    """Whole numbers as float32, none of them zero."""
    values = np.random.default_rng(seed).integers(low, high, shape)
    return np.where(values == 0, high, values).astype(np.float32)


def model(nodes, weights, x_shape, opset=18, out="y", x_name="x", functions=(), domains=()):
    """A model from nodes; `weights` is name -> array (or TensorProto)."""
    stored = [
        w if isinstance(w, TensorProto) else numpy_helper.from_array(np.asarray(w), name)
        for name, w in weights.items()
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(x_name, TensorProto.FLOAT, x_shape)],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, None)], stored,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(
        graph, opset_imports=opsets, ir_version=8, functions=list(functions)
    )  # fmt: skip


def node(op, inputs, output="y", **attributes):
    return helper.make_node(op, inputs.split() if isinstance(inputs, str) else inputs,
                            output.split(), **attributes)  # fmt: skip


def oracle(proto, x):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {session.get_inputs()[0].name: x.astype(np.float32)})[0]


def propagate(net, x):
    """Σ Aᵀz + b, layer by layer; by the operator and by the explicit matrix alike."""
    z = np.zeros(net.n_nodes)
    first = net.layers[0]
    assert first.is_input
    z[first.slice] = x.reshape(-1)
    for layer in net.layers[1:]:
        total = np.zeros(net.n_nodes)
        for block in net.blocks_into(layer):
            source, matrix = block.source.gather(z), block.to_csr()
            if isinstance(block, Pool) and block.mode == "max":
                dense = np.where(matrix.T.toarray() > 0, source, -np.inf)
                made = dense.max(axis=1)
            else:
                made = block.rmatvec(source)
                np.testing.assert_allclose(matrix.T @ source, made, atol=1e-9)
            block.target.scatter_add(total, made + block.bias_values())
        z[layer.slice] = total[layer.slice]
    return z


def check_linear(proto, x_shape, tol=1e-6, seed=1, **options):
    """The whole network is linear (or max pooling): its last layer is the model's output."""
    x = whole(x_shape, seed)
    net = adapter.load(proto, strict=True, **options)
    last = net.layers[-1]
    assert last.is_output
    expected = oracle(proto, x)
    assert last.n_nodes == expected.size // x_shape[0]
    z = propagate(net, x[0])[last.slice]
    np.testing.assert_allclose(z, expected[0].reshape(-1), rtol=tol, atol=tol)
    return net


def read_by(movement, moved, x_shape, extra=None, opset=18):
    """A movement (nodes from x to m), read by weights that tell every place apart."""
    size = int(np.prod(moved))
    weights = {"w": whole((size, 3), 7), "all": np.array([1, -1], np.int64), **(extra or {})}
    nodes = [*movement, node("Reshape", "m all", "flat"), node("MatMul", "flat w")]
    return model(nodes, weights, x_shape, opset)


def single_weight(op, w, x_shape, bias=None, **attributes):
    weights = {"op.weight": w} | ({} if bias is None else {"op.bias": bias})
    inputs = ["x", *weights]
    return model([node(op, inputs, **attributes)], weights, x_shape)


# -- affine operations ------------------------------------------------------------------------


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
    assert net.coverage.status.to_dict() == {"fc.weight": "included", "fc.bias": "folded"}


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
    # What is read is one row a sample: the frames are merged back.
    proto.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.array([1, -1]), "all"))
    check_linear(proto, (1, 3, 2, 5, 4))


# -- pooling ----------------------------------------------------------------------------------

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


# -- data movement ----------------------------------------------------------------------------

I64 = np.int64
MOVEMENTS = {
    "Transpose": ([node("Transpose", "x", "m", perm=[0, 2, 3, 1])], (3, 4, 2), {}),
    "Flatten": ([node("Flatten", "x", "m")], (24,), {}),
    "Reshape": ([node("Reshape", "x s", "m")], (4, 6), {"s": np.array([0, 4, -1], I64)}),
    "Slice": (
        [node("Slice", "x a b c d", "m")], (2, 2, 2),
        {"a": np.array([-1, 0], I64), "b": np.array([-99, 3], I64),
         "c": np.array([3, 2], I64), "d": np.array([-2, 2], I64)},
    ),
    "Split": (
        [node("Split", "x n", "a b", axis=2), node("Concat", "b a", "m", axis=2)], (2, 3, 4),
        {"n": np.array([1, 2], I64)},
    ),
    "Squeeze": ([node("Unsqueeze", "x a", "u"), node("Squeeze", "u a", "m")], (2, 3, 4),
                {"a": np.array([2], I64)}),
    "Expand": ([node("Expand", "x s", "m")], (2, 3, 4), {"s": np.array([1, 2, 3, 4], I64)}),
    "Tile": ([node("Tile", "x s", "m")], (2, 6, 4), {"s": np.array([1, 1, 2, 1], I64)}),
    "Gather": ([node("Gather", "x i", "m", axis=3)], (2, 3, 2, 2),
               {"i": np.array([[3, 1], [0, -1]], I64)}),
    "GatherElements": ([node("GatherElements", "x i", "m", axis=1)], (1, 3, 4),
                       {"i": (np.arange(12) % 2).reshape(1, 1, 3, 4)}),
    "GatherND": ([node("GatherND", "x i", "m")], (4, 4),
                 {"i": np.array([[0, 1, 2], [0, 0, 1], [0, 0, 0], [0, 1, 0]], I64)}),
    "Pad": ([node("Pad", "x p", "m")], (3, 5, 4), {"p": np.array([0, 1, 0, 2, 0, 0, 2, -2], I64)}),
    "Pad reflect": ([node("Pad", "x p", "m", mode="reflect")], (2, 5, 6),
                    {"p": np.array([0, 0, 2, 1, 0, 0, 0, 1], I64)}),
    "Pad edge": ([node("Pad", "x p", "m", mode="edge")], (2, 5, 6),
                 {"p": np.array([0, 0, 2, 1, 0, 0, 0, 1], I64)}),
    "DepthToSpace": ([node("Concat", "x x", "c", axis=1),
                      node("DepthToSpace", "c", "m", blocksize=2, mode="CRD")], (1, 6, 8), {}),
    "SpaceToDepth": ([node("Concat", "x x", "c", axis=2),
                      node("SpaceToDepth", "c", "m", blocksize=2)], (8, 3, 2), {}),
    "Identity": ([node("Identity", "x", "a"), node("Dropout", "a", "m")], (2, 3, 4), {}),
    "Cast": ([node("Cast", "x", "m", to=TensorProto.FLOAT)], (2, 3, 4), {}),
    "Resize": ([node("Resize", ["x", "", "f"], "m", mode="nearest")], (2, 6, 8),
               {"f": np.array([1, 1, 2, 2], np.float32)}),
    "Trilu": ([node("Trilu", "x", "m", upper=1)], (2, 3, 4), {}),
    "Where": ([node("Where", "c x z", "m")], (2, 3, 4),
              {"c": np.arange(12).reshape(1, 1, 3, 4) % 2 == 0,
               "z": np.zeros((), np.float32)}),
    "Shape": (
        [node("Shape", "x", "s"), node("Gather", "s one", "n"), node("Unsqueeze", "n zero", "u"),
         node("Concat", "first u rest", "t", axis=0), node("Reshape", "x t", "m")], (2, 12),
        {"one": np.array(1, I64), "zero": np.array([0], I64), "first": np.array([1], I64),
         "rest": np.array([-1], I64)},
    ),
    "ReverseSequence": ([node("ReverseSequence", "x n", "m", batch_axis=0, time_axis=1)],
                        (2, 3, 4), {"n": np.array([2], I64)}),
    "ScatterND": ([node("ConstantOfShape", "s", "u"), node("ScatterND", "x i u", "m")], (2, 3, 4),
                  {"i": np.array([[0, 1]], I64), "s": np.array([1, 3, 4], I64)}),
}  # fmt: skip


@pytest.mark.parametrize("case", MOVEMENTS)
def test_movement(case):
    nodes, moved, extra = MOVEMENTS[case]
    check_linear(read_by(nodes, moved, (1, 2, 3, 4), extra), (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("opset", "nodes", "weights"),
    [
        (7, [node("Upsample", "x", "m", mode="nearest", scales=[1.0, 1.0, 2.0, 2.0])], {}),
        (9, [node("Upsample", "x f", "m")], {"f": np.array([1, 1, 2, 2], np.float32)}),
        (10, [node("Resize", "x f", "m")], {"f": np.array([1, 1, 2, 2], np.float32)}),
    ],
)
def test_resizing_in_older_operator_sets(opset, nodes, weights):
    check_linear(read_by(nodes, (2, 6, 8), (1, 2, 3, 4), weights, opset), (1, 2, 3, 4))


def test_resizing_between_nodes_is_cut():
    proto = model([node("Resize", ["x", "", "f"], mode="linear")],
                  {"f": np.array([1, 1, 2, 2], np.float32)}, (1, 2, 3, 4))  # fmt: skip
    with pytest.warns(CoverageWarning, match="Resize"):
        assert adapter.load(proto).layers[-1].shape == (2, 6, 8)


def test_a_learned_constant_joined_to_nodes_is_no_node():
    nodes = [node("Concat", "token x", "c", axis=1), node("MatMul", "c w")]
    proto = model(nodes, {"token": whole((1, 1, 5)), "w": whole((5, 4))}, (1, 3, 5))
    with pytest.warns(CoverageWarning, match="token: a learned constant joined to nodes"):
        net = adapter.load(proto)
    np.testing.assert_array_equal(net.blocks[0].source.as_ids().reshape(5, 4)[:, 0], -1)


def test_settings_are_no_parameters():
    nodes, moved, extra = MOVEMENTS["Slice"]
    net = adapter.load(read_by(nodes, moved, (1, 2, 3, 4), extra), strict=True)
    assert list(net.coverage.index) == ["w"]


def test_ids_survive_exactly_where_float32_would_not_hold_them():
    big = 1 << 25
    nodes = [node("Reshape", "x s", "a"), node("Slice", "a from to ax", "b"),
             node("MatMul", "b w")]  # fmt: skip
    weights = {"s": np.array([1, -1, 8], I64), "from": np.array([big // 8 - 1], I64),
               "to": np.array([big // 8], I64), "ax": np.array([1], I64),
               "w": whole((8, 2))}  # fmt: skip
    net = adapter.load(model(nodes, weights, (1, big)), strict=True)
    np.testing.assert_array_equal(net.blocks[0].source.as_ids(), np.arange(big - 8, big))


# -- elementwise ------------------------------------------------------------------------------


def test_residual_addition_receives_the_edges_of_both_branches():
    nodes = [node("Gemm", "x a.weight", "a", transB=1), node("Relu", "a", "r"),
             node("Gemm", "r b.weight", "b", transB=1), node("Add", "b r")]  # fmt: skip
    weights = {"a.weight": whole((4, 5)), "b.weight": whole((4, 4), 1)}
    net = adapter.load(model(nodes, weights, (1, 5)), strict=True)
    assert [layer.name for layer in net.layers] == ["x", "a", "add"]
    assert net.layer("a").activation == "relu"
    assert sorted(b.kind for b in net.blocks_into(net.layers[-1])) == ["dense", "identity"]


@pytest.mark.parametrize(
    ("op", "inputs", "constant"),
    [
        ("Add", "h c", (4,)),
        ("Add", "c h", (1, 4)),
        ("Sub", "h c", (4,)),
        ("Sub", "c h", (4,)),
        ("Mul", "h c", (4,)),
        ("Mul", "c h", ()),
        ("Div", "h c", (4,)),
        ("Sum", "h c h", (4,)),
        ("Neg", "h", None),
        ("Sub", "h h2", None),
        ("Add", "h h2", None),
        ("Sum", "h h2 h", None),
    ],
)
def test_arithmetic(op, inputs, constant):
    nodes = [node("Gemm", "x w", "h"), node("Gemm", "x w2", "h2"), node(op, inputs, "m"),
             node("MatMul", "m v")]  # fmt: skip
    weights = {"w": whole((5, 4)), "w2": whole((5, 4), 2), "v": whole((4, 3), 5)}
    if constant is not None:
        weights["c"] = whole(constant, 3)
    if "h2" not in inputs:
        del weights["w2"]
        del nodes[1]
    check_linear(model(nodes, weights, (1, 5)), (1, 5))


def test_a_constant_subtracted_by_channel_of_an_image():
    weights = {
        "mean": whole((1, 3, 1, 1)),
        "std": whole((3, 1, 1), 2, 1, 9),
        "w": whole((2, 3, 2, 2)),
    }
    nodes = [node("Sub", "x mean", "a"), node("Div", "a std", "b"), node("Conv", "b w")]
    check_linear(model(nodes, weights, (1, 3, 5, 4)), (1, 3, 5, 4), tol=1e-5)


def test_product_of_a_neuron_with_a_function_of_itself_is_an_activation():
    nodes = [node("Gemm", "x w", "h"), node("Sigmoid", "h", "s"), node("Mul", "h s")]
    net = adapter.load(model(nodes, {"w": whole((5, 4))}, (1, 5)), strict=True)
    assert net.layers[-1].activation == "sigmoid+mul"


def test_product_of_branches_modulates():
    nodes = [node("Gemm", "x w", "h"), node("Gemm", "x v", "g"), node("Mul", "h g")]
    net = adapter.load(model(nodes, {"w": whole((5, 4)), "v": whole((5, 4), 2)}, (1, 5)))
    assert [b.modulatory for b in net.blocks_into(net.layers[-1])] == [False, True]


@pytest.mark.parametrize(
    ("op", "name", "attributes"),
    [
        ("Relu", "relu", {}), ("Sigmoid", "sigmoid", {}), ("Tanh", "tanh", {}),
        ("Softmax", "softmax", {"axis": -1}), ("LogSoftmax", "log_softmax", {}),
        ("Erf", "erf", {}), ("LeakyRelu", "leaky_relu", {"alpha": 0.2}), ("Elu", "elu", {}),
        ("HardSwish", "hardswish", {}), ("Softplus", "softplus", {}), ("Gelu", "gelu", {}),
        ("Exp", "exp", {}), ("Selu", "selu", {}), ("Mish", "mish", {}),
    ],
)  # fmt: skip
def test_activation(op, name, attributes):
    nodes = [node("Gemm", "x w", "h"), node(op, "h", "a", **attributes), node("Gemm", "a v")]
    weights = {"w": whole((5, 4)), "v": whole((4, 3))}
    net = adapter.load(model(nodes, weights, (1, 5), opset=20), strict=True)
    assert [layer.activation for layer in net.layers] == ["", name, ""]
    assert net.n_layers == 3


def test_clip_bounds_and_exponents_are_settings_and_slopes_are_skipped():
    nodes = [node("Gemm", "x w", "h"), node("Clip", "h low high", "a"), node("Pow", "a two", "b"),
             node("PRelu", "b slope")]  # fmt: skip
    weights = {"w": whole((5, 4)), "low": np.float32(0), "high": np.float32(6),
               "two": np.float32(2), "slope": np.full(4, 0.25, np.float32)}  # fmt: skip
    proto = model(nodes, weights, (1, 5))
    with pytest.warns(CoverageWarning, match="slope: a coefficient of the activation prelu"):
        net = adapter.load(proto)
    assert net.layers[-1].activation == "clamp+pow+prelu"
    assert net.coverage.status.to_dict() == {"w": "included", "slope": "skipped"}


# -- normalisations ---------------------------------------------------------------------------


def batch_norm_model(opset=18):
    weights = {"conv.weight": whole((4, 3, 3, 3)), "conv.bias": whole(4, 1),
               "bn.weight": whole(4, 2), "bn.bias": whole(4, 3), "bn.running_mean": whole(4, 4),
               "bn.running_var": whole(4, 5, 1, 9)}  # fmt: skip
    nodes = [node("Conv", "x conv.weight conv.bias", "c"),
             node("BatchNormalization", ["c", *list(weights)[2:]], epsilon=1e-3)]  # fmt: skip
    return model(nodes, weights, (1, 3, 6, 5), opset)


def test_batch_norm_is_folded():
    net = check_linear(batch_norm_model(), (1, 3, 6, 5), tol=1e-5)
    assert [layer.name for layer in net.layers] == ["x", "conv"]
    assert set(net.coverage.status) == {"included", "folded"}
    kinds = net.coverage.kind
    assert list(kinds[kinds == "buffer"].index) == ["bn.running_mean", "bn.running_var"]


def test_batch_norm_is_kept():
    net = check_linear(batch_norm_model(), (1, 3, 6, 5), tol=1e-5, norm="keep")
    assert [layer.name for layer in net.layers] == ["x", "conv", "bn"]


@pytest.mark.parametrize(
    ("op", "attributes", "size"),
    [
        ("LayerNormalization", {"axis": -1}, 6),
        ("InstanceNormalization", {}, 4),
        ("GroupNormalization", {"num_groups": 2}, 2),
    ],
)
def test_data_dependent_norms_keep_their_gain_as_a_block(op, attributes, size):
    gain, shift = whole(size, 2), whole(size, 3)
    nodes = [node("Conv", "x conv.weight", "c"), node(op, "c n.weight n.bias", **attributes)]
    weights = {"conv.weight": whole((4, 3, 3)), "n.weight": gain, "n.bias": shift}
    net = adapter.load(model(nodes, weights, (1, 3, 8)), strict=True)
    assert [layer.name for layer in net.layers] == ["x", "conv", "n"]
    last = net.blocks[-1]
    expected = gain if size == 6 else np.repeat(gain, 6 * 4 // size)
    expected = np.broadcast_to(expected, (4, 6)) if size == 6 else expected.reshape(4, 6)
    np.testing.assert_array_equal(last.to_csr().diagonal(), expected.reshape(-1))
    wide = shift if size == 6 else np.repeat(shift, 24 // size).reshape(4, 6)
    np.testing.assert_array_equal(last.bias_values(), np.broadcast_to(wide, (4, 6)).reshape(-1))


def test_a_norm_that_learns_nothing_is_not_folded_across():
    # How PyTorch's exporter writes a group norm: statistics first, the gain after it.
    nodes = [node("Conv", "x conv.weight", "c"), node("InstanceNormalization", "c ones zeros", "i"),
             node("Mul", "i n.weight", "m"), node("Add", "m n.bias")]  # fmt: skip
    weights = {"conv.weight": whole((4, 3, 3)), "n.weight": whole((4, 1), 2),
               "n.bias": whole((4, 1), 3), "four": np.array([4], I64)}  # fmt: skip
    nodes = [node("ConstantOfShape", "four", "zeros"), node("Exp", "zeros", "ones"), *nodes]
    net = adapter.load(model(nodes, weights, (1, 3, 8)), strict=True)
    assert [layer.name for layer in net.layers] == ["x", "conv", "mul"]
    assert net.layer("conv").activation == "instance_normalization"
    np.testing.assert_array_equal(
        net.blocks[-1].to_csr().diagonal(), np.repeat(whole((4, 1), 2), 6)
    )


# -- functions of weights ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        ([node("Transpose", "a", "w")], {"a": whole((4, 5))}),
        ([node("Reshape", "a s", "w")], {"a": whole((2, 10)), "s": np.array([5, -1], I64)}),
        ([node("Slice", "a b c d", "w")],
         {"a": whole((9, 4)), "b": np.array([1], I64), "c": np.array([6], I64),
          "d": np.array([0], I64)}),
        ([node("Concat", "a b", "w", axis=1)], {"a": whole((5, 1)), "b": whole((5, 3), 1)}),
        ([node("Split", "a n", "u w", axis=1)],
         {"a": whole((5, 6)), "n": np.array([2, 4], I64)}),
        ([node("Gather", "a i", "w", axis=0)], {"a": whole((2, 5, 4)), "i": np.array(1, I64)}),
        ([node("Mul", "a g", "w")], {"a": whole((5, 4)), "g": whole(4, 1)}),
        ([node("Sub", "a g", "w")], {"a": whole((5, 4)), "g": whole((5, 1), 1)}),
        ([node("Squeeze", "a z", "w")], {"a": whole((1, 5, 4)), "z": np.array([0], I64)}),
        ([node("Identity", "a", "b"), node("Neg", "b", "c"), node("Cast", "c", "w", to=1)],
         {"a": whole((5, 4))}),
        ([node("ReduceL2", "a ax", "n"), node("Div", "a n", "w")],
         {"a": whole((5, 4)), "ax": np.array([0], I64)}),
        ([node("DequantizeLinear", "a s z", "w", axis=1)],
         {"a": np.arange(-10, 10, dtype=np.int8).reshape(5, 4), "s": whole(4, 1, 1, 5),
          "z": np.array([1, -2, 3, 0], np.int8)}),
        ([node("DequantizeLinear", "a s", "w")],
         {"a": np.arange(20, dtype=np.uint8).reshape(5, 4), "s": np.float32(0.5)}),
    ],
)  # fmt: skip
def test_functions_of_weights_are_recipes(nodes, weights):
    proto = model([*nodes, node("MatMul", "x w")], weights, (1, 5))
    net = check_linear(proto, (1, 5), tol=1e-5)
    names = {name for name, w in weights.items() if np.asarray(w).dtype != I64}
    assert {p.name for b in net.blocks for p in b.parameters()} == names
    # Other weights of the same shapes give another network, without another look at the model.
    other = model([*nodes, node("MatMul", "x w")], {
        name: w if np.asarray(w).dtype == I64 else np.asarray(w * 2, np.asarray(w).dtype)
        for name, w in weights.items()}, (1, 5))  # fmt: skip
    again = net.bind(adapter.parameters(other), {})
    np.testing.assert_allclose(
        cg.node_strength(again), cg.node_strength(adapter.load(other)), rtol=1e-12
    )


def quantised_model():
    weights = {
        "xs": np.float32(1), "xz": np.int8(0), "w": whole((4, 3, 3), 1).astype(np.int8),
        "ws": np.array([0.5, 1, 2, 4], np.float32), "wz": np.zeros(4, np.int8),
        "b": np.array([3, -4, 5, 6], np.int32), "bs": np.array([0.5, 1, 2, 4], np.float32),
    }  # fmt: skip
    nodes = [
        node("QuantizeLinear", "x xs xz", "xq"), node("DequantizeLinear", "xq xs xz", "xd"),
        node("DequantizeLinear", "w ws wz", "wd", axis=0),
        node("DequantizeLinear", "b bs", "bd", axis=0), node("Conv", "xd wd bd"),
    ]  # fmt: skip
    return model(nodes, weights, (1, 3, 8))


def test_quantised_weights_are_widened_when_read():
    net = check_linear(quantised_model(), (1, 3, 8))
    assert net.n_layers == 2
    kinds = net.coverage.kind.to_dict()
    assert {name for name, kind in kinds.items() if kind == "parameter"} == {"w", "b"}
    assert set(kinds) == {"w", "ws", "wz", "b", "bs"}
    assert net.parameters["w"].dtype == "int8"
    assert set(net.coverage.status) == {"included"}


def test_function_of_weights_that_is_no_recipe_is_computed_and_said():
    proto = model([node("Exp", "a", "w"), node("MatMul", "x w")], {"a": whole((20, 4))}, (1, 20))
    with pytest.warns(CoverageWarning, match="a: read by Exp, which was computed"):
        net = adapter.load(proto)
    x = whole((1, 20), 1)
    np.testing.assert_allclose(propagate(net, x[0])[-4:], oracle(proto, x)[0], rtol=1e-5)


def test_tied_weights_are_one_parameter():
    nodes = [node("MatMul", "x w", "h"), node("Transpose", "w", "t"), node("MatMul", "h t")]
    net = check_linear(model(nodes, {"w": whole((5, 4))}, (1, 5)), (1, 5))
    assert net.n_parameters == 20
    assert net.coverage.loc["w", "block"] == "mat_mul, mat_mul_2"


def test_constant_nodes_and_constants_of_shape_can_be_weights():
    nodes = [
        node("Constant", [], "w", value=numpy_helper.from_array(whole((5, 12)), "any")),
        node("MatMul", "x w", "h"),
        node("ConstantOfShape", "s", "v", value=numpy_helper.from_array(whole(1), "any")),
        node("MatMul", "h v"),
    ]
    proto = model(nodes, {"s": np.array([12, 6], I64)}, (1, 5))
    net = check_linear(proto, (1, 5))
    assert net.coverage.kind.to_dict() == {"w": "parameter", "v": "buffer"}


@pytest.mark.parametrize(
    "dtype", [TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE, TensorProto.FLOAT8E5M2]
)
@pytest.mark.parametrize("raw", [True, False])
def test_stored_types(dtype, raw):
    values = whole((5, 4))
    tensor = helper.make_tensor("w", dtype, (5, 4), values.reshape(-1).tolist())
    if raw:
        array = numpy_helper.to_array(tensor)
        tensor = TensorProto(name="w", dims=(5, 4), data_type=dtype, raw_data=array.tobytes())
    net = adapter.load(model([node("MatMul", "x w")], {"w": tensor}, (1, 5), 20), strict=True)
    np.testing.assert_array_equal(net.blocks[0].weight.read(), values.T)


def test_functions_are_written_out():
    body = [node("MatMul", "a b", "t"), node("Relu", "t", "y")]
    function = helper.make_function(
        "own", "Layer", ["a", "b"], ["y"], body, [helper.make_opsetid("", 18)]
    )
    nodes = [
        helper.make_node("Layer", ["x", "w"], ["h"], domain="own"),
        helper.make_node("Layer", ["h", "t"], ["y"], domain="own"),
    ]
    weights = {"w": whole((5, 4)), "t": whole((4, 3))}
    net = adapter.load(
        model(nodes, weights, (1, 5), functions=[function], domains=["own"]), strict=True
    )
    assert [layer.activation for layer in net.layers] == ["", "relu", "relu"]
    assert set(net.coverage.status) == {"included"}


def test_function_that_calls_itself_is_refused():
    body = [helper.make_node("Layer", ["a"], ["y"], domain="own")]
    function = helper.make_function(
        "own", "Layer", ["a"], ["y"], body, [helper.make_opsetid("own", 1)]
    )
    nodes = [helper.make_node("Layer", ["x"], ["y"], domain="own")]
    proto = model(nodes, {}, (1, 5), functions=[function], domains=["own"])
    with pytest.raises(FormatError, match="calls itself"):
        adapter.load(proto)


def test_functions_that_multiply_are_refused():
    opset = [helper.make_opsetid("own", 1), helper.make_opsetid("", 18)]
    functions = []
    for k in range(40):
        inner = "Relu" if k == 0 else f"f{k - 1}"
        domain = "" if k == 0 else "own"
        body = [helper.make_node(inner, ["a"], ["b"], domain=domain),
                helper.make_node(inner, ["b"], ["y"], domain=domain)]  # fmt: skip
        functions.append(helper.make_function("own", f"f{k}", ["a"], ["y"], body, opset))
    nodes = [helper.make_node("f39", ["x"], ["y"], domain="own")]
    proto = model(nodes, {}, (1, 5), functions=functions, domains=["own"])
    with pytest.raises(FormatError, match="stand for over"):
        adapter.load(proto)


# -- inputs -----------------------------------------------------------------------------------


def gemm_model(x_shape):
    return model([node("MatMul", "x fc.weight")], {"fc.weight": whole((5, 4))}, x_shape)


def test_an_open_batch_is_one_sample():
    assert adapter.load(gemm_model(["N", 5])).n_nodes == 9
    assert adapter.load(gemm_model([None, 5])).n_nodes == 9


def test_a_fixed_batch_is_the_same_nodes_over_and_over():
    nodes = [node("MatMul", "x w", "h"), node("Relu", "h", "r"), node("Add", "r r2", "s"),
             node("MatMul", "x v", "r2")]  # fmt: skip
    nodes = [nodes[0], nodes[1], nodes[3], nodes[2]]
    weights = {"w": whole((5, 4)), "v": whole((5, 4), 1)}
    one, many = (adapter.load(model(nodes, weights, (n, 3, 5), out="s")) for n in (1, 6))
    np.testing.assert_array_equal(cg.node_strength(one), cg.node_strength(many))
    images = [
        adapter.load(single_weight("Conv", whole((4, 3, 3, 3)), (n, 3, 6, 5))) for n in (1, 4)
    ]
    np.testing.assert_array_equal(*(cg.node_strength(net) for net in images))


def test_other_open_axes_need_a_size():
    proto = gemm_model(["N", "time", 5])
    with pytest.raises(InputShapeError, match=r"axis 1 \('time'\) of the input 'x'"):
        adapter.load(proto)
    assert adapter.load(proto, input_shape=(7, 5)).layers[0].shape == (7, 5)
    assert adapter.load(proto, example_input=np.zeros((2, 3, 5))).layers[0].shape == (3, 5)
    named = {"x": np.zeros((2, 3, 5))}
    assert adapter.load(proto, example_input=named).layers[0].shape == (3, 5)


@pytest.mark.parametrize("shape", [(5, 5, 5), (7, 6)])
def test_a_size_that_does_not_fit(shape):
    with pytest.raises(InputShapeError, match="input 'x'"):
        adapter.load(gemm_model(["N", "time", 5]), input_shape=shape)


def test_an_input_without_a_shape():
    proto = gemm_model(None)
    with pytest.raises(InputShapeError, match="does not say the shape"):
        adapter.load(proto)
    assert adapter.load(proto, input_shape=(5,)).n_nodes == 9


def test_old_models_list_weights_among_the_inputs():
    proto = gemm_model((1, 5))
    proto.graph.input.append(helper.make_tensor_value_info("fc.weight", TensorProto.FLOAT, (5, 4)))
    assert adapter.load(proto, strict=True).n_nodes == 9


# -- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "op", "expected"),
    [
        ("/layer1/conv/Conv", "Conv", "layer1.conv"), ("/Relu_1", "Relu", "relu"),
        ("/layer1/Add_2", "Add", "layer1.add"), ("node_max_pool2d", "MaxPool", "max_pool2d"),
        ("", "GlobalAveragePool", "global_average_pool"), ("n4", "Conv", "n4"),
        ("", "LRN", "lrn"),
    ],
)  # fmt: skip
def test_operation_names(name, op, expected):
    assert operation_name(onnx.NodeProto(op_type=op, name=name)) == expected


# -- what is left out -------------------------------------------------------------------------


def unknown_model(op="Einsum", domain="", **attributes):
    cut = helper.make_node(op, ["h", "u"], ["c"], domain=domain, **attributes)
    nodes = [node("MatMul", "x w", "h"), cut, node("MatMul", "c v")]
    weights = {"w": whole((5, 4)), "u": whole((4, 6)), "v": whole((6, 3))}
    return model(nodes, weights, (1, 5), domains=[domain] if domain else [])


def test_an_unknown_operation_cuts_the_graph_and_is_said():
    proto = unknown_model(equation="bi,io->bo")
    with pytest.warns(CoverageWarning, match="read by Einsum"):
        net = adapter.load(proto)
    assert net.coverage.status.to_dict() == {
        "w": "included", "u": "skipped", "v": "included", "einsum": "skipped"
    }  # fmt: skip
    assert net.layer("einsum").shape == (6,)
    with pytest.raises(CoverageError, match="Einsum"):
        adapter.load(proto, strict=True)


def test_an_operation_of_another_domain_cuts_the_graph():
    proto = unknown_model("Magic", "com.example")
    proto.graph.value_info.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, ("N", 6)))
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    with pytest.warns(CoverageWarning, match=r"com\.example\.Magic"):
        net = adapter.load(proto)
    assert net.layers[-2].shape == (6,)


def test_a_branch_cuts_the_graph():
    branches = [
        helper.make_graph([node("MatMul", f"x {w}", f"o{w}")], "b", [],
                          [helper.make_tensor_value_info(f"o{w}", TensorProto.FLOAT, (1, 4))])
        for w in "ab"
    ]  # fmt: skip
    nodes = [node("ReduceSum", "x", "s", keepdims=0), node("Cast", "s", "c", to=TensorProto.BOOL),
             node("If", "c", then_branch=branches[0], else_branch=branches[1])]  # fmt: skip
    proto = model(nodes, {"a": whole((5, 4)), "b": whole((5, 4), 1)}, (1, 5))
    with pytest.warns(CoverageWarning, match="If"):
        net = adapter.load(proto)
    assert list(net.coverage.status) == ["skipped"] * 3
    assert net.coverage.loc["b", "reason"] == "read inside of If, which is not followed"
    assert net.layers[-1].shape == (4,)


def test_a_recurrent_layer_is_cut_with_its_shape():
    weights = {"w": whole((1, 24, 5)), "r": whole((1, 24, 6)), "v": whole((6, 2))}
    nodes = [node("LSTM", "x w r", "s last", hidden_size=6), node("MatMul", "last v")]
    with pytest.warns(CoverageWarning, match="w: read by LSTM"):
        net = adapter.load(model(nodes, weights, (7, 1, 5)))
    assert set(net.coverage.loc[["w", "r", "lstm"], "status"]) == {"skipped"}
    assert net.layers[-1].n_nodes == 2


def test_the_type_of_neurons_is_a_float():
    nodes = [node("Shape", "x", "s"), node("Gather", "s one", "n"), node("CastLike", "n x", "c"),
             node("Sqrt", "c", "r"), node("Div", "x r", "d"), node("MatMul", "d w")]  # fmt: skip
    check_linear(model(nodes, {"one": np.array(1, I64), "w": whole((5, 4))}, (1, 5)), (1, 5))


def test_local_response_normalisation_is_an_activation():
    nodes = [node("Conv", "x w", "h"), node("LRN", "h", size=3)]
    net = adapter.load(model(nodes, {"w": whole((4, 3, 2, 2))}, (1, 3, 5, 5)), strict=True)
    assert net.layers[-1].activation == "local_response_norm"


def test_an_embedding_is_said_to_be_left_out():
    nodes = [node("Cast", "x", "i", to=TensorProto.INT64), node("Gather", "table i", "e"),
             node("MatMul", "e w")]  # fmt: skip
    proto = model(nodes, {"table": whole((10, 4)), "w": whole((4, 3))}, (1, 6))
    with pytest.warns(CoverageWarning, match="table: read by Gather"):
        net = adapter.load(proto)
    assert net.layer("gather").shape == (6, 4)


def test_weights_that_nothing_reads_are_listed():
    proto = gemm_model((1, 5))
    proto.graph.initializer.append(numpy_helper.from_array(whole((2, 2)), "left.over"))
    net = adapter.load(proto, strict=True)
    assert net.coverage.loc["left.over", "reason"] == "no operation of the model reads it"


# -- files ------------------------------------------------------------------------------------


def big_model():
    weights = {"a.weight": whole((64, 41)), "b.weight": whole((3, 64), 1)}
    nodes = [node("Gemm", "x a.weight", "h", transB=1), node("Gemm", "h b.weight", transB=1)]
    return model(nodes, weights, (1, 41))


def test_a_file_gives_the_same_as_the_live_model(tmp_path):
    proto, path = big_model(), tmp_path / "m.onnx"
    onnx.save(proto, path)
    net = cg.load(path, strict=True)
    np.testing.assert_array_equal(cg.node_strength(net), cg.node_strength(cg.load(proto)))
    check_linear(proto, (1, 41))


def test_long_weights_stay_in_the_file(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(big_model(), path)
    net = cg.load(path)
    data = net.parameters["a.weight"].data
    assert isinstance(data, MappedTensor)
    assert not isinstance(net.parameters["b.weight"].data, MappedTensor)
    # What is written to the file now is what is read then.
    raw = whole((64, 41)).tobytes()
    content = path.read_bytes()
    at = content.index(raw)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(np.full((64, 41), 3, np.float32).tobytes())
    assert (net.parameters["a.weight"].read(0, 5, 7) == 3).all()
    assert data[2:4].shape == (2, 41)


@pytest.mark.parametrize("shift", range(4))
def test_what_is_read_is_aligned_wherever_it_lies(tmp_path, shift):
    proto = big_model()
    proto.graph.name = "g" * (shift + 1)
    onnx.save(proto, tmp_path / "m.onnx")
    net = cg.load(tmp_path / "m.onnx")
    assert net.parameters["a.weight"].read(0, 2, 4).flags.aligned
    expected = cg.node_strength(cg.load(proto))
    np.testing.assert_array_equal(cg.node_strength(net), expected)


def test_not_a_number_weights_load(tmp_path):
    weight = whole((64, 41))
    weight[3, 4], weight[5, 6] = np.nan, np.inf
    proto = model([node("Gemm", "x fc.weight", transB=1)], {"fc.weight": weight}, (1, 41))
    onnx.save(proto, tmp_path / "m.onnx")
    net = cg.load(tmp_path / "m.onnx", strict=True)
    statistics = net.blocks[0].statistics()
    assert (statistics.n_nan, statistics.n_inf) == (1, 1)


def test_every_beginning_of_a_file_is_refused(tmp_path):
    path = tmp_path / "m.onnx"
    whole_file = big_model().SerializeToString()
    lengths = {*range(0, 400, 3), *range(400, len(whole_file), 397), len(whole_file) - 1,
               len(whole_file) - 4, len(whole_file) - 6}  # fmt: skip
    for length in sorted(lengths):
        path.write_bytes(whole_file[:length])
        with pytest.raises(FormatError, match=r"m\.onnx"):
            cg.load(path)
    path.write_bytes(whole_file)
    assert cg.load(path).n_nodes == 41 + 64 + 3


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused(tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(FormatError):
        cg.load(path)


def test_damaged_bytes_never_lead_to_another_error(tmp_path):
    rng, path = np.random.default_rng(3), tmp_path / "m.onnx"
    sound = {
        "conv": batch_norm_model(),
        "move": read_by(*MOVEMENTS["Slice"][:2], (1, 2, 3, 4), MOVEMENTS["Slice"][2]),
    }
    outcomes = set()
    for proto in sound.values():
        content = np.frombuffer(proto.SerializeToString(), np.uint8)
        for _ in range(400):
            damaged = content.copy()
            damaged[rng.integers(0, content.size, 3)] = rng.integers(0, 256, 3)
            path.write_bytes(damaged.tobytes())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    cg.node_strength(cg.load(path))
                    outcomes.add("loaded")
                except CntGraphError as error:
                    outcomes.add(type(error).__name__)
    assert {"loaded", "FormatError", "TraceError"} <= outcomes


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04zip", b"\x80\x02pickle.", b"{}", b"\n" * 100, b"\0"]
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="expected an ONNX model"):
        cg.load(path)


def test_a_model_without_operations_is_refused():
    with pytest.raises(FormatError, match="with operations"):
        adapter.load(onnx.ModelProto())
    proto = gemm_model((1, 5))
    del proto.opset_import[:]
    with pytest.raises(FormatError, match="operator set"):
        adapter.load(proto)


def test_a_name_that_is_no_text(tmp_path):
    content = gemm_model((1, 5)).SerializeToString().replace(b"fc.weight", b"fc\xffweight")
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(FormatError, match=r"m\.onnx"):
        cg.load(tmp_path / "m.onnx")


def test_tensors_of_another_size_than_they_say():
    proto = gemm_model((1, 5))
    proto.graph.initializer[0].raw_data = b"\0" * 12
    with pytest.raises(FormatError, match=r"'fc\.weight' of shape \(5, 4\).*needs 80 bytes, 12"):
        adapter.load(proto)
    proto.graph.initializer[0].ClearField("raw_data")
    with pytest.raises(FormatError, match="no data of that size"):
        adapter.load(proto)
    proto.graph.initializer[0].dims[0] = -5
    with pytest.raises(FormatError, match="described wrongly"):
        adapter.load(proto)


def test_an_operation_that_cannot_be_carried_out():
    proto = read_by(
        [node("Reshape", "x s", "m")], (24,), (1, 2, 3, 4), {"s": np.array([7, 7], I64)}
    )
    with pytest.raises(TraceError, match="Reshape"):
        adapter.load(proto)
    proto = model([node("MatMul", "x nowhere")], {}, (1, 5))
    with pytest.raises(FormatError, match="'nowhere', which nothing before it makes"):
        adapter.load(proto)


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        ([node("Tile", "x n", "m")], {"n": np.array([1, 1 << 40], I64)}),
        ([node("Expand", "x n", "m")], {"n": np.array([1 << 20, 1 << 20, 1, 24], I64)}),
        ([node("Range", "a b c", "r"), node("Add", "x r", "m")],
         {"a": np.array(0, I64), "b": np.array(1 << 50, I64), "c": np.array(1, I64)}),
        ([node("ConstantOfShape", "n", "r"), node("Add", "x r", "m")],
         {"n": np.array([1 << 31, 1 << 20], I64)}),
        ([node("Pad", "x n", "m")], {"n": np.array([0, 1 << 40, 0, 0], I64)}),
    ],
)  # fmt: skip
def test_a_few_bytes_cannot_ask_for_all_memory(nodes, weights):
    with pytest.raises(TraceError, match="values, more than"):
        adapter.load(model([*nodes, node("Relu", "m")], weights, (1, 24)))


# -- external data ----------------------------------------------------------------------------


@pytest.fixture
def external(tmp_path):
    """A model whose weights lie in w.bin, as a path."""
    folder = tmp_path / "model"
    folder.mkdir()
    onnx.save_model(big_model(), folder / "m.onnx", save_as_external_data=True, location="w.bin",
                    size_threshold=0)  # fmt: skip
    return folder / "m.onnx"


def edit(path, **changes):
    proto = onnx.load(path, load_external_data=False)
    for entry in proto.graph.initializer[0].external_data:
        entry.value = str(changes.get(entry.key, entry.value))
    path.write_bytes(proto.SerializeToString())


def test_external_data(external):
    net = cg.load(external, strict=True)
    np.testing.assert_array_equal(cg.node_strength(net), cg.node_strength(cg.load(big_model())))
    assert isinstance(net.parameters["a.weight"].data, MappedTensor)


def test_external_data_that_are_missing(external):
    (external.parent / "w.bin").unlink()
    with pytest.raises(FormatError, match=r"w\.bin.*is missing"):
        cg.load(external)


def test_external_data_that_are_cut_off(external):
    data = external.parent / "w.bin"
    data.write_bytes(data.read_bytes()[:-8])
    with pytest.raises(FormatError, match="the file is cut off"):
        cg.load(external)
    data.write_bytes(b"")
    with pytest.raises(FormatError, match="the file is cut off"):
        cg.load(external)


@pytest.mark.parametrize(
    "location",
    [
        "../w.bin",
        "/etc/passwd",
        "sub/../../w.bin",
        "",
        "..\\w.bin",
        "link.bin",
        "C:\\w.bin",
        "a\0b",
    ],
)
def test_external_data_outside_of_the_folder_are_not_opened(external, location):
    outside = external.parent.parent / "w.bin"
    outside.write_bytes((external.parent / "w.bin").read_bytes())
    (external.parent / "link.bin").symlink_to(outside)
    (external.parent / "sub").mkdir()
    edit(external, location=location)
    with pytest.raises(FormatError, match="outside of the model's folder"):
        cg.load(external)


@pytest.mark.parametrize(
    "place",
    [{"offset": -4}, {"offset": 1 << 62}, {"length": 1 << 62}, {"length": 8}, {"offset": "x"}],
)
def test_external_data_at_a_wrong_place(external, place):
    edit(external, **place)
    with pytest.raises(FormatError, match=r"a\.weight"):
        cg.load(external)


def test_a_live_model_has_no_folder(external):
    with pytest.raises(FormatError, match="a live model has no folder"):
        cg.load(onnx.load(external, load_external_data=False))


def test_a_folder_in_the_place_of_data(external):
    (external.parent / "w.bin").unlink()
    (external.parent / "w.bin").mkdir()
    with pytest.raises(FormatError, match="is missing"):
        cg.load(external)


# -- the same network from PyTorch ------------------------------------------------------------


class Residual(nn.Module):
    """Batch norms, a residual addition, pooling, a concatenation, a flatten."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(6)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(12 * 4 * 3, 7)

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        z = self.pool(torch.relu(self.bn2(self.conv2(y)) + y))
        return self.fc(torch.cat([z, nn.functional.avg_pool2d(y, 2)], 1).flatten(1))


def convolutions():
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, groups=2, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 5, 3, dilation=2, padding=2, stride=2), nn.Tanh(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(5, 3),
    )  # fmt: skip


MODELS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.Sigmoid(),
                                  nn.Linear(4, 2)), (6,)),
    "residual": (Residual, (3, 8, 6)),
    "convolutions": (convolutions, (4, 9, 8)),
    "1d": (lambda: nn.Sequential(nn.Conv1d(3, 4, 3, stride=2), nn.ReLU(), nn.AvgPool1d(2),
                                 nn.Conv1d(4, 2, 2)), (3, 15)),
    "3d": (lambda: nn.Sequential(nn.Conv3d(2, 3, 2), nn.BatchNorm3d(3), nn.MaxPool3d(2)),
           (2, 5, 7, 6)),
    "positions": (lambda: nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.LayerNorm(8),
                                        nn.Linear(8, 3)), (4, 5)),
    "transposed": (lambda: nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(),
        nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1)), (2, 6, 5)),
}  # fmt: skip


def trained(make, seed=0):
    """A model whose batch norms have statistics, too."""
    torch.manual_seed(seed)
    net = make().eval()
    for module in net.modules():
        if hasattr(module, "running_var"):
            for values in (module.running_mean, module.weight.data, module.bias.data):
                values.normal_()
            module.running_var.uniform_(0.5, 2.0)
    return net


def export(net, shape, path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (torch.zeros(1, *shape),), path, verbose=False,
                          **{"dynamo": True, "external_data": False, **options})  # fmt: skip
    return path


def assert_same(left, right, *, names=True):
    """The same layers in the same order, with the same strengths."""
    shapes = [[tuple(n for n in layer.shape if n != 1) for layer in net.layers]
              for net in (left, right)]  # fmt: skip
    assert shapes[0] == shapes[1]
    for direction in ("in", "out"):
        for edges in ("parametric", "all"):
            options = {"direction": direction, "edges": edges}
            parts = (net.split(cg.node_strength(net, **options)) for net in (left, right))
            for (_, a), (_, b) in zip(*(part.items() for part in parts), strict=True):
                a, b = a.reshape(-1), b.reshape(-1)
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * np.abs(b).max(initial=0))
    if names:
        assert [layer.name for layer in left.layers[1:]] == [
            layer.name for layer in right.layers[1:]
        ]


@pytest.mark.parametrize("name", MODELS)
def test_same_strengths_as_the_live_module(tmp_path, name):
    make, shape = MODELS[name]
    live = trained(make)
    saved = cg.load(export(live, shape, tmp_path / "m.onnx", optimize=False), strict=True)
    expected = cg.load(live, input_shape=shape, strict=True)
    assert_same(saved, expected)
    assert not (saved.coverage.status == "skipped").any()
    tensors = dict(live.named_parameters())
    assert {p for p, v in saved.parameters.items() if v.trainable} == set(tensors)
    assert saved.n_parameters == expected.n_parameters


@pytest.mark.parametrize("name", MODELS)
def test_coverage_is_complete_after_the_exporters_optimizer(tmp_path, name):
    # It folds batch norms into the stored weights, in float32.
    make, shape = MODELS[name]
    live = trained(make)
    path = export(live, shape, tmp_path / "m.onnx")
    saved = cg.load(path, strict=True)
    floats = [t.name for t in onnx.load(path).graph.initializer if t.data_type == TensorProto.FLOAT]
    assert set(saved.coverage.loc[floats, "status"]) <= {"included", "folded"}
    expected = cg.load(live, input_shape=shape)
    a, b = (cg.node_strength(net) for net in (saved, expected))
    np.testing.assert_allclose(a, b, atol=1e-4 * np.abs(b).max())


@pytest.mark.parametrize("name", ["residual", "positions", "1d"])
def test_the_older_exporter(tmp_path, name):
    make, shape = MODELS[name]
    live = trained(make)
    options = {"dynamo": False, "do_constant_folding": False,
               "training": torch.onnx.TrainingMode.TRAINING}  # fmt: skip
    options = {k: v for k, v in options.items() if k != "external_data"}
    saved = cg.load(export(live, shape, tmp_path / "m.onnx", **options), strict=True)
    live.eval()
    assert_same(saved, cg.load(live, input_shape=shape), names=False)


def test_an_open_batch_from_pytorch(tmp_path):
    live = trained(Residual)
    shapes = ({0: torch.export.Dim("batch")},)
    path = tmp_path / "m.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(live, (torch.zeros(2, 3, 8, 6),), path, dynamo=True, optimize=False,
                          dynamic_shapes=shapes, external_data=False, verbose=False)  # fmt: skip
    assert_same(cg.load(path, strict=True), cg.load(live, input_shape=(3, 8, 6)))


def test_external_data_from_pytorch(tmp_path):
    live = trained(MODELS["mlp"][0])
    path = export(live, (6,), tmp_path / "m.onnx", optimize=False, external_data=True)
    assert Path(f"{path}.data").exists()
    assert_same(cg.load(path, strict=True), cg.load(live, input_shape=(6,)))


# -- the models shipped with onnx -------------------------------------------------------------

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "resnet50"])
def test_light_models_are_covered(name):
    net = cg.load(LIGHT / f"light_{name}.onnx", strict=True)
    skipped = net.coverage[net.coverage.status == "skipped"]
    assert not [reason for reason in skipped.reason if "no operation of the model" not in reason]
