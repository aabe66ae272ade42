"""The tensors of an HDF5 file that Keras has written, alone or inside an archive.

The file is looked through once, along hard links only; what refers to other files is refused.
Tensors are read from the file when they are needed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.stored import StoredArray, file_state
from cntgraph.errors import CntGraphError, FormatError, UnsafeFileError
from cntgraph.parameter import ArrayHandle, storage_dtype

if TYPE_CHECKING:
    import h5py

#: Objects and levels of a file; a damaged one may lead in circles.
_MAX_OBJECTS, _MAX_DEPTH = 1_000_000, 100
#: A tensor of more bytes than this must take a thousandth of them in the file.
_FLOOR, _EXPANSION = 1 << 28, 1000


@dataclass(frozen=True)
class Source:
    """Where the bytes of an HDF5 file are: a part of a file, or in memory.

    Parameters
    ----------
    path : Path
        The file.
    offset, size : int
        The part of it.
    memory : bytes, optional
        Instead: the bytes themselves, if they are compressed in the file.
    """

    path: Path
    offset: int = 0
    size: int = 0
    memory: bytes | None = None

    @classmethod
    def of(cls, path: Path) -> Source:
        """Return a whole file."""
        return cls(path, 0, path.stat().st_size)

    @contextmanager
    def open(self) -> Iterator[h5py.File]:
        """Open the HDF5 file for reading.

        Raises
        ------
        FormatError
            For whatever goes wrong while it is open.
        """
        import h5py

        try:
            with self._stream() as stream, h5py.File(stream, "r") as file:
                yield file
        except CntGraphError:
            raise
        except Exception as error:  # what h5py raises on damaged files is endless
            raise FormatError(
                f"{self.path}: expected an HDF5 file that Keras has written, found a damaged or "
                f"another one ({type(error).__name__}: {error}); copy it again, or save it again"
            ) from error

    def _stream(self) -> io.IOBase:
        if self.memory is not None:
            return io.BytesIO(self.memory)
        return _Section(self.path, self.offset, self.size)


class _Section(io.RawIOBase):
    """A part of a file, as a file that can be read."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._offset, self._size, self._at = offset, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(start + offset, 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from where the section stands; nothing lies beyond its end."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(self._size - self._at, 0))
        self._file.seek(self._offset + self._at)
        n_read = self._file.readinto(view[:wanted]) if wanted else 0
        self._at += n_read
        return n_read

    def close(self) -> None:
        self._file.close()
        super().close()


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of an HDF5 file.

    Parameters
    ----------
    shape : tuple of int
    dtype : str
        Its stored type, as parameters name it.
    data : ArrayHandle
        What it is read from.
    """

    shape: tuple[int, ...]
    dtype: str
    data: ArrayHandle

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        """Return the stored bits."""
        return np.asarray(self.data[()]).astype(dtype or self.data[()].dtype, copy=False)


@dataclass(frozen=True, eq=False)
class _Chunks:
    """A tensor that does not lie in one piece: the file is opened to read a part of it."""

    source: Source
    name: str
    shape: tuple[int, ...]
    bits: np.dtype[Any]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        with self.source.open() as file:
            found = np.asarray(file[self.name][()])
        found = found.view(self.bits) if found.dtype.kind == "V" else found
        return np.asarray(found[key])


@dataclass(frozen=True)
class Contents:
    """What an HDF5 file holds.

    Parameters
    ----------
    tensors : dict of str to Tensor
        By path.
    texts : dict of (str, str) to list of str
        Lists of texts among the attributes, by the path of the group and the attribute's name.
    """

    tensors: dict[str, Tensor]
    texts: dict[tuple[str, str], list[str]]

    @property
    def n_values(self) -> int:
        """Number of values of all tensors."""
        return sum(prod(tensor.shape) for tensor in self.tensors.values())

    def text(self, name: str) -> str | None:
        """Return a text among the attributes of the root, or None."""
        found = self.texts.get(("", name))
        return found[0] if found else None


def contents(source: Source) -> Contents:
    """Look through an HDF5 file.

    Parameters
    ----------
    source : Source

    Returns
    -------
    Contents

    Raises
    ------
    FormatError
        If it is damaged, or declares tensors that it does not hold.
    UnsafeFileError
        If it refers to other files.
    """
    import h5py

    tensors: dict[str, Tensor] = {}
    texts: dict[tuple[str, str], list[str]] = {}
    with source.open() as file:
        for path, found in _walk(source, file):
            if isinstance(found, h5py.Dataset):
                tensors[path] = _tensor(source, path, found)
            else:
                texts.update({(path, k): v for k, v in _texts(found)})
    return Contents(tensors, texts)


def _walk(source: Source, file: h5py.File) -> Iterator[tuple[str, Any]]:
    """Yield all groups and datasets with their paths, along hard links, each group once."""
    import h5py

    waiting: list[tuple[str, Any]] = [("", file)]
    seen: set[Any] = set()
    n_objects = 0
    while waiting:
        path, group = waiting.pop()
        place = h5py.h5o.get_info(group.id).addr
        if place in seen or path.count("/") > _MAX_DEPTH:
            raise FormatError(f"{source.path}: the group {path!r} leads in circles; it is damaged")
        seen.add(place)
        yield path, group
        for name in group:
            n_objects += 1
            if n_objects > _MAX_OBJECTS:
                raise FormatError(f"{source.path}: more than {_MAX_OBJECTS:,} objects in the file")
            below = f"{path}/{name}" if path else name
            found = _child(source, group, name, below)
            if isinstance(found, h5py.Group):
                waiting.append((below, found))
            elif isinstance(found, h5py.Dataset):
                yield below, found


def _child(source: Source, group: Any, name: str, path: str) -> Any:
    import h5py

    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise UnsafeFileError(
            f"{source.path}: {path!r} is a link to elsewhere ({type(link).__name__}); files that "
            "refer to other files are refused, save the model again"
        )
    return group[name]


def _tensor(source: Source, path: str, dataset: Any) -> Tensor:
    """Return a dataset as a tensor, after checking that the file holds its values."""
    if dataset.external or dataset.is_virtual:
        raise UnsafeFileError(
            f"{source.path}: the values of {path!r} are in other files, which is refused; save "
            "the model again"
        )
    shape = tuple(int(n) for n in dataset.shape or ())
    dtype = _stored_dtype(dataset)
    bits = dataset.dtype if dataset.dtype.kind != "V" else storage_dtype(dtype)
    nbytes, kept = prod(shape) * bits.itemsize, dataset.id.get_storage_size()
    if nbytes > max(_FLOOR, _EXPANSION * kept):
        raise FormatError(
            f"{source.path}: the tensor {path!r} declares the shape {shape}, {nbytes:,} bytes, "
            f"and {kept:,} bytes are stored; the file is damaged, or made to fill the memory"
        )
    offset = dataset.id.get_offset()
    if source.memory is not None or offset is None or dataset.chunks is not None:
        return Tensor(shape, dtype, _Chunks(source, path, shape, np.dtype(bits)))
    if offset + nbytes > source.size:
        raise FormatError(f"{source.path}: the tensor {path!r} is cut off; copy the file again")
    place, state = source.offset + offset, file_state(source.path)
    return Tensor(shape, dtype, StoredArray(source.path, place, shape, np.dtype(bits), state))


def _stored_dtype(dataset: Any) -> str:
    """Return the type of a dataset's values: Keras stores bfloat16 as bits, and says so."""
    if dataset.dtype.kind == "V":
        return str(dataset.attrs.get("dtype", "bits of unknown meaning"))
    return str(dataset.dtype.newbyteorder("=").name)


def _texts(group: Any) -> Iterator[tuple[str, list[str]]]:
    """Yield the attributes of a group that are texts or lists of texts."""
    for name in group.attrs:
        values = group.attrs[name]
        listed = values if isinstance(values, np.ndarray) and values.ndim == 1 else [values]
        found = [v.decode() if isinstance(v, bytes) else v for v in listed]
        if found and all(isinstance(v, str) for v in found):
            yield name, [str(v) for v in found]
