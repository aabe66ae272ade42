"""The bytes of an object's attributes, as they are stored: HDF5 gives no way to them.

What it gives are values. Of a text it takes as much memory as the file says that it is long, before
it looks whether it is: a few bytes can ask for gigabytes. So its attributes are found here, in the
header of the object (of either version), and texts are looked up by `Source`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from mmap import mmap

Data = bytes | mmap

#: Numbers of the messages of a header: an attribute, and where the header goes on.
_ATTRIBUTE, _CONTINUATION = 0x0C, 0x10


def stored_attributes(data: Data, start: int, stop: int, place: int) -> dict[str, bytes]:
    """Return the bytes of the attributes that stand in the header of an object.

    Parameters
    ----------
    data : bytes or mmap
        Holds the HDF5 file from byte `start` to byte `stop`.
    place : int
        Where the header is, counted from `start`.

    Returns
    -------
    dict of str to bytes
        By name, perhaps with a few more behind them. Many attributes may be stored elsewhere; they
        are missing, and so is what is damaged.
    """
    found: dict[str, bytes] = {}
    try:
        for kind, message in _messages(data, start, stop, start + place):
            if kind == _ATTRIBUTE:
                name, value = _attribute(message)
                found.setdefault(name, value)
    except (struct.error, IndexError, UnicodeDecodeError):  # it ends too early
        pass
    return found


def _messages(data: Data, start: int, stop: int, at: int) -> Iterator[tuple[int, bytes]]:
    """Yield the messages of a header with their numbers, part after part."""
    version = 2 if data[at : at + 4] == b"OHDR" else 1
    if version == 1:
        (size,) = struct.unpack_from("<xxxxxxxxI", data, at)
        waiting, head, extra = [(at + 16, size)], struct.Struct("<HHB"), 3
    else:
        flags = data[at + 5]
        before = 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
        width = 1 << (flags & 3)
        size = int.from_bytes(data[at + before : at + before + width], "little")
        waiting, head = [(at + before + width, size)], struct.Struct("<BHB")
        extra = 2 * bool(flags & 4)
    seen = set[int]()
    while waiting:
        at, size = waiting.pop(0)
        end = at + size
        if at in seen or not start <= at <= end <= stop:
            continue
        seen.add(at)
        while at + head.size + extra <= end:
            kind, length, _ = head.unpack_from(data, at)
            at += head.size + extra
            message = data[at : min(at + length, end)]
            at += length
            if kind == _CONTINUATION:
                place, size = struct.unpack_from("<QQ", message)
                # A part of the second version begins with OCHK and ends with a checksum.
                around = (4, 8) if version == 2 else (0, 0)
                waiting.append((start + place + around[0], size - around[1]))
            else:
                yield kind, message


def _attribute(message: bytes) -> tuple[str, bytes]:
    """Return the name of an attribute and its bytes: those behind its type and its shape."""
    version, _, *sizes = struct.unpack_from("<BBHHH", message)
    at = 9 if version == 3 else 8
    name = message[at : at + sizes[0]].partition(b"\0")[0].decode()
    # The first version fills all of them up to eight bytes.
    at += sum(-(-size // 8) * 8 if version == 1 else size for size in sizes)
    return name, message[at:]
