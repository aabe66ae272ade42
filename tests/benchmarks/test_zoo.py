"""The zoo experiment: networks, optimizers and files are what the protocol says."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import cntgraph as cg

HERE = Path(__file__).parents[2] / "benchmarks" / "reproduce"


@pytest.fixture(scope="module")
def zoo():
    """The modules of the experiment, which is a folder of scripts and no package."""
    sys.path.insert(0, str(HERE))
    try:
        import zoo
        import zoo_convolution
        import zoo_networks
        import zoo_passes
        import zoo_training

        yield SimpleNamespace(
            files=zoo, networks=zoo_networks, convolution=zoo_convolution, passes=zoo_passes,
            training=zoo_training,
        )  # fmt: skip
    finally:
        sys.path.remove(str(HERE))
        for name in ("data", "zoo", "zoo_convolution", "zoo_networks", "zoo_passes",
                     "zoo_training"):  # fmt: skip
            sys.modules.pop(name, None)


@pytest.fixture
def short(zoo, monkeypatch):
    """The same experiment with two updates, of few networks."""
    monkeypatch.setattr(zoo.training, "CHECKPOINTS", (0, 1, 2))
    monkeypatch.setattr(zoo.files, "CHECKPOINTS", (0, 1, 2))
    monkeypatch.setattr(zoo.training, "GROUP", 2)
    monkeypatch.setattr(zoo.training, "N_OWN", 50)
    return zoo


def images(zoo):
    rng = np.random.default_rng(0)
    x = rng.random((zoo.training.N_TRAIN, 32, 32), np.float32)
    y = rng.integers(10, size=len(x))
    return zoo.training.Gray(x, y, x[:50], y[:50])


def row_and_settings(zoo, seed=0, **given):
    rng = np.random.default_rng(seed)
    drawn = zoo.networks.draw(0, rng)
    settings = type(drawn)(**{**vars(drawn), **given})
    return zoo.networks.initial_row(settings, rng), settings


class SmallCNN(torch.nn.Module):
    """The zoo's architecture as PyTorch computes it, with the parameters of a row."""

    def __init__(self, zoo, activation, row):
        super().__init__()
        channels = pairwise(zoo.networks.CHANNELS)
        self.activation = {"relu": torch.relu, "tanh": torch.tanh}[activation]
        self.convs = torch.nn.ModuleList(torch.nn.Conv2d(*pair, 3, stride=2) for pair in channels)
        self.dense = torch.nn.Linear(16, 10)
        for name, value in of_row(zoo, row).items():
            self.get_parameter(name).data = value

    def forward(self, x):
        for conv in self.convs:
            x = self.activation(conv(x))
        return self.dense(x.mean((-2, -1)))


def of_row(zoo, row):
    """The parameters in a row as PyTorch has them: outputs first."""
    order = {1: (0,), 2: (1, 0), 4: (3, 2, 0, 1)}
    parts = {p.name: row[p.start : p.stop].reshape(p.shape) for p in zoo.networks.PLACES}
    return {
        name: torch.tensor(part.transpose(order[part.ndim])).contiguous()
        for name, part in parts.items()
    }


def channels_first(x):
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))


@pytest.mark.parametrize("size", [15, 7])
def test_convolutions_and_their_gradients_are_those_of_pytorch(zoo, size):
    rng = np.random.default_rng(size)
    x = rng.standard_normal((5, size, size, 16), np.float32)
    kernel = rng.standard_normal((144, 16), np.float32)
    bias = rng.standard_normal(16, np.float32)
    inputs = channels_first(x).requires_grad_()
    weight = channels_first(kernel.reshape(3, 3, 16, 16).transpose(3, 0, 1, 2)).requires_grad_()
    expected = torch.nn.functional.conv2d(inputs, weight, torch.tensor(bias), stride=2)
    found = zoo.convolution.convolve(x, kernel, bias)
    torch.testing.assert_close(channels_first(found), expected.detach(), rtol=1e-5, atol=1e-4)
    slopes = rng.standard_normal(found.shape, np.float32)
    expected.backward(channels_first(slopes))
    for own, theirs in (
        (channels_first(zoo.convolution.input_gradient(slopes, kernel, size)), inputs.grad),
        (zoo.convolution.kernel_gradient(x, slopes), weight.grad.permute(2, 3, 1, 0)),
    ):
        own = torch.as_tensor(own).reshape(theirs.shape)
        torch.testing.assert_close(own, theirs, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_rows_are_trained_as_modules_by_the_optimizers_of_pytorch(
    zoo, monkeypatch, name, activation
):
    made = {
        "sgd": lambda v: torch.optim.SGD(v, lr=1e-2),
        "adam": lambda v: torch.optim.Adam(v, lr=1e-2, eps=1e-7),
        "rmsprop": lambda v: torch.optim.RMSprop(v, lr=1e-2, alpha=0.9, eps=1e-7),
    }[name]
    row, settings = row_and_settings(
        zoo, activation=activation, w_init="he_normal", optimizer=name, learning_rate=1e-2,
        dropout=0.0, l2reg=1e-2,
    )  # fmt: skip
    data, order = images(zoo), np.arange(64 * 3)
    monkeypatch.setattr(zoo.training, "CHECKPOINTS", (0, 3))
    found, scores = zoo.training.follow(settings, row, order, data, np.random.default_rng(0))[3]
    model = SmallCNN(zoo, activation, row)
    optimizer = made(model.parameters())
    for chosen in np.split(order, 3):
        optimizer.zero_grad()
        x, y = channels_first(data.train_x[chosen][..., None]), torch.tensor(data.train_y[chosen])
        loss = torch.nn.functional.cross_entropy(model(x), y)
        kernels = [v for v in model.parameters() if v.ndim > 1]
        (loss + settings.l2reg * sum(v.square().sum() for v in kernels)).backward()
        optimizer.step()
    before, own = of_row(zoo, row), of_row(zoo, found)
    # By norms: where a slope is next to nothing, its sign is rounding, and RMSprop follows it.
    for key, value in model.named_parameters():
        change = float((value.detach() - before[key]).norm())
        assert float((value.detach() - own[key]).norm()) < 2e-3 * change, key
    x, y = channels_first(data.test_x[..., None]), torch.tensor(data.test_y)
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(model(x), y)
    assert scores["test_loss"] == pytest.approx(float(loss), rel=1e-4)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_gradient_with_dropout_is_that_of_pytorch(zoo, activation):
    row, _ = row_and_settings(zoo, activation=activation, w_init="he_normal", dropout=0.4)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, 32, 32), np.float32), rng.integers(10, size=6)
    drawn = zoo.passes.Dropout.drawn(0.4, 6, rng)
    found = zoo.passes.gradient(activation, row, zoo.passes.patches(x), y, drawn)
    model = SmallCNN(zoo, activation, row)
    z, at = channels_first(x[..., None]), 0
    for conv in model.convs:
        z = model.activation(conv(z))
        own = drawn.draws[at : at + z.numel()].reshape(6, *z.shape[2:], 16)
        at += z.numel()
        z = z * channels_first(own >= round(0.4 * 2**16)) / 0.6
    torch.nn.functional.cross_entropy(model.dense(z.mean((-2, -1))), torch.tensor(y)).backward()
    for key, own in of_row(zoo, found).items():
        slope = model.get_parameter(key).grad
        torch.testing.assert_close(own, slope, rtol=1e-4, atol=1e-6)


def test_a_zoo_that_is_written_is_read_as_the_modules_that_were_trained(short, tmp_path):
    """Graph and labels of from_cnn_zoo against cg.load of the module and its own forward pass."""
    data = images(short)
    (tmp_path / "groups").mkdir()
    trained = [short.training.train_group("mnist", group, data) for group in (0, 1)]
    for group, found in enumerate(trained):
        path = short.files.path_of(tmp_path, group)
        np.savez(path, weights=found.weights, table=json.dumps(found.table))
    assert short.files.write_zoo(tmp_path) == 4
    population = cg.Population.from_cnn_zoo(tmp_path)
    labels = population.labels
    assert labels["step"].tolist() == [0, 1, 2] * 4
    assert labels["network_id"].tolist() == np.repeat(range(4), 3).tolist()
    rows = np.concatenate([found.weights for found in trained])
    x, y = channels_first(data.test_x[..., None]), torch.from_numpy(data.test_y)
    for k, activation in enumerate(labels["config.activation"]):
        model = SmallCNN(short, activation, rows[k]).eval()
        net, own = population[k], cg.load(model, input_shape=(1, 32, 32))
        ours, theirs = cg.node_strength(net), cg.node_strength(own)
        np.testing.assert_allclose(ours, theirs, atol=1e-6, rtol=1e-5)
        with torch.no_grad():
            right = model(x).argmax(1) == y
        assert labels["test_accuracy"][k] == pytest.approx(float(right.float().mean()))


def test_a_group_is_the_same_whenever_it_is_trained(short):
    first, again = (short.training.train_group("mnist", 1, images(short)) for _ in range(2))
    np.testing.assert_array_equal(first.weights, again.weights)
    other = short.training.train_group("cifar10", 1, images(short))
    assert np.abs(first.weights - other.weights).max() > 1e-3


def test_initializers_have_the_deviation_of_keras(zoo):
    """Deviations of the third kernel, of 144 inputs and 16 channels out of 3 × 3 positions."""
    place = zoo.networks.KERNELS[2]
    expected = {"glorot_normal": (2 / 288) ** 0.5, "he_normal": (2 / 144) ** 0.5,
                "RandomNormal": 0.3, "TruncatedNormal": 0.3 * 0.8796}  # fmt: skip
    for name, deviation in expected.items():
        rows = [row_and_settings(zoo, k, w_init=name, init_std=0.3)[0] for k in range(8)]
        values = np.stack(rows)[:, place.start : place.stop]
        assert float(values.std()) == pytest.approx(deviation, rel=0.03), name
    row, _ = row_and_settings(zoo, w_init="orthogonal")
    kernel = row[place.start : place.stop].reshape(144, 16)
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(16), atol=1e-5)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.7])
def test_dropout_drops_its_share_and_keeps_the_mean(zoo, share):
    drawn = zoo.passes.Dropout.drawn(share, 64, np.random.default_rng(0))
    assert drawn.draws.size == 64 * (225 + 49 + 9) * 16
    found = np.ones(drawn.draws.size, np.float32)
    slopes = drawn.bend("relu", found)
    np.testing.assert_array_equal(slopes, found)
    assert np.unique(found) == pytest.approx([0, 1 / (1 - share)])
    assert float(np.mean(found == 0)) == pytest.approx(share, abs=0.005)
    assert float(np.mean(found)) == pytest.approx(1, abs=0.01)
