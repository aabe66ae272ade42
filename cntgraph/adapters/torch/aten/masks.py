"""Masks that are constants: scores are -∞ where a position may not be attended to."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cntgraph.adapters.torch.aten.operations import IDENTITY
from cntgraph.adapters.torch.aten.values import Arguments, Nodes, is_learned, map_leaves
from cntgraph.core.recipe import Recipe

if TYPE_CHECKING:
    from cntgraph.adapters.torch.aten.tracer import AtenTracer

#: What is not above it hides a position, as frameworks write -∞.
_HIDDEN = -1e4
_LARGEST_MASK = 1 << 26


def additive_mask(t: AtenTracer, value: Any) -> torch.Tensor | None:
    """Return where a constant that is added to scores is zero, if it is -∞ everywhere else.

    Parameters
    ----------
    t : AtenTracer
        Where it is noted that a parameter is a mask.
    value : Tensor, Recipe or number
        What is added.

    Returns
    -------
    Tensor of bool, or None
    """
    if isinstance(value, Recipe):
        if is_learned(value) or prod(value.shape) > _LARGEST_MASK or len(value.shape) < 2:
            return None
        numbers = torch.from_numpy(np.ascontiguousarray(value.read()))
    elif isinstance(value, torch.Tensor):
        numbers = value.detach().cpu()
    else:
        return None
    keep = numbers > _HIDDEN
    if keep.all() or (numbers[keep] != 0).any():
        return None
    if isinstance(value, Recipe):
        t.builder.skip(value, "a mask: which positions may be attended to")
    return keep


def hide(t: AtenTracer, name: str, a: Arguments) -> Recipe | None:
    """Return a parameter that a mask is put on before it is added to scores, or None.

    What the mask hides is remembered in ``t.hidden``; the parameter's values stay what they are.
    """
    base, keep, learned = name.rstrip("_"), None, a.get("self")
    if base == "add":
        learned, mask = learned, a["other"]
        if not isinstance(learned, Recipe):
            learned, mask = mask, learned
        keep = None if isinstance(mask, Recipe) else additive_mask(t, mask)
    elif base == "where" and isinstance(a["condition"], torch.Tensor):
        keep = a["condition"] if _hides(a.get("other")) else None
    elif base == "masked_fill" and isinstance(a["mask"], torch.Tensor):
        keep = ~a["mask"] if _hides(a["value"]) else None
    if keep is None or not isinstance(learned, Recipe):
        return None
    made = replace(learned)  # another object: the parameter may be used without a mask, too
    t.hidden[id(made)] = made, keep.cpu()
    return made


def _hides(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return bool((value <= _HIDDEN).all())
    return isinstance(value, int | float) and value <= _HIDDEN


def keep_hidden(
    t: AtenTracer, recipe: Recipe, moved: Any, operation: Any, args: Any, kwargs: Arguments
) -> None:
    """Let a mask follow the movement of the parameter that it is on."""
    if id(recipe) not in t.hidden or not isinstance(moved, Recipe) or moved is recipe:
        return
    keep = t.hidden[id(recipe)][1]
    if operation._schema.name.removeprefix("aten::") not in IDENTITY:
        keep = operation(*map_leaves(args, lambda _: keep, of=Recipe), **kwargs)
    t.hidden[id(moved)] = moved, keep


def without_hidden(t: AtenTracer, x: Nodes, recipe: Recipe) -> Nodes:
    """Return nodes without those that the mask on a parameter hides, which was added to them."""
    if id(recipe) not in t.hidden:
        return x
    return Nodes(x.ids.masked_fill(~t.hidden[id(recipe)][1], -1))
