"""Plain Python: what one writes without any library, over edges and over closed forms."""

from __future__ import annotations

from itertools import pairwise, product
from math import prod

from scipy.sparse import csr_array

import cntgraph as cg
from cntgraph.network.blocks import Conv, Dense, Pool


def strengths_of_edges(adjacency: csr_array) -> list[float]:
    """Add up the weights of every node's edges, edge by edge."""
    strength = [0.0] * adjacency.shape[0]
    arrays = (adjacency.indptr, adjacency.indices, adjacency.data)
    indptr, indices, data = (array.tolist() for array in arrays)
    for i in range(len(strength)):
        for k in range(indptr[i], indptr[i + 1]):
            strength[i] += data[k]
            strength[indices[k]] += data[k]
    return strength


def degrees_of_edges(adjacency: csr_array) -> list[int]:
    """Count every node's edges, edge by edge."""
    indptr, indices = adjacency.indptr.tolist(), adjacency.indices.tolist()
    degree = [last - first for first, last in pairwise(indptr)]
    for target in indices:
        degree[target] += 1
    return degree


def pagerank_of_edges(adjacency: csr_array, tolerance: float = 1e-12) -> list[float]:
    """Iterate PageRank on |w|, edge by edge, as networkx defines it."""
    n = adjacency.shape[0]
    arrays = (adjacency.indptr, adjacency.indices, abs(adjacency.data))
    indptr, indices, data = (array.tolist() for array in arrays)
    out = [sum(data[indptr[i] : indptr[i + 1]]) for i in range(n)]
    rank, change = [1 / n] * n, 1.0
    while change > tolerance:
        lost = sum(r for r, total in zip(rank, out, strict=True) if total == 0)
        found = [(0.15 + 0.85 * lost) / n] * n
        for i in range(n):
            share = 0.85 * rank[i] / out[i] if out[i] else 0.0
            for k in range(indptr[i], indptr[i + 1]):
                found[indices[k]] += share * data[k]
        change = sum(abs(a - b) for a, b in zip(found, rank, strict=True))
        rank = found
    return rank


def strengths_of_blocks(net: cg.Network) -> list[float]:
    """Add up the kernels of convolutions and the rows and columns of matrices; nothing is unrolled.

    Poolings are those of 2 × 2 pixels that do not overlap.
    """
    total = [0.0] * net.n_nodes
    for block in net.blocks:
        source, target = block.source.as_ids().tolist(), block.target.as_ids().tolist()
        if isinstance(block, Dense):
            _add_dense(block, source, target, total)
        elif isinstance(block, Conv):
            _add_convolution(block, source, target, total)
        else:
            assert isinstance(block, Pool)
            for node in source:
                total[node] += 1
            for node in target:
                total[node] += 4
    return total


def _add_dense(block: Dense, source: list[int], target: list[int], total: list[float]) -> None:
    for node, row in zip(target, block.weight.read().tolist(), strict=True):
        total[node] += sum(row)
        for other, value in zip(source, row, strict=True):
            total[other] += value


def _add_convolution(block: Conv, source: list[int], target: list[int], total: list[float]) -> None:
    n_out, n_in = block.weight.shape[:2]
    kernel = block.weight.read().reshape(n_out, n_in, -1).tolist()
    n_fine, n_coarse = (prod(view.shape[1:]) for view in (block.source, block.target))
    for t, taps in enumerate(product(*(range(w.kernel) for w in block.windows))):
        into = [sum(kernel[c][k][t] for k in range(n_in)) for c in range(n_out)]
        out = [sum(kernel[c][k][t] for c in range(n_out)) for k in range(n_in)]
        places = [w.tap(n) for w, n in zip(block.windows, taps, strict=True)]
        (rows, columns) = (list(zip(range(w.fine)[p.fine], range(w.coarse)[p.coarse], strict=True))
                           for w, p in zip(block.windows, places, strict=True))  # fmt: skip
        fine_width, coarse_width = block.windows[1].fine, block.windows[1].coarse
        for (i, o), (j, p) in product(rows, columns):
            for k in range(n_in):
                total[source[k * n_fine + i * fine_width + j]] += out[k]
            for c in range(n_out):
                total[target[c * n_coarse + o * coarse_width + p]] += into[c]
