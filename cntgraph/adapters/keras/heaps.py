"""The texts of an HDF5 file lie in heaps, which the library walks without looking where it goes.

A damaged heap sends it round in circles, for ever. So the heaps are walked here first.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from cntgraph.core.errors import FormatError

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEADER, _OBJECT = 16, 16


def check_heaps(path: Path, data: bytes | mmap.mmap, start: int, stop: int) -> None:
    """Refuse a file in which a heap does not end.

    Parameters
    ----------
    path : Path
        The file, for messages.
    data : bytes or mmap
        Its bytes.
    start, stop : int
        Where the HDF5 file begins and ends among them.

    Raises
    ------
    FormatError
        If a heap is damaged, or the file has sizes of another width than eight bytes.

    Notes
    -----
    A heap is ``GCOL``, a version, and its size; then come objects, each with a number (0 for
    what is free), a count, and a size, which for what is free includes these.
    """
    sizes = _widths(data[start : start + 32])
    if sizes != (8, 8):
        raise FormatError(
            f"{path}: expected an HDF5 file with sizes of eight bytes, found a damaged or unusual "
            "one; save the model again"
        )
    at = data.find(b"GCOL", start, stop)
    while at >= 0:
        if not _ends(data, at, stop):
            raise FormatError(
                f"{path}: the texts of the HDF5 file are damaged at byte {at - start:,}; copy the "
                "file again, or save it again"
            )
        at = data.find(b"GCOL", at + 1, stop)


def _widths(header: bytes) -> tuple[int, int] | None:
    """Return how many bytes places and sizes take, as the file's header says."""
    if len(header) < 16 or header[:8] != _SIGNATURE:
        return None
    first = 13 if header[8] < 2 else 9
    return header[first], header[first + 1]


def _ends(data: bytes | mmap.mmap, at: int, stop: int) -> bool:
    """Whether the walk through a heap comes to its end; bytes that are no heap are no matter."""
    if stop - at < _HEADER or data[at + 4] != 1:
        return True
    (size,) = struct.unpack_from("<Q", data, at + 8)
    if size > stop - at:
        return True  # the library will not read it
    place, end = at + _HEADER, at + size
    while place + _OBJECT <= end:
        number, _, length = struct.unpack_from("<HHxxxxQ", data, place)
        step = length if number == 0 else _OBJECT + (length + 7) // 8 * 8
        if step < _OBJECT or step > end - place:
            return False
        place += step
    return True
