"""WeightStatistics: the distribution of a set of weights in a few numbers, mergeable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import isfinite, nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.parallel import ordered_map
from cntgraph.core.parameter import kernel_values, widen_kernel_values
from cntgraph.network.blocks.histogram import Bins, Counts
from cntgraph.network.blocks.tally import Tally

#: Values of one chunk; they fit in the cache of a core.
_CHUNK = 1 << 18


@dataclass(frozen=True)
class WeightStatistics:
    """Count, mean, central moments, extremes of a set of weights; NaN and Inf are set apart.

    Parameters
    ----------
    n : int
        Number of finite weights.
    mean : float
        Their mean.
    m2, m3, m4 : float
        Sums of the second, third and fourth powers of the deviation from the mean.
    minimum, maximum : float
        Their extremes; infinite where there is no weight.
    n_zero, n_nan, n_inf : int
        How many are exactly zero, not a number, infinite.
    counts : ndarray of int64, optional
        How many there are in each of some `Bins`, if that was asked for.

    References
    ----------
    .. [1] P. Pébay, "Formulas for robust, one-pass parallel computation of covariances and
       arbitrary-order statistical moments", Sandia report SAND2008-6212 (2008).

    Examples
    --------
    >>> a, b = WeightStatistics.of(np.array([1.0, 2.0])), WeightStatistics.of(np.array([3.0]))
    >>> (a + b).mean, round((a + b).std, 4)
    (2.0, 0.8165)
    """

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0
    m3: float = 0.0
    m4: float = 0.0
    minimum: float = np.inf
    maximum: float = -np.inf
    n_zero: int = 0
    n_nan: int = 0
    n_inf: int = 0
    counts: Counts | None = field(default=None, compare=False)

    @classmethod
    def of(
        cls, values: NDArray[Any], *, threads: int | None = None, bins: Bins | bool = False
    ) -> WeightStatistics:
        """Return the statistics of an array of numbers, on several threads if it is large.

        With `bins`, the values are counted in them as well, while they are in cache.
        """
        flat = kernel_values(values, values.dtype.name).reshape(-1)

        def work(chunk: NDArray[Any]) -> WeightStatistics:
            found = (
                cls.of_tally(Tally.of(chunk), chunk.size, lambda: chunk) if chunk.size else cls()
            )
            return found.counted(chunk, bins) if isinstance(bins, Bins) else found

        if flat.size <= _CHUNK:
            return work(flat)
        chunks = (flat[k : k + _CHUNK] for k in range(0, flat.size, _CHUNK))
        return sum(ordered_map(work, chunks, threads=threads), start=cls())

    @classmethod
    def of_tally(cls, tally: Tally, n: int, values: Callable[[], NDArray[Any]]) -> WeightStatistics:
        """Return the statistics of n > 0 values that have been tallied.

        `values` returns them, shape (n,), as `core.parameter.kernel_values` does: they are looked
        at again if some are not finite.
        """
        mean, m2, m3, m4 = tally.moments(n)
        least, largest = tally.least_and_largest
        if not isfinite(least) or not isfinite(largest) or not isfinite(mean):
            return _of_odd_chunk(widen_kernel_values(values()))
        return cls(n, mean, m2, m3, m4, least, largest, tally.n_zero)

    def counted(self, values: NDArray[Any], bins: Bins) -> WeightStatistics:
        """Return them with the values, given as to the tally, counted in bins."""
        return replace(self, counts=bins.count(widen_kernel_values(values)))

    def __add__(self, other: WeightStatistics) -> WeightStatistics:
        """Return the statistics of both sets together."""
        n = self.n + other.n
        if self.n == 0 or other.n == 0:
            moments = (other if self.n == 0 else self)._moments()
        else:
            moments = _merge(self, other)
        return WeightStatistics(
            n,
            *moments,
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
            self.n_zero + other.n_zero,
            self.n_nan + other.n_nan,
            self.n_inf + other.n_inf,
            _sum_of_counts(self.counts, other.counts),
        )

    def _moments(self) -> tuple[float, float, float, float]:
        return self.mean, self.m2, self.m3, self.m4

    @property
    def size(self) -> int:
        """Number of weights, finite or not."""
        return self.n + self.n_nan + self.n_inf

    @property
    def variance(self) -> float:
        """Mean squared deviation (ddof 0); NaN without a finite weight."""
        return self.m2 / self.n if self.n else nan

    @property
    def std(self) -> float:
        """Standard deviation (ddof 0)."""
        return sqrt(max(self.variance, 0.0)) if self.n else nan

    @property
    def skew(self) -> float:
        """Third standardized moment (biased, as `scipy.stats.skew`); NaN for a constant."""
        return self.m3 / self.n / (self.variance * self.std) if self._varies() else nan

    @property
    def kurtosis(self) -> float:
        """Fourth standardized moment less 3 (as `scipy.stats.kurtosis`); NaN for a constant."""
        return self.m4 / self.n / (self.variance * self.variance) - 3.0 if self._varies() else nan

    def _varies(self) -> bool:
        # A spread below the rounding of the mean is noise: scipy calls it constant, too.
        return (
            self.n > 0 and self.std > abs(self.mean) * 1e-15 and self.variance * self.variance > 0.0
        )


def _of_odd_chunk(values: NDArray[Any]) -> WeightStatistics:
    """Set NaN and infinity apart; a sum that overflows comes here, too, and finds none."""
    finite = values[np.isfinite(values)]
    n_nan = int(np.isnan(values).sum())
    apart = WeightStatistics(n_nan=n_nan, n_inf=values.size - finite.size - n_nan)
    if not finite.size:
        return apart
    # Divided before they are added, so that nothing overflows.
    tally = Tally.of(finite, about=float((finite / np.float64(finite.size)).sum()))
    found = tally.moments(finite.size), tally.least_and_largest
    return apart + WeightStatistics(finite.size, *found[0], *found[1], tally.n_zero)


def _sum_of_counts(a: Counts | None, b: Counts | None) -> Counts | None:
    return a + b if a is not None and b is not None else (b if a is None else a)


def _merge(a: WeightStatistics, b: WeightStatistics) -> tuple[float, float, float, float]:
    """Merge the moments of two non-empty sets (Pébay 2008, equation 3.1)."""
    na, nb, n = a.n, b.n, a.n + b.n
    delta = b.mean - a.mean
    ratio = delta / n
    spread = delta * ratio * na * nb
    m2 = a.m2 + b.m2 + spread
    m3 = a.m3 + b.m3 + spread * ratio * (na - nb) + 3.0 * ratio * (na * b.m2 - nb * a.m2)
    m4 = a.m4 + b.m4 + spread * ratio**2 * (na**2 - na * nb + nb**2)
    m4 += 6.0 * ratio**2 * (na**2 * b.m2 + nb**2 * a.m2)
    m4 += 4.0 * ratio * (na * b.m3 - nb * a.m3)
    return a.mean + ratio * nb, m2, m3, m4
