"""Operations that move data and compute nothing: carried out on node ids themselves."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cntgraph.adapters.keras.handlers import handles
from cntgraph.adapters.keras.moves import INDICES, MOVES, UNCHANGED, carry_out
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import (
    Arguments,
    Nodes,
    Weights,
    as_array,
    has,
    has_channels_last,
    is_constant,
)
from cntgraph.adapters.keras.windows import sliding_of
from cntgraph.adapters.tracing import arithmetic, movement
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tables import look_up
from cntgraph.adapters.tracing.values import Data
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.movement import looked_up, moved, stacked


@handles(*(kind for kind in MOVES if kind != "Take"), of_weights=True)
def move(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Move node ids; weights and constants among them are nodes, but for zeros."""
    if has([a.get(key) for key in INDICES], keras.KerasTensor, Data):
        raise NotFollowed("the data decides what is moved where")
    if not has(a, Nodes):
        return _moved(t, operation, a)

    def ids(leaf: Any) -> Any:
        is_value = isinstance(leaf, keras.KerasTensor | Data) or keras.ops.is_tensor(leaf)
        return t.as_ids(leaf, t.name(operation)) if is_value else leaf

    dtype = next(leaf.dtype for leaf in keras.tree.flatten(a) if isinstance(leaf, Nodes))
    moved = carry_out(operation, a, ids)
    return keras.tree.map_structure(lambda part: Nodes(np.ascontiguousarray(part), dtype), moved)


def _moved(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Move weights; None, where what is moved beside them is none."""
    joined = {"Concatenate": ("xs", Recipe.concatenate), "Stack": ("x", stacked)}
    key, join = joined.get(type(operation).__name__, ("", None))
    if join is not None:
        return join(tuple(map(t.recipe, a[key])), operation.axis)
    beside = keras.tree.flatten([a[key] for key in a if key not in INDICES])
    first, *others = (leaf for leaf in beside if isinstance(leaf, Weights))
    if others or any(keras.ops.is_tensor(x) or isinstance(x, np.ndarray) for x in beside):
        return None

    def move(array: Any) -> Any:
        return carry_out(operation, a, lambda leaf: array if leaf is first else leaf)

    return moved(first.recipe, move)


@handles("Take", of_weights=True)
def take(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Look up rows of a table by an integer input: an embedding; else a movement."""
    table, indices = a["x"], a["indices"]
    if isinstance(table, Weights) and operation.axis is not None and is_constant(indices):
        return looked_up(table.recipe, operation.axis, as_array(indices).astype(np.int64))
    if not isinstance(indices, Nodes):
        return move(t, operation, a)
    if not isinstance(table, Weights) or operation.axis != 0:
        raise NotFollowed("the data decides what is taken")
    return look_up(t, table.recipe, indices, t.name(operation))


@handles(*UNCHANGED, of_weights=True)
def identity(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return what comes in."""
    return next(leaf for leaf in keras.tree.flatten(a) if isinstance(leaf, Nodes | Weights))


# -- what brings in positions, takes them away, or chooses --------------------------------------


@handles("Pad", of_weights=True)
def pad(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Pad: by zeros, which are no nodes, by another constant, or by showing nodes again."""
    x, widths = a["x"], [tuple(int(n) for n in pair) for pair in operation.pad_width]
    widths = widths * len(x.shape) if len(widths) == 1 else widths
    value, name = a.get("constant_values") or 0.0, t.name(operation)
    return movement.pad(t, x, widths, value, name, mode=operation.mode)


@handles("Tril", "Triu", of_weights=True)
def triangle(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Take away what is above or below a diagonal."""
    upper = type(operation).__name__ == "Triu"
    return movement.triangle(t, a["x"], operation.k, t.name(operation), upper=upper)


@handles("Where", of_weights=True)
def where(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Choose between nodes: by a constant, which moves them, or by what depends on the input."""
    choice, options, name = a["condition"], [a["x1"], a["x2"]], t.name(operation)
    if is_constant(choice):
        options = [Nodes(np.full(side.shape, -1)) if getattr(side, "hides", False) else side
                   for side in options]  # fmt: skip
    return arithmetic.select(t, choice, options, name)


@handles("ZerosLike", "OnesLike", "FullLike")
def constant_like(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Make a constant of the shape of nodes."""
    fill = {"ZerosLike": 0.0, "OnesLike": 1.0}.get(type(operation).__name__, a.get("fill_value"))
    dtype = operation.dtype or a["x"].dtype
    return keras.ops.full(a["x"].shape, fill, dtype=dtype)


@handles("ExtractPatches")
def extract_patches(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Lay the pixels of each patch out as its features, row by row, the channels last."""
    ids, last = a["images"].ids, has_channels_last(operation)
    rank = len(operation.size)
    if ids.ndim != rank + 2:
        return NotImplemented
    by_channel = np.moveaxis(ids, -1, 1) if last else ids
    sliding, spatial = sliding_of(operation, operation.size), by_channel.shape[2:]
    padded = np.pad(by_channel, [(0, 0), (0, 0), *sliding.pads(spatial)], constant_values=-1)
    windows = sliding.windows(spatial)
    reaches = [w.dilation * (w.kernel - 1) + 1 for w in windows]
    taps = sliding_window_view(padded, reaches, axis=tuple(range(2, rank + 2)))
    steps = [slice(None, None, n) for n in
             (*(w.stride for w in windows), *(w.dilation for w in windows))]  # fmt: skip
    # Places, then taps, then channels.
    moved = np.moveaxis(taps[:, :, *steps], 1, -1)
    moved = moved.reshape(*moved.shape[: rank + 1], -1)
    return Nodes(moved if last else np.moveaxis(moved, -1, 1))
