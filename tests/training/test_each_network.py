"""Populations and trajectories: a row, or several, of each network in one table."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import cntgraph as cg
from cntgraph.core.errors import NoCopiesError, StoreError
from cntgraph.training.each_measures import EACH

N = 9


@pytest.fixture
def net():
    return cg.toy("cnn")


@pytest.fixture
def weights(net):
    return np.random.default_rng(0).normal(size=(N, net.n_parameters)).astype("f4")


def expected_of(measure, nets, name="network", **options):
    """What the public functions return, put together as the documentation says."""
    function = getattr(cg, measure)
    if measure == "weight_spectra":
        counts = ["n_tail", "n_spikes", "n_traps"]
        tables = [function(net, **options).astype(dict.fromkeys(counts, float)) for net in nets]
        return pd.concat(tables, keys=range(len(nets)), names=[name])
    rows = pd.DataFrame([function(net, **options) for net in nets])
    return rows.set_axis(pd.RangeIndex(len(rows), name=name))


def assert_same(found, expected):
    assert_frame_equal(found, expected, rtol=1e-12, check_index_type=False)


@pytest.mark.parametrize("measure", EACH)
def test_networks_of_a_matrix(net, weights, measure):
    labels = pd.DataFrame({"accuracy": np.linspace(0, 1, N)})
    zoo = cg.Population.from_matrix(weights, template=net, labels=labels)
    found = getattr(zoo, measure)()
    assert_same(found, expected_of(measure, zoo))
    joined = found.join(zoo.labels, on="network")
    assert joined["accuracy"].to_numpy() == pytest.approx(
        labels["accuracy"][found.index.get_level_values("network")]
    )
    part = getattr(zoo[2:4], measure)()
    assert_same(part, expected_of(measure, [zoo[2], zoo[3]]))


@pytest.mark.parametrize("measure", EACH)
@pytest.mark.parametrize("alone", [False, True])
def test_what_is_not_finite_marks_its_own_network_only(net, weights, measure, alone, monkeypatch):
    expected = getattr(cg.Population.from_matrix(weights.copy(), template=net), measure)()
    weights[3, 0], weights[5, 1] = np.nan, np.inf
    zoo = cg.Population.from_matrix(weights, template=net)
    if alone:
        refuse_copies(monkeypatch)
        with pytest.warns(UserWarning, match="no copies of 'odd'. They are measured one by one"):
            found = getattr(zoo, measure)()
    else:
        found = getattr(zoo, measure)()
    odd = found.index.get_level_values("network").isin([3, 5])
    assert_same(found[~odd], expected[~odd])
    assert found[odd].isna().to_numpy().any()
    assert not found[odd].isna().to_numpy().all()


def refuse_copies(monkeypatch):
    error = NoCopiesError("no copies of 'odd'.")
    for module in ("measured", "each_measures"):
        monkeypatch.setattr(
            f"cntgraph.training.{module}.Stack", lambda net: (_ for _ in ()).throw(error)
        )


@pytest.mark.parametrize("measure", EACH)
@pytest.mark.parametrize("client", ["threads", "processes"])
def test_wherever_it_is_computed(tmp_path, net, measure, client):
    weights = np.random.default_rng(0).normal(size=(1500, net.n_parameters)).astype("f4")
    np.save(tmp_path / "w.npy", weights)
    zoo = cg.Population.from_matrix(tmp_path / "w.npy", template=net)
    found = getattr(zoo, measure)(client=client)
    assert_frame_equal(found, getattr(zoo, measure)(), check_exact=True)


@pytest.mark.parametrize("measure", EACH)
def test_snapshots_together_and_one_by_one(measure, monkeypatch):
    with cg.open(cg.demo_file("training")) as training:
        expected = expected_of(measure, training, "snapshot")
        assert_same(getattr(training, measure)(), expected)
        few = getattr(training[5:7], measure)()
        assert few.index.get_level_values("snapshot").unique().tolist() == [0, 1]
        assert_same(few, expected_of(measure, training[5:7], "snapshot"))
        assert getattr(training[:0], measure)().empty
        refuse_copies(monkeypatch)
        assert_same(getattr(training, measure)(), expected)


@pytest.mark.parametrize("measure", EACH)
def test_files_of_several_architectures(tmp_path, measure):
    nets = [cg.toy("mlp"), cg.toy("cnn")]
    for k, own in enumerate(nets):
        cg.save(own, tmp_path / f"{k}.h5")
    (tmp_path / "2.h5").write_bytes(b"nothing")
    with pytest.warns(UserWarning, match=r"1 of 3"):
        files = cg.Population.from_files(tmp_path / "*.h5")
    found = getattr(files, measure)()
    assert_same(found, expected_of(measure, nets))


def test_options_are_those_of_the_function(net, weights):
    zoo = cg.Population.from_matrix(weights, template=net)
    options = {"direction": "in", "edges": "all", "bias": False}
    expected = expected_of("relative_fluctuation", zoo, **options)
    assert_same(zoo.relative_fluctuation(**options), expected)
    options = {"per": "tap", "hill_share": 0.3, "rng": 4}
    assert_same(zoo.weight_spectra(**options), expected_of("weight_spectra", zoo, **options))
    with pytest.raises(cg.CntGraphError, match="'kernel' or 'tap'"):
        zoo.weight_spectra(per="channel")
    with pytest.raises(cg.CntGraphError, match="direction"):
        zoo.relative_fluctuation(direction="both")


def test_all_networks_are_shuffled_from_one_seed(net, weights):
    zoo = cg.Population.from_matrix(np.tile(weights[:1], (5, 1)), template=net)
    drawn = zoo.weight_spectra(rng=np.random.default_rng(7))
    seed = int(np.random.default_rng(7).integers(2**63))
    assert_frame_equal(drawn, zoo.weight_spectra(rng=seed))
    for _, own in drawn.groupby("block"):
        assert (own["n_traps"] == own["n_traps"].iloc[0]).all()


def test_snapshots_of_measures_alone_have_no_weights(tmp_path, net):
    import torch

    model = torch.nn.Linear(3, 2)
    with cg.Recorder(tmp_path / "run.h5", model, torch.ones(1, 3), store="measures") as record:
        record(epoch=0)
    with cg.open(tmp_path / "run.h5") as run, pytest.raises(StoreError):
        run.weight_statistics()
