"""WeightChange: how far the weights of a block are from those of another, read part by part."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, nan, sqrt
from typing import Self

import numpy as np

from cntgraph.core.compiling import read_only
from cntgraph.core.parallel import ordered_map
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Values
from cntgraph.training.change.effective_rank import Gram

#: Bytes of each weight that are read at once: columns of a large matrix lie in runs of some.
_PART_BYTES = 1 << 22


@dataclass(frozen=True)
class WeightChange:
    """Sums over the weights of a block before and after, in float64; parts of it add up.

    Parameters
    ----------
    n : int
        Weights.
    n_odd : int
        Those that are NaN or infinite in one of both, of which nothing is summed.
    n_flipped : int
        Those with another sign than before, neither being zero.
    before, after, between : float
        Sums of the squares of the weights before, after, and of their differences.
    product : float
        Sum of the products of weights before and after.

    Examples
    --------
    >>> found = WeightChange.of(np.array([3.0, 4.0]), np.array([3.0, -4.0]))
    >>> found.relative, found.cosine, found.sign_flips
    (1.6, -0.28, 0.5)
    """

    n: int = 0
    n_odd: int = 0
    n_flipped: int = 0
    before: float = 0.0
    after: float = 0.0
    between: float = 0.0
    product: float = 0.0

    @classmethod
    def of(cls, a: Array, b: Array) -> Self:
        """Return the sums over two arrays of one shape."""
        from cntgraph.core.kernels.pair_sums import SUMS_SIZE, add_pairs

        x, y = (np.ascontiguousarray(values).reshape(-1) for values in (a, b))
        sums, n = np.zeros(SUMS_SIZE), x.size
        flipped = add_pairs(read_only(x), read_only(y), sums)
        if not np.isfinite(sums).all():  # rare: looked at again without what is not finite
            sound = np.isfinite(x) & np.isfinite(y)
            sums, x, y = np.zeros(SUMS_SIZE), x[sound], y[sound]
            flipped = add_pairs(read_only(x), read_only(y), sums)
        return cls(n, n - x.size, int(flipped), *sums.tolist())

    def __add__(self, other: WeightChange) -> WeightChange:
        """Return the sums over both parts."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return WeightChange(*(own + theirs for own, theirs in pairs))

    @property
    def _in_range(self) -> bool:
        return isfinite(self.before + self.after + self.between)

    @property
    def relative(self) -> float:
        """‖W_b - W_a‖ / ‖W_a‖ (see `relative_change`); NaN unless all are finite."""
        if self.n_odd or not self.n or not self._in_range:
            return nan
        return relative_change(sqrt(self.between), sqrt(self.before))

    @property
    def cosine(self) -> float:
        """Cosine of the angle between the weights; NaN where all of one are zero."""
        norms = sqrt(self.before) * sqrt(self.after)
        if self.n_odd or not norms or not self._in_range:
            return nan
        return min(max(self.product / norms, -1.0), 1.0)

    @property
    def sign_flips(self) -> float:
        """Share of the weights that have another sign than before; NaN without weights."""
        return nan if self.n_odd or not self.n else self.n_flipped / self.n

    @property
    def why(self) -> str:
        """Why one of the numbers is NaN."""
        if self.n_odd:
            return f"{self.n_odd:,} weights are not finite"
        if not self.n:
            return "there are no weights"
        if not self._in_range:
            return "the squares of the weights are beyond the range of numbers"
        return "" if self.before and self.after else "no cosine: all weights of one are zero"


def relative_change(change: float, before: float) -> float:
    """Return a change as a share of what was there: 0 of nothing, infinite of something from it.

    Examples
    --------
    >>> relative_change(1.0, 4.0), relative_change(0.0, 0.0), relative_change(1.0, 0.0)
    (0.25, 0.0, inf)
    """
    if before:
        return change / before
    return inf * change if change else 0.0


def change_of(a: Recipe, b: Recipe, *, gram: Gram | None = None) -> WeightChange:
    """Return how far weights are from others, of which some are held at a time.

    Parameters
    ----------
    a, b : Recipe
        Before and after, of one shape.
    gram : Gram, optional
        What is to be told of the change as a matrix; the same pass goes to it.

    Returns
    -------
    WeightChange
        The same bits on any number of threads.
    """
    axis = 0 if gram is None else gram.axis

    def work(bounds: tuple[int, int]) -> tuple[WeightChange, Values | None]:
        x, y = (weights.read(axis, *bounds) for weights in (a, b))
        if gram is None:
            return WeightChange.of(x, y), None
        with np.errstate(invalid="ignore"):  # infinities that cancel are NaN
            return WeightChange.of(x, y), np.subtract(y, x, dtype=np.float64)

    total = WeightChange()
    for found, change in ordered_map(work, common_parts(a, b, axis)):
        total += found
        if gram is not None and change is not None:
            gram.add(change)
    return total


def common_parts(a: Recipe, b: Recipe, axis: int) -> list[tuple[int, int]]:
    """Return the parts along an axis in which both are read: those of the one with fewer."""
    return min((list(weights.chunks(_PART_BYTES, axis)) for weights in (a, b)), key=len)
