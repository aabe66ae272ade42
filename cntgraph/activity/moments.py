"""Moments: what is kept of the values of nodes over samples, however many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cntgraph.core.parallel import ordered_map
from cntgraph.core.types import Array, Values

#: Values of a batch above which it is looked at on several threads.
_LARGE = 1 << 16
#: Nodes that a thread looks at at once.
_STEP = 1 << 14


@dataclass(eq=False)
class Moments:
    """Mean, spread, skewness and extremes of n nodes over samples; batches add up.

    Parameters
    ----------
    n_nodes : int
        Number of nodes.

    Examples
    --------
    >>> moments = Moments(2)
    >>> moments.add(np.array([[0.0, 1.0], [2.0, 1.0]]))
    >>> moments.add(np.array([[4.0, 1.0]]))
    >>> moments.mean, moments.n_samples
    (array([2., 1.]), 3)
    """

    n_nodes: int
    n_samples: int = 0

    def __post_init__(self) -> None:
        from cntgraph.core.kernels.sample_moments import STATE_SIZE

        self.state: Values = np.zeros((STATE_SIZE, self.n_nodes))

    @classmethod
    def of_state(cls, state: Values, n_samples: int) -> Moments:
        """Return the moments that a state, shape (6, n_nodes), is of."""
        made = cls(state.shape[1], n_samples)
        made.state = state
        return made

    def add(self, *values: Array) -> None:
        """Add samples.

        Parameters
        ----------
        *values : ndarray, shapes (n_samples, n), the n adding up to n_nodes
            Of all nodes, or of some after the other: they are not put together.
        """
        from cntgraph.core.kernels.sample_moments import add_batch

        n, ends = len(values[0]), np.cumsum([own.shape[1] for own in values])
        if not n:
            return
        places = np.split(self.state, ends[:-1], axis=1)
        pairs = zip(map(np.ascontiguousarray, values), places, strict=True)
        parts = [(own, place, k) for own, place in pairs for k in range(0, own.shape[1], _STEP)]

        def work(part: tuple[Array, Values, int]) -> None:
            own, place, first = part
            add_batch(own, first, min(first + _STEP, own.shape[1]), place, self.n_samples)

        large = self.n_nodes * n >= _LARGE
        with np.errstate(all="ignore"):  # values that are not finite have moments that are not
            for _ in ordered_map(work, parts, threads=None if large else 1):
                pass
        self.n_samples += n

    def merge(self, other: Moments) -> None:
        """Add the samples that other moments are of; these stay as they are."""
        from cntgraph.core.kernels.sample_moments import merge_moments

        if not self.n_samples:
            self.state = other.state.copy()
        elif other.n_samples:
            merge_moments(self.state, self.n_samples, other.state, other.n_samples)
        self.n_samples += other.n_samples

    def _at(self, name: str) -> Values:
        from cntgraph.core.kernels import sample_moments

        found: Values = self.state[getattr(sample_moments, name)]
        return found

    @property
    def mean(self) -> Values:
        """Mean over samples, shape (n_nodes,)."""
        return self._at("MEAN")

    @property
    def std(self) -> Values:
        """Standard deviation over samples (ddof 0), shape (n_nodes,)."""
        return np.sqrt(self._at("M2") / self.n_samples)

    @property
    def skew(self) -> Values:
        """Skewness over samples, shape (n_nodes,); NaN where nothing varies."""
        spread, n = self._at("M2") / self.n_samples, self.n_samples
        flat = spread <= (np.finfo(np.float64).eps * self.mean) ** 2
        with np.errstate(all="ignore"):
            return np.where(flat, np.nan, self._at("M3") / n / spread**1.5)

    @property
    def min(self) -> Values:
        """Smallest value, shape (n_nodes,)."""
        return self._at("LOW")

    @property
    def max(self) -> Values:
        """Largest value, shape (n_nodes,)."""
        return self._at("HIGH")

    @property
    def active(self) -> Values:
        """Share of the samples in which the value is above zero, shape (n_nodes,)."""
        return self._at("N_ACTIVE") / self.n_samples

    def to_dict(self) -> dict[str, Any]:
        """Return every quantity by name, each of shape (n_nodes,)."""
        return {
            name: getattr(self, name) for name in ("mean", "std", "skew", "min", "max", "active")
        }
