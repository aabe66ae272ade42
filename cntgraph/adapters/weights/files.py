"""NumPy's files: arrays of an .npz or .npy, never unpickled.

They are read when needed; those of a compressed archive, of which no part can be read by itself,
at once.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from cntgraph.adapters.damage import damage
from cntgraph.adapters.weights.stored import StoredArray, file_state, strides_of
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.adapters.weights.zip_archive import ZipArchive
from cntgraph.core.errors import FormatError, UnsafeFileError
from cntgraph.core.parameter import ArrayHandle

#: Longest header of an array; NumPy itself reads no longer one of a file that it does not trust.
_MAX_HEADER = 10_000
#: How much larger than the file a compressed array may say that it is; weights compress to a
#: half or, pruned, to a twentieth.
_MAX_RATIO = 200


def read_arrays(path: Path) -> Tensors:
    """Return the arrays of a file, in its order; their values stay there, unless compressed.

    Parameters
    ----------
    path : Path
        An ``.npz`` or ``.npy`` file.

    Returns
    -------
    Tensors
        An array of an ``.npy`` file is called as the file.

    Raises
    ------
    FormatError
        If the file is damaged.
    UnsafeFileError
        If it holds Python objects, which are pickles.
    """
    found, size = Tensors(), path.stat().st_size
    if path.name.lower().endswith(".npy"):
        with path.open("rb") as file:
            header = _read_header(file, path, path.name, size)
        found.add(path.stem, header.shape, header.dtype.name, header.stored(path, 0))
        return found
    archive = ZipArchive(path, "an .npz file")
    if sum(info.file_size for info in archive.members.values()) > _MAX_RATIO * size:
        raise FormatError(
            f"{path}: its arrays say that they are more than {_MAX_RATIO} times as large as the "
            "file, as no weights are; if they are, save them with numpy.savez"
        )
    with archive.opened() as opened:
        for name, info in archive.members.items():
            if not name.endswith(".npy") or info.flag_bits & 1:
                raise FormatError(
                    f"{path}: expected an .npz file as numpy.savez writes it, found {name!r} in it"
                )
            with archive.reading(name), opened.open(info) as file:
                header = _read_header(file, path, name, info.file_size)
            if archive.is_packed(name):
                with archive.reading(name), opened.open(info) as file:
                    array = npy.read_array(file, max_header_size=_MAX_HEADER)
                data: ArrayHandle = array.astype(array.dtype.newbyteorder("="), copy=False)
            else:
                data = header.stored(path, archive.offset(name))
            found.add(name.removesuffix(".npy"), header.shape, header.dtype.name, data)
    return found


@dataclass(frozen=True)
class _Header:
    """What an array's header says: shape, order and type, and how long the header is."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    length: int

    def stored(self, path: Path, offset: int) -> StoredArray:
        """Return the array whose header begins there."""
        strides = None
        if self.fortran:
            strides = strides_of(self.shape, self.dtype.itemsize, fortran=True)
        state = file_state(path)
        return StoredArray(path, offset + self.length, self.shape, self.dtype, state, strides)


def _read_header(file: IO[bytes], path: Path, name: str, size: int) -> _Header:
    """Read and check the header of an array that has that size, from its beginning."""
    what = f"expected an array of NumPy in {name}, found a damaged or other one"
    with damage(path, what, "save it again with numpy.save"):
        head = io.BytesIO(file.read(_MAX_HEADER + 64))
        version = npy.read_magic(head)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"its version is {version}")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        header = _Header(*read(head, max_header_size=_MAX_HEADER), head.tell())
    if header.dtype.hasobject:
        raise UnsafeFileError(
            f"{path}: {name} holds Python objects, which are a pickle, and reading one can run "
            "code; save arrays of numbers, one by one: numpy.savez(path, *arrays)"
        )
    if len(header.shape) > 32 or min(header.shape, default=0) < 0:
        raise FormatError(
            f"{path}: {name} has the impossible shape {header.shape!r:.80}; save it again"
        )
    needed, there = prod(header.shape) * header.dtype.itemsize, size - header.length
    if needed != there:
        raise FormatError(
            f"{path}: {name} says that it has {needed} bytes of values, {there} are there; the "
            "file is damaged or cut off, copy it again"
        )
    return header
