"""Checkpoints of ``torch.distributed.checkpoint``: a folder, in which tensors lie in pieces.

``.metadata`` is a pickle that says which tensors there are, of which boxes each consists, and
where in the ``.distcp`` files each box is, as an archive that torch.save wrote. The pickle is read
as data, and a piece is opened when a part of it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.damage import damage
from cntgraph.adapters.torch.checkpoint_archive import archive_of
from cntgraph.adapters.torch.checkpoint_contents import note_others, weights_in
from cntgraph.adapters.torch.state_dict import leave_out_tensor, tensors_in
from cntgraph.adapters.weights.checkpoint_values import Name, Record, Storage, StoredTensor
from cntgraph.adapters.weights.packed.packed_array import PackedArray
from cntgraph.adapters.weights.pickled import read_pickle
from cntgraph.adapters.weights.shards import inside
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import FormatError
from cntgraph.core.parameter import storage_dtype

METADATA = ".metadata"

_CLASSES = (
    "Metadata TensorStorageMetadata BytesStorageMetadata TensorProperties ChunkStorageMetadata "
    "MetadataIndex StorageMeta _MEM_FORMAT_ENCODING"
).split()
_MODULE = "torch.distributed.checkpoint"
_RECORDS = frozenset(
    [Name(f"{_MODULE}.metadata", name) for name in _CLASSES]
    + [Name(f"{_MODULE}.filesystem", "_StorageInfo")]
)
_MAX_METADATA = 1 << 30
_INSTEAD = (
    f"convert it: python -m {_MODULE}.format_utils dcp_to_torch FOLDER model.pt, and load model.pt"
)

Sizes = tuple[int, ...]
#: Where a part of a file begins, and its size.
Part = tuple[int, int]


@dataclass(frozen=True)
class _Piece:
    """A box of a tensor: where in it, and the part of a file that holds it."""

    offsets: Sizes
    sizes: Sizes
    path: Path
    part: Part


@dataclass(frozen=True, eq=False)
class Pieces(PackedArray):
    """A tensor that lies in pieces.

    Parameters
    ----------
    name : str
        What it is called.
    pieces : tuple
        The boxes of which it consists.
    dtype : str
        The type of its values.
    """

    shape: Sizes
    name: str
    pieces: tuple[_Piece, ...]
    dtype: str

    def box(self, *part: range) -> NDArray[Any]:
        """Return a box, of the pieces that it lies in."""
        found = np.zeros([len(along) for along in part], storage_dtype(self.dtype))
        n_found = 0
        for piece in self.pieces:
            inner, outer = [], []
            for along, first, size in zip(part, piece.offsets, piece.sizes, strict=True):
                low, high = max(along.start, first), min(along.stop, first + size)
                inner.append(slice(low - first, max(low, high) - first))
                outer.append(slice(low - along.start, max(low, high) - along.start))
            target = found[tuple(outer)]
            if target.size or not part:
                found[tuple(outer)] = self._read(piece, tuple(inner))
                n_found += target.size
        if n_found != found.size:
            raise FormatError(
                f"the tensor {self.name!r}: its pieces do not make the whole of {self.shape}; save "
                "the checkpoint again"
            )
        return found

    def _read(self, piece: _Piece, key: tuple[slice, ...]) -> NDArray[Any]:
        """Read a part of a piece."""
        archive = archive_of(piece.path, piece.part)
        tensor = read_pickle(archive.read("data.pkl"), piece.path)
        described = isinstance(tensor, StoredTensor) and tensor.storage is not None
        if not described or (tensor.shape, tensor.dtype) != (piece.sizes, self.dtype):
            raise FormatError(
                f"{piece.path}: a piece of the tensor {self.name!r} is not the one that "
                f"{METADATA} says; {_INSTEAD}"
            )
        return archive.array(self.name, tensor)[key]


def read_distributed(folder: Path) -> Tensors:
    """Return the tensors of a checkpoint in pieces; no weight is read.

    Raises
    ------
    UnsafeFileError
        If its description holds more than that.
    FormatError
        If it is damaged, a file is missing, or it is written in another way.
    """
    path, found = folder / METADATA, Tensors()
    what = f"expected what {_MODULE} writes, found a damaged or another description"
    with damage(path, what, _INSTEAD):
        if path.stat().st_size > _MAX_METADATA:
            raise ValueError("it is too large")
        described = read_pickle(path.read_bytes(), path, _RECORDS)
        tensors, places = _tensors(described), _places(described, path)
        shown = sum(prod(tensor.shape) for tensor in tensors.values())
        if shown > 16 * sum(file.stat().st_size for file in {file for file, _ in places.values()}):
            raise ValueError("its tensors show more values than the files hold")
        loaded = _nested(tensors, described.state.get("planner_data"))
        keys, state = weights_in(loaded, folder)
        for name, tensor in tensors_in(state, found):
            if not tensor.is_plain:
                leave_out_tensor(found, name, tensor, tensor.dtype, tensor.layout)
                continue
            pieces = Pieces(tensor.shape, name, _pieces(tensor, described, places), tensor.dtype)
            found.add(name, tensor.shape, tensor.dtype, pieces)
    note_others(loaded, keys, found)
    return found


def _tensors(described: Record) -> dict[str, StoredTensor]:
    """Return the tensors by the names that they have in the files."""
    found = {}
    for name, record in described.state["state_dict_metadata"].items():
        if record.name.name == "TensorStorageMetadata":
            dtype = record.state["properties"].state[0].name
            found[name] = StoredTensor(tuple(record.state["size"]), dtype, Storage(name, dtype))
    return found


def _places(described: Record, path: Path) -> dict[tuple[str, Sizes], tuple[Path, Part]]:
    """Return where each piece lies: by the name of its tensor, and where in that it begins."""
    found, files = {}, dict[str, Path]()
    for index, info in described.state["storage_data"].items():
        said = info.state
        if said.get("transform_descriptors"):
            raise ValueError("its pieces are compressed")
        name = said["relative_path"]
        if name not in files:
            files[name] = inside(path, name)
        start, size = said["offset"], said["length"]
        if not 0 <= start <= start + size <= files[name].stat().st_size:
            raise FormatError(f"{files[name]}: a piece is cut off; copy the checkpoint again")
        offsets = index.state.get("offset")
        key = index.state["fqn"], () if offsets is None else tuple(offsets)
        found[key] = files[name], (start, size)
    return found


def _nested(tensors: dict[str, StoredTensor], ways: Any) -> dict[str, Any]:
    """Return the tensors as they were saved: dicts within dicts, by the ways that lead to them."""
    found: dict[str, Any] = {}
    for name, tensor in tensors.items():
        *before, last = ways[name] if isinstance(ways, Mapping) and name in ways else (name,)
        inner = found
        for key in before:
            inner = inner.setdefault(str(key), {})
        inner[str(last)] = tensor
    return found


def _pieces(
    tensor: StoredTensor, described: Record, places: Mapping[tuple[str, Sizes], tuple[Path, Part]]
) -> tuple[_Piece, ...]:
    """Return the pieces of a tensor, after checking that they can make it."""
    assert tensor.storage is not None
    key, shape, pieces = tensor.storage.key, tensor.shape, []
    for chunk in described.state["state_dict_metadata"][key].state["chunks"]:
        offsets, sizes = tuple(chunk.state["offsets"]), tuple(chunk.state["sizes"])
        fits = len(offsets) == len(sizes) == len(shape) and all(
            0 <= first <= first + size <= n
            for first, size, n in zip(offsets, sizes, shape, strict=True)
        )
        at = places.get((key, offsets)) or (None if any(offsets) else places.get((key, ())))
        if not fits or at is None:
            raise ValueError(f"a piece of the tensor {key!r} is missing, or outside of it")
        pieces.append(_Piece(offsets, sizes, *at))
    n_values = sum(prod(piece.sizes) for piece in pieces)
    if n_values != prod(shape) or len({piece.offsets for piece in pieces}) < len(pieces):
        raise ValueError(f"the pieces of the tensor {key!r} do not make the whole of {shape}")
    if prod(shape) > sum(piece.part[1] for piece in pieces):
        raise ValueError(f"the tensor {key!r} shows more values than are stored")
    return tuple(pieces)
