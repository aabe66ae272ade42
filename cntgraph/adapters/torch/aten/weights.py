"""Operations on parameters: which function of weights each of them is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from cntgraph.adapters.torch.aten.operations import COPYING, HANDLERS, IDENTITY, handler_of
from cntgraph.adapters.torch.aten.values import Arguments, Call, leaves, map_leaves
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import HIDDEN, is_learned
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe import over_axes as weights
from cntgraph.core.recipe.functions import OF_TWO
from cntgraph.core.recipe.movement import (
    looked_up,
    moved,
    moved_together,
    once,
    padded,
    stacked,
)

_UNCHANGED = frozenset(
    "to _to_copy type_as clone detach alias contiguous lift_fresh dropout".split()
)
_JOINED = ("cat", "concat", "concatenate")
#: Operations that are followed of buffers alone, too; otherwise the values of those are taken.
_OF_BUFFERS = frozenset(
    "neg abs sqrt square rsqrt reciprocal mul div mm bmm matmul mv dot vdot add sub rsub pow sum "
    "mean var std var_mean std_mean linalg_vector_norm norm linear addmm baddbmm".split()
)
#: Movements that put weights into the place of others, or fill up with zeros.
_TOGETHER = (COPYING - {"tril", "triu"}) | frozenset(
    "block_diag copy diag diag_embed diagonal_scatter index_copy index_put scatter select_scatter "
    "slice_scatter".split()
)

#: Operations that move weights, besides those that move neurons.
MOVING_WEIGHTS = _TOGETHER | {"constant_pad_nd", "embedding", "reshape_alias"}


# -- movement ---------------------------------------------------------------------------------


def move_recipe(t: Tracer, call: Call) -> Any:
    """Return the recipe of a movement of a parameter, or None if it is not a known one."""
    name, parts = call.name, [value for value in leaves(call.args) if isinstance(value, Recipe)]
    if name in _JOINED or name == "stack":
        joined = tuple(t.recipe(part) for part in call.arguments["tensors"])
        dim = call.arguments["dim"]
        return stacked(joined, dim) if name == "stack" else Recipe.concatenate(joined, dim)
    if name == "constant_pad_nd":
        return _padded(t.recipe(call.args[0]), **call.arguments)
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


def _padded(recipe: Recipe, pad: Sequence[int], value: float | None = None, **_: Any) -> Recipe:
    pairs = [pad[k : k + 2] for k in range(0, len(pad), 2)][::-1]
    widths = [(0, 0)] * (len(recipe.shape) - len(pairs)) + pairs
    return padded(recipe, widths, float(value or 0.0))


def _together(t: Tracer, call: Call) -> Recipe | None:
    """Carry out a movement of several weights on the places of their values."""

    def is_moved(value: Any) -> bool:
        real = isinstance(value, torch.Tensor) and value.is_floating_point()
        return real or isinstance(value, Recipe)

    values = call.values()
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
    base, learned = name.strip("_"), any(map(is_learned, leaves(a.values())))
    if base == "weight_norm_interface":
        return _weight_norm(a)
    if base in _KEPT:
        return _kept(t, *_KEPT[base](a))
    if base in OF_TWO and learned and base not in HANDLERS:  # a comparison
        return OF_TWO[base](t.recipe(a["self"]), t.recipe(a["other"]))
    followed = base in HANDLERS.of_weights if learned else base in _OF_BUFFERS
    handler = handler_of(base) if followed else None
    try:
        return None if handler is None else handler(t, a, base)
    except NotFollowed:
        return None


#: Operations that keep values where a constant is true, and put another in the place of the rest.
_KEPT: dict[str, Callable[[Arguments], tuple[Any, Any, Any]]] = {
    "tril": lambda a: (_ones(a).tril(a["diagonal"]), a["self"], 0.0),
    "triu": lambda a: (_ones(a).triu(a["diagonal"]), a["self"], 0.0),
    "where": lambda a: (a["condition"], a.get("self"), a.get("other")),
    "masked_fill": lambda a: (a["mask"], a["value"], a["self"]),
}


def _ones(a: Arguments) -> torch.Tensor:
    return torch.ones(a["self"].shape[-2:], dtype=torch.bool)


def _kept(t: Tracer, choice: Any, one: Any, other: Any) -> Recipe | None:
    """Return weights where they are chosen; in the place of the rest others, or what hides it."""
    if isinstance(choice, torch.Tensor):
        for weights, rest, kept in ((one, other, choice), (other, one, ~choice.bool())):
            number = t.array(rest)
            if isinstance(weights, Recipe) and number is not None and number.size == 1:
                if number.item() <= HIDDEN:
                    mask = torch.where(kept.cpu(), 0.0, -torch.inf)
                    return weights + Recipe.constant(mask.numpy())
        choice = choice.float()
    if not any(map(is_learned, (choice, one, other))):
        return None  # of a buffer, whose entries may be infinite, the values are taken
    return t.recipe(choice).where(t.recipe(one), t.recipe(other))


def _weight_norm(a: Arguments) -> list[Recipe]:
    """Return g v / ‖v‖, and the norm over all axes but one."""
    v: Recipe = a["v"]
    others = [k for k in range(len(v.shape)) if k != a["dim"] % len(v.shape)]
    norm = weights.norm(v, others, keep=True)
    return [a["g"] * (v / norm), norm]
