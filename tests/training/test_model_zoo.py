"""Folders in the form of modelzoos.cc: their labels, their networks, and damaged ones."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import cntgraph as cg
from cntgraph.core.errors import CntGraphError

EPOCHS = (0, 2, 10)


def model():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    )


@pytest.fixture
def zoo(tmp_path):
    """Three trainings of three checkpoints each."""
    torch.manual_seed(0)
    for k in range(3):
        training = tmp_path / f"NN_tune_{k}"
        for epoch in EPOCHS:
            made = model()
            with torch.no_grad():
                made[1].running_var.uniform_(0.5, 2.0)
            place = training / f"checkpoint_{epoch:06}"
            place.mkdir(parents=True)
            torch.save(made.state_dict(), place / "checkpoints")
        (training / "params.json").write_text(json.dumps({"lr": 10.0**-k, "model": {"a": 1}}))
        lines = [{"training_iteration": e, "test_acc": 0.1 * e + k, "config": {}} for e in EPOCHS]
        (training / "result.json").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


@pytest.fixture
def template():
    return cg.load(model().eval(), input_shape=(1, 6, 6))


def test_the_networks_are_those_of_the_checkpoints(zoo, template):
    population = cg.Population.from_model_zoo(zoo, template=template, epochs="all")
    labels = population.labels
    assert len(population) == 9
    assert labels["epoch"].tolist() == [*EPOCHS] * 3
    assert np.allclose(labels["test_acc"], [0.1 * e + k for k in range(3) for e in EPOCHS])
    assert np.allclose(labels["lr"], np.repeat([1.0, 0.1, 0.01], 3))
    assert "model" not in labels
    table = population.analyze()
    expected = []
    for path in labels["path"]:
        made = model()
        made.load_state_dict(torch.load(path, weights_only=True))
        expected.append(cg.analyze(cg.load(made.eval(), input_shape=(1, 6, 6))).reset_index())
    expected = pd.concat(expected, ignore_index=True)
    own = table[expected.columns]
    pd.testing.assert_frame_equal(own, expected, rtol=1e-9, atol=1e-12)


def test_some_epochs(zoo, template):
    last = cg.Population.from_model_zoo(zoo, template=template)
    assert last.labels["epoch"].tolist() == [10, 10, 10]
    some = cg.Population.from_model_zoo(zoo, template=template, epochs=[2, 10])
    assert len(some) == 6
    assert repr(some) == "<Population: 6 networks in 3 trainings>"
    assert some[:2].labels["training"].tolist() == ["NN_tune_0"] * 2
    for epochs, message in (([7], "found none"), ("first", "'last', 'all' or numbers")):
        with pytest.raises(CntGraphError, match=message):
            cg.Population.from_model_zoo(zoo, template=template, epochs=epochs)


def test_damaged_checkpoints_are_named(zoo, template):
    population = cg.Population.from_model_zoo(zoo, template=template, epochs="all")
    damaged = [zoo / "NN_tune_1" / "checkpoint_000002" / "checkpoints",
               zoo / "NN_tune_2" / "checkpoint_000010" / "checkpoints"]  # fmt: skip
    damaged[0].write_bytes(damaged[0].read_bytes()[:200])
    torch.save({"other.weight": torch.zeros(2, 2)}, damaged[1])
    with pytest.warns(UserWarning, match="2 of 9 networks cannot be read"):
        table = population.analyze()
    assert {*range(9)} - {*table["network"]} == {4, 8}
    assert population.failed["path"].tolist() == [str(path) for path in damaged]
    assert "found no 0.weight" in population.failed["error"][1]


def test_damaged_folders(zoo, template, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder, message in ((tmp_path / "empty", "found none"), (zoo, "cannot be read")):
        if folder is zoo:
            (zoo / "NN_tune_0" / "result.json").write_text('{"a": 1')
        with pytest.raises(CntGraphError, match=message):
            cg.Population.from_model_zoo(folder, template=template)
    (zoo / "NN_tune_0" / "result.json").write_text("[1, 2]")
    with pytest.raises(CntGraphError, match="expected JSON objects"):
        cg.Population.from_model_zoo(zoo, template=template)


def test_a_checkpoint_that_is_damaged_after_the_analysis_is_named(zoo, template):
    population = cg.Population.from_model_zoo(zoo, template=template, epochs="all")
    population.analyze()
    path = zoo / "NN_tune_0" / "checkpoint_000010" / "checkpoints"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.warns(UserWarning, match="1 of 9 networks cannot be read"):
        found = population.densities("strength", template.layers[1].name, by="epoch", bins=None)
    assert found.groupby("bin", observed=True)["n_networks"].first().tolist() == [3, 3, 2]
    assert population.failed["path"].tolist() == [str(path)]
