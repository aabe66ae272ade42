"""The disk: a file with its companions, and the only functions that change anything there."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Paths:
    """The file and its companions."""

    main: Path
    journal: Path
    temporary: Path
    lock: Path

    @classmethod
    def of(cls, path: StrPath) -> Paths:
        """Name the companions; a symbolic link and its target share one journal and one lock."""
        main = os.path.realpath(path)
        return cls(*(Path(main + suffix) for suffix in ("", ".journal", ".journal.tmp", ".lock")))


def write(handle: io.FileIO, offset: int, data: ReadableBuffer) -> None:
    """Write all of `data` at `offset`; a raw write may stop short, above 2 GiB for example."""
    handle.seek(offset)
    rest = memoryview(data)
    while rest:
        rest = rest[handle.write(rest) :]


def resize(handle: io.FileIO, size: int) -> None:
    """Cut a file, or extend it with zeros."""
    handle.truncate(size)


def sync(handle: io.FileIO) -> None:
    """Make what was written to a file durable."""
    os.fsync(handle.fileno())


def replace(source: Path, target: Path) -> None:
    """Give a file another name, at once."""
    os.replace(source, target)


def remove(path: Path) -> None:
    """Remove a file."""
    path.unlink()


def sync_directory(directory: Path) -> None:
    """Make renames and removals in `directory` durable, where the system can (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_new(path: Path, mode: int) -> io.FileIO:
    """Open a file for writing from the start, with the permissions `mode` if it is created."""
    return io.FileIO(path, "w", opener=lambda name, flags: os.open(name, flags, mode))


def read_at(handle: io.FileIO, offset: int, buffer: memoryview) -> int:
    """Fill `buffer` from `offset`; return less than its size only at the end of the file.

    The position of the handle is not used where the system can do without: a process that was
    forked shares it.
    """
    done = 0
    while done < len(buffer):
        got = _read_once(handle, offset + done, buffer[done:])
        if not got:
            break
        done += got
    return done


def _read_once(handle: io.FileIO, offset: int, buffer: memoryview) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(handle.fileno(), [buffer], offset)
    handle.seek(offset)
    return handle.readinto(buffer) or 0
