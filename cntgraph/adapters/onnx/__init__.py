"""ONNX: models saved as ``.onnx``, and live ``onnx.ModelProto`` messages.

The graph's operations are walked through in order (`walk`). A tensor is an array of node ids, a
function of stored weights, or a constant (`values`); ``ops`` say what an operation does to each.
Weights stay in the file until they are read (`message`, `tensors`).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import onnx

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.execution import Execution, Observed
from cntgraph.adapters.onnx.functions import inline_functions
from cntgraph.adapters.onnx.inputs import BY_OPERATION
from cntgraph.adapters.onnx.message import check_model, read_model
from cntgraph.adapters.onnx.running import Session, batching_of
from cntgraph.adapters.onnx.tensors import Tensors
from cntgraph.adapters.onnx.walk import Walk, explained
from cntgraph.adapters.options import Options
from cntgraph.core.errors import CntGraphError
from cntgraph.core.parameter import Parameter
from cntgraph.network.network import Network

suffixes = (".onnx",)


def recognizes(source: object) -> bool:
    """Return whether `source` is a live ONNX model."""
    return isinstance(source, onnx.ModelProto)


def load(source: Any, **shared: Any) -> Network:
    """Return the network of an ``.onnx`` file or of a live model.

    Parameters
    ----------
    source : str, Path or onnx.ModelProto
        The file, or the model.
    **shared
        The fields of `Options`. `example_input` is an array, a tuple of them, or a dict of them by
        name; its shape is looked at, and of whole numbers also the values, where they say how
        others are read (masks, lengths).

    Raises
    ------
    FormatError
        If the file is no ONNX model, or its data are missing or damaged.
    InputShapeError
        If the size of an input is not known, or does not fit.
    TraceError
        If the model cannot be followed.
    """
    given = Options(**shared)
    with explained("the model", "does it pass onnx.checker.check_model?"):
        return given.finish(_built(*_open(source), given))


def execution(source: Any, **shared: Any) -> Execution:
    """Return what runs a model on data by onnxruntime; the parameters are those of `load`.

    Raises
    ------
    MissingExtraError
        If onnxruntime is not installed.
    FormatError
        If it cannot run the model.
    """
    given = Observed(**shared)
    with explained("the model", "does it pass onnx.checker.check_model?"):
        model, tensors = _open(source)
        builder = _built(model, tensors, given)
        assert builder.sightings is not None
        inputs = builder.sightings.notes
        path = Path(source) if isinstance(source, str | Path) else None
        session = partial(Session, model, [*inputs.values], path)
        return Execution(given, builder, session, len(inputs.values), batching_of(inputs))


def _built(model: onnx.ModelProto, tensors: Tensors, given: Options) -> Builder:
    """Return what a network was built with, the samples where they do not mix."""
    found = None
    for batch in (BY_OPERATION, 1, None) if given.batched else (None,):
        builder = given.builder()
        walk = Walk(model, tensors, builder)
        try:
            walk.run(given, batch)
        except CntGraphError:
            if found is None:
                raise
            break
        found = builder if found is None or not walk.tracer.mixes else found
        if not walk.tracer.mixes:
            break
    assert found is not None
    return found


def parameters(source: onnx.ModelProto | str | Path) -> dict[str, Parameter]:
    """Return the stored weights and buffers of a model by name; they are read when needed."""
    builder = Builder()
    with explained("the model", "does it pass onnx.checker.check_model?"):
        Walk(*_open(source), builder).read_initializers()
    return builder.parameters


def _open(source: Any) -> tuple[onnx.ModelProto, Tensors]:
    """Return a model, functions inlined, and what its tensors are read with."""
    if isinstance(source, str | Path):
        path = Path(source)
        return inline_functions(read_model(path)), Tensors(path)
    check_model(source, "the model")
    return inline_functions(source), Tensors()
