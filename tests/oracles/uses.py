"""Which weights add up to which strengths, as dense matrices: strengths are linear in weights."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from cntgraph.core.recipe import Recipe


def uses(block, nodes, incoming=True, outgoing=True):
    """c[v, k]: how many edges at the nodes of a slice carry weight k, one weight at a time."""
    carried = list(_edges_by_weight(block))
    found = np.zeros((nodes.stop - nodes.start, len(carried)))
    for k, (rows, columns) in enumerate(carried):
        ends = ((block.source, rows, outgoing), (block.target, columns, incoming))
        for view, positions, counts in ends:
            for node in view.as_ids()[positions] if counts else ():
                if nodes.start <= node < nodes.stop:
                    found[node - nodes.start, k] += 1
    return found


@lru_cache(maxsize=256)
def _uses_of_all(block, n_nodes, incoming, outgoing):
    return uses(block, slice(0, n_nodes), incoming, outgoing)


def _edges_by_weight(block):
    """The edges that are there if one weight is 1 and all others are 0, weight by weight."""
    if block.weight is None:
        matrix = block.to_csr().tocoo()
        yield from zip(matrix.row[:, None], matrix.col[:, None], strict=True)
        return
    for alone in _units(block.weight.shape):
        yield replace(block, weight=Recipe.constant(alone)).to_csr().nonzero()


def _units(shape):
    size = int(np.prod(shape))
    yield from np.eye(size).reshape(size, *shape)


def terms(net, direction="total", *, edges="parametric", bias=True):
    """What strengths are sums of: (name, c, values), c @ values by node, for weights and biases.

    The name is empty where nothing is drawn; each is of one block.
    """
    wanted = {"incoming": direction != "out", "outgoing": direction != "in"}
    nodes, found = np.arange(net.n_nodes), []
    for block in net.select_blocks(edges):
        learned = block.name if block.parametric else ""
        weights = block.to_csr().data if block.weight is None else block.weight.read().reshape(-1)
        found.append((learned, _uses_of_all(block, net.n_nodes, **wanted), weights))
        if bias and block.bias is not None and direction != "out":
            ids = block.target.as_ids()
            reached = [ids[np.broadcast_to(one, block.target.shape).reshape(-1) > 0]
                       for one in _units(block.bias.shape)]  # fmt: skip
            counts = np.stack([(own == nodes[:, None]).sum(axis=1) for own in reached], axis=1)
            found.append((learned and f"{learned}.bias", counts, block.bias.read().reshape(-1)))
    return [(name, c, values.astype(float)) for name, c, values in found if values.size]


def expected_square(net, **options):
    """E[Y²] of every layer, the expectation of sᵀ P s / N, with P what takes the mean away."""
    found, known = [], terms(net, **options)
    for layer in net.layers:
        n = layer.n_nodes
        centering, mean, square = np.eye(n) - 1 / n, np.zeros(n), 0.0
        for name, c, values in known:
            own = c[layer.slice]
            mean += own @ (np.full(values.shape, values.mean()) if name else values)
            square += values.var() * ((centering @ own) ** 2).sum() if name else 0.0
        found.append((((centering @ mean) ** 2).sum() + square) / n)
    return np.array(found)


def drawn_squares(net, n, seed=0, **options):
    """Y² of every layer for n draws of all weights and biases, shape (n, n_layers)."""
    rng, strengths = np.random.default_rng(seed), np.zeros((n, net.n_nodes))
    for name, c, values in terms(net, **options):
        drawn = rng.normal(values.mean(), values.std(), (n, values.size)) if name else values[None]
        strengths += drawn @ c.T
    return np.stack([strengths[:, layer.slice].var(axis=1) for layer in net.layers], axis=1)
