"""Predictions are those of scikit-learn by a plain loop; no label leaks into a feature."""

import sys

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold

import cntgraph as cg
from cntgraph.training.statistics.prediction import predict_accuracy
from cntgraph.training.statistics.weight_statistics import weight_statistics


def networks(n=60, seed=0):
    """One row per network: its accuracy goes with x, and with nothing else."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    accuracy = 1 / (1 + np.exp(-x - 0.3 * rng.normal(size=n)))
    return pd.DataFrame({"accuracy": accuracy, "x": x, "noise": rng.normal(size=n), "k": 3.0})


def long(n=60):
    """The same, as one row per network and layer."""
    wide = networks(n)
    parts = [
        wide.assign(
            network=range(n), layer=layer, fluctuation=sign * wide.x, strength_mean=wide.noise
        )
        for layer, sign in (("fc1", 1.0), ("fc2", -2.0))
    ]
    return pd.concat(parts, ignore_index=True)


SETS = {"x": ["x"], "noise": ["noise"], "both": ["x", "noise"]}


def test_scores_by_a_plain_loop():
    table = networks()
    found = predict_accuracy(table, features=SETS, model=LinearRegression(), n_repeats=3, rng=1)
    seed = int(np.random.default_rng(1).integers(2**31))
    y = table.accuracy.to_numpy()
    for name, columns in SETS.items():
        x, scores = table[columns].to_numpy(), []
        for repeat in range(3):
            told = np.empty(60)
            for train, test in KFold(5, shuffle=True, random_state=seed + repeat).split(x):
                told[test] = LinearRegression().fit(x[train], y[train]).predict(x[test])
            scores.append((r2_score(y, told), kendalltau(y, told).statistic))
        row = found.loc[name]
        assert tuple(row[["r2", "kendall"]]) == pytest.approx(np.mean(scores, axis=0))
        assert tuple(row[["r2_std", "kendall_std"]]) == pytest.approx(np.std(scores, axis=0))
        assert (row["n"], row["n_features"]) == (60, len(columns))
    assert found.index.name == "features"
    assert found.loc["x", "r2"] > 0.8 > 0.1 > found.loc["noise", "r2"]


@pytest.mark.parametrize("model", ["ridge", "gradient_boosting"])
def test_models_find_what_there_is(model):
    options = {"features": {"x": ["x"], "noise": ["noise"]}, "model": model, "n_repeats": 1}
    found = predict_accuracy(networks(120), **options)
    assert found.loc["x", "r2"] > 0.7
    assert found.loc["x", "kendall"] > 0.6
    assert found.loc["noise", "r2"] < 0.15
    pd.testing.assert_frame_equal(found, predict_accuracy(networks(120), **options))


def test_a_model_that_tells_nothing_has_a_score_of_nothing():
    found = predict_accuracy(networks(), features=SETS, model=DummyRegressor()).loc["x"]
    assert -0.1 < found["r2"] <= 0
    constant = DummyRegressor(strategy="constant", constant=0.5)
    assert np.isnan(predict_accuracy(networks(), features=SETS, model=constant)["kendall"]).all()


def test_sets_of_columns_of_analyze():
    table = long()
    found = predict_accuracy(table, features=["fluctuation"])
    assert found.loc["fluctuation", "r2"] > 0.8
    assert found.loc["fluctuation", ["n", "n_features"]].tolist() == [60, 2]
    own = predict_accuracy(table, features={"mean": ["strength_mean"]})
    assert own.loc["mean", "r2"] < 0.1
    # The order of rows and layers does not matter for which network is which.
    mixed = table.sort_values("layer", ascending=False).sample(frac=1, random_state=0)
    by_network = mixed.sort_values("network", kind="stable")
    shuffled = predict_accuracy(by_network, features=["fluctuation"])
    assert shuffled.loc["fluctuation", "r2"] == pytest.approx(found.loc["fluctuation", "r2"])


def test_sets_of_ones_own_are_aligned_by_network():
    table, wide = long(), networks()
    features = wide[["x"]].rename_axis("network").sample(frac=1, random_state=0)
    found = predict_accuracy(table, features={"x": features})
    expected = predict_accuracy(wide, features={"x": ["x"]})
    pd.testing.assert_frame_equal(found, expected)
    with pytest.raises(cg.CntGraphError, match=r"features 'x': .* there is none for \S*7"):
        predict_accuracy(table, features={"x": features.drop(index=7)})


def test_the_demo_population_by_every_set():
    with cg.open(cg.demo_file("population")) as population:
        table = population.analyze()
        weights = pd.DataFrame([weight_statistics(net) for net in population])
    names = ["strength", "fluctuation", "link_weights", "weight_statistics"]
    found = predict_accuracy(table, features=names, weights=weights, n_repeats=1)
    assert found.index.tolist() == names
    # Six layers; to all but the input lead weights, seven statistics each, and biases, too.
    assert found["n_features"].tolist() == [18, 6, 30, 70]
    assert (found["r2"] < 1).all()
    with pytest.raises(cg.CntGraphError, match="which needs weights="):
        predict_accuracy(table, features=["weight_statistics"])


def test_missing_and_infinite_features():
    table = networks()
    gaps = table.assign(gap=np.where(np.arange(60) % 7 == 0, np.inf, table.x), none=np.nan)
    found = predict_accuracy(gaps, features={"gap": ["gap", "none", "k"]})
    assert found.loc["gap", "n_features"] == 2
    assert 0.4 < found.loc["gap", "r2"] < predict_accuracy(table, features=SETS).loc["x", "r2"]
    with pytest.raises(cg.CntGraphError, match="features 'none': no network has a value"):
        predict_accuracy(gaps, features={"none": ["none"]})


def test_networks_left_out():
    table = long()
    table["diverged"] = table.network.isin([2, 5])
    table.loc[table.network == 9, "accuracy"] = np.nan
    table.loc[table.diverged, "fluctuation"] = 1e30
    found = predict_accuracy(table, features=["fluctuation"])
    assert found.loc["fluctuation", "n"] == 57
    assert found.attrs["n_diverged"] == 2
    expected = predict_accuracy(table[~table.network.isin([2, 5, 9])], features=["fluctuation"])
    pd.testing.assert_frame_equal(found, expected)
    wide = networks().assign(diverged=np.arange(60) < 3)
    assert predict_accuracy(wide, features=SETS)["n"].tolist() == [57] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "loss"}, "expected a column 'loss'"),
        ({"by": "init"}, "expected a column of numbers for init"),
        ({"features": ["degree"]}, "expected features of strength, .* got 'degree'"),
        ({"features": {"a": ["degree"]}}, r"expected columns \['degree'\]"),
        ({"model": "lasso"}, "'ridge' or 'gradient_boosting', or a regressor .* got 'lasso'"),
        ({"model": LinearRegression}, "a regressor of scikit-learn"),
        ({"n_splits": 1}, "n_splits from 2 to the number of networks, 60"),
        ({"n_splits": 61}, "got 61 and 5"),
        ({"n_repeats": 0}, "n_repeats from 1; got 5 and 0"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(cg.CntGraphError, match=message):
        predict_accuracy(long().assign(init="normal"), **{"features": ["fluctuation"]} | options)


def test_labels_that_are_all_the_same():
    with pytest.raises(cg.CntGraphError, match="all 60 networks have one accuracy"):
        predict_accuracy(long().assign(accuracy=0.5), features=["fluctuation"])


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(cg.CntGraphError, match=r"needs sklearn: pip install 'cntgraph\[sklearn\]'"):
        predict_accuracy(networks(), features=SETS)
