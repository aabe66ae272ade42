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
cache is out of reach.

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
import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cntgraph.errors import StoreError

try:
    import fcntl
except ImportError:  # Windows: two writers at once are then not noticed
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator

    import h5py
    from _typeshed import ReadableBuffer, WriteableBuffer

    StrPath = str | os.PathLike[str]

__all__ = ["JournaledFile", "append", "read", "recover"]

_MAGIC = b"CNTGJRNL"
_VERSION = 1
_HEADER = struct.Struct("<8sQQQQ")
_RANGE = struct.Struct("<QQ")
_DIGEST_SIZE = 32
# A reader that opens between two commits succeeds at once; each further attempt is only needed
# if yet another commit falls into the milliseconds of the previous one.
_READ_ATTEMPTS = 10
# Seconds that a commit waits for readers to close the file.
_READER_PATIENCE = 0.1


# --- The only functions that change anything on the disk --------------------------------------


def _write(handle: io.FileIO, offset: int, data: ReadableBuffer) -> None:
    """Write all of `data` at `offset`; a raw write may stop short, above 2 GiB for example."""
    handle.seek(offset)
    rest = memoryview(data)
    while rest:
        rest = rest[handle.write(rest) :]


def _resize(handle: io.FileIO, size: int) -> None:
    handle.truncate(size)


def _sync(handle: io.FileIO) -> None:
    os.fsync(handle.fileno())


def _replace(source: Path, target: Path) -> None:
    os.replace(source, target)


def _remove(path: Path) -> None:
    path.unlink()


def _sync_directory(directory: Path) -> None:
    """Make renames and removals in `directory` durable, where the system can (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_new(path: Path, mode: int) -> io.FileIO:
    """Open a file for writing from the start, with the permissions `mode` if it is created."""
    return io.FileIO(path, "w", opener=lambda name, flags: os.open(name, flags, mode))


# --- Changed ranges, and the journal that holds them ------------------------------------------


@dataclass
class _Ranges:
    """Changed byte ranges, sorted by offset and never overlapping.

    Blocks are never merged: a write overwrites what is there and fills the gaps, by extending the
    block that ends where the gap begins if there is one. So a write costs its own size, in
    whatever order the writes come.
    """

    starts: list[int] = field(default_factory=list)
    blocks: list[bytearray] = field(default_factory=list)

    def pieces(self, start: int, stop: int) -> Iterator[tuple[int, int, bytearray | None, int]]:
        """Cut ``[start, stop)`` into ``(low, high, block, offset of the block)``, gaps as None."""
        position = start
        first = max(bisect_right(self.starts, start) - 1, 0)
        for index in range(first, bisect_left(self.starts, stop)):
            begin, block = self.starts[index], self.blocks[index]
            end = min(begin + len(block), stop)
            if position < begin:
                yield position, begin, None, 0
                position = begin
            if position < end:
                yield position, end, block, begin
                position = end
        if position < stop:
            yield position, stop, None, 0

    def write(self, offset: int, data: memoryview) -> None:
        for low, high, block, begin in list(self.pieces(offset, offset + len(data))):
            part = data[low - offset : high - offset]
            if block is None:
                self._fill(low, part)
            else:
                # Through a memoryview, because a bytearray would copy `part` a second time.
                memoryview(block)[low - begin : high - begin] = part

    def _fill(self, start: int, part: memoryview) -> None:
        index = bisect_right(self.starts, start)
        if index and self.starts[index - 1] + len(self.blocks[index - 1]) == start:
            self.blocks[index - 1] += part
        else:
            self.starts.insert(index, start)
            self.blocks.insert(index, bytearray(part))

    def truncate(self, size: int) -> None:
        keep = bisect_left(self.starts, size)
        del self.starts[keep:], self.blocks[keep:]
        if keep:
            del self.blocks[-1][size - self.starts[-1] :]


@dataclass
class _Change:
    """What turns the old file into the new one: the contents of a journal."""

    size: int
    kept: int
    ranges: _Ranges = field(default_factory=_Ranges)

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
        self._left = os.fstat(handle.fileno()).st_size
        self._digest = hashlib.blake2b(digest_size=_DIGEST_SIZE)

    def parse(self) -> _Change:
        magic, version, size, kept, count = _HEADER.unpack(self._take(_HEADER.size))
        if magic != _MAGIC:
            raise self._damage(f"the first bytes {_MAGIC!r}", repr(bytes(magic)))
        if version != _VERSION:
            raise StoreError(
                f"{self._journal}: expected a journal of version {_VERSION}, found version "
                f"{version}. Open the file with the version of cntgraph that wrote it."
            )
        change = _Change(size, kept)
        for _ in range(count):
            offset, length = _RANGE.unpack(self._take(_RANGE.size))
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
        got = _read_fully(self._handle, memoryview(data))
        if got < length:
            raise self._damage(f"{length} more bytes", f"{got}")
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


def _read_fully(handle: io.FileIO, buffer: memoryview) -> int:
    """Fill `buffer` from the position of `handle`; return less than its size only at the end."""
    done = 0
    while done < len(buffer):
        got = handle.readinto(buffer[done:])
        if not got:
            break
        done += got
    return done


@dataclass(frozen=True)
class _Paths:
    """The file and its companions."""

    main: Path
    journal: Path
    temporary: Path
    lock: Path

    @classmethod
    def of(cls, path: StrPath) -> _Paths:
        # Resolved, so that a symbolic link and its target share one journal and one lock.
        main = os.path.realpath(path)
        return cls(*(Path(main + suffix) for suffix in ("", ".journal", ".journal.tmp", ".lock")))


def _load(paths: _Paths) -> _Change | None:
    """Read the journal, or return None if there is none."""
    try:
        with io.FileIO(paths.journal) as handle:
            return _JournalParser(handle, paths.journal).parse()
    except FileNotFoundError:
        return None


def _publish(paths: _Paths, change: _Change) -> None:
    """Make the journal appear complete, or not at all."""
    try:
        _write_journal(paths, change)
        _replace(paths.temporary, paths.journal)
    except OSError as error:
        with contextlib.suppress(OSError):
            paths.temporary.unlink()
        raise StoreError(
            f"{paths.journal}: expected to write the journal of an append, got: {error}. "
            f"{paths.main} is unchanged; free disk space or repair the disk, and append again."
        ) from error


def _write_journal(paths: _Paths, change: _Change) -> None:
    # The journal holds contents of the file, so it must not be open to more people.
    mode = paths.main.stat().st_mode & 0o777 if paths.main.exists() else 0o666
    with _open_new(paths.temporary, mode) as handle:
        position = 0
        for chunk in change.chunks():
            _write(handle, position, chunk)
            position += len(chunk)
        _sync(handle)


def _apply(paths: _Paths, change: _Change, base: io.FileIO | None = None) -> None:
    """Carry out the published change, from whatever point an earlier attempt has reached.

    `base` is the file, if it is already open.
    """
    directory = paths.main.parent
    try:
        # Also when recovering: the process that renamed the journal may have died before this,
        # and the file must not change while a power loss could still take the journal away.
        _sync_directory(directory)
        created = base is None and not paths.main.exists()
        with _opened(paths.main, base, created) as handle, _readers_gone(handle):
            _apply_ranges(paths.main, handle, change)
        if created:
            # Likewise, the name of a new file must be durable before the journal goes.
            _sync_directory(directory)
        _remove(paths.journal)
        # A removal undone by a power loss would apply this change again, perhaps after another
        # program has written to the file.
        _sync_directory(directory)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(
            f"{paths.main}: expected to complete an append, got: {error}. The data is in "
            f"{paths.journal}: free disk space or repair the disk, and call recover() or append()."
        ) from error


@contextlib.contextmanager
def _opened(main: Path, base: io.FileIO | None, created: bool) -> Iterator[io.FileIO]:
    if base is not None:
        yield base
        return
    with io.FileIO(main, "x" if created else "r+") as handle:
        yield handle


@contextlib.contextmanager
def _readers_gone(handle: io.FileIO) -> Iterator[None]:
    """Wait a moment for those who have the file open, and keep others out meanwhile.

    HDF5 holds a shared lock while it reads. Whoever opens the file through `read` from now on sees
    the journal. A program that just keeps the file open must not stop the writer, though.
    """
    deadline = time.monotonic() + _READER_PATIENCE
    while not _flock(handle, exclusive=True) and time.monotonic() < deadline:
        time.sleep(0.002)
    try:
        yield
    finally:
        _flock(handle, exclusive=False)


def _apply_ranges(main: Path, handle: io.FileIO, change: _Change) -> None:
    before = os.fstat(handle.fileno())
    _check_base(main, before.st_size, change.kept)
    if before.st_size > change.kept:
        _resize(handle, change.kept)
    # From the end, where the new data is, to the beginning, where the old metadata is that leads
    # to it: a reader that stayed may meet an error, but not zeros in the place of data.
    ranges = zip(change.ranges.starts, change.ranges.blocks, strict=True)
    for start, block in reversed(list(ranges)):
        _write(handle, start, block)
    _resize(handle, change.size)
    _advance_time(main, before.st_mtime_ns)
    _sync(handle)


def _advance_time(main: Path, before: int) -> None:
    """Make the change visible in the modification time, which only ticks every few milliseconds.

    A reader that was opening the file in the meantime learns from it that it has to start again.
    """
    status = main.stat()
    if status.st_mtime_ns <= before:
        # Only the owner may set it, and others who may write do without.
        with contextlib.suppress(PermissionError):
            os.utime(main, ns=(status.st_atime_ns, before + 1_000_000))


def _check_base(main: Path, size: int, kept: int) -> None:
    # At no point of an append is the file shorter, so this is not the file of this journal.
    if size < kept:
        raise StoreError(
            f"{main}: expected at least {kept} bytes, found {size}. The file was replaced or cut "
            "while an append was under way or its journal stood beside it; put the original file "
            "back, or move the journal away to give that append up."
        )


def _recover_locked(paths: _Paths) -> bool:
    paths.temporary.unlink(missing_ok=True)
    change = _load(paths)
    if change is None:
        return False
    _apply(paths, change)
    return True


# --- Locks ------------------------------------------------------------------------------------


def _flock(handle: io.FileIO, exclusive: bool) -> bool:
    """Take a lock without waiting; return False if another program holds it.

    A file system without locks counts as a free one: the lock is a courtesy, not the protection
    against crashes.
    """
    if fcntl is None:
        return True
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    try:
        fcntl.flock(handle.fileno(), kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


class _WriterLock:
    """An exclusive lock on ``<path>.lock``, which is removed on release.

    The HDF5 file cannot carry this lock: it may not exist yet, and readers, who hold a shared lock
    on it through HDF5, must not keep a writer out.
    """

    def __init__(self, paths: _Paths) -> None:
        self._path = paths.lock
        self._handle: io.FileIO | None = self._acquire(paths) if fcntl is not None else None

    def _acquire(self, paths: _Paths) -> io.FileIO:
        while True:
            handle = io.FileIO(self._path, "a")
            if not _flock(handle, exclusive=True):
                handle.close()
                raise StoreError(
                    f"{paths.main}: expected to be its only writer, but another one holds "
                    f"{self._path}. Wait until that writer has finished, and try again."
                )
            # The holder removes the file before it unlocks: a lock on a removed file is void.
            if self._is_current(handle):
                return handle
            handle.close()

    def _is_current(self, handle: io.FileIO) -> bool:
        try:
            return os.path.samestat(os.fstat(handle.fileno()), os.stat(self._path))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        if self._handle is None:
            return
        self._path.unlink(missing_ok=True)
        self._handle.close()
        self._handle = None


# --- The public interface ---------------------------------------------------------------------


class JournaledFile(io.RawIOBase):
    """A file whose changes stay in memory until `commit` makes them durable all at once.

    Opening it for writing takes the lock of the only writer and completes an append that an
    earlier crash has interrupted; closing it releases the lock and drops what was not committed.
    Opened for reading, it shows what such a recovery would give, and writes nothing.

    The memory needed is that of the bytes written between two commits.

    Parameters
    ----------
    path : str or path-like
        The file. It may be absent, and then appears with the first commit.
    writable : bool
        False to read only.

    Raises
    ------
    StoreError
        If another writer is at work, or the journal beside the file is damaged.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "data"
    >>> with JournaledFile(path) as file:
    ...     _ = file.write(b"lost")
    >>> path.exists()
    False
    >>> with JournaledFile(path) as file:
    ...     _ = file.write(b"kept")
    ...     file.commit()
    >>> path.read_bytes()
    b'kept'
    """

    def __init__(self, path: StrPath, *, writable: bool = True) -> None:
        super().__init__()
        self._paths = _Paths.of(path)
        self._writable = writable
        self._position = 0
        self._failed = False
        self._base: io.FileIO | None = None
        self._lock: _WriterLock | None = None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        change = None
        if self._writable:
            self._lock = _WriterLock(self._paths)
            _recover_locked(self._paths)
        else:
            change = _load(self._paths)
        size = self._open_base()
        self._change = change or _Change(size, size)
        _check_base(self._paths.main, size, self._change.kept)

    def _open_base(self) -> int:
        """Open the file on the disk, and return its size, 0 if there is none."""
        try:
            # r+ only to learn before the work, and not in commit, that it cannot be written.
            self._base = io.FileIO(self._paths.main, "r+" if self._writable else "r")
        except FileNotFoundError:
            return 0
        # HDF5 locks a file exclusively while it writes, and shared while it reads. A shared lock
        # detects a program that writes without a journal, keeps it out, and lets readers in.
        # Taken by a reader, it makes the next commit wait; without it, one is being applied.
        locked = _flock(self._base, exclusive=False)
        if self._writable and not locked:
            raise StoreError(
                f"{self._paths.main}: expected to be its only writer, but another program has it "
                "open for writing through HDF5. Close it there, and try again."
            )
        return os.fstat(self._base.fileno()).st_size

    def __repr__(self) -> str:
        """Return the path: h5py takes the file name, the base of external links, from here."""
        return str(self._paths.main)

    @property
    def size(self) -> int:
        """Length of the file in bytes, uncommitted changes included."""
        return self._change.size

    def readable(self) -> bool:
        """Tell that the file can be read."""
        return True

    def writable(self) -> bool:
        """Tell whether the file was opened for writing."""
        return self._writable

    def seekable(self) -> bool:
        """Tell that the file can be positioned."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to `offset` from the start, the position or the end, and return the position."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        if origin + offset < 0:
            raise ValueError(f"expected a position of 0 or more, got {origin + offset}")
        self._position = origin + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill `buffer` from the position, and return how many bytes lie within the file."""
        self._check_open()
        view = memoryview(buffer).cast("B")
        start = self._position
        count = max(min(len(view), self.size - start), 0)
        # h5py ignores the count; HDF5's own drivers give zeros past the end.
        view[count:] = bytes(len(view) - count)
        for low, high, block, begin in self._change.ranges.pieces(start, start + count):
            part = view[low - start : high - start]
            if block is None:
                self._read_base(low, part)
            else:
                part[:] = memoryview(block)[low - begin : high - begin]
        self._position = start + count
        return count

    def _read_base(self, start: int, part: memoryview) -> None:
        count = max(min(len(part), self._change.kept - start), 0)
        part[count:] = bytes(len(part) - count)
        if count and self._base is not None:
            self._base.seek(start)
            got = _read_fully(self._base, part[:count])
            _check_base(self._paths.main, start + got, start + count)

    def write(self, data: ReadableBuffer) -> int:
        """Keep a copy of `data` as the contents at the position."""
        self._check_writable()
        view = memoryview(data).cast("B")
        # Set until the write is complete. HDF5 may go on after a failed write, on a change that
        # has a hole.
        failed_before, self._failed = self._failed, True
        self._change.ranges.write(self._position, view)
        self._position += len(view)
        if len(view):
            self._change.size = max(self._change.size, self._position)
        self._failed = failed_before
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Cut the file or extend it with zeros to `size`, by default to the position."""
        self._check_writable()
        size = self._position if size is None else size
        if size < 0:
            raise ValueError(f"expected a size of 0 or more, got {size}")
        self._change.ranges.truncate(size)
        self._change.kept = min(self._change.kept, size)
        self._change.size = size
        return size

    def commit(self) -> None:
        """Make everything written so far durable; nothing of it is before, all of it after.

        If it raises, the file holds the old or the new state, never a mixture; repeating it is
        harmless.

        Raises
        ------
        StoreError
            If the disk refuses, or an earlier `write` has failed.
        """
        self._check_writable()
        if self._failed:
            raise StoreError(
                f"{self._paths.main}: expected every write to succeed, but one failed, and the "
                "rest would leave a damaged file. Nothing was changed; append again."
            )
        _publish(self._paths, self._change)
        _apply(self._paths, self._change, self._base)
        if self._base is None:
            self._open_base()
        self._change = _Change(self.size, self.size)

    def close(self) -> None:
        """Drop what was not committed, and let the next writer in."""
        if self.closed:
            return
        super().close()
        if self._base is not None:
            self._base.close()
        if self._lock is not None:
            self._lock.release()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError(f"{self._paths.main}: the file is closed")

    def _check_writable(self) -> None:
        self._check_open()
        if not self._writable:
            raise io.UnsupportedOperation(f"{self._paths.main}: opened for reading only")


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
    paths = _Paths.of(path)
    if not (paths.journal.exists() or paths.temporary.exists()):
        return False
    lock = _WriterLock(paths)
    try:
        return _recover_locked(paths)
    finally:
        lock.release()


@contextlib.contextmanager
def append(path: StrPath) -> Iterator[h5py.File]:
    """Open an HDF5 file to change it: all of the changes are kept, or none.

    When the ``with`` block ends, everything in it is durable. If the block raises, or the process
    or the machine stops before the end, the file is as it was before. An append that an earlier
    crash has interrupted is completed first.

    The changes stay in memory until then, so the block should not write more than fits there.
    Exceptions that h5py raises must leave the block: after one, what HDF5 would write is not
    defined.

    Readers are not kept out. At the end of the block they have a tenth of a second to close the
    file. One that keeps it open longer may then see old and new metadata mixed, and meet errors
    of HDF5: open the file again to see the change.

    Parameters
    ----------
    path : str or path-like
        The file; created if it is absent or empty.

    Yields
    ------
    h5py.File
        The file, open for reading and writing.

    Raises
    ------
    StoreError
        If another writer is at work, or the disk refuses the change.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.h5"
    >>> with append(path) as file:
    ...     file["step"] = 1
    >>> with read(path) as file:
    ...     int(file["step"][()])
    1
    """
    import h5py

    with JournaledFile(path) as overlay:
        with h5py.File(overlay, "r+" if overlay.size else "w") as file:
            yield file
        overlay.commit()


def read(path: StrPath) -> h5py.File:
    """Open an HDF5 file to read the last state that was acknowledged, and write nothing.

    With a journal beside the file, left by a crash or by a writer that is just applying it, the
    file is seen through the journal.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    h5py.File
        The file, open for reading; close it, or use it in a ``with`` statement.

    Raises
    ------
    StoreError
        If the journal is damaged or does not belong to the file, or commits follow each other so
        fast that the file never stands still.
    FileNotFoundError
        If there is no such file.
    """
    paths = _Paths.of(path)
    for _ in range(_READ_ATTEMPTS):
        before = _fingerprint(paths)
        try:
            file = _open_reader(paths)
        except OSError:
            # A commit in the meantime explains any error; without one, the error is real.
            if _fingerprint(paths) == before:
                raise
            continue
        if _fingerprint(paths) == before:
            return file
        file.close()
    raise StoreError(
        f"{paths.main}: expected it to stand still while it is opened, but it was changed "
        f"{_READ_ATTEMPTS} times in a row. Try again when its writer is less busy."
    )


def _open_reader(paths: _Paths) -> h5py.File:
    import h5py

    if paths.journal.exists():
        return h5py.File(JournaledFile(paths.main, writable=False), "r")
    return h5py.File(paths.main, "r")


def _fingerprint(paths: _Paths) -> tuple[str, int, int, int] | None:
    """Identify the journal, or without one the file, to notice a commit that came between.

    With a journal the file may change under the reader, who sees the same bytes through it.
    """
    for path in (paths.journal, paths.main):
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            return path.name, status.st_ino, status.st_size, status.st_mtime_ns
    return None
