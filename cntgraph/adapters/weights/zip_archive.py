"""Zip archives that tensors lie in: their members, checked before any is read."""

from __future__ import annotations

import struct
import zipfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from cntgraph.adapters.damage import damage
from cntgraph.adapters.weights.file_part import FilePart
from cntgraph.adapters.weights.stored import StoredArray, file_state
from cntgraph.core.errors import FormatError

#: Bytes that an unpacked member may always have.
_SMALL = 1 << 24
_AGAIN = "copy the file again, or save it again"


class ZipArchive:
    """A zip archive, of which was checked that the file holds what it lists.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What was expected, for the message.
    part : tuple of int, optional
        Where in the file the archive begins, and its size; by default it is the file.

    Attributes
    ----------
    members : dict of str to ZipInfo
        By name.

    Raises
    ------
    FormatError
        If it is no zip archive or a damaged one: cut off, a name twice, members that overlap.
    """

    def __init__(self, path: Path, what: str, part: tuple[int, int] | None = None) -> None:
        self.path, self.part = path, part
        size = path.stat().st_size if part is None else part[1]
        found = f"expected {what} (a zip archive), found other or damaged bytes"
        with damage(path, found, _AGAIN), self.opened() as archive:
            infos = archive.infolist()
            self.members = {info.filename: info for info in infos}
            plain = [info for info in infos if info.compress_type == zipfile.ZIP_STORED]
            if len(self.members) < len(infos):
                raise ValueError("two members have one name")
            if sum(info.compress_size for info in infos) > size or any(
                info.file_size != info.compress_size for info in plain
            ):
                raise ValueError("its members are larger than the file, or overlap")

    def opened(self) -> zipfile.ZipFile:
        """Open it for reading."""
        return zipfile.ZipFile(self.path if self.part is None else FilePart(self.path, *self.part))

    def is_packed(self, name: str) -> bool:
        """Return whether a member is compressed."""
        return self.members[name].compress_type != zipfile.ZIP_STORED

    def offset(self, name: str) -> int:
        """Return where in the file the bytes of a member that is not compressed begin.

        Raises
        ------
        FormatError
            If they are not in the file.
        """
        info = self.members[name]
        header_at = info.header_offset + (self.part[0] if self.part else 0)
        with self.path.open("rb") as file:
            file.seek(header_at)
            header = file.read(30)
        if len(header) == 30 and header[:4] == b"PK\3\4":
            offset: int = header_at + 30 + sum(struct.unpack("<26xHH", header))
            if offset + info.compress_size <= self.path.stat().st_size:
                return offset
        raise FormatError(f"{self.path}: the member {name!r} is cut off; copy the file again")

    def values(self, name: str, dtype: np.dtype[Any]) -> StoredArray:
        """Return a member as values in a row, which are read when needed, unless it is compressed.

        Raises
        ------
        FormatError
            If it is missing or cut off.
        """
        if name not in self.members:
            raise FormatError(f"{self.path}: the values {name!r} are missing; {_AGAIN}")
        shape = (self.members[name].file_size // dtype.itemsize,)
        return StoredArray(self.path, self.offset(name), shape, dtype, file_state(self.path))

    def read(self, name: str, largest: int) -> bytes:
        """Return a member's bytes, unpacked, after checking that they do not fill the memory.

        Parameters
        ----------
        largest : int
            How many times its packed size a member may have, unless it is small.
        """
        info = self.members[name]
        known = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if not known or info.file_size > max(_SMALL, largest * info.compress_size):
            raise FormatError(
                f"{self.path}: the member {name!r} is packed in a way that no such file is: it "
                f"declares {info.file_size:,} bytes, {info.compress_size:,} are stored; it is "
                "damaged, or made to fill the memory, or must be packed without compression "
                "(zip -0)"
            )
        with self.reading(name), self.opened() as archive, archive.open(info) as file:
            return file.read(info.file_size)  # no more than it should have, whatever it unpacks to

    def reading(self, name: str) -> AbstractContextManager[None]:
        """Turn whatever a damaged member leads to into an error that says so."""
        return damage(self.path, f"the member {name!r} is damaged and cannot be read", _AGAIN)
