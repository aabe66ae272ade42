import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cntgraph as cg
from cntgraph.activity.time_steps import time_steps


class Of(nn.Module):
    """A module of two convolutions, and what is done between them."""

    def __init__(self, between):
        super().__init__()
        self.first, self.last = nn.Conv1d(2, 3, 5, padding=2), nn.Conv1d(3, 4, 3, padding=1)
        self.between = between

    def forward(self, x):
        return self.last(self.between(self.first(x)))


@pytest.mark.parametrize(
    ("between", "step"),
    [
        (lambda y: y, 1),
        (lambda y: y.relu()[:, :, ::2], 2),
        (lambda y: y[:, :, 5:-3], 1),
        (lambda y: y.flip(-1), 1),
        (lambda y: F.pad(y, (7, 2)), 1),
        (lambda y: F.pad(y, (3, 3), mode="circular"), 1),
        (lambda y: F.max_pool1d(y, 3, stride=2, padding=1), 2),
        (lambda y: F.avg_pool1d(y, 4), 4),
        (lambda y: F.adaptive_avg_pool1d(y, 16), 4),
        (lambda y: F.interpolate(y, scale_factor=2), 0.5),
        (lambda y: F.interpolate(y, scale_factor=3, mode="linear"), 1 / 3),
        (lambda y: y + torch.sigmoid(y), 1),
        (lambda y: torch.cat([y, y], -1), 1),
        (lambda y: y.mean(-1, keepdim=True).expand(-1, -1, 9), np.nan),
    ],
)  # fmt: skip
def test_what_moves_time(between, step):
    net = cg.load(Of(between).eval(), input_shape=(2, 64))
    found = time_steps(net)
    assert list(found) == [layer.name for layer in net.layers]
    assert found["last"] == pytest.approx(step, nan_ok=True)


def test_strides_multiply():
    model = nn.Sequential(
        nn.Conv1d(1, 2, 30, stride=3), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(2, 2, 3, stride=2),
        nn.ConvTranspose1d(2, 2, 4, stride=4), nn.Flatten(), nn.Linear(200, 2),
    )  # fmt: skip
    net = cg.load(model.eval(), input_shape=(1, 342))
    steps = [time_steps(net)[layer.name] for layer in net.layers]
    np.testing.assert_array_equal(steps, [1, 3, 6, 12, 3, np.nan])


class Last(nn.Module):
    def __init__(self, kind, **options):
        super().__init__()
        self.cells = getattr(nn, kind)(3, 4, batch_first=True, **options)
        self.out = nn.Linear(4 * (1 + options.get("bidirectional", False)), 2)

    def forward(self, x):
        return self.out(self.cells(x)[0][:, -1])


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
def test_recurrent_layers_step_with_the_input(kind, options):
    net = cg.load(Last(kind, **options).eval(), input_shape=(6, 3), unroll=6)
    steps = time_steps(net, axis=0)
    assert {name for name, step in steps.items() if step != 1} == {"out"}
