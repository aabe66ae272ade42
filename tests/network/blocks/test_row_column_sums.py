"""Sums of a weight in every stored type, against exact sums of the exact values."""

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import loops
from oracles.stored import DTYPES, FLOAT8, stored

from cntgraph.core.kernels import floats
from cntgraph.core.kernels import row_column_sums as kernels
from cntgraph.core.parameter import Parameter, kernel_values, storage_dtype, widen
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.matrix import Factors
from cntgraph.network.blocks import TRANSFORMS, WeightStatistics
from cntgraph.network.blocks.histogram import Bins
from cntgraph.network.blocks.row_column_sums import row_column_sums

NARROW = ("float16", "bfloat16", *FLOAT8)
SHAPES = [
    (1, 1), (1, 300), (300, 1), (4, 7), (7, 4), (13, 2500), (0, 3), (3, 0),
    (6, 3, 3, 3), (12, 2, 5), (4, 1, 9), (5, 700, 3),
]  # fmt: skip


def recipe_of(bits, dtype):
    return Recipe.of(Parameter.from_array("w", bits, dtype=dtype))


def exact_sums(exact, transform, groups):
    """Row and column sums by `math.fsum`, which rounds once; and the sums of magnitudes."""
    f = np.vectorize(loops.TRANSFORMS[transform], otypes=[float])
    rows, inner = exact.shape[:2]
    values = f(exact).reshape(groups, rows // groups, inner, -1) if exact.size else exact
    if not exact.size:
        taps = math.prod(exact.shape[2:])
        return np.zeros((rows, taps)), np.zeros((groups, inner, taps))
    taps = values.shape[-1]
    by_row = [[math.fsum(r[:, t]) for t in range(taps)] for r in values.reshape(rows, inner, taps)]
    columns = np.moveaxis(values, 1, -1).reshape(-1, rows // groups)
    return np.array(by_row), np.array([math.fsum(c) for c in columns]).reshape(groups, inner, taps)


def sized(exact, transform, groups):
    """How far rounding may take the sums: some units of the sum of magnitudes."""
    transform = "absolute" if transform in ("signed", "positive", "negative") else transform
    return [1e-14 * np.maximum(s, 1e-300) for s in exact_sums(exact, transform, groups)]


@given(st.data())
def test_sums_in_every_stored_type(data):
    shape = data.draw(st.sampled_from(SHAPES))
    dtype, transform = data.draw(st.sampled_from(DTYPES)), data.draw(st.sampled_from(TRANSFORMS))
    groups = data.draw(st.sampled_from([g for g in (1, 2, 3, 4) if shape[0] % g == 0]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    scale = data.draw(st.sampled_from([1.0, 1e-3, 1e-6]))  # with subnormals
    bits, dtype, exact = stored(rng.normal(size=shape) * scale * (rng.random(shape) < 0.9), dtype)
    statistics = data.draw(st.booleans())
    sums, found = row_column_sums(
        recipe_of(bits, dtype), (transform,), groups=groups, statistics=statistics
    )
    expected, room = exact_sums(exact, transform, groups), sized(exact, transform, groups)
    for ours, theirs, tolerance in zip(sums[transform], expected, room, strict=True):
        assert ours.shape == theirs.shape
        assert (np.abs(ours - theirs) <= tolerance).all()
    assert found.size == (exact.size if statistics else 0)


@given(st.sampled_from(NARROW), st.integers(0, 2**16), st.booleans())
def test_statistics_of_narrow_floats(dtype, seed, signed):
    rng = np.random.default_rng(seed)
    values = rng.gamma(2.0, size=(9, 400)) * (rng.random((9, 400)) < 0.9) - 0.5
    bits, dtype, exact = stored(values, dtype)
    transforms = ("signed",) if signed else ()
    _, found = row_column_sums(recipe_of(bits, dtype), transforms, statistics=True)
    wide = exact.astype(np.longdouble)
    d = wide - wide.mean()
    expected = (wide.mean(), (d**2).sum(), (d**3).sum(), (d**4).sum(), wide.min(), wide.max())
    ours = (found.mean, found.m2, found.m3, found.m4, found.minimum, found.maximum)
    assert ours == pytest.approx(tuple(float(x) for x in expected), rel=1e-12)
    assert (found.n, found.n_zero) == (exact.size, (exact == 0).sum())


@pytest.mark.parametrize("dtype", NARROW)
@np.errstate(invalid="ignore")  # signaling NaN, infinities that cancel
def test_narrow_floats_that_are_not_finite_are_set_apart(dtype):
    values = every_value(dtype).reshape(16, -1)
    exact = widen(values, dtype).astype(float)
    sums, found = row_column_sums(recipe_of(values, dtype), ("signed",), statistics=True)
    bad = ~np.isfinite(exact)
    np.testing.assert_allclose(sums["signed"].row[:, 0], exact.sum(axis=1), rtol=1e-12)
    assert bad.any(axis=1).tolist() == (~np.isfinite(sums["signed"].row[:, 0])).tolist()
    assert (found.n_nan, found.n_inf) == (np.isnan(exact).sum(), np.isinf(exact).sum())
    assert (found.n, found.minimum) == ((~bad).sum(), exact[~bad].min())


def every_value(dtype):
    """All bit patterns of a narrow type."""
    storage = storage_dtype(dtype)
    bits = np.arange(1 << 8 * storage.itemsize).astype(f"u{storage.itemsize}")
    return bits.view(storage)


@pytest.mark.parametrize("dtype", NARROW)
@np.errstate(invalid="ignore")  # signaling NaN
def test_every_bit_pattern_is_widened_as_by_ml_dtypes(dtype):
    """One value a row, so that its sum is the value."""
    values = every_value(dtype)
    widened, kernel = np.zeros(len(values)), kernel_values(values, dtype)
    given = kernel.reshape(-1, 1), *Factors(), 1, (0, len(values))
    kernels.add_sums(*given, widened[:, None], np.zeros((1, 1)), None)
    expected = values.view(getattr(ml_dtypes, dtype, dtype)).astype(np.float64)
    np.testing.assert_array_equal(widened, expected)


@np.errstate(invalid="ignore")  # signaling NaN
def test_float16_is_widened_without_the_instruction_as_well():
    from numba import njit

    values, by_bits = every_value("float16"), njit(floats.half_by_bits)
    widened = np.array([by_bits(x) for x in kernel_values(values, "float16")])
    expected = values.astype(np.float64)
    np.testing.assert_array_equal(widened, expected)
    nan = np.isnan(expected)
    assert (np.signbit(widened) == np.signbit(expected))[~nan].all()


def test_the_instruction_is_used_on_this_machine_only(monkeypatch):
    import numba

    monkeypatch.setattr(numba.config, "CPU_NAME", "generic")
    assert not floats.converts_halves()


@given(st.integers(1, 5), st.integers(0, 2**16), st.sampled_from(["float32", "float16", "int8"]))
def test_a_part_of_a_transposed_weight_is_read_as_stored(step, seed, dtype):
    rng = np.random.default_rng(seed)
    bits, dtype, exact = stored(rng.normal(size=(4, 3, 6)), dtype)
    moved = recipe_of(bits, dtype).transpose((2, 0, 1)).take(0, 0, 6, step).reshape((-1, 12))
    indices = rng.permutation(12)
    moved = moved.gather(1, indices)
    assert (moved.stored_dtype, moved.read_stored(0, 0, 1).dtype) == (dtype, storage_dtype(dtype))
    expected = exact.transpose((2, 0, 1))[::step].reshape(-1, 12)[:, indices]
    sums, _ = row_column_sums(moved, ("signed",))
    np.testing.assert_allclose(sums["signed"].row[:, 0], expected.sum(axis=1), atol=1e-13)
    computed = moved * 2.0
    assert computed.stored_dtype == "float64"
    np.testing.assert_array_equal(computed.read_stored(0, 0, 1), 2.0 * expected[:1])


@pytest.mark.parametrize("shape", [(1, 700_000), (3, 300_000), (40, 20_000), (2, 150_000, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_large_weights_are_cut_by_rows_or_by_columns(shape, dtype, monkeypatch):
    values = np.random.default_rng(0).normal(size=shape).astype(dtype)
    bins, found = Bins(0.0, 1.0), []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("CNTGRAPH_NUM_THREADS", threads)
        sums, statistics = row_column_sums(
            recipe_of(values, dtype), ("signed", "square", "count"), statistics=bins
        )
        found.append(([s.tobytes() for own in sums.values() for s in own], repr(statistics)))
        wide = values.astype(np.float64).reshape(*shape[:2], -1)
        np.testing.assert_allclose(sums["signed"].row, wide.sum(axis=1), atol=1e-8)
        np.testing.assert_allclose(sums["square"].column[0], (wide**2).sum(axis=0), rtol=1e-13)
        np.testing.assert_array_equal(statistics.counts, bins.count(wide))
        assert statistics.mean == pytest.approx(wide.mean(), abs=1e-12)
        assert statistics.kurtosis == pytest.approx(
            ((wide - wide.mean()) ** 4).mean() / wide.var() ** 2 - 3.0, rel=1e-9
        )
    assert found[0] == found[1] == found[2]


def test_an_outlier_among_the_first_values_does_not_drown_the_spread():
    values = np.random.default_rng(0).normal(size=(64, 2048))
    values[0, :1024] += 1e6
    _, found = row_column_sums(recipe_of(values, "float64"), ("signed",), statistics=True)
    wide = values.astype(np.longdouble)
    d = wide - wide.mean()
    for ours, power in ((found.m2, 2), (found.m3, 3), (found.m4, 4)):
        assert ours == pytest.approx(float((d**power).sum()), rel=1e-11)


@given(st.lists(st.floats(width=32), min_size=1, max_size=40), st.sampled_from("fd"))
def test_extremes_and_zeros_of_any_floats(values, kind):
    values = np.array(values, kind)
    found = WeightStatistics.of(values)
    finite = values[np.isfinite(values)]
    if finite.size:
        assert (found.minimum, found.maximum) == (finite.min(), finite.max())
    assert found.n_zero == (values == 0).sum()


@pytest.mark.parametrize("dtype", NARROW)
def test_more_zeros_than_its_bits_can_count(dtype):
    zeros = np.zeros((1, 100_000), storage_dtype(dtype))
    _, found = row_column_sums(recipe_of(zeros, dtype), (), statistics=True)
    assert (found.n, found.n_zero, found.m4) == (100_000, 100_000, 0.0)


@pytest.mark.parametrize("dtype", ["int64", "int16", "uint16", "uint8", "bool", "float16"])
def test_statistics_of_numbers_of_any_type(dtype):
    values = (np.arange(50) % 7 - 2).astype(dtype)
    found, wide = WeightStatistics.of(values), values.astype(np.float64)
    assert (found.mean, found.std) == pytest.approx((wide.mean(), wide.std()))
    assert (found.minimum, found.maximum, found.n_zero) == (
        wide.min(),
        wide.max(),
        (wide == 0).sum(),
    )
