"""What is recorded of a network: the table of analyze, and histograms of the same values."""

import numpy as np
import pandas as pd
import pytest
from oracles.nets import nets

import cntgraph as cg
from cntgraph.core.parameter import Parameter
from cntgraph.measures.layer_values import DISTRIBUTIONS, values_by_layer
from cntgraph.measures.survey import layer_bins, survey_layers
from cntgraph.network.blocks import Dense
from cntgraph.network.blocks.histogram import Bins

NETS = nets()


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


def test_the_rows_are_those_of_analyze(net):
    found = pd.DataFrame(survey_layers(net, layer_bins(net)).rows).set_index("layer")
    pd.testing.assert_frame_equal(found, cg.analyze(net), check_exact=True)


def test_there_are_bins_for_every_layer_that_has_values(net):
    expected = [(m, layer) for m in DISTRIBUTIONS for layer in values_by_layer(net, m)]
    assert list(layer_bins(net)) == expected


def test_histograms_are_those_of_the_samples(net):
    bins = layer_bins(net)
    found = survey_layers(net, bins).counts
    for counts, ((measure, layer), own) in zip(found, bins.items(), strict=True):
        values = values_by_layer(net, measure)[layer]
        np.testing.assert_array_equal(counts, own.count(values))
        assert counts.sum() == values.size > 0
        assert own == Bins.about(values)


class CountingParameter:
    """Counts how many values are read."""

    def __init__(self, array):
        self.array, self.shape, self.n_read = array, array.shape, 0

    def __getitem__(self, key):
        self.n_read += self.array[key].size
        return self.array[key]


def test_every_weight_is_read_once():
    net = cg.toy("cnn")
    handles = {n: CountingParameter(p.raw()) for n, p in net.parameters.items()}
    parameters = {n: Parameter(n, p.shape, p.dtype, handles[n]) for n, p in net.parameters.items()}
    bins = layer_bins(net)
    survey_layers(net.bind(parameters, {}), bins)
    assert {n: h.n_read for n, h in handles.items()} == {n: p.size for n, p in parameters.items()}


def test_large_layers_are_judged_by_some_of_their_weights():
    rng = np.random.default_rng(0)
    weight = Parameter.from_array("w", rng.normal(3.0, 0.5, (400, 1000)))
    net = cg.load({"w": weight.raw()})
    (own,) = (b for (m, _), b in layer_bins(net).items() if m == "link_weights")
    assert own.center == pytest.approx(3.0, abs=0.02)
    assert own.spread == pytest.approx(0.5, rel=0.03)


def test_weights_that_are_not_finite_are_counted_apart():
    net = cg.toy("mlp")
    weight = np.array(net.parameters["fc2.weight"].raw())
    weight[0, :3] = np.nan, np.inf, -np.inf
    parameters = {**net.parameters, "fc2.weight": Parameter.from_array("fc2.weight", weight)}
    bins = layer_bins(net)
    found = survey_layers(net.bind(parameters, {}), bins)
    by_key = dict(zip(bins, found.counts, strict=True))
    assert by_key["link_weights", "fc2"][-1] == 3
    assert by_key["link_weights", "fc1"][-1] == 0
    assert by_key["in_strength", "fc2"][-1] == 1
    assert [row["status"] for row in found.rows].count("non-finite weights") == 1


def test_a_block_that_does_not_count(monkeypatch):
    """Of a third party: its weights are read once more."""
    own = Dense._sums
    monkeypatch.setattr(Dense, "_sums", lambda self, t, statistics: own(self, t, bool(statistics)))
    net = cg.toy("mlp")
    bins = layer_bins(net)
    found = dict(zip(bins, survey_layers(net, bins).counts, strict=True))
    assert found["link_weights", "fc1"].sum() == 48
