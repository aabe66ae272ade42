import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.loops import moments
from scipy import stats

from cntgraph.network.blocks import WeightStatistics

SHAPES = {
    "normal": lambda rng, n: rng.normal(size=n),
    "skewed": lambda rng, n: rng.gamma(0.5, size=n),
    "shifted": lambda rng, n: rng.normal(size=n) + 100.0,
    "tiny": lambda rng, n: rng.normal(size=n) * 1e-6,
    "two values": lambda rng, n: rng.integers(0, 2, n) - 0.25,
}


def numbers(s):
    return (s.n, s.mean, s.std, s.skew, s.kurtosis, s.minimum, s.maximum)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [2, 3, 17, 1000, 300_001])
def test_moments_are_those_of_scipy(shape, dtype, n):
    values = SHAPES[shape](np.random.default_rng(n), n).astype(dtype)
    values[0], values[1] = values[0] + 1, values[1] - 2
    found, wide = WeightStatistics.of(values), values.astype(np.float64)
    expected = (
        n, wide.mean(), wide.std(), stats.skew(wide), stats.kurtosis(wide), wide.min(), wide.max()
    )  # fmt: skip
    assert numbers(found) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=2, max_size=30, unique=True),
)
def test_moments_are_those_of_the_loop(values):
    values = [v for v in values if v == 0 or abs(v) > 1e-3] + [0.5, -0.25]
    n, mean, std, skew, kurtosis = moments(values)
    found = WeightStatistics.of(np.array(values))
    assert (found.n, found.mean, found.std) == pytest.approx((n, mean, std), rel=1e-12, abs=1e-12)
    assert (found.skew, found.kurtosis) == pytest.approx((skew, kurtosis), rel=1e-9, abs=1e-9)


@given(st.integers(0, 2**16), st.lists(st.integers(0, 120), max_size=6), st.sampled_from([0, 1e4]))
def test_merging_parts_gives_the_whole(seed, cuts, offset):
    rng = np.random.default_rng(seed)
    values = rng.gamma(2.0, size=120) + offset
    values[rng.integers(0, 120, 5)] = [0.0, np.nan, np.inf, -np.inf, 0.0]
    merged = WeightStatistics()
    for part in np.split(values, sorted(cuts)):
        merged += WeightStatistics.of(part)
    whole = WeightStatistics.of(values)
    assert numbers(merged) == pytest.approx(numbers(whole), rel=1e-7)
    assert (merged.n_zero, merged.n_nan, merged.n_inf) == (
        whole.n_zero, whole.n_nan, whole.n_inf
    )  # fmt: skip


def test_merging_is_associative_enough_to_be_ordered_any_way():
    rng = np.random.default_rng(3)
    a, b, c = (WeightStatistics.of(rng.normal(k, 1 + k, 50 * (k + 1))) for k in range(3))
    assert numbers((a + b) + c) == pytest.approx(numbers(c + (b + a)), rel=1e-12)


def test_nan_and_infinity_are_set_apart():
    values = np.array([1.0, np.nan, 2.0, np.inf, -np.inf, 0.0, -0.0, np.nan, 5.0])
    found = WeightStatistics.of(values)
    finite = values[np.isfinite(values)]
    assert (found.n, found.n_nan, found.n_inf, found.n_zero, found.size) == (5, 2, 2, 2, 9)
    assert (found.mean, found.std) == pytest.approx((finite.mean(), finite.std()))
    assert (found.minimum, found.maximum) == (0.0, 5.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_finite_at_all(bad, dtype):
    found = WeightStatistics.of(np.full(7, bad, dtype))
    assert (found.n, found.size, found.n_nan + found.n_inf) == (0, 7, 7)
    assert math.isnan(found.std)
    assert (found.minimum, found.maximum) == (np.inf, -np.inf)


def test_plus_and_minus_infinity_that_cancel():
    values = np.ones(100)
    values[3], values[50] = np.inf, -np.inf
    found = WeightStatistics.of(values)
    assert (found.n, found.n_inf, found.mean) == (98, 2, 1.0)


def test_a_finite_sum_that_overflows_is_not_called_infinite():
    found = WeightStatistics.of(np.full(4, 1e308))
    assert (found.n, found.n_inf, found.maximum) == (4, 0, 1e308)


@pytest.mark.parametrize("value", [0.0, 3.0, 0.1, -1e8, 1e-30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constants_do_not_vary(value, dtype):
    found = WeightStatistics.of(np.full(1001, value, dtype))
    assert found.mean == pytest.approx(float(dtype(value)), rel=1e-14)
    assert found.std <= abs(value) * 1e-14
    assert math.isnan(found.skew)
    assert math.isnan(found.kurtosis)


@pytest.mark.parametrize("n", [50, 200_000])
def test_a_huge_offset_does_not_drown_the_spread(n):
    values = np.random.default_rng(0).normal(size=n) + 1e8
    halves = WeightStatistics.of(values[: n // 3]) + WeightStatistics.of(values[n // 3 :])
    centered = values - 1e8
    expected = (centered.std(), stats.skew(centered), stats.kurtosis(centered))
    for found in (WeightStatistics.of(values), halves):
        assert (found.std, found.skew, found.kurtosis) == pytest.approx(
            expected, rel=1e-6, abs=1e-6
        )


def test_no_weights():
    none = WeightStatistics.of(np.zeros(0))
    assert none == WeightStatistics()
    assert none.size == 0
    assert math.isnan(none.std)
    some = WeightStatistics.of(np.array([1.0, 4.0]))
    assert none + some == some + none == some


def test_one_weight():
    one = WeightStatistics.of(np.array([[3.0]]))
    assert (one.n, one.mean, one.std, one.minimum, one.maximum) == (1, 3.0, 0.0, 3.0, 3.0)
    assert math.isnan(one.skew)


def test_arrays_of_any_layout():
    values = np.random.default_rng(1).normal(size=(6, 8))
    assert numbers(WeightStatistics.of(values.T[::2])) == pytest.approx(
        numbers(WeightStatistics.of(np.ascontiguousarray(values.T[::2])))
    )
