"""What is written in place: over constants, weights, and parts of them."""

import copy
from contextlib import nullcontext

import pytest
import torch
from oracles.propagate import propagate
from oracles.torch_checks import outputs_of, saved
from torch import nn

import cntgraph as cg
from cntgraph.core.errors import TraceError


class Written(nn.Module):
    input_shape = (3,)

    def __init__(self, function):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.function, self.two = nn.Linear(3, 3), function, nn.Linear(3, 2)
        self.weight = nn.Parameter(torch.tensor([[1.5, -0.5, 0.25]]))
        self.register_buffer("seen", torch.tensor([[2.0, 3.0, -1.0]]))

    def forward(self, x):
        return self.two(self.function(self, self.one(x)))


def ones_and(write):
    def function(m, x):
        y = torch.ones_like(m.seen)
        write(y, x)
        return y + x

    return function


def weight_and(write):
    def function(m, x):
        y = m.weight.clone()
        write(y, x)
        return y + x

    return function


def of_empty(m, x):
    y = torch.empty_like(m.seen)
    y[:, :1] = x[:, 1:2]
    y[:, 1:] = m.seen[:, 1:] * x[:, :2]
    return y


def buffer_and(write):
    def function(m, x):
        write(m.seen, x)
        return x * 2 + m.seen

    return function


WRITES = {
    "a sum": lambda y, x: y.add_(x),
    "a product, then a sum": lambda y, x: y.mul_(2).add_(x),
    "a part": lambda y, x: y[:, 1:].add_(x[:, :2]),
    "a part that is put in": lambda y, x: y[:, 1:].copy_(x[:, :2]),
    "all of it": lambda y, x: y.copy_(x),
    "a multiple": lambda y, x: y.mul_(3),
    "a part of it twice": lambda y, x: y[:, :1].mul_(2),
    "numbers": lambda y, x: y[:, :2].fill_(0.5),
}
MEMORY = {"a constant": ones_and, "a weight": weight_and, "a buffer": buffer_and}
CASES = {f"{what} of {of}": make(write) for of, make in MEMORY.items()
         for what, write in WRITES.items()} | {"memory without values": of_empty}  # fmt: skip


PARTS = ("a part", "a part that is put in", "a part of it twice", "numbers")
#: What a program does not say well enough: which weights share memory.
REFUSED = {f"{part} of {of}, pt2" for part in PARTS for of in ("a weight", "a buffer")}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("way", ["live", "example", "pt2"])
@pytest.mark.filterwarnings("ignore::cntgraph.core.errors.CoverageWarning")
def test_what_is_written_in_place_is_what_is_read_afterwards(case, way, tmp_path):
    model = Written(CASES[case]).double().eval()
    x = torch.tensor([[0.5, -1.0, 2.0]], dtype=torch.float64)
    with torch.no_grad():
        expected = copy.deepcopy(model)(x)
    refused = f"{case}, {way}" in REFUSED
    with pytest.raises(TraceError, match="in place") if refused else nullcontext():
        if way == "pt2":
            net = cg.load(saved(model, tmp_path / "model.pt2"))
        else:
            given = {"input_shape": (3,)} if way == "live" else {"example_input": x}
            net = cg.load(model, **given)
    if refused:
        return
    _, after = propagate(net, x[0].numpy())
    assert torch.allclose(torch.as_tensor(outputs_of(net, after)), expected.reshape(-1))
