"""The tensors of an HDF5 file: what it holds, looked through once, along hard links only.

What refers to other files is refused. Tensors are read from the file when they are needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.weights.hdf5_source import Source
from cntgraph.adapters.weights.stored import StoredArray, file_state
from cntgraph.core.bounded_hdf5 import check_stored, read_values
from cntgraph.core.errors import FormatError, StoreError, UnsafeFileError
from cntgraph.core.parameter import ArrayHandle, storage_dtype

if TYPE_CHECKING:
    import h5py

#: Objects and levels of a file; a damaged one may lead in circles.
_MAX_OBJECTS, _MAX_DEPTH = 1_000_000, 100


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


@dataclass(frozen=True, eq=False)
class _Chunks:
    """A tensor that does not lie in one piece: the file is opened to read a part of it."""

    source: Source
    name: str
    shape: tuple[int, ...]
    bits: np.dtype[Any]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        with self.source.open() as file:
            found = read_values(file[self.name], key)
        return found.view(self.bits) if found.dtype.kind == "V" else found


def walk(source: Source, file: h5py.File) -> Iterator[tuple[str, Any]]:
    """Yield all groups and datasets with their paths, along hard links, each group once."""
    import h5py

    waiting: list[tuple[str, Any]] = [("", file)]
    seen: set[Any] = set()
    n_objects = 0
    while waiting:
        path, found = waiting.pop()
        yield path, found
        if not isinstance(found, h5py.Group):
            continue
        place = h5py.h5o.get_info(found.id).addr
        if place in seen or path.count("/") > _MAX_DEPTH:
            raise FormatError(f"{source.path}: the group {path!r} leads in circles; it is damaged")
        seen.add(place)
        n_objects += len(found)
        if n_objects > _MAX_OBJECTS:
            raise FormatError(f"{source.path}: more than {_MAX_OBJECTS:,} objects in the file")
        for name in found:
            below, link = f"{path}/{name}".lstrip("/"), found.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise UnsafeFileError(
                    f"{source.path}: {below!r} is a link to elsewhere ({type(link).__name__}); "
                    "files that refer to other files are refused, save the model again"
                )
            waiting.append((below, found[name]))


def tensor_of(source: Source, path: str, dataset: Any) -> Tensor:
    """Return a dataset as a tensor, after checking that the file holds its values.

    Raises
    ------
    FormatError
        If it does not.
    UnsafeFileError
        If they lie in other files.
    """
    if dataset.external or dataset.is_virtual:
        raise UnsafeFileError(
            f"{source.path}: the values of {path!r} are in other files, which is refused; save "
            "the model again"
        )
    shape = tuple(int(n) for n in dataset.shape or ())
    dtype = _stored_dtype(dataset)
    bits = storage_dtype(dtype) if dtype == "bfloat16" else dataset.dtype
    try:
        check_stored(dataset, source.nbytes)
    except StoreError as error:
        raise FormatError(
            f"{source.path}: {error}; the file is damaged, or made to fill the memory"
        ) from error
    nbytes, offset = prod(shape) * bits.itemsize, dataset.id.get_offset()
    if source.memory is not None or offset is None or dataset.chunks is not None:
        return Tensor(shape, dtype, _Chunks(source, path, shape, np.dtype(bits)))
    if offset + nbytes > source.size:
        raise FormatError(f"{source.path}: the tensor {path!r} is cut off; copy the file again")
    place, state = source.offset + offset, file_state(source.path)
    return Tensor(shape, dtype, StoredArray(source.path, place, shape, np.dtype(bits), state))


def _stored_dtype(dataset: Any) -> str:
    """Return the type of a dataset's values: Keras stores bfloat16 as bits of two bytes."""
    if dataset.dtype.kind == "V":
        return "bfloat16" if dataset.dtype.itemsize == 2 else f"bits of {dataset.dtype}"
    return str(dataset.dtype.newbyteorder("=").name)
