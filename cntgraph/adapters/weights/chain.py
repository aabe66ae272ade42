"""A list of arrays as a chain of layers: dense ones as they stand, others by a description.

What a description may say is in `description`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cntgraph.adapters.builder import Builder, Norm
from cntgraph.adapters.tracing.normalisation import by_stored
from cntgraph.adapters.weights.description import (
    POOL,
    Description,
    check_description,
    describe_dense,
    shown,
    size_of,
    sizes_of,
    windows_of,
    with_defaults,
)
from cntgraph.core.errors import FormatError, InputShapeError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.network.blocks import AxisOperator
from cntgraph.network.network import Network


def chain_of(
    arrays: Sequence[Parameter],
    description: Description | None = None,
    input_shape: tuple[int, ...] | None = None,
    *,
    norm: Norm = "fold",
    strict: bool = False,
) -> Network:
    """Return the network of a list of weights.

    Parameters
    ----------
    arrays : sequence of Parameter
        In the order of Keras's ``get_weights()``.
    description : list of str or dict, optional
        The layers, as `description` says. By default all are dense, kernels (n_in, n_out).
    input_shape : tuple of int, optional
        Shape of one sample, channels first.
    norm, strict
        As in `cntgraph.load`.

    Raises
    ------
    FormatError
        If arrays and layers do not fit together; the message says what to pass.
    InputShapeError
        If the first layer is a convolution and `input_shape` is missing, or does not fit.

    Examples
    --------
    >>> names = ("kernel1", "bias1", "kernel2")
    >>> shapes = ((3, 4), (4,), (4, 2))
    >>> arrays = [Parameter.from_array(n, np.ones(s)) for n, s in zip(names, shapes)]
    >>> chain_of(arrays, [{"kind": "dense", "activation": "relu"}, "dense"])
    <Network: 3 layers, 2 blocks, 9 nodes, 20 edges, 24 parameters>
    """
    layers = describe_dense(arrays) if description is None else check_description(description)
    chain = _Chain(list(arrays), Builder())
    for layer in layers:
        chain.add(layer, input_shape)
    chain.check_end()
    chain.builder.output(chain.ids)
    return chain.builder.finish(norm=norm, strict=strict)


@dataclass
class _Chain:
    """A chain that is being built: what is left of the arrays, and the nodes at its end."""

    arrays: list[Parameter]
    builder: Builder
    at: int = 0
    layout: str = "channels_last"
    seen: Counter[str] = field(default_factory=Counter)
    _ids: Ids | None = None

    @property
    def ids(self) -> Ids:
        """The nodes at the end, of shape (channels, *positions)."""
        assert self._ids is not None
        return self._ids

    def add(self, layer: dict[str, Any], input_shape: tuple[int, ...] | None) -> None:
        """Add a layer with its activation and its pooling."""
        self.layout = layer["layout"] or self.layout
        kind = layer["kind"]
        self.seen[kind] += 1
        name = layer["name"] or f"{kind}{self.seen[kind]}"
        if self._ids is None:
            self._ids = self.builder.input("input", self._input_shape(kind, input_shape))
        make = {"dense": self._dense, "conv": self._conv, "batch_norm": self._batch_norm}[kind]
        self._ids = make(name, layer)
        if layer["activation"]:
            self.builder.activate(self.ids, layer["activation"])
        if layer["pool"] is not None:
            self._ids = self._pooled(f"{name}.pool", layer["pool"])

    def check_end(self) -> None:
        """Raise where arrays are left over."""
        if self._ids is None:
            raise FormatError("expected a description of at least one layer, got an empty one")
        if self.at < len(self.arrays):
            raise FormatError(
                f"{len(self.arrays) - self.at} arrays are left after the last layer, the first "
                f"{shown(self.arrays[self.at])}; the description lacks a layer"
            )

    def _input_shape(self, kind: str, shape: tuple[int, ...] | None) -> tuple[int, ...]:
        if shape is not None:
            return shape
        first = self.arrays[0].shape if self.arrays else ()
        if kind == "dense" and len(first) == 2:
            return (first[0 if self.layout == "channels_last" else 1],)
        raise InputShapeError(
            "expected the size of one sample, got none; pass input_shape=(channels, height, width)"
        )

    def _next(self, name: str, what: str, shape: tuple[int | None, ...]) -> Recipe:
        """Take the next array, which must be of that shape; None stands for any size."""
        wanted = tuple("any" if size is None else size for size in shape)
        if self.at >= len(self.arrays):
            raise FormatError(f"{name}: expected its {what} of shape {wanted}, no array is left")
        found = self.arrays[self.at]
        fits = len(found.shape) == len(shape) and all(
            size in (None, own) for size, own in zip(shape, found.shape, strict=True)
        )
        if not fits:
            raise FormatError(
                f"{name}: expected its {what} of shape {wanted}, got {shown(found)}. Kernels are "
                f"in the layout {self.layout}; pass a description whose layers, sizes and layout "
                "fit, or description='separate' for one block per weight"
            )
        self.at += 1
        return Recipe.of(self.builder.parameter(found))

    def _bias(self, name: str, layer: dict[str, Any], n_out: int) -> Recipe | None:
        wanted = layer["bias"]
        if wanted is None:
            wanted = self.at < len(self.arrays) and self.arrays[self.at].shape == (n_out,)
        return self._next(name, "bias", (n_out,)) if wanted else None

    # -- kinds of layers ----------------------------------------------------------------------

    def _dense(self, name: str, layer: dict[str, Any]) -> Ids:
        ids, last = self.ids, self.layout == "channels_last"
        flat = (np.moveaxis(ids, 0, -1) if last else ids).reshape(-1)
        shape = (flat.size, None) if last else (None, flat.size)
        kernel = self._next(name, "kernel", shape)
        weight = kernel.transpose((1, 0)) if last else kernel
        bias = self._bias(name, layer, weight.shape[0])
        return self.builder.linear(name, flat, weight, bias)

    def _conv(self, name: str, layer: dict[str, Any]) -> Ids:
        channels, *positions = self.ids.shape
        rank, groups = len(positions), size_of(layer["groups"], f"{name}: groups")
        if not rank or channels % groups:
            raise InputShapeError(
                f"{name}: expected an input of shape (channels, *positions) with channels that "
                f"{groups} groups divide, got {self.ids.shape}; pass input_shape"
            )
        taps: tuple[int | None, ...] = (None,) * rank
        last = self.layout == "channels_last"
        shape = (*taps, channels // groups, None) if last else (None, channels // groups, *taps)
        weight = self._next(name, "kernel", shape)
        if last:
            weight = weight.transpose((rank + 1, rank, *range(rank)))
        if weight.shape[0] % groups:
            raise FormatError(f"{name}: {weight.shape[0]} channels are not divided by {groups}")
        bias = self._bias(name, layer, weight.shape[0])
        sizes = {k: sizes_of(layer[k], rank, f"{name}: {k}") for k in ("stride", "dilation")}
        windows = windows_of(name, positions, weight.shape[2:], layer["padding"], **sizes)
        return self.builder.conv(name, self.ids, weight, bias, windows, groups=groups)

    def _batch_norm(self, name: str, layer: dict[str, Any]) -> Ids:
        n = self.ids.shape[0]
        gain, shift = (
            self._next(name, what, (n,)) if layer[key] else None
            for key, what in (("scale", "gamma"), ("center", "beta"))
        )
        mean, variance = (self._next(name, f"moving {k}", (n,)) for k in ("mean", "variance"))
        scale, offset = by_stored(mean, variance, layer["epsilon"], gain, shift)
        shape = (n, *(1,) * (self.ids.ndim - 1))
        return self.builder.scale(
            name, self.ids, scale.reshape(shape), offset.reshape(shape), kind="norm"
        )

    def _pooled(self, name: str, pool: Any) -> Ids:
        options = with_defaults(pool, POOL, name)
        positions, mode = self.ids.shape[1:], options["mode"]
        if mode not in ("max", "average") or not positions or options["size"] is None:
            raise FormatError(
                f"{name}: expected a size, a mode 'max' or 'average' and something to pool, got "
                f"{pool!r} on nodes of shape {self.ids.shape}"
            )
        rank = len(positions)
        if options["size"] == "global":
            operators = [AxisOperator.adaptive(n, 1, average=mode == "average") for n in positions]
            return self.builder.pool(name, self.ids, tuple(operators), mode).reshape(-1)
        size = sizes_of(options["size"], rank, f"{name}: size")
        stride = sizes_of(options["stride"] or options["size"], rank, f"{name}: stride")
        once = (1,) * rank
        windows = windows_of(
            name, positions, size, options["padding"], stride=stride, dilation=once
        )
        divisors = [w.coarse_cover.sum(axis=0) if mode == "average" else None for w in windows]
        operators = [AxisOperator.of_window(w, d) for w, d in zip(windows, divisors, strict=True)]
        return self.builder.pool(name, self.ids, tuple(operators), mode)
