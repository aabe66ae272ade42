"""HDF5 files that change all at once: append to them, and read them."""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING
from weakref import ReferenceType, WeakKeyDictionary, ref

from cntgraph.core.errors import StoreError
from cntgraph.store.disk import Paths
from cntgraph.store.overlay import JournaledFile

if TYPE_CHECKING:
    import h5py

    StrPath = str | os.PathLike[str]

#: Compact object headers; readable by HDF5 1.10 (2016) and newer.
LIBVER = ("v110", "v110")
# A reader that opens between two commits succeeds at once; each further attempt is only needed
# if yet another commit falls into the milliseconds of the previous one.
_READ_ATTEMPTS = 10


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
    UnfinishedAppendError
        If the disk refuses when the change is complete beside the file already: it is kept, and
        must not be made again.
    StoreError
        If another writer is at work, or the disk refuses the change; nothing was changed.

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
        mode = "r+" if overlay.size else "w"
        # Without a cache of chunks, a row that is appended is written alone.
        with h5py.File(overlay, mode, libver=LIBVER, rdcc_nbytes=0) as file:
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
        If the journal is damaged or does not belong to the file, another program has the file open
        for writing, or commits follow each other so fast that the file never stands still.
    FileNotFoundError
        If there is no such file.
    """
    paths = Paths.of(path)
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


def attribute_names(path: StrPath) -> set[str]:
    """Return the names of the root's attributes: who wrote a file; none where it is no HDF5."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return set(file.attrs)
    except (OSError, RuntimeError, ValueError, KeyError, UnicodeDecodeError):
        return set()


def _open_reader(paths: Paths) -> h5py.File:
    """Open the file through an overlay, never by its path.

    HDF5 opens a file once in a process: by its path, a second reader would share the view of the
    first, and not see what was appended in between.
    """
    import h5py

    if not (paths.main.exists() or paths.journal.exists()):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(paths.main))
    overlay = JournaledFile(paths.main, writable=False)
    try:
        file = h5py.File(overlay, "r")
    except BaseException:
        overlay.close()
        raise
    _readers[file] = ref(overlay)
    return file


#: Files that are open for reading, and where their bytes are read, which HDF5 holds until then.
_readers: WeakKeyDictionary[h5py.File, ReferenceType[JournaledFile]] = WeakKeyDictionary()


def bytes_of(file: h5py.File) -> JournaledFile:
    """Return the bytes of a file that `read` has opened, which many threads may read at once.

    HDF5 itself reads for one thread at a time, and copies what it reads once more.

    Raises
    ------
    StoreError
        If the file is closed.
    """
    found = _readers[file]()
    if found is None:
        raise StoreError("the file was closed; open it again to read from it")
    return found


@atexit.register
def _close_readers() -> None:
    """Close the files that are still open when Python ends.

    HDF5 itself closes them later, and would then call an overlay of which nothing is left: the
    process would end by a segmentation fault.
    """
    for file in list(_readers):
        file.close()


def _fingerprint(paths: Paths) -> tuple[str, int, int, int] | None:
    """Identify the journal, or without one the file, to notice a commit that came between.

    With a journal the file may change under the reader, who sees the same bytes through it.
    """
    for path in (paths.journal, paths.main):
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            return path.name, status.st_ino, status.st_size, status.st_mtime_ns
    return None
