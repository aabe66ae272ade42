"""Fourier transforms, which read and make pairs of tensors: real and imaginary parts."""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.keras.handlers import handles
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import Arguments
from cntgraph.adapters.tracing import fourier
from cntgraph.adapters.tracing.complex_numbers import Complex, parts_of


@handles("FFT", "FFT2", "IFFT2", "RFFT")
def transform(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return the real and the imaginary part of a transform over the last axes."""
    kind, name = type(operation).__name__, t.name(operation)
    x = a["x"] if kind == "RFFT" else Complex(*a["x"])
    axes = [len(x.shape) - k for k in ((2, 1) if kind.endswith("2") else (1,))]
    x = fourier.resized(t, x, axes[-1], getattr(operation, "fft_length", None), name)
    inverse = kind.startswith("I")
    scale = 1.0 / (x.shape[-1] * x.shape[-2]) if inverse else 1.0
    made = fourier.transform(t, x, axes, scale, name, inverse=inverse, half=kind == "RFFT")
    return tuple(t.neurons(t.as_ids(part, name)) for part in parts_of(made))


@handles("IRFFT")
def real_inverse(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return real numbers, from the first half of their frequencies."""
    x, name = Complex(*a["x"]), t.name(operation)
    axis = len(x.shape) - 1
    n = operation.fft_length or 2 * (x.shape[axis] - 1)
    x = fourier.resized(t, x, axis, n // 2 + 1, name)
    return fourier.real_inverse(t, x, [axis], n, 1.0 / n, name)
