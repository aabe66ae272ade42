"""The interval of an AUC: its equation, and how often it holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cntgraph.training.statistics.auc_interval import auc_interval
from cntgraph.training.statistics.comparison import auc

sizes = st.integers(1, 12)


def hanley_mcneil(theta, n, m):
    """Newcombe's form of the variance, written from its two probabilities."""
    both_above, both_below = theta / (2 - theta), 2 * theta**2 / (1 + theta)
    k = (n + m) / 2 - 1
    return (
        theta * (1 - theta) + k * (both_above - theta**2) + k * (both_below - theta**2)
    ) / (n * m)  # fmt: skip


def delong(x, y):
    """DeLong's variance by loops over pairs."""
    pairs = np.array([[(a > b) + (a == b) / 2 for b in y] for a in x])
    parts = [pairs.mean(axis=axis) for axis in (1, 0)]
    return sum(part.var(ddof=1) / part.size for part in parts if part.size > 1)


@given(sizes, sizes, st.integers(0, 10**6), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_ends_solve_the_equation(n, m, seed, confidence):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, rng.integers(2, 30), size=(2, n + m)).astype(float)
    group = rng.permutation(np.arange(n + m) < n)
    z = stats.norm.ppf((1 + confidence) / 2)
    for row, low, high in zip(values, *auc_interval(values, group, confidence), strict=True):
        area = auc(row, group)
        most = hanley_mcneil(area, n, m)
        ratio = max(1.0, delong(row[group], row[~group]) / most) if most else 1.0
        assert 0 <= low <= area <= high <= 1
        assert high - low > 0.01
        for end in {low, high} - {area}:
            squared = z**2 * ratio * hanley_mcneil(end, n, m)
            assert (area - end) ** 2 == pytest.approx(squared, abs=1e-9)


def test_turned_round_it_is_turned_round():
    values = np.random.default_rng(1).normal(size=(3, 20))
    group = np.arange(20) < 7
    low, high = auc_interval(values, group, 0.9)
    np.testing.assert_allclose(auc_interval(-values, group, 0.9), (1 - high, 1 - low), atol=1e-12)
    np.testing.assert_allclose(auc_interval(values, ~group, 0.9), (1 - high, 1 - low), atol=1e-12)


def test_perfect_separation_is_less_sure_of_few_networks():
    lows = []
    for n in (1, 5, 20, 200):
        values, group = np.arange(2.0 * n)[None, :], np.arange(2 * n) >= n
        (low,), (high,) = auc_interval(values, group, 0.95)
        assert high == 1.0
        lows.append(low)
    assert lows == sorted(lows)
    assert lows[0] < 0.3
    assert lows[-1] > 0.97


@pytest.mark.parametrize(("area", "n"), [(0.5, 10), (0.95, 5), (0.95, 10), (0.99, 20)])
def test_it_holds_as_often_as_it_says(area, n):
    """A percentile bootstrap holds in 46 % of the cases with 5 networks and an AUC of 0.95."""
    rng, group = np.random.default_rng(0), np.arange(2 * n) < n
    values = rng.normal(size=(2000, 2 * n)) + np.sqrt(2) * stats.norm.ppf(area) * group
    low, high = auc_interval(values, group, 0.95)
    assert ((low <= area) & (area <= high)).mean() > 0.935
