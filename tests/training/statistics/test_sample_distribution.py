"""Distributions of one network; laws and their likelihoods against `powerlaw` and SciPy."""

import warnings

import numpy as np
import powerlaw
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.nets import nets
from scipy import stats

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.training.statistics.sample_distribution import SampleDistribution
from cntgraph.training.statistics.tail_fits import FAMILIES, fit_tail

NETS = nets()
HEAVY = ("lognormal", "power_law", "stretched_exponential")
DRAWS = {
    "lognormal": lambda rng: rng.lognormal(0.0, 1.0, 250),
    "pareto": lambda rng: rng.pareto(1.5, 250) + 1.0,
    "weibull": lambda rng: rng.weibull(0.7, 250),
    "half normal": lambda rng: np.abs(rng.normal(0.0, 1.0, 250)),
    "normal": lambda rng: rng.normal(5.0, 1.0, 250),
}


def drawn(name):
    return np.sort(DRAWS[name](np.random.default_rng(0)))


def sampled(values):
    return SampleDistribution(np.sort(np.asarray(values, float)), "values")


def theirs(values, minimum=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return powerlaw.Fit(values, xmin=minimum, verbose=0)


# -- which values ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mlp", "cnn", "random0"])
def test_values_of_a_network_and_of_its_graph(name):
    net = NETS[name]
    graph = cg.build_graph(net)
    for measure, direction in (("strength", "total"), ("in_strength", "in")):
        expected = cg.node_strength(net, direction=direction)
        for source in (net, graph):
            found = cg.distribution(source, measure)
            np.testing.assert_allclose(found.samples, np.sort(expected), rtol=1e-5, atol=1e-6)
        for layer in net.layers:
            own = np.sort(expected[layer.slice])
            for source in (net, graph):
                found = cg.distribution(source, measure, layer=layer.name)
                np.testing.assert_allclose(found.samples, own, rtol=1e-5, atol=1e-6)


def test_link_weights_are_those_of_the_blocks():
    net = NETS["mlp"]
    weights = [np.sort(block.weight.read().ravel()) for block in net.blocks]
    whole = np.sort(np.concatenate(weights))
    for source in (net, cg.build_graph(net)):
        assert np.array_equal(cg.distribution(source, "link_weights").samples, whole)
        found = cg.distribution(source, "link_weights", layer="fc2")
        assert np.array_equal(found.samples, weights[1])


def test_any_measure_and_any_values():
    net = NETS["cnn"]
    found = cg.distribution(net, "hits.hubs", sign="absolute")
    assert np.array_equal(found.samples, np.sort(cg.hits(net, sign="absolute").hubs))
    values = np.arange(net.n_nodes, dtype=float)
    values[:2] = np.nan, np.inf
    found = cg.distribution(net, values)
    assert (found.samples.size, found.n_left_out) == (net.n_nodes - 2, 2)
    assert "2 not finite" in repr(found)
    found = cg.distribution(net, values, layer="fc")
    assert found.samples.tolist() == values[net.layer_slice("fc")].tolist()


# -- what they are distributed like ---------------------------------------------------------------


def test_histogram_and_density_are_those_of_numpy_and_scipy():
    found = cg.distribution(NETS["cnn"], "strength")
    for ours, numpys in zip(found.histogram(7), np.histogram(found.samples, 7), strict=True):
        assert np.array_equal(ours, numpys)
    density = found.density(n_points=64)
    expected = stats.gaussian_kde(found.samples)(density.grid)
    np.testing.assert_allclose(density.values, expected, atol=1e-4 * expected.max())
    assert (found.mean, found.std) == (found.samples.mean(), found.samples.std())


@given(st.lists(st.integers(-5, 5).map(float), max_size=30))
def test_shares_at_least_as_large(values):
    found = sampled(values)
    sides = {"magnitude": np.abs(values), "upper": [v for v in values if v > 0],
             "lower": [-v for v in values if v < 0]}  # fmt: skip
    for side, own in sides.items():
        x, share = found.ccdf(side)
        assert x.tolist() == sorted(set(own))
        expected = [np.mean(np.asarray(own) >= value) for value in x]
        np.testing.assert_allclose(share, expected)


# -- laws -----------------------------------------------------------------------------------------


def scipys(family, parameters, values, minimum):
    """Log-likelihoods by SciPy, of values given that they are at least the minimum."""
    law = {
        "normal": lambda p: stats.norm(p["mu"], p["sigma"]),
        "lognormal": lambda p: stats.lognorm(p["sigma"], scale=np.exp(p["mu"])),
        "power_law": lambda p: stats.pareto(p["alpha"] - 1.0, scale=minimum),
        "stretched_exponential": lambda p: stats.weibull_min(p["shape"], scale=p["scale"]),
    }[family](parameters)
    return law.logpdf(values) - law.logsf(minimum), np.exp(law.logsf(values) - law.logsf(minimum))


@pytest.mark.parametrize("share", [0.0, 0.6])
@pytest.mark.parametrize("name", DRAWS)
def test_likelihoods_are_those_of_scipy_at_the_same_parameters(name, share):
    values = drawn(name)
    minimum = float(np.quantile(values, share))
    fits = fit_tail(values, minimum)
    assert np.array_equal(fits.values, values[values >= minimum])
    for family in FAMILIES:
        fit = fits[family]
        if max(abs(value) for value in fit.parameters.values()) > 1e3 or (
            fit.parameters.get("scale", 1.0) < 1e-30
        ):
            continue  # where SciPy's differences of large numbers are rounded away
        loglikelihoods, survival = scipys(family, fit.parameters, fits.values, minimum)
        np.testing.assert_allclose(fit.loglikelihoods, loglikelihoods, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(fit.survival(fits.values), survival, rtol=1e-6, atol=1e-9)
        below = np.arange(len(survival)) / len(survival)
        np.testing.assert_allclose(fit.distance, np.abs(1 - survival - below).max(), atol=1e-9)
        assert fit.aic == 2 * len(fit.parameters) - 2 * fit.loglikelihoods.sum()


@pytest.mark.parametrize("share", [0.0, 0.6])
@pytest.mark.parametrize("name", DRAWS)
def test_no_parameters_nearby_are_likelier(name, share):
    values = drawn(name)
    minimum = float(np.quantile(values, share))
    fits = fit_tail(values, minimum)
    for family in FAMILIES:
        fit, rng = fits[family], np.random.default_rng(1)
        if max(abs(value) for value in fit.parameters.values()) > 1e3:
            continue  # there is no best one: likelier the further away
        for size in 10.0 ** rng.uniform(-4, -1, 40):
            moved = {k: v + size * rng.normal() * max(abs(v), 1e-3)
                     for k, v in fit.parameters.items()}  # fmt: skip
            if moved.get("sigma", 1) > 0 and moved.get("shape", 1) > 0.01:
                other = scipys(family, moved, fits.values, minimum)[0].sum()
                assert not other > fit.loglikelihood + 1e-6


@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("name", DRAWS)
def test_they_are_as_likely_as_those_of_powerlaw_at_least(name, share):
    values = drawn(name)
    minimum = float(np.quantile(values, share))
    ours, other = fit_tail(values, minimum), theirs(values, minimum)
    for family in HEAVY:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            best = getattr(other, family).loglikelihoods(ours.values).sum()
        assert ours[family].loglikelihood >= best - 1e-5


#: Samples and laws for which powerlaw finds the best parameters.
SAME = [("lognormal", "lognormal"), ("lognormal", "stretched_exponential"),
        ("lognormal", "power_law"), ("weibull", "lognormal"),
        ("weibull", "stretched_exponential"), ("half normal", "lognormal"),
        ("half normal", "stretched_exponential"), ("pareto", "power_law")]  # fmt: skip


@pytest.mark.parametrize(("name", "family"), SAME)
def test_parameters_are_those_of_powerlaw(name, family):
    values = drawn(name)
    found, other = fit_tail(values, float(values[0])), theirs(values, values[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = getattr(other, family).parameters
    if family == "stretched_exponential":
        expected = {"scale": 1 / expected["Lambda"], "shape": expected["beta"]}
    for key, value in found[family].parameters.items():
        assert value == pytest.approx(expected[key], rel=2e-3, abs=1e-3)


@pytest.mark.parametrize("exponent", [1.6, 2.0, 2.5])
def test_the_minimum_is_that_of_powerlaw(exponent):
    """Which takes no exponents above 3, unlike the paper."""
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.pareto(exponent - 1.0, 200) + 1.0, rng.random(80)])
    other, fits = theirs(values), sampled(values).fits()
    assert fits.minimum == other.xmin
    assert fits["power_law"].parameters["alpha"] == pytest.approx(other.power_law.alpha, rel=1e-9)
    assert fits["power_law"].distance == pytest.approx(other.power_law.D, rel=1e-9)


@pytest.mark.parametrize("name", DRAWS)
def test_ratios_are_those_of_powerlaw(name):
    fits = sampled(drawn(name)).fits(minimum="least")
    table = fits.comparisons().set_index(["first", "second"])
    assert len(table) == 6
    for (a, b), row in table.iterrows():
        pair = (fits[a].loglikelihoods.copy(), fits[b].loglikelihoods.copy())
        ratio, p = powerlaw.statistics.loglikelihood_ratio(*pair)
        normalized, _ = powerlaw.statistics.loglikelihood_ratio(*pair, normalized_ratio=True)
        found = (row["ratio"], row["normalized_ratio"], row["p_value"])
        np.testing.assert_allclose(found, (ratio, normalized, p), rtol=1e-9, atol=1e-300)
        back = fits.compare(b, a)
        assert (back.ratio, back.p_value) == (-row["ratio"], row["p_value"])
    assert fits.compare("normal", "normal") == (0.0, 0.0, 1.0)
    assert fits.table()["aic"].is_monotonic_increasing


@given(st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=40), st.integers(-30, 30))
def test_the_unit_of_values_does_not_matter(values, exponent):
    if len(set(values)) < 2:
        return
    one, other = np.sort(values), np.sort(values) * 2.0**exponent
    first, second = (fit_tail(v, float(v[0])) for v in (one, other))
    shift = len(values) * exponent * np.log(2.0)
    for family in FAMILIES:
        expected = first[family].loglikelihood - shift
        assert second[family].loglikelihood == pytest.approx(expected, rel=1e-6, abs=1e-4)


def test_more_values_than_are_tried_as_the_minimum():
    values = np.random.default_rng(0).pareto(1.5, 5000) + 1.0
    fits = sampled(values).fits()
    assert fits["power_law"].parameters["alpha"] == pytest.approx(2.5, abs=0.15)
    assert len(fits.values) > 1000


def test_sides():
    values = np.concatenate([drawn("pareto"), -2 * drawn("pareto"), [0.0]])
    found = sampled(values)
    upper, lower = (found.fits(side=side, minimum="least") for side in ("upper", "lower"))
    assert (len(upper.values), len(lower.values)) == (250, 250)
    assert lower.minimum == 2 * upper.minimum
    tail = np.sort(np.abs(values[np.abs(values) >= 1.5]))
    assert found.fits(minimum=1.5).values.tolist() == tail.tolist()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: d.ccdf("left"), "'magnitude', 'upper', 'lower'"),
        (lambda d: d.fits(minimum=0.0), "greater than zero"),
        (lambda d: d.fits(minimum="most"), "'clauset', 'least' or a number"),
        (lambda d: d.fits(minimum="least").compare("normal", "cauchy"), "'cauchy'; the laws are"),
        (lambda d: d.fits(minimum=9.0), "from 9 on there are 1"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(CntGraphError, match=message):
        call(sampled([1.0, 2.0, 9.0]))
    for values in ([], [0.0], [3.0, 3.0]):
        with pytest.raises(UndefinedMeasureError, match="at least two different values"):
            sampled(values).fits()
    with pytest.raises(CntGraphError, match="'nowhere'"):
        cg.distribution(NETS["mlp"], "strength", layer="nowhere")
    with pytest.raises(CntGraphError, match="'nothing'"):
        cg.distribution(NETS["mlp"], "nothing")
