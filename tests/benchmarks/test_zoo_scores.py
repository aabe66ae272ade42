"""The scores of the zoo experiment: draws, tests and splits."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

HERE = Path(__file__).parents[2] / "benchmarks" / "reproduce"


@pytest.fixture(scope="module")
def scores():
    """The module, of a folder of scripts."""
    sys.path.insert(0, str(HERE))
    try:
        import zoo_scores

        yield zoo_scores
    finally:
        sys.path.remove(str(HERE))
        sys.modules.pop("zoo_scores", None)


@pytest.fixture
def draws(scores):
    rng = np.random.default_rng(0)
    networks, true = np.repeat(np.arange(30), 4), rng.uniform(size=120)
    told = {"x": true + rng.normal(size=120) / 3}
    return scores.Bootstrap(scores.Predictions(true, networks, told))


def test_draws_are_of_whole_networks_and_their_scores_those_of_the_rows_drawn(draws):
    from sklearn.metrics import r2_score, roc_auc_score

    assert (draws.times.sum(1) == 30).all()
    r2, kendall, auc = draws.r2("x"), draws.kendall("x"), draws.auc("x", (0.7, 0.3))
    true, told = draws.found.true, draws.found.told["x"]
    for k in (0, 1, 200):
        rows = np.repeat(np.arange(120), draws.times[k][draws.found.networks])
        assert r2[k] == pytest.approx(r2_score(true[rows], told[rows]))
        assert kendall[k] == pytest.approx(kendalltau(true[rows], told[rows]).statistic)
        ends = rows[(true[rows] > 0.7) | (true[rows] < 0.3)]
        assert auc[k] == pytest.approx(roc_auc_score(true[ends] > 0.7, told[ends]))


def test_an_auc_of_few_is_none(draws):
    assert np.isnan(draws.auc("x", (0.99, 0.3))).all()


def test_p_values_by_holm(scores):
    """Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, and never less than one before."""
    adjusted = scores.holm(np.array([0.04, 0.01, 0.03, 0.02]))
    np.testing.assert_allclose(adjusted, [0.06, 0.04, 0.06, 0.06])
    assert scores.p_value(np.full(2001, 0.5)) == pytest.approx(2 / 2001)
    assert scores.p_value(np.array([0.0, *[1, -1] * 1000])) == 1


@pytest.mark.parametrize("final", [False, True])
def test_no_network_is_told_by_its_own_checkpoints(scores, final):
    """Features that name a network tell its accuracy only to what has seen it."""
    from sklearn.metrics import r2_score

    n = 150
    networks = pd.Series(np.repeat(np.arange(n), 3))
    accuracy = np.random.default_rng(0).uniform(size=n)
    held_out = networks % 3 == 0
    features = pd.DataFrame({"number": networks, "of no network": np.nan})
    target = pd.Series(accuracy[networks])
    found = scores.predict({"x": features}, target, networks, held_out, final=final)
    assert set(found.networks % 3) == ({0} if final else {1, 2})
    assert len(found.true) == 3 * n / 3 * (1 if final else 2)
    assert r2_score(found.true, found.told["x"]) < 0.5
