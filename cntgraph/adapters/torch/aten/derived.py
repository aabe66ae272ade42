"""What depends on the input without being a neuron: masks, positions, choices.

Truth values and sums of them say which tokens count; they are no activations, and a graph that
holds for every input cannot depend on them. They are followed only so far that what they touch is
not lost: a mask hides nothing, a position or a choice is what it is for the example at hand.
"""

from __future__ import annotations

from typing import Any

import torch

from cntgraph.adapters.torch.aten.operations import IDENTITY, MOVEMENT
from cntgraph.adapters.torch.aten.values import Arguments, Nodes, leaves
from cntgraph.adapters.tracing.values import Data, Source
from cntgraph.core.recipe import Recipe

#: Operations that judge: what they yield is no neuron.
_JUDGING = frozenset(
    "eq ne lt le gt ge isnan isinf isfinite logical_and logical_or logical_not logical_xor "
    "bitwise_and bitwise_or bitwise_not bitwise_xor __and__ __or__ any all argmax argmin argsort "
    "nonzero signbit is_nonzero _local_scalar_dense equal".split()
)
#: Operations that count what is not masked: positions.
_COUNTING = frozenset("cumsum sum".split())
#: Operations that leave indices what they are: those of the same table.
_OF_INDICES = frozenset(
    "clamp clamp_min clamp_max embedding embedding_bag where masked_fill".split()
)


def is_derived(name: str, a: Arguments) -> bool:
    """Whether what an operation yields depends on neurons, but is no neuron itself."""
    found = list(leaves(a.values()))
    nodes = [value for value in found if isinstance(value, Nodes)]
    if not nodes or any(isinstance(value, Recipe) for value in found):
        return False
    if name.removesuffix("_") in _JUDGING:
        return True
    if not all(value.is_index for value in nodes):
        return False
    if name in IDENTITY:
        # Indices and masks that are made numbers; bytes may be an image.
        dtype = a.get("dtype")
        return bool(dtype and dtype.is_floating_point) and nodes[0].dtype != torch.uint8
    return name not in MOVEMENT and name.strip("_") not in _OF_INDICES


def derive(name: str, a: Arguments, shapes: Any, result: Any) -> Any:
    """Return what stands for the result of an operation on indices, masks and constants.

    Parameters
    ----------
    shapes : tuple of int, or list of them
        Shape of its result, or of each of them.
    result : optional
        What it yields for the example at hand.
    """
    source = _source(name.removesuffix("_"), list(leaves(a.values())))
    known = source != "neurons" and result is not None
    if isinstance(shapes, list):
        values = result if known else [None] * len(shapes)
        return [_derived(s, v, source) for s, v in zip(shapes, values, strict=True)]
    return _derived(shapes, result if known else None, source)


def _source(name: str, found: list[Any]) -> Source:
    sources = {value.source for value in found if isinstance(value, Data)}
    nodes = [value for value in found if isinstance(value, Nodes)]
    if "neurons" in sources or not all(value.is_index for value in nodes):
        return "neurons"
    arithmetic = name not in _JUDGING | _COUNTING
    return "indices" if arithmetic and sources <= {"indices"} else "mask"


def _derived(shape: Any, value: Any, source: Source) -> Data | None:
    if shape is None:
        return None
    return Data(tuple(shape), value if isinstance(value, torch.Tensor) else None, source)
