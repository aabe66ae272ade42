"""Zip archives that tensors lie in: their members, checked before any is read."""

from __future__ import annotations

import io
import struct
import zipfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from cntgraph.adapters.damage import damage
from cntgraph.core.errors import FormatError

#: Bytes that an unpacked member may always have.
_SMALL = 1 << 24
_AGAIN = "copy the file again, or save it again"


class FilePart(io.RawIOBase):
    """Some bytes of a file, as a file of their own.

    Parameters
    ----------
    path : Path
    start, size : int
        Where they begin, and how many they are.
    """

    def __init__(self, path: Path, start: int, size: int) -> None:
        self.start, self.size, self._at = start, size, 0
        self._file = path.open("rb")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, counted as in any file."""
        self._at = max(0, offset + (0, self._at, self.size)[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read what is left, as much as there is room for."""
        view = memoryview(buffer)[: max(0, self.size - self._at)]
        self._file.seek(self.start + self._at)
        n = self._file.readinto(view)
        self._at += n
        return n


def zip_members(
    path: Path, what: str, part: tuple[int, int] | None = None
) -> dict[str, zipfile.ZipInfo]:
    """Return the members of a zip archive by name, after checking that the file holds them.

    Parameters
    ----------
    what : str
        What was expected, for the message.
    part : tuple of int, optional
        Where in the file the archive begins, and its size; by default it is the file.

    Raises
    ------
    FormatError
        If it is no zip archive or a damaged one: cut off, a name twice, members that overlap.
    """
    found = f"expected {what} (a zip archive), found other or damaged bytes"
    with damage(path, found, _AGAIN), _opened(path, part) as archive:
        infos = archive.infolist()
    members = {info.filename: info for info in infos}
    size = path.stat().st_size if part is None else part[1]
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


def _opened(path: Path, part: tuple[int, int] | None) -> zipfile.ZipFile:
    return zipfile.ZipFile(path if part is None else FilePart(path, *part))


def member_offset(path: Path, info: zipfile.ZipInfo, start: int = 0) -> int:
    """Return where the bytes of a member that is not compressed begin.

    Parameters
    ----------
    start : int, default 0
        Where in the file the archive begins.

    Raises
    ------
    FormatError
        If they are not in the file.
    """
    with path.open("rb") as file:
        file.seek(start + info.header_offset)
        header = file.read(30)
    size = path.stat().st_size
    if len(header) == 30 and header[:4] == b"PK\3\4":
        offset: int = start + info.header_offset + 30 + sum(struct.unpack("<26xHH", header))
        if offset + info.compress_size <= size:
            return offset
    raise FormatError(f"{path}: the member {info.filename!r} is cut off; copy the file again")


def read_member(
    path: Path, info: zipfile.ZipInfo, largest: int, part: tuple[int, int] | None = None
) -> bytes:
    """Return a member's bytes, unpacked, after checking that they are not made to fill the memory.

    Parameters
    ----------
    largest : int
        How many times its packed size a member may have, unless it is small.
    part : tuple of int, optional
        Where the archive is, as in `zip_members`.
    """
    known = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    if not known or info.file_size > max(_SMALL, largest * info.compress_size):
        raise FormatError(
            f"{path}: the member {info.filename!r} is packed in a way that no such file is: it "
            f"declares {info.file_size:,} bytes, {info.compress_size:,} are stored; it is damaged, "
            "or made to fill the memory, or must be packed without compression (zip -0)"
        )
    with reading(path, info), _opened(path, part) as archive, archive.open(info) as file:
        return file.read(info.file_size)  # no more than it should have, whatever it unpacks to


def reading(path: Path, info: zipfile.ZipInfo) -> AbstractContextManager[None]:
    """Turn whatever a damaged member leads to into an error that says so."""
    return damage(path, f"the member {info.filename!r} is damaged and cannot be read", _AGAIN)
