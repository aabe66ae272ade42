"""How operations that compute nothing move arrays: of node ids, or of positions in a parameter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from cntgraph.adapters.keras.values import Arguments, as_array

Move = Callable[[Any, Arguments], Any]
#: Functions that NumPy has under the same name, and their options, which have the same names.
_AS_NUMPY = {
    "append": "axis", "array_split": "indices_or_sections axis", "concatenate": "axis",
    "diagonal": "offset axis1 axis2", "dsplit": "indices_or_sections", "dstack": "",
    "expand_dims": "axis", "flip": "axis", "fliplr": "", "flipud": "",
    "hsplit": "indices_or_sections", "hstack": "", "moveaxis": "source destination",
    "roll": "shift axis", "rot90": "k axes", "split": "indices_or_sections axis", "stack": "axis",
    "swapaxes": "axis1 axis2", "transpose": "axes", "vsplit": "indices_or_sections", "vstack": "",
}  # fmt: skip
#: How an operation (its options, its arguments by name as arrays) moves arrays, by its class.
MOVES: dict[str, Move] = {
    "BroadcastTo": lambda o, a: np.broadcast_to(a["x"], tuple(o.shape)),
    "GetItem": lambda o, a: a["x"][_key(a["key"])],
    "Ravel": lambda o, a: a["x"].reshape(-1),
    "Repeat": lambda o, a: np.repeat(a["x"], as_array(o.repeats), axis=o.axis),
    "Reshape": lambda o, a: a["x"].reshape([-1 if n is None else n for n in o.newshape]),
    "Slice": lambda o, a: a["inputs"][
        tuple(
            slice(int(s), int(s) + n) for s, n in zip(a["start_indices"], o.shape, strict=True)
        )
    ],
    "Squeeze": lambda o, a: np.squeeze(a["x"], None if o.axis is None else _axes(o.axis)),
    "Take": lambda o, a: np.take(a["x"], as_array(a["indices"]).astype(np.int64), axis=o.axis),
    "TakeAlongAxis": lambda o, a: np.take_along_axis(
        a["x"], as_array(a["indices"]).astype(np.int64), axis=o.axis
    ),
    "Tile": lambda o, a: np.tile(a["x"], o.repeats),
    "Unstack": lambda o, a: [part.squeeze(o.axis) for part in np.split(
        a["x"], a["x"].shape[o.axis], axis=o.axis)],
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


def _as_numpy(name: str, options: Sequence[str]) -> Move:
    def move(operation: Any, a: Arguments) -> Any:
        found = {option: getattr(operation, option) for option in options}
        return getattr(np, name)(*a.values(), **found)

    return move


MOVES |= {
    "".join(word.capitalize() for word in name.split("_")): _as_numpy(name, options.split())
    for name, options in _AS_NUMPY.items()
}
MOVES |= dict.fromkeys(_OWN_MOVES, own_move)
