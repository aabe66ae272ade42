"""Arrays in files that are read by parts when needed, and the zip archives some of them lie in.

Nothing is mapped into memory: pages of a map count as memory of the process that has looked at
them, and a model may be larger than the memory.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import CntGraphError, FormatError


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
    fortran : bool, default False
        Whether the first axis is the one that lies together in the file.

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
    fortran: bool = False

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return the stored values of a selection, in the machine's byte order."""
        native = self.dtype.newbyteorder("=")
        if not prod(self.shape):
            return np.asarray(np.zeros(self.shape, native)[key])
        rows = None if self.fortran else selected_rows(key, self.shape)
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
        order: Any = "F" if self.fortran else "C"
        return np.array(
            np.memmap(self.path, self.dtype, "r", self.offset, self.shape, order=order)[key]
        )


def file_state(path: Path) -> tuple[int, int]:
    """Return what tells whether a file has changed: its size, and when it was written to."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def selected_rows(key: Any, shape: tuple[int, ...]) -> range | None:
    """Return the rows that a selection asks for, if it asks for nothing but whole rows.

    Examples
    --------
    >>> selected_rows((slice(1, 3),), (5, 2)), selected_rows((slice(None), slice(1)), (5, 2))
    (range(1, 3), None)
    """
    if isinstance(key, tuple) and len(key) <= 1:
        key = key[0] if key else slice(None)
    if not isinstance(key, slice):
        return None
    rows = range(*key.indices(shape[0] if shape else 1))
    return rows if rows.step == 1 else None


# -- zip archives -----------------------------------------------------------------------------

#: Bytes that an unpacked member may always have.
_SMALL = 1 << 24


def zip_members(path: Path, what: str) -> dict[str, zipfile.ZipInfo]:
    """Return the members of a zip archive by name, after checking that the file holds them.

    Parameters
    ----------
    what : str
        What was expected, for the message.

    Raises
    ------
    FormatError
        If it is no zip archive or a damaged one: cut off, a name twice, members that overlap.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except Exception as error:  # zipfile meets damage with a dozen kinds of exception
        raise FormatError(
            f"{path}: expected {what} (a zip archive), found other or damaged bytes ({error}); "
            "copy the file again, or save it again"
        ) from error
    members = {info.filename: info for info in infos}
    size = path.stat().st_size
    stored = sum(info.compress_size for info in infos)
    plain = [info for info in infos if info.compress_type == zipfile.ZIP_STORED]
    reason = ""
    if len(members) < len(infos):
        reason = "two members have one name"
    elif stored > size or any(info.file_size != info.compress_size for info in plain):
        reason = "its members are larger than the file, or overlap"
    if reason:
        raise FormatError(f"{path}: expected {what}, found a damaged one: {reason}")
    return members


def member_offset(path: Path, info: zipfile.ZipInfo) -> int:
    """Return where the bytes of a member that is not compressed begin.

    Raises
    ------
    FormatError
        If they are not in the file.
    """
    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(30)
    size = path.stat().st_size
    if len(header) == 30 and header[:4] == b"PK\3\4":
        offset: int = info.header_offset + 30 + sum(struct.unpack("<26xHH", header))
        if offset + info.compress_size <= size:
            return offset
    raise FormatError(f"{path}: the member {info.filename!r} is cut off; copy the file again")


def read_member(path: Path, info: zipfile.ZipInfo, largest: int) -> bytes:
    """Return a member's bytes, unpacked, after checking that they are not made to fill the memory.

    Parameters
    ----------
    largest : int
        How many times its packed size a member may have, unless it is small.
    """
    known = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    if not known or info.file_size > max(_SMALL, largest * info.compress_size):
        raise FormatError(
            f"{path}: the member {info.filename!r} is packed in a way that no such file is: it "
            f"declares {info.file_size:,} bytes, {info.compress_size:,} are stored; it is damaged, "
            "or made to fill the memory, or must be packed without compression (zip -0)"
        )
    with reading(path, info), zipfile.ZipFile(path) as archive, archive.open(info) as file:
        return file.read(info.file_size)  # no more than it should have, whatever it unpacks to


@contextmanager
def reading(path: Path, info: zipfile.ZipInfo) -> Iterator[None]:
    """Turn whatever a damaged member leads to into an error that says so."""
    try:
        yield
    except CntGraphError:
        raise
    except Exception as error:  # zipfile meets damage with a dozen kinds of exception
        raise FormatError(
            f"{path}: the member {info.filename!r} is damaged and cannot be read ({error}); copy "
            "the file again, or save it again"
        ) from error
