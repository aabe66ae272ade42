"""Operations on parameters: which function of weights each of them is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from cntgraph.adapters.torch.aten.operations import IDENTITY, handler_of
from cntgraph.adapters.torch.aten.values import Arguments, Call, leaves, map_leaves
from cntgraph.adapters.tracing import weight_arithmetic as weights
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import HIDDEN, is_learned
from cntgraph.adapters.tracing.weight_movement import looked_up, moved, once
from cntgraph.core.recipe import Recipe

_UNCHANGED = frozenset(
    "to _to_copy type_as clone detach alias contiguous lift_fresh dropout".split()
)
_JOINED = ("cat", "concat", "concatenate")
#: Operations whose handlers make weights of weights.
_ARITHMETIC = frozenset(
    "neg abs sqrt square rsqrt reciprocal mul div mm bmm matmul mv dot vdot add sub rsub pow sum "
    "mean var std var_mean std_mean linalg_vector_norm norm".split()
)


# -- movement ---------------------------------------------------------------------------------


def move_recipe(t: Tracer, call: Call) -> Any:
    """Return the recipe of a movement of a parameter, or None if it is not a known one."""
    name, parts = call.name, [value for value in leaves(call.args) if isinstance(value, Recipe)]
    if name in _JOINED:
        joined = tuple(t.recipe(part) for part in call.arguments["tensors"])
        return Recipe.concatenate(joined, call.arguments["dim"])
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
    base = name.strip("_")
    if base == "weight_norm_interface":
        return _weight_norm(a)
    if base in _KEPT:
        return _kept(t, a["self"], *_KEPT[base](a))
    handler = handler_of(base) if base in _ARITHMETIC else None
    try:
        return None if handler is None else handler(t, a, base)
    except NotFollowed:
        return None


#: Operations that keep values where a constant is true, and put another in the place of the rest.
_KEPT: dict[str, Callable[[Arguments], tuple[Any, Any]]] = {
    "tril": lambda a: (torch.ones(a["self"].shape[-2:]).tril(a["diagonal"]).bool(), 0.0),
    "triu": lambda a: (torch.ones(a["self"].shape[-2:]).triu(a["diagonal"]).bool(), 0.0),
    "where": lambda a: (a["condition"], a.get("other")),
    "masked_fill": lambda a: (~a["mask"], a["value"]),
}


def _kept(t: Tracer, learned: Any, kept: Any, other: Any) -> Recipe | None:
    """Return weights where they are kept; in the place of the rest zero, or what hides it."""
    number = other.item() if isinstance(other, torch.Tensor) and other.numel() == 1 else other
    if not isinstance(learned, Recipe) or not isinstance(kept, torch.Tensor):
        return None
    if not isinstance(number, int | float):
        return None
    if number == 0:  # of a buffer, whose entries may be infinite, the values are taken
        return learned * t.recipe(kept.float()) if is_learned(learned) else None
    mask = torch.where(kept.cpu(), 0.0, -torch.inf)
    return learned + Recipe.constant(mask.numpy()) if number <= HIDDEN else None


def _weight_norm(a: Arguments) -> list[Recipe]:
    """Return g v / ‖v‖, and the norm over all axes but one."""
    v: Recipe = a["v"]
    others = [k for k in range(len(v.shape)) if k != a["dim"] % len(v.shape)]
    norm = weights.norm(v, others, keep=True)
    return [a["g"] * (v / norm), norm]
