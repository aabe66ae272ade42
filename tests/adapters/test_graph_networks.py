"""Graph networks of other frameworks, on a given graph: exact, and nothing is a sample."""

import numpy as np
import pytest
from oracles.propagate import propagate

import cntgraph as cg
from cntgraph.core.errors import FormatError

EDGES = np.array([[0, 1, 2, 3, 4, 0, 2, 1], [1, 2, 3, 4, 0, 2, 4, 1]])
RNG = np.random.default_rng(4)
X, A, B = (RNG.normal(size=shape).astype(np.float32) for shape in ((5, 3), (3, 4), (4, 2)))


def check(source, expected, **options):
    net = cg.load(source, example_input=(X, EDGES), batched=False, strict=True, **options)
    _, after = propagate(net, X)
    (last,) = [after[layer.name] for layer in net.layers if layer.is_output]
    np.testing.assert_allclose(last.reshape(2, 5).T, expected, rtol=1e-5, atol=1e-6)


def test_jax():
    import jax

    jnp = jax.numpy

    def convolved(p, x, edges):
        source, target = edges
        norm = jax.lax.rsqrt(jnp.zeros(5).at[target].add(1.0) + 1)
        x = x @ p["a"]
        messages = x[source] * (norm[source] * norm[target])[:, None]
        return jax.nn.relu(jnp.zeros_like(x).at[target].add(messages)) @ p["b"]

    def largest(p, x, edges):
        return jax.ops.segment_max(x[edges[0]], edges[1], 5) @ p["a"] @ p["b"]

    for model in (convolved, largest):
        params = {"a": jnp.array(A), "b": jnp.array(B)}
        check(model, model(params, X, EDGES), params=params)


def test_onnx():
    import onnx

    node, stored = onnx.helper.make_node, onnx.numpy_helper.from_array
    nodes = [
        node("MatMul", ["x", "a"], ["h"]),
        node("Gather", ["edges", "zero"], ["source"]),
        node("Gather", ["edges", "one"], ["target"]),
        node("Gather", ["h", "source"], ["messages"]),
        node("Unsqueeze", ["target", "last"], ["column"]),
        node("ScatterND", ["nothing", "column", "messages"], ["sum"], reduction="add"),
        node("Expand", ["column", "wide"], ["places"]),
        node("ScatterElements", ["sum", "places", "messages"], ["more"], reduction="add"),
        node("Relu", ["more"], ["r"]),
        node("MatMul", ["r", "b"], ["y"]),
    ]
    known = {"a": A, "b": B, "zero": np.int64(0), "one": np.int64(1), "last": np.array([1]),
             "wide": np.array([8, 4]), "nothing": np.zeros((5, 4), np.float32)}  # fmt: skip
    value, kinds = onnx.helper.make_tensor_value_info, onnx.TensorProto
    inputs = [value("x", kinds.FLOAT, (5, 3)), value("edges", kinds.INT64, (2, 8))]
    outputs = [value("y", kinds.FLOAT, (5, 2))]
    tensors = [stored(array, name) for name, array in known.items()]
    graph = onnx.helper.make_graph(nodes, "gnn", inputs, outputs, tensors)
    total = np.zeros((5, 4))
    np.add.at(total, EDGES[1], 2 * (X @ A)[EDGES[0]])
    opset = [onnx.helper.make_opsetid("", 18)]
    check(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), total.clip(0) @ B)


def test_keras_always_has_samples():
    import keras

    with pytest.raises(FormatError, match="always that of samples"):
        cg.load(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), batched=False)
