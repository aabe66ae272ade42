"""Data that commands are given: arrays in files of NumPy, and their labels."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cntgraph.core.errors import FormatError
from cntgraph.core.memory import check_memory

if TYPE_CHECKING:
    from cntgraph.core.types import Array


def read_inputs(path: Path) -> Array | tuple[Array, ...]:
    """Return the samples of a file: an array, or one per input of the model.

    Parameters
    ----------
    path : Path
        An ``.npy`` file, whose values stay there until they are needed; or an ``.npz`` file, of
        one array per input, in the order in which they were saved.

    Raises
    ------
    FormatError
        If it is none of these, is damaged, or holds Python objects, which are never unpickled.
    GraphSizeError
        If memory does not suffice.
    """
    if path.suffix.lower() == ".npz":
        arrays = _read_archive(path)
        return arrays[0] if len(arrays) == 1 else arrays
    return _read_array(path)


def read_labels(path: Path) -> Array:
    """Return the class of each sample, a number or text, from an ``.npy`` file.

    Raises
    ------
    FormatError
        As in `read_inputs`.
    """
    return _read_array(path)


def _read_array(path: Path) -> Array:
    if path.suffix.lower() != ".npy":
        raise FormatError(
            f"{path}: expected a file that ends in .npy, as numpy.save writes it, or inputs in "
            f".npz; got {path.suffix!r}"
        )
    # Copied where it is written to: frameworks warn of arrays that cannot be.
    found: Array = _loaded(path, mmap_mode="c")
    return found


def _read_archive(path: Path) -> tuple[Array, ...]:
    try:
        with zipfile.ZipFile(path) as archive:
            n_bytes = sum(member.file_size for member in archive.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        raise FormatError(f"{path}: expected a file as numpy.savez writes it; {error}") from error
    check_memory(n_bytes, f"the arrays of {path}")
    with _loaded(path) as archive:
        try:
            arrays = tuple(archive[name] for name in archive.files)
        except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile) as error:
            raise _damaged(path, error) from error
    if not arrays:
        raise FormatError(f"{path}: expected an array per input of the model; there are none")
    return arrays


def _loaded(path: Path, **options: Any) -> Any:
    import numpy as np

    try:
        return np.load(path, allow_pickle=False, **options)
    except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> FormatError:
    reason = str(error) or type(error).__name__
    return FormatError(
        f"{path}: expected arrays of numbers, as numpy.save and numpy.savez write them; {reason}"
    )
