"""Locks: one writer at a time, and a moment for readers to leave."""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Iterator

from cntgraph.core.errors import StoreError
from cntgraph.store.disk import Paths

try:
    import fcntl
except ImportError:  # Windows: two writers at once are then not noticed
    fcntl = None  # type: ignore[assignment]

#: Seconds that a commit waits for readers to close the file.
READER_PATIENCE = 0.1


def flock(handle: io.FileIO, exclusive: bool) -> bool:
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


class WriterLock:
    """An exclusive lock on ``<path>.lock``, which is removed on release.

    The HDF5 file cannot carry this lock: it may not exist yet, and readers, who hold a shared lock
    on it through HDF5, must not keep a writer out.
    """

    def __init__(self, paths: Paths) -> None:
        self._path = paths.lock
        self._handle: io.FileIO | None = self._acquire(paths) if fcntl is not None else None

    def _acquire(self, paths: Paths) -> io.FileIO:
        while True:
            handle = io.FileIO(self._path, "a")
            if not flock(handle, exclusive=True):
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
        """Let the next writer in."""
        if self._handle is None:
            return
        # What stays of it does no harm: closed, it holds no lock, and what was done is done.
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._handle.close()
        self._handle = None


@contextlib.contextmanager
def readers_gone(handle: io.FileIO) -> Iterator[None]:
    """Wait a moment for those who have the file open, and keep others out meanwhile.

    HDF5 holds a shared lock while it reads. Whoever opens the file through `read` from now on sees
    the journal. A program that just keeps the file open must not stop the writer, though.
    """
    deadline = time.monotonic() + READER_PATIENCE
    while not flock(handle, exclusive=True) and time.monotonic() < deadline:
        time.sleep(0.002)
    try:
        yield
    finally:
        flock(handle, exclusive=False)
