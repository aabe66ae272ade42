"""Smoothing: Gaussian kernels over samples, few or many, and on one grid for several sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from cntgraph.core.errors import ArgumentError, CntGraphError
from cntgraph.core.types import Values

Bandwidth = Literal["scott", "silverman"] | float

#: Samples that differ by no more than this part of their size are one constant.
CONSTANT: Final = 2.0**-40
#: Width of a constant's kernel where no grid says better, as a part of its size.
NARROW: Final = 1e-3
#: Above this many samples, they are put together in bins of this part of a kernel's width.
EXACT_SAMPLES: Final = 8192
BIN_WIDTH: Final = 1 / 32

#: Widths of a kernel between the extremes of several sets and the ends of their grid.
MARGIN: Final = 8.0
#: Their grid has as many points as the narrowest kernel asks for, up to this number.
MAX_POINTS: Final = 8192
#: What a density is not let to fall below, per length of the grid.
FLOOR: Final = 1e-300


@dataclass(frozen=True, eq=False)
class Smoothed:
    """A set of samples under Gaussian kernels.

    Parameters
    ----------
    points, counts : ndarray of float64, shape (n,)
        Where samples are, and how many.
    width : float
        Standard deviation of the kernel; 0 for a constant.
    """

    points: Values
    counts: Values
    width: float

    @classmethod
    def of(cls, samples: Values, bandwidth: Bandwidth) -> Smoothed:
        """Smooth samples, of which there is at least one."""
        width = kernel_width(samples, bandwidth)
        return cls(*merged(samples, width or narrow_width(samples)), width)

    @classmethod
    def of_counts(
        cls, points: Values, counts: Values, bandwidth: Bandwidth, *, least: float
    ) -> Smoothed:
        """Smooth samples known by how many are at each point, by a kernel of `least` or more."""
        points, counts = points[counts > 0], counts[counts > 0]
        return cls(points, counts, max(kernel_width(points, bandwidth, counts), least))


def probabilities(sets: Sequence[Smoothed], n_points: int) -> Values:
    """Return the densities of several sets on one even grid, each adding up to 1.

    Parameters
    ----------
    sets : sequence of Smoothed
        At least one.
    n_points : int
        Points of the grid, at least; as many more as the narrowest kernel asks for.

    Returns
    -------
    ndarray of float64, shape (n_sets, n_points)

    Raises
    ------
    CntGraphError
        If there are too few points for a kernel to fit between them and the ends.

    Notes
    -----
    A kernel that is narrower than a step of the grid is as wide as a step.
    """
    if n_points < 4 * MARGIN:
        raise CntGraphError(f"expected n_points to be {4 * MARGIN:.0f} or more, got {n_points}")
    low = min(x.points.min() - MARGIN * x.width for x in sets)
    high = max(x.points.max() + MARGIN * x.width for x in sets)
    if high == low:  # one constant
        return np.full((len(sets), n_points), 1 / n_points)
    # So many steps fit between the ends, and a margin in steps beside them for constants.
    needed = max((high - low) / x.width if x.width else 0.0 for x in sets)
    n_points = max(n_points, min(ceil(needed + 2 * MARGIN) + 1, MAX_POINTS))
    margin = MARGIN * (high - low) / (n_points - 1 - 2 * MARGIN)
    grid = np.linspace(low - margin, high + margin, n_points)
    step = (grid[-1] - grid[0]) / (n_points - 1)
    rows = [mixture(x.points, x.counts, max(x.width, step), grid) for x in sets]
    parts = np.maximum(np.array(rows) * (grid[-1] - grid[0]), FLOOR)
    return np.asarray(parts / parts.sum(axis=1, keepdims=True))


def kernel_width(samples: Values, bandwidth: Bandwidth, counts: Values | None = None) -> float:
    """Return the standard deviation of the kernel for samples; 0 for a constant, by a rule.

    Parameters
    ----------
    samples : ndarray of float64, shape (n,)
    bandwidth : {"scott", "silverman"} or float
    counts : ndarray of float64, shape (n,), optional
        How often each occurs; by default once.

    Returns
    -------
    float

    Raises
    ------
    CntGraphError
        If `bandwidth` is no rule and no positive number.

    Notes
    -----
    Scott's rule is σ n^(-1/5), Silverman's σ (3n/4)^(-1/5), with σ the standard deviation of
    the samples (ddof 1), as in `scipy.stats.gaussian_kde`.
    """
    if not isinstance(bandwidth, str):
        if not 0.0 < bandwidth < np.inf:
            raise CntGraphError(f"expected a kernel of positive width, got bandwidth={bandwidth}")
        return float(bandwidth)
    if bandwidth not in ("scott", "silverman"):
        raise CntGraphError(
            f"expected bandwidth to be 'scott', 'silverman' or a number, got {bandwidth!r}"
        )
    largest = float(np.abs(samples).max(initial=0.0))
    # As parts of the largest, squares neither overflow nor vanish.
    parts = samples / largest if largest else samples
    if samples.size < 2 or np.ptp(parts) <= CONSTANT:
        return 0.0
    n = samples.size if counts is None else float(counts.sum())
    mean = np.average(parts, weights=counts)
    variance = float(np.average((parts - mean) ** 2, weights=counts)) * n / (n - 1)
    effective = n * 0.75 if bandwidth == "silverman" else n
    return float(effective**-0.2 * variance**0.5 * largest)


def finite_samples(samples: ArrayLike) -> Values:
    """Return samples as one row of float64.

    Parameters
    ----------
    samples : array_like of float

    Returns
    -------
    ndarray of float64, shape (n,)

    Raises
    ------
    CntGraphError
        If one of them is not finite.
    """
    if not _are_numbers(samples):
        raise ArgumentError(
            f"expected numbers, got a {type(samples).__name__}; a network has those of a measure, "
            "such as cg.node_strength(net)"
        )
    values = np.asarray(samples, dtype=np.float64).reshape(-1)
    bad = values.size - int(np.count_nonzero(np.isfinite(values)))
    if bad:
        raise CntGraphError(
            f"expected finite samples; {bad:,} of {values.size:,} are NaN or infinite: "
            "leave out the networks that diverged, or the values themselves"
        )
    return values


def _are_numbers(samples: object) -> bool:
    return np.asarray(samples).dtype.kind in "biuf"


def merged(samples: Values, width: float) -> tuple[Values, Values]:
    """Return points and how many samples are at each: many samples are put together in bins.

    Parameters
    ----------
    samples : ndarray of float64, shape (n,)
    width : float
        Of the kernel; a bin is 1/32 of it.

    Returns
    -------
    points, counts : ndarray of float64
    """
    if samples.size <= EXACT_SAMPLES:
        return samples, np.ones_like(samples)
    low, step = samples.min(), width * BIN_WIDTH
    if (samples.max() - low) / step > samples.size:  # a kernel so narrow leaves most bins empty
        return samples, np.ones_like(samples)
    bins = ((samples - low) / step).astype(np.int64)
    counts = np.bincount(bins).astype(np.float64)
    sums = np.bincount(bins, weights=samples - low)
    occupied = counts > 0
    return low + sums[occupied] / counts[occupied], counts[occupied]


def mixture(points: Values, counts: Values, width: float, grid: Values) -> Values:
    """Return the density of equal Gaussians at weighted points.

    Parameters
    ----------
    points, counts : ndarray of float64, shape (n,)
        Centers, and how much each counts.
    width : float
        Standard deviation of each.
    grid : ndarray of float64
        Where the density is wanted.

    Returns
    -------
    ndarray of float64
        Zero everywhere if there is no point.
    """
    from scipy.stats import gaussian_kde, norm

    if not points.size:
        return np.zeros_like(grid)
    # In units of the kernel around the middle of the points, no square overflows or vanishes.
    middle = points.min() / 2 + points.max() / 2
    centers, at = (points - middle) / width, (grid - middle) / width
    weights = counts / counts.sum()
    spread = np.sqrt(np.cov(centers, aweights=weights)) if np.ptp(centers) else 0.0
    if not spread:
        return np.asarray(norm.pdf(at - centers[0]) / width)
    # gaussian_kde takes the width as a part of the spread that it finds itself.
    return np.asarray(gaussian_kde(centers, bw_method=1 / spread, weights=weights)(at) / width)


def narrow_width(samples: Values) -> float:
    """Return the width of a constant's kernel where no grid says better.

    Parameters
    ----------
    samples : ndarray of float64, shape (n,)

    Returns
    -------
    float
        A thousandth of its size; 0.001 for zero.
    """
    return NARROW * (float(np.abs(samples).max(initial=0.0)) or 1.0)
