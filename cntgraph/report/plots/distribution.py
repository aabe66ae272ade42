"""How a measure is distributed in one network: a histogram and its density, or the tail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from cntgraph.core.errors import CntGraphError
from cntgraph.report.labels import measure_label
from cntgraph.report.plots.style import COLORS, DASHES, make_axes, set_title, tick_size
from cntgraph.training.statistics.sample_distribution import SampleDistribution, Side
from cntgraph.training.statistics.tail_fits import TailFits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Kind = Literal["density", "ccdf"]


def plot_distribution(
    distribution: SampleDistribution,
    kind: Kind = "density",
    *,
    fits: TailFits | None = None,
    side: Side = "magnitude",
    ax: Axes | None = None,
) -> Axes:
    """Draw a distribution.

    Parameters
    ----------
    distribution : SampleDistribution
        As `cntgraph.distribution` returns it.
    kind : {"density", "ccdf"}, default "density"
        A histogram with the density over it; or the share of values that are at least as
        large, both axes logarithmic, in which a power law is a line.
    fits : TailFits, optional
        Laws to draw over the latter, as ``distribution.fits()`` returns them.
    side : {"magnitude", "upper", "lower"}, default "magnitude"
        Of which values the latter is; that of the fits.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    CntGraphError
        If there is no such kind, or nothing to draw.

    Examples
    --------
    >>> import cntgraph as cg
    >>> found = cg.distribution(cg.toy("mlp"), "strength")
    >>> ax = plot_distribution(found, "ccdf", fits=found.fits(minimum="least"))
    >>> len(ax.get_lines()), ax.get_xscale()
    (5, 'log')
    """
    if kind not in get_args(Kind):
        raise CntGraphError(f"expected kind to be 'density' or 'ccdf', got {kind!r}")
    if not distribution.samples.size:
        raise CntGraphError(f"{distribution}: there are no values to draw")
    ax = make_axes(ax)
    label = measure_label(distribution.measure)
    if kind == "density":
        _draw_density(ax, distribution)
        ax.set(xlabel=label, ylabel="probability density")
    else:
        _draw_tail(ax, distribution, fits, side)
        ax.set(xlabel={"magnitude": f"|{label}|", "lower": f"−{label}"}.get(side, label),
               ylabel="share of values at least as large")  # fmt: skip
    if distribution.layer is not None:
        set_title(ax, distribution.layer)
    return ax


def _draw_density(ax: Axes, distribution: SampleDistribution) -> None:
    counts, edges = distribution.histogram()
    heights = counts / (counts.sum() * np.diff(edges))
    ax.stairs(heights, edges, fill=True, color=COLORS[0], alpha=0.3)
    density = distribution.density()
    ax.plot(density.grid, density.values, color=COLORS[0], linewidth=1.2)
    ax.set_ylim(0, None)


def _draw_tail(
    ax: Axes, distribution: SampleDistribution, fits: TailFits | None, side: Side
) -> None:
    x, share = distribution.ccdf(side)
    ax.plot(x[x > 0], share[x > 0], ".", color=COLORS[-1], markersize=3)
    ax.set(xscale="log", yscale="log")
    low = ax.get_ylim()[0]
    if fits is None:
        return
    at = np.geomspace(fits.minimum, fits.values[-1], 200)
    start = float(share[np.searchsorted(x, fits.minimum)])
    for k, (name, fit) in enumerate(fits.fits.items()):
        ax.plot(at, start * fit.survival(at), DASHES[k % len(DASHES)], color=COLORS[k],
                linewidth=1.2, label=name.replace("_", " "))  # fmt: skip
    ax.set_ylim(low, None)
    ax.legend(frameon=False, fontsize=tick_size(ax))
