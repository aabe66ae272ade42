"""R-Cross-Barcodes from their definition: the boundary matrix of a mapping cone, reduced.

Slow on purpose. The cone of VR(r) → VR(min(r, s)) has the simplices of the second complex, and
those of the first, each of one dimension more: its boundary is the same simplex of the second, and
its own boundary in the first.
"""

from itertools import combinations

import numpy as np


def normalized(points):
    distances = np.array([[np.sqrt(((p - q) ** 2).sum()) for q in points] for p in points])
    return distances / np.quantile(distances, 0.9)


def simplices(distances, dimension):
    """Every simplex up to a dimension, and when it enters."""
    found = {}
    for size in range(1, dimension + 2):
        for nodes in combinations(range(len(distances)), size):
            found[nodes] = max([0.0, *(distances[i, j] for i, j in combinations(nodes, 2))])
    return found


def boundary(nodes):
    return [nodes[:k] + nodes[k + 1 :] for k in range(len(nodes))] if len(nodes) > 1 else []


def reduce(entries):
    """Finite bars by dimension, of {cell: (birth, dimension, boundary)}, over two elements."""
    order = sorted(entries, key=lambda cell: entries[cell][:2])
    place = {cell: k for k, cell in enumerate(order)}
    reduced, bars = {}, []
    for k, cell in enumerate(order):
        column = set()
        for face in entries[cell][2]:
            column ^= {place[face]}
        while column and max(column) in reduced:
            column ^= reduced[max(column)]
        if column:
            reduced[max(column)] = column
            birth, dimension, _ = entries[order[max(column)]]
            bars.append((dimension, birth, entries[order[k]][0]))
    return bars


def cross_barcode(r, s):
    """Bars (dimension, birth, death) up to dimension 1."""
    entries = {}
    for nodes, birth in simplices(np.minimum(r, s), 2).items():
        faces = [("new", face) for face in boundary(nodes)]
        entries["new", nodes] = (birth, len(nodes) - 1, faces)
    for nodes, birth in simplices(r, 1).items():
        faces = [("old", face) for face in boundary(nodes)]
        entries["old", nodes] = (birth, len(nodes), [("new", nodes), *faces])
    return [bar for bar in reduce(entries) if bar[0] <= 1 and bar[2] > bar[1]]


def components(distances):
    """Integral over the scale of the number of components, less one."""
    entries = {
        nodes: (birth, len(nodes) - 1, boundary(nodes))
        for nodes, birth in simplices(distances, 1).items()
    }
    return sum(death - birth for dimension, birth, death in reduce(entries) if dimension == 0)


def divergence(a, b):
    """(components, loops, all), the mean of both directions."""
    r, s = normalized(a), normalized(b)
    found = []
    for one, other in ((r, s), (s, r)):
        whole = sum(death - birth for dim, birth, death in cross_barcode(one, other) if dim == 1)
        merged = components(one) - components(np.minimum(one, other))
        found.append((merged, whole - merged, whole))
    return np.mean(found, axis=0)
