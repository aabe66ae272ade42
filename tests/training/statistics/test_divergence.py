"""Divergences are those of Gaussians in closed form, of integrals, and of scipy's own functions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import special, stats
from scipy.integrate import simpson

import cntgraph as cg
from cntgraph.training.statistics.divergence import (
    KINDS,
    divergence,
    divergence_matrix,
    histogram_divergence,
)

INFORMATION = KINDS[:3]
DISTANCES = KINDS[3:]
SYMMETRIC = [kind for kind in KINDS if kind != "kullback_leibler"]

values = st.floats(-100, 100).map(lambda x: round(x, 2))
samples = st.lists(values, min_size=1, max_size=20)
seeds = st.integers(0, 10**6)


def gaussian_kl(m1, v1, m2, v2):
    """Kullback–Leibler divergence of a Gaussian from another, by means and variances."""
    return (np.log(v2 / v1) + (v1 + (m1 - m2) ** 2) / v2 - 1) / 2


def gaussian_jeffreys(m1, v1, m2, v2):
    return gaussian_kl(m1, v1, m2, v2) + gaussian_kl(m2, v2, m1, v1)


# -- Gaussians in closed form --------------------------------------------------------------------


@given(st.floats(0.1, 10.0), st.floats(0.0, 12.0), st.floats(-1e4, 1e4))
def test_constants_under_a_kernel_are_gaussians(width, apart, offset):
    """Two Gaussians of one width, d widths apart: J = d², KL = d²/2."""
    a, b = [offset] * 3, [offset + apart * width] * 2
    assert divergence(a, b, "jeffreys", bandwidth=width) == pytest.approx(
        apart**2, rel=1e-6, abs=1e-9
    )
    relative = divergence(a, b, "kullback_leibler", bandwidth=width)
    assert relative == pytest.approx(apart**2 / 2, rel=1e-6, abs=1e-9)


def test_the_kernel_density_of_a_gaussian_is_a_wider_gaussian():
    """Quantiles of a Gaussian of variance v under a kernel of width h have variance v + h²."""
    shares = (np.arange(8000) + 0.5) / 8000
    a, b, h = stats.norm.ppf(shares), stats.norm.ppf(shares) * 1.1 + 0.3, 1.5
    between = (0.0, 1.0 + h**2, 0.3, 1.21 + h**2)
    assert divergence(a, b, "jeffreys", bandwidth=h) == pytest.approx(
        gaussian_jeffreys(*between), rel=2e-4
    )
    for first, second, moments in ((a, b, between), (b, a, between[2:] + between[:2])):
        found = divergence(first, second, "kullback_leibler", bandwidth=h)
        assert found == pytest.approx(gaussian_kl(*moments), rel=2e-4)


@pytest.mark.parametrize(("on", "tolerance"), [("kde", 0.03), ("samples", 0.03)])
def test_jeffreys_of_gaussian_samples_is_near_the_analytic_value(on, tolerance):
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.0, 1.0, 100_000), rng.normal(0.5, 1.0, 100_000)
    assert divergence(a, b, "jeffreys", on=on) == pytest.approx(0.25, rel=tolerance)


# -- kernel densities ----------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["scott", "silverman"])
def test_densities_are_integrated(rule):
    a, b = np.array([0.0, 0.4, 1.0, 3.0]), np.array([0.5, 2.0, 2.5])
    p, q = stats.gaussian_kde(a, rule), stats.gaussian_kde(b, rule)

    x = np.linspace(-12, 14, 20_001)

    def integral(function):
        return simpson(function(p(x), q(x)), x=x)

    found = {kind: divergence(a, b, kind, bandwidth=rule) for kind in INFORMATION}
    assert found["jeffreys"] == pytest.approx(
        integral(lambda u, v: (u - v) * np.log(u / v)), rel=1e-6
    )
    assert found["kullback_leibler"] == pytest.approx(
        integral(lambda u, v: u * np.log(u / v)), rel=1e-6
    )
    assert found["jensen_shannon"] == pytest.approx(
        integral(lambda u, v: (u * np.log(2 * u / (u + v)) + v * np.log(2 * v / (u + v))) / 2),
        rel=1e-6,
    )


@settings(max_examples=15)
@given(samples, samples)
def test_bounds(a, b):
    both_ways = divergence(a, b, "kullback_leibler") + divergence(b, a, "kullback_leibler")
    assert divergence(a, b, "jeffreys") == pytest.approx(both_ways, rel=1e-9, abs=1e-9)
    assert divergence(a, b, "kullback_leibler") > -1e-12
    assert -1e-12 < divergence(a, b) < np.log(2) + 1e-12
    assert 0 <= divergence(a, b, "kolmogorov_smirnov") <= 1
    assert np.isfinite(both_ways)


@settings(max_examples=15)
@given(samples)
def test_a_set_is_at_no_distance_from_itself(a):
    for kind in KINDS:
        assert divergence(a, list(reversed(a)), kind) == pytest.approx(0.0, abs=1e-12)


@settings(max_examples=15)
@given(samples, samples)
def test_symmetric_kinds(a, b):
    for kind in SYMMETRIC:
        assert divergence(a, b, kind) == pytest.approx(divergence(b, a, kind), rel=1e-9, abs=1e-12)


@settings(max_examples=15)
@given(seeds, st.sampled_from([1e-200, 1e-3, 7.0, 1e6]), st.sampled_from(["kde", "samples"]))
def test_information_does_not_depend_on_the_unit(seed, scale, on):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=30), rng.normal(1.0, 2.0, size=40)
    for kind in INFORMATION:
        expected = divergence(a, b, kind, on=on)
        found = divergence(-a * scale, -b * scale, kind, on=on)
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)
        moved = divergence(a + 5, b + 5, kind, on=on)
        assert moved == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("width", [1.0, 1e-4])
def test_kernels_much_narrower_than_the_range_lose_no_mass(width):
    """A set of two far values from one of the first only: (1/2, 1/2) from (1, 0)."""
    found = divergence([0.0, 1000.0], [0.0], "jensen_shannon", bandwidth=width)
    half, whole, middle = np.array([0.5, 0.5]), np.array([1.0, 0.0]), np.array([0.75, 0.25])
    expected = (stats.entropy(half, middle) + stats.entropy(whole, middle)) / 2
    assert found == pytest.approx(expected, rel=1e-6)


def test_constants_without_a_width():
    assert 100 < divergence([1.0, 1.0], [2.0], "jeffreys") < np.inf
    assert divergence([1.0, 1.0], [2.0]) == pytest.approx(np.log(2))
    assert divergence([3.0], [3.0, 3.0]) == 0.0
    assert divergence([0.0] * 5, np.linspace(-1, 1, 50), "jensen_shannon") > 0.3


@pytest.mark.parametrize("kind", INFORMATION)
@pytest.mark.parametrize("on", ["kde", "samples"])
def test_the_base_of_the_logarithm(kind, on):
    a, b = np.arange(20.0), np.arange(5.0, 30.0)
    natural, bits = divergence(a, b, kind, on=on), divergence(a, b, kind, on=on, base=2)
    assert bits == pytest.approx(natural / np.log(2))
    assert divergence(a, a + 1000, "jensen_shannon", base=2) == pytest.approx(1.0)


# -- samples as they are -------------------------------------------------------------------------


@given(samples, samples)
def test_distances_are_those_of_scipy(a, b):
    assert divergence(a, b, "wasserstein") == stats.wasserstein_distance(a, b)
    assert divergence(a, b, "energy") == stats.energy_distance(a, b)
    found = divergence(a, b, "kolmogorov_smirnov")
    assert found == pytest.approx(stats.ks_2samp(a, b, method="exact").statistic, abs=1e-15)


@given(seeds)
def test_estimates_are_by_nearest_neighbors(seed):
    """Wang, Kulkarni and Verdú's estimate by a loop over all distances."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=int(rng.integers(2, 30))), rng.normal(size=int(rng.integers(2, 30)))
    k = int(np.sqrt(min(a.size, b.size) - 1))

    def relative(x, y):
        own = [np.sort(np.abs(np.delete(x, i) - x[i]))[k - 1] for i in range(x.size)]
        other = [np.sort(np.abs(y - value))[k - 1] for value in x]
        return np.mean(np.log(np.divide(other, own))) + np.log(y.size / (x.size - 1))

    found = divergence(a, b, "kullback_leibler", on="samples")
    assert found == pytest.approx(max(relative(a, b), 0), abs=1e-9)
    both = divergence(a, b, "jeffreys", on="samples")
    assert both == pytest.approx(max(relative(a, b) + relative(b, a), 0), abs=1e-9)


def test_jensen_shannon_of_samples():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, 20_000), rng.normal(1, 1, 30_000)
    exact = divergence([0.0], [1.0], "jensen_shannon", bandwidth=1.0)  # of those Gaussians
    assert divergence(a, b, "jensen_shannon", on="samples") == pytest.approx(exact, abs=0.01)
    same = divergence(a, rng.normal(0, 1, 30_000), "jensen_shannon", on="samples")
    assert 0 <= same < 0.01
    apart = divergence(a, b + 100, "jensen_shannon", on="samples")
    assert apart == pytest.approx(np.log(2), abs=0.01)


@given(seeds, st.sampled_from(INFORMATION), st.integers(2, 200))
def test_estimates_stay_in_the_range_of_the_divergence(seed, kind, n):
    rng = np.random.default_rng(seed)
    found = divergence(rng.normal(size=n), rng.normal(size=n), kind, on="samples")
    assert 0 <= found <= (np.log(2) if kind == "jensen_shannon" else np.inf)


def test_the_default_converges_where_spreads_differ():
    """N(0, 1) and N(0, 2), by quadrature over their densities."""
    rng, grid = np.random.default_rng(0), np.linspace(-30, 30, 200_001)
    p, q = stats.norm(0, 1).pdf(grid), stats.norm(0, 2).pdf(grid)
    middle = (p + q) / 2
    parts = special.rel_entr(p, middle) + special.rel_entr(q, middle)
    value = float(np.trapezoid(parts, grid)) / 2
    for n, tolerance in ((1_000, 0.2), (100_000, 0.02)):
        found = divergence(rng.normal(0, 1, n), rng.normal(0, 2, n))
        assert found == pytest.approx(value, rel=tolerance)


def test_discrete_samples_are_compared_by_their_frequencies():
    a, b = [0, 0, 0, 1, 1, 2] * 5, [0, 1, 1, 1, 2, 2] * 4
    p, q = np.array([3, 2, 1]) / 6, np.array([1, 3, 2]) / 6
    relative = divergence(a, b, "kullback_leibler", on="samples")
    assert relative == pytest.approx(stats.entropy(p, q))
    assert divergence(a, b, "jeffreys", on="samples") == pytest.approx(
        stats.entropy(p, q) + stats.entropy(q, p)
    )
    assert divergence([*a, 7], b, "kullback_leibler", on="samples") == np.inf
    assert divergence(a, [*b, 7] * 2, "kullback_leibler", on="samples") < np.inf


def test_samples_that_are_neither_continuous_nor_discrete():
    rng = np.random.default_rng(0)
    pruned = rng.normal(size=100) * (rng.random(100) < 0.7)
    with pytest.raises(cg.CntGraphError, match=r"some values repeat and 1\d\d of 200 are distinct"):
        divergence(pruned, rng.normal(size=100), on="samples")


# -- the published code --------------------------------------------------------------------------


@settings(max_examples=15)
@given(seeds, st.sampled_from([0.1, 1.0, 30.0]))
def test_the_published_sum_by_a_loop(seed, scale):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=12) * scale, rng.normal(0.5, 1.5, size=8) * scale
    low, high = min(a.min(), b.min()), max(a.max(), b.max())
    p, q = stats.gaussian_kde(a), stats.gaussian_kde(b)
    total = 0.0
    grid = np.arange(low, high, abs(high - low) / 1000)
    for px, qx in zip(p(grid), q(grid), strict=True):
        total += px * np.log(px / qx) + qx * np.log(qx / px)
    assert divergence(a, b, "jeffreys", compat="lamalfa2021") == pytest.approx(total, rel=1e-9)


def test_the_published_sum_has_no_dx():
    """On samples so many that the ends matter little, it is the integral over the step."""
    shares = (np.arange(3000) + 0.5) / 3000
    a, b = stats.norm.ppf(shares), stats.norm.ppf(shares) + 0.2
    step = (max(a.max(), b.max()) - min(a.min(), b.min())) / 1000
    published = divergence(a, b, "jeffreys", compat="lamalfa2021")
    assert published * step == pytest.approx(divergence(a, b, "jeffreys"), rel=0.05)
    assert divergence(a / 10, b / 10, "jeffreys", compat="lamalfa2021") == pytest.approx(
        10 * published
    )
    far = divergence(a, b * 0.001 + 300, "jeffreys", compat="lamalfa2021")
    assert far == np.inf


def test_what_the_published_code_cannot_do():
    with pytest.raises(cg.CntGraphError, match="one of the sets is a constant"):
        divergence([1.0, 2.0], [1.0, 1.0], "jeffreys", compat="lamalfa2021")
    for options in ({"kind": "energy"}, {"kind": "jeffreys", "on": "samples"}, {}):
        with pytest.raises(cg.CntGraphError, match="a way to compute kind='jeffreys' on='kde'"):
            divergence([1.0, 2.0], [3.0, 1.0], compat="lamalfa2021", **options)


# -- matrices ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("on", ["kde", "samples"])
def test_a_matrix_is_that_of_its_pairs(kind, on):
    rng = np.random.default_rng(0)
    layers = {"fc1": rng.normal(size=40), "fc2": rng.normal(3, 2, size=20), "fc3": np.arange(9.0)}
    found = divergence_matrix(layers, kind, on=on)
    assert list(found.index) == list(found.columns) == list(layers)
    for a in layers:
        for b in layers:
            expected = 0.0 if a == b else divergence(layers[a], layers[b], kind, on=on)
            if a == b and on == "samples" and kind in INFORMATION:
                continue  # an estimate, of samples that are all their own neighbors
            assert found.loc[a, b] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_a_matrix_of_a_sequence_and_of_intervals():
    sets = [[0.0, 1.0], [1.0, 2.0], [5.0, 6.0]]
    found = divergence_matrix(sets, "wasserstein")
    assert found.index.tolist() == found.columns.tolist() == [0, 1, 2]
    assert found.to_numpy().tolist() == [[0, 1, 5], [1, 0, 4], [5, 4, 0]]
    bins = pd.interval_range(0, 1, periods=3)
    by_bin = divergence_matrix(dict(zip(bins, sets, strict=True)), "wasserstein")
    assert by_bin.loc[bins[0], bins[2]] == 5.0
    tuples = divergence_matrix({("a", 1): sets[0], ("b", 2): sets[1]}, "energy")
    assert tuples.index.tolist() == [("a", 1), ("b", 2)]
    assert divergence_matrix({}).shape == (0, 0)


def test_empty_sets_are_nan():
    for kind in KINDS:
        assert np.isnan(divergence([], [1.0, 2.0], kind))
        assert np.isnan(divergence([], [], kind))
    assert np.isnan(divergence([1.0], [1.0, 2.0], on="samples"))
    found = divergence_matrix({"a": [1.0, 2.0], "none": [], "b": [3.0, 4.0]})
    assert found["none"].isna().all()
    assert found.loc["none"].isna().all()
    assert found.loc["a", "b"] == found.loc["b", "a"] > 0


# -- histograms ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_fine_histograms_tell_what_samples_tell(kind):
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, 5000), rng.normal(0.6, 1.2, 4000)
    edges = np.linspace(-6, 7, 401)
    counts = [np.histogram(x, edges)[0] for x in (a, b)]
    found = histogram_divergence(edges, *counts, kind)
    assert found == pytest.approx(divergence(a, b, kind), rel=0.01)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=12))
def test_coarse_histograms_are_their_bins(pairs):
    first, second = (np.array(column) for column in zip(*pairs, strict=True))
    assume(first.any() and second.any())
    edges = np.arange(first.size + 1.0) ** 2
    p, q = first / first.sum(), second / second.sum()
    found = histogram_divergence(edges, first, second, "kullback_leibler", on="samples")
    assert found == pytest.approx(stats.entropy(p, q), abs=1e-12)
    middles = (edges[1:] + edges[:-1]) / 2
    a, b = np.repeat(middles, first), np.repeat(middles, second)
    for kind in DISTANCES:
        found = histogram_divergence(edges, first, second, kind)
        assert found == pytest.approx(divergence(a, b, kind), rel=1e-9, abs=1e-12)
    assert np.isfinite(histogram_divergence(edges, first, second))


def test_histograms_without_a_count():
    assert np.isnan(histogram_divergence([0, 1, 2], [0, 0], [1, 2]))
    with pytest.raises(cg.CntGraphError, match="one count per bin"):
        histogram_divergence([0, 1, 2], [0, 1], [1, 2, 3])


# -- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "shannon"}, "expected a kind of jeffreys, .*energy; got 'shannon'"),
        ({"on": "bins"}, "'kde' or 'samples', got 'bins'"),
        ({"base": 1.0}, "base of logarithms above 1, got 1.0"),
        ({"base": -2}, "base of logarithms above 1"),
        ({"compat": "v2"}, "'lamalfa2021', got 'v2'"),
        ({"n_points": 31}, "32 or more, got 31"),
        ({"bandwidth": 0}, "kernel of positive width"),
    ],
)
def test_options_that_are_none(options, message):
    with pytest.raises(cg.CntGraphError, match=message):
        divergence([1.0, 2.0], [2.0, 3.0], **options)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_that_are_not_finite_are_refused(kind):
    with pytest.raises(cg.CntGraphError, match="1 of 2 are NaN or infinite"):
        divergence([1.0, np.nan], [1.0, 2.0], kind)
