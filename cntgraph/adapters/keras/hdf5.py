"""The tensors of an HDF5 file that Keras has written, alone or inside an archive.

The file is looked through once, along hard links only; what refers to other files is refused.
Tensors are read from the file when they are needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, takewhile
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.keras.source import Source
from cntgraph.adapters.weights.stored import StoredArray, file_state
from cntgraph.core.bounded_hdf5 import check_stored, read_values
from cntgraph.core.errors import FormatError, StoreError, UnsafeFileError
from cntgraph.core.parameter import ArrayHandle, storage_dtype

if TYPE_CHECKING:
    import h5py

#: Attributes of the root of files that older versions of Keras write.
_OLDER = frozenset(("layer_names", "layer_names0", "model_config"))
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


@dataclass(frozen=True)
class Contents:
    """What an HDF5 file holds.

    Parameters
    ----------
    groups : dict of str to dict of str to Tensor
        The tensors of each group by name, by the path of the group.
    texts : dict of (str, str) to list of str
        Lists of texts among the attributes, by the path of the group and the attribute's name.
    """

    groups: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    texts: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    @property
    def n_values(self) -> int:
        """Number of values of all tensors."""
        return sum(prod(t.shape) for group in self.groups.values() for t in group.values())

    def tensor(self, path: str) -> Tensor | None:
        """Return the tensor of a path, if there is one."""
        group, _, name = path.rpartition("/")
        return self.groups.get(group, {}).get(name)

    def text(self, name: str) -> str | None:
        """Return a text among the attributes of the root, or None."""
        return next(iter(self.texts.get(("", name), ())), None)

    def names(self, group: str, name: str) -> list[str]:
        """Return a list of names among the attributes of a group; a long one is kept in parts."""
        if (group, name) in self.texts:
            return self.texts[group, name]
        parts = (self.texts.get((group, f"{name}{k}"), []) for k in count())
        return [entry for part in takewhile(bool, parts) for entry in part]

    def older_root(self) -> str | None:
        """Return the group in which older versions list layers, None in a file of Keras 3."""
        if ("", "layer_names") in self.texts:
            return ""
        listed = ("model_weights", "layer_names") in self.texts
        return "model_weights" if listed or self.text("model_config") is not None else None


def contents(source: Source, *, names: bool = False) -> Contents:
    """Look through an HDF5 file.

    Parameters
    ----------
    names : bool, default False
        Whether the names of layers are wanted, which are among the attributes; files of older
        kinds cannot be read without them.

    Raises
    ------
    FormatError
        If it is damaged, or declares tensors that it does not hold.
    UnsafeFileError
        If it refers to other files.
    """
    import h5py

    made = Contents()
    with source.open() as file:
        names = names or not _OLDER.isdisjoint(file.attrs)
        if names:
            source.check_texts()
        for path, found in _walk(source, file):
            if isinstance(found, h5py.Dataset):
                group, _, name = path.rpartition("/")
                made.groups[group][name] = _tensor(source, path, found)
                continue
            made.groups[path] = {}
            if names:
                made.texts.update({(path, k): v for k, v in _texts(found)})
    return made


def _walk(source: Source, file: h5py.File) -> Iterator[tuple[str, Any]]:
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


def _tensor(source: Source, path: str, dataset: Any) -> Tensor:
    """Return a dataset as a tensor, after checking that the file holds its values."""
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


def _texts(group: Any) -> Iterator[tuple[str, list[str]]]:
    """Yield the attributes of a group that are texts or lists of texts."""
    for name in group.attrs:
        values = group.attrs[name]
        listed = values if isinstance(values, np.ndarray) and values.ndim == 1 else [values]
        found = [v.decode() if isinstance(v, bytes) else v for v in listed]
        if found and all(isinstance(v, str) for v in found):
            yield name, [str(v) for v in found]
