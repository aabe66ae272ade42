"""Memory: what the tensors that lie in one show of what is written there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from cntgraph.adapters.torch.aten.complex_numbers import as_pair, pair_of
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Call, Nodes, leaves
from cntgraph.adapters.tracing.complex_numbers import Complex
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.movement import moved_together


def base_of(tensor: torch.Tensor) -> torch.Tensor:
    """Return what a tensor is a view of; itself, if it is none."""
    return tensor if tensor._base is None else tensor._base


def as_memory(
    tracer: AtenTracer, tensor: torch.Tensor, lookup: Callable[[Any], Any] = lambda value: value
) -> Callable[[torch.Tensor], Nodes | Complex]:
    """Return what gives the nodes of each tensor that lies in the memory of one.

    Parameters
    ----------
    tensor : torch.Tensor
        Neurons are about to be written into its memory.
    lookup : callable, optional
        Returns what it stands for until then, weights or a constant.
    """
    base, ids = base_of(tensor), _memory_of(tensor)
    if base.is_complex():
        parts = leaves([as_pair(lookup(base))])
        for shown, part in zip(_shown(ids, base).unbind(-1), parts, strict=True):
            shown.copy_(tracer.fixed(part).tensor)
    elif base.is_floating_point():
        _shown(ids, base).copy_(tracer.fixed(lookup(base)).tensor)
    elif base.dtype != torch.bool and (held := tracer.example_of(lookup(base))) is not None:
        _shown(ids, base).copy_(torch.from_numpy(tracer.as_tokens(held, "constant")))
    return lambda x: pair_of(_shown(ids, x)) if x.is_complex() else Nodes(_shown(ids, x), x.dtype)


def _memory_of(tensor: torch.Tensor) -> torch.Tensor:
    """Return a place for each value of the memory in which a tensor lies, and no node there."""
    n_values = tensor.untyped_storage().nbytes() // tensor.element_size()
    n_values = 2 * n_values if tensor.is_complex() else n_values
    return torch.full((n_values,), -1, dtype=torch.int64)


def _shown(memory: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """Return what a tensor shows of the memory in which it lies; complex numbers as pairs."""
    if tensor.is_complex():
        tensor = torch.view_as_real(torch.zeros_like(tensor) if tensor.is_conj() else tensor)
    return memory.as_strided(tensor.size(), tensor.stride(), tensor.storage_offset())


def strided(call: Call, tensor: torch.Tensor) -> Nodes | Complex | None:
    """Return what `as_strided` shows of neurons; None if it reaches beyond them, or has holes.

    Parameters
    ----------
    call : Call
        Of `as_strided`.
    tensor : torch.Tensor
        It lies in memory as the neurons do; its values are not read.
    """
    x, size, stride = (call.arguments[name] for name in ("self", "size", "stride"))
    outermost = sorted(range(tensor.ndim), key=lambda axis: -tensor.stride(axis))
    if not tensor.permute(outermost).is_contiguous():
        return None
    at = call.arguments.get("storage_offset")
    first = 0 if at is None else at - tensor.storage_offset()
    last = first + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if first < 0 or last >= tensor.numel():
        return None

    def shown(nodes: Nodes) -> Nodes:
        in_memory = nodes.tensor.permute(outermost).reshape(-1)
        return Nodes(in_memory.as_strided(size, stride, first).clone(), nodes.dtype)

    if isinstance(x, Complex) and all(isinstance(part, Nodes) for part in x.parts):
        return Complex(*map(shown, x.parts))
    return shown(x) if isinstance(x, Nodes) else None


def as_written(
    tensor: torch.Tensor, before: Recipe, made: Recipe
) -> Callable[[torch.Tensor], Recipe | None]:
    """Return what gives the weights of each tensor that lies in the memory of one.

    Parameters
    ----------
    tensor : torch.Tensor
        Weights were written into it.
    before : Recipe
        What its memory held, in the shape of what it is a view of.
    made : Recipe
        What it holds now.
    """
    base = base_of(tensor)

    def weights_of(x: torch.Tensor) -> Recipe | None:
        def move(places: list[Any]) -> Any:
            old, new = map(torch.from_numpy, places)
            held = _memory_of(tensor)
            _shown(held, base).copy_(old.reshape(base.shape))
            _shown(held, tensor).copy_(new.reshape(tensor.shape))
            return _shown(held, x).numpy()

        return moved_together([before, made], move)

    return weights_of
