"""SparseArray: a tensor of which only some entries are stored, read as if all were.

Which entries those are is a tensor of its own, `pattern_name`: what is not stored is no edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import FormatError
from cntgraph.core.parameter import EXTENDED, ArrayHandle, Parameter

#: The layouts that are read, by PyTorch's names, and of how many arrays each is.
LAYOUTS = {"sparse_coo": 2, "sparse_csr": 3, "sparse_csc": 3, "sparse_bsr": 3, "sparse_bsc": 3}
#: A tensor of more entries, stored or not, is left out.
MAX_SIZE = 1 << 32

Ints = NDArray[np.int64]


def pattern_name(name: str) -> str:
    """Return what the tensor is called that is one where a sparse one has an entry."""
    return f"{name}.pattern"


def sparse_parameters(
    name: str, shape: tuple[int, ...], dtype: str, layout: str, arrays: Sequence[ArrayHandle],
    trainable: bool = True,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Return a sparse tensor, and the one that says which of its entries are stored.

    Parameters
    ----------
    name, shape, dtype
        As of the `Parameter`.
    layout : str
        One of `LAYOUTS`.
    arrays : sequence of ArrayHandle
        Indices and values of a ``sparse_coo``; pointers, indices and values of the others.
    trainable : bool, default True
        Whether the values are trained.

    Raises
    ------
    FormatError
        If it is of another layout, a batch of matrices, or too large.

    Examples
    --------
    >>> arrays = [np.array([0, 2, 3]), np.array([0, 2, 1]), np.array([1.0, 2.0, 0.0])]
    >>> w, pattern = sparse_parameters("w", (2, 3), "float64", "sparse_csr", arrays)
    >>> w.read(), pattern.read()
    (array([[1., 0., 2.],
           [0., 0., 0.]]), array([[1., 0., 1.],
           [0., 1., 0.]]))
    """
    known = LAYOUTS.get(layout) == len(arrays) and prod(shape) <= MAX_SIZE
    if not known or not shape or (layout != "sparse_coo" and len(shape) != 2):
        raise FormatError(
            f"{name}: expected a sparse tensor, or a sparse matrix, of at most 2**32 entries, "
            f"got a {layout} tensor of shape {shape}; save it with .to_dense()"
        )
    values = SparseArray(name, shape, dtype, layout, tuple(arrays))
    pattern = replace(values, pattern=True)
    return (
        Parameter(name, shape, dtype, values, trainable),
        Parameter(pattern_name(name), shape, "bool", pattern, trainable=False),
    )


class _Rows(NamedTuple):
    """The stored entries, row by row: where each begins, the place in the row, the values."""

    indptr: Ints
    places: Ints
    values: NDArray[Any]


@dataclass(frozen=True, eq=False)
class SparseArray:
    """The entries of a sparse tensor; those of its arrays are read when they are needed.

    Parameters
    ----------
    name, shape, dtype, layout, arrays
        As in `sparse_parameters`.
    pattern : bool, default False
        Whether its values are whether entries are stored.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str
    arrays: tuple[ArrayHandle, ...]
    pattern: bool = False

    def __getitem__(self, key: Any) -> NDArray[Any]:
        keys = key if isinstance(key, tuple) else (key,)
        first = keys[0] if keys else slice(None)
        if not isinstance(first, slice):
            return np.asarray(self._dense(0, self.shape[0])[key])
        start, stop, step = first.indices(self.shape[0])
        found = self._dense(start, max(start, stop))
        return np.asarray(found[(slice(None, None, step), *keys[1:])])

    def _dense(self, start: int, stop: int) -> NDArray[Any]:
        """Return all entries of some rows."""
        own, tail = self._rows, self.shape[1:]
        low, high = own.indptr[start], own.indptr[stop]
        dense = np.zeros((stop - start, prod(tail)), own.values.dtype)
        rows = np.repeat(np.arange(stop - start), np.diff(own.indptr[start : stop + 1]))
        at = rows, own.places[low:high]
        if self.dtype in EXTENDED or self.pattern:  # bits are not added up
            dense[at] = own.values[low:high]
        else:
            np.add.at(dense, at, own.values[low:high])
        return dense.reshape(stop - start, *tail)

    @cached_property
    def _rows(self) -> _Rows:
        *places, values = (np.asarray(array[()]) for array in self.arrays)
        flat = self._places([p.astype(np.int64) for p in places], values.shape)
        order = np.argsort(flat, kind="stable")
        flat, values = flat[order], values.reshape(-1)[order]
        if self.dtype in EXTENDED and (flat[1:] == flat[:-1]).any():
            raise self._damaged("an entry is stored twice, as bits that are not added up")
        row = prod(self.shape[1:])
        indptr = np.searchsorted(flat, row * np.arange(self.shape[0] + 1))
        values = np.ones(len(values), np.bool_) if self.pattern else values
        return _Rows(indptr.astype(np.int64), flat % max(row, 1), values)

    def _places(self, places: list[Ints], values: tuple[int, ...]) -> Ints:
        """Return the place of every value in the tensor, in C order."""
        if self.layout == "sparse_coo":
            return self._of_coordinates(places[0], values)
        pointers, indices = places
        by_column = self.layout in ("sparse_csc", "sparse_bsc")
        size = values[1:] if len(values) == 3 else (1, 1)  # of a block
        n_major = self.shape[by_column] // max(size[by_column], 1)
        self._check_pointers(pointers, n_major, len(indices), values[0])
        major = np.repeat(np.arange(n_major), np.diff(pointers))
        row, column = (indices, major) if by_column else (major, indices)
        rows = row[:, None, None] * size[0] + np.arange(size[0])[:, None]
        columns = column[:, None, None] * size[1] + np.arange(size[1])
        return self._checked(np.stack(np.broadcast_arrays(rows, columns)).reshape(2, -1))

    def _check_pointers(self, pointers: Ints, n_major: int, *lengths: int) -> None:
        ends = (0, lengths[0]) if len(set(lengths)) == 1 else ()
        whole = pointers.shape == (n_major + 1,) and (pointers[0], pointers[-1]) == ends
        if not whole or (np.diff(pointers) < 0).any():
            raise self._damaged("its pointers do not ascend to the number of its values")

    def _of_coordinates(self, places: Ints, values: tuple[int, ...]) -> Ints:
        if places.ndim != 2 or not 0 < len(places) <= len(self.shape):
            raise self._damaged(f"its indices are of shape {places.shape}")
        if values != (places.shape[1], *self.shape[len(places) :]):
            raise self._damaged(f"its values are of shape {values}")
        tail = self.shape[len(places) :]
        inner = np.indices(tail).reshape(len(tail), prod(tail))
        outer = np.repeat(places, prod(tail), axis=1)
        return self._checked(np.concatenate([outer, np.tile(inner, places.shape[1])]))

    def _checked(self, places: Ints) -> Ints:
        sizes = np.array(self.shape)[:, None]
        if ((places < 0) | (places >= sizes)).any():
            raise self._damaged("it has entries beyond its shape")
        return np.asarray(np.ravel_multi_index(tuple(places), self.shape), dtype=np.int64)

    def _damaged(self, reason: str) -> FormatError:
        return FormatError(
            f"{self.name}: a damaged {self.layout} tensor of shape {self.shape}: {reason}"
        )
