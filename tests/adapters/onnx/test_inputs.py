"""Inputs of ONNX models, and the names of operations."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from oracles.onnx_models import I64, gemm_model, model, node, single_weight, whole

import cntgraph as cg
from cntgraph.adapters import onnx as adapter
from cntgraph.adapters.onnx.names import operation_name
from cntgraph.core.errors import CoverageWarning, InputShapeError, UnknownNameError


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


# -- tokens, masks, lengths ----------------------------------------------------------------------


def also_input(proto, name, kind, shape):
    proto.graph.input.append(helper.make_tensor_value_info(name, kind, shape))
    return proto


def tokens(nodes, weights, *more, shape=("N", "T")):
    """A model of whole numbers; `more` are further inputs."""
    table = {"table": whole((11, 4)), **weights}
    proto = model([node("Gather", "table x", "e"), *nodes], table, list(shape), 18)
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    for name, kind, size in more:
        also_input(proto, name, kind, size)
    return proto


READ = [node("MatMul", "e w")]


def test_tokens_become_one_hot():
    net = adapter.load(tokens(READ, {"w": whole((4, 3))}), input_shape=(5,), strict=True)
    assert [layer.shape for layer in net.layers] == [(11, 5), (4, 5), (3, 5)]
    assert net.layers[0].is_input
    np.testing.assert_array_equal(net.blocks[0].weight.read()[..., 0], whole((11, 4)).T)
    example = adapter.load(tokens(READ, {"w": whole((4, 3))}), example_input=np.ones((2, 5), int))
    np.testing.assert_array_equal(cg.node_strength(net), cg.node_strength(example))


def test_positions_that_are_constant_are_a_bias():
    nodes = [node("Gather", "places i", "p"), node("Add", "e p", "h"), node("MatMul", "h w")]
    weights = {"places": whole((9, 4), 1), "i": np.array([[4, 2, 0]]), "w": whole((4, 3))}
    net = adapter.load(tokens(nodes, weights, shape=(1, 3)), strict=True)
    assert [layer.shape for layer in net.layers] == [(11, 3), (4, 3), (3, 3)]
    bias = net.bias()[net.layers[1].slice].reshape(4, 3)
    np.testing.assert_array_equal(bias.T, whole((9, 4), 1)[[4, 2, 0]])


def masked(fill):
    """Every token's features are taken away where the mask says so."""
    return [node("Unsqueeze", "mask last", "m"), node("Cast", "m", "c", to=TensorProto.BOOL),
            node("Where", "c e fill", "h"), node("MatMul", "h w")], {
        "last": np.array([-1]), "fill": np.float32(fill), "w": whole((4, 3))}  # fmt: skip


def test_a_mask_hides_nothing_unless_it_is_given():
    proto = tokens(*masked(0.0), ("mask", TensorProto.INT64, ("N", "T")))
    net = adapter.load(proto, input_shape=(5,), strict=True)
    assert (net.blocks[-1].source.as_ids() >= 0).all()
    assert net.coverage.loc["mask", "reason"].endswith("taken as ones")
    given = {"x": np.ones((1, 5), int), "mask": np.array([[1, 1, 0, 1, 0]])}
    net = adapter.load(proto, example_input=given, strict=True)
    hidden = net.blocks[-1].source.as_ids().reshape(4, 5) < 0
    np.testing.assert_array_equal(hidden, np.broadcast_to(given["mask"] == 0, (4, 5)))
    assert net.coverage.loc["mask", "reason"].endswith("taken as given")


def test_a_mask_that_follows_from_tokens_hides_nothing_unless_they_are_given():
    nodes, weights = masked(0.0)
    nodes = [node("Equal", "x pad", "is"), node("Not", "is", "mask"), *nodes]
    proto = tokens(nodes, {**weights, "pad": np.array(0)})
    net = adapter.load(proto, input_shape=(5,), strict=True)
    assert (net.blocks[-1].source.as_ids() >= 0).all()
    assert "nothing is masked" in net.coverage.loc["where", "reason"]
    net = adapter.load(proto, example_input=np.array([[3, 1, 0, 2, 0]]), strict=True)
    assert (net.blocks[-1].source.as_ids() < 0).sum() == 8


def test_positions_that_follow_from_tokens_need_an_example():
    nodes = [
        node("Equal", "x pad", "is"),
        node("Not", "is", "n"),
        node("Cast", "n", "c", to=TensorProto.INT64),
        node("CumSum", "c one", "i"),
        node("Gather", "places i", "p"),
        node("Add", "e p", "h"),
        node("MatMul", "h w"),
    ]
    weights = {"pad": np.array(0), "one": np.array(1), "places": whole((9, 4), 1),
               "w": whole((4, 3))}  # fmt: skip
    proto = tokens(nodes, weights)
    with pytest.warns(CoverageWarning, match="pass example_input with its values"):
        adapter.load(proto, input_shape=(3,))
    net = adapter.load(proto, example_input=np.array([[3, 0, 2]]), strict=True)
    bias = net.bias()[net.layers[1].slice].reshape(4, 3)
    np.testing.assert_array_equal(bias.T, whole((9, 4), 1)[[1, 1, 2]])


def test_what_the_tokens_select_is_as_in_the_example():
    """The features at the largest token, as where a text ends."""
    nodes = [node("ArgMax", "x", "at", axis=1, keepdims=1), node("Unsqueeze", "at last", "i"),
             node("Expand", "i wide", "j"), node("GatherElements", "e j", "s", axis=1),
             node("MatMul", "s w")]  # fmt: skip
    weights = {"last": np.array([-1]), "wide": np.array([1, 1, 4]), "w": whole((4, 3))}
    proto = tokens(nodes, weights)
    with pytest.warns(CoverageWarning, match="pass example_input with its values"):
        adapter.load(proto, input_shape=(3,))
    net = adapter.load(proto, example_input=np.array([[3, 9, 2]]), strict=True)
    first, last = net.layers[1], net.blocks[-1]
    np.testing.assert_array_equal(last.source.as_ids() - first.start, np.arange(4) * 3 + 1)
    assert "as for the example" in net.coverage.loc["gather_elements", "reason"]


def test_a_shape_that_is_an_input():
    nodes = [node("Expand", "x shape", "h"), node("Reshape", "h all", "f"), node("MatMul", "f w")]
    weights = {"all": np.array([1, -1], I64), "w": whole((12, 2))}
    proto = also_input(model(nodes, weights, (1, 1, 3)), "shape", TensorProto.INT64, (3,))
    net = adapter.load(proto, example_input={"x": np.zeros((1, 1, 3)), "shape": [1, 4, 3]})
    np.testing.assert_array_equal(net.blocks[0].source.as_ids(), np.tile(np.arange(3), 4))


def test_an_example_that_is_not_of_the_inputs_is_refused():
    with pytest.raises(UnknownNameError, match="no input is called 'y'; the inputs are: x"):
        adapter.load(gemm_model(["N", 5]), example_input={"y": np.zeros((1, 5))})
    with pytest.raises(InputShapeError, match=r"expected an example of 1 inputs \(x\), got 2"):
        adapter.load(gemm_model(["N", 5]), example_input=(np.zeros((1, 5)), np.zeros(3)))


def test_whole_numbers_that_are_computed_with_are_no_tokens():
    nodes = [node("Cast", "x", "c", to=TensorProto.FLOAT), node("Mul", "c scale", "s"),
             node("Conv", "s w")]  # fmt: skip
    proto = model(nodes, {"scale": np.float32(1 / 255), "w": whole((2, 3, 2, 2))}, (1, 3, 4, 4))
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    net = adapter.load(proto, strict=True)
    assert net.layers[0].shape == (3, 4, 4)
    assert not any(layer.kind == "embedding" for layer in net.layers)


def test_several_inputs_are_several_layers():
    nodes = [node("MatMul", "x w", "a"), node("MatMul", "z v", "b"), node("Add", "a b")]
    proto = model(nodes, {"w": whole((5, 4)), "v": whole((3, 4), 1)}, ("N", 5))
    also_input(proto, "z", TensorProto.FLOAT, ("N", 3))
    net = adapter.load(proto, strict=True)
    assert [layer.name for layer in net.layers] == ["x", "z", "add"]
    given = (np.zeros((2, 5)), np.zeros((2, 3)))
    assert adapter.load(proto, example_input=given).n_nodes == net.n_nodes
