"""Keras 3: live models, ``.keras`` archives, and HDF5 files with a model or with weights alone.

A model is run once on symbolic tensors, on whichever backend Keras has; no value is computed
(`tracer`). A file is never handed to Keras: its configuration is checked, the model is built
from it without memory for weights, and the tensors stay in the file until they are read (`file`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from cntgraph.adapters.execution import Execution, Observed
from cntgraph.adapters.keras.live import trace_model
from cntgraph.adapters.keras.running import execution_of
from cntgraph.adapters.keras.variables import parameters_of
from cntgraph.adapters.options import Options
from cntgraph.core.errors import FormatError
from cntgraph.core.parameter import Parameter
from cntgraph.network.network import Network

suffixes = (".keras", ".h5", ".hdf5")
options = ("config",)


def recognizes(source: object) -> bool:
    """Return whether `source` is a live Keras model or layer."""
    return isinstance(source, keras.Layer)


def load(source: Any, *, config: Any = None, **shared: Any) -> Network:
    """Return the network of a live Keras model or of a file.

    Parameters
    ----------
    source : keras.Model, str or Path
        The model, or the file.
    config : path, dict or keras.Model, optional
        For a file that has weights alone: what the model is.
    **shared
        The fields of `Options`; `input_shape`, where the model leaves a size open, is channels
        first, or in the order of Keras.

    Raises
    ------
    FormatError
        If a file is damaged.
    UnsafeFileError
        If it could only be read by running code that it contains.
    InputShapeError
        If the size of the input is not known.
    TraceError
        If the model cannot be followed.
    """
    given = _checked(shared)
    if isinstance(source, str | Path):
        from cntgraph.adapters.keras.file import load_file

        return load_file(Path(source), config, given)
    builder = given.builder()
    trace_model(source, builder, input_shape=given.input_shape, example_input=given.example_input)
    return given.finish(builder)


def execution(source: Any, *, config: Any = None, **shared: Any) -> Execution | None:
    """Return what runs a live model on data; the parameters are those of `load`.

    Returns
    -------
    Execution or None
        None for a file, which Keras does not run without trusting it.
    """
    if isinstance(source, str | Path) or config is not None:
        return None
    return execution_of(source, Observed(**vars(_checked(shared))))


def _checked(shared: dict[str, Any]) -> Options:
    given = Options(**shared)
    if not given.batched:
        raise FormatError("the first axis of a Keras model is always that of samples: batched=True")
    return given


def parameters(source: Any) -> dict[str, Parameter]:
    """Return every variable of a live model, by name, without copying.

    Returns
    -------
    dict of str to Parameter
        Names are the path of the layer and the variable's own; metrics and optimizers left out.
    """
    return {parameter.name: parameter for parameter in parameters_of(source).values()}
