"""Keras: what its dense and convolutional layers are given and return."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np

import cntgraph as cg

from ..case import Made
from .calls import Call, examine

DENSE = (keras.layers.Dense,)
CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D,
                keras.layers.DepthwiseConv2D)  # fmt: skip


def audit(made: Made, net: cg.Network) -> dict[str, Any]:
    """Return what agrees with Keras and what does not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept = cg.load(made.model, example_input=made.example, norm="keep", **made.options)
    found = {"right": 0} | examine(kept, recorded(made.model, made.example))
    found["right"] = found["sums"] - len(found["wrong"])
    return found


def recorded(model: Any, example: Any) -> dict[str, list[Call]]:
    """Return the calls of every layer that computes, by its name; its inside is not looked into."""
    layers = [layer for layer in model._flatten_layers(include_self=False)
              if isinstance(layer, (*DENSE, *CONVOLUTIONS))]  # fmt: skip
    calls: dict[str, list[Call]] = {layer.name: [] for layer in layers}
    originals = [layer.call for layer in layers]
    for layer, original in zip(layers, originals, strict=True):

        def call(
            x: Any, *args: Any, layer: Any = layer, original: Any = original, **named: Any
        ) -> Any:
            y = original(x, *args, **named)
            calls[layer.name].append(_call(layer, x, layer.activation, y, original))
            return y

        layer.call = call
    try:
        model(example, training=False)
    finally:
        for layer, original in zip(layers, originals, strict=True):
            layer.call = original
    return calls


def _call(layer: Any, x: Any, activation: Any, y: Any, original: Any) -> Call:
    """Return a call of a layer, without its activation."""
    if activation is not keras.activations.linear:
        layer.activation = keras.activations.linear
        try:
            y = original(x)
        finally:
            layer.activation = activation
    given, returned = (np.asarray(keras.ops.convert_to_numpy(v), np.float64) for v in (x, y))
    weights = np.asarray(keras.ops.convert_to_numpy(layer.kernel), np.float64)
    bias = None if layer.bias is None else np.asarray(keras.ops.convert_to_numpy(layer.bias))
    if isinstance(layer, DENSE):
        count = (np.count_nonzero(given) * layer.units, given.size * layer.units)
        seen = (np.moveaxis(given, -1, 0), np.moveaxis(returned, -1, 0))
        return Call(*seen, weights, bias, count)
    count = _count(layer, given, weights.shape)
    if keras.config.image_data_format() == "channels_last":
        given, returned = np.moveaxis(given, -1, 1), np.moveaxis(returned, -1, 1)
    return Call(given[0], returned[0], weights, bias, count)


def _count(layer: Any, given: Any, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return how many taps of the kernel lie on values: on those that are not zero, and on all."""
    same = type(layer).from_config(layer.get_config() | {"use_bias": False, "activation": None})
    same.build(given.shape)
    same.kernel.assign(np.ones(shape))
    low, high = (float(keras.ops.sum(same(m.astype("float32"))))
                 for m in (given != 0, np.ones_like(given)))  # fmt: skip
    return round(low), round(high)
