"""Operations carried out on numbers, most of them by NumPy, which keeps float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from cntgraph.adapters.jax.movement import MOVEMENTS, move
from cntgraph.adapters.jax.program import Op
from cntgraph.core.recipe.elementwise import UNARY
from cntgraph.core.types import Array

Params = Mapping[str, Any]


def _clamp(low: Array, x: Array, high: Array) -> Array:
    return np.clip(x, low, high)


_PLAIN: dict[str, Callable[..., Any]] = {
    "abs": np.abs, "acos": np.arccos, "acosh": np.arccosh, "add": np.add, "add_any": np.add,
    "and": np.bitwise_and, "asin": np.arcsin, "asinh": np.arcsinh, "atan": np.arctan,
    "atan2": np.arctan2, "atanh": np.arctanh, "cbrt": np.cbrt, "ceil": np.ceil, "clamp": _clamp,
    "cos": np.cos, "cosh": np.cosh, "div": np.divide, "eq": np.equal, "erf": UNARY["erf"],
    "erfc": lambda x: 1.0 - UNARY["erf"](x), "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1,
    "floor": np.floor, "ge": np.greater_equal, "gt": np.greater, "is_finite": np.isfinite,
    "le": np.less_equal, "log": np.log, "log1p": np.log1p, "logistic": UNARY["sigmoid"],
    "lt": np.less, "max": np.maximum, "min": np.minimum, "mul": np.multiply, "ne": np.not_equal,
    "neg": np.negative, "or": np.bitwise_or, "pow": np.power, "rem": np.fmod, "round": np.round,
    "rsqrt": lambda x: 1.0 / np.sqrt(x), "sign": np.sign, "sin": np.sin, "sinh": np.sinh,
    "sqrt": np.sqrt, "square": np.square, "sub": np.subtract, "tan": np.tan, "tanh": np.tanh,
    "xor": np.bitwise_xor,
}  # fmt: skip


def _integer_pow(p: Params, x: Array) -> Array:
    return np.asarray(np.asarray(x, dtype=np.float64) ** p["y"])


def _convert(p: Params, x: Array) -> Array:
    kind = np.dtype(p["new_dtype"]).kind
    if kind == "b":
        return np.asarray(x).astype(bool)
    return np.asarray(x).astype(
        {"i": np.int64, "u": np.int64, "c": np.complex128}.get(kind, np.float64)
    )


def _not(p: Params, x: Array) -> Array:
    return np.logical_not(x) if np.asarray(x).dtype == bool else np.invert(x)


_SET: dict[str, Callable[..., Array]] = {
    "integer_pow": _integer_pow,
    "convert_element_type": _convert,
    "not": _not,
}

#: Functions of several numbers, entry by entry.
ELEMENTWISE = frozenset([*_PLAIN, *_SET, "select_n"])

#: Elementwise operations that scale and shift, where one operand is a coefficient.
LINEAR = frozenset(["add", "add_any", "sub", "mul", "div", "neg"])

_OVER_AXES: dict[str, Callable[..., Any]] = {
    "reduce_sum": np.sum, "reduce_max": np.max, "reduce_min": np.min, "reduce_prod": np.prod,
}  # fmt: skip

#: Functions of the numbers along whole axes.
REDUCTIONS = frozenset(_OVER_AXES)


def axes_of(params: Params) -> tuple[int, ...]:
    """Return the axes that a reduction takes away."""
    return tuple(int(axis) for axis in params["axes"])


def computed(op: Op, arguments: list[Array]) -> list[Any]:
    """Carry out an operation on numbers; by JAX, where NumPy does not have it."""
    if op.name in MOVEMENTS:
        return move(op, arguments)
    with np.errstate(all="ignore"):
        if op.name in _OVER_AXES:
            return [np.asarray(_OVER_AXES[op.name](arguments[0], axis=axes_of(op.params)))]
        if op.name in _SET:
            return [_SET[op.name](op.params, *arguments)]
        if op.name in _PLAIN:
            return [plain(op.name, *arguments)]
    typed = [jax.numpy.asarray(a, dtype=v.dtype)
             for a, v in zip(arguments, op.inputs, strict=True)]  # fmt: skip
    results = op.primitive.bind(*typed, **op.params)
    return list(results) if op.primitive.multiple_results else [results]


def plain(name: str, *arguments: Array) -> Array:
    """Carry out an elementwise operation that has no settings."""
    if name == "div" and all(np.asarray(a).dtype.kind in "iu" for a in arguments):
        return np.asarray(np.trunc(np.divide(*arguments))).astype(np.int64)
    return np.asarray(_PLAIN[name](*arguments))
