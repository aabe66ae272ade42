"""Permutation tests and bootstrap intervals agree with all permutations, and with scipy."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from cntgraph.training.statistics import resampling
from cntgraph.training.statistics.comparison import auc
from cntgraph.training.statistics.resampling import bootstrap_interval, permutation_p

seeds = st.integers(0, 10**6)


def ranks(values):
    return np.array([stats.rankdata(row) for row in values])


@given(seeds)
def test_the_p_value_is_that_of_all_permutations(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 5, size=(3, 6)).astype(float)
    group = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    n = 4000
    found = permutation_p(ranks(values), group, n, np.random.default_rng(1))
    for row, p in zip(values, found, strict=True):
        observed = abs(auc(row, group) - 0.5)
        all_of_them = [abs(auc(row, g) - 0.5) for g in set(permutations(group > 0))]
        exact = np.mean(np.array(all_of_them) >= observed - 1e-12)
        assert p == pytest.approx(exact, abs=4.5 * np.sqrt(exact * (1 - exact) / n) + 1 / n)


def test_of_ranks_it_is_that_of_spearman():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 6))
    n = 20_000
    found = permutation_p(ranks([x]), stats.rankdata(y), n, np.random.default_rng(1))[0]
    exact = stats.permutation_test(
        (x,), lambda a: abs(stats.spearmanr(a, y).statistic),
        permutation_type="pairings", alternative="greater",
    ).pvalue  # fmt: skip
    assert found == pytest.approx(exact, abs=4.5 * np.sqrt(exact * (1 - exact) / n) + 1 / n)
    assert 0.05 < exact < 0.95


def test_p_values_of_nothing_are_uniform():
    rng = np.random.default_rng(0)
    group = (np.arange(40) < 15).astype(float)
    found = permutation_p(ranks(rng.normal(size=(500, 40))), group, 199, rng)
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert found.min() >= 1 / 200
    assert found.max() == 1.0


@pytest.mark.parametrize("at_once", [1, 100])
def test_draws_in_portions(at_once, monkeypatch):
    rng = np.random.default_rng(3)
    values, group = rng.normal(size=(2, 20)), np.arange(20) < 8
    whole = permutation_p(ranks(values), group * 1.0, 300, np.random.default_rng(0))
    ends = bootstrap_interval(values, group, 300, 0.9, np.random.default_rng(0))
    monkeypatch.setattr(resampling, "DRAWN_AT_ONCE", at_once)
    found = permutation_p(ranks(values), group * 1.0, 300, np.random.default_rng(0))
    assert found.tolist() == whole.tolist()
    portions = bootstrap_interval(values, group, 300, 0.9, np.random.default_rng(0))
    # Networks of both groups are drawn portion by portion: other draws of the same kind.
    np.testing.assert_allclose(portions, ends, atol=0.08)


@pytest.mark.parametrize("decimals", [0, 5])
def test_the_interval_is_that_of_scipy(decimals):
    rng = np.random.default_rng(0)
    high, low = rng.normal(0.8, 1, 25).round(decimals), rng.normal(0, 1, 35).round(decimals)

    def area(x, y, axis):
        greater = x[..., :, None] > y[..., None, :]
        equal = x[..., :, None] == y[..., None, :]
        return (greater + equal / 2).mean(axis=(-2, -1))

    expected = stats.bootstrap(
        (high, low), area, n_resamples=4000, method="percentile", batch=100,
        rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    values, group = np.concatenate([high, low])[None, :], np.arange(60) < 25
    found = bootstrap_interval(values, group, 4000, 0.95, np.random.default_rng(2))
    np.testing.assert_allclose(np.ravel(found), expected, atol=0.01)


@given(seeds)
def test_a_draw_is_an_auc(seed):
    rng = np.random.default_rng(seed)
    values = np.sort(rng.integers(0, 6, size=15)).astype(float)
    group = rng.permutation(np.arange(15) < 6)
    counts = np.zeros((1, 15))
    for stratum in (group, ~group):
        k = stratum.sum()
        counts[0, stratum] = rng.multinomial(k, np.full(k, 1 / k))
    found = resampling._weighted_auc(values, group, counts)
    expected = roc_auc_score(group, values, sample_weight=counts[0])
    assert found[0] == pytest.approx(expected, abs=1e-12)


def test_perfect_separation_has_an_interval_without_a_width():
    values, group = np.arange(10.0)[None, :], np.arange(10) >= 5
    low, high = bootstrap_interval(values, group, 50, 0.95, np.random.default_rng(0))
    assert low.tolist() == high.tolist() == [1.0]
