"""Damaged ONNX files: errors of cntgraph's own or networks, quickly, and no memory beyond a little.

A longer run: ``python benchmarks/fuzz.py --format onnx --n 5000``.
"""

import resource
import sys

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from oracles import mutate
from oracles.onnx_files import samples
from oracles.onnx_models import I64, model, node, whole
from oracles.weight_files import outcome

import cntgraph as cg
from cntgraph.adapters import onnx as adapter
from cntgraph.adapters.onnx import reference
from cntgraph.core.errors import CntGraphError, FormatError

N = 50
SAMPLES = samples()
_ERRORS = {"FormatError", "TraceError", "ParameterError", "GraphSizeError", "InputShapeError"}


def peak_memory():
    """Bytes; the system counts them in kilobytes, but on macOS."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@pytest.fixture(autouse=True)
def bounded_memory():
    before = peak_memory()
    yield
    assert peak_memory() - before < 1e9


@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_files_load_or_are_refused(tmp_path, name):
    suffix, data, structured, options = SAMPLES[name]
    path = tmp_path / f"model{suffix}"
    path.write_bytes(data)
    assert outcome(path, **options) == "loaded"
    seen = set()
    for damaged in mutate.mutations(data, N, structured=structured):
        path.write_bytes(damaged)
        seen.add(outcome(path, **options))
    assert seen <= _ERRORS | {"loaded"}
    assert "FormatError" in seen


# -- a few bytes that ask for much ----------------------------------------------------------------

HUGE = [
    ([node("Tile", "x n", "m")], {"n": np.array([1, 1, 1 << 40], I64)}),
    ([node("Expand", "x n", "m")], {"n": np.array([1 << 20, 1 << 20, 1, 8], I64)}),
    ([node("Range", "a b c", "r"), node("Add", "x r", "m")],
     {"a": np.array(0, I64), "b": np.array(1 << 50, I64), "c": np.array(1, I64)}),
    ([node("Range", "a b c", "r"), node("Add", "x r", "m")],
     {"a": np.float32(0), "b": np.float32(1e30), "c": np.float32(1e-30)}),
    ([node("ConstantOfShape", "n", "r"), node("Add", "x r", "m")],
     {"n": np.array([1 << 31, 1 << 20], I64)}),
    ([node("ConstantOfShape", "n", "w"), node("MatMul", "x w", "m")],
     {"n": np.array([8, 1 << 40], I64)}),
    ([node("Pad", "x n", "m")], {"n": np.array([0, 0, 1 << 40, 0, 0, 0], I64)}),
    ([node("Resize", ["x", "", "n"], "m")], {"n": np.array([1, 1, 1e9], np.float32)}),
    ([node("Resize", ["x", "", "n"], "m")], {"n": np.array([1, 1, np.inf], np.float32)}),
    ([node("Resize", ["x", "", "", "n"], "m")], {"n": np.array([1, 3, 1 << 60], I64)}),
    ([node("CenterCropPad", "x n", "m")], {"n": np.array([1, 3, 1 << 60], I64)}),
    ([node("OneHot", "i n v", "o"), node("Add", "x o", "m")],
     {"i": np.array([1]), "n": np.array(1 << 50), "v": np.array([0, 1], np.float32)}),
    ([node("Gather", "big i", "o"), node("Add", "x o", "m")],
     {"big": np.zeros((2, 1 << 16), I64), "i": np.zeros(1 << 16, I64)}),
    ([node("MaxPool", "x", "m", kernel_shape=[1 << 40], pads=[1 << 40, 1 << 40])], {}),
    ([node("AveragePool", "x", "m", kernel_shape=[2], pads=[1 << 30, 1 << 30])], {}),
    ([node("Conv", "x w", "m", pads=[1 << 60, 1 << 60])], {"w": whole((2, 3, 2))}),
    ([node("Conv", "x w", "m", strides=[0])], {"w": whole((2, 3, 2))}),
    ([node("Conv", "x w", "m", dilations=[-(1 << 62)])], {"w": whole((2, 3, 2))}),
    ([node("Conv", "x w", "m", group=1 << 62)], {"w": whole((2, 3, 2))}),
    ([node("ConvTranspose", "x w", "m", strides=[1 << 40])], {"w": whole((3, 2, 2))}),
    ([node("ConvTranspose", "x w", "m", output_shape=[1 << 62])], {"w": whole((3, 2, 2))}),
    ([node("DepthToSpace", "x4", "m", blocksize=1 << 40)], {"x4": whole((1, 4, 2, 2))}),
    ([node("DepthToSpace", "x4", "m", blocksize=0)], {"x4": whole((1, 4, 2, 2))}),
    ([node("Split", "x", "m o", num_outputs=1 << 60)], {}),
    ([node("SplitToSequence", "x n", "s"), node("SequenceAt", "s n", "m")],
     {"n": np.array(0, I64)}),
    ([node("Reshape", "x n", "m")], {"n": np.array([1 << 62, 1 << 62, -1], I64)}),
    ([node("Unsqueeze", "x n", "m")], {"n": np.array([1 << 62], I64)}),
    ([node("CumSum", "x n", "m", exclusive=1)], {"n": np.array(1 << 40, I64)}),
    ([node("Slice", "x a a a z", "m")], {"a": np.array([0], I64), "z": np.array([0], I64)}),
    ([node("LSTM", "x w r", "m", hidden_size=1 << 40)],
     {"w": whole((1, 4, 8)), "r": whole((1, 4, 1))}),
    ([node("Attention", "x x x", "m", q_num_heads=1 << 40, kv_num_heads=1)], {}),
    ([node("Einsum", "x x", "m", equation="abc,def->abcdef")], {}),
    ([node("Gemm", "x w", "m", alpha=float("nan"))], {"w": whole((8, 2))}),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(HUGE)))
def test_a_few_bytes_cannot_ask_for_all_memory(case):
    nodes, weights = HUGE[case]
    proto = model([*nodes, node("Relu", "m")], weights, (1, 3, 8), opset=23)
    try:
        net = adapter.load(proto, strict=False)
    except CntGraphError:
        return
    except Warning:
        return
    assert net.n_nodes < 1e6


def test_doubling_again_and_again(monkeypatch):
    # The limit that is in force would have half a gigabyte filled before it is met.
    monkeypatch.setattr(reference.run, "__defaults__", (1 << 20,))
    nodes = [node("Concat", f"{'x' if k == 0 else f'c{k}'} {'x' if k == 0 else f'c{k}'}",
                  f"c{k + 1}", axis=2) for k in range(40)]  # fmt: skip
    with pytest.raises(CntGraphError, match="values, more than 1048576"):
        adapter.load(model([*nodes, node("Relu", "c40")], {}, (1, 3, 8)))


def test_sizes_of_the_input():
    for shape in ((1, 1 << 40), (1 << 40, 1), (1, 1 << 20, 1 << 20)):
        with pytest.raises(CntGraphError, match="too large"):
            adapter.load(model([node("Relu", "x")], {}, shape))


def test_weights_of_a_size_that_is_not_there():
    proto = model([node("MatMul", "x w")], {"w": whole((8, 4))}, (1, 3, 8))
    for dims in ((1 << 40, 1 << 40), (8, 1 << 62), (-8, -4), (0, 4)):
        del proto.graph.initializer[0].dims[:]
        proto.graph.initializer[0].dims.extend(dims)
        with pytest.raises(CntGraphError):
            adapter.load(proto)


def test_a_sparse_tensor_of_absurd_size():
    proto = model([node("MatMul", "x w")], {}, (1, 3, 8))
    values = numpy_helper.from_array(np.ones(1, np.float32), "w")
    places = numpy_helper.from_array(np.zeros(1, np.int64), "places")
    proto.graph.sparse_initializer.append(
        onnx.SparseTensorProto(values=values, indices=places, dims=[1 << 40, 1 << 40])
    )
    with pytest.raises(CntGraphError, match="store it dense"):
        adapter.load(proto)


def test_a_function_of_functions(tmp_path):
    opset = [helper.make_opsetid("own", 1), helper.make_opsetid("", 18)]
    functions = []
    for k in range(60):
        inner, domain = ("Relu", "") if k == 0 else (f"f{k - 1}", "own")
        body = [helper.make_node(inner, ["a"], ["b"], domain=domain),
                helper.make_node(inner, ["b"], ["y"], domain=domain)]  # fmt: skip
        functions.append(helper.make_function("own", f"f{k}", ["a"], ["y"], body, opset))
    nodes = [helper.make_node("f59", ["x"], ["y"], domain="own")]
    proto = model(nodes, {}, (1, 5), functions=functions, domains=["own"])
    onnx.save(proto, tmp_path / "m.onnx")
    with pytest.raises(CntGraphError, match="stand for over"):
        cg.load(tmp_path / "m.onnx")


# -- what is missing, or is not what it says ------------------------------------------------------


@pytest.mark.parametrize("condition", [True, False])
def test_a_choice_without_the_branch_that_is_chosen(condition):
    nodes = [node("If", "c", "m"), node("Relu", "m")]
    with pytest.raises(FormatError, match=r"has no (then|else)_branch"):
        adapter.load(model(nodes, {"c": np.array(condition)}, (1, 3, 8)))


@pytest.mark.parametrize("source", ["x", "w"])
def test_a_split_that_has_more_outputs_than_it_says(source):
    """ONNX's inference of shapes ends the process there."""
    nodes = [node("Split", source, "a b", num_outputs=1), node("Add", "x a", "m")]
    proto = model([*nodes, node("Relu", "m")], {"w": whole((4, 8))}, (1, 4, 8), opset=23)
    with pytest.raises(FormatError, match="Split into 1 parts has 2 outputs"):
        adapter.load(proto)
