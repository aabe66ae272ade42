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
        import zoo_networks
        import zoo_training

        yield SimpleNamespace(files=zoo, networks=zoo_networks, training=zoo_training)
    finally:
        sys.path.remove(str(HERE))
        for name in ("data", "zoo", "zoo_networks", "zoo_training"):
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
    x = rng.random((zoo.training.N_TRAIN, 32, 32, 1), np.float32)
    y = rng.integers(10, size=len(x))
    return zoo.training.Gray(x, y, x[:50], y[:50])


def rows_and_settings(zoo, n=4, **given):
    rngs = [np.random.default_rng(k) for k in range(n)]
    drawn = [zoo.networks.draw(0, rng) for rng in rngs]
    settings = [type(s)(**{**vars(s), **given}) for s in drawn]
    rows = [zoo.networks.initial_row(s, r) for s, r in zip(settings, rngs, strict=True)]
    return np.stack(rows), settings


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
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_rows_are_trained_as_modules_by_the_optimizers_of_pytorch(zoo, monkeypatch, name):
    made = {
        "sgd": lambda v: torch.optim.SGD(v, lr=1e-2),
        "adam": lambda v: torch.optim.Adam(v, lr=1e-2, eps=1e-7),
        "rmsprop": lambda v: torch.optim.RMSprop(v, lr=1e-2, alpha=0.9, eps=1e-7),
    }[name]
    rows, settings = rows_and_settings(
        zoo, activation="tanh", w_init="he_normal", optimizer=name, learning_rate=1e-2, dropout=0.0
    )
    data, order = images(zoo), np.arange(4 * 64 * 3).reshape(4, -1)
    monkeypatch.setattr(zoo.training, "CHECKPOINTS", (0, 3))
    rng = np.random.default_rng(0)
    found, scores = zoo.training.follow(settings, rows, order, data, rng)[3]
    assert len(scores) == 4
    for k, row in enumerate(rows):
        model = SmallCNN(zoo, "tanh", row)
        optimizer = made(model.parameters())
        for chosen in np.split(order[k], 3):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(
                model(channels_first(data.train_x[chosen])), torch.from_numpy(data.train_y[chosen])
            )
            kernels = [v for v in model.parameters() if v.ndim > 1]
            (loss + settings[k].l2reg * sum(v.square().sum() for v in kernels)).backward()
            optimizer.step()
        before, own = of_row(zoo, row), of_row(zoo, found[k])
        # By norms: where a slope is next to nothing, its sign is rounding, and RMSprop follows it.
        for key, value in model.named_parameters():
            change = float((value.detach() - before[key]).norm())
            assert float((value.detach() - own[key]).norm()) < 2e-3 * change, key


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
    x, y = channels_first(data.test_x), torch.from_numpy(data.test_y)
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
        rows, _ = rows_and_settings(zoo, n=8, w_init=name, init_std=0.3)
        values = rows[:, place.start : place.stop]
        assert float(values.std()) == pytest.approx(deviation, rel=0.03), name
    rows, _ = rows_and_settings(zoo, n=1, w_init="orthogonal")
    kernel = rows[0, place.start : place.stop].reshape(144, 16)
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(16), atol=1e-5)


def test_dropout_drops_its_share_and_keeps_the_mean(zoo):
    shares = np.array([0.001, 0.3, 0.7], np.float32)
    drawn = zoo.training.dropout(shares, np.random.default_rng(0))
    for k, share in enumerate(shares):
        found, rest = zoo.networks.Dropout(drawn.draws[k], share).of(np.ones((64, 15, 15, 16)))
        assert rest.draws.size == 64 * (49 + 9) * 16
        values = np.unique(found)
        assert values == pytest.approx([0, 1 / (1 - share)])
        assert float(np.mean(found == 0)) == pytest.approx(share, abs=0.005)
        assert float(np.mean(found)) == pytest.approx(1, abs=0.01)
