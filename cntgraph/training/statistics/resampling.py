"""Resampling: permutation tests and bootstrap intervals of many rows at once, from ranks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Values

#: Numbers drawn at once, so that memory does not grow with the number of draws.
DRAWN_AT_ONCE: Final = 1 << 21


def permutation_p(scores: Values, labels: Values, n: int, rng: np.random.Generator) -> Values:
    """Return how often shuffled labels go with scores at least as closely as the labels do.

    Parameters
    ----------
    scores : ndarray of float64, shape (n_rows, n_networks)
        Ranks of measures, one measure per row.
    labels : ndarray of float64, shape (n_networks,)
        The networks' labels: 1 in a group and 0 outside it, or ranks.
    n : int
        How many times to shuffle.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float64, shape (n_rows,)
        (b + 1) / (n + 1), with b how many of the n shuffles reach the row's own statistic.

    Notes
    -----
    The statistic is |Σ (rᵢ - r̄) lᵢ|: of the label of a group it orders shuffles as
    |AUC - 1/2| does, of ranks as |Spearman's ρ|. All rows see the same shuffles.

    References
    ----------
    .. [1] B. Phipson, G. K. Smyth, "Permutation P-values should never be zero", Stat. Appl.
       Genet. Mol. Biol. 9(1), 2010.

    Examples
    --------
    >>> ranks, group = np.arange(8.0)[None, :], np.repeat([0.0, 1.0], 4)
    >>> bool(permutation_p(ranks, group, 999, np.random.default_rng(0))[0] < 0.05)
    True
    """
    centred = (scores - scores.mean(axis=1, keepdims=True)).T
    # Ranks are halves: their sums are exact, and what is equal is found equal.
    observed = np.abs(labels @ centred)
    reached = np.zeros(len(scores))
    for size in _portions(n, labels.size):
        shuffled = rng.permuted(np.tile(labels, (size, 1)), axis=1)
        reached += (np.abs(shuffled @ centred) >= observed - 1e-9).sum(axis=0)
    return np.asarray((reached + 1) / (n + 1))


def bootstrap_interval(
    values: Values,
    group: NDArray[np.bool_],
    n: int,
    confidence: float,
    rng: np.random.Generator,
) -> tuple[Values, Values]:
    """Return the percentile interval of each row's AUC.

    Parameters
    ----------
    values : ndarray of float64, shape (n_rows, n_networks)
        Measures, one per row.
    group : ndarray of bool, shape (n_networks,)
        Which networks are in the group; some are and some are not.
    n : int
        How many times to draw networks, as many of the group and outside it as there are.
    confidence : float
        Share of the draws between the ends.
    rng : numpy.random.Generator

    Returns
    -------
    low, high : ndarray of float64, shape (n_rows,)

    Notes
    -----
    All rows see the same draws. Where a measure separates perfectly every draw does, and both
    ends are 1 (or 0): the interval then says less than the number of networks does.

    Examples
    --------
    >>> values, group = np.array([[1.0, 3.0, 2.0, 4.0]]), np.array([False, False, True, True])
    >>> bootstrap_interval(values, group, 500, 0.95, np.random.default_rng(0))
    (array([0.]), array([1.]))
    """
    orders = np.argsort(values, axis=1)
    areas = []
    for size in _portions(n, group.size):
        counts = np.empty((size, group.size))
        for stratum in (group, ~group):
            k = int(stratum.sum())
            counts[:, stratum] = rng.multinomial(k, np.full(k, 1 / k), size)
        rows = zip(values, orders, strict=True)
        areas.append(
            [_weighted_auc(row[order], group[order], counts[:, order]) for row, order in rows]
        )
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(areas, axis=1), [tail, 1 - tail], axis=1)
    return low, high


def _weighted_auc(values: Values, group: NDArray[np.bool_], counts: Values) -> Values:
    """Return the AUC of ascending values, each counted as often as each row of `counts` says."""
    # Values that are equal are put together: ties between the groups count half.
    starts = np.flatnonzero(np.diff(values, prepend=-np.inf) > 0)
    inside = np.add.reduceat(counts * group, starts, axis=1)
    outside = np.add.reduceat(counts * ~group, starts, axis=1)
    smaller = np.cumsum(outside, axis=1) - outside / 2
    pairs = int(group.sum()) * int((~group).sum())
    return np.asarray((inside * smaller).sum(axis=1) / pairs)


def _portions(n: int, width: int) -> Iterator[int]:
    """Split n draws of `width` numbers into portions."""
    size = max(DRAWN_AT_ONCE // max(width, 1), 1)
    for start in range(0, n, size):
        yield min(size, n - start)
