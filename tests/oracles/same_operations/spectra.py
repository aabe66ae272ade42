"""Fourier transforms, and complex numbers as pairs of real ones."""

import numpy as np
from oracles.same_operations.table import A, operation


def t():
    import torch

    return torch


def jax():
    import jax

    return jax


def jnp():
    return jax().numpy


def ops():
    import keras

    return keras.ops


def transformed(m, x, axis, **options):
    """A transform of ONNX, its real parts and its imaginary ones."""
    numbers = m("Unsqueeze", m.dense("a", x), m.ints(-1))
    pairs = m("DFT", numbers, "", m.const(axis, np.int64), **options)
    return [m("Squeeze", m("Gather", pairs, m.ints(k), axis=-1), m.ints(-1)) for k in (0, 1)]


operation(
    "real part of a Fourier transform of features", (2, 4), weights=A,
    torch=lambda m, x: t().fft.fft(m.dense("a", x)).real,
    onnx=lambda m, x: transformed(m, x, 2)[0],
    keras=lambda m, x: ops().fft(pair(m.dense("a", x)))[0],
    jax=lambda m, x: jnp().fft.fft(m.dense("a", x)).real,
)  # fmt: skip

operation(
    "half of the frequencies of positions", (5, 4), weights=A,
    torch=lambda m, x: (lambda z: (z.real, z.imag))(t().fft.rfft(m.dense("a", x), dim=1)),
    onnx=lambda m, x: tuple(transformed(m, x, 1, onesided=1)),
    keras=lambda m, x: [ops().swapaxes(part, 1, 2) for part in ops().rfft(
        ops().swapaxes(m.dense("a", x), 1, 2))],
    jax=lambda m, x: (lambda z: (z.real, z.imag))(jnp().fft.rfft(m.dense("a", x), axis=1)),
)  # fmt: skip

operation(
    "frequencies and back", (5, 4), weights=A,
    torch=lambda m, x: t().fft.irfft(t().fft.rfft(m.dense("a", x), dim=1), n=5, dim=1),
    keras=lambda m, x: ops().swapaxes(ops().irfft(ops().rfft(
        ops().swapaxes(m.dense("a", x), 1, 2)), fft_length=5), 1, 2),
    jax=lambda m, x: jnp().fft.irfft(jnp().fft.rfft(m.dense("a", x), axis=1), n=5, axis=1),
)  # fmt: skip

TURNS = np.exp(1j * np.array([[0.25, 1.0], [2.0, 0.5]])).astype(np.complex64)


def turned_by_torch(m, x):
    pairs = t().view_as_complex(m.dense("a", x).unflatten(2, (2, 2)))
    return t().view_as_real(pairs * t().from_numpy(TURNS)).flatten(2)


def turned_by_jax(m, x):
    pairs = m.dense("a", x).reshape(-1, 2, 2, 2)
    turned = jax().lax.complex(pairs[..., 0], pairs[..., 1]) * TURNS
    return jnp().stack([turned.real, turned.imag], -1).reshape(-1, 2, 4)


operation(
    "rotation by complex numbers", (2, 3), weights={"a.w": (4, 3), "a.b": (4,)},
    torch=turned_by_torch, jax=turned_by_jax,
)  # fmt: skip

operation(
    "complex weights", (2, 4), weights={**A, "p": (3, 2, 2)},
    torch=lambda m, x: (m.dense("a", x).to(t().cfloat) @ t().view_as_complex(m["p"])).real,
    jax=lambda m, x: (m.dense("a", x).astype("complex64") @ jax().lax.complex(
        m["p"][..., 0], m["p"][..., 1])).real,
)  # fmt: skip


def pair(h):
    return h, ops().zeros_like(h)


operation(
    "in two dimensions and back", (3, 4), weights=A,
    torch=lambda m, x: t().fft.ifft2(t().fft.fft2(m.dense("a", x))).imag,
    keras=lambda m, x: ops().ifft2(ops().fft2(pair(m.dense("a", x))))[1],
    jax=lambda m, x: jnp().fft.ifft2(jnp().fft.fft2(m.dense("a", x))).imag,
)  # fmt: skip
