"""Resampling: permutation tests of many rows at once, from ranks, and the bootstrap's draws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

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
    centered = (scores - scores.mean(axis=1, keepdims=True)).T
    # Ranks are halves: their sums are exact, and what is equal is found equal.
    observed = np.abs(labels @ centered)
    reached = np.zeros(len(scores))
    for size in _portions(n, labels.size):
        shuffled = rng.permuted(np.tile(labels, (size, 1)), axis=1)
        reached += (np.abs(shuffled @ centered) >= observed - 1e-9).sum(axis=0)
    return np.asarray((reached + 1) / (n + 1))


def drawn_again(values: Values, n: int, rng: np.random.Generator) -> Iterator[Values]:
    """Yield values of networks that are drawn again, with replacement, some draws at a time.

    Parameters
    ----------
    values : ndarray of float64, shape (n_rows, n_networks)
        Measures, one per row; all see the same draws.
    n : int
        How many draws.
    rng : numpy.random.Generator

    Yields
    ------
    ndarray of float64, shape (n_rows, n_draws, n_networks)

    Examples
    --------
    >>> parts = drawn_again(np.arange(6.0).reshape(2, 3), 5, np.random.default_rng(0))
    >>> [part.shape for part in parts]
    [(2, 5, 3)]
    """
    n_networks = values.shape[1]
    for size in _portions(n, values.size):
        yield values[:, rng.integers(n_networks, size=(size, n_networks))]


def _portions(n: int, width: int) -> Iterator[int]:
    """Split n draws of `width` numbers into portions."""
    size = max(DRAWN_AT_ONCE // max(width, 1), 1)
    for start in range(0, n, size):
        yield min(size, n - start)
