"""Operations on parameters: which function of weights each of them is."""

from __future__ import annotations

from collections.abc import Callable
from operator import mul, neg, truediv
from typing import Any

import torch

from cntgraph.adapters.torch.aten.operations import IDENTITY
from cntgraph.adapters.torch.aten.values import Arguments, Call, leaves, map_leaves
from cntgraph.adapters.tracing import weight_arithmetic as weights
from cntgraph.adapters.tracing.masks import split_mask
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import HIDDEN, is_learned
from cntgraph.adapters.tracing.weight_movement import looked_up, moved, once
from cntgraph.core.recipe import Recipe

_UNCHANGED = frozenset(
    "to _to_copy type_as clone detach alias contiguous lift_fresh dropout".split()
)
_JOINED = ("cat", "concat", "concatenate")
_UNARY: dict[str, Callable[[Recipe], Recipe]] = {
    "neg": neg, "abs": abs, "sqrt": Recipe.sqrt, "square": Recipe.square, "rsqrt": weights.rsqrt,
    "reciprocal": weights.reciprocal,
}  # fmt: skip
_BINARY: dict[str, Callable[[Recipe, Recipe], Recipe | None]] = {
    "mul": mul, "div": truediv,
    **dict.fromkeys(("mm", "bmm", "matmul", "mv", "dot", "vdot"), weights.matmul),
}  # fmt: skip
_SUMS = {"add": ("self", "other"), "sub": ("self", "other"), "rsub": ("other", "self")}
#: What the second operand of a product is called.
_SECOND = ("other", "mat2", "vec", "tensor")


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
    base = name.lstrip("_")
    if base in _UNARY:
        return _UNARY[base](a["self"])
    if base in _BINARY and a.get("rounding_mode") is None:
        other = next(a[key] for key in _SECOND if key in a)
        return _BINARY[base](t.recipe(a["self"]), t.recipe(other))
    if base in _SUMS:
        left, right = (_summand(t, a[key]) for key in _SUMS[base])
        right = right if a.get("alpha", 1) == 1 else right * float(a["alpha"])
        return left + right if base == "add" else left - right
    if base == "pow" and isinstance(a["exponent"], int | float):
        return weights.power(t.recipe(a["self"]), a["exponent"])
    if base in _KEPT:
        return _kept(t, a["self"], *_KEPT[base](a))
    handler = _OTHERS.get(base)
    return None if handler is None else handler(a)


def _summand(t: Tracer, value: Any) -> Recipe:
    """Return a mask, which is no weight, as a constant that is not stored."""
    array = t.array(value)
    is_mask = array is not None and split_mask(array) is not None
    return Recipe.constant(array) if is_mask and array is not None else t.recipe(value)


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


def _over(a: Arguments) -> tuple[Recipe, Any, bool]:
    """Return what is reduced, the axes, and whether they stay; no axes are all of them."""
    return a["self"], a.get("dim") if a.get("dim") != [] else None, bool(a.get("keepdim"))


def _variance(a: Arguments) -> Recipe:
    given = a["correction"] if a.get("correction") is not None else a.get("unbiased", True)
    return weights.variance(*_over(a), correction=given)


def _norm(a: Arguments) -> Recipe | None:
    return weights.norm(*_over(a)) if a.get("ord", a.get("p", 2)) == 2 else None


def _weight_norm(a: Arguments) -> list[Recipe]:
    """Return g v / ‖v‖, and the norm over all axes but one."""
    v: Recipe = a["v"]
    others = [k for k in range(len(v.shape)) if k != a["dim"] % len(v.shape)]
    norm = weights.norm(v, others, keep=True)
    return [a["g"] * (v / norm), norm]


_OTHERS: dict[str, Callable[[Arguments], Any]] = {
    "sum": lambda a: weights.total(*_over(a)), "mean": lambda a: weights.mean(*_over(a)),
    "var": _variance, "std": lambda a: _variance(a).sqrt(),
    "var_mean": lambda a: [_variance(a), weights.mean(*_over(a))],
    "std_mean": lambda a: [_variance(a).sqrt(), weights.mean(*_over(a))],
    "linalg_vector_norm": _norm, "norm": _norm, "weight_norm_interface": _weight_norm,
}  # fmt: skip
