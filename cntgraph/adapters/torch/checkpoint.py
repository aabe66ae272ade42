"""PyTorch checkpoints: weights without a graph, or put into the graph of a live module.

A checkpoint (.pt, .pth, .ckpt, .bin) is a zip archive with a pickle inside, and reading a pickle
can run code. It is read as data here (`weights.pickled`), and values are read when needed.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from cntgraph.adapters.torch.state_dict import (
    COMPLEX,
    holds_tensors,
    is_state,
    leave_out_tensor,
    tensors_in,
)
from cntgraph.adapters.weights.checkpoint_values import PARTS, StoredTensor
from cntgraph.adapters.weights.packed import unpacked
from cntgraph.adapters.weights.pickled import SAVE, read_pickle
from cntgraph.adapters.weights.shards import INDEX, model_in, read_shards
from cntgraph.adapters.weights.stored import StoredArray, file_state, stored_tensor
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.adapters.weights.zip_archive import member_offset, read_member, zip_members
from cntgraph.core.errors import FormatError, ParameterError, UnsafeFileError
from cntgraph.core.parameter import storage_dtype

suffixes = (".pt", ".pth", ".ckpt", ".bin", f".bin{INDEX}")

#: Where checkpoints keep the weights, in the order in which they are looked for.
_WEIGHTS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights",
            "params")  # fmt: skip
_LABELS = {"epoch": "epoch", "global_step": "step", "step": "step"}


def read_checkpoint(path: Path) -> Tensors:
    """Return the tensors of a checkpoint; their values stay in the file.

    Parameters
    ----------
    path : Path
        A state dict saved by ``torch.save``, or a dict with one among other things, as Lightning
        writes it; the index of several (``pytorch_model.bin.index.json``), or a folder of them.

    Returns
    -------
    Tensors
        With ``epoch`` and ``step`` as labels, where the checkpoint has them.

    Raises
    ------
    UnsafeFileError
        If it holds more than tensors and plain containers.
    FormatError
        If it is damaged, or holds no weights.
    """
    if path.is_dir():
        path = model_in(path, ".bin", "pytorch_model.bin")
    is_index = path.name.lower().endswith(INDEX)
    found = read_shards(path, _read_file) if is_index else _read_file(path)
    return unpacked(found, path.parent)


# -- reading a file ---------------------------------------------------------------------------


def _read_file(path: Path) -> Tensors:
    """Return the tensors of one file."""
    archive = _Archive(path, *_members(path))
    loaded = read_pickle(archive.read("data.pkl"), path)
    if isinstance(loaded, StoredTensor):
        loaded = {path.stem: loaded}
    keys, state = _weights_in(loaded, path)
    found = archive.tensors_of(state)
    _check_sizes(state, path)
    if keys:
        for key, value in loaded.items():
            if key != keys[0] and holds_tensors(value):
                weights = is_state(value) or isinstance(value, StoredTensor)
                kind = "parameter" if weights else "buffer"  # of an optimizer
                found.leave_out(str(key), (), "", f"not of the weights in {keys[0]!r}", kind)
        found.labels.update(
            {label: loaded[key] for key, label in _LABELS.items() if type(loaded.get(key)) is int}
        )
    return found


@dataclass(frozen=True)
class _Archive:
    """The members of an archive as torch.save writes it."""

    path: Path
    members: Mapping[str, zipfile.ZipInfo]
    root: str

    def read(self, name: str) -> bytes:
        return read_member(self.path, self.members[self.root + name], largest=1)

    def tensors_of(self, state: Mapping[str, Any]) -> Tensors:
        """Return the tensors of a state dict, of which values are read when needed."""
        found, first = Tensors(), dict[StoredTensor, str]()
        for name, tensor in tensors_in(state, found):
            if tensor in first and prod(tensor.shape):
                found.same[name] = first[tensor]
                continue
            first[tensor] = name
            if tensor.dtype in PARTS and tensor.storage is not None:
                tensor, found.reasons[name] = tensor.pairs, COMPLEX
            try:
                dtype = storage_dtype(tensor.dtype).newbyteorder(self._order())
            except ParameterError:
                dtype = None
            if tensor.storage is None or dtype is None:
                leave_out_tensor(found, name, tensor, tensor.dtype, tensor.layout)
                continue
            member = self._storage(tensor.storage.key, dtype)
            data = stored_tensor(name, member, tensor.shape, tensor.first, tensor.strides)
            found.add(name, tensor.shape, tensor.dtype, data)
        return found

    def _order(self) -> Any:
        is_big = self.root + "byteorder" in self.members and self.read("byteorder") == b"big"
        return ">" if is_big else "<"

    def _storage(self, key: str, dtype: np.dtype[Any]) -> StoredArray:
        name = f"{self.root}data/{key}"
        if name not in self.members:
            raise FormatError(f"{self.path}: the values {name!r} are missing; {SAVE}")
        info = self.members[name]
        offset, n_values = member_offset(self.path, info), info.file_size // dtype.itemsize
        return StoredArray(self.path, offset, (n_values,), dtype, file_state(self.path))


def _members(path: Path) -> tuple[dict[str, zipfile.ZipInfo], str]:
    """Return the members of an archive as torch.save writes it, and the folder they are in."""
    with path.open("rb") as file:
        head = file.read(16)
    if head[:1] == b"\x80":
        old = "\nl\xfc\x9cF\xf9 j\xa8P\x19".encode("latin-1") in head
        what = "a checkpoint of PyTorch 1.5 or older" if old else "a plain pickle"
        raise UnsafeFileError(
            f"{path}: expected a checkpoint saved by torch.save, found {what}, which can run code "
            f"when it is read; if you trust it, load it with torch.load and {SAVE}, or use "
            "torch.export.save"
        )
    members = zip_members(path, "a checkpoint saved by torch.save")
    roots = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
    if any(name.endswith("models/model.json") for name in members):
        raise FormatError(
            f"{path}: holds a program of torch.export.save; give the file the suffix .pt2"
        )
    if any(name.endswith("constants.pkl") or "/code/" in name for name in members):
        raise UnsafeFileError(
            f"{path}: a TorchScript archive, which holds code; save the model with "
            "torch.export.save as .pt2, or pass torch.jit.load(path).state_dict() if you trust it"
        )
    if len(roots) != 1:
        raise FormatError(f"{path}: expected a checkpoint with one data.pkl, found {len(roots)}")
    if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
        raise FormatError(
            f"{path}: expected an archive as torch.save writes it, found a compressed one; "
            "load it with torch.load and save it again"
        )
    return members, roots[0].removesuffix("data.pkl")


def _weights_in(loaded: Any, path: Path) -> tuple[list[str], Any]:
    """Return the state dict of a checkpoint, and the keys that lead to it."""
    inside = [k for k, v in loaded.items() if is_state(v)] if isinstance(loaded, Mapping) else []
    ways = [*([key] for key in _WEIGHTS), *([key, _WEIGHTS[0]] for key in _WEIGHTS), []]
    ways += [inside] if len(inside) == 1 else []
    for keys in ways:
        value = loaded
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if is_state(value):
            return keys, value
    if inside:
        raise FormatError(
            f"{path}: holds several models ({', '.join(map(str, inside))}); pass the weights "
            f"of one: cg.load(torch.load(path, weights_only=True)[{inside[0]!r}])"
        )
    what = f"a {type(loaded).__name__}"  # its text could take any time and memory
    if isinstance(loaded, Mapping):
        what = ", ".join(map(repr, list(loaded)[:6])) or "nothing"
    raise FormatError(f"{path}: expected weights by name, found {what:.200}; {SAVE}")


def _check_sizes(state: Mapping[str, Any], path: Path) -> None:
    """Raise where tensors show more values than the file holds: one value shown many times."""
    size = path.stat().st_size
    tensors = {value for value in state.values() if isinstance(value, StoredTensor)}
    shown = [prod(tensor.shape) for tensor in tensors if tensor.storage is not None]
    if max(shown, default=0) > size or sum(shown) > 16 * size:
        raise FormatError(
            f"{path}: its tensors show more values than the file of {size} bytes holds; {SAVE}"
        )
