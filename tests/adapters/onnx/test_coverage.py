"""What is left out of an ONNX model, and how it is said."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from oracles.onnx_models import I64, check_linear, gemm_model, model, node, whole

from cntgraph.adapters import onnx as adapter
from cntgraph.core.errors import CoverageError, CoverageWarning


def unknown_model(op="Unheard", domain="", shape=(1, 6)):
    cut = helper.make_node(op, ["h", "u"], ["c"], domain=domain)
    nodes = [node("MatMul", "x w", "h"), cut, node("MatMul", "c v")]
    weights = {"w": whole((5, 4)), "u": whole((4, 6)), "v": whole((6, 3))}
    proto = model(nodes, weights, (1, 5), domains=[domain] if domain else [])
    proto.graph.value_info.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, shape))
    return proto


def test_an_unknown_operation_cuts_the_graph_and_is_said():
    proto = unknown_model()
    with pytest.warns(CoverageWarning, match="read by Unheard"):
        net = adapter.load(proto)
    assert net.coverage.status.to_dict() == {
        "w": "included", "u": "skipped", "v": "included", "unheard": "skipped"
    }  # fmt: skip
    assert net.layer("unheard").shape == (6,)
    with pytest.raises(CoverageError, match="Unheard"):
        adapter.load(proto, strict=True)


def test_an_operation_of_another_domain_cuts_the_graph():
    proto = unknown_model("Magic", "com.example", ("N", 6))
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


def test_a_constant_condition_chooses_a_branch():
    branches = [
        helper.make_graph([node("MatMul", f"x {w}", f"o{w}")], "b", [],
                          [helper.make_tensor_value_info(f"o{w}", TensorProto.FLOAT, (1, 4))])
        for w in "ab"
    ]  # fmt: skip
    nodes = [node("Size", "x", "s"), node("Greater", "s five", "c"),
             node("If", "c", then_branch=branches[0], else_branch=branches[1])]  # fmt: skip
    weights = {"a": whole((5, 4)), "b": whole((5, 4), 1), "five": np.array(5)}
    net = check_linear(model(nodes, weights, (1, 5)), (1, 5), covered=False)
    assert net.coverage.status.to_dict() == {"a": "skipped", "b": "included"}


@pytest.mark.parametrize(
    ("inner", "inputs", "attributes", "reason"),
    [
        (
            "Resize",
            ["h", "", "f"],
            {"coordinate_transformation_mode": "tf_half_pixel_for_nn"},
            "coordinates by tf_half",
        ),
        ("LpPool", ["h"], {"kernel_shape": [2]}, "a norm of its window"),
    ],
)
def test_the_reason_is_said(inner, inputs, attributes, reason):
    nodes = [node("Conv", "x w", "h"), node(inner, inputs, "c", **attributes),
             node("Relu", "c")]  # fmt: skip
    weights = {"w": whole((4, 3, 2)), "f": np.array([1, 1, 2], np.float32)}
    proto = model(nodes, weights, (1, 3, 9))
    with pytest.warns(CoverageWarning, match=reason):
        adapter.load(proto)


def test_the_type_of_neurons_is_a_float():
    nodes = [node("Shape", "x", "s"), node("Gather", "s one", "n"), node("CastLike", "n x", "c"),
             node("Sqrt", "c", "r"), node("Div", "x r", "d"), node("MatMul", "d w")]  # fmt: skip
    check_linear(model(nodes, {"one": np.array(1, I64), "w": whole((5, 4))}, (1, 5)), (1, 5))


def test_local_response_normalization_is_an_activation():
    nodes = [node("Conv", "x w", "h"), node("LRN", "h", size=3)]
    net = adapter.load(model(nodes, {"w": whole((4, 3, 2, 2))}, (1, 3, 5, 5)), strict=True)
    assert net.layers[-1].activation == "local_response_norm"


def test_an_embedding_makes_the_input_one_hot():
    nodes = [node("Cast", "x", "i", to=TensorProto.INT64), node("Gather", "table i", "e"),
             node("MatMul", "e w")]  # fmt: skip
    proto = model(nodes, {"table": whole((10, 4)), "w": whole((4, 3))}, (1, 6))
    net = adapter.load(proto, strict=True)
    assert [layer.shape for layer in net.layers] == [(10, 6), (4, 6), (3, 6)]


def test_an_embedding_of_computed_indices_is_said_to_be_left_out():
    nodes = [node("MatMul", "x v", "h"), node("Cast", "h", "i", to=TensorProto.INT64),
             node("Gather", "table i", "e"), node("MatMul", "e w")]  # fmt: skip
    weights = {"v": whole((6, 6)), "table": whole((10, 4)), "w": whole((4, 3))}
    with pytest.warns(CoverageWarning, match="table: an embedding of indices that are computed"):
        adapter.load(model(nodes, weights, (1, 6)))


def test_weights_that_nothing_reads_are_listed():
    proto = gemm_model((1, 5))
    proto.graph.initializer.append(numpy_helper.from_array(whole((2, 2)), "left.over"))
    net = adapter.load(proto, strict=True)
    assert net.coverage.loc["left.over", "reason"] == "no operation of the model reads it"
