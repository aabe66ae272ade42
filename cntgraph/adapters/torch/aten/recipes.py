"""Movements of parameters, as recipes: a weight may be reshaped or cut up before use."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch

from cntgraph.adapters.torch.aten.values import Arguments, leaves, map_leaves
from cntgraph.core.recipe import Recipe

_SAME_ORDER = frozenset(
    "view reshape _unsafe_view unsqueeze squeeze flatten unflatten view_copy unsqueeze_copy "
    "squeeze_copy _reshape_alias view_as reshape_as".split()
)
_PERMUTATIONS = frozenset(
    "permute transpose swapaxes swapdims movedim permute_copy transpose_copy t numpy_T matrix_H mT "
    "mH".split()
)
_PARTS = frozenset(
    "slice narrow split split_with_sizes chunk tensor_split unsafe_split unsafe_chunk "
    "unsafe_split_with_sizes slice_copy split_copy narrow_copy".split()
)
_UNCHANGED = frozenset(
    "to _to_copy type_as clone detach alias contiguous lift_fresh expand expand_as "
    "broadcast_to dropout".split()
)


def move_recipe(name: str, recipe: Recipe, operation: Any, args: Any, kwargs: Arguments) -> Any:
    """Return the recipe of a movement of a parameter, or None if it is not a known one.

    What the movement does is found out by carrying it out on tensors without data.
    """
    parts = [value for value in leaves(args) if isinstance(value, Recipe)]
    if name in ("cat", "concat", "concatenate") and len(parts) == len(args[0]):
        return Recipe.concatenate(tuple(parts), args[1] if len(args) > 1 else kwargs.get("dim", 0))
    if len(parts) != 1:
        return None
    if name in _UNCHANGED:
        return recipe  # recipes broadcast by themselves, and keep their stored precision
    if name in ("index_select", "index", "embedding", "_unsafe_index"):
        return _gathered(name, recipe, args)
    if name in ("select", "select_copy", "unbind"):
        return _picked(name, recipe, args)
    if name == "repeat":
        return (
            recipe if all(n == 1 for n in args[1]) and len(args[1]) == len(recipe.shape) else None
        )

    def run(shape: Sequence[int]) -> Any:
        meta = torch.empty(tuple(shape), device="meta")
        return operation(*map_leaves(args, lambda _: meta, of=Recipe), **kwargs)

    if name in _SAME_ORDER:
        try:
            return recipe.reshape(tuple(run(recipe.shape).shape))
        except RuntimeError:
            return _still_expanded(recipe, args)
    if name in _PERMUTATIONS:
        # Sizes that name the axes: the result's shape is the permutation.
        return recipe.transpose(tuple(n - 2 for n in run(range(2, len(recipe.shape) + 2)).shape))
    if name in _PARTS:
        return map_leaves(run(recipe.shape), lambda part: _cut(recipe, part), of=torch.Tensor)
    return None


def _gathered(name: str, recipe: Recipe, args: Any) -> Recipe | None:
    """Return entries of a parameter along one axis, picked by constant indices."""
    if name == "embedding":
        axis, index = 0, args[1]
    elif name == "index_select":
        axis, index = args[1], args[2]
    else:
        given = [(axis, index) for axis, index in enumerate(args[1]) if index is not None]
        if len(given) != 1:
            return None
        ((axis, index),) = given
    if not isinstance(index, torch.Tensor) or index.dtype == torch.bool:
        return None
    axis %= len(recipe.shape)
    flat = index.detach().cpu().reshape(-1).numpy()
    flat = flat + (flat < 0) * recipe.shape[axis]
    shape = (*recipe.shape[:axis], *index.shape, *recipe.shape[axis + 1 :])
    return recipe.gather(axis, flat).reshape(shape)


def _picked(name: str, recipe: Recipe, args: Any) -> Any:
    """Return one entry along an axis, or each of them; the axis is dropped."""
    axis = (args[1] if len(args) > 1 else 0) % len(recipe.shape)
    length, shape = recipe.shape[axis], (*recipe.shape[:axis], *recipe.shape[axis + 1 :])
    chosen = range(length) if name == "unbind" else [args[2] % length]
    made = [recipe.take(axis, k, k + 1).reshape(shape) for k in chosen]
    return made if name == "unbind" else made[0]


def _still_expanded(recipe: Recipe, args: Any) -> Recipe | None:
    """Return a recipe that was expanded over a batch, and is viewed in that shape."""
    matrix, sizes = recipe.shape[-2:], tuple(args[1]) if len(args) > 1 else ()
    leading = prod(recipe.shape[:-2]) == 1
    return recipe if leading and sizes[-2:] == matrix and len(sizes) > 2 else None


def _cut(recipe: Recipe, part: torch.Tensor) -> Recipe:
    """Return the part of a recipe that a view of a contiguous tensor of its shape shows."""
    sizes = zip(recipe.shape, part.shape, strict=True)
    axis = next((k for k, (n, m) in enumerate(sizes) if n != m), None)
    if axis is None:
        return recipe
    stride = prod(recipe.shape[axis + 1 :])
    step = part.stride(axis) // stride if part.shape[axis] > 1 else 1
    start = part.storage_offset() // stride
    return recipe.take(axis, start, start + step * (part.shape[axis] - 1) + 1, step)
