"""A trajectory of recorded measures shows what one of parameters shows, up to the bins."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import ks_2samp, wasserstein_distance
from torch import nn

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, StoreError
from cntgraph.measures.layer_values import DISTRIBUTIONS, layer_values, values_by_layer
from cntgraph.training.statistics.density import kernel_density
from cntgraph.training.statistics.divergence import KINDS, divergence

N = 4


def train(model, k):
    generator = torch.Generator().manual_seed(k)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 1.15
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """The same training in each kind of file."""
    folder, found = tmp_path_factory.mktemp("recorded"), {}
    for store in ("parameters", "measures", "both"):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(90, 70), nn.ReLU(), nn.Linear(70, 60))
        path = found[store] = folder / f"{store}.h5"
        record = cg.Recorder(path, model, input_shape=(90,), store=store, mode="resume")
        for k in range(N):
            record(step=10 * k, epoch=k / 2, accuracy=0.2 * k)
            train(model, k)
    return found


@pytest.fixture
def opened(paths):
    found = {store: cg.open(path) for store, path in paths.items()}
    yield found
    for trajectory in found.values():
        trajectory.close()


def unchecked(*_, **__):
    raise AssertionError("computed again")


@pytest.mark.parametrize("store", ["measures", "both"])
def test_tables_are_equal(opened, store, monkeypatch):
    expected = opened["parameters"]
    wide, long = expected.analyze(), expected.table()
    part = expected[1:3].table()
    monkeypatch.setattr("cntgraph.training.trajectory.analyze", unchecked)
    # Many at a time add up in another order than one by one, as what was recorded.
    near = {"rtol": 1e-12, "atol": 1e-14}
    pd.testing.assert_frame_equal(opened[store].analyze(), wide, **near)
    pd.testing.assert_frame_equal(opened[store].table(), long, **near)
    pd.testing.assert_frame_equal(opened[store][1:3].table(), part, check_exact=True)
    recorded = opened[store].analyze(edges="parametric", bias=True, boundary=0, aggregation="l1")
    pd.testing.assert_frame_equal(recorded, wide, **near)


@pytest.mark.parametrize("options", [{"bias": False}, {"boundary": 1.0}, {"edges": "all"},
                                     {"granularity": "layer"}])  # fmt: skip
def test_other_tables_take_parameters(opened, options):
    expected = opened["parameters"].analyze(**options)
    pd.testing.assert_frame_equal(opened["both"].analyze(**options), expected)
    with pytest.raises(StoreError, match='store="measures"'):
        opened["measures"].analyze(**options)


def test_options_that_there_are_not(opened):
    for trajectory in opened.values():
        with pytest.raises(TypeError, match="nonsense"):
            trajectory.analyze(nonsense=1)


# --- Densities ----------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", DISTRIBUTIONS)
def test_densities_are_those_of_the_samples(opened, measure):
    trajectory = opened["parameters"]
    table = trajectory.density(measure, "2", n_points=200)
    assert table.columns.tolist() == [
        "snapshot", "step", "epoch", "accuracy", "layer", "measure", "x", "density"
    ]  # fmt: skip
    assert table["step"].dtype == np.int64
    grids = table.groupby("snapshot")["x"].apply(tuple)
    (grid,) = map(np.array, set(grids))
    for k, net in enumerate(trajectory):
        own = table.query("snapshot == @k")
        assert own["step"].eq(10 * k).all()
        expected = kernel_density(layer_values(net, measure, "2"), grid=grid).values
        np.testing.assert_allclose(own["density"], expected, rtol=1e-9, atol=1e-12)
        assert abs(np.trapezoid(own["density"], grid) - 1) < 0.01


@pytest.mark.parametrize("measure", DISTRIBUTIONS)
@pytest.mark.parametrize("layer", ["0", None])
def test_recorded_densities_are_close(opened, measure, layer):
    keys = ["snapshot", "layer"]
    ours, theirs = (opened[s].density(measure, layer) for s in ("measures", "parameters"))
    pd.testing.assert_frame_equal(opened["both"].density(measure, layer), theirs, check_exact=True)
    about = ours.columns.difference(["x", "density"])
    pd.testing.assert_frame_equal(ours[about], theirs[about])
    for (k, own), (_, table) in zip(ours.groupby(keys), theirs.groupby(keys), strict=True):
        if (table["x"].max() - table["x"].min()) < 0.1:
            continue  # a constant, such as the strengths into an input, has no width of its own
        expected = np.interp(own["x"], table["x"], table["density"])
        difference = np.trapezoid(np.abs(own["density"] - expected), own["x"])
        assert difference < 0.03, k


def test_all_layers_that_have_values(opened):
    for trajectory in opened.values():
        for measure in DISTRIBUTIONS:
            expected = list(values_by_layer(opened["parameters"][0], measure))
            assert (
                trajectory[:1].density(measure, n_points=32)["layer"].unique().tolist() == expected
            )


def test_slices_are_lazy(opened, monkeypatch):
    from cntgraph.store.reader import StoreFile

    read = []
    whole = StoreFile.dataset
    monkeypatch.setattr(StoreFile, "dataset", lambda self, p: read.append(p) or whole(self, p))
    part = opened["measures"][2:]
    assert not [p for p in read if p.startswith("snapshots")]
    part.density("strength", "2")
    assert {p.split("/")[1] for p in read if p.startswith("snapshots")} == {"2", "3"}
    assert part.density("strength", "2")["step"].unique().tolist() == [20, 30]


# --- Divergences --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_divergences_are_those_of_the_samples(opened, kind):
    trajectory = opened["parameters"]
    found = trajectory.divergence("link_weights", kind=kind, reference=1)
    assert found.index.name == "snapshot"
    assert found.columns.tolist() == ["0", "2"]
    for layer in found:
        sets = [layer_values(net, "link_weights", layer) for net in trajectory]
        expected = [divergence(own, sets[1], kind) for own in sets]
        np.testing.assert_allclose(found[layer], expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_recorded_divergences_are_close(opened, kind):
    for measure in ("link_weights", "strength"):
        ours, theirs = (
            opened[s].divergence(measure, kind=kind, reference=-1)
            for s in ("measures", "parameters")
        )
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=0.12, atol=0.025)
        one, other = (
            opened[s][::3].divergence(measure, "2", kind=kind) for s in ("measures", "parameters")
        )
        assert one.index.name == one.columns.name == "snapshot"
        np.testing.assert_allclose(one, other, rtol=0.12, atol=0.025)


def test_recorded_distances_against_scipy(opened):
    sets = [layer_values(net, "link_weights", "0") for net in opened["parameters"]]
    recorded = opened["measures"]
    ks = recorded.divergence("link_weights", "0", kind="kolmogorov_smirnov")
    distance = recorded.divergence("link_weights", "0", kind="wasserstein")
    for i in range(N):
        for j in range(N):
            assert ks.loc[i, j] == pytest.approx(ks_2samp(sets[i], sets[j]).statistic, abs=0.01)
            expected = wasserstein_distance(sets[i], sets[j])
            assert distance.loc[i, j] == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("store", ["parameters", "measures"])
def test_the_snapshot_before(opened, store):
    trajectory = opened[store]
    found = trajectory.divergence("strength", reference="previous")
    assert found.loc[0].isna().all()
    for k in range(1, N):
        expected = trajectory[k - 1 : k + 1].divergence("strength").loc[1]
        pd.testing.assert_series_equal(found.loc[k], expected, check_names=False)


def test_a_snapshot_does_not_diverge_from_itself(opened):
    for store in ("parameters", "measures"):
        found = opened[store].divergence("in_strength")
        assert (found.loc[0].abs() < 1e-9).all()
        assert (found.loc[1:, "2"] > 1e-3).all()


def test_options_of_divergences(opened):
    natural, binary = (opened["measures"].divergence(base=base) for base in (None, 2))
    np.testing.assert_allclose(natural, binary * np.log(2))
    with pytest.raises(CntGraphError, match="values themselves"):
        opened["measures"].divergence(kind="jeffreys", compat="lamalfa2021")
    assert opened["both"].divergence(
        "link_weights", kind="jeffreys", compat="lamalfa2021"
    ).shape == (N, 2)


@pytest.mark.parametrize("store", ["parameters", "measures"])
def test_what_there_is_not(opened, store):
    trajectory = opened[store]
    for call in (trajectory.density, trajectory.divergence):
        with pytest.raises(CntGraphError, match="nowhere"):
            call("strength", "nowhere")
        with pytest.raises(CntGraphError, match="expected a measure of strength"):
            call("disparity", "2")
    for reference in (N, -N - 1, "first", 1.0):
        with pytest.raises(CntGraphError, match="reference as"):
            trajectory.divergence(reference=reference)


@pytest.mark.parametrize("store", ["parameters", "measures"])
def test_layers_that_have_no_values(opened, store):
    trajectory = opened[store]
    assert (trajectory.density("link_weights", "input", n_points=9)["density"] == 0).all()
    assert trajectory.divergence("link_weights", "input").isna().all(axis=None)


@pytest.mark.parametrize("store", ["parameters", "measures"])
def test_no_snapshots(opened, store):
    nothing = opened[store][2:2]
    assert len(nothing.density()) == len(nothing.divergence()) == 0
    assert nothing.divergence("strength", "2").shape == (0, 0)


@pytest.mark.parametrize("store", ["parameters", "measures"])
def test_values_that_are_not_finite_are_left_out(tmp_path, store):
    torch.manual_seed(0)
    model = nn.Linear(30, 20)
    record = cg.Recorder(tmp_path / "run.h5", model, input_shape=(30,), store=store, mode="resume")
    record()
    for fill in (float("nan"), float("inf")):
        with torch.no_grad():
            model.weight[: 10 if fill != fill else 20] = fill
        record()
    trajectory = cg.open(tmp_path / "run.h5")
    name = trajectory.topology.layers[-1].name
    areas = trajectory.density("in_strength", name).groupby("snapshot")["density"].sum()
    assert (areas > 0).tolist() == [True, True, False]
    found = trajectory.divergence("in_strength")[name]
    assert np.isfinite(found[:2]).all()
    assert np.isnan(found[2])


def test_recorded_values_far_outside_count_in_the_outermost_bin(tmp_path):
    torch.manual_seed(0)
    model = nn.Linear(30, 20)
    record = cg.Recorder(
        tmp_path / "run.h5", model, input_shape=(30,), store="measures", mode="resume"
    )
    record()
    with torch.no_grad():
        model.weight *= 1e7
    record()
    found = cg.open(tmp_path / "run.h5").divergence("link_weights", kind="kolmogorov_smirnov")
    assert found.iloc[1, 0] == pytest.approx(0.5, abs=0.05)


def test_the_topology_is_shared(opened):
    for trajectory in opened.values():
        assert cg.describe(trajectory.topology)["n_edges"].tolist() == [0, 6300, 4200]
    first = opened["both"][0]
    assert first.layers is opened["both"].topology.layers
