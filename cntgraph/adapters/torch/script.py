"""What a module carries out, written down while it is traced and followed when it runs on data."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch

from cntgraph.adapters.arrangement import OtherRun
from cntgraph.adapters.torch.aten.values import Nodes
from cntgraph.adapters.torch.higher_order import carry_out_parts
from cntgraph.adapters.torch.untouched import Mode, written
from cntgraph.adapters.tracing.complex_numbers import Complex
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.core.types import Array


@dataclass
class Script:
    """The operations of a run, in order.

    Attributes
    ----------
    operations : list
        Those that PyTorch dispatched.
    apart : set of int
        The numbers of those that were carried out as the smaller ones they are made of, which
        come after them.
    """

    operations: list[Any] = field(default_factory=list)
    apart: set[int] = field(default_factory=set)

    def enter(self, operation: Any) -> int:
        """Write down an operation; return its number."""
        self.operations.append(operation)
        return len(self.operations) - 1


def see_results(tracer: Tracer, number: int, results: Any) -> None:
    """Note which nodes the results of an operation show.

    Parameters
    ----------
    results
        What its result stands for, or a list of them.
    """
    for k, made in enumerate(results if isinstance(results, list) else [results]):
        for part, nodes in enumerate(made.parts if isinstance(made, Complex) else (made,)):
            if isinstance(nodes, Nodes):
                tracer.see((number, k, part), nodes)


class Replay(Mode):
    """Follows a script while its module runs, and keeps the values of tensors.

    Parameters
    ----------
    script : Script
        What the module is to carry out.
    keys : collection of (int, int, int)
        Which values to keep: the number of the operation, which of its results, and 1 for the
        imaginary part.

    Attributes
    ----------
    kept : dict
        The values, by these keys.
    """

    supports_higher_order_operators = True

    def __init__(self, script: Script, keys: Collection[Hashable]) -> None:
        super().__init__()
        self.script, self.number = script, 0
        self.kept: dict[Hashable, Array] = {}
        self._lying: dict[int, list[Hashable]] = {}
        self._wanted: dict[int, list[Any]] = {}
        for key in keys:
            assert isinstance(key, tuple)
            self._wanted.setdefault(key[0], []).append(key)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        number, self.number = self.number, self.number + 1
        operations = self.script.operations
        if number >= len(operations) or operations[number] is not func:
            was = operations[number].name() if number < len(operations) else "the end"
            raise OtherRun(f"its operation {number} is {func.name()}, it was {was}")
        if number in self.script.apart:
            with self:
                result = carry_out_parts(func, args, kwargs or {})
        else:
            self._set_aside(written(func, args, kwargs or {}))
            result = func(*args, **(kwargs or {}))
        for key in self._wanted.get(number, ()):
            made = result[key[1]] if isinstance(result, list | tuple) else result
            if made.is_complex():
                made = made.imag if key[2] else made.real
            self.kept[key] = as_array(made)
            self._lying.setdefault(made.untyped_storage().data_ptr(), []).append(key)
        return result

    def _set_aside(self, tensors: Iterable[torch.Tensor]) -> None:
        """Copy the kept values that lie where tensors do, which are about to be written over."""
        for tensor in tensors:
            for key in self._lying.pop(tensor.untyped_storage().data_ptr(), ()):
                self.kept[key] = self.kept[key].copy()


def as_array(tensor: torch.Tensor) -> Array:
    """Return the values of a tensor, in its own memory if it is in that of the machine."""
    tensor = tensor.dequantize() if tensor.is_quantized else tensor.detach()
    if tensor.is_floating_point() and tensor.element_size() < 4:
        tensor = tensor.float()
    array: Array = tensor.resolve_conj().resolve_neg().cpu().numpy()
    return array
