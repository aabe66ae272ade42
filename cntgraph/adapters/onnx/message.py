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
# Field numbers of ModelProto.graph, GraphProto.initializer and TensorProto.raw_data.
_GRAPH, _INITIALIZER, _RAW = 7, 5, 9


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
        model = _without_weights(memoryview(data), path.name)
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


def _without_weights(data: memoryview, name: str) -> onnx.ModelProto:
    """Return a model in which long raw data are external data in the file `name`."""
    model = onnx.ModelProto()
    for part in _merged(model, data, 0, len(data), _GRAPH):
        for inner in _merged(model.graph, data, part.body, part.stop, _INITIALIZER):
            tensor = model.graph.initializer.add()
            for raw in _merged(tensor, data, inner.body, inner.stop, _RAW):
                if raw.stop - raw.body < _LONG:
                    tensor.MergeFromString(bytes(data[raw.start : raw.stop]))
                    continue
                tensor.data_location = TensorProto.EXTERNAL
                place = {"location": name, "offset": raw.body, "length": raw.stop - raw.body}
                for key, value in place.items():
                    tensor.external_data.add(key=key, value=str(value))
    return model


def _merged(message: Any, data: memoryview, start: int, stop: int, number: int) -> Iterator[_Field]:
    """Parse the fields of a message but those of one number, which are yielded."""
    for field in _fields(data, start, stop):
        if field.number == number:
            yield field
        else:
            message.MergeFromString(bytes(data[field.start : field.stop]))
