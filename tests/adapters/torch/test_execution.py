"""Modules that run on data: what PyTorch computes, by the nodes of the network."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import cntgraph as cg
from cntgraph.adapters.registry import execution
from cntgraph.core.errors import InputShapeError, TraceError
from tests.oracles.executed import check_batches, check_strengths, unknown
from tests.oracles.executed_models import CASES, options, with_numbers


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("name", CASES)
def test_what_layers_receive_is_what_their_edges_hand_on(name):
    model, given, x = options(name, 5)
    run = execution(model, **given)
    net = cg.load(model, **given)
    assert [*net.layers] == [*run.net.layers]
    values = check_batches(run, (x,))
    assert check_strengths(run.net, values) >= (1 if name in ("recurrent", "crossed") else 2)
    parts = CASES[name][2].split()
    assert all(any(part in layer for part in parts) for layer in unknown(run, values))


@pytest.mark.parametrize("name", CASES)
def test_the_output_is_that_of_the_model(name):
    model, given, x = options(name, 4)
    run = execution(model, **given)
    with torch.no_grad():
        wanted = model.eval()(torch.from_numpy(x)).reshape(4, -1).numpy()
    found = [run.run((x,))[layer.name] for layer in run.net.layers if layer.is_output]
    assert any(
        np.allclose(np.sort(values.activation, 1), np.sort(wanted, 1), atol=1e-5)
        for values in found
    )


def test_modules_show_the_same_to_hooks():
    model, given, x = options("residual", 3)
    run, seen = execution(model, **given), {}

    def keep(module, _, made):
        name = next(name for name, own in model.named_modules() if own is module)
        seen.setdefault(name, made.clone().flatten(1).numpy())

    values = run.run((x,))
    for module in model.children():
        module.register_forward_hook(keep)
    with torch.no_grad():
        model.eval()(torch.from_numpy(x))
    assert np.allclose(values["first"].strength, seen["norm"])
    assert np.allclose(values["first"].activation, seen["relu"])
    assert np.allclose(values["pool"].activation, seen["pool"])
    assert np.allclose(values["head"].strength, seen["head"])


def test_a_model_is_left_as_it_was():
    model, given, x = options("residual", 3)
    model.train()
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    execution(model, **given).run((x,))
    assert model.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_inputs_are_not_written_over_and_may_be():
    x = np.full((2, 3), -1.0, np.float32)
    values = execution(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(3, 2)),
                       input_shape=(3,)).run((x,))  # fmt: skip
    assert (x == -1.0).all()
    layer = values["input"]
    assert (layer.strength == -1.0).all()
    assert (layer.activation == 0.0).all()


def test_half_precision_is_handed_out_in_single():
    run = execution(nn.Sequential(nn.Linear(3, 2), nn.ReLU()).bfloat16(), input_shape=(3,))
    assert run.run((np.ones((2, 3), np.float32),))["0"].activation.dtype == np.float32
    run = execution(nn.Sequential(nn.Linear(3, 2)).double(), input_shape=(3,))
    assert run.run((np.ones((2, 3)),))["0"].strength.dtype == np.float64


def test_weights_that_change_are_run_as_they_are():
    model = nn.Sequential(nn.Linear(3, 2))
    run, x = execution(model, input_shape=(3,)), np.ones((1, 3), np.float32)
    before = run.run((x,))["0"].strength.copy()
    with torch.no_grad():
        model[0].bias += 1.0
    assert np.allclose(run.run((x,))["0"].strength, before + 1.0)


def test_what_the_batch_changes_is_run_sample_by_sample():
    class Looking(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 2)

        def forward(self, x):
            return torch.cat([torch.relu(self.linear(row)) for row in x.split(1)])

    run = execution(Looking(), input_shape=(3,))
    values = check_batches(run, (torch.randn(4, 3).numpy(),))
    assert check_strengths(run.net, values) == 1


def test_a_model_for_one_sample_is_run_sample_by_sample():
    class Joined(nn.Module):
        def __init__(self):
            super().__init__()
            self.token, self.linear = nn.Parameter(torch.randn(1, 1, 3)), nn.Linear(3, 2)

        def forward(self, x):
            return self.linear(torch.cat([self.token, x], 1))

    run = execution(Joined(), input_shape=(4, 3))
    values = check_batches(run, (torch.randn(3, 4, 3).numpy(),))
    assert check_strengths(run.net, values) == 2
    assert not unknown(run, values)


def test_a_model_that_does_something_else_for_other_data_is_an_error():
    class Choosing(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 3)

        def forward(self, x):
            return self.linear(x) if x.sum() <= 0 else torch.tanh(self.linear(x))

    run = execution(Choosing(), input_shape=(3,))
    with pytest.raises(TraceError, match="tanh"):
        run.run((np.ones((2, 3), np.float32),))


def test_inputs_that_do_not_fit_are_errors():
    run = execution(nn.Linear(3, 2), input_shape=(3,))
    with pytest.raises(InputShapeError, match="axis 0"):
        run.run((np.ones((2, 4), np.float32),))
    with pytest.raises(InputShapeError, match="at least one sample"):
        run.run((np.ones((0, 3), np.float32),))
    with pytest.raises(InputShapeError, match="expected 1 inputs, got 0"):
        run.run(())
    with pytest.raises(InputShapeError, match="expected 1 inputs, got 2"):
        run.run((np.ones((2, 3), np.float32), np.ones((2, 3), np.float32)))


def test_weights_alone_are_run_by_no_framework():
    assert execution(nn.Linear(3, 2).state_dict()) is None
    assert execution({"a.weight": np.ones((2, 3))}) is None


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_small_convolutional_networks(data):
    draw = data.draw
    groups, size = draw(st.integers(1, 2)), draw(st.integers(5, 8))
    layers, channels = [], 2
    for _ in range(draw(st.integers(1, 2))):
        made = 2 * draw(st.integers(1, 2))
        layers += [
            nn.Conv2d(channels, made, draw(st.integers(1, 3)), stride=draw(st.integers(1, 2)),
                      padding=draw(st.integers(0, 2)), groups=groups, bias=draw(st.booleans())),
            draw(st.sampled_from([nn.BatchNorm2d(made), nn.Identity()])),
            draw(st.sampled_from([nn.ReLU(inplace=True), nn.SiLU(), nn.Identity()])),
        ]  # fmt: skip
        channels = made
    model = with_numbers(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                                       nn.Linear(channels, 2)))  # fmt: skip
    run = execution(model, input_shape=(2, size, size))
    values = check_batches(run, (torch.randn(3, 2, size, size).numpy(),))
    assert not unknown(run, values)
    assert check_strengths(run.net, values) == len(run.net.layers) - 1
