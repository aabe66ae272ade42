"""A model is left as it was by being loaded."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

import cntgraph as cg


class Stateful(nn.Module):
    """Changes of itself, each time it is called, what a function says."""

    def __init__(self, change):
        super().__init__()
        self.fc, self.norm = nn.Linear(3, 3), nn.BatchNorm1d(3)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.register_buffer("seen", torch.zeros(2, 3))
        self.change, self.n_calls, self.plain = change, 0, torch.zeros(1)

    def forward(self, x):
        x = self.fc(x)
        self.change(self, x)
        return torch.relu(x)


def assigned(m, x):
    m.seen = x
    m.calls = m.calls + 1
    m.fc.weight = nn.Parameter(m.fc.weight + 1)


def counted(m, x):
    m.n_calls += 1
    m.last = x


def trained(m, x):
    m.norm.train()(x.repeat(2, 1))


CHANGES = {
    "a tensor that is no buffer": lambda m, x: m.plain.add_(1),
    "a counter": lambda m, x: m.calls.add_(1),
    "what was seen": lambda m, x: m.seen.mul_(0.5).add_(x.mean() + 1),
    "a part of a buffer": lambda m, x: m.seen[1].copy_(x[0] + 1),
    "an output that is written to": lambda m, x: torch.add(m.seen, 1, out=m.seen),
    "a bias": lambda m, x: m.fc.bias.add_(1),
    "a weight's data": lambda m, x: m.fc.weight.data.mul_(2),
    "a list of tensors": lambda m, x: torch._foreach_add_([m.seen, m.fc.bias], 1),
    "running statistics": lambda m, x: functional.batch_norm(
        torch.ones(4, 3) + m.seen[:1], m.norm.running_mean, m.norm.running_var, training=True),
    "a batch norm that is trained": trained,
    "other tensors": assigned,
    "attributes": counted,
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("how", ["input_shape", "example_input"])
@pytest.mark.filterwarnings("ignore::cntgraph.core.errors.CoverageWarning")
def test_a_model_is_left_as_it_was(change, how):
    model = Stateful(CHANGES[change]).train()
    model.norm.eval()
    before = copy.deepcopy(model.state_dict())
    tensors = {name: id(t) for name, t in model.state_dict(keep_vars=True).items()}
    attributes = set(vars(model))
    net = cg.load(model, **{how: (3,) if how == "input_shape" else torch.ones(1, 3)})
    after = model.state_dict()
    assert {name: id(t) for name, t in model.state_dict(keep_vars=True).items()} == tensors
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert set(vars(model)) == attributes
    assert model.plain == 0
    assert (model.n_calls, model.training, model.norm.training) == (0, True, False)
    np.testing.assert_array_equal(net.parameters["fc.bias"].raw(), model.fc.bias.detach())
    with torch.no_grad():  # which the network goes on to follow
        model.fc.bias.add_(1)
    np.testing.assert_array_equal(net.parameters["fc.bias"].raw(), model.fc.bias.detach())


class Recurrent(nn.Module):
    """Counts before its recurrent layer, which is time first."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 2)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x):
        self.calls += 1
        return self.lstm(x)[0]


def test_looking_for_the_batch_changes_nothing_either():
    model = Recurrent()
    cg.load(model, input_shape=(5, 3))
    assert model.calls == 0


def test_a_model_that_fails_is_left_as_it_was_too():
    def fail(m, x):
        m.calls.add_(1)
        raise ValueError("no")

    model = Stateful(fail)
    with pytest.raises(cg.CntGraphError, match="no"):
        cg.load(model, input_shape=(3,))
    assert model.calls == 0
    assert model.training


def test_an_example_is_left_as_it_was():
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(3, 2))
    for example in (torch.full((1, 3), -1.0), np.full((1, 3), -1.0, np.float32)):
        cg.load(model, example_input=example)
        assert (example == -1).all()


class Seen(TorchDispatchMode):
    """Lists the operations that are carried out while a model runs."""

    def __init__(self):
        super().__init__()
        self.names, self.runs = [], False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if self.runs:
            self.names.append(func._schema.name.removeprefix("aten::"))
        return func(*args, **(kwargs or {}))


def test_modes_that_are_open_see_nothing_of_what_is_traced():
    """They would be told of ten operations on node ids for each of the model's."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.seen = nn.Linear(3, 3), Seen()

        def forward(self, x):
            self.seen.runs = True
            x = torch.relu(self.fc(x).t())
            self.seen.runs = False
            return x

    model = Model()
    with model.seen:
        net = cg.load(model, example_input=torch.ones(1, 3))
        assert torch.utils._python_dispatch._get_current_dispatch_mode() is model.seen
        assert model.seen.names == []
        model(torch.ones(1, 3))
    assert "relu" in model.seen.names
    assert net.n_edges == 9
