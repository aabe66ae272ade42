"""Operations that only move data, carried out on ids and constants alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import jax
import numpy as np

from cntgraph.adapters.jax.program import Op
from cntgraph.core.types import Array


def _reshape(op: Op, x: Array) -> list[Array]:
    return [x.reshape(op.outputs[0].shape)]


def _transpose(op: Op, x: Array) -> list[Array]:
    return [x.transpose(op.params["permutation"])]


def _broadcast(op: Op, x: Array, *_: Array) -> list[Array]:
    shape = op.outputs[0].shape
    sizes = [1] * len(shape)
    for axis, size in zip(op.params["broadcast_dimensions"], x.shape, strict=True):
        sizes[axis] = size
    return [np.broadcast_to(x.reshape(sizes), shape)]


def _slice(op: Op, x: Array) -> list[Array]:
    p, steps = op.params, op.params["strides"] or (1,) * x.ndim
    limits = zip(p["start_indices"], p["limit_indices"], steps, strict=True)
    return [x[tuple(slice(*limit) for limit in limits)]]


def _dynamic_slice(op: Op, x: Array, *starts: Array) -> list[Array]:
    """Cut a slice out; JAX moves one that would leave the array back into it."""
    sizes = op.outputs[0].shape
    firsts = [min(max(int(s), 0), n - m) for s, n, m in zip(starts, x.shape, sizes, strict=True)]
    return [x[tuple(slice(first, first + n) for first, n in zip(firsts, sizes, strict=True))]]


def _concatenate(op: Op, *parts: Array) -> list[Array]:
    return [np.concatenate(parts, axis=op.params["dimension"])]


def _stack(op: Op, *parts: Array) -> list[Array]:
    return [np.stack(parts, axis=op.params["axis"])]


def _unstack(op: Op, x: Array) -> list[Array]:
    return list(np.moveaxis(x, op.params["axis"], 0))


def _split(op: Op, x: Array) -> list[Array]:
    ends = np.cumsum([0, *op.params["sizes"]]).tolist()
    before = (slice(None),) * op.params["axis"]
    return [x[(*before, slice(a, b))] for a, b in pairwise(ends)]


def _reverse(op: Op, x: Array) -> list[Array]:
    return [np.flip(x, tuple(op.params["dimensions"]))]


def _tile(op: Op, x: Array) -> list[Array]:
    return [np.tile(x, op.params["reps"])]


def _select(op: Op, which: Array, *cases: Array) -> list[Array]:
    """Choose between cases by an integer or a truth value, an entry each or one for all."""
    result = np.asarray(cases[0])
    for k, case in enumerate(cases[1:], start=1):
        result = np.where(np.asarray(which, dtype=np.int64) == k, case, result)
    return [result]


#: How movements are carried out by NumPy, most of them without a copy.
_BY_NUMPY: dict[str, Callable[..., list[Array]]] = {
    "reshape": _reshape, "transpose": _transpose, "broadcast_in_dim": _broadcast,
    "squeeze": _reshape, "expand_dims": _reshape, "slice": _slice, "dynamic_slice": _dynamic_slice,
    "concatenate": _concatenate, "stack": _stack, "unstack": _unstack, "split": _split,
    "rev": _reverse, "tile": _tile, "select_n": _select,
}  # fmt: skip
#: Which of their arguments are data, if not the first alone; the others say where to.
_DATA = {"concatenate": slice(0, None), "stack": slice(0, None), "select_n": slice(1, None),
         "pad": slice(0, 2), "dynamic_update_slice": slice(0, 2),
         "scatter": slice(0, 3, 2)}  # fmt: skip

MOVEMENTS = frozenset([*_BY_NUMPY, *_DATA, "gather"])
#: Movements that show every entry, and nothing else.
REARRANGING = frozenset(
    ["reshape", "transpose", "broadcast_in_dim", "squeeze", "expand_dims", "rev", "tile"]
)


def data_arguments(op: Op) -> set[int]:
    """Return which arguments of a movement are moved; the others say where to."""
    return set(range(len(op.inputs))[_DATA.get(op.name, slice(0, 1))])


def move(op: Op, arguments: Sequence[Array]) -> list[Array]:
    """Carry out a movement; by JAX, where NumPy does not have it."""
    if op.name in _BY_NUMPY:
        return _BY_NUMPY[op.name](op, *arguments)
    typed = [jax.numpy.asarray(a, dtype=v.dtype) if k not in data_arguments(op) else a
             for k, (a, v) in enumerate(zip(arguments, op.inputs, strict=True))]  # fmt: skip
    return [np.asarray(op.primitive.bind(*typed, **op.params))]


def move_ids(op: Op, arguments: Sequence[Array]) -> list[Array]:
    """Carry out a movement on node ids; what it brings in besides is no node.

    Parameters
    ----------
    arguments : sequence of ndarray
        Node ids where there is data, -1 where there is no node.
    """
    if op.name in _BY_NUMPY:
        return move(op, arguments)
    # JAX has integers of 32 bits: it moves places, which are then looked up.
    places, flat, start = list(arguments), [np.array([-1])], 1
    for k in sorted(data_arguments(op)):
        places[k] = np.arange(start, start + places[k].size, dtype=np.int32)
        places[k] = places[k].reshape(arguments[k].shape)
        flat.append(arguments[k].reshape(-1))
        start += places[k].size
    nothing = {"fill_value": 0} if "fill_value" in op.params else {}
    made = move(replace(op, params={**op.params, **nothing}), places)
    return [np.concatenate(flat)[result] for result in made]
