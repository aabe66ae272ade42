"""What is off in single precision is rounding, if it is right in double precision."""

import pytest
import torch
from torch import nn

import cntgraph as cg
from benchmarks.compatibility.audit import calls, of_torch
from benchmarks.compatibility.case import Made


class Angles(nn.Module):
    """Adds the sine of angles of some hundred thousand, of which float32 knows two digits."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two, self.three = nn.Linear(4, 4), nn.Linear(4, 2), nn.Linear(4, 2)
        self.angles = nn.Parameter(1e6 * torch.rand(4))

    def forward(self, x):
        y = self.one(x)
        return self.two(y + torch.sin(self.angles * 0.7)) + self.three(y)


class NotInDouble(Angles):
    def forward(self, x):
        return super().forward(x.float())


def audited(model):
    made = Made(model, torch.rand(1, 4, generator=torch.Generator().manual_seed(1)))
    net = cg.load(model, example_input=made.example)
    return made, of_torch._compared(made, net.n_nodes, calls.TOLERANCE), of_torch.audit(made, [net])


def test_rounding_is_no_fault():
    _, single, found = audited(Angles())
    assert [name for name, _ in single["wrong"]]
    assert found["wrong"] == []
    assert found["right"] == found["sums"] + found["traced"] > 3


def test_what_has_no_double_precision_stays_wrong():
    _, single, found = audited(NotInDouble())
    assert {name for name, _ in found["wrong"]} == {name for name, _ in single["wrong"]} != set()
    assert all("; in double precision" in text for _, text in found["wrong"])


@pytest.mark.parametrize("size", [0.1, 1e-6])
def test_a_fault_is_one_in_double_precision_too(size, monkeypatch):
    """A small one as well, beside another that is large enough to be noticed."""
    plain = calls.bias_of
    monkeypatch.setattr(calls, "bias_of", lambda block: plain(block) + size)
    _, single, found = audited(Angles())
    assert single["wrong"]
    assert all(text.endswith("in double precision") for _, text in found["wrong"])
    assert found["wrong"]
