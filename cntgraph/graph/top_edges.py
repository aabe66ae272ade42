"""top_edges: the strongest edges of a network or a graph, found without holding all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.compiling import read_only
from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Array, Ids
from cntgraph.graph.edge_chunks import EdgeChunk, edge_chunks
from cntgraph.graph.graph import Graph
from cntgraph.graph.node_places import node_places
from cntgraph.graph.signs import check_weights
from cntgraph.network.blocks.base import Block
from cntgraph.network.network import Edges, Network

if TYPE_CHECKING:
    import pandas as pd

#: Weights below this have a fourth power that is zero or inexact.
_TINY = 1e-75


@takes(Network, Graph)
def top_edges(
    net_or_graph: Network | Graph, n: int = 20, *, edges: Edges = "parametric"
) -> pd.DataFrame:
    """Return the edges of largest |w|, strongest first, with where they begin and end.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network is unrolled chunk by chunk (see `edge_chunks`), and only those blocks that may
        have such edges.
    n : int, default 20
        How many; all of them where there are fewer.
    edges : {"parametric", "all"}, default "parametric"
        Whether structural edges (pooling, identity) are among them.

    Returns
    -------
    pandas.DataFrame
        One row per edge: ``source``, ``target``, ``weight``, ``block``, and of both ends
        ``source_layer``, ``source_channel``, ``source_z``, ``source_y``, ``source_x``,
        ``target_layer``, ….

    Raises
    ------
    CntGraphError
        If n is negative, or `edges` is neither.
    NonFiniteWeightError
        If a weight is NaN or infinite.

    Notes
    -----
    Of edges that are equally strong, those come first whose block does, and of a block's those
    that `edge_chunks` has first. An entry of a convolution's kernel is the weight of an edge at
    each position, all equally strong; ``cg.coarsen(net, "channel")`` has one edge for all of them.

    No |w| of a block is larger than the largest (Σ w⁴)^¼ of its rows, nor of its columns, which
    are known in closed form; blocks are looked at in the order of these bounds, as long as one
    may still have an edge among the strongest. O(n_edges) time at worst, a chunk of memory.

    Examples
    --------
    >>> import cntgraph as cg
    >>> cg.top_edges(cg.toy("mlp"), 2)[["weight", "source_layer", "source_channel", "target_layer"]]
         weight source_layer  source_channel target_layer
    0 -1.162515        input               0          fc1
    1 -1.101755          fc1               5          fc2
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
        raise CntGraphError(f"expected a number of edges of 0 or more, got {n!r}")
    check_weights(net_or_graph, edges=edges, noun="a choice of the strongest edges")
    best = _none()
    for chunks, bound in _groups(net_or_graph, edges):
        if len(best.weight) < n or bound >= _least(best):
            for order, chunk in chunks:
                best = _strongest(best, order, chunk, int(n))
    return _table(net_or_graph, best)


class _Best(NamedTuple):
    """The strongest edges so far, in the order of their blocks (`order`), and there as found."""

    source: Ids
    target: Ids
    weight: Array
    order: Ids
    block: Array


#: Chunks of edges, each with its block's number.
_Chunks = Iterable[tuple[int, EdgeChunk]]


def _none() -> _Best:
    ids = np.zeros(0, dtype=np.int64)
    return _Best(ids, ids, np.zeros(0), ids, np.zeros(0, dtype=object))


def _least(best: _Best) -> float:
    return float(np.abs(best.weight).min(initial=np.inf))


def _groups(net_or_graph: Network | Graph, edges: Edges) -> Iterator[tuple[_Chunks, float]]:
    """Yield the chunks of a block and a bound on its weights; of a graph, all chunks."""
    if isinstance(net_or_graph, Graph):
        numbers = {name: k for k, name in enumerate(net_or_graph.block_names)}
        found = edge_chunks(net_or_graph, edges=edges)
        yield ((numbers[chunk.block], chunk) for chunk in found), np.inf
        return
    blocks = net_or_graph.select_blocks(edges)
    bounds = [_bound(block) for block in blocks]
    for k in np.argsort(bounds)[::-1].tolist():
        yield _of_block(net_or_graph, blocks[k], k), bounds[k]


def _of_block(net: Network, block: Block, k: int) -> _Chunks:
    return ((k, chunk) for chunk in edge_chunks(replace(net, blocks=(block,))))


@np.errstate(over="ignore")
def _bound(block: Block) -> float:
    """Return what no weight of a block is larger than."""
    sides = block.class_sums(("fourth",)).sums["fourth"]
    most = min(float(side.table.max(initial=0.0)) for side in sides)
    bound: float = max(most**0.25 * (1 + 1e-9), _TINY)
    return bound


def _strongest(best: _Best, order: int, chunk: EdgeChunk, n: int) -> _Best:
    """Return the n strongest of the edges so far and of a chunk; of equal ones, the first."""
    from cntgraph.core.kernels.groups import mark_largest

    kept = slice(None)
    if len(best.weight) >= n:
        kept = np.flatnonzero(np.abs(chunk.weight) >= _least(best))  # type: ignore[assignment]
    weight = chunk.weight[kept].astype(np.float64)
    names = np.full(len(weight), chunk.block, dtype=object)
    own = (chunk.source[kept], chunk.target[kept], weight, np.full(len(weight), order), names)
    both = _Best(*(np.concatenate(pair) for pair in zip(best, own, strict=True)))
    places = np.argsort(both.order, kind="stable")
    marks = np.zeros(len(places), dtype=bool)
    indptr = np.array([0, len(places)])
    mark_largest(indptr, np.arange(len(places)), read_only(both.weight[places]), n, marks)
    return _Best(*(values[places[marks]] for values in both))


def _table(net_or_graph: Network | Graph, best: _Best) -> pd.DataFrame:
    import pandas as pd

    best = _Best(*(values[np.argsort(-np.abs(best.weight), kind="stable")] for values in best))
    table = pd.DataFrame({name: getattr(best, name) for name in ("source", "target", "weight")})
    table["block"] = pd.Series(best.block, dtype=str)
    ends = (
        node_places(net_or_graph, nodes).reset_index(drop=True).add_prefix(f"{end}_")
        for end, nodes in (("source", best.source), ("target", best.target))
    )
    return pd.concat([table, *ends], axis=1)
