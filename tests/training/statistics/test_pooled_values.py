"""Densities, divergences and separations of populations: pooled plainly here, file by file."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gaussian_kde, wasserstein_distance

import cntgraph as cg
from cntgraph.core.errors import CntGraphError
from cntgraph.measures.layer_values import layer_values
from cntgraph.training.labels import in_bins
from cntgraph.training.population import Population
from cntgraph.training.statistics.separation import separation

EDGES = [0, 0.25, 0.5, 0.6, 0.9]


def net_of(seed, n_out=6, scale=1.0):
    rng = np.random.default_rng(seed)
    shapes = ((8, 7), (7,), (7, n_out), (n_out,))
    return cg.load([(scale * rng.normal(size=shape)).astype(np.float32) for shape in shapes])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """20 networks, accuracy 0 to 0.95; 3 and 13 diverged; some have one layer more."""
    path = tmp_path_factory.mktemp("runs")
    for k in range(20):
        net = net_of(k, scale=np.nan if k == 3 else 1e5 if k == 13 else 1.0 + k / 10)
        if k % 5 == 4:
            net = cg.load([p.read() for p in net.parameters.values()][:2])
        cg.save(net, path / f"{k:02}.h5", accuracy=k / 20, task="ab"[k % 2], deep=k % 5 != 4)
    return path


@pytest.fixture(scope="module")
def population(folder):
    return Population.from_files(folder / "*.h5")


def pooled(folder, measure, layer, members):
    nets = [cg.load(folder / f"{k:02}.h5") for k in members]
    return np.concatenate([layer_values(net, measure, layer) for net in nets])


#: Who is in which of the bins of EDGES, and has a second layer.
MEMBERS = [[0, 1, 2, 5], [6, 7, 8, 10], [11, 12], [15, 16, 17, 18]]


@pytest.mark.parametrize("measure", ["strength", "in_strength", "out_strength", "link_weights"])
def test_densities(population, folder, measure):
    table = population.densities(measure, "dense2", bins=EDGES, n_points=200)
    columns = ["bin", "n_networks", "n_samples", "layer", "measure", "x", "density"]
    assert table.columns.tolist() == columns
    assert len(table) == 4 * 200
    grid = table["x"].to_numpy().reshape(4, 200)
    assert (grid == grid[0]).all()
    for (name, curve), members in zip(table.groupby("bin"), MEMBERS, strict=True):
        values = pooled(folder, measure, "dense2", members)
        assert isinstance(name, pd.Interval)
        assert all(k / 20 in name for k in members)
        assert curve["n_networks"].unique().tolist() == [len(members)]
        assert curve["n_samples"].unique().tolist() == [len(values)]
        if np.ptp(values):
            expected = gaussian_kde(values)(curve["x"])
            np.testing.assert_allclose(curve["density"], expected, atol=1e-12)
        np.testing.assert_allclose(np.trapezoid(curve["density"], curve["x"]), 1, atol=0.01)
    assert set(table["layer"]) == {"dense2"}
    assert set(table["measure"]) == {measure}
    assert table.attrs == {
        "n_networks": 14, "n_diverged": 2, "n_failed": 0, "n_outside": 1, "n_without_layer": 3
    }  # fmt: skip


def test_empty_bins_are_shown(population):
    table = population.densities("strength", "dense1", bins=[0, 0.5, 2, 3], n_points=50)
    empty = table[table["bin"] == pd.Interval(2, 3)]
    assert len(empty) == 50
    assert (empty["n_networks"] == 0).all()
    assert (empty["n_samples"] == 0).all()
    assert empty["density"].isna().all()
    assert table["density"].notna().sum() == 100
    nobody = population.densities("strength", "dense1", bins=[2, 3], n_points=50)
    assert nobody["density"].isna().all()
    assert nobody.attrs["n_outside"] == 18


@pytest.mark.parametrize(("by", "expected"), [("task", ["a", "b"]), ("deep", [False, True])])
def test_labels_that_are_no_numbers_are_bins(population, by, expected):
    table = population.densities("strength", "dense1", by=by)
    assert table["bin"].unique().tolist() == expected
    assert table.groupby("bin")["n_networks"].first().sum() == 18


def test_few_of_many_samples(population, folder):
    """Evenly spaced order statistics of each network stand for all of its weights."""
    members = [0, 1, 2, 4, 5]
    options = {"bins": [0, 0.25], "n_points": 50}
    table = population.densities("link_weights", "dense1", max_samples=5 * 20, **options)
    assert table["n_samples"].unique().tolist() == [100]
    values = [np.sort(pooled(folder, "link_weights", "dense1", [k])) for k in members]
    # Of 56 weights, those numbered 1, 4, 7, … in the middle of 20 equal parts.
    places = [int((2 * part + 1) * 56 / 40) for part in range(20)]
    chosen = np.concatenate([own[places] for own in values])
    np.testing.assert_allclose(table["density"], gaussian_kde(chosen)(table["x"]), atol=1e-12)
    whole = population.densities("link_weights", "dense1", **options)
    assert whole["n_samples"].unique().tolist() == [5 * 56]


def test_divergence(population, folder):
    matrix = population.divergence(
        "strength", "dense2", bins=[*EDGES, 2.0, 3.0], kind="wasserstein"
    )
    values = [pooled(folder, "strength", "dense2", k) for k in MEMBERS]
    assert matrix.shape == (6, 6)
    for i in range(4):
        for j in range(4):
            expected = wasserstein_distance(values[i], values[j])
            assert matrix.iloc[i, j] == pytest.approx(expected, abs=1e-12)
    assert matrix.iloc[5].isna().all()
    assert matrix.index.equals(matrix.columns)
    assert all(isinstance(name, pd.Interval) for name in matrix.index)
    assert matrix.attrs["n_diverged"] == 2
    jeffreys = population.divergence("strength", "dense2", bins=2)
    assert jeffreys.iloc[0, 1] > jeffreys.iloc[0, 0] == 0


def test_separation_leaves_out_what_diverged(population):
    table = population.analyze()
    assert table.loc[table["diverged"], "network"].unique().tolist() == [3, 13]
    assert table.attrs["n_diverged"] == 2
    found = population.separation(above=0.7, below=0.4, n_resamples=50)
    kept = table[~table["network"].isin([3, 13])].drop(columns="diverged")
    wanted = separation(kept, above=0.7, below=0.4, n_resamples=50)
    pd.testing.assert_frame_equal(found, wanted)
    assert found.attrs == {"n_networks": 20, "n_diverged": 2, "n_failed": 0}
    assert found.loc[found["layer"] == "dense2", "n"].max() == 14
    quick = {"measures": ["strength_std"], "n_resamples": 0}
    coarse = population.separation(analysis={"granularity": "layer"}, **quick)
    wanted = separation(population.analyze(granularity="layer"), **quick)
    pd.testing.assert_frame_equal(coarse, wanted)


def test_diverged_is_measured_when_it_is_asked_for(folder):
    population = Population.from_files(folder / "*.h5")
    found = population.diverged
    assert found.columns.tolist() == ["network", "path", "reason"]
    assert found["network"].tolist() == [3, 13]
    assert found["path"].tolist() == [str(folder / "03.h5"), str(folder / "13.h5")]
    other = Population.from_files(folder / "*.h5").analyze(bias=False, boundary=1e9)
    assert other.loc[other["diverged"], "network"].unique().tolist() == [3, 13]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda p: p.densities("color", "dense1"), "expected a measure of strength"),
        (lambda p: p.densities("strength", "fc"), "no layer is called 'fc'; the layers are"),
        (lambda p: p.densities("strength", "dense1", by="size"), "labels are: path, accuracy"),
        (lambda p: p.densities("strength", "dense1", bins=0), "expected a number of bins"),
        (lambda p: p.densities("strength", "dense1", bins=[1, 0]), "or edges that ascend"),
        (lambda p: p.divergence("strength", "dense1", kind="euclid"), "expected a kind of"),
        (lambda p: p.separation(by="size"), "no label is called 'size'"),
    ],
)
def test_what_is_refused(population, call, said):
    with pytest.raises(CntGraphError, match=said):
        call(population)


# --- Measures alone ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The same six networks with parameters, and with measures alone."""
    import torch

    path = tmp_path_factory.mktemp("recorded")
    for k in range(6):
        torch.manual_seed(k)
        model = torch.nn.Sequential(torch.nn.Linear(40, 300), torch.nn.Linear(300, 3))
        with torch.no_grad():
            for tensor in model.parameters():
                tensor.mul_(np.inf if k == 4 else 1 + k)
        for store in ("parameters", "measures"):
            (path / store).mkdir(exist_ok=True)
            file = path / store / f"{k}.h5"
            with cg.Recorder(file, model, input_shape=(40,), store=store) as record:
                record(accuracy=k / 5)
    return {store: Population.from_files(path / store / "*.h5") for store in
            ("parameters", "measures")}  # fmt: skip


def test_measures_alone_are_analyzed(recorded):
    whole, alone = (recorded[store].analyze() for store in ("parameters", "measures"))
    pd.testing.assert_frame_equal(
        alone.drop(columns="path"), whole.drop(columns="path"), check_dtype=False, rtol=1e-12
    )
    assert alone.attrs == whole.attrs == {"n_networks": 6, "n_diverged": 1, "n_failed": 0}
    assert recorded["measures"].diverged["network"].tolist() == [4]
    with pytest.raises(CntGraphError, match="no parameters"):
        recorded["measures"][0]


@pytest.mark.parametrize("measure", ["strength", "link_weights"])
def test_measures_alone_have_densities(recorded, measure):
    layer = recorded["parameters"].analyze()["layer"][1]
    options = {"bins": [0, 0.3, 1], "n_points": 100}
    whole, alone = (recorded[store].densities(measure, layer, **options)
                    for store in ("parameters", "measures"))  # fmt: skip
    assert (alone["n_samples"] == whole["n_samples"]).all()
    for name, curve in whole.groupby("bin"):
        own = alone[alone["bin"] == name]
        found = np.interp(curve["x"], own["x"], own["density"], left=0, right=0)
        np.testing.assert_allclose(found, curve["density"], atol=0.04 * curve["density"].max())


# --- Bins -------------------------------------------------------------------------------------


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30),
    st.lists(st.integers(-1000, 1000), min_size=2, max_size=6, unique=True),
)
def test_every_label_is_in_its_bin(values, edges):
    edges = sorted(edges)
    found = in_bins(pd.Series(values), edges)
    assert len(found.cat.categories) == len(edges) - 1
    for value, name in zip(values, found, strict=True):
        inside = edges[0] <= value <= edges[-1]
        assert inside == isinstance(name, pd.Interval)
        assert not inside or value in name


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(1, 10))
def test_a_number_of_bins_takes_every_label(values, n):
    found = in_bins(pd.Series(values), n)
    assert len(found.cat.categories) == n
    assert found.notna().all()
    lost = in_bins(pd.Series([*values, np.nan, np.inf]), n)
    assert lost.isna().tolist() == [False] * len(values) + [True, True]
    assert lost.cat.codes[:-2].tolist() == found.cat.codes.tolist()


def test_a_bin_a_value():
    assert in_bins(pd.Series([3, 1, 3]), None).cat.categories.tolist() == [1, 3]
    given_bins = pd.Series(pd.Categorical(["b", "a"], categories=["c", "b", "a"], ordered=True))
    assert in_bins(given_bins, 5).cat.categories.tolist() == ["c", "b", "a"]
    with pytest.raises(CntGraphError, match="for a label that has values"):
        in_bins(pd.Series([np.nan, np.nan]), 3)
