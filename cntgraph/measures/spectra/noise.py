"""Noise: which part of a spectrum a matrix of independent entries would have, and where it ends.

Spectra are the last axis of an array: one, or those of many networks at once.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np

from cntgraph.core.types import Ids, Values

#: The 99 % quantile of Tracy and Widom's distribution for real matrices.
_QUANTILE = 2.0234


class Noise(NamedTuple):
    """The bulk of a spectrum, as Marchenko and Pastur's law of independent entries has it.

    Parameters
    ----------
    variance : ndarray of float64
        Of the entries of the noise.
    edge : ndarray of float64
        The largest eigenvalue that it has in the limit of large matrices.
    n_spikes : ndarray of int64
        Eigenvalues beyond the edge, and beyond what the largest of finite noise exceeds it by.
    """

    variance: Values
    edge: Values
    n_spikes: Ids

    @classmethod
    def of(cls, eigenvalues: Values, shape: tuple[int, int], n_matrices: int = 1) -> Noise:
        """Return the noise in the spectrum of a matrix, or of several of one shape.

        Parameters
        ----------
        eigenvalues : ndarray of float64, shape (…, n)
            All squared singular values, of all matrices of a network, zeros included.
        shape : tuple of int
            Of each matrix.
        n_matrices : int, default 1
            Of a network.

        Returns
        -------
        Noise
            Of shape (…).

        Notes
        -----
        Entries of variance v in a matrix of M rows and N columns have their largest eigenvalue at
        v (√N + √M)², and below the 99 % quantile of Tracy and Widom about v (√(N-1) + √M)² (for
        N ≥ M) in 99 of 100 matrices. What is beyond is no noise: it is taken out, with k rows and
        columns for k spikes, and v is what the others have, Σ λ / ((N - k)(M - k)); and again,
        until no more is beyond.

        References
        ----------
        .. [1] Marchenko, Pastur, "Distribution of eigenvalues for some sets of random matrices",
           Mathematics of the USSR-Sbornik 1 (1967).
        .. [2] Johnstone, "On the distribution of the largest eigenvalue in principal components
           analysis", Annals of Statistics 29 (2001), for the margin.
        .. [3] Martin, Mahoney, "Implicit self-regularization in deep neural networks: evidence
           from random matrix theory and implications for learning", JMLR 22 (2021),
           arXiv:1810.01075, for the edge of the bulk of trained weights.

        Examples
        --------
        >>> noise = np.random.default_rng(0).normal(size=(200, 100))
        >>> noise[0, 0] += 60.0
        >>> found = Noise.of(np.linalg.svd(noise, compute_uv=False) ** 2, noise.shape)
        >>> float(found.variance.round(1)), int(found.n_spikes)
        (1.0, 1)
        """
        short, long = sorted(shape)
        ordered = np.sort(eigenvalues)
        size = ordered.shape[-1]
        below = np.concatenate([np.zeros((*ordered.shape[:-1], 1)), ordered], -1).cumsum(-1)
        limit, n_spikes = _limit(short, long), np.zeros(ordered.shape[:-1], dtype=np.int64)
        while True:
            k = n_spikes / n_matrices
            entries = n_matrices * (long - k) * (short - k)
            noise = np.take_along_axis(below, (size - n_spikes)[..., None], axis=-1)[..., 0]
            variance = np.where(entries > 0, noise / np.where(entries > 0, entries, 1.0), 0.0)
            beyond = (ordered > (variance * limit)[..., None]).sum(axis=-1)
            more = (beyond > n_spikes) & (beyond < size)
            if not more.any():
                return cls(variance, variance * (sqrt(long) + sqrt(short)) ** 2, n_spikes)
            n_spikes = np.where(more, beyond, n_spikes)


def _limit(short: int, long: int) -> float:
    """Return what the largest eigenvalue of 99 in 100 matrices, of variance one, is below."""
    one, other = sqrt(max(long - 1, 1)), sqrt(max(short, 1))
    width = (one + other) * (1 / one + 1 / other) ** (1 / 3)
    return (one + other) ** 2 + _QUANTILE * float(width)
