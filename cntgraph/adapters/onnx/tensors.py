"""The stored tensors of a model: arrays and parameters, read where they lie.

Weights lie in the model's own file or in one beside it, of which no other is opened. They are
read by parts when needed, after their place and size were checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import SparseTensorProto, TensorProto, numpy_helper

from cntgraph.adapters.weights.packed.fields import unpacked
from cntgraph.adapters.weights.packed.four_bit_floats import E2M1
from cntgraph.adapters.weights.sparse import sparse_parameters
from cntgraph.adapters.weights.stored import StoredArray, file_state
from cntgraph.core.errors import FormatError
from cntgraph.core.parameter import Parameter, storage_dtype, widen
from cntgraph.core.selection import selected_rows

#: Stored types whose bits are read as they lie, by ONNX's name.
_NAMES = {
    **{name.upper(): name for name in ("float16", "bfloat16", "int8", "uint8", "int16", "uint16",
                                       "int32", "uint32", "int64", "uint64", "bool")},
    "FLOAT": "float32", "DOUBLE": "float64", "FLOAT8E4M3FN": "float8_e4m3fn",
    "FLOAT8E4M3FNUZ": "float8_e4m3fnuz", "FLOAT8E5M2": "float8_e5m2",
    "FLOAT8E5M2FNUZ": "float8_e5m2fnuz", "FLOAT8E8M0": "float8_e8m0fnu",
}  # fmt: skip
#: Stored types of which several values share a byte: bits of one, and the value of each pattern.
_PACKED: dict[str, tuple[int, NDArray[Any]]] = {
    "INT4": (4, np.array([*range(8), *range(-8, 0)], "int8")),
    "UINT4": (4, np.arange(16, dtype="uint8")),
    "INT2": (2, np.array([0, 1, -2, -1], "int8")),
    "UINT2": (2, np.arange(4, dtype="uint8")),
    "FLOAT4E2M1": (4, E2M1),
}  # fmt: skip
# A version of onnx knows some of them.
_KINDS: dict[str, int] = dict(TensorProto.DataType.items())
_PLAIN = {_KINDS[name]: stored for name, stored in _NAMES.items() if name in _KINDS}
_TABLES = {_KINDS[name]: packed for name, packed in _PACKED.items() if name in _KINDS}
_TYPES = _PLAIN | {kind: table.dtype.name for kind, (_, table) in _TABLES.items()}
FLOATS = frozenset(kind for kind, stored in _TYPES.items() if "float" in stored)
INTEGERS = frozenset(kind for kind, stored in _PLAIN.items() if "int" in stored or stored == "bool")
SMALL_INTEGERS = frozenset(kind for kind, stored in _TYPES.items() if stored in ("int8", "uint8"))
#: A sparse tensor has at most as many values, stored or not.
_LARGEST_SPARSE = 1 << 24


@dataclass(frozen=True, eq=False)
class PackedTensor:
    """A tensor of which several values share a byte; only the rows that are read are unpacked.

    Parameters
    ----------
    raw : ndarray of uint8, or a `StoredArray` of them
        The bytes, one after the other; the first value in the lowest bits.
    shape : tuple of int
        Its shape.
    bits : int
        Bits of one value.
    table : ndarray
        The value of each pattern of bits.
    """

    raw: Any
    shape: tuple[int, ...]
    bits: int
    table: NDArray[Any]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return a part; of whole rows no others are unpacked."""
        rows = selected_rows(key, self.shape)
        if rows is None:
            whole: NDArray[Any] = self._unpacked(0, prod(self.shape)).reshape(self.shape)[key]
            return whole
        each = prod(self.shape[1:])
        part = self._unpacked(rows.start * each, (rows.start + len(rows)) * each)
        return part.reshape((len(rows), *self.shape[1:]) if self.shape else ())

    def _unpacked(self, start: int, stop: int) -> NDArray[Any]:
        each = 8 // self.bits
        words, bit = self.raw[start // each : -(-stop // each)], start % each * self.bits
        values: NDArray[Any] = self.table[unpacked(words, self.bits, bit, stop - start)]
        return values


@dataclass
class Tensors:
    """Turns the tensors of one model into arrays and parameters.

    Parameters
    ----------
    path : Path or None
        The model's file; None for a live model, which has no folder for external data.
    """

    path: Path | None = None
    #: Files of the model's folder whose place has been checked, by what tensors call them.
    _files: dict[str, Path] = field(default_factory=dict, init=False)

    def parameter(
        self, tensor: TensorProto, name: str, *, trainable: bool, bits: int = 8
    ) -> Parameter:
        """Return a tensor as a parameter that is read when needed.

        Parameters
        ----------
        trainable : bool
            False for buffers and constants.
        bits : int, default 8
            How many bits of a stored byte are one value, where that is less than all: the axes
            behind the first are then one, which is so much longer.

        Raises
        ------
        FormatError
            If its data are missing, or are not of the size that its shape says.
        """
        data, dtype = self._stored(tensor, name)
        if bits in (1, 2, 4) and dtype == "uint8":
            rows = data.shape[:1] if len(data.shape) > 1 else ()
            shape = (*rows, prod(data.shape[len(rows) :]) * 8 // bits)
            raw = _seen_as(data, (prod(data.shape),), np.dtype(np.uint8))
            data = PackedTensor(raw, shape, bits, np.arange(1 << bits, dtype=np.uint8))
        return Parameter(name, tuple(data.shape), dtype, data, trainable)

    def array(self, tensor: TensorProto, name: str) -> NDArray[Any]:
        """Return a tensor's values as an array, those of small floats as float32."""
        data, dtype = self._stored(tensor, name)
        array = np.require(np.asarray(data[()]), requirements="A")
        return widen(array, dtype) if dtype == "bfloat16" or "float8" in dtype else array

    def sparse(self, tensor: SparseTensorProto, name: str) -> tuple[Parameter, Parameter]:
        """Return a tensor of which only some values are stored, and one that says which are."""
        shape, places = tuple(tensor.dims), self.array(tensor.indices, name)
        if min(shape, default=0) < 0 or prod(shape) > _LARGEST_SPARSE:
            raise FormatError(
                f"the sparse tensor {name!r} has shape {shape}; expected at most "
                f"{_LARGEST_SPARSE} values: store it dense"
            )
        if places.ndim == 1:  # counted through the whole tensor
            if places.size and not 0 <= places.min() <= places.max() < prod(shape):
                raise FormatError(f"the sparse tensor {name!r} has values outside of {shape}")
            places = np.stack(np.unravel_index(places, shape), axis=1)
        values, dtype = self._stored(tensor.values, name)
        made = sparse_parameters(name, shape, dtype, "sparse_coo", (places.T, values))
        made[0].read(0, 0, 0)  # whether its parts fit together
        return made

    def _stored(self, tensor: TensorProto, name: str) -> tuple[Any, str]:
        """Return what holds a tensor's values, and their type."""
        shape = tuple(tensor.dims)
        packed, dtype = _TABLES.get(tensor.data_type), _TYPES.get(tensor.data_type)
        if min(shape, default=0) < 0 or tensor.HasField("segment") or dtype is None:
            raise FormatError(
                f"the tensor {name!r} is described wrongly (shape {shape}, type {tensor.data_type})"
            )
        if tensor.data_location == TensorProto.EXTERNAL:
            raw: Any = self._external(tensor, name)
        elif tensor.HasField("raw_data"):
            raw = np.frombuffer(tensor.raw_data, dtype=np.uint8)
        else:
            return self._typed(tensor, name, dtype)
        held = storage_dtype(dtype)
        nbytes = -(-prod(shape) * packed[0] // 8) if packed else prod(shape) * held.itemsize
        if raw.shape != (nbytes,):
            raise FormatError(
                f"the tensor {name!r} of shape {shape} and type {dtype} needs "
                f"{nbytes} bytes, {raw.shape[0]} are stored; the file is damaged"
            )
        if packed:
            return PackedTensor(raw, shape, *packed), dtype
        return _seen_as(raw, shape, held), dtype

    def _typed(self, tensor: TensorProto, name: str, dtype: str) -> tuple[NDArray[Any], str]:
        """Return values that are stored as a list of numbers, and their type."""
        try:
            array = np.asarray(numpy_helper.to_array(tensor))
        except Exception as error:  # whatever a damaged tensor leads to
            raise FormatError(
                f"the tensor {name!r} of shape {tuple(tensor.dims)} has no data of that size "
                f"({error}); the file is damaged"
            ) from error
        if tensor.data_type in _TABLES:
            return array.astype(dtype), dtype
        if array.dtype.name == dtype:
            return array.view(storage_dtype(dtype)), dtype
        # Older versions of onnx have no arrays of small floats.
        return array.astype(np.float32), "float32"

    def _external(self, tensor: TensorProto, name: str) -> StoredArray:
        """Return the bytes of a tensor whose data lie in a file, after checking the place."""
        place = {entry.key: entry.value for entry in tensor.external_data}
        path = self._file(place.get("location", ""), name)
        size, _ = state = file_state(path)
        try:
            offset = int(place.get("offset", 0))
            length = int(place.get("length", size - offset))
        except ValueError as error:
            raise FormatError(f"the tensor {name!r}: its place is no number ({error})") from error
        if offset < 0 or length < 0 or offset + length > size:
            raise FormatError(
                f"the tensor {name!r} should lie at bytes {offset} to {offset + length} of "
                f"{place.get('location')!r}, which has {size}; the file is cut off or is "
                "not the one that belongs to the model"
            )
        return StoredArray(path, offset, (length,), np.dtype(np.uint8), state)

    def _file(self, location: str, name: str) -> Path:
        """Return a file of the model's folder; no other is opened."""
        if self.path is None:
            raise FormatError(
                f"the data of the tensor {name!r} lie in the file {location!r}, and a live model "
                "has no folder; pass the path of the model's file, or load its data with "
                "onnx.load(path) first"
            )
        if location not in self._files:
            path = _inside(self.path, location, name)
            if not path.is_file():
                raise FormatError(
                    f"{self.path}: the data of the tensor {name!r} should lie in {location!r}, "
                    "which is missing; copy it into the model's folder"
                )
            self._files[location] = path
        return self._files[location]


def _seen_as(data: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Return bytes as values of a type, in a shape."""
    if isinstance(data, StoredArray):
        return replace(data, shape=shape, dtype=dtype)
    return data.view(dtype).reshape(shape)


def _inside(model: Path, location: str, name: str) -> Path:
    """Return the file that `location` names in the model's folder; refuse any other."""
    parts = location.replace("\\", "/").split("/")
    plain = bool(location) and ".." not in parts and "" not in parts and "\0" not in location
    if plain and ":" not in parts[0]:
        path = (model.parent / location).resolve()
        # A cache may hold links only: the model's, and its data's beside what it points to.
        folders = (model.parent.resolve(), model.resolve().parent)
        if any(path.is_relative_to(folder) for folder in folders):
            return path
    raise FormatError(
        f"{model}: the data of the tensor {name!r} should lie in {location!r}, which is outside "
        "of the model's folder; it was not opened"
    )
