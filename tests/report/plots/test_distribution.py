import numpy as np
import pytest

import cntgraph as cg
from cntgraph.report.plots import plot_distribution
from cntgraph.training.statistics.sample_distribution import SampleDistribution

FOUND = cg.distribution(cg.toy("cnn"), "strength", layer="conv1")


def test_a_histogram_and_its_density():
    ax = plot_distribution(FOUND)
    (line,), (bars,) = ax.get_lines(), ax.patches
    density = FOUND.density()
    assert np.array_equal(line.get_xdata(), density.grid)
    assert np.array_equal(line.get_ydata(), density.values)
    heights, edges, _ = bars.get_data()
    assert np.sum(heights * np.diff(edges)) == pytest.approx(1.0)
    assert (ax.get_title(), ax.get_xlabel()) == ("conv1", "strength (sum of weights)")


@pytest.mark.parametrize("side", ["magnitude", "upper", "lower"])
def test_a_tail_and_the_laws_over_it(side):
    fits = FOUND.fits(side=side, minimum="least")
    ax = plot_distribution(FOUND, "ccdf", fits=fits, side=side)
    points, *lines = ax.get_lines()
    x, share = FOUND.ccdf(side)
    assert np.array_equal(points.get_xdata(), x)
    assert np.array_equal(points.get_ydata(), share)
    assert [line.get_label() for line in lines] == [name.replace("_", " ") for name in fits.fits]
    for line, fit in zip(lines, fits.fits.values(), strict=True):
        at = line.get_xdata()
        np.testing.assert_allclose(line.get_ydata(), fit.survival(at) * share[x >= fits.minimum][0])
    assert ax.get_yscale() == "log"


def test_what_cannot_be_drawn():
    with pytest.raises(cg.CntGraphError, match="'density' or 'ccdf'"):
        plot_distribution(FOUND, "cdf")
    with pytest.raises(cg.CntGraphError, match="no values"):
        plot_distribution(SampleDistribution(np.empty(0), "strength"))
