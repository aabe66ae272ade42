"""Inputs of ONNX models, and the names of operations."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from oracles.onnx_models import gemm_model, model, node, single_weight, whole

import cntgraph as cg
from cntgraph.adapters import onnx as adapter
from cntgraph.adapters.onnx.names import operation_name
from cntgraph.errors import (
    InputShapeError,
)


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
