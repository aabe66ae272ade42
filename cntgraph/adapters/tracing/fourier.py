"""Fourier transforms: fixed linear maps along axes, by cosines and sines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.tracing import complex_numbers, contraction, movement
from cntgraph.adapters.tracing.complex_numbers import Complex
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.pooling import mix_positions
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import are_weights
from cntgraph.core.types import Values

#: What is smaller is a sine or cosine that is zero.
_ZERO = 1e-12
#: Of more values and frequencies than these, no edges are drawn from each to each.
_MOST_WAVES = 1 << 22


def resized(t: Tracer, x: Any, axis: int, n: int | None, name: str) -> Complex:
    """Return numbers of which there are n along an axis: cut off, or zeros behind them."""
    widths = [[0, 0] for _ in x.shape]
    widths[axis][1] = (n or x.shape[axis]) - x.shape[axis]
    shape = tuple(n + wide for n, (_, wide) in zip(x.shape, widths, strict=True))

    def sized(part: Any) -> Any:
        nothing = complex_numbers.is_zero(t, part)
        return np.zeros(shape) if nothing else movement.pad(t, part, widths, 0.0, name)

    return Complex(*map(sized, complex_numbers.parts_of(x)))


def transform(
    t: Tracer, x: Any, axes: Sequence[int], scale: float, name: str, *, inverse: bool = False,
    half: bool = False,
) -> Any:  # fmt: skip
    """Return the discrete Fourier transform along some axes.

    Parameters
    ----------
    x : Complex, or real numbers of any kind
    scale : float
        What it is multiplied by.
    inverse : bool, default False
        Whether the exponent is positive.
    half : bool, default False
        Whether only frequencies up to the highest one are kept along the last of the axes, since
        the others are their conjugates.

    Returns
    -------
    Complex
    """
    for k, axis in enumerate(reversed(axes)):
        n = x.shape[axis]
        matrix = _waves(n, n // 2 + 1 if half and not k else n, 1 if inverse else -1)
        matrix = matrix if k else scale * matrix
        x = complex_numbers.times(t, x, matrix, _product(t, axis % len(x.shape)), name)
    return x


def real_inverse(t: Tracer, x: Any, axes: Sequence[int], n: int, scale: float, name: str) -> Any:
    """Return the inverse of a transform of real numbers, of which half the frequencies are given.

    Parameters
    ----------
    n : int
        How many values are made along the last of the axes.

    Returns
    -------
    Neurons or weights
    """
    *others, last = axes
    x = transform(t, x, others, 1.0, name, inverse=True) if others else x
    twice = np.ones((n // 2 + 1, 1))
    twice[1 : (n + 1) // 2] = 2.0  # those that have a conjugate besides
    matrix = scale * twice * _waves(n, n // 2 + 1, 1).T
    along = _product(t, last % len(x.shape))
    return complex_numbers.real_product(t, x, matrix, along, name)


def _waves(n: int, n_frequencies: int, sign: int) -> NDArray[np.complex128]:
    """Return e^{± 2πi t k / n} of places t and frequencies k."""
    if n * n_frequencies > _MOST_WAVES:
        raise NotFollowed(f"a Fourier transform of {n:,} values")
    turns = np.outer(np.arange(n), np.arange(n_frequencies)) % n / n
    parts = (f(2.0 * np.pi * turns) for f in (np.cos, np.sin))
    real, imaginary = (np.where(abs(part) < _ZERO, 0.0, part) for part in parts)
    return real + sign * 1j * imaginary


def _product(t: Tracer, axis: int) -> complex_numbers.Product:
    """Return the product of real numbers with a matrix (before, after) along an axis.

    Among the positions of a layer it is one for every channel; channels make new ones.
    """

    def product(x: Any, matrix: Values, name: str) -> Any:
        mixed = None if are_weights(x) else mix_positions(t, x, axis, matrix, name)
        if mixed is not None:
            return mixed
        fixed = t.structural("fourier", matrix)
        before, after = (
            [along if k == axis else k for k in range(len(x.shape))] for along in ("in", "out")
        )
        return contraction.contract(t, x, before, fixed, ("in", "out"), after, name)

    return product
