"""Arithmetic, activations and normalizations of ONNX, against onnxruntime."""

import numpy as np
import pytest
from oracles.onnx_models import (
    I64,
    assert_same,
    batch_norm_model,
    check_linear,
    model,
    node,
    read_by,
    whole,
)

from cntgraph.adapters import onnx as adapter


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


def test_clip_bounds_and_exponents_are_settings_and_slopes_are_coefficients():
    nodes = [node("Gemm", "x w", "h"), node("Clip", "h low high", "a"), node("Pow", "a two", "b"),
             node("PRelu", "b slope")]  # fmt: skip
    weights = {"w": whole((5, 4)), "low": np.float32(0), "high": np.float32(6),
               "two": np.float32(2), "slope": np.full(4, 0.25, np.float32)}  # fmt: skip
    proto = model(nodes, weights, (1, 5))
    net = adapter.load(proto, strict=True)
    assert net.layers[-1].activation == "hardtanh+pow+prelu"
    assert net.coverage.status.to_dict() == {"w": "included", "slope": "folded"}


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_slopes_of_channels_do_not_widen_what_they_are_of(shape):
    """Older models have them without axes for the positions."""
    nodes = [node("Conv", "x w", "h"), node("PRelu", "h slope")]
    weights = {"w": whole((3, 2, 1)), "slope": np.full(shape, 0.25, np.float32)}
    net = adapter.load(model(nodes, weights, (1, 2, 4)), strict=True)
    assert [(layer.shape, layer.activation) for layer in net.layers[1:]] == [((3, 4), "prelu")]


def test_a_remainder_is_as_wide_as_what_divides():
    nodes = [node("Gemm", "x w", "h"), node("Mod", "h by", "m", fmod=1), node("MatMul", "m v")]
    weights = {"w": whole((5, 1)), "by": np.arange(1, 5, dtype=np.float32), "v": whole((4, 3))}
    net = adapter.load(model(nodes, weights, (1, 5)), strict=True)
    assert net.layer("gemm").activation == "mod"
    assert net.blocks[-1].n_edges == 12


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


# -- functions and normalizations that are written out -------------------------------------------

NUMBERS = {"two": 2, "three": 3, "half": 0.5, "one": 1, "eps": 1e-5, "root": 2**0.5, "c": 0.044715,
           "k": (2 / np.pi) ** 0.5}  # fmt: skip
LAST = {"axes": [-1]}
MEAN_SQUARE = [node("ReduceMean", "p", "var", **LAST), node("Add", "var eps", "ve"),
               node("Sqrt", "ve", "sd")]  # fmt: skip
WRITTEN_OUT = {
    "layer norm": (
        [node("ReduceMean", "h", "m", **LAST), node("Sub", "h m", "d"), node("Pow", "d two", "p"),
         *MEAN_SQUARE, node("Div", "d sd", "n"), node("Mul", "n g", "ng"),
         node("Add", "ng s", "z")],
        [node("LayerNormalization", "h g s", "z", axis=-1)],
    ),
    "rms norm": (
        [node("Pow", "h two", "p"), *MEAN_SQUARE, node("Reciprocal", "sd", "r"),
         node("Mul", "h r", "n"), node("Mul", "g n", "z")],
        [node("RMSNormalization", "h g", "z", axis=-1)],
    ),
    "gelu": (
        [node("Div", "h root", "a"), node("Erf", "a", "b"), node("Add", "b one", "d"),
         node("Mul", "h d", "e"), node("Mul", "e half", "z")],
        [node("Gelu", "h", "z")],
    ),
    "gelu by a tanh": (
        [node("Pow", "h three", "a"), node("Mul", "a c", "b"), node("Add", "h b", "d"),
         node("Mul", "d k", "e"), node("Tanh", "e", "f"), node("Add", "f one", "i"),
         node("Mul", "h half", "j"), node("Mul", "j i", "z")],
        [node("Gelu", "h", "z", approximate="tanh")],
    ),
    "silu": ([node("Sigmoid", "h", "a"), node("Mul", "h a", "z")],
             [node("Swish", "h", "z")]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_what_is_written_out_is_as_in_one_operation(name):
    stored = {key: np.float32(value) for key, value in NUMBERS.items()}
    stored |= {"w": whole((5, 4)), "v": whole((4, 3), 1), "g": whole(4, 2), "s": whole(4, 3)}
    nets = []
    for inner, opset in zip(WRITTEN_OUT[name], (17, 24), strict=True):
        nodes = [node("MatMul", "x w", "h"), *inner, node("MatMul", "z v")]
        used = {key: stored[key] for n in nodes for key in n.input if key in stored}
        nets.append(adapter.load(model(nodes, used, (1, 3, 5), opset), strict=True))
    assert_same(*nets)
    assert nets[0].layers[1].activation == nets[1].layers[1].activation != ""


def test_what_is_divided_is_handed_on():
    nodes = [node("MatMul", "x w", "h"), node("Sigmoid", "h", "a"), node("MatMul", "x u", "b"),
             node("Div", "a b", "d"), node("MatMul", "d v")]  # fmt: skip
    weights = {"w": whole((5, 4)), "u": whole((5, 4), 1), "v": whole((4, 3), 2)}
    net = adapter.load(model(nodes, weights, (1, 5)), strict=True)
    handed, divisor = net.blocks_into(net.layer("div"))
    assert (handed.source.start, handed.modulatory) == (net.layer("mat_mul").start, False)
    assert (divisor.source.start, divisor.modulatory) == (net.layer("mat_mul_2").start, True)


@pytest.mark.parametrize("op", ["Max", "Min"])
def test_a_choice_among_branches_has_an_edge_from_each(op):
    nodes = [node("MatMul", "x w", "a"), node("MatMul", "x u", "b"), node(op, "a b x", "y")]
    weights = {"w": whole((5, 5)), "u": whole((5, 5), 1)}
    net = adapter.load(model(nodes, weights, (1, 5)), strict=True)
    assert [block.kind for block in net.blocks_into(net.layers[-1])] == ["identity"] * 3


def test_the_mean_of_branches():
    nodes = [node("MatMul", "x w", "a"), node("MatMul", "x u", "b"), node("Mean", "a b")]
    weights = {"w": whole((5, 4)), "u": whole((5, 4), 1)}
    check_linear(model(nodes, weights, (1, 5)), (1, 5))


def test_a_choice_by_the_sign_of_neurons_is_an_activation():
    nodes = [node("MatMul", "x w", "h"), node("Greater", "h zero", "c"), node("Where", "c h zero")]
    net = adapter.load(model(nodes, {"w": whole((5, 4)), "zero": np.float32(0)}, (1, 5)))
    assert net.layers[-1].activation == "where"
    nodes = [*nodes[:2], node("MatMul", "x u", "o"), node("Where", "c h o")]
    weights = {"w": whole((5, 4)), "u": whole((5, 4), 1), "zero": np.float32(0)}
    net = adapter.load(model(nodes, weights, (1, 5)), strict=True)
    assert net.layers[-1].kind == "where"


@pytest.mark.parametrize("options", [{}, {"exclusive": 1}, {"reverse": 1}])
def test_sums_of_what_comes_before(options):
    nodes = [node("CumSum", "x axis", "m", **options)]
    check_linear(read_by(nodes, (4, 3), (1, 4, 3), {"axis": np.array(1)}), (1, 4, 3))


@pytest.mark.parametrize("op", ["ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"])
def test_norms_over_axes_are_sums_with_a_function_before_and_after(op):
    nodes = [node("MatMul", "x w", "h"), node(op, "h ax", keepdims=0)]
    net = adapter.load(model(nodes, {"w": whole((5, 4)), "ax": np.array([1])}, (1, 5)), strict=True)
    before, after = {
        "ReduceL1": ("abs", ""),
        "ReduceL2": ("pow", "sqrt"),
        "ReduceSumSquare": ("pow", ""),
        "ReduceLogSumExp": ("exp", "log"),
    }[op]
    assert [layer.activation for layer in net.layers[1:]] == [before, after]
