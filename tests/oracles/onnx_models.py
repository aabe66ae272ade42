"""Small ONNX models, what onnxruntime makes of them, and a walk through their graph.

Weights and inputs are small whole numbers, so that onnxruntime's float32 results are exact.
"""

import warnings

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import cntgraph as cg
from cntgraph.adapters import onnx as adapter
from cntgraph.network.blocks import Pool

I64 = np.int64


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
    import onnxruntime as ort

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


def check_linear(proto, x_shape, tol=1e-6, seed=1, *, covered=True, **options):
    """The whole network is linear (or max pooling): its last layer is the model's output."""
    x = whole(x_shape, seed)
    with warnings.catch_warnings():
        if not covered:
            warnings.simplefilter("ignore")
        net = adapter.load(proto, strict=covered, **options)
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


def gemm_model(x_shape):
    return model([node("MatMul", "x fc.weight")], {"fc.weight": whole((5, 4))}, x_shape)


def batch_norm_model(opset=18):
    weights = {"conv.weight": whole((4, 3, 3, 3)), "conv.bias": whole(4, 1),
               "bn.weight": whole(4, 2), "bn.bias": whole(4, 3), "bn.running_mean": whole(4, 4),
               "bn.running_var": whole(4, 5, 1, 9)}  # fmt: skip
    nodes = [node("Conv", "x conv.weight conv.bias", "c"),
             node("BatchNormalization", ["c", *list(weights)[2:]], epsilon=1e-3)]  # fmt: skip
    return model(nodes, weights, (1, 3, 6, 5), opset)


def export(net, shape, path, **options):
    """Export a module for an input of zeros of a shape, or for the tensor that is given."""
    import torch

    example = shape if isinstance(shape, torch.Tensor) else torch.zeros(1, *shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (example,), path, verbose=False,
                          **{"dynamo": True, "external_data": False, **options})  # fmt: skip
    return path


def assert_same(left, right, *, names=True, tol=1e-10):
    """The same layers in the same order, with the same strengths."""
    assert [layer.shape for layer in left.layers] == [layer.shape for layer in right.layers]
    for direction in ("in", "out"):
        for edges in ("parametric", "all"):
            options = {"direction": direction, "edges": edges}
            parts = (net.split(cg.node_strength(net, **options)) for net in (left, right))
            for (_, a), (_, b) in zip(*(part.items() for part in parts), strict=True):
                a, b = a.reshape(-1), b.reshape(-1)
                np.testing.assert_allclose(a, b, rtol=tol, atol=tol * np.abs(b).max(initial=0))
    if names:
        assert [layer.name for layer in left.layers[1:]] == [
            layer.name for layer in right.layers[1:]
        ]
