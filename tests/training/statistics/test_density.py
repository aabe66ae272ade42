"""Densities are those of scipy, also of very many samples, of one, and of a constant."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gaussian_kde, norm

import cntgraph as cg
from cntgraph.training.statistics.density import (
    Density,
    common_grid,
    histogram_density,
    kernel_density,
)

numbers = st.lists(
    st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), min_size=2, max_size=30, unique=True
)


@given(numbers, st.sampled_from(["scott", "silverman"]))
def test_the_density_is_that_of_scipy(samples, rule):
    found = kernel_density(samples, bandwidth=rule, n_points=50)
    expected = gaussian_kde(samples, bw_method=rule)(found.grid)
    np.testing.assert_allclose(found.values, expected, rtol=1e-6, atol=1e-12 * expected.max())
    assert found.n_samples == len(samples)


def test_a_number_is_the_width_of_the_kernel():
    grid = np.linspace(-4, 6, 11)
    found = kernel_density([-1.0, 2.0], grid=grid, bandwidth=0.7).values
    expected = (norm.pdf(grid, -1, 0.7) + norm.pdf(grid, 2, 0.7)) / 2
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("bandwidth", ["scott", 0.02])
def test_samples_put_together_in_bins_change_less_than_the_stated_bound(bandwidth):
    rng = np.random.default_rng(3)
    samples = np.concatenate([rng.normal(size=20_000), rng.exponential(3.0, size=10_000)])
    found = kernel_density(samples, bandwidth=bandwidth)
    spread = samples.std(ddof=1)
    width = spread * samples.size**-0.2 if bandwidth == "scott" else bandwidth
    expected = gaussian_kde(samples, bw_method=width / spread)(found.grid)
    difference = np.abs(found.values - expected).max()
    assert 0 < difference < 1 / (8192 * width * np.sqrt(2 * np.pi))


def test_very_many_samples():
    samples = np.random.default_rng(0).normal(size=1_000_000)
    found = kernel_density(samples)
    assert found.values == pytest.approx(norm.pdf(found.grid), abs=0.005)


def test_a_kernel_too_narrow_for_bins():
    rng = np.random.default_rng(0)
    samples = np.append(rng.normal(size=9000), 1e9)
    grid = np.linspace(-3, 3, 7)
    found = kernel_density(samples, grid=grid, bandwidth=0.1).values
    expected = gaussian_kde(samples, bw_method=0.1 / samples.std(ddof=1))(grid)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@given(numbers, st.sampled_from([1e-300, 1e-9, 1.0, 1e9, 1e290]))
def test_scaled_samples_have_a_scaled_density(samples, scale):
    unit, scaled = kernel_density(samples), kernel_density(np.array(samples) * scale)
    np.testing.assert_allclose(scaled.grid, unit.grid * scale, rtol=1e-6, atol=1e-6 * scale)
    # A point of the grid may itself be off by a rounding error of the samples.
    peak = unit.values.max()
    np.testing.assert_allclose(scaled.values * scale, unit.values, rtol=1e-5, atol=1e-6 * peak)


@pytest.mark.parametrize("samples", [[0.25], [0.25] * 7, [0.1 + 0.2, 0.3]])
def test_a_constant_is_a_gaussian_of_a_thousandth_of_its_size(samples):
    found = kernel_density(samples)
    expected = norm.pdf(found.grid, samples[0], 0.001 * max(samples))
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)
    assert found.n_samples == len(samples)


def test_a_constant_of_zero_and_one_under_a_kernel_of_a_given_width():
    assert kernel_density([0.0, 0.0]).values.max() == pytest.approx(norm.pdf(0) / 0.001, rel=1e-4)
    found = kernel_density([5.0, 5.0], grid=[5.0, 6.0], bandwidth=1.0).values
    np.testing.assert_allclose(found, norm.pdf([0.0, 1.0]), rtol=1e-12)


@given(st.floats(-2.9, 2.9))
def test_a_constant_on_a_grid_is_as_wide_as_a_step_and_loses_no_mass(value):
    grid = np.linspace(-4, 4, 81)
    found = kernel_density([value, value], grid=grid)
    np.testing.assert_allclose(found.values, norm.pdf(grid, value, 0.1), rtol=1e-6)
    assert np.trapezoid(found.values, grid) == pytest.approx(1.0, abs=1e-7)


def test_no_sample_has_a_density_of_zero():
    found = kernel_density([], n_points=4)
    assert found.grid.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert not found.values.any()
    assert found.n_samples == 0


def test_samples_of_any_shape_and_type():
    samples = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    found, flat = kernel_density(samples), kernel_density(samples.astype(np.float64).ravel())
    assert found.values.tolist() == flat.values.tolist()
    assert found.values.dtype == found.grid.dtype == np.float64


@pytest.mark.parametrize(("bad", "how_many"), [(np.nan, "1 of 3"), (-np.inf, "1 of 3")])
def test_samples_that_are_not_finite_are_refused(bad, how_many):
    for function in (kernel_density, lambda x: common_grid([[1.0, 2.0], x])):
        with pytest.raises(cg.CntGraphError, match=f"expected finite samples; {how_many}"):
            function([1.0, bad, 2.0])


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, np.nan, np.inf, "wide"])
def test_widths_that_are_none(bandwidth):
    with pytest.raises(cg.CntGraphError, match=r"expected (a kernel of|bandwidth to be)"):
        kernel_density([1.0, 2.0], bandwidth=bandwidth)


@pytest.mark.parametrize("grid", [[], [[1.0]], [1.0, 1.0], [2.0, 1.0], [0.0, np.nan]])
def test_grids_that_are_none(grid):
    with pytest.raises(cg.CntGraphError, match="expected a grid of finite, ascending"):
        kernel_density([1.0, 2.0], grid=grid)


def test_one_grid_for_several_sets():
    a, b = np.array([0.0, 1.0, 2.0]), np.array([20.0, 30.0])
    grid = common_grid([a, [], b, [7.0]], 100, margin=2.0)
    reach = [2 * x.std(ddof=1) * x.size**-0.2 for x in (a, b)]
    np.testing.assert_allclose(grid, np.linspace(0 - reach[0], 30 + reach[1], 100))
    # A constant at the end has a margin, too.
    assert common_grid([[0.0, 1.0], [4.0]], margin=1.0)[-1] == pytest.approx(4.004)
    assert common_grid([]).tolist() == np.linspace(0, 1, 512).tolist()
    with pytest.raises(cg.CntGraphError, match="at least 2 points, got n_points=1"):
        common_grid([a], 1)


def test_a_histogram_is_the_density_of_numpy():
    samples = np.random.default_rng(0).normal(size=500)
    edges = np.array([-4.0, -2.0, -0.5, 0.1, 1.0, 4.5])
    expected, _ = np.histogram(samples, edges, density=True)
    counts, _ = np.histogram(samples, edges)
    found = histogram_density(edges, counts)
    assert isinstance(found, Density)
    np.testing.assert_allclose(found.values, expected)
    assert found.grid.tolist() == [-3.0, -1.25, -0.2, 0.55, 2.75]
    assert found.n_samples == 500
    assert histogram_density(edges, counts * 0).values.tolist() == [0.0] * 5


@pytest.mark.parametrize(
    ("edges", "counts", "message"),
    [
        ([0, 1, 2], [1], "one count per bin"),
        ([0], [], "one count per bin"),
        ([[0, 1]], [1], "one count per bin"),
        ([0, 0], [1], "to ascend"),
        ([0, np.inf], [1], "to ascend"),
        ([0, 1], [-1], "not negative"),
        ([0, 1], [np.nan], "not negative"),
    ],
)
def test_what_is_no_histogram(edges, counts, message):
    with pytest.raises(cg.CntGraphError, match=message):
        histogram_density(edges, counts)
