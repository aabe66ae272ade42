"""Zip archives that tensors lie in: their members, checked before any is read."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cntgraph.core.errors import CntGraphError, FormatError

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
