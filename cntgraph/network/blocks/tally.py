"""Tally: what a kernel adds up of values in one pass, from which their statistics follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.compiling import read_only
from cntgraph.core.types import Values

#: From so many values the point is taken about which all are added up. They are some of them, so
#: it is near: not farther than a deviation times the root of how many times as many there are.
FIRST = 1024


@dataclass(frozen=True)
class Tally:
    """Sums of powers and extremes of some values, which a kernel adds up.

    Parameters
    ----------
    sums : ndarray of float64, shape (8,)
        A point near the mean, the sums of the first to fourth powers of the deviations from it, the
        least and the largest value, and how many are zero (see `core.kernels.moments`).
    """

    sums: Values

    @classmethod
    def begin(cls, values: NDArray[Any], about: float | None = None) -> Tally:
        """Return the tally that values, shape (n,), n > 0, may be added to."""
        from cntgraph.core.kernels.moments import LARGEST, LEAST, SHIFT, TALLY_SIZE, mean_of

        sums = np.zeros(TALLY_SIZE)
        sums[SHIFT] = mean_of(read_only(values[:FIRST])) if about is None else about
        sums[LEAST], sums[LARGEST] = np.inf, -np.inf
        return cls(sums)

    @classmethod
    def of(cls, values: NDArray[Any], about: float | None = None) -> Tally:
        """Return the tally of values, shape (n,), n > 0."""
        found = cls.begin(values, about)
        found.add(values)
        return found

    def add(self, values: NDArray[Any]) -> None:
        """Add values, shape (n,), as `core.parameter.kernel_values` returns them."""
        from cntgraph.core.kernels.moments import add_values

        add_values(read_only(values), self.sums)

    @property
    def least_and_largest(self) -> tuple[float, float]:
        """The extremes of the values, if all are finite."""
        from cntgraph.core.kernels.moments import LARGEST, LEAST

        least, largest = (self.sums + 0.0)[[LEAST, LARGEST]].tolist()  # zero has but one sign
        return least, largest

    @property
    def n_zero(self) -> int:
        """Number of values that are zero."""
        from cntgraph.core.kernels.moments import N_ZERO

        return int(self.sums[N_ZERO])

    def moments(self, n: int) -> tuple[float, float, float, float]:
        """Return the mean of the n values and the sums of powers of the deviations from it."""
        about, p1, p2, p3, p4 = self.sums[:5].tolist()
        s = p1 / n
        m2 = p2 - s * p1
        m3 = p3 - s * (3.0 * p2 - 2.0 * s * p1)
        m4 = p4 - s * (4.0 * p3 - s * (6.0 * p2 - 3.0 * s * p1))
        return about + s, max(m2, 0.0), m3, max(m4, 0.0)
