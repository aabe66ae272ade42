"""How far the weight of an edge is beyond what a null model of it would give."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def add_edges_up(indptr, indices, weights, strengths, degrees):
    """Add Σ|w| and the number of edges, row 0 by source and row 1 by target."""
    for i in range(indptr.size - 1):
        for e in range(indptr[i], indptr[i + 1]):
            size, j = abs(np.float64(weights[e])), indices[e]
            strengths[0, i] += size
            strengths[1, j] += size
            degrees[0, i] += 1
            degrees[1, j] += 1


@njit(cache=True, nogil=True)
def disparity_p_values(indptr, indices, weights, strengths, degrees, at_source, at_target):
    """Write (1 − |w|/s)^(k − 1) with the strength and degree of the source and of the target."""
    for i in range(indptr.size - 1):
        for e in range(indptr[i], indptr[i + 1]):
            size, j = abs(np.float64(weights[e])), indices[e]
            at_source[e] = _beyond(size, strengths[0, i], degrees[0, i])
            at_target[e] = _beyond(size, strengths[1, j], degrees[1, j])


@njit(cache=True, nogil=True)
def _beyond(size, strength, degree):
    if degree == 1 or size == 0.0:
        return 1.0
    return np.exp((degree - 1) * np.log1p(-size / strength))


@njit(cache=True, nogil=True)
def noise_corrected_scores(indptr, order, source, target, weights, unit, n_nodes, score, deviation):
    """Write the transformed lift of every edge and its standard deviation; return Σ of each group.

    The totals of a group of edges are of that group only. A group whose sum is not above 2 has no
    proper prior and is left out, unless all its weights are zero.
    """
    totals = np.zeros(indptr.size - 1)
    leaving, coming = np.zeros(n_nodes), np.zeros(n_nodes)
    for g in range(indptr.size - 1):
        edges = order[indptr[g] : indptr[g + 1]]
        for e in edges:
            count = abs(np.float64(weights[e])) / unit
            totals[g] += count
            leaving[source[e]] += count
            coming[target[e]] += count
        if totals[g] > 2.0 or totals[g] == 0.0:
            for e in edges:
                count = abs(np.float64(weights[e])) / unit
                sums = leaving[source[e]], coming[target[e]]
                score[e], deviation[e] = _lift(count, sums[0], sums[1], totals[g])
        for e in edges:
            leaving[source[e]] = coming[target[e]] = 0.0
    return totals


@njit(cache=True, nogil=True)
def _lift(count, out, into, total):
    """Return (κn − 1)/(κn + 1) with κ = N/(nᵢ nⱼ), and its standard deviation."""
    if count == 0.0:
        return -1.0, 0.0
    kappa = total / (out * into)
    slope = 1.0 / (out * into) - total * (out + into) / (out * into) ** 2
    expected = kappa * count
    score = (expected - 1.0) / (expected + 1.0)
    p = _posterior(count, out, into, total)
    variance = total * p * (1.0 - p)
    derivative = 2.0 * (kappa + count * slope) / (expected + 1.0) ** 2
    return score, np.sqrt(max(variance, 0.0)) * abs(derivative)


@njit(cache=True, nogil=True)
def _posterior(count, out, into, total):
    """Return the posterior mean of the edge's probability under its beta prior."""
    mean = out * into / total**2
    rest = (total - out) * (total - into)
    if rest <= 0.0:  # a prior without variance
        return mean
    # α + β of the beta distribution with that mean and the variance of the hypergeometric.
    events = (total**2 - out * into) * (total - 1.0) / rest - 1.0
    return (mean * events + count) / (events + total)
