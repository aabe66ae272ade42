"""Plain statistics of weights and biases."""

import sys
from functools import partial

import numpy as np
import pandas as pd
import torch

import cntgraph as cg
from cntgraph.core.order_statistics import order_statistics
from cntgraph.core.parameter import Parameter
from cntgraph.training.statistics.weight_statistics import weight_statistics

module = sys.modules[weight_statistics.__module__]


def test_statistics_of_every_layer():
    model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(),
                                torch.nn.Linear(6, 3, bias=False))  # fmt: skip
    found = weight_statistics(cg.load(model, example_input=torch.zeros(1, 4)))
    expected = {}
    tensors = {"0/weight": model[0].weight, "0/bias": model[0].bias, "2/weight": model[2].weight}
    for name, tensor in tensors.items():
        values = tensor.detach().numpy().astype(np.float64)
        expected |= {f"{name}_mean": values.mean(), f"{name}_var": values.var()}
        for q in (0, 25, 50, 75, 100):
            expected[f"{name}_q{q}"] = np.percentile(values, q)
    assert found.index.tolist() == list(expected)
    np.testing.assert_allclose(found, list(expected.values()))


def test_weights_that_are_not_finite_have_no_statistics():
    net = cg.toy("mlp")
    for bad in (np.nan, np.inf):
        values = net.parameters["fc1.weight"].raw().copy()
        values[0, 0] = bad
        parameter = Parameter.from_array("fc1.weight", values)
        found = weight_statistics(net.bind({**net.parameters, "fc1.weight": parameter}, {}))
        assert found["fc1/weight_mean":"fc1/weight_q100"].isna().all()
        assert found["fc1/bias_mean":].notna().all()


def test_many_weights_are_read_part_by_part_with_the_same_statistics(monkeypatch):
    """Pruned ones too, of which most are equal, and what is not finite."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3000, 700)) * (rng.random((3000, 700)) < 0.3)
    bad = values.copy()
    bad[5, 5] = np.inf
    nets = [cg.load([own.astype(np.float32), rng.normal(size=(700, 9))]) for own in (values, bad)]
    expected = [weight_statistics(net) for net in nets]
    monkeypatch.setattr(module, "_AT_ONCE", 1000)
    monkeypatch.setattr(module, "order_statistics", partial(order_statistics, held=10))
    found = [weight_statistics(net) for net in nets]
    for one, other in zip(found, expected, strict=True):
        pd.testing.assert_series_equal(one, other, rtol=1e-12)
    assert found[1].isna().any()
