"""ONNX models that onnxruntime runs on data, with what is between their operations as outputs."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from cntgraph.adapters.execution import Batching
from cntgraph.adapters.onnx.inputs import Inputs
from cntgraph.core.errors import FormatError, require
from cntgraph.core.types import Array

_FOLDER = "session.model_external_initializers_file_folder_path"


def batching_of(inputs: Inputs) -> Batching:
    """Return how a model takes samples: any number of them, if the file leaves that open."""
    axes = {name: inputs.batch_axis(name) for name in inputs.values}
    name, axis = next(((n, k) for n, k in axes.items() if k is not None), ("", None))
    if axis is None:
        return Batching(0 if inputs.n_samples else None)
    size = inputs.values[name].type.tensor_type.shape.dim[axis].dim_value
    return Batching(axis, size or None)


class Session:
    """Runs a model on a batch, and keeps some of its tensors.

    Parameters
    ----------
    model : onnx.ModelProto
        The model, its functions written out.
    names : list of str
        Its inputs.
    path : Path or None
        The file that its weights are in, or beside.
    keys : collection of str
        Names of the tensors.
    """

    def __init__(
        self, model: onnx.ModelProto, names: list[str], path: Path | None,
        keys: Collection[Hashable],
    ) -> None:  # fmt: skip
        self.model, self.names, self.path = model, names, path
        self.keys = sorted(map(str, keys))

    def __call__(self, inputs: tuple[Array, ...]) -> Mapping[Hashable, Array]:
        """Return the tensors by their names."""
        feed = {
            one.name: inputs[self.names.index(one.name)].astype(_dtype(one.type))
            for one in self._session.get_inputs()
        }
        return dict(zip(self.keys, self._session.run(self.keys, feed), strict=True))

    @cached_property
    def _session(self) -> Any:
        """The model in onnxruntime; what has only a name there is typed by it."""
        runtime = require(
            "onnxruntime", "onnx", needed_for="Running an ONNX model", package="onnxruntime"
        )
        graph, known = self.model.graph, {out.name for out in self.model.graph.output}
        more = [onnx.ValueInfoProto(name=name) for name in self.keys if name not in known]
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        if self.path is not None:
            options.add_session_config_entry(_FOLDER, str(self.path.parent.resolve()))
        graph.output.extend(more)
        try:
            message = self.model.SerializeToString()
        finally:
            del graph.output[len(graph.output) - len(more) :]
        try:
            return runtime.InferenceSession(message, options, ["CPUExecutionProvider"])
        except Exception as error:  # an operation that it does not have
            raise FormatError(f"onnxruntime cannot run the model: {error}") from error


def _dtype(kind: str) -> np.dtype[Any]:
    """Return the type of what a session calls ``tensor(float)``."""
    name = kind.removeprefix("tensor(").removesuffix(")")
    known = dict(onnx.TensorProto.DataType.items())
    dtype: np.dtype[Any] = onnx.helper.tensor_dtype_to_np_dtype(known[name.upper()])
    return dtype
