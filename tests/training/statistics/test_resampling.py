"""Permutation tests agree with all permutations, and with scipy."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cntgraph.training.statistics import resampling
from cntgraph.training.statistics.comparison import auc
from cntgraph.training.statistics.resampling import permutation_p

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
    monkeypatch.setattr(resampling, "DRAWN_AT_ONCE", at_once)
    found = permutation_p(ranks(values), group * 1.0, 300, np.random.default_rng(0))
    assert found.tolist() == whole.tolist()
