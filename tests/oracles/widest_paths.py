"""Widths of widest paths by following every path; slow on purpose."""

import math

import numpy as np


def sizes(edges, learned, standardized=True):
    """(source, target, size) of edges that are given by block, a list of (i, j, w) each."""
    found = {}
    for name, own in edges.items():
        weights = [w for _, _, w in own]
        if not learned[name] or (standardized and len({*weights}) < 2):
            found[name] = None
            continue
        mean = math.fsum(weights) / len(weights) if standardized else 0.0
        spread = math.sqrt(math.fsum((w - mean) ** 2 for w in weights) / len(weights))
        found[name] = [abs(w - mean) / (spread if standardized else 1.0) for w in weights]
    top = max((max(own) for own in found.values() if own), default=1.0)
    return [
        (i, j, 1.0 if found[name] is None else found[name][k] / top)
        for name, own in edges.items()
        for k, (i, j, _) in enumerate(own)
    ]


def width(edges, start, end):
    """The largest, over all paths from start to end, of the least size on a path; 0 if none."""
    if start == end:
        return 1.0
    return max((min(size, width(edges, j, end)) for i, j, size in edges if i == start), default=0.0)


def closure(edges, n):
    """The width from each node to each other, by Warshall: through one more node at a time."""
    widths = np.zeros((n, n))
    for i, j, size in edges:
        widths[i, j] = max(widths[i, j], size)
    for k in range(n):
        widths = np.maximum(widths, np.minimum(widths[:, k, None], widths[None, k]))
    return widths
