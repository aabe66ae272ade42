"""Atomic appends to one HDF5 file, through a physical redo journal.

HDF5 updates its metadata in place: a process killed while it writes can leave a file that does
not open any more. Here nothing reaches the file before a complete description of the change
stands beside it:

1. h5py works on a `JournaledFile`, which keeps everything that is written in memory;
2. `JournaledFile.commit` writes the changed byte ranges, with a checksum, to
   ``<path>.journal.tmp``, and renames it to ``<path>.journal`` once it is safely on the disk;
3. the ranges are copied into the file, and the journal is removed.

A crash before the rename leaves the old file; a crash after it leaves a complete journal, which
`recover` (and so the next `append`) applies again from the start, and which `read` overlays on the
file in memory. "On the disk" means as far as `os.fsync` reaches: a drive that lies about its write
cache is out of reach. An error of the disk up to the rename leaves the old file; one behind it is
an `UnfinishedAppendError`.

The journal is, in little-endian order::

    8 bytes  magic
    uint64   version of this format
    uint64   length of the file after the change
    uint64   kept: number of leading bytes of the old file that were not cut off by the change
    uint64   number of ranges
    ranges   (uint64 offset, uint64 length, bytes), in ascending order, not overlapping
    32 bytes BLAKE2b digest of everything above

Bytes past ``kept`` that no range covers are zero. A file with a journal beside it is only whole
together with it: copy or move both, or call `recover` before. ``<path>.lock`` keeps a second
writer out; one that a killed process has left holds no lock and does no harm.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cntgraph.core.errors import StoreError, UnfinishedAppendError
from cntgraph.store import disk
from cntgraph.store.disk import Paths
from cntgraph.store.locks import WriterLock, readers_gone
from cntgraph.store.ranges import Ranges

if TYPE_CHECKING:
    StrPath = str | os.PathLike[str]

_MAGIC = b"CNTGJRNL"
_VERSION = 1
_HEADER = struct.Struct("<8sQQQQ")
_RANGE = struct.Struct("<QQ")
_DIGEST_SIZE = 32


@dataclass
class Change:
    """What turns the old file into the new one: the contents of a journal."""

    size: int
    kept: int
    ranges: Ranges = field(default_factory=Ranges)

    def chunks(self) -> Iterator[bytes | bytearray]:
        """Yield the bytes of the journal."""
        digest = hashlib.blake2b(digest_size=_DIGEST_SIZE)
        header = _HEADER.pack(_MAGIC, _VERSION, self.size, self.kept, len(self.ranges.starts))
        digest.update(header)
        yield header
        for start, block in zip(self.ranges.starts, self.ranges.blocks, strict=True):
            head = _RANGE.pack(start, len(block))
            digest.update(head)
            digest.update(block)
            yield head
            yield block
        yield digest.digest()


class _JournalParser:
    """Reads one journal, and refuses it if anything in it is not as it was written."""

    def __init__(self, handle: io.FileIO, journal: Path) -> None:
        self._handle = handle
        self._journal = journal
        self._position = 0
        self._left = os.fstat(handle.fileno()).st_size
        self._digest = hashlib.blake2b(digest_size=_DIGEST_SIZE)

    def parse(self) -> Change:
        magic, version, size, kept, count = _HEADER.unpack(self._take(_HEADER.size))
        if magic != _MAGIC:
            raise self._damage(f"the first bytes {_MAGIC!r}", repr(bytes(magic)))
        if version != _VERSION:
            raise StoreError(
                f"{self._journal}: expected a journal of version {_VERSION}, found version "
                f"{version}. Open the file with the version of cntgraph that wrote it."
            )
        change, end = Change(size, kept), 0
        for _ in range(count):
            offset, length = _RANGE.unpack(self._take(_RANGE.size))
            if offset < end or offset + length > size:
                raise self._damage(f"a range from {end} to {size}", f"{offset}, length {length}")
            end = offset + length
            change.ranges.starts.append(offset)
            change.ranges.blocks.append(self._take(length))
        self._check_digest()
        return change

    def _check_digest(self) -> None:
        computed = self._digest.digest()
        stored = bytes(self._take(_DIGEST_SIZE))
        if stored != computed:
            raise self._damage(f"the checksum {stored.hex()}", computed.hex())
        if self._left:
            raise self._damage("the end after the checksum", f"{self._left} more bytes")

    def _take(self, length: int) -> bytearray:
        # Compared before allocating, because a damaged length can be anything.
        if length > self._left:
            raise self._damage(f"{length} more bytes", f"{self._left}")
        data = bytearray(length)
        got = disk.read_at(self._handle, self._position, memoryview(data))
        if got < length:
            raise self._damage(f"{length} more bytes", f"{got}")
        self._position += length
        self._left -= length
        self._digest.update(data)
        return data

    def _damage(self, expected: str, found: str) -> StoreError:
        return StoreError(
            f"{self._journal}: expected {expected}, found {found}. No crash does this: the journal "
            "was damaged later, and the last append, which it holds, cannot be completed. "
            "Restore it from a backup together with the HDF5 file; without a backup, move the "
            "journal away to open the file without that append, and check what the file holds."
        )


def load(paths: Paths) -> Change | None:
    """Read the journal, or return None if there is none."""
    try:
        with io.FileIO(paths.journal) as handle:
            return _JournalParser(handle, paths.journal).parse()
    except FileNotFoundError:
        return None


def publish(paths: Paths, change: Change) -> None:
    """Make the journal appear complete and for good, or not at all.

    One of an earlier attempt, of which a part may be applied already, is never taken away.
    """
    repeated = paths.journal.exists()
    try:
        _write_journal(paths, change)
        disk.replace(paths.temporary, paths.journal)
        disk.sync_directory(paths.main.parent)
    except OSError as error:
        _withdraw(paths, error, kept=repeated)
        raise StoreError(
            f"{paths.journal}: expected to write the journal of an append, got: {error}. "
            f"{paths.main} is unchanged; free disk space or repair the disk, and append again."
        ) from error


def _withdraw(paths: Paths, error: OSError, *, kept: bool) -> None:
    """Remove a journal of which nothing was applied; raise where it stays, complete as it is."""
    for path in (paths.temporary,) if kept else (paths.temporary, paths.journal):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    if paths.journal.exists():
        raise _unfinished(paths, error) from error


def _unfinished(paths: Paths, error: OSError) -> UnfinishedAppendError:
    return UnfinishedAppendError(
        f"{paths.main}: expected to complete an append, got: {error}. What was appended is kept "
        f"in {paths.journal}, and must not be appended again: free disk space or repair the disk, "
        "and call recover(), or append something else."
    )


def _write_journal(paths: Paths, change: Change) -> None:
    # The journal holds contents of the file, so it must not be open to more people.
    mode = paths.main.stat().st_mode & 0o777 if paths.main.exists() else 0o666
    with disk.open_new(paths.temporary, mode) as handle:
        position = 0
        for chunk in change.chunks():
            disk.write(handle, position, chunk)
            position += len(chunk)
        disk.sync(handle)


def apply(paths: Paths, change: Change, base: io.FileIO | None = None) -> None:
    """Carry out the published change, from whatever point an earlier attempt has reached.

    `base` is the file, if it is already open.

    Raises
    ------
    UnfinishedAppendError
        If the disk refuses; the journal stays.
    """
    directory = paths.main.parent
    try:
        created = base is None and not paths.main.exists()
        with _opened(paths.main, base, created) as handle, readers_gone(handle):
            _apply_ranges(paths.main, handle, change)
        if created:
            # Likewise, the name of a new file must be durable before the journal goes.
            disk.sync_directory(directory)
        disk.remove(paths.journal)
        # A removal undone by a power loss would apply this change again, perhaps after another
        # program has written to the file.
        disk.sync_directory(directory)
    except StoreError:
        raise
    except OSError as error:
        raise _unfinished(paths, error) from error


@contextlib.contextmanager
def _opened(main: Path, base: io.FileIO | None, created: bool) -> Iterator[io.FileIO]:
    if base is not None:
        yield base
        return
    with io.FileIO(main, "x" if created else "r+") as handle:
        yield handle


def _apply_ranges(main: Path, handle: io.FileIO, change: Change) -> None:
    before = os.fstat(handle.fileno())
    check_base(main, before.st_size, change.kept)
    if before.st_size > change.kept:
        disk.resize(handle, change.kept)
    # From the end, where the new data is, to the beginning, where the old metadata is that leads
    # to it: a reader that stayed may meet an error, but not zeros in the place of data.
    ranges = zip(change.ranges.starts, change.ranges.blocks, strict=True)
    for start, block in reversed(list(ranges)):
        disk.write(handle, start, block)
    disk.resize(handle, change.size)
    _advance_time(main, before.st_mtime_ns)
    disk.sync(handle)


def _advance_time(main: Path, before: int) -> None:
    """Make the change visible in the modification time, which only ticks every few milliseconds.

    A reader that was opening the file in the meantime learns from it that it has to start again.
    """
    status = main.stat()
    if status.st_mtime_ns <= before:
        # Only the owner may set it, and others who may write do without.
        with contextlib.suppress(PermissionError):
            os.utime(main, ns=(status.st_atime_ns, before + 1_000_000))


def check_base(main: Path, size: int, kept: int) -> None:
    """Refuse a file that is shorter than at any point of the append: it is another one."""
    if size < kept:
        raise StoreError(
            f"{main}: expected at least {kept} bytes, found {size}. The file was replaced or cut "
            "while an append was under way or its journal stood beside it; put the original file "
            "back, or move the journal away to give that append up."
        )


def recover_locked(paths: Paths) -> bool:
    """Do what `recover` does, for a writer that holds the lock."""
    try:
        paths.temporary.unlink(missing_ok=True)
        change = load(paths)
        if change is None:
            return False
        # The process that renamed the journal may have died before this, and the file must not
        # change while a power loss could still take the journal away.
        disk.sync_directory(paths.main.parent)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(
            f"{paths.main}: cannot be opened to append, got: {error}. Nothing was changed; see to "
            "the disk and its permissions, and try again"
        ) from error
    apply(paths, change)
    return True


def recover(path: StrPath) -> bool:
    """Complete the append that a crash has interrupted, if there is one.

    Parameters
    ----------
    path : str or path-like
        The HDF5 file, which may be absent if the crash came while it was created.

    Returns
    -------
    bool
        Whether there was an append to complete.

    Raises
    ------
    StoreError
        If the journal is damaged or does not belong to the file, or a writer is at work.
    """
    paths = Paths.of(path)
    if not (paths.journal.exists() or paths.temporary.exists()):
        return False
    lock = WriterLock(paths)
    try:
        return recover_locked(paths)
    finally:
        lock.release()


def discard(path: StrPath) -> None:
    """Remove a file, and what an append has left beside it.

    Parameters
    ----------
    path : str or path-like
        The HDF5 file, which may be absent.

    Raises
    ------
    StoreError
        If a writer is at work, or the disk refuses.
    """
    paths = Paths.of(path)
    lock = WriterLock(paths)
    try:
        # The journal first: without its file, it would be recovered as one.
        for own in (paths.temporary, paths.journal, paths.main):
            own.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{paths.main}: cannot be removed, got: {error}") from error
    finally:
        lock.release()
