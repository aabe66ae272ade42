"""The members of a .pt2 file: a program as JSON, and the tensors it reads as raw bytes."""

from __future__ import annotations

import json
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from cntgraph.adapters.weights.checkpoint_values import PARTS, Storage, StoredTensor
from cntgraph.adapters.weights.stored import stored_tensor
from cntgraph.adapters.weights.zip_archive import ZipArchive
from cntgraph.core.errors import FormatError, UnsafeFileError
from cntgraph.core.parameter import ArrayHandle, Parameter, storage_dtype

#: The archive's numbers for types of tensors.
DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32",
    8: "float64", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16",
}  # fmt: skip
_SCHEMA_MAJOR = 8
#: How many times its packed size a member may have: what gzip can do at most, and text at times.
_MAX_PACKED, _MAX_TEXT = 1100, 200
#: Values that a tensor may show of fewer stored ones, as an expanded one does.
_MAX_EXPANDED = 1 << 22


class Archive:
    """The members of a .pt2 file: one program, and the tensors it reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.archive = ZipArchive(path, "a .pt2 archive")
        self.unpacked: dict[str, bytes] = {}
        self.root = self._find_root()
        self.program = self._json("models/model.json")
        self.tensors = self._tensors()
        version = self.program["schema_version"]["major"]
        if version != _SCHEMA_MAJOR:
            raise FormatError(
                f"{path}: expected a program of schema version {_SCHEMA_MAJOR}, found {version}; "
                "save it with PyTorch 2.8 or newer, or pass the live model"
            )

    def _find_root(self) -> str:
        for name in self.archive.members:
            if name.endswith("models/model.json"):
                return name.removesuffix("models/model.json")
        kind, hint = FormatError, "it has none"
        if any(name.endswith("data.pkl") for name in self.archive.members):
            kind, hint = UnsafeFileError, "it looks like a pickled checkpoint"
        raise kind(
            f"{self.path}: expected a program saved by torch.export.save (with models/model.json), "
            f"{hint}; use torch.export.save(torch.export.export(model, (example,)), 'model.pt2')"
        )

    def _json(self, name: str) -> dict[str, Any]:
        found = json.loads(self.archive.read(self.root + name, _MAX_TEXT))
        if not isinstance(found, dict):
            raise FormatError(f"{self.path}: {name} is not a JSON object; the file is damaged")
        return found

    def _tensors(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Return, by name, the folder and the description of every tensor."""
        found = {}
        for folder in ("weights", "constants"):
            config = f"data/{folder}/model_{folder}_config.json"
            if self.root + config in self.archive.members:
                for name, entry in self._json(config)["config"].items():
                    found[name] = (f"data/{folder}/", entry)
        return found

    @cached_property
    def first_names(self) -> dict[str, str]:
        """The first name of each tensor, of which the file may have one under several."""
        first: dict[str, str] = {}
        return {
            name: first.setdefault(json.dumps(place, sort_keys=True), name)
            for name, place in self.tensors.items()
        }

    def is_complex(self, name: str) -> bool:
        """Whether a tensor of the file holds complex numbers."""
        meta = self.tensors[name][1].get("tensor_meta") or {}
        return DTYPES.get(meta.get("dtype", 0), "") in PARTS

    def parameter(self, name: str, *, trainable: bool) -> Parameter:
        """Return a tensor of the file as a parameter that is read when needed.

        Complex numbers are pairs of real ones, along a last axis.
        """
        tensor = self._described(name)
        tensor = tensor.pairs if tensor.dtype in PARTS else tensor
        return Parameter(name, tensor.shape, tensor.dtype, self._values(name, tensor), trainable)

    def _described(self, name: str) -> StoredTensor:
        if name not in self.tensors:
            raise FormatError(f"{self.path}: the tensor {name!r} is missing; save the file again")
        folder, entry = self.tensors[name]
        if entry.get("use_pickle") or entry.get("tensor_meta") is None:
            raise UnsafeFileError(
                f"{self.path}: the tensor {name!r} is pickled, and reading a pickle can run code; "
                "save a program whose parameters are plain tensors, or pass the live model"
            )
        meta = entry["tensor_meta"]
        if meta["dtype"] not in DTYPES:
            raise FormatError(f"{self.path}: {name!r} has an unknown type, number {meta['dtype']}")
        dtype = DTYPES[meta["dtype"]]
        shape, strides = (tuple(int(n["as_int"]) for n in meta[k]) for k in ("sizes", "strides"))
        first = int(meta["storage_offset"]["as_int"])
        storage = Storage(folder + entry["path_name"], dtype)
        return StoredTensor(shape, dtype, storage, first, strides)

    def _values(self, name: str, tensor: StoredTensor) -> ArrayHandle:
        """Return the values of a tensor, read when needed; of a compressed member, unpacked."""
        assert tensor.storage is not None
        member, dtype = self.root + tensor.storage.key, storage_dtype(tensor.dtype)
        whole = self.archive.values(member, dtype)
        if prod(tensor.shape) > max(*whole.shape, _MAX_EXPANDED):
            raise FormatError(
                f"{self.path}: the tensor {name!r} of shape {tensor.shape} shows {whole.shape[0]} "
                "values again and again; it is damaged, save it again"
            )
        found = stored_tensor(name, whole, tensor.shape, tensor.first, tensor.strides)
        if not self.archive.is_packed(member):
            return found
        if member not in self.unpacked:
            self.unpacked[member] = self.archive.read(member, _MAX_PACKED)
        data, start = self.unpacked[member], found.offset - whole.offset
        return np.ndarray(found.shape, dtype, data, start, found.strides)
