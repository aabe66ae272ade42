"""LayerHistogram: how the values of a layer are distributed, in bins that tools take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

import numpy as np

from cntgraph.core.types import Values
from cntgraph.network.blocks.histogram import Bins, Counts

#: Where a bin ends that is open, if the least or the greatest value is not finite.
_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, eq=False)
class LayerHistogram:
    """How many finite values of a layer lie between which edges.

    Parameters
    ----------
    edges : ndarray of float64, shape (n_bins + 1,)
        Ascending, from the least value to the greatest.
    counts : ndarray of int64, shape (n_bins,)
        None but the first and the last is sure to be above zero.
    minimum, maximum, mean, std : float
        Of all values; not finite where one of them is not.
    """

    edges: Values
    counts: Counts
    minimum: float
    maximum: float
    mean: float
    std: float

    @classmethod
    def of(cls, bins: Bins, counts: Counts, row: Mapping[str, Any], name: str) -> Self | None:
        """Return what was counted, without the bins at the ends that are empty.

        Parameters
        ----------
        bins : Bins
        counts : ndarray of int64, shape (515,)
            As `Bins.count` returns them.
        row : mapping
            What `analyze` found of the layer.
        name : str
            What the columns of the summary begin with.

        Returns
        -------
        LayerHistogram or None
            None where no value is finite.

        Examples
        --------
        >>> values = np.array([-0.01, 0.0, 0.04, 1000.0])
        >>> bins, summary = Bins(0.0, 1.0), {"mean": values.mean(), "std": values.std()}
        >>> row = {f"a_{k}": v for k, v in (summary | {"min": -0.01, "max": 1e3}).items()}
        >>> found = LayerHistogram.of(bins, bins.count(values), row, "a")
        >>> found.edges[[0, 1, 2, -2, -1]], int(found.counts.sum())
        (array([-1.000e-02,  0.000e+00,  3.125e-02,  2.550e+02,  1.000e+03]), 4)
        """
        summary = (float(row[f"{name}_{what}"]) for what in ("min", "max", "mean", "std"))
        low, high, mean, std = summary
        occupied = np.flatnonzero(counts[:-1])
        if not occupied.size:
            return None
        first, last = int(occupied[0]), int(occupied[-1])
        inner = bins.edges
        ends = (inner[0] - bins.spread, inner[-1] + bins.spread)
        if not (isfinite(low) and isfinite(high)):
            ends = (-_LARGEST, _LARGEST)
        edges = np.concatenate([ends[:1], inner, ends[1:]])[first : last + 2]
        # Where rounding has put a value at an edge into the next bin, the edge stays.
        if isfinite(low) and low < edges[1]:
            edges[0] = low
        if isfinite(high) and high > edges[-2]:
            edges[-1] = high
        return cls(edges, counts[first : last + 1], low, high, mean, std)

    def of_bins(self, most: int) -> tuple[Values, Counts]:
        """Return edges and counts, those of neighboring bins together where there are too many.

        Parameters
        ----------
        most : int
            How many bins there may be.

        Returns
        -------
        edges : ndarray of float64, shape (n_bins + 1,)
        counts : ndarray of int64, shape (n_bins,)

        Examples
        --------
        >>> LayerHistogram(np.arange(6.0), np.arange(5), 0.0, 5.0, 3.0, 1.0).of_bins(3)
        (array([0., 2., 4., 5.]), array([1, 5, 4]))
        """
        starts = np.arange(0, len(self.counts), -(-len(self.counts) // most))
        edges = np.append(self.edges[starts], self.edges[-1])
        return edges, np.add.reduceat(self.counts, starts)
