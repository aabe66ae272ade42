"""Reading ``.onnx`` files: the graph is parsed, the weights stay in the file until they are read.

A file is a protobuf message in which the weights lie as runs of raw bytes. Before it is parsed,
every long run is cut out and announced as external data: data that lie in the model's own file.
From then on there is one way by which weights are read, whether they lie in this file or in one
beside it; see `tensors`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from cntgraph.adapters.damage import damage
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
        data: Any = np.memmap(path, np.uint8, "r") if path.stat().st_size else b""
    except OSError as error:
        raise FormatError(f"{path}: the file cannot be read ({error})") from error
    what = "expected an ONNX model, found other or damaged bytes"
    with damage(path, what, "export or copy it again"):
        # A view without the map's own bookkeeping: thousands of small parts are cut from it.
        model = _without_weights(memoryview(data), path.name)
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


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("the message is cut off")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _fields(data: memoryview, start: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the number of each field of a message, and where it begins, has its body, and ends."""
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
            raise ValueError(f"a field of kind {wire}, which ONNX does not have")
        if end > stop:
            raise ValueError("the message is cut off")
        yield tag >> 3, at, body, end
        at = end


def _without_weights(data: memoryview, name: str) -> onnx.ModelProto:
    """Return a model in which long raw data are external data in the file `name`."""
    model = onnx.ModelProto()
    for _, graph, graph_end in _merged(model, data, 0, len(data), _GRAPH):
        for _, inner, inner_end in _merged(model.graph, data, graph, graph_end, _INITIALIZER):
            tensor = model.graph.initializer.add()
            for start, body, stop in _merged(tensor, data, inner, inner_end, _RAW):
                if stop - body < _LONG:
                    tensor.MergeFromString(bytes(data[start:stop]))
                    continue
                tensor.data_location = TensorProto.EXTERNAL
                place = {"location": name, "offset": body, "length": stop - body}
                for key, value in place.items():
                    tensor.external_data.add(key=key, value=str(value))
    return model


def _merged(
    message: Any, data: memoryview, start: int, stop: int, number: int
) -> Iterator[tuple[int, int, int]]:
    """Parse the fields of a message but those of one number, whose places are yielded."""
    for found, begin, body, end in _fields(data, start, stop):
        if found == number:
            yield begin, body, end
        else:
            message.MergeFromString(bytes(data[begin:end]))
