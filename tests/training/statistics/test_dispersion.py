"""Dispersion of groups against SciPy, one row and one draw at a time."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import cntgraph as cg
from cntgraph.training.statistics import resampling
from cntgraph.training.statistics.dispersion import dispersion


def ratio(values):
    return stats.median_abs_deviation(values, scale="normal") / abs(np.median(values))


def table_of(rng, n=30, layers=("a", "b")):
    """Networks of random accuracy, of which some values are missing."""
    rows = pd.DataFrame({"network": np.repeat(np.arange(n), len(layers)), "layer": [*layers] * n})
    accuracy, optimizer = rng.random(n), rng.choice(["sgd", "adam"], n)
    rows = rows.assign(accuracy=accuracy[rows["network"]], optimizer=optimizer[rows["network"]])
    values = rng.normal(3.0, 1.0, (len(rows), 2))
    values[rng.random(values.shape) < 0.1] = np.nan
    return rows.assign(fluctuation=values[:, 0], x=values[:, 1])


@given(st.integers(0, 10**6))
def test_medians_and_spreads_are_those_of_scipy(seed):
    table = table_of(np.random.default_rng(seed))
    found = dispersion(table, ["x", "fluctuation"], above=0.6, below=0.4, n_resamples=0)
    assert found[["layer", "measure", "group"]].apply(tuple, axis=1).tolist() == [
        (layer, name, group)
        for layer in ("a", "b") for name in ("x", "fluctuation") for group in ("above", "below")
    ]  # fmt: skip
    assert found[["dispersion_low", "dispersion_high"]].isna().all(axis=None)
    for row in found.itertuples():
        mine = table[table["layer"] == row.layer]
        inside = mine["accuracy"] > 0.6 if row.group == "above" else mine["accuracy"] < 0.4
        values = mine.loc[inside, row.measure].dropna().to_numpy()
        assert row.n == len(values)
        if len(values) < 2:
            assert np.isnan([row.median, row.spread, row.dispersion]).all()
            continue
        assert row.median == np.median(values)
        assert row.spread == pytest.approx(stats.median_abs_deviation(values, scale="normal"))
        assert row.dispersion == pytest.approx(ratio(values))


@pytest.mark.parametrize("held", [1, 100, 1 << 21])
def test_the_interval_is_that_of_draws_one_by_one(held, monkeypatch):
    monkeypatch.setattr(resampling, "DRAWN_AT_ONCE", held)
    table = table_of(np.random.default_rng(0))
    found = dispersion(table, ["x"], by="optimizer", above=None, below=None, n_resamples=200, rng=7)
    assert set(found["group"]) == {"sgd", "adam"}
    seed = int(np.random.default_rng(7).integers(2**63))
    for row in found.itertuples():
        mine = table[(table["layer"] == row.layer) & (table["optimizer"] == row.group)]
        values = mine["x"].dropna().to_numpy()
        draws = np.random.default_rng(seed).integers(len(values), size=(200, len(values)))
        expected = np.quantile([ratio(values[own]) for own in draws], [0.025, 0.975])
        assert [row.dispersion_low, row.dispersion_high] == pytest.approx(expected.tolist())


def test_rows_do_not_depend_on_others():
    table = table_of(np.random.default_rng(1))
    all_of_them = dispersion(table, ["x", "fluctuation"], above=0.5, below=0.5)
    alone = dispersion(table[table["layer"] == "b"], ["fluctuation"], above=0.5, below=0.5)
    mine = all_of_them[(all_of_them["layer"] == "b") & (all_of_them["measure"] == "fluctuation")]
    pd.testing.assert_frame_equal(mine.reset_index(drop=True), alone)


def test_alike_and_apart():
    """Ten times the deviation is ten times the dispersion; one network far off changes little."""
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(5.0, 0.05, 200), rng.normal(5.0, 0.5, 200)])
    values[0] = 1e6
    table = pd.DataFrame({"layer": "fc", "accuracy": np.repeat([0.9, 0.1], 200), "x": values})
    found = dispersion(table, ["x"]).set_index("group")
    assert found.loc["above", "dispersion"] == pytest.approx(0.01, rel=0.2)
    assert found.loc["below", "dispersion"] == pytest.approx(0.1, rel=0.2)
    assert found.loc["above", "dispersion_high"] < found.loc["below", "dispersion_low"]


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng, n_sets = np.random.default_rng(0), 300
    rows = pd.DataFrame({"layer": np.repeat(np.arange(n_sets), 60), "accuracy": 1.0})
    table = rows.assign(x=rng.normal(10.0, 1.0, len(rows)))
    found = dispersion(table, ["x"], confidence=0.9, n_resamples=300).query("group == 'above'")
    held = (found["dispersion_low"] <= 0.1) & (found["dispersion_high"] >= 0.1)
    assert held.mean() == pytest.approx(0.9, abs=0.08)


def test_networks_that_diverged_are_left_out():
    table = table_of(np.random.default_rng(2)).assign(diverged=False)
    table.loc[table["network"] < 3, "diverged"] = True
    found = dispersion(table, ["x"], above=0.5, below=0.5)
    expected = dispersion(table[table["network"] >= 3], ["x"], above=0.5, below=0.5)
    assert found.attrs["n_diverged"] == 3
    pd.testing.assert_frame_equal(found, expected, check_flags=False)


def test_a_median_of_zero_has_a_spread_only():
    table = pd.DataFrame({"layer": "fc", "accuracy": 1.0, "x": [-1.0, 0.0, 1.0]})
    row = dispersion(table, ["x"]).iloc[0]
    assert row["spread"] == pytest.approx(1.4826, rel=1e-4)
    assert np.isnan(row["dispersion"])


def test_of_the_networks_that_come_along():
    with cg.open(cg.demo_file("population")) as population:
        table = population.analyze()
    found = cg.dispersion(table, n_resamples=50)
    assert set(found["measure"]) >= {"fluctuation", "strength_mean", "link_weight_std"}
    assert (found.dropna()["dispersion_low"] <= found.dropna()["dispersion_high"]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measures": ["y"]}, r"expected columns \['y'\]"),
        ({"by": "loss"}, r"expected columns \['loss'\]"),
        ({"above": None}, "expected above and below, or neither"),
        ({"n_resamples": -1}, "expected n_resamples to be 0 or more, got -1"),
        ({"confidence": 1.0}, "expected a confidence between 0 and 1"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(cg.CntGraphError, match=message):
        dispersion(table_of(np.random.default_rng(0)), **{"measures": ["x"], **options})
