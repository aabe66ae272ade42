"""Bins: where the values of a distribution are counted, fine in the middle and coarse far out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.compiling import read_only
from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Values

Counts = NDArray[np.int64]

#: Bins from 2ᵉ - 1 to 2ᵉ⁺¹ - 1 spreads away from the center, as a power of two; how many such e.
_BITS, _OCTAVES = 5, 8
#: Bins on each side of the center.
_SIDE: Final = _OCTAVES << _BITS
#: Bins of a histogram.
N_BINS: Final = 2 * _SIDE
#: Numbers of a histogram: the bins, and what lies below them, above them, or is not finite.
N_COUNTS: Final = N_BINS + 3
#: So far from what float64 can tell apart, or hold, that no edge rounds to another.
_FINEST, _SMALLEST, _LARGEST = 2.0**-40, 1e-290, 1e290


@dataclass(frozen=True)
class Bins:
    """512 bins about a center, 32 to the first spread away from it, and then 32 to each doubling.

    On each side of the center c, edge number j = 32 e + i (0 ≤ i < 32) lies at

        c ± s ((1 + i / 32) 2ᵉ - 1)

    so the bins reach 255 spreads s to either side, and are at most a 32nd of 1 + |x - c| / s
    spreads wide: a distribution that widens or moves during a training is still seen well.

    Parameters
    ----------
    center : float
    spread : float
        Positive.

    Raises
    ------
    CntGraphError
        If the edges would not ascend in float64.

    Examples
    --------
    >>> bins = Bins(0.0, 1.0)
    >>> bins.edges[255:259]
    array([-0.03125,  0.     ,  0.03125,  0.0625 ])
    >>> counts = bins.count(np.array([0.01, 0.04, 0.04, -1e9, np.nan]))
    >>> counts[257:260], counts[[0, -2, -1]]
    (array([1, 2, 0]), array([1, 0, 1]))
    """

    center: float
    spread: float

    def __post_init__(self) -> None:
        sound = abs(self.center) <= _LARGEST and _SMALLEST <= self.spread <= _LARGEST
        if not (sound and self.spread >= _FINEST * abs(self.center)):
            raise CntGraphError(
                f"expected bins of a center and a spread that float64 can tell apart, got "
                f"{self.center} and {self.spread}"
            )

    @classmethod
    def about(cls, values: NDArray[Any]) -> Bins:
        """Return the bins about the median of values; their spread is a robust one.

        It is the distance of the quartiles over 1.349, which for a normal distribution is the
        standard deviation; where they are equal, the standard deviation; where all values are
        equal, their size; and else 1. What is not finite is left out.

        Parameters
        ----------
        values : ndarray, shape (n,)

        Returns
        -------
        Bins

        Examples
        --------
        >>> Bins.about(np.arange(5.0)), Bins.about(np.zeros(3))
        (Bins(center=2.0, spread=1.4825796886582654), Bins(center=0.0, spread=1.0))
        """
        wide = values.astype(np.float64, copy=False)
        finite = np.clip(wide[np.isfinite(wide)], -_LARGEST, _LARGEST)
        if not finite.size:
            return cls(0.0, 1.0)
        low, center, high = np.percentile(finite, (25, 50, 75)).tolist()
        with np.errstate(over="ignore"):
            spreads = ((high - low) / 1.349, float(finite.std()), abs(center), 1.0)
        spread = next(s for s in spreads if s > _FINEST * abs(center))
        return cls(center, min(max(spread, _SMALLEST), _LARGEST))

    @property
    def edges(self) -> Values:
        """Edges of the bins, float64 of shape (513,), ascending."""
        octave, part = np.divmod(np.arange(_SIDE + 1), 1 << _BITS)
        sizes = ((1 + part / (1 << _BITS)) * 2.0**octave - 1) * self.spread
        return np.concatenate([self.center - sizes[:0:-1], self.center + sizes])

    def count(self, values: NDArray[Any]) -> Counts:
        """Return how many values lie below the bins, in each, above them, or are not finite.

        A value at an edge counts with the bin farther from the center. Close to an edge,
        rounding decides.

        Parameters
        ----------
        values : ndarray of float32 or float64

        Returns
        -------
        ndarray of int64, shape (515,)
        """
        from cntgraph.core.kernels.histogram import count_values

        counts = np.zeros(N_COUNTS, dtype=np.int64)
        flat = read_only(np.ascontiguousarray(values).reshape(-1))
        count_values(flat, self.center, 1.0 / self.spread, _BITS, _SIDE, counts)
        return counts


#: Bins by measure and name of the layer.
LayerBins = dict[tuple[str, str], Bins]
