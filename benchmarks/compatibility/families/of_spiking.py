"""snntorch, norse and spikingjelly: the networks of their tutorials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import torch
from torch import nn

from ..audit.of_torch import unlike_start
from ..case import Case, Made


def cases() -> Iterator[Case]:
    """Yield every network below."""
    for name, make in _NETWORKS.items():
        yield Case(name, partial(_made, make))


def _made(make: Callable[[], nn.Module]) -> Made:
    torch.manual_seed(0)
    model = unlike_start(make())
    shape = (1, 1, 12, 12) if any(isinstance(m, nn.Conv2d) for m in model.modules()) else (1, 8)
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model(x)
    return Made(model, x)


class _Steps(nn.Module):
    """A network of spiking neurons whose input is shown for some steps."""

    def __init__(self, layers: list[nn.Module], stateful: tuple[type, ...]) -> None:
        super().__init__()
        self.layers, self.stateful = nn.ModuleList(layers), stateful

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            if callable(getattr(layer, "reset", None)):  # of spikingjelly: they keep their states
                layer.reset()
        states: list[Any] = [None] * len(self.layers)
        total: Any = 0
        for _ in range(3):
            y = x
            for k, layer in enumerate(self.layers):
                if isinstance(layer, self.stateful):
                    y, states[k] = layer(y) if states[k] is None else layer(y, states[k])
                else:
                    y = layer(y)
            total = total + y
        return torch.as_tensor(total)


def _snntorch(kind: str, convolutional: bool = False, **options: Any) -> nn.Module:
    snn = import_module("snntorch")
    cell = partial(getattr(snn, kind), **options)
    if convolutional:
        layers = [nn.Conv2d(1, 3, 3), cell(beta=0.9), nn.MaxPool2d(2), nn.Flatten(),
                  nn.Linear(75, 4), cell(beta=0.9)]  # fmt: skip
    else:
        layers = [nn.Linear(8, 6), cell(beta=0.9), nn.Linear(6, 4), cell(beta=0.9)]
    return _Steps(layers, (getattr(snn, kind),))


def _norse(kind: str) -> nn.Module:
    norse = import_module("norse.torch")
    cell = getattr(norse, kind)
    return _Steps([nn.Linear(8, 6), cell(), nn.Linear(6, 4), cell()], (cell,))


def _spikingjelly(kind: str, convolutional: bool = False) -> nn.Module:
    neuron = import_module("spikingjelly.activation_based.neuron")
    cell = getattr(neuron, kind)
    if convolutional:
        layers = [nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), cell(), nn.AvgPool2d(2), nn.Flatten(),
                  nn.Linear(75, 4), cell()]  # fmt: skip
    else:
        layers = [nn.Linear(8, 6), cell(), nn.Linear(6, 4), cell()]
    return _Steps(layers, ())


_NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "snntorch Leaky": partial(_snntorch, "Leaky"),
    "snntorch Leaky, convolutional": partial(_snntorch, "Leaky", True),
    "snntorch Leaky, reset to zero": partial(_snntorch, "Leaky", reset_mechanism="zero"),
    "snntorch Lapicque": partial(_snntorch, "Lapicque"),
    "norse LIFCell": partial(_norse, "LIFCell"),
    "norse LIFBoxCell": partial(_norse, "LIFBoxCell"),
    "norse LICell": partial(_norse, "LICell"),
    "norse LIFAdExCell": partial(_norse, "LIFAdExCell"),
    "spikingjelly IFNode": partial(_spikingjelly, "IFNode"),
    "spikingjelly LIFNode": partial(_spikingjelly, "LIFNode"),
    "spikingjelly LIFNode, convolutional": partial(_spikingjelly, "LIFNode", True),
    "spikingjelly ParametricLIFNode": partial(_spikingjelly, "ParametricLIFNode"),
}
