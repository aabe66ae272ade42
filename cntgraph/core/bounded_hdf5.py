"""Values of a dataset; those that are packed are unpacked here, never to more than they should be.

HDF5 lets a packed chunk grow to whatever it unpacks to: a megabyte of a file may take a gigabyte of
memory. So its bytes are taken as they are stored, and unpacked up to the size that the chunk has.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import StoreError

if TYPE_CHECKING:
    import h5py

Slices = tuple[slice, ...]
#: Bytes as they are read, or as they were unpacked.
Buffer = bytes | memoryview

#: gzip cannot shrink anything further; a dataset that claims more is not what it says.
_MAX_COMPRESSION = 1100
#: Bytes of a chunk that is unpacked at once.
_MAX_CHUNK = 1 << 26
#: The filters that values may have gone through: HDF5's numbers of shuffle and of gzip.
_SHUFFLE, _DEFLATE = 2, 1
_KNOWN = ((), (_DEFLATE,), (_SHUFFLE, _DEFLATE))


def check_stored(dataset: h5py.Dataset, file_size: int, dtype: Any = None) -> None:
    """Refuse a dataset that claims more values than the file can hold, before it is read.

    Parameters
    ----------
    dataset : h5py.Dataset
    file_size : int
        Bytes of the file.
    dtype : numpy.dtype, optional
        The type that the values will have in memory, if it is another.

    Raises
    ------
    StoreError
        Also if it is packed in another way than by gzip.
    """
    stored = min(dataset.id.get_storage_size(), file_size)
    n, packed = prod(dataset.shape or ()), filters(dataset)
    size = np.dtype(dtype).itemsize if packed and dtype is not None else dataset.dtype.itemsize
    if n * size > stored * (_MAX_COMPRESSION if packed else 1):
        raise StoreError(
            f"{dataset.name} is damaged: it declares {n:,} values and has {stored:,} bytes"
        )
    if packed not in _KNOWN:
        raise StoreError(
            f"{dataset.name} went through HDF5's filters {packed}; expected gzip, with or without "
            "shuffling: write the file again without other filters (h5repack -f GZIP=4)"
        )
    if packed and _nbytes(dataset.chunks, dataset) > _MAX_CHUNK:
        raise StoreError(
            f"{dataset.name} has packed chunks of shape {dataset.chunks}; expected chunks of at "
            f"most {_MAX_CHUNK >> 20} MiB: write the file again with smaller ones"
        )


def filters(dataset: h5py.Dataset) -> tuple[int, ...]:
    """Return HDF5's numbers of the filters that the values went through when they were written."""
    plist = dataset.id.get_create_plist()
    return tuple(plist.get_filter(k)[0] for k in range(plist.get_nfilters()))


def read_values(dataset: h5py.Dataset, key: Any = ()) -> NDArray[Any]:
    """Return the values of a selection.

    Parameters
    ----------
    dataset : h5py.Dataset
        One that `check_stored` has let pass.
    key : slice, tuple of slices or anything that indexes an array
        What is wanted; only of plain slices no more is read than is needed.

    Returns
    -------
    ndarray
    """
    packed = filters(dataset)
    if not packed:
        return np.asarray(dataset[key])
    slices = _plain(key, dataset.shape)
    if slices is None:
        return np.asarray(read_values(dataset)[key])
    values = np.empty([s.stop - s.start for s in slices], dataset.dtype)
    for offset, inside, outside in _overlaps(slices, dataset.chunks):
        values[outside] = _chunk(dataset, packed, offset)[inside]
    return values


def _plain(key: Any, shape: tuple[int, ...]) -> Slices | None:
    """Return one slice per axis; None for a selection that is no such thing."""
    given = key if isinstance(key, tuple) else (key,)
    if len(given) > len(shape) or not all(isinstance(part, slice) for part in given):
        return None
    whole = (*given, *(slice(None),) * (len(shape) - len(given)))
    bounds = [part.indices(size) for part, size in zip(whole, shape, strict=True)]
    if any(step != 1 for _, _, step in bounds):
        return None
    return tuple(slice(start, max(start, stop)) for start, stop, _ in bounds)


def _overlaps(
    slices: Slices, chunks: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], Slices, Slices]]:
    """Yield the offset of every chunk that a selection needs, and what lies where."""
    steps = (range(s.start // c * c, s.stop, c) if s.stop > s.start else range(0)
             for s, c in zip(slices, chunks, strict=True))  # fmt: skip
    for offset in product(*steps):
        inside, outside = [], []
        for first, wanted, size in zip(offset, slices, chunks, strict=True):
            low, high = max(first, wanted.start), min(first + size, wanted.stop)
            inside.append(slice(low - first, high - first))
            outside.append(slice(low - wanted.start, high - wanted.start))
        yield offset, tuple(inside), tuple(outside)


def _chunk(dataset: h5py.Dataset, packed: tuple[int, ...], offset: tuple[int, ...]) -> NDArray[Any]:
    """Return the values of one chunk, those beyond the end of the dataset included."""
    size = _nbytes(dataset.chunks, dataset)
    room: NDArray[np.uint8] = np.empty(2 * size + 1024, np.uint8)
    try:  # HDF5 tells where a chunk is by walking along all before it; reading one finds it
        left_out, data = dataset.id.read_direct_chunk(offset, out=room)
    except (ValueError, OSError, RuntimeError) as error:  # there is none, or it takes more room
        raise StoreError(
            f"{dataset.name} is damaged: the values at {offset} are missing"
        ) from error
    for k, kind in reversed(list(enumerate(packed))):
        if not left_out >> k & 1:
            data = _inflated(data, size) if kind == _DEFLATE else _sorted(data, dataset.dtype)
    if len(data) != size:
        raise StoreError(
            f"{dataset.name} is damaged: the values at {offset} unpack to {len(data)} bytes or "
            f"more instead of {size}"
        )
    return np.frombuffer(data, dataset.dtype).reshape(dataset.chunks)


def _inflated(data: Buffer, size: int) -> bytes:
    # One byte more than there should be, to notice that there are more.
    return zlib.decompressobj().decompress(data, size + 1)


def _sorted(data: Buffer, dtype: np.dtype[Any]) -> bytes:
    """Undo a shuffle: the first bytes of all values come first, then their second bytes, …."""
    whole = len(data) // dtype.itemsize * dtype.itemsize
    values = np.frombuffer(data[:whole], np.uint8).reshape(dtype.itemsize, -1).T
    return values.tobytes() + bytes(data[whole:])


def _nbytes(shape: tuple[int, ...], dataset: h5py.Dataset) -> int:
    return prod(shape) * int(dataset.dtype.itemsize)
