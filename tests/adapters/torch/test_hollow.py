"""Modules that are built without memory for their weights."""

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from cntgraph.adapters.torch.hollow import hollow
from cntgraph.adapters.weights.tensors import Tensors


class Filled(nn.Module):
    """Draws its weights, which are stored, and a table and a bound, which are not."""

    def __init__(self):
        super().__init__()
        self.fc, self.scale = nn.Linear(3, 4), nn.Parameter(torch.empty(4))
        self.register_buffer("table", torch.empty(2, 2))
        self.register_buffer("bound", torch.empty(()))
        nn.init.normal_(self.fc.weight, std=0.02)
        nn.init.constant_(self.table, 3.0)
        with torch.no_grad():
            self.returned = self.scale.fill_(2.0)
            self.bound.zero_().add_(1.0)


class Written(TorchDispatchMode):
    """Lists the operations that write over a tensor without values."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func._schema.is_mutable and args and args[0].is_meta:
            self.names.append(func._schema.name)
        return func(*args, **(kwargs or {}))


def test_only_what_has_values_is_filled():
    with hollow(Tensors([])), Written() as written:
        module = Filled()
    assert written.names == []
    assert module.returned is module.scale
    assert all(p.is_meta for p in module.parameters())
    assert (module.table == 3).all()
    assert module.bound == 1


def test_a_module_is_what_it_would_be_but_for_its_values():
    def shapes(module):
        return {name: (p.shape, p.dtype, p.requires_grad) for name, p in module.named_parameters()}

    with hollow(Tensors([])):
        module = Filled()
    assert shapes(module) == shapes(Filled())
