"""Masks that are put on a parameter (a relative position) before it is added to scores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from cntgraph.adapters.torch.aten.flow import ValueFlow
from cntgraph.adapters.torch.aten.operations import IDENTITY
from cntgraph.adapters.torch.aten.values import Arguments, map_leaves
from cntgraph.adapters.tracing.masks import hides, split_mask
from cntgraph.core.recipe import Recipe


def hide(t: ValueFlow, name: str, a: Arguments) -> Recipe | None:
    """Return a parameter that a mask is put on before it is added to scores, or None.

    What the mask hides is remembered in ``t.hidden``; the parameter's values stay what they are.
    """
    base, keep, learned = name.rstrip("_"), None, a.get("self")
    if base == "add":
        learned, mask = learned, a["other"]
        if not isinstance(learned, Recipe):
            learned, mask = mask, learned
        keep = _kept(t, mask)
    elif base == "where" and isinstance(a["condition"], torch.Tensor):
        keep = a["condition"] if hides(t.array(a.get("other"))) else None
    elif base == "masked_fill" and isinstance(a["mask"], torch.Tensor):
        keep = ~a["mask"] if hides(t.array(a["value"])) else None
    if keep is None or not isinstance(learned, Recipe):
        return None
    made = replace(learned)  # another object: the parameter may be used without a mask, too
    t.hidden[id(made)] = made, keep.cpu()
    return made


def _kept(t: ValueFlow, mask: Any) -> torch.Tensor | None:
    """Return where a constant keeps what it is added to, if it is a mask and nothing else."""
    values = t.array(mask)
    parts = None if values is None else split_mask(values)
    return None if parts is None or parts[1].any() else torch.from_numpy(parts[0])


def keep_hidden(
    t: ValueFlow, recipe: Recipe, moved: Any, operation: Any, args: Any, kwargs: Arguments
) -> None:
    """Let a mask follow the movement of the parameter that it is on."""
    if id(recipe) not in t.hidden or not isinstance(moved, Recipe) or moved is recipe:
        return
    keep = t.hidden[id(recipe)][1]
    if operation._schema.name.removeprefix("aten::") not in IDENTITY:
        keep = operation(*map_leaves(args, lambda _: keep, of=Recipe), **kwargs)
    t.hidden[id(moved)] = moved, keep
