"""What tensors and names stand for, found by these, or by the memory that a tensor lies in."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch.utils.weak import TensorWeakRef, WeakTensorKeyDictionary

from cntgraph.adapters.torch.aten.values import Nodes


def memory_of(tensor: torch.Tensor) -> int:
    """Return what names the memory that a tensor lies in; one without values has a name as well.

    A sparse tensor lies in several pieces, which nothing is written into by way of others.
    """
    if tensor.layout != torch.strided:
        return -id(tensor)
    storage = tensor.untyped_storage()
    place: int = storage.data_ptr() or storage._cdata
    return place


class Known:
    """What tensors stand for: `Nodes`, `Recipe` or `Data`; it is forgotten with the tensor.

    Examples
    --------
    >>> known, tensor = Known(), torch.zeros(4)
    >>> known[tensor[:2]] = "forgotten"
    >>> part = tensor[2:]
    >>> known[part] = "a part"
    >>> known.get(part), [seen is part for seen in known.beside(tensor)]
    ('a part', [True])
    """

    def __init__(self) -> None:
        self._values: Any = WeakTensorKeyDictionary()
        self._in_memory: defaultdict[int, list[Any]] = defaultdict(list)

    def __contains__(self, tensor: torch.Tensor) -> bool:
        """Whether it is known what a tensor stands for."""
        return tensor in self._values

    def __getitem__(self, tensor: torch.Tensor) -> Any:
        """Return what a tensor stands for."""
        return self._values[tensor]

    def __setitem__(self, tensor: torch.Tensor, value: Any) -> None:
        """Let a tensor stand for something; whole numbers know the tensor that holds them."""
        reference = TensorWeakRef(tensor)
        if tensor not in self._values:
            self._in_memory[memory_of(tensor)].append(reference)
        if isinstance(value, Nodes) and value.is_index:
            value.look = reference
        self._values[tensor] = value

    def get(self, tensor: torch.Tensor, default: Any = None) -> Any:
        """Return what a tensor stands for, or the default."""
        return self._values.get(tensor, default)

    def pop(self, tensor: torch.Tensor, default: Any = None) -> Any:
        """Forget what a tensor stands for, and return it."""
        return self._values.pop(tensor, default)

    def beside(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """Return the known tensors that lie in the memory of one, without itself.

        Looked up, not searched for: what is written into memory is mostly a small part of what is
        known.
        """
        place, found = memory_of(tensor), dict[int, torch.Tensor]()
        for reference in self._in_memory.get(place, ()):
            seen = reference()
            if seen is not None and seen is not tensor and seen in self._values:
                found[id(seen)] = seen
        return [seen for seen in found.values() if memory_of(seen) == place]


class NamedValues:
    """What names stand for: tensors among them are found by the memory that they lie in, too.

    Examples
    --------
    >>> values, tensor = NamedValues(), torch.zeros(4)
    >>> values["whole"], values["part"], values["other"] = tensor, tensor[2:], "no tensor"
    >>> list(values.beside(tensor[:1]))
    ['whole', 'part']
    """

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._in_memory: defaultdict[int, dict[str, None]] = defaultdict(dict)

    def __getitem__(self, name: str) -> Any:
        """Return what a name stands for."""
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        """Let a name stand for something."""
        self.pop(name)
        self._values[name] = value
        if isinstance(value, torch.Tensor):
            self._in_memory[memory_of(value)][name] = None

    def pop(self, name: str) -> None:
        """Forget what a name stands for, if anything."""
        value = self._values.pop(name, None)
        if isinstance(value, torch.Tensor):
            self._in_memory[memory_of(value)].pop(name, None)

    def beside(self, tensor: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the tensors that lie in the memory of one, itself included, by name."""
        return {name: self._values[name] for name in self._in_memory.get(memory_of(tensor), ())}
