"""A training whose measures are known otherwise: by `analyze`, and by NumPy's histograms."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import cntgraph as cg
from cntgraph.measures.layer_values import layer_values

SHAPE = (1, 6, 6)
MEASURES = ("strength_mean", "fluctuation", "link_weight_mean", "link_weight_std")


class Shown(NamedTuple):
    """What is to be read back of a snapshot, and from where."""

    step: int
    epoch: float
    scalars: dict[str, float]
    values: dict[str, np.ndarray]

    def check_histogram(self, name: str, edges: Any, counts: Any) -> None:
        """The counts are those of the values; one at an edge may be in either bin."""
        values, edges = self.values[name], np.asarray(edges)
        assert (np.diff(edges) > 0).all()
        assert edges[0] <= values.min() <= values.max() <= edges[-1]
        below = np.concatenate([[0], np.cumsum(counts)])
        assert below[-1] == values.size
        nudge = 1e-9 * np.ptp(values)
        assert (below >= [(values < edge - nudge).sum() for edge in edges]).all()
        assert (below <= [(values <= edge + nudge).sum() for edge in edges]).all()


def shown(model: Any, step: int, epoch: float) -> Shown:
    net = cg.load(model, input_shape=SHAPE)
    scalars, values = {}, {}
    for name, row in cg.analyze(net).iterrows():
        for measure in MEASURES if row["n_weights"] else MEASURES[:2]:
            scalars[f"cntgraph/{measure}/{name}"] = float(row[measure])
        values[f"cntgraph/strength/{name}"] = layer_values(net, "strength", name)
        if row["n_weights"]:
            values[f"cntgraph/link_weights/{name}"] = layer_values(net, "link_weights", name)
    return Shown(step, epoch, scalars | {"cntgraph/epoch": epoch}, values)


def made() -> Any:
    import torch
    from torch import nn

    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 2)]
    return nn.Sequential(*layers)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.h5"


@pytest.fixture
def trained(path: Path):
    """Record a training in sinks, and return what they are to show."""

    def trained(sinks: Any, n: int = 3, **options: Any) -> list[Shown]:
        model, expected = made(), []
        with cg.Recorder(path, model, input_shape=SHAPE, sinks=sinks, **options) as record:
            for k in range(n):
                record(step=10 * k, epoch=k / 2)
                expected.append(shown(model, 10 * k, k / 2))
                for parameter in model.parameters():
                    parameter.data.mul_(1.5).add_(0.01)
        return expected

    return trained
