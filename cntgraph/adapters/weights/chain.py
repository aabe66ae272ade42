"""A list of arrays as a chain of layers: dense ones as they stand, others by a description.

What a description may say is in `description`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.tracing.normalization import by_stored
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.weights.description import (
    Description,
    describe_dense,
    keywords,
    layers_of,
    shown,
    sizes_of,
    sliding_of,
)
from cntgraph.core.errors import FormatError, InputShapeError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.network.activations import activation_name
from cntgraph.network.blocks import AxisOperator, PoolMode


def chain_of(
    arrays: Sequence[Parameter],
    description: Description | None = None,
    input_shape: tuple[int, ...] | None = None,
) -> Builder:
    """Return what the network of a list of weights is built with.

    Parameters
    ----------
    arrays : sequence of Parameter
        In the order of Keras's ``get_weights()``.
    description : list of str or dict, optional
        The layers, as `description` says. By default all are dense, kernels (n_in, n_out).
    input_shape : tuple of int, optional
        Shape of one sample, channels first.

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
    >>> chain_of(arrays, [{"kind": "dense", "activation": "relu"}, "dense"]).finish()
    <Network: 3 layers, 2 blocks, 9 nodes, 20 edges, 24 parameters>
    """
    layers = layers_of(describe_dense(arrays) if description is None else description, _KINDS)
    chain = _Chain(list(arrays), input_shape)
    for k, layer in enumerate(layers, start=1):
        where = f"layer {k} ({layer['kind']})"
        try:
            chain.add(where, **keywords(layer, where, chain.add, _KINDS[layer["kind"]]))
        except NotFollowed as error:
            raise InputShapeError(f"{where}: {error}") from None
    chain.check_end()
    chain.builder.output(chain.ids)
    return chain.builder


@dataclass
class _Chain:
    """A chain that is being built: what is left of the arrays, and the nodes at its end."""

    arrays: list[Parameter]
    input_shape: tuple[int, ...] | None
    builder: Builder = field(default_factory=Builder)
    layout: str = "channels_last"
    seen: Counter[str] = field(default_factory=Counter)
    #: The nodes at the end, of shape (channels, *positions).
    ids: Ids = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(
        self, where: str, *, kind: str, name: str | None = None, activation: str | None = None,
        pool: Any = None, layout: str | None = None, **own: Any,
    ) -> None:  # fmt: skip
        """Add a layer with its activation and its pooling."""
        if layout not in (None, *_LAYOUTS):
            raise FormatError(
                f"{where}: expected a layout of {' or '.join(_LAYOUTS)}; got {layout!r}"
            )
        if not isinstance(activation, str | None):
            raise FormatError(
                f"{where}: expected the name of an activation, got {activation!r:.80}"
            )
        self.layout = layout or self.layout
        if not self.seen:
            self.ids = self.builder.input("input", self._first_shape(kind))
        self.seen[kind] += 1
        name = name or f"{kind}{self.seen[kind]}"
        self.ids = _KINDS[kind](self, name, **own)
        function = activation_name(activation or "linear")
        if function:
            self.ids = self.builder.activate(self.ids, function)
        if pool is not None:
            name = f"{name}.pool"
            self.ids = self._pool(name, **keywords(pool, name, self._pool))

    def check_end(self) -> None:
        """Raise where arrays are left over."""
        if not self.seen:
            raise FormatError("expected a description of at least one layer, got an empty one")
        if self.arrays:
            raise FormatError(
                f"{len(self.arrays)} arrays are left after the last layer, the first "
                f"{shown(self.arrays[0])}; the description lacks a layer"
            )

    def _first_shape(self, kind: str) -> tuple[int, ...]:
        if self.input_shape is not None:
            return self.input_shape
        first = self.arrays[0].shape if self.arrays else ()
        if kind == "dense" and len(first) == 2:
            return (first[0 if self.layout == "channels_last" else 1],)
        raise InputShapeError(
            "expected the size of one sample, got none; pass input_shape=(channels, height, width)"
        )

    def _next(self, name: str, what: str, *shape: int | None) -> Recipe:
        """Take the next array, which must be of that shape; None stands for any size."""
        wanted = tuple("any" if size is None else size for size in shape)
        if not self.arrays:
            raise FormatError(f"{name}: expected its {what} of shape {wanted}, no array is left")
        found = self.arrays.pop(0)
        fits = len(found.shape) == len(shape) and all(
            size in (None, own) for size, own in zip(shape, found.shape, strict=True)
        )
        if not fits:
            raise FormatError(
                f"{name}: expected its {what} of shape {wanted}, got {shown(found)}. Kernels are "
                f"in the layout {self.layout}; pass a description whose layers, sizes and layout "
                "fit ({'kind': 'dense', 'layout': 'channels_first'} if they are (n_out, n_in)), or "
                "description='separate' for one block per weight"
            )
        return Recipe.of(self.builder.parameter(found))

    def _bias(self, name: str, wanted: bool | None, n_out: int) -> Recipe | None:
        if wanted is None:
            wanted = bool(self.arrays) and self.arrays[0].shape == (n_out,)
        return self._next(name, "bias", n_out) if wanted else None

    # -- kinds of layers: what each may say is a keyword ----------------------------------------

    def _dense(self, name: str, *, bias: bool | None = None) -> Ids:
        if self.layout == "channels_last":
            flat = np.moveaxis(self.ids, 0, -1).reshape(-1)
            weight = self._next(name, "kernel", flat.size, None).transpose((1, 0))
        else:
            flat = self.ids.reshape(-1)
            weight = self._next(name, "kernel", None, flat.size)
        return self.builder.linear(name, flat, weight, self._bias(name, bias, weight.shape[0]))

    def _conv(
        self, name: str, *, bias: bool | None = None, stride: Any = 1, padding: Any = "valid",
        dilation: Any = 1, groups: int = 1,
    ) -> Ids:  # fmt: skip
        channels, *positions = self.ids.shape
        rank, (groups,) = len(positions), sizes_of(groups, 1, f"{name}: groups")
        if not rank or channels % groups:
            raise InputShapeError(
                f"{name}: expected an input of shape (channels, *positions) with channels that "
                f"{groups} groups divide, got {self.ids.shape}; pass input_shape"
            )
        taps: tuple[int | None, ...] = (None,) * rank
        if self.layout == "channels_last":
            weight = self._next(name, "kernel", *taps, channels // groups, None)
            weight = weight.transpose((rank + 1, rank, *range(rank)))
        else:
            weight = self._next(name, "kernel", None, channels // groups, *taps)
        if weight.shape[0] % groups:
            raise FormatError(f"{name}: {weight.shape[0]} channels are not divided by {groups}")
        offset = self._bias(name, bias, weight.shape[0])
        sliding = sliding_of(name, weight.shape[2:], stride, padding, dilation)
        windows = sliding.windows(positions)
        return self.builder.conv(name, self.ids, weight, offset, windows, groups=groups)

    def _batch_norm(
        self, name: str, *, epsilon: float = 1e-3, center: bool = True, scale: bool = True
    ) -> Ids:
        n = self.ids.shape[0]
        gamma = self._next(name, "gamma", n) if scale else None
        beta = self._next(name, "beta", n) if center else None
        mean, variance = (self._next(name, f"moving {k}", n) for k in ("mean", "variance"))
        shape = (n, *(1,) * (self.ids.ndim - 1))
        gain, shift = (r.reshape(shape) for r in by_stored(mean, variance, epsilon, gamma, beta))
        return self.builder.scale(name, self.ids, gain, shift, kind="norm")

    def _pool(
        self, name: str, *, size: Any = None, stride: Any = None, padding: Any = "valid",
        mode: PoolMode = "max",
    ) -> Ids:  # fmt: skip
        positions = self.ids.shape[1:]
        if mode not in ("max", "average") or not positions or size is None:
            raise FormatError(
                f"{name}: expected a size, a mode 'max' or 'average' and something to pool, got "
                f"size {size!r} and mode {mode!r} on nodes of shape {self.ids.shape}"
            )
        average = mode == "average"
        if size == "global":
            operators = [AxisOperator.adaptive(n, 1, average=average) for n in positions]
            return self.builder.pool(name, self.ids, tuple(operators), mode).reshape(-1)
        kernel = sizes_of(size, len(positions), f"{name}: size")
        sliding = sliding_of(name, kernel, stride or kernel, padding)
        if average:
            operators = sliding.averages(positions)
        else:
            operators = [AxisOperator.of_window(window) for window in sliding.windows(positions)]
        return self.builder.pool(name, self.ids, tuple(operators), mode)


_LAYOUTS = ("channels_last", "channels_first")
_KINDS: dict[str, Callable[..., Ids]] = {
    "dense": _Chain._dense,
    "conv": _Chain._conv,
    "batch_norm": _Chain._batch_norm,
}
