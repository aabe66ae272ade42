"""JournaledFile: a file whose changes stay in memory until a commit, through a journal."""

from __future__ import annotations

import contextlib
import io
import os
from typing import TYPE_CHECKING

from cntgraph.core.errors import StoreError
from cntgraph.store import disk
from cntgraph.store.disk import Paths
from cntgraph.store.journal import Change, apply, check_base, load, publish, recover_locked
from cntgraph.store.locks import WriterLock, flock

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    StrPath = str | os.PathLike[str]


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
        self._paths = Paths.of(path)
        self._writable = writable
        self._position = 0
        self._failed = False
        self._base: io.FileIO | None = None
        self._lock: WriterLock | None = None
        try:
            self._open()
        except OSError as error:
            self.close()
            absent = isinstance(error, FileNotFoundError) and not writable
            if isinstance(error, StoreError) or absent:
                raise
            raise StoreError(
                f"{self._paths.main}: cannot be opened, got: {error}. Nothing was changed; see to "
                "the disk, its permissions and the number of open files, and try again"
            ) from error
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        change = None
        if self._writable:
            self._lock = WriterLock(self._paths)
            recover_locked(self._paths)
        else:
            change = load(self._paths)
        size = self._open_base(writer_expected=change is not None)
        self._change = change or Change(size, size)
        check_base(self._paths.main, size, self._change.kept)

    def _open_base(self, *, writer_expected: bool = False) -> int:
        """Open the file on the disk, and return its size, 0 if there is none."""
        try:
            # r+ only to learn before the work, and not in commit, that it cannot be written.
            self._base = io.FileIO(self._paths.main, "r+" if self._writable else "r")
        except FileNotFoundError:
            return 0
        # HDF5 locks a file exclusively while it writes, and shared while it reads. A shared lock
        # detects a program that writes without a journal, keeps it out, and lets readers in.
        # Taken by a reader, it makes the next commit wait; refused beside a journal, a commit is
        # being applied, and the journal shows the same bytes.
        if not flock(self._base, exclusive=False) and not writer_expected:
            raise StoreError(
                f"{self._paths.main}: expected that nobody else writes to it, but another program "
                "has it open for writing through HDF5. Close it there, and try again."
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
        count = self.read_at(self._position, buffer)
        self._position += count
        return count

    def read_at(self, start: int, buffer: WriteableBuffer) -> int:
        """Do as `readinto` from any place; the position stays, so that threads may read at once."""
        self._check_open()
        view = memoryview(buffer).cast("B")
        count = max(min(len(view), self.size - start), 0)
        # h5py ignores the count; HDF5's own drivers give zeros past the end.
        view[count:] = bytes(len(view) - count)
        for low, high, block, begin in self._change.ranges.pieces(start, start + count):
            part = view[low - start : high - start]
            if block is None:
                self._read_base(low, part)
            else:
                part[:] = memoryview(block)[low - begin : high - begin]
        return count

    def _read_base(self, start: int, part: memoryview) -> None:
        count = max(min(len(part), self._change.kept - start), 0)
        part[count:] = bytes(len(part) - count)
        if count and self._base is not None:
            got = disk.read_at(self._base, start, part[:count])
            check_base(self._paths.main, start + got, start + count)

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
        UnfinishedAppendError
            If the disk refuses after the change is complete in its journal: it is kept.
        StoreError
            If the disk refuses before, or an earlier `write` has failed: nothing was changed.
        """
        self._check_writable()
        if self._failed:
            raise StoreError(
                f"{self._paths.main}: expected every write to succeed, but one failed, and the "
                "rest would leave a damaged file. Nothing was changed; append again."
            )
        publish(self._paths, self._change)
        apply(self._paths, self._change, self._base)
        if self._base is None:
            self._open_base()
        self._change = Change(self.size, self.size)

    def close(self) -> None:
        """Drop what was not committed, and let the next writer in."""
        if self.closed:
            return
        super().close()
        if self._base is not None:
            with contextlib.suppress(OSError):  # a commit is on the disk already
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
