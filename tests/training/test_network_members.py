"""Populations of networks in the caller's hands: the same tables as of files."""

import pickle

import numpy as np
import pandas as pd
import pytest
from oracles.changed import changed
from pandas.testing import assert_frame_equal

import cntgraph as cg
from cntgraph.core.errors import CntGraphError
from cntgraph.training.network_members import NetworkMembers

ACCURACY = [0.9, 0.95, 0.1, 0.2, 0.5, 0.85, 0.05]


@pytest.fixture(scope="module")
def nets():
    return [changed(cg.toy("cnn"), seed, 0.1 + 0.1 * seed) for seed in range(7)]


@pytest.fixture(scope="module")
def both(nets, tmp_path_factory):
    """The same networks in memory, and in a file each."""
    folder = tmp_path_factory.mktemp("files")
    for k, net in enumerate(nets):
        cg.save(net, folder / f"{k}.h5", accuracy=ACCURACY[k])
    files = cg.Population.from_files(folder / "*.h5")
    return cg.Population.from_networks(nets, {"accuracy": ACCURACY}), files


def without_path(table):
    return table.drop(columns="path", errors="ignore")


def test_tables_are_those_of_files(both):
    memory, files = both
    assert_frame_equal(memory.analyze(), without_path(files.analyze()), rtol=1e-9)
    options = {"granularity": "channel"}
    assert_frame_equal(memory.analyze(**options), without_path(files.analyze(**options)), rtol=1e-9)
    found = [p.divergence("strength", "fc", bins=2) for p in both]
    assert_frame_equal(*found, rtol=1e-9)
    found = [p.separation(measures=["fluctuation"]) for p in both]
    assert_frame_equal(*found, rtol=1e-9)


@pytest.mark.parametrize("client", ["threads", "processes"])
def test_it_is_measured_anywhere(both, client):
    memory, _ = both
    assert_frame_equal(memory.analyze(client=client), memory.analyze())


def test_a_part_and_one_of_them(both, nets):
    memory, _ = both
    assert len(memory[2:5]) == 3
    assert memory[2:5].labels["accuracy"].tolist() == ACCURACY[2:5]
    assert memory[-1].labels == {"accuracy": ACCURACY[-1]}
    np.testing.assert_array_equal(cg.node_strength(memory[3]), cg.node_strength(nets[3]))
    assert repr(memory) == "<Population: 7 networks in memory>"


def test_of_other_topologies_and_a_network_that_diverged(nets):
    broken = changed(cg.toy("mlp"), 0, np.nan)
    population = cg.Population.from_networks([*nets[:5], cg.toy("mlp"), broken])
    table = population.analyze()
    expected = [cg.analyze(net)["fluctuation"] for net in [*nets[:5], cg.toy("mlp"), broken]]
    np.testing.assert_allclose(table["fluctuation"], np.concatenate(expected))
    assert population.diverged["network"].tolist() == [6]


def test_networks_of_one_topology_are_measured_together(nets):
    assert NetworkMembers(tuple(nets), tuple(range(7))).template is nets[0]
    some = NetworkMembers((*nets[:6], cg.toy("mlp")), tuple(range(7)))
    assert some.template is None
    (batch,) = NetworkMembers(tuple(nets), tuple(range(7))).batches([1, 3])
    assert [*pickle.loads(pickle.dumps(batch)).stacked().parameters] == [*nets[0].parameters]


def test_labels_of_networks_and_of_the_caller(nets, tmp_path):
    own = [net.bind(net.parameters, {"step": k, "seed": 1}) for k, net in enumerate(nets[:3])]
    table = pd.DataFrame({"seed": [5, 6, 7]}, index=[9, 8, 7])
    table.to_csv(tmp_path / "labels.csv", index=False)
    for labels in (table, {"seed": [5, 6, 7]}, tmp_path / "labels.csv"):
        found = cg.Population.from_networks(iter(own), labels).labels
        assert found.to_dict("list") == {"step": [0, 1, 2], "seed": [5, 6, 7]}
    assert cg.Population.from_networks(own).labels["seed"].tolist() == [1, 1, 1]


def test_a_trajectory_is_one(tmp_path):
    with cg.open(cg.demo_file("training")) as trajectory:
        population = cg.Population.from_networks(trajectory[::5])
        assert population.labels["accuracy"].tolist() == trajectory[::5].labels["accuracy"].tolist()
        expected = trajectory[::5].analyze()["fluctuation"]
        np.testing.assert_allclose(population.analyze()["fluctuation"], expected)


def test_what_does_not_fit_is_refused(nets):
    for given, labels, said in (
        ([], None, "at least one network"),
        (["a.h5"], None, "got a str; cg.load makes one"),
        (nets, {"accuracy": [1, 2]}, "expected one row of labels for each of 7 networks, got 2"),
        (nets, {"a": [1, 2], "b": [1]}, "lists of one length each"),
    ):
        with pytest.raises(CntGraphError, match=said):
            cg.Population.from_networks(given, labels)


def test_a_factor_that_all_channels_share_is_one_weight():
    import torch

    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 3, 3)
            self.gain = torch.nn.Parameter(torch.randn(1))

        def forward(self, x):
            return torch.relu(self.conv(x)) * self.gain

    nets = [cg.load(Scaled(), input_shape=(1, 6, 6)) for _ in range(20)]
    assert nets[0].blocks[-1].kind == "diagonal"
    population = cg.Population.from_networks(nets)
    found = population.analyze()
    assert found.loc[found["layer"] == "mul", "n_weights"].tolist() == [1] * 20
    expected = pd.concat([cg.analyze(net) for net in nets])
    for column in ("n_weights", "fluctuation", "link_weight_mean", "link_weight_std"):
        np.testing.assert_allclose(found[column], expected[column], rtol=1e-12, atol=1e-14)
    assert population.weight_statistics().shape[0] == 20
