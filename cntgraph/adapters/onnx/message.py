"""Reading ``.onnx`` files: the graph is parsed, the weights stay in the file until they are read.

A file is a protobuf message in which the weights lie as runs of raw bytes. Before it is parsed,
every long run is cut out and announced as external data: data that lie in the model's own file.
From then on there is one way by which weights are read, whether they lie in this file or in one
beside it; see `tensors`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto

from cntgraph.core.errors import FormatError

#: Runs of raw bytes from this length on stay in the file.
_LONG = 4096
# Field numbers of ModelProto.graph, GraphProto.initializer, TensorProto's raw_data,
# external_data and data_location, StringStringEntryProto's key and value.
_GRAPH, _INITIALIZER, _RAW, _EXTERNAL, _LOCATION, _KEY, _VALUE = 7, 5, 9, 13, 14, 1, 2


def read_model(path: Path) -> onnx.ModelProto:
    """Read a model; long runs of weights become external data in the model's own file.

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
