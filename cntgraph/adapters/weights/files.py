"""NumPy's files: arrays of an .npz or .npy, read by parts when needed and never unpickled."""

from __future__ import annotations

import io
import itertools
import threading
import zipfile
from collections import OrderedDict
from math import prod
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from cntgraph.adapters.weights.stored import (
    StoredArray,
    file_state,
    member_offset,
    selected_rows,
    zip_members,
)
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import FormatError, UnsafeFileError
from cntgraph.core.parameter import EXTENDED, ArrayHandle, Parameter

#: Longest header of an array; NumPy itself reads no longer one of a file that it does not trust.
_MAX_HEADER = 10_000
#: How much larger than the file a compressed array may say that it is; weights compress to a
#: half or, pruned, to a twentieth.
_MAX_RATIO = 200
#: Bytes that are decompressed at a time, and how many such runs are kept.
_RUN, _KEPT = 1 << 22, 8


def read_arrays(path: Path) -> Tensors:
    """Return the arrays of a file, in its order; their values stay in the file.

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
    found = Tensors()
    if path.name.lower().endswith(".npy"):
        size = path.stat().st_size
        with path.open("rb") as file:
            header = _read_header(file, path, path.name)
        if header.nbytes != size - header.length:
            raise _damaged(path, path.name, header.nbytes, size - header.length)
        _add(found, path.stem, header, _stored(path, header.length, header))
        return found
    members = zip_members(path, "an .npz file")
    if sum(info.file_size for info in members.values()) > _MAX_RATIO * path.stat().st_size:
        raise FormatError(
            f"{path}: its arrays say that they are more than {_MAX_RATIO} times as large as the "
            "file, as no weights are; if they are, save them with numpy.savez"
        )
    for name, info in members.items():
        if not name.endswith(".npy") or info.flag_bits & 1:
            raise FormatError(
                f"{path}: expected an .npz file as numpy.savez writes it, found {name!r} in it"
            )
        _add_member(found, path, info)
    return found


def add_array(found: Tensors, name: str, array: NDArray[Any]) -> None:
    """Append an array in memory, or note why it is left out."""
    reason = _reason_against(array.dtype)
    if reason:
        found.leave_out(name, array.shape, str(array.dtype), reason)
    else:
        found.parameters.append(Parameter.from_array(name, array))


class Header:
    """What an array's header says: shape, type and order, and how long the header is."""

    def __init__(self, shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any], length: int):
        self.shape, self.fortran, self.dtype, self.length = shape, fortran, dtype, length
        self.nbytes = prod(shape) * dtype.itemsize


def _read_header(file: IO[bytes] | _Member, path: Path, name: str) -> Header:
    """Read and check the header of an array, from its beginning."""
    try:
        head = io.BytesIO(file.read(_MAX_HEADER + 64))
        version = npy.read_magic(head)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"its version is {version}")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(head, max_header_size=_MAX_HEADER)
    except Exception as error:  # the header is a Python literal, and may be wrong in many ways
        raise FormatError(
            f"{path}: expected an array of NumPy in {name}, found a damaged or other one "
            f"({type(error).__name__}: {str(error)[:200]}); save it again with numpy.save"
        ) from error
    if dtype.hasobject:
        raise UnsafeFileError(
            f"{path}: {name} holds Python objects, which are a pickle, and reading one can run "
            "code; save arrays of numbers, one by one: numpy.savez(path, *arrays)"
        )
    if len(shape) > 32 or min(shape, default=0) < 0:
        raise FormatError(f"{path}: {name} has the impossible shape {shape!r:.80}; save it again")
    return Header(shape, fortran, dtype, head.tell())


def _add_member(found: Tensors, path: Path, info: zipfile.ZipInfo) -> None:
    """Append an array of an archive."""
    if info.compress_type == zipfile.ZIP_STORED:
        offset = member_offset(path, info)
        with path.open("rb") as file:
            file.seek(offset)
            header = _read_header(file, path, info.filename)
        data: ArrayHandle = _stored(path, offset + header.length, header)
    else:
        header = _read_header(_Member(path, info), path, info.filename)
        data = CompressedArray(path, info, header)
    if header.nbytes != info.file_size - header.length:
        raise _damaged(path, info.filename, header.nbytes, info.file_size - header.length)
    _add(found, info.filename.removesuffix(".npy"), header, data)


def _stored(path: Path, offset: int, header: Header) -> StoredArray:
    return StoredArray(path, offset, header.shape, header.dtype, file_state(path), header.fortran)


def _add(found: Tensors, name: str, header: Header, data: ArrayHandle) -> None:
    reason = _reason_against(header.dtype)
    if reason:
        found.leave_out(name, header.shape, str(header.dtype), reason)
    else:
        found.parameters.append(Parameter(name, header.shape, header.dtype.name, data))


def _reason_against(dtype: np.dtype[Any]) -> str:
    """Return why an array of this type is no parameter, if it is none."""
    if dtype.kind in "fiub" and dtype.itemsize <= 8:
        return ""
    if dtype.name in EXTENDED:
        return ""
    hint = "; of bfloat16 or float8, save it as safetensors" if dtype.kind == "V" else ""
    return f"of type {dtype}, which is no real number of at most 64 bits{hint}"


def _damaged(path: Path, name: str, needed: int, found: int) -> FormatError:
    return FormatError(
        f"{path}: {name} says that it has {needed} bytes of values, {found} are there; the file "
        "is damaged or cut off, copy it again"
    )


# -- compressed arrays ------------------------------------------------------------------------


class CompressedArray:
    """An array in a compressed archive: decompressed as far as it is read, run by run.

    Rows are read in order for the most part, so a few runs that were read last are kept, of all
    arrays together; what lies further back is decompressed again.
    """

    _lock = threading.Lock()
    _runs: ClassVar[OrderedDict[tuple[int, int], bytes]] = OrderedDict()
    _numbers = itertools.count()

    def __init__(self, path: Path, info: zipfile.ZipInfo, header: Header) -> None:
        self.path, self.info, self.header = path, info, header
        self.shape = header.shape
        self._number, self._state = next(self._numbers), file_state(path)
        self._stream: _Member | None = None
        self._next = 0

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return the stored values of a selection, in the machine's byte order."""
        dtype, native = self.header.dtype, self.header.dtype.newbyteorder("=")
        rows = selected_rows(key, self.shape)
        if rows is None or self.header.fortran or not self.shape:
            order: Any = "F" if self.header.fortran else "C"
            whole = np.frombuffer(self._bytes(0, self.header.nbytes), dtype)
            return np.asarray(whole.reshape(self.shape, order=order)[key]).astype(native)
        row = prod(self.shape[1:]) * dtype.itemsize
        values = np.frombuffer(self._bytes(rows.start * row, rows.stop * row), dtype)
        return values.reshape(len(rows), *self.shape[1:]).astype(native, copy=False)

    def _bytes(self, start: int, stop: int) -> bytearray:
        """Return the bytes of the values from `start` to `stop`."""
        start, stop = start + self.header.length, stop + self.header.length
        found = bytearray()
        with self._lock:
            for k in range(start // _RUN, -(-stop // _RUN)):
                run = self._run(k)
                found += run[max(start - k * _RUN, 0) : stop - k * _RUN]
        return found

    def _run(self, k: int) -> bytes:
        """Return run `k` of the decompressed bytes."""
        if (self._number, k) not in self._runs:
            if self._stream is None or self._next > k:
                self._stream, self._next = _Member(self.path, self.info), 0
            while self._next <= k:
                self._keep(self._next, self._decompressed(self._stream))
                self._next += 1
            if self._next * _RUN >= self.info.file_size:
                self._stream = None
        return self._runs[self._number, k]

    def _keep(self, k: int, run: bytes) -> None:
        self._runs[self._number, k] = run
        while len(self._runs) > _KEPT:
            self._runs.popitem(last=False)

    def _decompressed(self, stream: _Member) -> bytes:
        wanted = min(_RUN, self.info.file_size - self._next * _RUN)
        self._stream = None  # unless all goes well
        if file_state(self.path) != self._state:
            raise stream.damaged("it was changed after it had been opened")
        found = stream.read(wanted)
        if len(found) < wanted:
            raise stream.damaged("it is cut off")
        self._stream = stream
        return found


class _Member:
    """A compressed member, open for reading; its file is closed with it."""

    def __init__(self, path: Path, info: zipfile.ZipInfo) -> None:
        self.path, self.name = path, info.filename
        self._file = path.open("rb")
        try:
            archive = zipfile.ZipFile(self._file)
            self._stream = archive.open(info)
        except Exception as error:  # zipfile meets damage with a dozen kinds of exception
            self.close()
            raise self.damaged(str(error)) from error

    def read(self, n: int) -> bytes:
        """Return the next n bytes, or those that are left."""
        try:
            return self._stream.read(n)
        except Exception as error:  # of zipfile, or of what decompresses
            raise self.damaged(str(error)) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def damaged(self, reason: str) -> FormatError:
        """Return what to raise."""
        return FormatError(
            f"{self.path}: {self.name} cannot be read ({reason}); copy the file again"
        )

    def __del__(self) -> None:
        self.close()
