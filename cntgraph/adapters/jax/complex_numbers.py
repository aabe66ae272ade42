"""Operations on complex numbers, each as operations on pairs of real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import jax
import numpy as np

from cntgraph.adapters.jax.movement import MOVEMENTS
from cntgraph.adapters.jax.program import Op, Var
from cntgraph.adapters.jax.values import Nodes, Weight, has_nodes
from cntgraph.adapters.jax.weights import whole
from cntgraph.adapters.tracing import complex_numbers, fourier
from cntgraph.adapters.tracing.complex_numbers import Complex
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.core.recipe import Recipe

#: Operations that are the same for the real and for the imaginary part.
_OF_EACH = MOVEMENTS | {"add", "add_any", "copy", "neg", "reduce_sum", "sub"}


def is_of_complex(op: Op, args: Sequence[Any]) -> bool:
    """Whether complex numbers that are no constants go into an operation, or come out of it."""
    traced = any(has_nodes(a) or isinstance(a, Weight | Complex) for a in args)
    return traced and any(v.is_complex for v in (*op.inputs, *op.outputs))


def of_pairs(recipe: Recipe) -> Complex:
    """Return weights whose last axis holds real and imaginary parts as complex ones."""
    parts = (recipe.take(-1, k, k + 1).reshape(recipe.shape[:-1]) for k in (0, 1))
    return Complex(*map(Weight.of, parts))


def as_typed(nodes: Nodes, var: Var) -> Nodes | Complex:
    """Return nodes that stand for a value; complex numbers that are not known are one node each."""
    return Complex(nodes, nodes) if var.is_complex else nodes


def follow(t: Any, op: Op, args: Sequence[Any]) -> list[Any]:
    """Return what an operation on complex numbers yields.

    Raises
    ------
    NotFollowed
        If it has no edges, or is not known.
    """
    args = [_whole(t, a) for a in args]
    if op.name in _OF_EACH:
        parts = [_part(t, op, args, k) for k in (0, 1)]
        return [Complex(*both) for both in zip(*parts, strict=True)]
    if op.name not in _HANDLERS:
        raise NotFollowed(complex_numbers.UNKNOWN)
    made = _HANDLERS[op.name](t, op, args)
    if isinstance(made, Complex):
        return [Complex(*(_of_shape(part, op.outputs[0]) for part in made.parts))]
    return [_of_shape(made, op.outputs[0])]


def _whole(t: Any, value: Any) -> Any:
    """Return a value without what waits to be carried out, and weights of their full shape."""
    if isinstance(value, Complex):
        return Complex(*(_whole(t, part) for part in value.parts))
    if isinstance(value, Weight):
        return whole(value, range(len(value.shape)))
    return t.nodes(value) if has_nodes(value) else value


def _of_shape(value: Any, out: Var) -> Any:
    """Return a part in the shape of a result."""
    if isinstance(value, Recipe):
        return Weight(value.of_rank(len(out.shape)), out.shape)
    return value if isinstance(value, Nodes | Weight) else np.broadcast_to(value, out.shape)


def _in_reals(op: Op) -> Op:
    """Return an operation of which all complex numbers are real ones."""
    real = np.dtype(np.float32)
    inputs, outputs = (
        tuple(replace(v, dtype=real) if v.is_complex else v for v in side)
        for side in (op.inputs, op.outputs)
    )
    return replace(op, inputs=inputs, outputs=outputs)


def _part(t: Any, op: Op, args: Sequence[Any], k: int) -> list[Any]:
    """Carry out an operation on real or on imaginary parts."""
    given = [complex_numbers.parts_of(a)[k] if v.is_complex else a
             for v, a in zip(op.inputs, args, strict=True)]  # fmt: skip
    given = [np.broadcast_to(a, v.shape) if isinstance(a, float) else a
             for v, a in zip(op.inputs, given, strict=True)]  # fmt: skip
    return [_whole(t, made) for made in t.call(_in_reals(op), given)]


def _converted(t: Any, op: Op, args: Sequence[Any]) -> Any:
    real, imaginary = complex_numbers.parts_of(args[0])
    return Complex(real, imaginary) if op.outputs[0].is_complex else real


def _conjugate(t: Any, op: Op, args: Sequence[Any]) -> Any:
    return complex_numbers.conjugate(t, Complex(*complex_numbers.parts_of(args[0])), t.label(op))


def _product(t: Any, op: Op, args: Sequence[Any]) -> Complex:
    """Return a product value by value or over axes, or a quotient."""

    def of_reals(x: Any, y: Any, name: str, op: Op = op) -> Any:
        pairs = zip((x, y), op.inputs, strict=True)
        (made,) = t.call(_in_reals(op), [_of_shape(value, var) for value, var in pairs])
        return _whole(t, made)

    (left, right), name = args, t.label(op)
    if op.name != "div":
        return complex_numbers.times(t, left, right, of_reals, name)
    product = partial(of_reals, op=replace(op, name="mul"))
    return complex_numbers.divide(t, left, right, product, of_reals, name)


def _transform(t: Any, op: Op, args: Sequence[Any]) -> Any:
    """Return a Fourier transform over the last axes."""
    x, name = args[0], t.label(op)
    lengths = [int(n) for n in op.params["fft_lengths"]]
    kind = jax.lax.FftType(op.params["fft_type"]).name
    axes = [len(x.shape) - len(lengths) + k for k in range(len(lengths))]
    inverse = kind.startswith("I")
    scale = 1.0 / prod(lengths) if inverse else 1.0
    if kind == "IRFFT":
        return fourier.real_inverse(t, x, axes, lengths[-1], scale, name)
    return fourier.transform(t, x, axes, scale, name, inverse=inverse, half=kind == "RFFT")


#: What each operation makes of its arguments, whose real and imaginary parts differ.
_HANDLERS: dict[str, Callable[[Any, Op, Sequence[Any]], Any]] = {
    "complex": lambda t, op, args: Complex(*args),
    "real": lambda t, op, args: complex_numbers.parts_of(args[0])[0],
    "imag": lambda t, op, args: complex_numbers.parts_of(args[0])[1],
    "convert_element_type": _converted,
    "conj": _conjugate,
    "exp": lambda t, op, args: complex_numbers.exponential(t, args[0], t.label(op)),
    "abs": lambda t, op, args: complex_numbers.size(t, args[0], t.label(op)),
    "fft": _transform,
    "mul": _product,
    "div": _product,
    "dot_general": _product,
}
