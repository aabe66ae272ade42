"""Operations on parameters: which function of weights each of them is."""

from __future__ import annotations

from typing import Any

import torch

from cntgraph.adapters.torch.aten.operations import COPYING, HANDLERS, IDENTITY
from cntgraph.adapters.torch.aten.values import Arguments, Call, leaves, map_leaves
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe import over_axes as weights
from cntgraph.core.recipe.movement import (
    looked_up,
    moved,
    moved_together,
    once,
    stacked,
)

_UNCHANGED = frozenset(
    "to _to_copy type_as clone detach alias contiguous lift_fresh dropout".split()
)
_JOINED = ("cat", "concat", "concatenate")
#: Movements that put weights into the place of others, or fill up with zeros.
_TOGETHER = COPYING | frozenset(
    "block_diag copy diag diag_embed diagonal_scatter index_copy index_put scatter select_scatter "
    "slice_scatter".split()
)

#: Operations that move weights, besides those that move neurons.
MOVING_WEIGHTS = _TOGETHER | {"embedding", "reshape_alias"}


# -- movement ---------------------------------------------------------------------------------


def move_recipe(t: Tracer, call: Call) -> Any:
    """Return the recipe of a movement of a parameter, or None if it is not a known one."""
    name, parts = call.name, [value for value in leaves(call.args) if isinstance(value, Recipe)]
    if name in _JOINED or name == "stack":
        joined = tuple(t.recipe(part) for part in call.arguments["tensors"])
        dim = call.arguments["dim"]
        return stacked(joined, dim) if name == "stack" else Recipe.concatenate(joined, dim)
    if name.strip("_") in _TOGETHER:
        return _together(t, call)
    if len(parts) != 1 or name in IDENTITY - _UNCHANGED:
        return None
    (recipe,) = parts
    if name in _UNCHANGED:
        return recipe  # recipes keep their stored precision
    found = _lookup(name, call.args)
    if found is not None:
        return looked_up(recipe, *found)

    def move(array: Any) -> Any:
        tensor = torch.from_numpy(array)
        shown = call.of(lambda _: tensor, Recipe).run()
        return map_leaves(shown, lambda part: part.numpy(), of=torch.Tensor)

    try:
        return moved(once(recipe), move, shape=recipe.shape)
    except RuntimeError:  # it is defined for floating point alone, or for other strides
        return None


def _together(t: Tracer, call: Call) -> Recipe | None:
    """Carry out a movement of several weights on the places of their values."""

    def is_moved(value: Any) -> bool:
        real = isinstance(value, torch.Tensor) and value.is_floating_point()
        return real or isinstance(value, Recipe)

    values = call.values
    parts = [t.recipe(value) for value in values if is_moved(value)]
    if any(isinstance(value, float) and value for value in values) or call.arguments.get("reduce"):
        return None

    def move(places: list[Any]) -> Any:
        shapes = [value.shape for value in values if is_moved(value)]
        waiting = iter([torch.from_numpy(array).double().reshape(shape)
                        for array, shape in zip(places, shapes, strict=True)])  # fmt: skip
        moving = call.of(lambda v: next(waiting) if is_moved(v) else v, Recipe | torch.Tensor)
        return moving.run().long().numpy()

    if call.arguments.get("accumulate"):
        return None
    try:
        return moved_together(parts, move)
    except RuntimeError:
        return None


def _lookup(name: str, args: Any) -> tuple[int, Any] | None:
    """Return the axis along which constants choose entries, and these, if that is what is done."""
    if name == "embedding":
        axis, index = 0, args[1]
    elif name == "index_select":
        axis, index = args[1:3]
    elif name in ("index", "_unsafe_index"):
        given = [(axis, index) for axis, index in enumerate(args[1]) if index is not None]
        ((axis, index),) = given if len(given) == 1 else [(0, None)]
    else:
        return None
    if not isinstance(index, torch.Tensor) or index.dtype == torch.bool:
        return None
    return axis, index.detach().cpu().numpy()


# -- arithmetic -------------------------------------------------------------------------------


def compute_recipe(t: Tracer, name: str, a: Arguments) -> Any:
    """Return the recipe of arithmetic on parameters, or None if it is not a known one."""
    base, values = name.strip("_"), [*leaves(a.values())]
    if base == "weight_norm_interface":
        return _weight_norm(a)
    handler = HANDLERS.get_for_weights(base, values)
    try:
        return None if handler is None else handler(t, a, base)
    except NotFollowed:
        return None


def _weight_norm(a: Arguments) -> list[Recipe]:
    """Return g v / ‖v‖, and the norm over all axes but one."""
    v: Recipe = a["v"]
    others = [k for k in range(len(v.shape)) if k != a["dim"] % len(v.shape)]
    norm = weights.norm(v, others, keep=True)
    return [a["g"] * (v / norm), norm]
