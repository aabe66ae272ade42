"""Power laws against loops over the definition, and on draws whose exponent is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import spectra

from cntgraph.measures.spectra.power_law import fit_power_law, hill_exponent

samples = st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=25).filter(lambda x: len({*x}) > 1)
repeated = st.lists(st.sampled_from([0.5, 1.0, 2.0, 7.0]), min_size=2, max_size=25)


@given(samples | repeated.filter(lambda x: len({*x}) > 1))
def test_by_loops(values):
    found = fit_power_law(np.array(values))
    alpha, minimum, distance, n = spectra.power_law(values)
    assert found.distance == pytest.approx(distance, abs=1e-9)
    # Of two minima that are as near, either may be found.
    if (found.n, n) != (0, 0) and found.minimum == pytest.approx(minimum):
        assert (found.alpha, found.n) == (pytest.approx(alpha), n)


@given(samples, st.floats(0.01, 1.0))
def test_hill_by_loops(values, share):
    ordered = sorted(values, reverse=True)
    k = min(max(int(share * len(values)), 1), len(values) - 1)
    found = hill_exponent(np.array(values), share)
    if np.log(ordered[0]) > np.log(ordered[k]):
        assert found == pytest.approx(spectra.hill(values, share))
    else:
        assert np.isnan(found)


@pytest.mark.parametrize("alpha", [1.5, 2.5, 4.0])
def test_the_exponent_of_draws_from_a_law(alpha):
    """Of the tail from 3 on, below which the values are evenly spread."""
    rng = np.random.default_rng(0)
    tail = 3.0 * (1 - rng.random(5000)) ** (-1 / (alpha - 1))
    found = fit_power_law(np.concatenate([rng.uniform(0.1, 3.0, 3000), tail]))
    assert found.alpha == pytest.approx(alpha, abs=5 * (alpha - 1) / np.sqrt(found.n))
    assert found.minimum == pytest.approx(3.0, rel=0.2)
    assert hill_exponent(tail) == pytest.approx(alpha, abs=5 * (alpha - 1) / np.sqrt(2500))


@pytest.mark.parametrize("factor", [1e-300, 1e-9, 1e9, 1e300])
def test_a_factor_moves_the_minimum_only(factor):
    values = np.random.default_rng(0).pareto(2.0, 200) + 1.0
    once, found = fit_power_law(values), fit_power_law(values * factor)
    assert (found.n, found.alpha) == (once.n, pytest.approx(once.alpha))
    assert found.minimum == pytest.approx(once.minimum * factor)
    assert hill_exponent(values * factor) == pytest.approx(hill_exponent(values))


@pytest.mark.parametrize("values", [[], [2.0], [2.0, 2.0, 2.0]])
def test_values_that_do_not_differ_have_no_exponent(values):
    found = fit_power_law(np.array(values))
    assert np.isnan(found[:3]).all()
    assert found.n == 0
    assert np.isnan(hill_exponent(np.array(values)))


def test_values_of_zero_in_one_row_are_not_in_the_way_of_the_others():
    rows = np.array([[0.0, 0.0, 1.0, 2.0, 4.0, 9.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])
    both, alone = fit_power_law(rows), [fit_power_law(row) for row in rows]
    for found, own in zip(both, zip(*alone, strict=True), strict=True):
        np.testing.assert_array_equal(found, own)
