"""Where the bytes of an HDF5 file are: a file, a part of an archive, or in memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cntgraph.adapters.keras.heaps import check_heaps
from cntgraph.core.errors import CntGraphError, FormatError

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True)
class Source:
    """Where the bytes of an HDF5 file are: a part of a file, or in memory.

    Parameters
    ----------
    offset, size : int
        The part of it.
    memory : bytes, optional
        Instead: the bytes themselves, if they are compressed in the file.
    """

    path: Path
    offset: int = 0
    size: int = 0
    memory: bytes | None = None

    @classmethod
    def of(cls, path: Path) -> Source:
        """Return a whole file."""
        return cls(path, 0, path.stat().st_size)

    @property
    def nbytes(self) -> int:
        """Its size."""
        return self.size if self.memory is None else len(self.memory)

    @contextmanager
    def open(self) -> Iterator[h5py.File]:
        """Open the HDF5 file for reading.

        Raises
        ------
        FormatError
            For whatever goes wrong while it is open.
        """
        import h5py

        try:
            with self._stream() as stream, h5py.File(stream, "r") as file:
                yield file
        except CntGraphError:
            raise
        except Exception as error:  # what h5py raises on damaged files is endless
            raise FormatError(
                f"{self.path}: expected an HDF5 file that Keras has written, found a damaged or "
                f"another one ({type(error).__name__}: {error}); copy it again, or save it again"
            ) from error

    def check_texts(self) -> None:
        """Refuse a file whose texts cannot be read without going in circles.

        Raises
        ------
        FormatError
            If its heaps are damaged.
        """
        if self.memory is not None:
            check_heaps(self.path, self.memory, 0, len(self.memory))
            return
        with self.path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            check_heaps(self.path, data, self.offset, self.offset + self.size)

    def _stream(self) -> io.IOBase:
        if self.memory is None:
            return _Section(self.path, self.offset, self.size)
        return io.BytesIO(self.memory)


class _Section(io.RawIOBase):
    """A part of a file, as a file that can be read."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._offset, self._size, self._at = offset, size, 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(start + offset, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from where the section stands; nothing lies beyond its end."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(self._size - self._at, 0))
        self._file.seek(self._offset + self._at)
        n_read = self._file.readinto(view[:wanted]) if wanted else 0
        self._at += n_read
        return n_read

    def close(self) -> None:
        self._file.close()
        super().close()
