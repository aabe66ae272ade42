"""Arrays in files, of which parts are read when needed.

Nothing is mapped into memory: pages of a map count as memory of the process that has looked at
them, and a model may be larger than the memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import FormatError
from cntgraph.core.selection import selected_rows


@dataclass(frozen=True, eq=False)
class StoredArray:
    """An array in a file, of which parts are read when asked for.

    Parameters
    ----------
    offset : int
        Where its first byte lies.
    shape : tuple of int
        Its shape.
    dtype : numpy.dtype
        The type of its bits, in the file's byte order.
    state : tuple of int
        The file's size and time of change when it was opened; see `file_state`.
    strides : tuple of int, optional
        How many bytes lie between neighbors along each axis; by default the values lie together,
        those of the last axis first.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "numbers"
    >>> _ = path.write_bytes(np.arange(6.0).tobytes())
    >>> array = StoredArray(path, 0, (3, 2), np.dtype(np.float64), file_state(path))
    >>> array[1:3]
    array([[2., 3.],
           [4., 5.]])
    """

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    state: tuple[int, int]
    strides: tuple[int, ...] | None = None

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return the stored values of a selection, in the machine's byte order."""
        native = self.dtype.newbyteorder("=")
        if not prod(self.shape):
            return np.asarray(np.zeros(self.shape, native)[key])
        rows = selected_rows(key, self.shape) if self.strides is None else None
        try:
            if file_state(self.path) != self.state:
                raise EOFError("its size or time of change is another")
            found = self._selected(key) if rows is None else self._read(rows)
        except (OSError, EOFError) as error:
            raise FormatError(
                f"{self.path}: the file was changed or removed after it had been opened ({error}); "
                "load it again"
            ) from error
        return found.astype(native, copy=False)

    def _read(self, rows: range) -> NDArray[Any]:
        """Read whole rows, which lie together."""
        n_values = prod(self.shape[1:])
        start = self.offset + rows.start * n_values * self.dtype.itemsize
        values = np.fromfile(self.path, self.dtype, len(rows) * n_values, offset=start)
        if values.size < len(rows) * n_values:
            raise EOFError("it ends early")
        return values.reshape((len(rows), *self.shape[1:]) if self.shape else ())

    def _selected(self, key: Any) -> NDArray[Any]:
        """Copy any other selection out of a map that is gone afterwards."""
        strides = self.strides or strides_of(self.shape, self.dtype.itemsize)
        n_bytes = _extent(self.shape, strides) + self.dtype.itemsize
        raw = np.memmap(self.path, np.uint8, "r", self.offset, n_bytes)
        return np.array(np.ndarray(self.shape, self.dtype, raw, 0, strides)[key])


def strides_of(shape: tuple[int, ...], step: int = 1, *, fortran: bool = False) -> tuple[int, ...]:
    """Return how far neighbors along each axis are from each other where all lie together.

    Parameters
    ----------
    step : int, default 1
        How far the nearest ones are.
    fortran : bool, default False
        Whether those are neighbors along the first axis, not along the last.

    Examples
    --------
    >>> strides_of((2, 3, 5)), strides_of((2, 3, 5), 4, fortran=True)
    ((15, 5, 1), (4, 8, 24))
    """
    n = len(shape)
    return tuple(step * prod(shape[:k] if fortran else shape[k + 1 :]) for k in range(n))


def _extent(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Return how far the last value is from the first."""
    return sum((n - 1) * step for n, step in zip(shape, strides, strict=True))


def stored_tensor(
    name: str,
    member: StoredArray,
    shape: tuple[int, ...],
    first: int,
    strides: tuple[int, ...],
) -> StoredArray:
    """Return the tensor that a description cuts from a storage.

    Parameters
    ----------
    name : str
        What it is called, for the message.
    member : StoredArray
        The storage: all values of it, in a row.
    first : int
        The first value.
    strides : tuple of int
        How many values lie between neighbors along each axis.

    Raises
    ------
    FormatError
        If not all of it is in the storage.
    """
    (there,), step = member.shape, member.dtype.itemsize
    inside = min(first, *strides, 0) >= 0 and first + _extent(shape, strides) < there
    if prod(shape) and not (inside and len(shape) <= 32):
        raise FormatError(
            f"{member.path}: the tensor {name!r} of shape {shape} and strides {strides}, from "
            f"{first} on: the file holds {there} values; it is damaged, save it again"
        )
    bytes_apart = None if _together(shape, strides) else tuple(step * s for s in strides)
    return replace(
        member, offset=member.offset + first * step, shape=shape, strides=bytes_apart
    )  # fmt: skip


def _together(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether values lie together; the stride of an axis of length one says nothing."""
    return all(n == 1 or s == t for n, s, t in zip(shape, strides, strides_of(shape), strict=True))


def file_state(path: Path) -> tuple[int, int]:
    """Return what tells whether a file has changed: its size, and when it was written to."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns
