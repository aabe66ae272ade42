"""Convolutions of 3 × 3 and stride 2 from 16 channels to 16, and their gradients, on one core.

Channels come last, so the 16 of a position are one vector of the processor, and all three passes
are products of matrices that lie in the images as they are: no patches are copied.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

CHANNELS, TAPS, STRIDE = 16, 3, 2
BLOCK = CHANNELS * CHANNELS
"""Weights of a tap."""

Floats = NDArray[np.float32]


def convolve(x: Floats, kernel: Floats, bias: Floats) -> Floats:
    """Return the convolution of images (n, size, size, 16) with a kernel (144, 16)."""
    out = size_after(x.shape[1])
    y = np.empty((len(x), out, out, CHANNELS), np.float32)
    y[:] = bias
    _passes(out).forward(x.reshape(-1), kernel.reshape(-1), y.reshape(-1), x.shape[1])
    return y


def input_gradient(dy: Floats, kernel: Floats, size: int) -> Floats:
    """Return the gradient for images of a size, of that for what the convolution returns."""
    dx = np.zeros((len(dy), size, size, CHANNELS), np.float32)
    turned = kernel.reshape(-1, CHANNELS, CHANNELS).transpose(0, 2, 1).reshape(-1)
    _passes(dy.shape[1]).to_input(dx.reshape(-1), turned, dy.reshape(-1), size)
    return dx


def kernel_gradient(x: Floats, dy: Floats) -> Floats:
    """Return the gradient for the kernel."""
    found = np.zeros((TAPS * TAPS * CHANNELS, CHANNELS), np.float32)
    _passes(dy.shape[1]).to_kernel(x.reshape(-1), found.reshape(-1), dy.reshape(-1), x.shape[1])
    return found


def product(seen: Floats, weights: Floats) -> Floats:
    """Return the product of what is seen (n, size, size, seen) and weights (seen, 16)."""
    y = np.zeros((*seen.shape[:-1], CHANNELS), np.float32)
    _products(*seen.shape[2:]).forward(seen.reshape(-1), weights.reshape(-1), y.reshape(-1))
    return y


def product_gradient(seen: Floats, dy: Floats) -> Floats:
    """Return the gradient for the weights of a product."""
    found = np.zeros((seen.shape[-1], CHANNELS), np.float32)
    _products(*seen.shape[2:]).to_weights(seen.reshape(-1), found.reshape(-1), dy.reshape(-1))
    return found


def size_after(size: int) -> int:
    """Return how many positions a kernel has along one side."""
    return (size - TAPS) // STRIDE + 1


# -- compiled --------------------------------------------------------------------------------------


class _Products(NamedTuple):
    """Each takes (what is seen, of weights, of results), flat arrays."""

    forward: Callable[..., None]
    to_weights: Callable[..., None]


@cache
def _products(rows: int, seen: int) -> _Products:
    """Compile what products of so many columns need, so many rows at a time."""

    @njit(nogil=True)
    def forward(x: Floats, w: Floats, y: Floats) -> None:
        for k in range(y.size // (rows * CHANNELS)):
            at = k * rows
            _add_product(rows, y, at * CHANNELS, CHANNELS, x, at * seen, seen, 1, w, 0, seen)

    @njit(nogil=True)
    def to_weights(x: Floats, dw: Floats, dy: Floats) -> None:
        _add_product(seen, dw, 0, CHANNELS, x, 0, 1, seen, dy, 0, dy.size // CHANNELS)

    return _Products(forward, to_weights)


class _Passes(NamedTuple):
    """Each takes (of images, of weights, of results, the images' size), flat arrays."""

    forward: Callable[..., None]
    to_input: Callable[..., None]
    to_kernel: Callable[..., None]


@cache
def _passes(out: int) -> _Passes:
    """Compile what results of ``out`` positions a side need: a row of them stays in registers."""
    row = out * CHANNELS

    @njit(nogil=True)
    def forward(x: Floats, w: Floats, y: Floats, size: int) -> None:
        for k in range(y.size // row):
            at = (k // out * size + STRIDE * (k % out)) * size * CHANNELS
            for a in range(TAPS):
                # A row of taps and their channels are next to each other, in x as in w.
                seen = at + a * size * CHANNELS
                _add_product(out, y, k * row, CHANNELS, x, seen, STRIDE * CHANNELS, 1,
                             w, a * TAPS * BLOCK, TAPS * CHANNELS)  # fmt: skip

    @njit(nogil=True)
    def to_input(dx: Floats, w: Floats, dy: Floats, size: int) -> None:
        for k in range(dy.size // row):
            for a in range(TAPS):
                for b in range(TAPS):
                    at = ((k // out * size + STRIDE * (k % out) + a) * size + b) * CHANNELS
                    _add_product(out, dx, at, STRIDE * CHANNELS, dy, k * row,
                                 CHANNELS, 1, w, (TAPS * a + b) * BLOCK, CHANNELS)  # fmt: skip

    @njit(nogil=True)
    def to_kernel(x: Floats, dw: Floats, dy: Floats, size: int) -> None:
        for k in range(dy.size // row):
            for a in range(TAPS):
                for b in range(TAPS):
                    at = ((k // out * size + STRIDE * (k % out) + a) * size + b) * CHANNELS
                    _add_product(CHANNELS, dw, (TAPS * a + b) * BLOCK, CHANNELS, x, at,
                                 1, STRIDE * CHANNELS, dy, k * row, out)  # fmt: skip

    return _Passes(forward, to_input, to_kernel)


@intrinsic(prefer_literal=True)
def _add_product(
    _: Any, rows: Any, y: Any, y_at: Any, y_step: Any, x: Any, x_at: Any, x_step: Any, x_next: Any,
    w: Any, w_at: Any, n: Any,
) -> Any:  # fmt: skip
    """Add a product of a few rows to y: y[r] += Σ_k x[r, k] w[k], of 16 columns.

    ``rows`` is a number that is known when it is compiled. Row r of y begins at y_at + r y_step,
    row k of w at w_at + 16 k; x[r, k] lies at x_at + r x_step + k x_next. LLVM has no outer loop
    to vectorize here that it would see by itself: written in Python this is twelve times slower.
    """
    signature = types.void(rows, y, y_at, y_step, x, x_at, x_step, x_next, w, w_at, n)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        _, y, y_at, y_step, x, x_at, x_step, x_next, w, w_at, n = arguments
        y, x, w = (
            context.make_array(signature.args[place])(context, builder, value).data
            for place, value in ((1, y), (4, x), (8, w))
        )
        vector = ir.VectorType(ir.FloatType(), CHANNELS)

        def place(base: ir.Value, at: ir.Value, step: ir.Value, k: ir.Value) -> ir.Value:
            return builder.gep(base, [builder.add(at, builder.mul(step, k))])

        def vectors(base: ir.Value, at: ir.Value, step: ir.Value, k: ir.Value) -> ir.Value:
            return builder.bitcast(place(base, at, step, k), vector.as_pointer())

        numbers = [ir.Constant(y_at.type, r) for r in range(rows.literal_value)]
        results = [vectors(y, y_at, y_step, r) for r in numbers]
        sums = [cgutils.alloca_once(builder, vector) for _ in numbers]
        for result, total in zip(results, sums, strict=True):
            builder.store(builder.load(result, align=4), total)
        with cgutils.for_range(builder, n) as loop:
            width = ir.Constant(y_at.type, CHANNELS)
            weights = builder.load(vectors(w, w_at, width, loop.index), align=4)
            here = builder.add(x_at, builder.mul(loop.index, x_next))
            for r, total in zip(numbers, sums, strict=True):
                value = _in_all(builder, vector, builder.load(place(x, here, x_step, r)))
                value = builder.fmul(value, weights, flags=("contract",))
                value = builder.fadd(builder.load(total), value, flags=("contract",))
                builder.store(value, total)
        for result, total in zip(results, sums, strict=True):
            builder.store(builder.load(total), result, align=4)
        return context.get_dummy_value()

    return signature, generate


def _in_all(builder: ir.IRBuilder, vector: ir.VectorType, value: ir.Value) -> ir.Value:
    """Return a vector of one value."""
    none, index = ir.Constant(vector, ir.Undefined), ir.IntType(32)
    first = builder.insert_element(none, value, ir.Constant(index, 0))
    places = ir.Constant(ir.VectorType(index, vector.count), [0] * vector.count)
    return builder.shuffle_vector(first, none, places)
