"""Tally: what a kernel adds up of values in one pass, from which their statistics follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.parameter import widen_kernel_values
from cntgraph.core.types import Values

#: The integers of a float's size, and the extremes of no floats.
_INTEGERS = {size: np.dtype(f"i{size}") for size in (1, 2, 4, 8)}
_NO_EXTREMES = {
    size: np.array([np.iinfo(kind).max, np.iinfo(kind).min, 0], dtype=np.int64)
    for size, kind in _INTEGERS.items()
}
#: From so many values the point is taken about which all are added up. They are some of them, so
#: it is near: not farther than a deviation times the root of how many times as many there are.
FIRST = 1024


@dataclass(frozen=True)
class Tally:
    """Sums of powers and extremes of some values, which a kernel adds up.

    Parameters
    ----------
    kind : numpy.dtype
        The type of the values, as `core.parameter.kernel_values` returns them.
    powers : ndarray of float64, shape (5,)
        A point near the mean, and the sums of the first to fourth powers of the deviations from it.
    extremes : ndarray of int64, shape (3,)
        Keys of the least and the largest value (see `core.kernels.moments`), and how many are zero.
    """

    kind: np.dtype[Any]
    powers: Values
    extremes: NDArray[np.int64]

    @classmethod
    def begin(cls, values: NDArray[Any], about: float | None = None) -> Tally:
        """Return the tally that values, shape (n,), n > 0, may be added to."""
        from cntgraph.core.kernels.moments import POWERS_SIZE, SHIFT, mean_of

        powers = np.zeros(POWERS_SIZE)
        powers[SHIFT] = mean_of(values[:FIRST]) if about is None else about
        return cls(values.dtype, powers, _NO_EXTREMES[values.itemsize].copy())

    @classmethod
    def of(cls, values: NDArray[Any], about: float | None = None) -> Tally:
        """Return the tally of values, shape (n,), n > 0."""
        found = cls.begin(values, about)
        found.add(values)
        return found

    def add(self, values: NDArray[Any]) -> None:
        """Add values, shape (n,)."""
        from cntgraph.core.kernels.moments import add_moments

        add_moments(values, bits_of(values), self.powers, self.extremes)

    @property
    def least_and_largest(self) -> tuple[float, float]:
        """The extremes of the values; not both finite if one of the values is not."""
        size, keys = self.kind.itemsize, self.extremes[:2]
        # All bits but the sign of a negative key are turned over, where a key is the bits.
        bits = keys ^ (keys >> 63 & _NO_EXTREMES[size][0])
        stored = bits.astype(_INTEGERS[size]).view(self.kind)
        least, largest = widen_kernel_values(stored).tolist()
        return least, largest

    @property
    def n_zero(self) -> int:
        """Number of values that are zero."""
        return int(self.extremes[2])

    def moments(self, n: int) -> tuple[float, float, float, float]:
        """Return the mean of the n values and the sums of powers of the deviations from it."""
        about, p1, p2, p3, p4 = self.powers.tolist()
        s = p1 / n
        m2 = p2 - s * p1
        m3 = p3 - s * (3.0 * p2 - 2.0 * s * p1)
        m4 = p4 - s * (4.0 * p3 - s * (6.0 * p2 - 3.0 * s * p1))
        return about + s, max(m2, 0.0), m3, max(m4, 0.0)


def bits_of(values: NDArray[Any]) -> NDArray[Any]:
    """Return floats, or the bits of some, as signed integers of their size."""
    return values.view(_INTEGERS[values.itemsize])
