"""MappedFile: arrays read where they lie in a file, by the system, when they are looked at."""

from __future__ import annotations

import os
from math import prod
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import StoreError


class MappedFile:
    """A file mapped into memory for reading, and whether it is still as it was.

    What is looked at is kept in memory as long as nobody else needs it. Where the file has become
    shorter there is nothing to look at, and the system ends the process: ask `check` before.

    Parameters
    ----------
    path : Path
        A file that is not empty; it may be removed or replaced while it is mapped.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "numbers"
    >>> _ = path.write_bytes(np.arange(6.0).tobytes())
    >>> file = MappedFile(path)
    >>> file.array(16, (2,), np.dtype(np.float64))
    array([2., 3.])
    >>> _ = path.write_bytes(b"other")
    >>> file.check()
    Traceback (most recent call last):
    ...
    cntgraph.core.errors.StoreError: ...numbers was changed after it had been opened; ...
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDONLY)
        # Graphs have no end at which they are closed; arrays keep the map, not this file.
        finalize(self, os.close, self._file)
        self._state = self._now()
        self._map = mmap(self._file, 0, access=ACCESS_READ)

    @property
    def n_bytes(self) -> int:
        """Its size when it was mapped."""
        return self._state[0]

    def _now(self) -> tuple[int, int]:
        found = os.fstat(self._file)
        return found.st_size, found.st_mtime_ns

    def check(self) -> None:
        """Raise if the file has been written to since it was mapped.

        Raises
        ------
        StoreError
        """
        if self._now() != self._state:
            raise StoreError(
                f"{self.path} was changed after it had been opened; open it again, and let nobody "
                "write to it meanwhile"
            )

    def array(self, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an array that lies in the file, which cannot be written to.

        Raises
        ------
        StoreError
            If not all of it is there, or numbers do not begin at multiples of their size.
        """
        n = prod(shape)
        if offset < 0 or offset + n * dtype.itemsize > self.n_bytes or offset % dtype.itemsize:
            raise StoreError(
                f"{self.path}: expected {n:,} numbers of {dtype} at byte {offset:,} of "
                f"{self.n_bytes:,}; the file is cut off or damaged: copy it again"
            )
        if not n:
            return np.zeros(shape, dtype)
        return np.frombuffer(self._map, dtype, n, offset).reshape(shape)
