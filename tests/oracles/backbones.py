"""Backbones and the strongest edges, by loops and integrals written down from the papers.

Edges are lists of (source, target, weight, block), as `graphs.edges_of` gives them; a result is a
value or a truth value per edge, in that order. Nothing here is shared with the package.
"""

import math

from scipy.integrate import quad

WRONG_SIGN = {
    "absolute": lambda w: False,
    "positive": lambda w: w < 0,
    "negative": lambda w: w > 0,
}


def uniform_p_value(size, others):
    """Serrano et al. 2009, equation 2, with its integral.

    `others` are the magnitudes of all edges at one side of a node, `size` among them.
    """
    k, s = len(others), sum(others)
    if k == 1 or s == 0:
        return 1.0
    if k == 2:  # (k − 1)(1 − x)^(k − 2) is 1
        return 1.0 - size / s
    density = quad(lambda x: (k - 1) * (1 - x) ** (k - 2), 0.0, size / s, epsabs=1e-13)[0]
    return 1.0 - density


def disparity(edges):
    """(α_ij at the source, α_ij at the target) of every edge."""
    found = []
    for i, j, w, _ in edges:
        leaving = [abs(v) for a, _, v, _ in edges if a == i]
        coming = [abs(v) for _, b, v, _ in edges if b == j]
        found.append((uniform_p_value(abs(w), leaving), uniform_p_value(abs(w), coming)))
    return found


def noise_corrected(edges, unit=1.0, *, published=False):
    """(transformed lift, its standard deviation) of every edge; Coscia & Neffke 2017.

    With `published`, the β of the prior as it stands in the authors' code.
    """
    counts = [abs(w) / unit for _, _, w, _ in edges]
    total = math.fsum(counts)
    found = []
    for (i, j, _, _), n in zip(edges, counts, strict=True):
        out = math.fsum(c for (a, _, _, _), c in zip(edges, counts, strict=True) if a == i)
        into = math.fsum(c for (_, b, _, _), c in zip(edges, counts, strict=True) if b == j)
        found.append(_lift(n, out, into, total, published))
    return found


def _lift(n, out, into, total, published):
    if n == 0:
        return -1.0, 0.0
    mean = out * into / total**2
    variance = out * into * (total - out) * (total - into) / (total**4 * (total - 1))
    if variance > 1e-15:
        alpha = mean**2 / variance * (1 - mean) - mean
        rest = (1 - mean**2) if published else (1 - mean) ** 2
        beta = mean / variance * rest - (1 - mean)
        p = (alpha + n) / (alpha + beta + total)
    else:
        p = mean
    kappa = total / (out * into)

    def lift(count):
        # Row sum, column sum and total grow with the count.
        more = count - n
        expected = (out + more) * (into + more) / (total + more)
        return (count - expected) / (count + expected)

    step = 1e-5 * n
    slope = (lift(n + step) - lift(n - step)) / (2 * step)
    score = (kappa * n - 1) / (kappa * n + 1)
    return score, math.sqrt(total * p * (1 - p)) * abs(slope)


def strongest(edges, k, key):
    """Whether each edge is among the k of largest |w| of those with the same key."""
    groups = {}
    for place, edge in enumerate(edges):
        groups.setdefault(key(edge), []).append(place)
    kept = set()
    for places in groups.values():
        kept |= set(sorted(places, key=lambda place: (-abs(edges[place][2]), place))[:k])
    return [place in kept for place in range(len(edges))]
