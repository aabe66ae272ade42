"""Measures of a node and its neighbors, edge by edge; and networks that are odd in some way.

Edges are lists of (source, target, weight), parallel ones included.
"""

import math

import numpy as np
from oracles.nets import nets

import cntgraph as cg
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import Dense

#: What a sign policy takes of the edges: their magnitudes.
MAGNITUDES = {
    "absolute": abs,
    "positive": lambda w: max(w, 0.0),
    "negative": lambda w: max(-w, 0.0),
}


def around(edges, n, direction):
    """Of every node, (neighbor, weight) of every edge; one to itself in each direction."""
    found = [[] for _ in range(n)]
    for i, j, w in edges:
        if direction in ("out", "total"):
            found[i].append((j, w))
        if direction in ("in", "total"):
            found[j].append((i, w))
    return found


def degree(edges, n, direction):
    return [len(own) for own in around(edges, n, direction)]


def disparity(edges, n, direction, sign):
    found = []
    for own in around(edges, n, direction):
        sizes = [MAGNITUDES[sign](w) for _, w in own]
        total = math.fsum(sizes)
        found.append(math.fsum((m / total) ** 2 for m in sizes) if total else math.nan)
    return found


def participation_ratio(edges, n, direction):
    found = []
    for own in around(edges, n, direction):
        fourth = math.fsum(w**4 for _, w in own)
        found.append(math.fsum(w**2 for _, w in own) ** 2 / fourth if fourth else math.nan)
    return found


def average_neighbor_strength(neighbors, strengths, size=lambda w: 1.0):
    """Of every node, the mean over what is `around` it, weighted by the size of an edge."""
    found = []
    for own in neighbors:
        total = math.fsum(size(w) for _, w in own)
        weighed = math.fsum(size(w) * strengths[j] for j, w in own)
        found.append(weighed / total if total else math.nan)
    return found


# -- networks -------------------------------------------------------------------------------------


def dense(name, source, target, weight):
    """All edges between two runs of nodes, (start, stop); of a weight (outputs, inputs)."""
    weight = np.asarray(weight, dtype=np.float64)
    views = {k: View((b - a,), a) for k, (a, b) in (("source", source), ("target", target))}
    recipe = Recipe.of(cg.Parameter.from_array(f"{name}.weight", weight))
    return Dense(name=name, weight=recipe, **views)


def network(sizes, blocks):
    """Layers a, b, c, … of these sizes."""
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    layers = [
        cg.Layer(chr(97 + k), (size,), "dense", starts[k]) for k, size in enumerate(sizes)
    ]  # fmt: skip
    return cg.Network(tuple(layers), tuple(blocks))


def recurrent(seed=0):
    """Two layers, the second with edges to itself: loops at its nodes among them."""
    rng = np.random.default_rng(seed)
    loop = dense("loop", (3, 7), (3, 7), rng.normal(size=(4, 4)))
    return network(
        (3, 4, 2),
        [
            dense("in", (0, 3), (3, 7), rng.normal(size=(4, 3))),
            loop,
            dense("out", (3, 7), (7, 9), rng.normal(size=(2, 4))),
        ],
    )


def odd_nets():
    """Loops, an empty layer, isolated nodes, a single node, no edges, weights of zero."""
    rng = np.random.default_rng(1)
    zeros = rng.normal(size=(4, 3)) * (rng.random((4, 3)) < 0.5)
    zeros[0] = 0.0
    return {
        "recurrent": recurrent(),
        "empty layer": network((3, 0, 4), [dense("fc", (0, 3), (3, 7), rng.normal(size=(4, 3)))]),
        "isolated": network((4, 5), [dense("fc", (0, 3), (4, 7), rng.normal(size=(3, 3)))]),
        "two parts": network(
            (2, 2, 2, 2),
            [
                dense("fc1", (0, 2), (2, 4), [[1, -2], [3, 4]]),
                dense("fc2", (4, 6), (6, 8), [[5, 6], [5, 6]]),
            ],
        ),
        "single node": network((1,), []),
        "single loop": network((1,), [dense("loop", (0, 1), (0, 1), [[-2.0]])]),
        "no edges": network((2, 3), []),
        "nothing": network((), []),
        "zeros": network((3, 4), [dense("fc", (0, 3), (3, 7), zeros)]),
        "all zero": network((3, 4), [dense("fc", (0, 3), (3, 7), np.zeros((4, 3)))]),
    }  # fmt: skip


def all_nets():
    """Toys and random networks, two of them between channels, and the odd ones."""
    found = {name: net for name, net in nets().items() if name != "random2"}
    found |= {f"{k} by channel": cg.coarsen(found[k], "channel") for k in ("cnn", "random1")}
    return found | odd_nets()
