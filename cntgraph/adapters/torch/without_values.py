"""Operations of which only the shape of what they yield matters: no products are computed."""

from __future__ import annotations

from typing import Any

import torch

from cntgraph.adapters.torch.aten.operations import LAYERS
from cntgraph.adapters.torch.aten.values import (
    leaves,
    map_leaves,
    name_of_operation,
    named_arguments,
)


def without_values(operation: Any, args: Any, kwargs: Any) -> Any:
    """Carry out an operation of which only the shape matters: a layer yields zeros."""
    name = name_of_operation(operation)
    if name == "_grouped_mm":
        return _zeros_by_group(**named_arguments(operation, args, kwargs))
    if name not in LAYERS:
        return operation(*args, **kwargs)
    device = next(x.device for x in leaves([args]) if isinstance(x, torch.Tensor))

    def zeros(x: torch.Tensor) -> torch.Tensor:
        return torch.empty_strided(x.size(), x.stride(), dtype=x.dtype, device=device).zero_()

    args, kwargs = map_leaves([args, kwargs], lambda x: x.to("meta"), of=torch.Tensor)
    return map_leaves(operation(*args, **kwargs), zeros, of=torch.Tensor)


def _zeros_by_group(
    self: torch.Tensor, mat2: torch.Tensor, offs: torch.Tensor | None = None, **_: Any
) -> torch.Tensor:
    """Return zeros of the shape of a product by groups, whose own rules are of types and strides.

    A matrix without an axis of groups has them one after the other along rows, or what is summed.
    """
    rows, columns = self.shape[-2], mat2.shape[-1]
    groups = [x.shape[0] for x in (self, mat2) if x.ndim == 3]
    if not groups and offs is not None:
        groups = [offs.numel()] * 2
    return self.new_zeros((*groups[:1], rows, columns) if len(groups) == 2 else (rows, columns))
