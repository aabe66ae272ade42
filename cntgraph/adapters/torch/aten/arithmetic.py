"""Arithmetic on parameters, as recipes: a weight may be scaled or normalised before use."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch

from cntgraph.adapters.torch.aten.values import Arguments
from cntgraph.core.recipe import Recipe

_BINARY: dict[str, Callable[[Recipe, Recipe], Recipe]] = {
    "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "rsub": lambda x, y: y - x,
    "mul": lambda x, y: x * y, "div": lambda x, y: x / y,
}  # fmt: skip
_UNARY: dict[str, Callable[[Recipe], Recipe]] = {
    "neg": lambda x: -x, "abs": abs, "sqrt": Recipe.sqrt, "square": Recipe.square,
    "rsqrt": lambda x: Recipe.constant(1.0) / x.sqrt(),
    "reciprocal": lambda x: Recipe.constant(1.0) / x,
}  # fmt: skip
_POWERS: dict[float, Callable[[Recipe], Recipe]] = {
    2.0: Recipe.square, 0.5: Recipe.sqrt, -0.5: _UNARY["rsqrt"], -1.0: _UNARY["reciprocal"],
    1.0: lambda x: x,
}  # fmt: skip


def compute_recipe(name: str, a: Arguments) -> Any:
    """Return the recipe of arithmetic on parameters, or None if it is not a known one."""
    base = name.lstrip("_")
    if base in _BINARY:
        if a.get("alpha", 1) != 1 or a.get("rounding_mode") is not None:
            return None
        return _BINARY[base](_operand(a["self"]), _operand(a["other"]))
    if base in _UNARY:
        return _UNARY[base](a["self"])
    if base == "pow" and isinstance(a["exponent"], int | float) and a["exponent"] in _POWERS:
        return _POWERS[float(a["exponent"])](_operand(a["self"]))
    handler = _REDUCING.get(base)
    return None if handler is None else handler(a)


def _operand(value: Any) -> Recipe:
    if isinstance(value, Recipe):
        return value
    if isinstance(value, torch.Tensor):
        return Recipe.constant(value.detach().cpu().double().numpy())
    return Recipe.constant(value)


def _axes(a: Arguments, rank: int) -> tuple[int, ...]:
    dims = a.get("dim")
    dims = [dims] if isinstance(dims, int) else dims
    return tuple(sorted({d % rank for d in dims})) if dims else tuple(range(rank))


def _sum(a: Arguments) -> Recipe:
    x: Recipe = a["self"]
    axes = _axes(a, len(x.shape))
    total = x.sum(axes)
    if a.get("keepdim"):
        return total
    return total.reshape(tuple(n for k, n in enumerate(x.shape) if k not in axes))


def _mean(a: Arguments) -> Recipe:
    x: Recipe = a["self"]
    return _sum(a) / float(prod(x.shape[axis] for axis in _axes(a, len(x.shape))))


def _variance(a: Arguments) -> Recipe:
    x: Recipe = a["self"]
    axes = _axes(a, len(x.shape))
    n = prod(x.shape[axis] for axis in axes)
    given = a["correction"] if a.get("correction") is not None else a.get("unbiased", True)
    centred = x - x.sum(axes) / float(n)
    return _sum({**a, "self": centred.square()}) / float(n - given)


def _norm(a: Arguments) -> Recipe | None:
    """Return the Euclidean norm over axes."""
    if a.get("ord", a.get("p", 2)) != 2:
        return None
    return _sum({**a, "self": a["self"].square()}).sqrt()


def _inner(a: Arguments) -> Recipe | None:
    """Return the product of a matrix or a vector with a vector."""
    left = _operand(a["self"])
    right = _operand(next(a[key] for key in ("vec", "tensor", "other") if key in a))
    if len(right.shape) != 1 or len(left.shape) > 2:
        return None
    return _sum({"self": left * right, "dim": -1})


def _norm_except_dim(a: Arguments) -> Recipe | None:
    """Return the norm over all axes but one."""
    v: Recipe = a["v"]
    if a["pow"] != 2:
        return None
    kept = a["dim"]
    axes = [axis for axis in range(len(v.shape)) if kept == -1 or axis != kept % len(v.shape)]
    norm = v.square().sum(tuple(axes)).sqrt()
    return norm.reshape(()) if kept == -1 else norm


def _weight_norm(a: Arguments) -> Recipe | None:
    """Return g v / ‖v‖."""
    norm = _norm_except_dim({"v": _operand(a["v"]), "pow": 2, "dim": a["dim"]})
    return None if norm is None else _operand(a["g"]) * (_operand(a["v"]) / norm)


def _weight_norm_interface(a: Arguments) -> list[Recipe | None]:
    return [_weight_norm(a), _norm_except_dim({"v": _operand(a["v"]), "pow": 2, "dim": a["dim"]})]


_REDUCING: dict[str, Callable[[Arguments], Any]] = {
    "sum": _sum, "mean": _mean, "var": _variance, "std": lambda a: _variance(a).sqrt(),
    "var_mean": lambda a: [_variance(a), _mean(a)],
    "std_mean": lambda a: [_variance(a).sqrt(), _mean(a)],
    "linalg_vector_norm": _norm, "norm": _norm, "mv": _inner, "dot": _inner, "vdot": _inner,
    "norm_except_dim": _norm_except_dim, "weight_norm": _weight_norm,
    "weight_norm_interface": _weight_norm_interface,
}  # fmt: skip
