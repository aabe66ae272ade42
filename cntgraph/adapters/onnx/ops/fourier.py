"""Fourier transforms: complex numbers are pairs of real ones, along a last axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, concrete
from cntgraph.adapters.tracing import complex_numbers, fourier
from cntgraph.adapters.tracing.operations import NotFollowed


@handles("DFT", of_weights=True)
def transform(t: OnnxTracer, call: Call) -> Any:
    """Return a discrete Fourier transform along one axis."""
    x, rank = complex_numbers.of_pairs(t, call.values), len(call.values.shape)
    axis = call.constant(2, "axis")
    axis = (1 if call.opset < 20 else -2) if axis is None else np.asarray(axis).item()
    axis %= rank
    inverse, half = bool(call.get("inverse", 0)), bool(call.get("onesided", 0))
    if inverse and half:
        raise NotFollowed("the inverse of half of the frequencies")
    length = x.shape[axis] if call.input(1) is None else concrete(call.inputs[1]).item()
    x = fourier.resized(t, x, axis, length, call.name)
    scale = 1.0 / x.shape[axis] if inverse else 1.0
    made = fourier.transform(t, x, [axis], scale, call.name, inverse=inverse, half=half)
    return complex_numbers.as_pairs(t, made, call.name)
