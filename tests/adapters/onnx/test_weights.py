"""Functions of stored weights in ONNX models: recipes."""

import tracemalloc

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from oracles.onnx_models import I64, check_linear, model, node, oracle, propagate, whole

import cntgraph as cg
from cntgraph.adapters import onnx as adapter
from cntgraph.core.errors import CoverageWarning, FormatError


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
        ([node("Gather", "a i", "w", axis=0)],
         {"a": whole((4, 4)), "i": np.array([3, 0, 0, -1, 2], I64)}),
        ([node("Slice", "a b c d e", "w")],
         {"a": whole((9, 4)), "b": np.array([-1], I64), "c": np.array([-99], I64),
          "d": np.array([0], I64), "e": np.array([-2], I64)}),
        ([node("Tile", "a n", "w")], {"a": whole((5, 2)), "n": np.array([1, 2], I64)}),
        ([node("Expand", "a n", "w")], {"a": whole((5, 1)), "n": np.array([5, 4], I64)}),
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


def quantized_model():
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


def test_quantized_weights_are_widened_when_read():
    net = check_linear(quantized_model(), (1, 3, 8))
    assert net.n_layers == 2
    kinds = net.coverage.kind.to_dict()
    assert {name for name, kind in kinds.items() if kind == "parameter"} == {"w", "b"}
    assert set(kinds) == {"w", "ws", "wz", "b", "bs"}
    assert net.parameters["w"].dtype == "int8"
    assert set(net.coverage.status) == {"included"}


def test_function_of_weights_that_is_no_recipe_is_computed_and_said():
    nodes = [node("Atan", "a", "w"), node("MatMul", "x w")]
    proto = model(nodes, {"a": whole((20, 4))}, (1, 20))
    with pytest.warns(CoverageWarning, match="a: used as a constant, by way of Atan"):
        net = adapter.load(proto)
    assert not net.blocks[0].parametric
    x = whole((1, 20), 1)
    np.testing.assert_allclose(propagate(net, x[0])[-4:], oracle(proto, x)[0], rtol=1e-5)


def test_squares_and_roots_of_weights():
    nodes = [node("Pow", "a two", "b"), node("Pow", "b half", "w"), node("MatMul", "x w")]
    weights = {"a": whole((5, 4)), "two": np.float32(2), "half": np.float32(0.5)}
    check_linear(model(nodes, weights, (1, 5)), (1, 5), tol=1e-5)


@pytest.mark.parametrize("flat", [True, False])
def test_what_a_sparse_tensor_does_not_store_is_no_edge(flat):
    dense = np.zeros((5, 4), np.float32)
    dense[[0, 2, 4], [1, 0, 3]] = [2.0, -1.0, 3.0]
    places = np.argwhere(dense) if not flat else np.flatnonzero(dense)
    proto = model([node("MatMul", "x w")], {}, (1, 5))
    proto.graph.sparse_initializer.append(
        onnx.SparseTensorProto(
            values=numpy_helper.from_array(dense[dense != 0], "w"),
            indices=numpy_helper.from_array(places, "w.places"),
            dims=dense.shape,
        )
    )
    net = adapter.load(proto, strict=True)
    np.testing.assert_array_equal(net.blocks[0].weight.read(), dense.T)
    assert net.coverage.loc["w", "status"] == "included"
    assert net.n_edges == 3
    assert adapter.load(proto, zeros="edges").n_edges == 20


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


def test_weights_that_are_doubled_or_negated_over_and_over():
    doubled = [node("Add", f"w{k} w{k}", f"w{k + 1}") for k in range(40)]
    scaled = [node("Mul", "w40 small", "w"), node("MatMul", "x w")]
    weights = {"w0": whole((5, 4)), "small": np.float32(2.0**-40)}
    check_linear(model([*doubled, *scaled], weights, (1, 5)), (1, 5))
    chain = [node("Neg", f"w{k}", f"w{k + 1}") for k in range(1000)]
    proto = model([*chain, node("MatMul", "x w1000")], {"w0": whole((20, 4))}, (1, 20))
    with pytest.warns(CoverageWarning, match="used as a constant, by way of Neg"):
        net = adapter.load(proto)
    np.testing.assert_array_equal(net.blocks[0].weight.read(), whole((20, 4)).T)


def test_weights_that_are_all_one_number_are_not_written_out():
    """As in architectures without their weights: 36 MB here, 411 in one of them."""
    shape = {"shape": np.array([3000, 3000], np.int64)}
    nodes = [node("ConstantOfShape", "shape", "w"), node("Gemm", "x w", transB=1)]
    proto = model(nodes, shape, (1, 3000))
    adapter.load(proto)  # what is imported for it
    tracemalloc.start()
    net = adapter.load(proto)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert net.n_edges == 9_000_000
    assert peak < 8_000_000
