"""Complex numbers are pairs of real ones: what their operations are, in terms of real ones.

A movement, a sum or a real factor is applied to both parts, by whoever calls; only where the parts
meet is anything written here. What is zero is left out: a real number has no imaginary part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cntgraph.adapters.tracing import activations, arithmetic
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Neurons, are_weights
from cntgraph.core.recipe.movement import stacked

#: Why the graph is cut at any operation that is not here.
UNKNOWN = "of complex numbers it is not followed"
#: Of two real operands, value by value or a contraction, under a name.
Product = Callable[[Any, Any, str], Any]


@dataclass(frozen=True, eq=False)
class Complex:
    """A tensor of complex numbers: two of real ones.

    Parameters
    ----------
    real, imaginary : Neurons, weights or constant
        Of one shape.
    """

    real: Any
    imaginary: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return tuple(np.shape(self.real))

    @property
    def parts(self) -> tuple[Any, Any]:
        """The real and the imaginary part."""
        return self.real, self.imaginary

    @property
    def is_of_weights(self) -> bool:
        """Whether it depends on parameters and constants alone."""
        return are_weights(*self.parts)


def of_pairs(t: Tracer, x: Any) -> Complex:
    """Return neurons or weights whose last axis holds real and imaginary parts as complex ones.

    Where there are real parts alone, the imaginary ones are zero.
    """
    shape, n_parts = x.shape[:-1], x.shape[-1]
    if isinstance(x, Neurons):
        parts = [t.neurons(x.ids[..., k]) for k in range(n_parts)]
    else:
        recipe = t.recipe(x)
        parts = [recipe.take(-1, k, k + 1).reshape(shape) for k in range(n_parts)]
    return Complex(parts[0], parts[1] if n_parts == 2 else np.zeros(shape))


def as_pairs(t: Tracer, x: Complex, name: str) -> Any:
    """Return neurons or weights whose last axis holds real and imaginary parts."""
    if x.is_of_weights:
        return stacked([*map(t.recipe, x.parts)], -1)
    return t.neurons(np.stack([t.as_ids(part, name) for part in x.parts], -1))


def parts_of(value: Any) -> tuple[Any, Any]:
    """Return the parts of a number of any kind; the imaginary part of a real one is zero."""
    if isinstance(value, Complex):
        return value.parts
    if isinstance(value, complex | np.ndarray) and np.iscomplexobj(value):
        return value.real, value.imag
    return value, 0.0


def is_zero(t: Tracer, value: Any) -> bool:
    """Whether a part is zero everywhere: a constant, or no neurons."""
    if isinstance(value, Neurons):
        return bool((value.ids == -1).all())
    array = t.array(value)
    return array is not None and not array.any()


def conjugate(t: Tracer, x: Complex, name: str) -> Complex:
    """Return a - bi."""
    return Complex(x.real, _negative(t, x.imaginary, name))


def add(t: Tracer, left: Any, right: Any, name: str) -> Complex:
    """Return the sum of both."""
    pairs = zip(parts_of(left), parts_of(right), strict=True)
    return Complex(*(x if is_zero(t, y) else arithmetic.add(t, x, y, name) for x, y in pairs))


def times(t: Tracer, left: Any, right: Any, product: Product, name: str) -> Complex:
    """Return (a + bi)(c + di) = (ac - bd) + (ad + bc)i, for any product.

    Parameters
    ----------
    left, right : Complex, or real numbers of any kind
    """
    (a, b), (c, d) = parts_of(left), parts_of(right)
    real = real_product(t, left, right, product, f"{name}.real")
    imaginary = _sum_of_products(t, [(a, d), (b, c)], product, f"{name}.imaginary")
    if real is imaginary is None:
        raise NotFollowed("a product with zero")
    zeros = np.zeros(np.shape(imaginary if real is None else real))
    return Complex(*(zeros if part is None else part for part in (real, imaginary)))


def real_product(t: Tracer, left: Any, right: Any, product: Product, name: str) -> Any:
    """Return ac - bd, the real part of a product as of `times`; None where that is zero."""
    (a, b), (c, d) = parts_of(left), parts_of(right)
    # Of a weight and neurons it is the weight that has the sign.
    minus = (b, _negative(t, d, name)) if are_weights(d) else (_negative(t, b, name), d)
    return _sum_of_products(t, [(a, c), minus], product, name)


def _sum_of_products(t: Tracer, pairs: list[tuple[Any, Any]], product: Product, name: str) -> Any:
    given = [(x, y) for x, y in pairs if not (is_zero(t, x) or is_zero(t, y))]
    if len(given) < 2:
        return product(*given[0], name) if given else None
    made = [product(x, y, f"{name}.{k}") for k, (x, y) in enumerate(given)]
    return arithmetic.total(t, made, name)


def _negative(t: Tracer, value: Any, name: str) -> Any:
    if is_zero(t, value):
        return value
    array = None if isinstance(value, Neurons) else t.array(value)
    return arithmetic.negate(t, value, name) if array is None else -array


def divide(
    t: Tracer, left: Any, right: Any, product: Product, quotient: Product, name: str
) -> Complex:
    """Return a quotient, by those of real ones; of a divisor with an imaginary part a product."""
    real, imaginary = parts_of(right)
    if is_zero(t, imaginary):
        return times(t, left, real, quotient, name)
    return times(t, left, reciprocal(t, right), product, name)


def reciprocal(t: Tracer, x: Any) -> Complex:
    """Return 1 / (a + bi) of weights."""
    if not are_weights(*parts_of(x)):
        raise NotFollowed(UNKNOWN)
    real, imaginary = map(t.recipe, parts_of(x))
    size = real.square() + imaginary.square()
    return Complex(real / size, -imaginary / size)


def size(t: Tracer, x: Complex, name: str) -> Any:
    """Return |a + bi|, the root of the sum of both squares."""
    parts = [part for part in x.parts if not is_zero(t, part)] or [x.real]
    if len(parts) == 1:
        return activations.activate(t, parts[0], "abs")
    squares = [activations.activate(t, part, "pow") for part in parts]
    return activations.activate(t, arithmetic.total(t, squares, name), "sqrt")


def polar(t: Tracer, radius: Any, angle: Any, name: str) -> Complex:
    """Return r (cos φ + i sin φ)."""
    parts = (activations.activate(t, angle, function) for function in ("cos", "sin"))
    return Complex(*(arithmetic.multiply(t, radius, part, name) for part in parts))


def exponential(t: Tracer, x: Complex, name: str) -> Complex:
    """Return e^a (cos b + i sin b) of weights."""
    if not x.is_of_weights:
        raise NotFollowed(UNKNOWN)
    return polar(t, activations.activate(t, x.real, "exp"), x.imaginary, name)
