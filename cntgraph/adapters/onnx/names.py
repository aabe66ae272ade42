"""How the operations of an ONNX graph are named: after the module they belong to, if it shows."""

from __future__ import annotations

import ast
import re

import onnx

from cntgraph.core.names import in_snake_case

_FUNCTIONAL = frozenset(["Add", "Sub", "Mul", "Div", "Sum", "Neg"])


def operation_name(node: onnx.NodeProto) -> str:
    """Return a name for an operation: its module's, or the operation's own.

    Examples
    --------
    >>> operation_name(onnx.NodeProto(op_type="Conv", name="/layer1/conv/Conv"))
    'layer1.conv'
    >>> operation_name(onnx.NodeProto(op_type="MaxPool"))
    'max_pool'
    """
    noted = _scope(node)
    if noted:
        return noted
    parts = [part for part in re.split(r"/|::", node.name) if part]
    operation = in_snake_case(node.op_type)
    if parts and re.fullmatch(rf"{re.escape(node.op_type)}(_\d+)?", parts[-1]):
        path = ".".join(parts[:-1])
        if node.op_type in _FUNCTIONAL or not path:
            return f"{path}.{operation}".removeprefix(".")
        return path
    return ".".join(parts).removeprefix("node_") or operation


def _scope(node: onnx.NodeProto) -> str:
    """Return the module and operation that PyTorch's exporter notes, as its adapter names them."""
    notes = {entry.key: entry.value for entry in node.metadata_props}
    try:
        scopes, kinds = (ast.literal_eval(notes[f"pkg.torch.onnx.{key}"])
                         for key in ("name_scopes", "class_hierarchy"))  # fmt: skip
        path, module, operation = str(scopes[-2]), str(kinds[-2]), str(kinds[-1])
    except Exception:  # no such notes, or notes of another kind
        return ""
    if not operation.startswith("aten."):
        return ""
    if path and module.startswith("torch.nn.modules.") and ".container." not in module:
        return path
    name = operation.split(".")[1].strip("_")
    return f"{path}.{name}" if path else name
