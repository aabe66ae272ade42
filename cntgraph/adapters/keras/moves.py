"""How operations that compute nothing move arrays: of node ids, or of positions in a parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from cntgraph.adapters.keras.values import Arguments, as_array

Move = Callable[[Any, Arguments], Any]
#: How an operation (its options, its arguments by name as arrays) moves arrays, by its class.
MOVES: dict[str, Move] = {
    "Append": lambda o, a: np.append(a["x1"], a["x2"], axis=o.axis),
    "ArraySplit": lambda o, a: np.array_split(a["x"], o.indices_or_sections, axis=o.axis),
    "BroadcastTo": lambda o, a: np.broadcast_to(a["x"], tuple(o.shape)),
    "Concatenate": lambda o, a: np.concatenate(a["xs"], axis=o.axis),
    "Diagonal": lambda o, a: np.diagonal(a["x"], o.offset, o.axis1, o.axis2),
    "Dsplit": lambda o, a: np.dsplit(a["x"], o.indices_or_sections),
    "Dstack": lambda o, a: np.dstack(a["xs"]),
    "ExpandDims": lambda o, a: np.expand_dims(a["x"], o.axis),
    "Flip": lambda o, a: np.flip(a["x"], o.axis),
    "Fliplr": lambda o, a: np.fliplr(a["x"]),
    "Flipud": lambda o, a: np.flipud(a["x"]),
    "GetItem": lambda o, a: a["x"][_key(a["key"])],
    "Hsplit": lambda o, a: np.hsplit(a["x"], o.indices_or_sections),
    "Hstack": lambda o, a: np.hstack(a["xs"]),
    "Moveaxis": lambda o, a: np.moveaxis(a["x"], o.source, o.destination),
    "Ravel": lambda o, a: a["x"].reshape(-1),
    "Repeat": lambda o, a: np.repeat(a["x"], as_array(o.repeats), axis=o.axis),
    "Reshape": lambda o, a: a["x"].reshape([-1 if n is None else n for n in o.newshape]),
    "Roll": lambda o, a: np.roll(a["x"], o.shift, o.axis),
    "Rot90": lambda o, a: np.rot90(a["array"], o.k, o.axes),
    "Slice": lambda o, a: a["inputs"][
        tuple(
            slice(int(s), int(s) + n) for s, n in zip(a["start_indices"], o.shape, strict=True)
        )
    ],
    "Split": lambda o, a: np.split(a["x"], o.indices_or_sections, axis=o.axis),
    "Squeeze": lambda o, a: np.squeeze(a["x"], None if o.axis is None else _axes(o.axis)),
    "Stack": lambda o, a: np.stack(a["x"], axis=o.axis),
    "Swapaxes": lambda o, a: np.swapaxes(a["x"], o.axis1, o.axis2),
    "Take": lambda o, a: np.take(a["x"], as_array(a["indices"]).astype(np.int64), axis=o.axis),
    "TakeAlongAxis": lambda o, a: np.take_along_axis(
        a["x"], as_array(a["indices"]).astype(np.int64), axis=o.axis
    ),
    "Tile": lambda o, a: np.tile(a["x"], o.repeats),
    "Transpose": lambda o, a: np.transpose(a["x"], o.axes),
    "Unstack": lambda o, a: [part.squeeze(o.axis) for part in np.split(
        a["x"], a["x"].shape[o.axis], axis=o.axis)],
    "Vsplit": lambda o, a: np.vsplit(a["x"], o.indices_or_sections),
    "Vstack": lambda o, a: np.vstack(a["xs"]),
}  # fmt: skip
#: Movements that are carried out by the backend's own operator.
_OWN_MOVES = ("DepthToSpace", "Rearrange", "SpaceToDepth")


def _key(key: Any) -> Any:
    """Return what an array is indexed by, with the backend's tensors as arrays."""
    if isinstance(key, tuple):
        return tuple(_key(item) for item in key)
    return as_array(key) if keras.ops.is_tensor(key) else key


def _axes(axes: Any) -> Any:
    return tuple(axes) if isinstance(axes, list) else axes


def own_move(operation: Any, a: Arguments) -> Any:
    """Carry out a movement by the backend's own operator, on integers."""

    def tensor(leaf: Any) -> Any:
        return keras.ops.convert_to_tensor(leaf) if isinstance(leaf, np.ndarray) else leaf

    moved = operation.call(**keras.tree.map_structure(tensor, a))
    return keras.tree.map_structure(lambda leaf: as_array(leaf).astype(np.int64), moved)


for _kind in _OWN_MOVES:
    MOVES[_kind] = own_move
