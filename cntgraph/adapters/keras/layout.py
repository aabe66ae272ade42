"""Which axis of a model's inputs holds the channels: what reads an input first says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from cntgraph.adapters.keras.values import Arguments, has
from cntgraph.adapters.keras.watch import watching


def channels_last(model: Any, inputs: Any) -> list[bool]:
    """Return, for each input, whether its last axis holds channels that go first in the graph.

    Parameters
    ----------
    inputs : tuple
        What it is called with: symbolic tensors, nested as it wants them.

    Returns
    -------
    list of bool
        As the first convolution, pooling or the like that reads an input has it. An input that
        something else reads is an image, as Keras is configured, if it has three axes or more
        besides the batch, and otherwise is left as it is.
    """
    flat = list(keras.tree.flatten(inputs))
    scout = _Scout(len(flat))
    marked = [_Marked(leaf.shape, leaf.dtype, k) for k, leaf in enumerate(flat)]
    args = keras.tree.pack_sequence_as(inputs, marked)
    try:
        with watching(scout):
            scout.call_layer(model, args, {})
    except Exception:  # all is known, or the model fails, which the trace reports
        pass
    image = keras.config.image_data_format()
    ranks = [len(leaf.shape) - 1 for leaf in flat]
    orders = [scout.orders.get(k) or (image if rank >= 3 else None) for k, rank in enumerate(ranks)]
    return [order == "channels_last" and rank >= 2
            for order, rank in zip(orders, ranks, strict=True)]  # fmt: skip


class _Marked(keras.KerasTensor):
    """A symbolic tensor that is one of the inputs, up to elementwise functions."""

    def __init__(self, shape: Sequence[int], dtype: str, origin: int) -> None:
        super().__init__(shape, dtype=dtype, name="input")
        self.origin = origin


class _Known(Exception):
    """The order of every input is known."""


class _Scout:
    """Sees the calls of layers and operations until every input was read."""

    def __init__(self, n: int) -> None:
        self.orders: dict[int, str | None] = {}
        self.n, self.active = n, True

    def call_layer(self, layer: Any, args: Any, kwargs: Arguments) -> Any:
        """Look at what a layer reads; a layer that has others in it is entered."""
        kwargs.pop("training", None)
        if not hasattr(layer, "data_format") and layer._layers and has([args, kwargs], _Marked):
            return layer.call(*args, **kwargs)
        return self.call_operation(layer, args, kwargs)

    def call_operation(self, called: Any, args: Any, kwargs: Arguments) -> Any:
        """Look at what an operation reads."""
        read = [x for x in keras.tree.flatten([args, kwargs]) if isinstance(x, _Marked)]
        spec = called.compute_output_spec(*args, **kwargs)
        order = getattr(called, "data_format", None)
        same = isinstance(spec, keras.KerasTensor) and len(read) == 1 and order is None
        if same and spec.shape == read[0].shape and not getattr(called, "weights", ()):
            return _Marked(spec.shape, spec.dtype, read[0].origin)
        for leaf in read:
            self.orders.setdefault(leaf.origin, order)
        if len(self.orders) == self.n:
            raise _Known
        return spec
