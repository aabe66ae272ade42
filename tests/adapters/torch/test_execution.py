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


class Residual(nn.Module):
    """Convolutions, batch norms, a branch that is added, functions in place, a pooling."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.second, self.other = nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.BatchNorm2d(4)
        self.relu, self.pool = nn.ReLU(inplace=True), nn.MaxPool2d(2)
        self.head = nn.Linear(4 * 9, 3)

    def forward(self, x):
        x = self.relu(self.norm(self.first(x)))
        x = self.relu(x + self.other(self.second(x)))
        return self.head(self.pool(x).flatten(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class Fused(nn.Module):
    """A transformer of PyTorch's own layers, on tokens."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True,
                                                activation="gelu")  # fmt: skip
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.layer(self.embed(x)).mean(1))


class ByHand(nn.Module):
    """Attention, a GELU and a layer norm operation by operation; heads and samples on one axis."""

    def __init__(self):
        super().__init__()
        self.norm, self.qkv = nn.LayerNorm(8), nn.Linear(8, 24)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, t, 3, 2, 4).permute(2, 0, 3, 1, 4)
        q, k, v = (part.reshape(2 * n, t, 4) for part in (q, k, v))
        soft = (q @ k.transpose(-1, -2) * 0.5).softmax(-1)
        x = x + (soft @ v).reshape(n, 2, t, 4).transpose(1, 2).reshape(n, t, d)
        h = self.up(x)
        x = x + self.down(h * 0.5 * (1 + torch.tanh(0.79788456 * (h + 0.044715 * h**3))))
        centred = x - x.mean(-1, keepdim=True)
        return centred * torch.rsqrt((centred**2).mean(-1, keepdim=True) + 1e-5)


class Crossed(nn.Module):
    """Samples last, then features and samples on one axis."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 4))
        self.other = nn.Parameter(torch.randn(1, 6))

    def forward(self, x):
        n = len(x)
        rows = (self.weight @ x.T).reshape(5 * n, 1) @ self.other
        return torch.tanh(rows).reshape(5, n, 6).permute(1, 0, 2)


class Apart(nn.Module):
    """Gates that are parts of one layer, and a function of a part of one."""

    def __init__(self):
        super().__init__()
        self.gates, self.head = nn.Linear(4, 12), nn.Linear(4, 3)

    def forward(self, x):
        one, two, three = self.gates(x).chunk(3, -1)
        return self.head(torch.sigmoid(one) * torch.tanh(two) + torch.relu(three))


AUTOENCODER = nn.Sequential(
    nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.LeakyReLU(0.1), nn.ConvTranspose2d(4, 1, 4, 2, 1),
    nn.Sigmoid(),
)  # fmt: skip
#: Modules, the shape of a sample, and what is not seen: what PyTorch computes in one operation.
CASES = {
    "mlp": (nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3), nn.Softmax(-1)), (4,), ""),
    "residual": (Residual(), (3, 6, 6), ""),
    "autoencoder": (AUTOENCODER, (1, 8, 8), ""),
    "recurrent": (Recurrent(), (5, 3), "gate candidate cell"),
    "fused": (Fused(), (6,), "scores"),
    "by hand": (ByHand(), (6, 8), ""),
    "crossed": (Crossed(), (4,), ""),
    "apart": (Apart(), (4,), ""),
    "average": (nn.Sequential(nn.Conv2d(2, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()), (2, 4, 4),
                ""),
}  # fmt: skip


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def with_numbers(model):
    """Give norms gains, shifts and statistics that are not trivial."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    return model


def options(name, n=1):
    model, shape, _ = CASES[name]
    if name == "fused":
        tokens = torch.randint(0, 10, (n, *shape))
        return with_numbers(model), {"example_input": tokens[:1]}, tokens.numpy()
    given = {"input_shape": shape} | ({"unroll": shape[0]} if name == "recurrent" else {})
    return with_numbers(model), given, torch.randn(n, *shape).numpy()


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
    with pytest.raises(InputShapeError, match="got nothing"):
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
