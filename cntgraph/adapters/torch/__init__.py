"""PyTorch: live modules, and programs saved by ``torch.export.save`` (.pt2).

A live module is run once on a sample, in evaluation mode and without gradients, while every ATen
operation that PyTorch dispatches is watched (`live`); a saved program's list of ATen operations is
read from the file (`program`, `archive`). Both go through the same `aten.AtenTracer`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from cntgraph.adapters.base import Builder, Norm
from cntgraph.adapters.torch.live import make_example, module_parameters, trace_module
from cntgraph.adapters.torch.program import trace_program
from cntgraph.network import Network
from cntgraph.parameter import Parameter

suffixes = (".pt2",)


def recognises(source: object) -> bool:
    """Return whether `source` is a live PyTorch module."""
    return isinstance(source, torch.nn.Module)


def load(
    source: Any,
    *,
    input_shape: tuple[int, ...] | None = None,
    example_input: Any = None,
    norm: Norm = "fold",
    unroll: int | None = None,
    strict: bool = False,
) -> Network:
    """Return the network of a live module or of a ``.pt2`` file.

    Parameters
    ----------
    source : torch.nn.Module, str or Path
        The model, or the file.
    input_shape : tuple of int, optional
        Shape of one sample, without the batch dimension.
    example_input : torch.Tensor, ndarray or tuple of them, optional
        What the model is called with, the batch dimension included.
    norm : {"fold", "keep"}, default "fold"
        Whether batch norms are folded.
    unroll : int, optional
        Unroll recurrent layers over that many time steps; by default they are loops.
    strict : bool, default False
        Whether to raise where something is left out.

    Returns
    -------
    Network

    Raises
    ------
    InputShapeError
        If the size of the input is not known.
    TraceError
        If the model cannot be run on such an input.
    """
    builder = Builder(unroll=unroll)
    if isinstance(source, str | Path):
        trace_program(Path(source), builder, input_shape=input_shape)
    else:
        model = getattr(source, "_orig_mod", source)  # what torch.compile wraps
        example = make_example(model, input_shape, example_input)
        trace_module(model, builder, example, shapes_only=example_input is None)
    return builder.finish(norm=norm, strict=strict)


def parameters(source: torch.nn.Module) -> dict[str, Parameter]:
    """Return every parameter and buffer of a live module, by name, without copying.

    A tensor that a module has under several names is listed under the first.

    Parameters
    ----------
    source : torch.nn.Module

    Returns
    -------
    dict of str to Parameter
    """
    return module_parameters(getattr(source, "_orig_mod", source))
