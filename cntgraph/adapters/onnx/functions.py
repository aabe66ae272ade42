"""A model's own functions: written out where they are called."""

from __future__ import annotations

from typing import Any

import onnx
import onnx.inliner

from cntgraph.core.errors import FormatError

#: A model's functions may not stand for more operations than this, once they are written out.
_MOST_OPERATIONS = 1_000_000


def inline_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model in which its own functions are written out; its weights are not copied."""
    if not model.functions:
        return model
    _check_functions(model)
    light = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    light.functions.extend(model.functions)
    for name in ("node", "input", "output", "value_info", "metadata_props"):
        getattr(light.graph, name).extend(getattr(model.graph, name))
    light.graph.name = model.graph.name
    # An initializer's name must be known, so that no new name is the same.
    known = {i.name for i in model.graph.input}
    names = [t.name for t in model.graph.initializer if t.name not in known]
    light.graph.input.extend(onnx.ValueInfoProto(name=name) for name in names)
    try:
        inlined = onnx.inliner.inline_local_functions(light)
    except Exception as error:  # whatever a damaged function leads to
        raise FormatError(f"the model's functions cannot be written out: {error}") from error
    del inlined.graph.input[:]
    inlined.graph.input.extend(model.graph.input)
    inlined.graph.initializer.extend(model.graph.initializer)
    return inlined


def _check_functions(model: onnx.ModelProto) -> None:
    """Refuse functions that call themselves, or that stand for an absurd number of operations."""
    bodies = {(f.domain, f.name): f.node for f in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(nodes: Any, open_calls: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for node in nodes:
            key = (node.domain, node.op_type)
            if key in open_calls or len(open_calls) > 100:
                raise FormatError(f"the model's function {key[1]!r} calls itself")
            if key in bodies and key not in sizes:
                sizes[key] = size(bodies[key], (*open_calls, key))
            total += sizes.get(key, 1)
            inner = [a.g.node for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
            total += sum(size(body, open_calls) for body in inner)
        return total

    if size(model.graph.node, ()) > _MOST_OPERATIONS:
        raise FormatError(f"the model's functions stand for over {_MOST_OPERATIONS} operations")
