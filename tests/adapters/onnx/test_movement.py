"""Movement of data in ONNX, against onnxruntime."""

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper
from oracles.onnx_models import I64, check_linear, model, node, read_by, whole

from cntgraph.adapters import onnx as adapter
from cntgraph.adapters.onnx.settings import sets

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


def test_a_learned_constant_joined_to_nodes_is_nodes_without_edges():
    nodes = [node("Concat", "token x", "c", axis=1), node("Reshape", "c all", "f"),
             node("MatMul", "f w")]  # fmt: skip
    weights = {"token": whole((1, 1, 5)), "w": whole((20, 4), 1), "all": np.array([1, -1])}
    net = check_linear(model(nodes, weights, (1, 3, 5)), (1, 3, 5))
    assert [layer.kind for layer in net.layers] == ["input", "learned", "dense"]
    assert net.coverage.loc["token", "status"] == "included"


@pytest.mark.parametrize("saturate", [0, 1])
def test_what_becomes_a_large_integer_is_a_setting_and_nothing_else_says_so(saturate):
    for to, setting in ((TensorProto.INT64, True), (TensorProto.FLOAT, False)):
        assert sets(node("Cast", "w", to=to, saturate=saturate), 0, ()) == setting


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


# -- resizing --------------------------------------------------------------------------------------

COORDINATES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric",
               "align_corners")  # fmt: skip


@pytest.mark.parametrize("how", COORDINATES)
@pytest.mark.parametrize("nearest", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
@pytest.mark.parametrize("sizes", [(5, 9), (2, 3), (7, 4)])
def test_resizing_to_the_nearest(how, nearest, sizes):
    nodes = [node("Resize", ["x", "", "", "n"], "m", mode="nearest", nearest_mode=nearest,
                  coordinate_transformation_mode=how)]  # fmt: skip
    extra = {"n": np.array([1, 2, *sizes], I64)}
    check_linear(read_by(nodes, (2, *sizes), (1, 2, 3, 4), extra, 19), (1, 2, 3, 4))


@pytest.mark.parametrize("how", COORDINATES)
@pytest.mark.parametrize("smooth", [0, 1])
@pytest.mark.parametrize("sizes", [(5, 9), (2, 3), (7, 4), (4, 8)])
def test_resizing_between_neurons(how, smooth, sizes):
    nodes = [node("Resize", ["x", "", "", "n"], mode="linear", antialias=smooth,
                  coordinate_transformation_mode=how)]  # fmt: skip
    proto = model(nodes, {"n": np.array([1, 2, *sizes], I64)}, (1, 2, 4, 8), 19)
    net = check_linear(proto, (1, 2, 4, 8), tol=1e-4)
    assert not any(block.parametric for block in net.blocks)


@pytest.mark.parametrize("scales", [(2.0, 3.0), (1.7, 0.6), (1.0, 0.5)])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resizing_by_factors(scales, mode):
    nodes = [node("Resize", ["x", "", "f"], "m", mode=mode, nearest_mode="floor")]
    sizes = tuple(int(n * f) for n, f in zip((5, 4), scales, strict=True))
    extra = {"f": np.array([1, 1, *scales], np.float32)}
    check_linear(read_by(nodes, (2, *sizes), (1, 2, 5, 4), extra), (1, 2, 5, 4), tol=1e-4)


@pytest.mark.parametrize("opset", [7, 9, 10])
def test_resizing_between_neurons_in_older_operator_sets(opset):
    op = "Resize" if opset == 10 else "Upsample"
    extra = {} if opset == 7 else {"f": np.array([1, 1, 2, 2], np.float32)}
    attributes = {"scales": [1.0, 1.0, 2.0, 2.0]} if opset == 7 else {}
    nodes = [node(op, ["x", *extra], "m", mode="linear", **attributes)]
    check_linear(read_by(nodes, (2, 6, 8), (1, 2, 3, 4), extra, opset), (1, 2, 3, 4))


# -- constants among neurons -----------------------------------------------------------------------


def test_padding_by_a_number_is_a_node_of_that_value():
    nodes = [node("Pad", "x p value", "m")]
    extra = {"p": np.array([0, 0, 1, 0, 0, 0, 0, 2], I64), "value": np.float32(3)}
    net = check_linear(read_by(nodes, (2, 4, 6), (1, 2, 3, 4), extra), (1, 2, 3, 4))
    assert net.layers[1].shape == (1,)
    assert net.bias()[net.layers[1].slice] == 3


def test_numbers_joined_to_neurons_are_nodes():
    nodes = [node("Concat", "x c", "m", axis=2)]
    extra = {"c": np.arange(8, dtype=np.float64).astype(np.float32).reshape(1, 2, 1, 4)}
    net = check_linear(read_by(nodes, (2, 4, 4), (1, 2, 3, 4), extra), (1, 2, 3, 4))
    assert net.layers[1].n_nodes == 8


def test_numbers_put_in_the_place_of_neurons():
    nodes = [node("Where", "c x z", "m")]
    choice = np.arange(12).reshape(1, 1, 3, 4) % 3 == 0
    extra = {"c": choice, "z": np.float32(-2)}
    check_linear(read_by(nodes, (2, 3, 4), (1, 2, 3, 4), extra), (1, 2, 3, 4))


def test_a_token_repeated_over_the_batch():
    nodes = [node("Shape", "x", "s"), node("Gather", "s zero", "n"),
             node("Concat", "n t1", "t", axis=0), node("Expand", "token t", "k"),
             node("Concat", "k x", "m", axis=1)]  # fmt: skip
    extra = {"zero": np.array([0], I64), "t1": np.array([1, 4], I64), "token": whole((1, 1, 4), 3)}
    for n in (1, 2):
        proto = read_by(nodes, (4, 4), (n, 3, 4), extra)
        proto.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.array([n, -1]), "all"))
        net = check_linear(proto, (n, 3, 4))
        assert [layer.kind for layer in net.layers] == ["input", "learned", "dense"]


# -- sequences -------------------------------------------------------------------------------------


def test_parts_of_a_sequence():
    nodes = [node("SplitToSequence", "x n", "s", axis=2), node("SequenceAt", "s one", "a"),
             node("SequenceAt", "s last", "b"), node("SequenceConstruct", "a b", "t"),
             node("SequenceInsert", "t a zero", "u"), node("SequenceErase", "u one", "v"),
             node("ConcatFromSequence", "v", "m", axis=2)]  # fmt: skip
    extra = {"n": np.array([1, 2], I64), "one": np.array(1), "last": np.array(-1),
             "zero": np.array(0)}  # fmt: skip
    check_linear(read_by(nodes, (2, 4, 4), (1, 2, 3, 4), extra), (1, 2, 3, 4))


def test_parts_of_one_and_a_new_axis():
    nodes = [node("SplitToSequence", "x", "s", axis=3, keepdims=0),
             node("ConcatFromSequence", "s", "m", axis=1, new_axis=1)]  # fmt: skip
    check_linear(read_by(nodes, (4, 2, 3), (1, 2, 3, 4)), (1, 2, 3, 4))


def test_the_length_of_a_sequence_is_a_constant():
    nodes = [node("SequenceEmpty", [], "e"), node("SequenceInsert", "e x", "s"),
             node("SequenceLength", "s", "n"), node("Reshape", "n one", "k"),
             node("Concat", "k minus", "t", axis=0), node("Reshape", "x t", "m")]  # fmt: skip
    extra = {"one": np.array([1]), "minus": np.array([2, -1])}
    check_linear(read_by(nodes, (2, 12), (1, 2, 3, 4), extra), (1, 2, 3, 4))


# -- operator sets -------------------------------------------------------------------------------


@pytest.mark.parametrize("opset", [7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23])
def test_every_operator_set(opset):
    """What once were attributes are inputs now."""
    weights = {"w": whole((4, 2, 3)), "v": whole((4, 3), 1)}

    def told(op, inputs, output, since, constants, **attributes):
        if opset < since:
            return node(op, inputs, output, **{k: v.tolist() for k, v in constants.items()},
                        **attributes)  # fmt: skip
        weights.update({f"{output}.{k}": v for k, v in constants.items()})
        return node(op, [inputs, *(f"{output}.{k}" for k in constants)], output, **attributes)

    axes = {"axes": np.array([3], I64)}
    nodes = [
        told("Pad", "x", "p", 11, {"pads": np.array([0, 0, 1, 0, 0, 1], I64)}),
        node("Conv", "p w", "c"),
        told("Slice", "c", "s", 10, {"starts": np.array([1], I64), "ends": np.array([99], I64),
                                     "axes": np.array([2], I64)}),
        told("Unsqueeze", "s", "u", 13, axes), told("Squeeze", "u", "q", 13, axes),
        told("Split", "q", "h", 13, {"split": np.array([2, 2], I64)}, axis=1),
        node("Concat", "h2 h", "j", axis=1),
        told("ReduceSum", "j", "r", 13, {"axes": np.array([2], I64)}, keepdims=0),
        node("MatMul", "r v"),
    ]  # fmt: skip
    nodes[5].output.append("h2")
    check_linear(model(nodes, weights, (1, 2, 9), opset), (1, 2, 9))
