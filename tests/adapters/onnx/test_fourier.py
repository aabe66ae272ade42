"""Fourier transforms of ONNX, against its reference."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from oracles.propagate import propagate

import cntgraph as cg
from cntgraph.core.errors import CoverageWarning

RNG = np.random.default_rng(2)


def transforming(opset, axis, length, parts, **attributes):
    """A dense layer at five positions, whose numbers (or pairs of them) are transformed."""
    stored = {"w": RNG.normal(size=(4, 3 * parts)).astype(np.float32),
              "shape": np.array([1, 5, 3, parts]), "length": np.array(length or 0),
              "axis": np.array(axis), "flat": np.array([1, -1])}  # fmt: skip
    inputs = ["pairs", "length" if length else ""]
    if opset < 20:
        attributes["axis"] = axis
    else:
        inputs.append("axis")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Reshape", ["h", "shape"], ["pairs"]),
        helper.make_node("DFT", inputs, ["made"], **attributes),
        helper.make_node("Reshape", ["made", "flat"], ["row"]),
        helper.make_node("MatMul", ["row", "end"], ["y"]),
    ]
    n = {axis: length} if length else {}
    if attributes.get("onesided"):
        n = {axis: (length or (1, 5, 3)[axis]) // 2 + 1}
    n_values = 2 * int(np.prod([n.get(k, size) for k, size in ((1, 5), (2, 3))]))
    stored["end"] = RNG.normal(size=(n_values, 2)).astype(np.float32)
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 5, 4))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("a", "b"))],
        [numpy_helper.from_array(value, name) for name, value in stored.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


@pytest.mark.parametrize("opset", [17, 20])
@pytest.mark.parametrize(("axis", "length", "parts", "attributes"), [
    (1, None, 1, {}), (2, None, 2, {"inverse": 1}), (1, 7, 1, {"onesided": 1}), (1, 3, 2, {}),
    (2, 4, 1, {"onesided": 1}), (1, None, 2, {}),
])  # fmt: skip
def test_every_value_is_that_of_the_reference(opset, axis, length, parts, attributes):
    model = transforming(opset, axis, length, parts, **attributes)
    onnx.checker.check_model(model)
    x = RNG.normal(size=(1, 5, 4)).astype(np.float32)
    (expected,) = ReferenceEvaluator(model).run(None, {"x": x})
    net = cg.load(model, strict=True)
    _, after = propagate(net, x[0])
    (end,) = [layer.name for layer in net.layers if layer.is_output]
    np.testing.assert_allclose(after[end], expected[0], rtol=1e-4, atol=1e-4)


def test_the_inverse_of_half_of_the_frequencies_is_cut():
    with pytest.warns(CoverageWarning, match="half of the frequencies"):
        cg.load(transforming(20, 1, None, 2, inverse=1, onesided=1))
