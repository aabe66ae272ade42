"""Reading the parts of a serialized program: names, shapes, types, modules."""

from __future__ import annotations

import json
import operator
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch

from cntgraph.adapters.torch.archive import DTYPES
from cntgraph.adapters.torch.aten.values import Place
from cntgraph.core.errors import TraceError

#: Arithmetic on sizes.
_SIZES: dict[str, Callable[..., Any]] = {
    f"_operator.{name}": getattr(operator, name)
    for name in ("add", "sub", "mul", "floordiv", "truediv", "mod", "neg", "eq", "ne", "lt", "le",
                 "gt", "ge")
}  # fmt: skip
_MAX_SIZE = 1 << 63
#: Checks that PyTorch writes into a program; they compute nothing.
CHECKS = frozenset(
    "_assert_scalar _assert_tensor_metadata sym_constrain_range "
    "sym_constrain_range_for_size".split()
)
#: Operations on parts of a program: conditions, and what only switches something around a part.
OF_PARTS = frozenset(
    f"torch.ops.higher_order.{name}"
    for name in ("cond", "wrap_with_set_grad_enabled", "wrap_with_autocast")
)


def compute_size(target: str, args: list[Any]) -> Any:
    """Return the result of arithmetic on sizes; NotImplemented if the operation is another.

    Raises
    ------
    TraceError
        If it is not one of numbers: a text is multiplied, too, and grows.
    """
    if target not in _SIZES:
        return NotImplemented
    result = None
    if all(isinstance(value, int | float) and abs(value) < _MAX_SIZE for value in args):
        result = _SIZES[target](*args)
    if result is None or abs(result) >= _MAX_SIZE:
        raise TraceError(f"{target}: expected numbers below 2^63, got {reprlib.repr(args)}")
    return result


def names_of(value: Any) -> list[str]:
    """Return the names of all values in a part of a program, in their order."""
    return re.findall(r'"(?:as_)?name": "([^"]*)"', json.dumps(value))


def last_reads(nodes: Sequence[Mapping[str, Any]], outputs: Any) -> list[set[str]]:
    """Return, for each operation, the values that nothing reads after it.

    Parameters
    ----------
    nodes : sequence of dict
        The operations.
    outputs
        What is read at the end.
    """
    read, found = {*names_of(outputs)}, []
    for node in reversed(nodes):
        names = {*names_of(node["inputs"])}
        found.append(names - read)
        read |= names
    return found[::-1]


def torch_dtype(number: int) -> torch.dtype:
    """Return a type by the number that a program gives it."""
    found: torch.dtype = getattr(torch, DTYPES.get(number, "float32"))
    return found


#: What arguments that are plain values are read as, by kind.
PLAIN_ARGUMENTS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys("as_int as_ints as_bool as_bools as_string as_strings".split(), lambda v: v),
    **dict.fromkeys(("as_none", "as_layout", "as_memory_format"), lambda _: None),
    "as_float": float,  # infinity and "not a number" are words
    "as_floats": lambda values: [float(value) for value in values],
    "as_complex": lambda parts: complex(parts["real"], parts["imag"]),
    "as_device": lambda _: torch.device("cpu"),
    "as_scalar_type": torch_dtype,
}
#: Numbers that may have a name instead of a value.
NUMBERS = ("as_sym_int", "as_sym_bool", "as_sym_float")
#: Lists of arguments, each of a kind of its own.
LISTS = ("as_optional_tensors", *(f"{kind}s" for kind in NUMBERS))


def operation_of(name: str) -> Any:
    """Return an ATen operation by its serialized name, or None if there is none."""
    packet, _, overload = name.partition(".")
    found = getattr(getattr(torch.ops.aten, packet, None), overload or "default", None)
    # Names like `add.__class__` are attributes, but no operations.
    return found if isinstance(found, torch._ops.OpOverload) else None


class Modules:
    """The modules that operations stand in, as a program notes them.

    Parameters
    ----------
    nodes : iterable of dict
        The program's operations.
    tensors : iterable of str
        Names of its parameters and buffers.
    """

    def __init__(self, nodes: Iterable[Mapping[str, Any]], tensors: Iterable[str]) -> None:
        self.parents: set[str] = set()
        for path in {path for node in nodes for path in _stack(node)}:
            self.parents.add(path.rpartition(".")[0])
        for name in tensors:
            self.parents.add(name.rpartition(".")[0].rpartition(".")[0])

    def place(self, node: Mapping[str, Any]) -> Place:
        """Return where an operation stands; a leaf is a module of PyTorch's without others."""
        found = _stack(node)
        if not found:
            return Place()
        path, kind = next(reversed(found.items()))
        return Place(path, kind.startswith("torch.nn.modules.") and path not in self.parents)


def _stack(node: Mapping[str, Any]) -> dict[str, str]:
    """Read ``key,path,class;key,path,class;…``: the modules an operation stands in, by path."""
    text = node.get("metadata", {}).get("nn_module_stack", "")
    entries = (entry.split(",", 2) for entry in text.split(";") if entry)
    return {path: kind for _, path, kind in entries}
