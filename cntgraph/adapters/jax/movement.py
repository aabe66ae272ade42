"""Operations that only move data, carried out by NumPy on ids and constants alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from cntgraph.adapters.jax.program import Op
from cntgraph.core.types import Array

Params = Mapping[str, Any]


def _reshape(p: Params, x: Array) -> list[Array]:
    return [x.reshape(p["new_sizes"])]


def _transpose(p: Params, x: Array) -> list[Array]:
    return [x.transpose(p["permutation"])]


def _broadcast(p: Params, x: Array, *_: Array) -> list[Array]:
    sizes = [1] * len(p["shape"])
    for axis, size in zip(p["broadcast_dimensions"], x.shape, strict=True):
        sizes[axis] = size
    return [np.broadcast_to(x.reshape(sizes), p["shape"])]


def _squeeze(p: Params, x: Array) -> list[Array]:
    return [x.squeeze(tuple(int(axis) for axis in p["dimensions"]))]


def _expand(p: Params, x: Array) -> list[Array]:
    return [np.expand_dims(x, tuple(int(axis) for axis in p["dimensions"]))]


def _slice(p: Params, x: Array) -> list[Array]:
    steps = p["strides"] or (1,) * x.ndim
    limits = zip(p["start_indices"], p["limit_indices"], steps, strict=True)
    return [x[tuple(slice(*limit) for limit in limits)]]


def _dynamic_slice(p: Params, x: Array, *starts: Array) -> list[Array]:
    return [x[_window(x.shape, p["slice_sizes"], starts)]]


def _update_slice(p: Params, x: Array, update: Array, *starts: Array) -> list[Array]:
    result = x.copy()
    result[_window(x.shape, update.shape, starts)] = update
    return [result]


def _window(
    shape: tuple[int, ...], sizes: Sequence[int], starts: Sequence[Array]
) -> tuple[slice, ...]:
    """Return where a slice lies; JAX moves one that would leave the array back into it."""
    firsts = [min(max(int(s), 0), n - m) for s, n, m in zip(starts, shape, sizes, strict=True)]
    return tuple(slice(first, first + size) for first, size in zip(firsts, sizes, strict=True))


def _concatenate(p: Params, *parts: Array) -> list[Array]:
    return [np.concatenate(parts, axis=p["dimension"])]


def _split(p: Params, x: Array) -> list[Array]:
    ends = np.cumsum([0, *p["sizes"]]).tolist()
    before = (slice(None),) * p["axis"]
    return [x[(*before, slice(a, b))] for a, b in pairwise(ends)]


def _reverse(p: Params, x: Array) -> list[Array]:
    return [np.flip(x, tuple(p["dimensions"]))]


def _tile(p: Params, x: Array) -> list[Array]:
    return [np.tile(x, p["reps"])]


def _pad(p: Params, x: Array, value: Array) -> list[Array]:
    """Pad by a value, between entries too; a negative amount crops."""
    for axis, (low, high, interior) in enumerate(p["padding_config"]):
        n = x.shape[axis]
        spread = max(n + (n - 1) * interior, 0)
        wide = np.full((*x.shape[:axis], spread, *x.shape[axis + 1 :]), value, x.dtype)
        wide[(slice(None),) * axis + (slice(None, None, interior + 1),)] = x
        more = [(max(low, 0), max(high, 0)) if k == axis else (0, 0) for k in range(x.ndim)]
        wide = np.pad(wide, more, constant_values=value)
        kept = slice(max(-low, 0), wide.shape[axis] - max(-high, 0))
        x = wide[(slice(None),) * axis + (kept,)]
    return [x]


def _select(p: Params, which: Array, *cases: Array) -> list[Array]:
    """Choose between cases by an integer or a truth value, an entry each or one for all."""
    result = np.asarray(cases[0])
    for k, case in enumerate(cases[1:], start=1):
        result = np.where(np.asarray(which, dtype=np.int64) == k, case, result)
    return [result]


#: For each operation, how it is carried out and how many of its first arguments are data.
_MOVEMENTS: dict[str, tuple[Callable[..., list[Array]], slice]] = {
    "reshape": (_reshape, slice(0, 1)),
    "transpose": (_transpose, slice(0, 1)),
    "broadcast_in_dim": (_broadcast, slice(0, 1)),
    "squeeze": (_squeeze, slice(0, 1)),
    "expand_dims": (_expand, slice(0, 1)),
    "slice": (_slice, slice(0, 1)),
    "dynamic_slice": (_dynamic_slice, slice(0, 1)),
    "dynamic_update_slice": (_update_slice, slice(0, 2)),
    "concatenate": (_concatenate, slice(0, None)),
    "split": (_split, slice(0, 1)),
    "rev": (_reverse, slice(0, 1)),
    "tile": (_tile, slice(0, 1)),
    "pad": (_pad, slice(0, 2)),
    "select_n": (_select, slice(1, None)),
}
#: Movements by indices, which JAX itself carries out on places.
_BY_INDEX: dict[str, slice] = {"gather": slice(0, 1), "scatter": slice(0, 3, 2)}

MOVEMENTS = frozenset([*_MOVEMENTS, *_BY_INDEX])
#: Movements that are carried out without JAX.
EXACT = frozenset(_MOVEMENTS)
#: Movements that show every entry, and nothing else.
REARRANGING = frozenset(
    ["reshape", "transpose", "broadcast_in_dim", "squeeze", "expand_dims", "rev", "tile"]
)


def data_arguments(name: str) -> slice:
    """Return which arguments of a movement are moved; the others say where to."""
    return _BY_INDEX[name] if name in _BY_INDEX else _MOVEMENTS[name][1]


def move(op: Op, arguments: Sequence[Array]) -> list[Array]:
    """Carry out a movement."""
    return _MOVEMENTS[op.name][0](op.params, *arguments)


def move_ids(op: Op, arguments: Sequence[Array]) -> list[Array]:
    """Carry out a movement on node ids; what it brings in besides is no node.

    Parameters
    ----------
    arguments : sequence of ndarray
        Node ids where there is data, -1 where there is no node.
    """
    if op.name in _MOVEMENTS:
        return move(op, arguments)
    # JAX has integers of 32 bits: it moves places, which are then looked up.
    places, flat, start = list(arguments), [np.array([-1])], 1
    for k in range(len(places))[data_arguments(op.name)]:
        places[k] = np.arange(start, start + places[k].size, dtype=np.int32)
        places[k] = places[k].reshape(arguments[k].shape)
        flat.append(arguments[k].reshape(-1))
        start += places[k].size
    params = dict(op.params)
    if "fill_value" in params:
        params["fill_value"] = 0
    results = op.primitive.bind(*places, **params)
    results = results if op.primitive.multiple_results else [results]
    return [np.concatenate(flat)[np.asarray(result)] for result in results]
