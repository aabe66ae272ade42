"""Arithmetic, activations and normalisations of ONNX, against onnxruntime."""

import numpy as np
import pytest
from oracles.onnx_models import I64, batch_norm_model, check_linear, model, node, whole

from cntgraph.adapters import onnx as adapter
from cntgraph.errors import (
    CoverageWarning,
)


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
    assert net.layers[-1].activation == "silu"


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
    assert net.layer("conv").activation == "instance_norm"
    np.testing.assert_array_equal(
        net.blocks[-1].to_csr().diagonal(), np.repeat(whole((4, 1), 2), 6)
    )
