"""Convolutions in any number of dimensions, transposed or not."""

from __future__ import annotations

from typing import Any

import numpy as np

from cntgraph.adapters.onnx.names import name_of
from cntgraph.adapters.onnx.ops.geometry import conv_windows, transposed_windows
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes
from cntgraph.adapters.tracing.batch import MixedSamplesError, Samples, find
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.network.blocks import Window


@handles("Conv")
def conv(t: OnnxTracer, call: Call) -> Any:
    """Return a convolution."""
    return convolve(t, call, t.recipe(call.inputs[1]), t.vector(call.input(2)))


@handles("ConvTranspose")
def conv_transpose(t: OnnxTracer, call: Call) -> Any:
    """Return a transposed convolution."""
    weight = t.recipe(call.inputs[1])
    return convolve(t, call, weight, t.vector(call.input(2)), transposed=True)


def convolve(
    t: OnnxTracer, call: Call, weight: Recipe, bias: Recipe | None, *, transposed: bool = False
) -> Nodes | None:
    """Return the convolution of a call's first input with a weight.

    Parameters
    ----------
    t : OnnxTracer
        The tracer.
    call : Call
        The operation, whose attributes say how the windows slide.
    weight : Recipe
        As ONNX stores it.
    bias : Recipe or None
        One a channel.
    transposed : bool, default False
        Whether it is transposed.

    Returns
    -------
    Nodes or None
    """
    x = call.inputs[0]
    if not isinstance(x, Nodes) or x.ids.ndim != len(weight.shape) or x.ids.ndim < 3:
        return None
    kernel = weight.shape[2:]
    slide = transposed_windows if transposed else conv_windows
    windows = slide(call, x.shape[2:], kernel)
    if windows is None:
        raise NotFollowed("its output is larger than what it reads from can reach")
    images, samples = _images(t, x)
    name, groups = name_of(weight, call.name), int(call.get("group", 1))
    kept = [
        k for k in range(len(kernel)) if 2 + k not in call.idle or windows[k] != Window(1, 1, 1)
    ]
    shape = [windows[k].fine if transposed else windows[k].coarse for k in range(len(kernel))]
    windows = tuple(windows[k] for k in kept)
    weight = weight.reshape((*weight.shape[:2], *(kernel[k] for k in kept)))
    if len(images) == 1:
        ids = images[0].reshape(images.shape[1], *(x.shape[2 + k] for k in kept))
    else:
        # Images that were merged into the batch are positions that the kernel does not mix.
        ids, windows = np.moveaxis(images, 1, 0), (Window(len(images), len(images), 1), *windows)
        ids = ids.reshape(*ids.shape[:2], *(x.shape[2 + k] for k in kept))
        weight = weight.reshape((*weight.shape[:2], 1, *weight.shape[2:]))
    made = t.builder.conv(name, ids, weight, bias, windows, groups=groups, transposed=transposed)
    made = made.reshape(len(made), len(images), *shape).swapaxes(0, 1)
    return Nodes(samples.spread(made[0] if samples.alone else made))


def _images(t: OnnxTracer, x: Nodes) -> tuple[Ids, Samples]:
    """Return the images of one sample, and where samples lie."""
    samples = find(x.ids, t.n_samples)
    if samples.axis not in (0, None):
        raise MixedSamplesError
    ids = samples.first(x.ids)
    return (ids[None] if samples.alone else ids), samples
