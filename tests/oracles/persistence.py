"""Neural persistence from its definition, threshold by threshold; slow on purpose.

A layer's graph at threshold t has all nodes, and the edges whose w' = |w| / max |w| is t or more.
Every node is born at 1. Where thresholds descend and components merge, all but one of them die.
"""

import math
from functools import cache


def components(nodes, edges):
    """Connected components, by flooding."""
    neighbors = {node: set() for node in nodes}
    for a, b in edges:
        neighbors[a].add(b)
        neighbors[b].add(a)
    left, n = set(nodes), 0
    while left:
        n += 1
        found = [left.pop()]
        while found:
            near = neighbors[found.pop()] & left
            left -= near
            found += near
    return n


@cache
def diagram(edges, top):
    """Return (births and deaths of what dies, number of components that never do).

    Edges are a tuple of (source, target, weight); a node is a source or a target, never both.
    """
    edges = [(("source", i), ("target", j), abs(w) / top if top else 0.0) for i, j, w in edges]
    nodes = {end for a, b, _ in edges for end in (a, b)}
    points, n = [], len(nodes)
    for threshold in sorted({w for _, _, w in edges}, reverse=True):
        now = components(nodes, [(a, b) for a, b, w in edges if w >= threshold])
        points += [(1.0, threshold)] * (n - now)
        n = now
    return points, n


def neural_persistence(edges, top, p=2.0, *, normalized=True, essential=False):
    if not edges:
        return math.nan
    points, n_never = diagram(edges, top)
    lives = [birth - death for birth, death in points] + [1.0] * (n_never - (not essential))
    bound = len(points) + n_never - 1
    if math.isinf(p):
        return max(lives, default=0.0)
    norm = math.fsum(life**p for life in lives) ** (1 / p)
    return norm / bound ** (1 / p) if normalized else norm
