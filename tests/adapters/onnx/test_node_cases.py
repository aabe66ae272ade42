"""Single operations with inputs and outputs, as the onnx package states what they do.

Everything but the first input is stored as a weight. What is linear must be reproduced by the
graph: over its blocks, and over its explicit matrix.
"""

import importlib
import warnings

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from oracles import conformance

#: By module of the onnx package, what of it is not compared and why.
MODULES = {
    "add": "", "averagepool": "", "batch_normalization": "training", "center_crop_pad": "",
    "concat": "", "conv": "", "convinteger": "", "convtranspose": "output_shape", "cumsum": "",
    "depthtospace": "", "einsum": "diagonal", "expand": "", "flatten": "", "gather": "",
    "gatherelements": "", "gathernd": "", "gemm": "", "globalaveragepool": "",
    "globalmaxpool": "", "identity": "sequence opt", "matmul": "", "matmulinteger": "",
    "maxpool": "", "mean": "", "mul": "", "neg": "", "pad": "", "reducemax": "empty bool",
    "reducemean": "", "reducesum": "", "reshape": "", "resize": "tf_crop align_corners",
    "reversesequence": "", "rotaryembedding": "", "scatterelements": "reduction duplicate",
    "scatternd": "add multiply max min", "slice": "", "spacetodepth": "", "split": "",
    "squeeze": "", "sub": "", "sum": "", "tile": "", "transpose": "", "trilu": "",
    "unsqueeze": "", "upsample": "",
}  # fmt: skip


def cases(module):
    """The models of one module of the onnx package, with one operation each."""
    import onnx.backend.test.case.node as all_cases

    before = len(all_cases._NodeTestCases)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module(f"onnx.backend.test.case.node.{module}")
    for case in all_cases._NodeTestCases[before:]:
        inputs, outputs = case.data_sets[0]
        single = len(case.model.graph.node) == 1 and not case.name.endswith("_expanded")
        if single and all(isinstance(x, np.ndarray | np.generic) for x in (*inputs, outputs[0])):
            del case.model.graph.output[1:]
            yield case.name, case.model, [np.asarray(x) for x in inputs], outputs[:1]


def as_sample(model, inputs):
    """The model with its first input as one sample of a batch of one, and the others stored."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    names = [value.name for value in graph.input]
    stored = zip(names[1:], inputs[1:], strict=True)
    graph.initializer.extend(numpy_helper.from_array(x, name) for name, x in stored)
    for node in graph.node:
        node.input[:] = ["sample" if name == names[0] else name for name in node.input]
    old = changed.opset_import[0].version < 13
    graph.initializer.append(numpy_helper.from_array(np.array([0]), "sample.axes"))
    squeeze = ["Squeeze", [names[0]] if old else [names[0], "sample.axes"], ["sample"]]
    graph.node.insert(0, helper.make_node(*squeeze, **({"axes": [0]} if old else {})))
    kind = graph.input[0].type.tensor_type.elem_type
    del graph.input[:]
    shape = (1, *inputs[0].shape)
    graph.input.append(helper.make_tensor_value_info(names[0], kind, shape))
    return changed, {names[0]: inputs[0][None]}


@pytest.mark.parametrize("module", MODULES)
def test_an_operation_does_what_it_should(module, record_property):
    worst, run, left = 0.0, 0, []
    for name, model, inputs, outputs in cases(module):
        if any(word in name for word in MODULES[module].split()):
            left.append(name.removeprefix("test_"))
            continue
        changed, fed = as_sample(model, inputs)
        for z, wanted in conformance.results(conformance.Case(name, changed, fed, outputs)):
            np.testing.assert_allclose(z, wanted.astype(float), rtol=1e-3, atol=1e-5, err_msg=name)
            worst = max(worst, float(np.abs(z - wanted.astype(float)).max(initial=0)))
        run += 1
    assert run
    others = f"; not compared: {', '.join(left)}" if left else ""
    record_property(
        "table: onnx conformance operations", f"{module}: {run} run, max error {worst:.1e}{others}"
    )
