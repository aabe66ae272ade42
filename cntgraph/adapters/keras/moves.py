"""How operations that compute nothing move arrays: of node ids, or of positions in a parameter."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from cntgraph.adapters.keras.values import Arguments, as_array

Move = Callable[[Any, Arguments], Any]
#: Functions that NumPy has under the same name, and with options of the same names.
_AS_NUMPY = (
    "append array_split broadcast_to concatenate diagonal dsplit dstack expand_dims flip fliplr "
    "flipud hsplit hstack moveaxis ravel repeat roll rot90 split squeeze stack swapaxes "
    "transpose vsplit vstack"
)
#: Arguments that choose places.
INDICES = ("key", "indices", "start_indices")
#: Operations whose result is their argument, value by value; what neurons say is finite.
UNCHANGED = ("Array", "Cast", "ConvertToTensor", "Copy", "NanToNum", "Real", "SaturateCast",
             "StopGradient")  # fmt: skip
#: How an operation (its options, its arguments by name as arrays) moves arrays, by its class.
MOVES: dict[str, Move] = {
    "GetItem": lambda o, a: a["x"][a["key"]],
    "Reshape": lambda o, a: a["x"].reshape([-1 if n is None else n for n in o.newshape]),
    "Slice": lambda o, a: a["inputs"][
        tuple(
            slice(int(s), int(s) + n) for s, n in zip(a["start_indices"], o.shape, strict=True)
        )
    ],
    "Take": lambda o, a: np.take(a["x"], np.asarray(a["indices"], np.int64), axis=o.axis),
    "TakeAlongAxis": lambda o, a: np.take_along_axis(
        a["x"], np.asarray(a["indices"], np.int64), axis=o.axis
    ),
    "Tile": lambda o, a: np.tile(a["x"], o.repeats),
    "Unstack": lambda o, a: list(np.moveaxis(a["x"], o.axis, 0)),
}  # fmt: skip
#: Movements that are carried out by the backend's own operator.
_OWN_MOVES = ("DepthToSpace", "Rearrange", "SpaceToDepth")


def carry_out(operation: Any, a: Arguments, array: Callable[[Any], Any]) -> Any:
    """Carry out a movement on arrays.

    Parameters
    ----------
    array : callable
        Returns what is moved in the place of a value; what chooses places is taken as it is.
    """

    def plain(leaf: Any) -> Any:
        return as_array(leaf) if keras.ops.is_tensor(leaf) else leaf

    given = {key: keras.tree.map_structure(plain if key in INDICES else array, value)
             for key, value in a.items()}  # fmt: skip
    return MOVES[type(operation).__name__](operation, given)


def own_move(operation: Any, a: Arguments) -> Any:
    """Carry out a movement by the backend's own operator, on integers."""

    def tensor(leaf: Any) -> Any:
        return keras.ops.convert_to_tensor(leaf) if isinstance(leaf, np.ndarray) else leaf

    moved = operation.call(**keras.tree.map_structure(tensor, a))
    return keras.tree.map_structure(lambda leaf: as_array(leaf).astype(np.int64), moved)


def _as_numpy(name: str) -> Move:
    function = getattr(np, name)
    options = [key for key in inspect.signature(function).parameters if key != "dtype"]

    def move(operation: Any, a: Arguments) -> Any:
        own = vars(operation)
        found = {key: _option(own[key]) for key in options if key in own}
        return function(*a.values(), **found)

    return move


def _option(value: Any) -> Any:
    """Return an option of an operation as NumPy takes it."""
    if keras.ops.is_tensor(value):
        return as_array(value)
    return tuple(value) if isinstance(value, list) else value


MOVES |= {
    "".join(word.capitalize() for word in name.split("_")): _as_numpy(name)
    for name in _AS_NUMPY.split()
}
MOVES |= dict.fromkeys(_OWN_MOVES, own_move)
