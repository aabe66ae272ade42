"""Bins: every value is counted once, in the bin between whose edges it lies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cntgraph.core.errors import CntGraphError
from cntgraph.network.blocks.histogram import N_BINS, Bins
from cntgraph.network.blocks.statistics import WeightStatistics

numbers = st.floats(allow_nan=True, allow_infinity=True)
ordinary = st.floats(-1e6, 1e6)


def counted(values, bins):
    """What NumPy finds between the edges."""
    finite = values[np.isfinite(values)]
    edges = bins.edges
    inside = finite[(finite >= edges[0]) & (finite <= edges[-1])]
    return np.concatenate([
        [(finite < edges[0]).sum()],
        np.histogram(inside, edges)[0],
        [(finite > edges[-1]).sum(), values.size - finite.size],
    ])  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("center", "spread"), [(0.0, 1.0), (-3.7, 0.02), (1e5, 3e3), (0.0, 1e-9)])
def test_counts_are_those_of_numpy(dtype, center, spread):
    rng = np.random.default_rng(0)
    values = np.concatenate([
        center + spread * rng.standard_t(1, 30_000), [np.nan, np.inf, -np.inf, -np.nan]
    ]).astype(dtype)  # fmt: skip
    bins = Bins(center, spread)
    found, expected = bins.count(values), counted(values.astype(np.float64), bins)
    assert found[0] == expected[0] > 0
    assert found[-2] == expected[-2] > 0
    assert found[-1] == expected[-1] == 4
    # A float32 can lie exactly at an edge, where NumPy's bins are closed on the other side.
    assert np.abs(found - expected).max() <= (3 if dtype == np.float32 else 0)
    assert found.sum() == values.size


@given(st.lists(numbers, max_size=40))
def test_bins_fit_any_values(values):
    values = np.array(values, dtype=np.float64)
    bins = Bins.about(values)
    assert np.isfinite(bins.edges).all()
    assert (np.diff(bins.edges) > 0).all()
    counts = bins.count(values)
    assert counts.sum() == values.size
    assert counts[-1] == (~np.isfinite(values)).sum()


@given(ordinary, st.floats(1e-3, 1e3), st.lists(ordinary, min_size=1, max_size=50))
def test_each_value_lies_in_its_bin(center, spread, values):
    bins = Bins(center, spread)
    for value in values:
        (place,) = np.flatnonzero(bins.count(np.array([value])))
        around = np.concatenate([[-np.inf], bins.edges, [np.inf]])
        tolerance = 1e-9 * (abs(value) + spread)
        assert around[place] - tolerance <= value <= around[place + 1] + tolerance


def test_the_middle_of_a_normal_distribution_is_fine():
    values = np.random.default_rng(0).normal(5.0, 2.0, 10_000)
    bins = Bins.about(values)
    assert abs(bins.center - 5.0) < 0.1
    assert abs(bins.spread - 2.0) < 0.1
    assert len(bins.edges) == N_BINS + 1
    widths = np.diff(bins.edges)
    assert widths.min() < bins.spread / 31
    assert bins.edges[-1] > 5.0 + 250 * 2.0
    assert np.allclose(widths, widths[::-1])


def test_an_outlier_does_not_widen_the_bins():
    values = np.random.default_rng(0).normal(size=1000)
    found = Bins.about(np.concatenate([values, [1e12, np.inf, np.nan]]))
    assert found.spread == pytest.approx(Bins.about(values).spread, rel=0.02)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], (0, 1)), ([np.nan], (0, 1)), ([0, 0], (0, 1)), ([-4, -4], (-4, 4)),
     ([0] * 9 + [10], (0, 3)), ([0, 0, 0, 1e-320], (0, 1e-290))],
)  # fmt: skip
def test_values_that_hardly_spread(values, expected):
    found = Bins.about(np.array(values, dtype=np.float64))
    assert (found.center, found.spread) == expected


@pytest.mark.parametrize(
    ("center", "spread"),
    [(0, 0), (0, -1), (np.nan, 1), (0, np.nan), (np.inf, 1), (0, np.inf), (1, 1e-16), (0, 1e300)],
)
def test_bins_without_edges_are_refused(center, spread):
    with pytest.raises(CntGraphError, match="a center and a spread"):
        Bins(center, spread)


def test_statistics_count_while_they_are_at_it():
    values = np.random.default_rng(0).normal(size=600_000)  # more than one chunk
    values[[3, 400_000]] = np.nan, np.inf
    bins = Bins.about(values)
    found = WeightStatistics.of(values, bins=bins)
    np.testing.assert_array_equal(found.counts, bins.count(values))
    assert WeightStatistics.of(values).counts is None
    twice = found + WeightStatistics() + found
    np.testing.assert_array_equal(twice.counts, 2 * bins.count(values))
    assert (found.n, found.mean) == (
        WeightStatistics.of(values).n,
        WeightStatistics.of(values).mean,
    )
