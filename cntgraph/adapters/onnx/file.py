"""Reading ``.onnx`` files: the graph is parsed, the weights stay in the file until they are read.

A file is a protobuf message in which the weights lie as runs of raw bytes. Before it is parsed,
every long run is cut out and announced as external data: data that lie in the model's own file.
From then on there is one way by which weights are read, whether they lie in this file or in one
beside it: a memory map, after their place and size were checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from cntgraph.errors import FormatError
from cntgraph.parameter import Parameter, storage_dtype

#: Stored types whose bits are read as they lie.
_PLAIN = {
    TensorProto.FLOAT: "float32", TensorProto.DOUBLE: "float64", TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "bfloat16", TensorProto.INT8: "int8", TensorProto.UINT8: "uint8",
    TensorProto.INT16: "int16", TensorProto.UINT16: "uint16", TensorProto.INT32: "int32",
    TensorProto.UINT32: "uint32", TensorProto.INT64: "int64", TensorProto.UINT64: "uint64",
    TensorProto.BOOL: "bool",
}  # fmt: skip
#: Stored types that are unpacked when the model is loaded: no array holds their bits.
_SMALL_FLOATS = frozenset(
    getattr(TensorProto, name)
    for name in ("FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "FLOAT8E8M0",
                 "FLOAT4E2M1")
    if hasattr(TensorProto, name)
)  # fmt: skip
_SMALL_INTEGERS = frozenset(
    getattr(TensorProto, name)
    for name in ("INT4", "UINT4", "INT2", "UINT2")
    if hasattr(TensorProto, name)
)
FLOATS = _SMALL_FLOATS | {
    TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16,
}  # fmt: skip
SMALL_INTEGERS = _SMALL_INTEGERS | {TensorProto.INT8, TensorProto.UINT8}

#: Runs of raw bytes from this length on stay in the file.
_LONG = 4096
# Field numbers of ModelProto.graph, GraphProto.initializer, TensorProto's raw_data,
# external_data and data_location, StringStringEntryProto's key and value.
_GRAPH, _INITIALIZER, _RAW, _EXTERNAL, _LOCATION, _KEY, _VALUE = 7, 5, 9, 13, 14, 1, 2


# -- the model ---------------------------------------------------------------------------------


def read_model(path: Path) -> onnx.ModelProto:
    """Read a model; long runs of weights become external data in the model's own file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    FormatError
        If the file is no ONNX model, or is cut off.
    """
    try:
        if path.stat().st_size == 0:
            raise FormatError(f"{path}: expected an ONNX model, found an empty file")
        data: Any = np.memmap(path, dtype=np.uint8, mode="r")
        # A view without the map's own bookkeeping: thousands of small parts are cut from it.
        model = onnx.ModelProto.FromString(_without_weights(memoryview(data), path.name))
    except FormatError:
        raise
    except OSError as error:
        raise FormatError(f"{path}: the file cannot be read ({error})") from error
    except Exception as error:  # what protobuf raises differs between its implementations
        raise FormatError(
            f"{path}: expected an ONNX model, found other or damaged bytes ({error}); "
            "export or copy it again"
        ) from error
    check_model(model, str(path))
    return model


def check_model(model: onnx.ModelProto, where: str) -> None:
    """Raise unless a parsed message has what every ONNX model has.

    Parameters
    ----------
    model : onnx.ModelProto
        The message.
    where : str
        What to call it in the message.

    Raises
    ------
    FormatError
        If it has no graph, no operation, or no operator set.
    """
    if not model.HasField("graph") or not model.graph.node:
        raise FormatError(
            f"{where}: expected an ONNX model with operations, found none; "
            "the file is damaged or is something else"
        )
    if not model.opset_import:
        raise FormatError(
            f"{where}: the model does not say which operator set it uses; "
            "the file is cut off, export or copy it again"
        )
    # Protobuf hands out bytes where a text is not one.
    if not all(isinstance(text, str) for text in _texts(model.graph)):
        raise FormatError(f"{where}: a name in the model is no text; the file is damaged")


def _texts(graph: onnx.GraphProto) -> Iterator[Any]:
    for node in graph.node:
        yield from (*node.input, *node.output, node.name, node.op_type, node.domain)
        for attribute in node.attribute:
            yield attribute.name
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _texts(attribute.g)
    for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        yield value.name
    for entry in graph.metadata_props:
        yield from (entry.key, entry.value)


class _DamagedError(Exception):
    """The bytes are no protobuf message; `read_model` says of which file."""


class _Field(NamedTuple):
    number: int
    start: int
    body: int
    stop: int


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        if at >= len(data) or shift > 63:
            raise _DamagedError("the message is cut off")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _fields(data: memoryview, start: int, stop: int) -> Iterator[_Field]:
    """Yield the fields of a protobuf message: where each begins, has its body, and ends."""
    at = start
    while at < stop:
        tag, body = _varint(data, at)
        wire = tag & 7
        if wire == 2:
            length, body = _varint(data, body)
            end = body + length
        elif wire == 0:
            _, end = _varint(data, body)
        elif wire in (1, 5):
            end = body + (8 if wire == 1 else 4)
        else:
            raise _DamagedError(f"a field of kind {wire}, which ONNX does not have")
        if end > stop:
            raise _DamagedError("the message is cut off")
        yield _Field(tag >> 3, at, body, end)
        at = end


def _encoded(number: int, body: bytes) -> bytes:
    """Return a field of bytes as protobuf writes it."""
    return _encoded_varint(number << 3 | 2) + _encoded_varint(len(body)) + body


def _encoded_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _without_weights(data: memoryview, name: str) -> bytes:
    """Return a model's message in which long raw data are external data in the file `name`."""
    parts = []
    for part in _fields(data, 0, len(data)):
        if part.number != _GRAPH:
            parts.append(bytes(data[part.start : part.stop]))
            continue
        inner = [
            _encoded(_INITIALIZER, _light_tensor(data, piece, name))
            if piece.number == _INITIALIZER
            else bytes(data[piece.start : piece.stop])
            for piece in _fields(data, part.body, part.stop)
        ]
        parts.append(_encoded(_GRAPH, b"".join(inner)))
    return b"".join(parts)


def _light_tensor(data: memoryview, tensor: _Field, name: str) -> bytes:
    """Return a tensor's message; long raw data are replaced by where they lie."""
    kept, cut = [], b""
    for piece in _fields(data, tensor.body, tensor.stop):
        if piece.number == _RAW and piece.stop - piece.body >= _LONG:
            place = {"location": name, "offset": piece.body, "length": piece.stop - piece.body}
            entries = (
                _encoded(_KEY, key.encode()) + _encoded(_VALUE, str(value).encode())
                for key, value in place.items()
            )
            cut = b"".join(_encoded(_EXTERNAL, entry) for entry in entries)
            cut += _encoded_varint(_LOCATION << 3) + _encoded_varint(TensorProto.EXTERNAL)
        else:
            kept.append(bytes(data[piece.start : piece.stop]))
    return b"".join(kept) + cut


# -- tensors ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class MappedTensor:
    """A tensor in a file, read by slices; what is read is aligned in memory.

    Parameters
    ----------
    array : ndarray
        A view of the file's memory map, at any offset.
    """

    array: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self.array.shape

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return a part; numba and BLAS need one that is aligned."""
        return np.require(np.asarray(self.array[key]), requirements="A")


@dataclass
class Tensors:
    """Turns the tensors of one model into arrays and parameters.

    Parameters
    ----------
    path : Path or None
        The model's file; None for a live model, which has no folder for external data.
    """

    path: Path | None = None
    _files: dict[Path, NDArray[np.uint8]] = field(default_factory=dict)

    def parameter(self, tensor: TensorProto, name: str, *, trainable: bool) -> Parameter:
        """Return a tensor as a parameter that is read when needed.

        Parameters
        ----------
        tensor : onnx.TensorProto
            The tensor.
        name : str
            Its name in the graph.
        trainable : bool
            False for buffers and constants.

        Returns
        -------
        Parameter

        Raises
        ------
        FormatError
            If its data are missing, or are not of the size that its shape says.
        """
        array, dtype = self._stored(tensor, name)
        data = MappedTensor(array) if _is_external(tensor) else array
        return Parameter(name, tuple(array.shape), dtype, data, trainable)

    def array(self, tensor: TensorProto, name: str) -> NDArray[Any]:
        """Return a tensor's values as an array, bfloat16 as float32."""
        array, dtype = self._stored(tensor, name)
        if dtype == "bfloat16":
            return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return np.require(np.asarray(array), requirements="A")

    def _stored(self, tensor: TensorProto, name: str) -> tuple[NDArray[Any], str]:
        shape = tuple(tensor.dims)
        if min(shape, default=0) < 0 or tensor.HasField("segment"):
            raise FormatError(f"the tensor {name!r} is described wrongly (shape {shape})")
        dtype = _PLAIN.get(tensor.data_type)
        if dtype is None:
            return self._unpacked(tensor, name)
        if _is_external(tensor):
            raw: Any = self._external(tensor, name)
        elif tensor.HasField("raw_data"):
            raw = np.frombuffer(tensor.raw_data, dtype=np.uint8)
        else:
            return self._typed(tensor, name), dtype
        held = storage_dtype(dtype)
        if raw.size != prod(shape) * held.itemsize:
            raise FormatError(
                f"the tensor {name!r} of shape {shape} and type {dtype} needs "
                f"{prod(shape) * held.itemsize} bytes, {raw.size} are stored; the file is damaged"
            )
        return raw.view(held).reshape(shape), dtype

    def _typed(self, tensor: TensorProto, name: str) -> NDArray[Any]:
        """Return values that are stored as a list of numbers."""
        try:
            array = np.asarray(numpy_helper.to_array(tensor))
        except Exception as error:  # whatever a damaged tensor leads to
            raise FormatError(
                f"the tensor {name!r} of shape {tuple(tensor.dims)} has no data of that size "
                f"({error}); the file is damaged"
            ) from error
        return array.view(np.uint16) if tensor.data_type == TensorProto.BFLOAT16 else array

    def _unpacked(self, tensor: TensorProto, name: str) -> tuple[NDArray[Any], str]:
        """Return values of a type that NumPy does not have, in one that it has."""
        if _is_external(tensor):
            raw = bytes(self._external(tensor, name))
            tensor = TensorProto(dims=tensor.dims, data_type=tensor.data_type, raw_data=raw)
        array = self._typed(tensor, name)
        if tensor.data_type in _SMALL_FLOATS:
            array = array.astype(np.float32)
        elif tensor.data_type in _SMALL_INTEGERS:
            array = array.astype(np.int8)
        return array, array.dtype.name

    def _external(self, tensor: TensorProto, name: str) -> NDArray[np.uint8]:
        """Return the bytes of a tensor whose data lie in a file, after checking the place."""
        place = {entry.key: entry.value for entry in tensor.external_data}
        data = self._file(place.get("location", ""), name)
        try:
            offset = int(place.get("offset", 0))
            length = int(place.get("length", data.size - offset))
        except ValueError as error:
            raise FormatError(f"the tensor {name!r}: its place is no number ({error})") from error
        if offset < 0 or length < 0 or offset + length > data.size:
            raise FormatError(
                f"the tensor {name!r} should lie at bytes {offset} to {offset + length} of "
                f"{place.get('location')!r}, which has {data.size}; the file is cut off or is "
                "not the one that belongs to the model"
            )
        return data[offset : offset + length]

    def _file(self, location: str, name: str) -> NDArray[np.uint8]:
        """Map a file of the model's folder; no other is opened."""
        if self.path is None:
            raise FormatError(
                f"the data of the tensor {name!r} lie in the file {location!r}, and a live model "
                "has no folder; pass the path of the model's file, or load its data with "
                "onnx.load(path) first"
            )
        path = _inside(self.path, location, name)
        if path not in self._files:
            if not path.is_file():
                raise FormatError(
                    f"{self.path}: the data of the tensor {name!r} should lie in {location!r}, "
                    "which is missing; copy it into the model's folder"
                )
            empty = path.stat().st_size == 0
            mapped: Any = b"" if empty else np.memmap(path, dtype=np.uint8, mode="r")
            self._files[path] = np.frombuffer(mapped, dtype=np.uint8)
        return self._files[path]


def _is_external(tensor: TensorProto) -> bool:
    return bool(tensor.data_location == TensorProto.EXTERNAL)


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
