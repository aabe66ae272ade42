"""Density: how the values of a measure are distributed, by kernels or by histograms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Values
from cntgraph.training.statistics.smoothing import (
    Bandwidth,
    finite_samples,
    kernel_width,
    merged,
    mixture,
    narrow_width,
)


@dataclass(frozen=True, eq=False)
class Density:
    """A distribution's density on a grid.

    Parameters
    ----------
    grid : ndarray of float64, shape (n,)
        Where it is known, ascending.
    values : ndarray of float64, shape (n,)
        The density there, in 1/unit of the grid.
    n_samples : int
        Of how many samples.

    Examples
    --------
    >>> density = kernel_density([0.0, 1.0, 2.0])
    >>> round(float(np.trapezoid(density.values, density.grid)), 2)
    1.0
    """

    grid: Values
    values: Values
    n_samples: int


def kernel_density(
    samples: ArrayLike,
    *,
    grid: ArrayLike | None = None,
    bandwidth: Bandwidth = "scott",
    n_points: int = 512,
) -> Density:
    """Return the density of samples, smoothed by a Gaussian kernel.

    Parameters
    ----------
    samples : array_like of float
        The values, of any shape.
    grid : array_like of float, shape (n,), optional
        Where the density is wanted; by default as `common_grid` of the samples.
    bandwidth : {"scott", "silverman"} or float, default "scott"
        Width of the kernel: a rule, or its standard deviation in the unit of the samples.
    n_points : int, default 512
        Points of the grid, if none is given.

    Returns
    -------
    Density
        Zero everywhere if there is no sample.

    Raises
    ------
    CntGraphError
        If a sample is not finite, or an option is not one of those above.

    Notes
    -----
    `scipy.stats.gaussian_kde` of up to 8192 samples. More of them are put together in bins of
    δ = h/32, h the width of the kernel, each at the mean of its samples: that changes no value
    of the density by more than δ²/8 · max|K″| = K(0)/8192, K(0) = 1/(h √(2π)) the peak of one
    kernel, and memory and time grow with the bins.

    A constant (one sample, or samples that differ by rounding only) has no width of its own.
    By a rule, its kernel is as wide as the largest step of the grid, or, without a grid, as a
    thousandth of its size (0.001 for zero).

    Examples
    --------
    >>> kernel_density([-1.0, 1.0], grid=[0.0], bandwidth=1.0).values.round(4)
    array([0.242])
    """
    values = finite_samples(samples)
    at = common_grid([values], n_points, bandwidth=bandwidth) if grid is None else _grid(grid)
    width = kernel_width(values, bandwidth)
    if not width:
        width = narrow_width(values) if at.size < 2 or grid is None else float(np.diff(at).max())
    points, counts = merged(values, width)
    return Density(at, mixture(points, counts, width, at), values.size)


def histogram_density(edges: ArrayLike, counts: ArrayLike) -> Density:
    """Return the density that a histogram stands for, at the middle of its bins.

    Parameters
    ----------
    edges : array_like of float, shape (n + 1,)
        Ascending edges of the bins.
    counts : array_like of float, shape (n,)
        Samples in each.

    Returns
    -------
    Density
        Zero everywhere if all bins are empty.

    Raises
    ------
    CntGraphError
        If they are no histogram.

    Examples
    --------
    >>> histogram_density([0.0, 1.0, 3.0], [2, 2]).values
    array([0.5 , 0.25])
    """
    borders, numbers = checked_histogram(edges, counts)
    total = numbers.sum()
    values = numbers / ((total or 1.0) * np.diff(borders))
    return Density((borders[1:] + borders[:-1]) / 2, values, int(total))


def common_grid(
    samples: Iterable[ArrayLike],
    n_points: int = 512,
    margin: float = 3.0,
    *,
    bandwidth: Bandwidth = "scott",
) -> Values:
    """Return one grid on which the densities of several sets of samples can be compared.

    Parameters
    ----------
    samples : iterable of array_like of float
        The sets; empty ones are left out.
    n_points : int, default 512
        Points of the grid, at least 2.
    margin : float, default 3.0
        How many widths of its kernel each set's extremes are from the ends of the grid.
    bandwidth : {"scott", "silverman"} or float, default "scott"
        As in `kernel_density`.

    Returns
    -------
    ndarray of float64, shape (n_points,)
        Evenly spaced; from 0 to 1 if there is no sample.

    Raises
    ------
    CntGraphError
        If a sample is not finite, or there are fewer than two points.

    Examples
    --------
    >>> common_grid([[0.0], [10.0]], 3, bandwidth=1.0)
    array([-3.,  5., 13.])
    """
    if n_points < 2:
        raise CntGraphError(f"expected a grid of at least 2 points, got n_points={n_points}")
    lows, highs = [], []
    for one in samples:
        values = finite_samples(one)
        if values.size:
            reach = margin * (kernel_width(values, bandwidth) or narrow_width(values))
            lows.append(values.min() - reach)
            highs.append(values.max() + reach)
    return np.linspace(min(lows, default=0.0), max(highs, default=1.0), n_points)


def checked_histogram(edges: ArrayLike, counts: ArrayLike) -> tuple[Values, Values]:
    """Return the edges and counts of a histogram as float64.

    Parameters
    ----------
    edges : array_like of float, shape (n + 1,)
    counts : array_like of float, shape (n,)

    Returns
    -------
    edges, counts : ndarray of float64

    Raises
    ------
    CntGraphError
        If the shapes do not fit, edges do not ascend, or counts are negative or not finite.
    """
    borders, numbers = np.asarray(edges, np.float64), np.asarray(counts, np.float64)
    if borders.ndim != 1 or numbers.shape != (borders.size - 1,) or not numbers.size:
        raise CntGraphError(
            "expected the edges of a histogram and one count per bin, "
            f"got shapes {borders.shape} and {numbers.shape}"
        )
    if not (np.isfinite(borders).all() and (np.diff(borders) > 0).all()):
        raise CntGraphError("expected the edges of a histogram to be finite and to ascend")
    if not (np.isfinite(numbers).all() and (numbers >= 0).all()):
        raise CntGraphError("expected the counts of a histogram to be finite and not negative")
    return borders, numbers


def _grid(grid: ArrayLike) -> Values:
    at = np.asarray(grid, dtype=np.float64)
    if at.ndim != 1 or not at.size or not np.isfinite(at).all() or (np.diff(at) <= 0).any():
        raise CntGraphError("expected a grid of finite, ascending numbers")
    return at
