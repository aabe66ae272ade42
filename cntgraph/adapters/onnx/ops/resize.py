"""Resizing: to the nearest position, or between positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.onnx.reference import refuse_above
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes, concrete
from cntgraph.adapters.tracing.batch import MixedSamplesError
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.pooling import pool
from cntgraph.adapters.tracing.values import Data
from cntgraph.network.blocks import AxisOperator

Places = NDArray[Any]
#: No axis is made so many times longer; a damaged file can say so.
_LARGEST_SCALE = 1 << 20


class _Axis(NamedTuple):
    """One axis that is resized: its sizes, and by how much it was asked to grow."""

    n_in: int
    n_out: int
    scale: float


@handles("Resize", "Upsample")
def resize(t: OnnxTracer, call: Call) -> Any:
    """Repeat the nearest neurons, or interpolate between them."""
    x = call.neurons
    if any(isinstance(v, Nodes | Data) for v in call.inputs[1:]):
        return None
    old, mode = _is_old(call), call.get("mode", "nearest")
    axes = _axes(call, x.shape)
    if min(axis.n_out for axis in axes) < 0:
        raise ValueError(f"sizes of {[axis.n_out for axis in axes]}")
    refuse_above(prod(axis.n_out for axis in axes), call)
    how = "asymmetric" if old else call.get("coordinate_transformation_mode", "half_pixel")
    if how not in _COORDINATES:
        raise NotFollowed(f"coordinates by {how} are not read")
    if mode == "nearest":
        rounded = _ROUNDED["floor" if old else call.get("nearest_mode", "round_prefer_floor")]
        places = [np.clip(rounded(_places(axis, how)), 0, axis.n_in - 1) for axis in axes]
        return replace(x, ids=x.ids[np.ix_(*(p.astype(np.int64) for p in places))])
    return _between(t, x, axes, lambda axis: _operator(axis, how, call), call.name)


def _is_old(call: Call) -> bool:
    return call.operation == "Upsample" or call.opset < 11


def _axes(call: Call, shape: Sequence[int]) -> list[_Axis]:
    """Return how every axis of a tensor is resized."""
    rank, old = len(shape), _is_old(call)
    named = [int(a) % rank for a in call.get("axes") or range(rank)]
    sizes = None if old or call.input(3) is None else np.ravel(concrete(call.inputs[3]))
    if sizes is not None and sizes.size:
        pairs = _of_sizes(call, [shape[a] for a in named], [int(n) for n in sizes])
    else:
        scales = call.constant(1 if old else 2, "scales")
        pairs = [(_grown(shape[a], float(s)), float(s))
                 for a, s in zip(named, np.ravel(scales), strict=True)]  # fmt: skip
    axes = [_Axis(n, n, 1.0) for n in shape]
    for a, (n_out, scale) in zip(named, pairs, strict=True):
        axes[a] = _Axis(shape[a], n_out, scale)
    return axes


def _grown(n: int, scale: float) -> int:
    if not 0 < scale < _LARGEST_SCALE:
        raise ValueError(f"a scale of {scale}")
    return int(np.floor(np.float32(n) * np.float32(scale)))


def _of_sizes(call: Call, shape: Sequence[int], sizes: Sequence[int]) -> list[tuple[int, float]]:
    """Return the size and the scale of each axis whose size was asked for."""
    scales = [size / max(n, 1) for n, size in zip(shape, sizes, strict=True)]
    policy = call.get("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return list(zip(sizes, scales, strict=True))
    scale = min(scales) if policy == "not_larger" else max(scales)
    return [(int(np.floor(n * scale + 0.5)), scale) for n in shape]


# -- where each output position lies, in float32 as onnxruntime has it -----------------------------


def _places(axis: _Axis, how: str) -> Places:
    n_in, n_out, scale = (np.float32(value) for value in axis)
    x = np.arange(axis.n_out, dtype=np.float32)
    if how == "asymmetric":
        return x / scale
    if how == "align_corners":
        return x * (n_in - 1) / np.float32(max(axis.n_out - 1, 1))
    if how == "pytorch_half_pixel" and axis.n_out < 2:
        return x
    x = (x + np.float32(0.5)) / scale - np.float32(0.5)
    # The middle of what is made, of whose size a fraction was cut off, stays in the middle.
    return x + n_in / 2 * (1 - n_out / (n_in * scale)) if how == "half_pixel_symmetric" else x


_COORDINATES = (
    "align_corners", "asymmetric", "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel"
)  # fmt: skip
_ROUNDED: dict[str, Callable[[Places], Places]] = {
    "round_prefer_floor": lambda x: np.ceil(x - np.float32(0.5)),
    "round_prefer_ceil": lambda x: np.floor(x + np.float32(0.5)),
    "floor": np.floor, "ceil": np.ceil,
}  # fmt: skip


# -- interpolation ------------------------------------------------------------------------------


def _operator(axis: _Axis, how: str, call: Call) -> AxisOperator:
    """Return the weights of an interpolation along one axis."""
    if axis.n_in == axis.n_out and axis.scale == 1.0:
        return AxisOperator.identity(axis.n_in)
    cubic = call.get("mode") == "cubic"
    if cubic or (call.get("antialias", 0) and axis.scale < 1.0):
        return _weighted(axis, how, call, cubic)
    if axis.n_out == _grown(axis.n_in, axis.scale) and how in ("align_corners", "half_pixel"):
        corners = how == "align_corners"
        exact = axis.scale == axis.n_out / axis.n_in
        scale = None if corners or exact else axis.scale
        return AxisOperator.linear(axis.n_in, axis.n_out, align_corners=corners, scale=scale)
    return AxisOperator.between(axis.n_in, _places(axis, how).astype(np.float64))


def _weighted(axis: _Axis, how: str, call: Call, cubic: bool) -> AxisOperator:
    """Return weights that fall with the distance; without aliases, over what is skipped as well.

    What lies beyond the border is the border, or nothing, as the operation says.
    """
    x = _places(axis, how).astype(np.float64)
    shrunk = min(axis.scale, 1.0) if call.get("antialias", 0) else 1.0
    reach = int(np.ceil((2 if cubic else 1) / shrunk))
    places = np.floor(x).astype(np.int64) + np.arange(-reach, reach + 2)[:, None]
    distance = np.abs(places - x) * shrunk
    slope = float(call.get("cubic_coeff_a", -0.75))
    weights = _cubic(distance, slope) if cubic else np.maximum(1.0 - distance, 0.0)
    if call.get("exclude_outside", 0):
        weights = np.where((places < 0) | (places >= axis.n_in), 0.0, weights)
    weights /= weights.sum(axis=0)
    matrix = np.zeros((axis.n_in, axis.n_out))
    columns = np.broadcast_to(np.arange(axis.n_out), places.shape)
    np.add.at(matrix, (np.clip(places, 0, axis.n_in - 1), columns), weights)
    return AxisOperator.of_matrix(matrix)


def _cubic(d: Places, a: float) -> Places:
    """Return the weights of Keys' cubic convolution at distances; `a` is its slope at one."""
    near = ((a + 2) * d - (a + 3)) * d**2 + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def _between(
    t: OnnxTracer, x: Nodes, axes: Sequence[_Axis], operator: Callable[[_Axis], AxisOperator],
    name: str,
) -> Any:  # fmt: skip
    """Interpolate along all axes that are resized and all behind the first of them."""
    first = next((k for k, a in enumerate(axes) if a.n_in != a.n_out or a.scale != 1.0), len(axes))
    if first == len(axes):
        return x
    if first == 0:
        raise MixedSamplesError
    if first > 1:  # an image that grows along one axis has both
        return pool(t, x, [operator(axis) for axis in axes[2:]], "linear", name)
    # Without channels: one is put in.
    wide = t.neurons(np.expand_dims(x.ids, 1))
    made = pool(t, wide, [operator(axis) for axis in axes[1:]], "linear", name)
    return t.neurons(made.ids.squeeze(1))
