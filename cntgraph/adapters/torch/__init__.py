"""PyTorch: live modules, programs saved by ``torch.export.save`` (.pt2), and weights alone.

A live module is run once on a sample, in evaluation mode and without gradients, while every ATen
operation that PyTorch dispatches is watched (`live`); a saved program's list of ATen operations is
read from the file (`program`, `archive`). Both go through the same `aten.AtenTracer`. Checkpoints
and state dicts have no graph (`checkpoint`, `distributed`): each weight is a block of its own, or
they are put into the graph of a live module (`binding`).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from cntgraph.adapters.execution import Execution, Observed
from cntgraph.adapters.options import Options
from cntgraph.adapters.torch.binding import bind_weights
from cntgraph.adapters.torch.checkpoint import SUFFIXES, read_tensors
from cntgraph.adapters.torch.live import module_parameters, trace_live
from cntgraph.adapters.torch.module_effects import ModuleEffects
from cntgraph.adapters.torch.other_values import other_values
from cntgraph.adapters.torch.program import trace_program
from cntgraph.adapters.torch.running import execution_of
from cntgraph.adapters.torch.state_dict import is_state, tensors_of
from cntgraph.adapters.weights.separate import Layout, check_separate, network_of
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import FormatError
from cntgraph.core.parameter import Parameter
from cntgraph.network.network import Network

suffixes = (".pt2", *SUFFIXES)
options = ("model", "layout", "description")


def recognizes(source: object) -> bool:
    """Return whether `source` is a live PyTorch module, or the state dict of one."""
    is_program = isinstance(source, torch.nn.Module) or _is_exported(source)
    return is_program or is_state(source)


def load(
    source: Any,
    *,
    model: torch.nn.Module | None = None,
    layout: Layout | None = None,
    description: str | None = None,
    **shared: Any,
) -> Network:
    """Return the network of a live module, a ``.pt2`` file, a checkpoint or a state dict.

    Parameters
    ----------
    source : torch.nn.Module, mapping of str to torch.Tensor, str or Path
        The model, its weights, or the file.
    model : torch.nn.Module, optional
        The module that a checkpoint or a state dict belongs to: its graph, with these weights. It
        is not changed.
    layout : {"OIHW", "OHWI", "HWIO"}, optional
        The order of the axes of convolutions' kernels, for weights without a model.
    description : {None, "separate"}, optional
        That each tensor of a checkpoint is a block of its own may be said, too.
    **shared
        The fields of `Options`; `example_input` may be a dict of named arguments.

    Raises
    ------
    InputShapeError
        If the size of the input is not known.
    TraceError
        If the model cannot be run on such an input.
    UnsafeFileError
        If a checkpoint holds more than weights.
    FormatError
        If a file is damaged, or its weights are not those of `model`.
    """
    check_separate(description, source)
    given, tensors = Options(**shared), _weights(source)
    if tensors is not None:
        if model is None:
            return network_of(tensors, given, layout)
        return load_weighted(tensors, model, given)
    if model is not None:
        raise FormatError(
            "model= is the module that weights are put into; a live module or a .pt2 file has "
            "a graph of its own, leave it out"
        )
    if isinstance(source, str | Path):
        builder = given.builder()
        trace_program(Path(source), builder, given)
    else:
        given = _exemplified(source, shared)
        builder = trace_live(_uncompiled(source), given)
    return given.finish(builder)


def execution(source: Any, **shared: Any) -> Execution | None:
    """Return what runs a live module, or a program made by ``torch.export``, on data.

    Returns
    -------
    Execution or None
        None for a file, which PyTorch does not run without running code of it, and for weights.
    """
    others = [shared.pop(name, None) for name in options]
    if isinstance(source, str | Path) or is_state(source) or any(x is not None for x in others):
        return None
    return execution_of(_uncompiled(source), Observed(**vars(_exemplified(source, shared))))


def module_effects(source: Any, heads: Mapping[str, int]) -> ModuleEffects:
    """Return what the modules of a live module do to each other; `heads` is as there.

    Raises
    ------
    FormatError
        If it is no module.
    """
    model = _uncompiled(source)
    if not isinstance(model, torch.nn.Module):
        raise FormatError(f"expected a torch.nn.Module, got {type(source).__name__}")
    return ModuleEffects(model, heads)


def holding(source: Any, parameters: Mapping[str, Parameter]) -> AbstractContextManager[None]:
    """Return a context in which a live module holds other values; see `other_values`."""
    return other_values(_uncompiled(source), parameters)


def _exemplified(source: Any, shared: dict[str, Any]) -> Options:
    """Return options, with the example of a program where none is given."""
    given = Options(**shared)
    if _is_exported(source) and given.example_input is None:
        return replace(given, example_input=source.example_inputs[0])
    return given


def _uncompiled(model: Any) -> Any:
    """Return the module that ``torch.compile`` wraps, that of a program, or the module itself."""
    return model.module() if _is_exported(model) else getattr(model, "_orig_mod", model)


def _is_exported(source: object) -> bool:
    """Return whether a source is a program made by ``torch.export``."""
    return isinstance(source, torch.export.ExportedProgram)


def load_weighted(tensors: Tensors, model: Any, given: Options) -> Network:
    """Return the network of a live module with other weights; see `binding`.

    Raises
    ------
    FormatError
        If `model` is no module, or the weights are not its own.
    """
    if not isinstance(model, torch.nn.Module):
        raise FormatError(
            f"expected model= as a torch.nn.Module, got {type(model).__module__}."
            f"{type(model).__qualname__}"
        )
    return bind_weights(load(model, **vars(given)), _uncompiled(model), tensors, zeros=given.zeros)


def _weights(source: Any) -> Tensors | None:
    """Return the weights of what has no graph; None for what has one."""
    if isinstance(source, str | Path):
        is_program = Path(source).name.lower().endswith(".pt2")
        return None if is_program else read_tensors(Path(source))
    return tensors_of(source) if is_state(source) else None


def parameters(source: Any) -> dict[str, Parameter]:
    """Return every parameter and buffer of a live module or a state dict, without copying.

    A tensor that has several names is listed under the first.
    """
    weights = _weights(source)
    if weights is not None:
        return weights.by_name()
    return module_parameters(_uncompiled(source))
