"""Movement of data in ONNX, against onnxruntime."""

import numpy as np
import pytest
from onnx import TensorProto
from oracles.onnx_models import I64, check_linear, model, node, read_by, whole

from cntgraph.adapters import onnx as adapter

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
