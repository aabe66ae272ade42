"""Neural persistence: how long the parts of a layer stay apart, from strong edges to weak ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.core.progress import progress
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import check_weights
from cntgraph.measures.explicit.graph import MAX_EDGES
from cntgraph.measures.explicit.spanning_tree import (
    SpanningTree,
    check_norm,
    tree_of_block,
    trees_of_graph,
)
from cntgraph.network.network import Edges, Network, check_edges

if TYPE_CHECKING:
    import pandas as pd

Scale = Literal["network", "block"]


@takes(Network, Graph)
def neural_persistence(
    net_or_graph: Network | Graph,
    *,
    p: float = 2.0,
    normalized: bool = True,
    scale: Scale = "network",
    essential: bool = False,
    edges: Edges = "parametric",
    max_edges: int = MAX_EDGES,
    show_progress: bool = True,
) -> pd.DataFrame:
    """Return the neural persistence of every block.

    How far the strongest edges stand out: large where most nodes hang on edges that are much weaker
    than the strongest of the block, small where each has one about as strong.

    Parameters
    ----------
    net_or_graph : Network or Graph
        Dense layers and convolutions of a network are not unrolled.
    p : float, default 2.0
        Which norm of the persistences, 1 or more; ``float("inf")`` is their maximum.
    normalized : bool, default True
        Whether to divide by the largest value that a graph of so many nodes can have, so that
        blocks of all sizes compare: from 0 (all edges of the tree as strong as the strongest)
        to 1 (none of any strength).
    scale : {"network", "block"}, default "network"
        Which weights' largest |w| is 1: that of all blocks, as in the paper, or each one's.
    essential : bool, default False
        Whether the component that is never merged counts as a persistence of 1, as in the
        paper's published code; the paper's bound (and a value up to 1) is without it.
    edges : {"parametric", "all"}, default "parametric"
        Whether poolings and identities have a row, and their weights a say in the scale.
    max_edges : int, default 5 million
        Of a block that is neither dense nor a convolution, which has to be unrolled.
    show_progress : bool, default True
        Whether to show a bar, one step per block.

    Returns
    -------
    DataFrame
        One row per block: ``n_nodes`` (those with an edge), ``n_edges``, ``n_components``,
        ``largest`` (its largest |w|) and ``persistence`` (float64; NaN for a block without
        edges). ``attrs["mean"]`` is the mean over the blocks, the paper's measure of a network.

    Raises
    ------
    CntGraphError
        If an option is not one of those above.
    NonFiniteWeightError
        If a weight is NaN or infinite.
    GraphSizeError
        If a block that has to be unrolled has more than `max_edges` edges.

    Notes
    -----
    A block is a bipartite graph of weights w' = |w| / max |w|, so signs need no policy. All
    its n nodes are there from the beginning, at 1; edges are added from the strongest to the
    weakest, and each that merges two components ends one of them. These are the edges of the
    maximum spanning tree, and with them

        NP = ( Σ_tree (1 − w')^p )^(1/p) ≤ (n − 1)^(1/p)

    What no edge connects is never merged: each further component has persistence 1, as if by
    an edge of weight zero. So a block whose weights are all zero has normalized persistence 1.
    A block from a layer to itself has each of its nodes twice, as a source and as a target.

    A dense block costs Prim's algorithm, O((n_in + n_out)²) and no memory besides the weight; so
    does a window of a convolution whose windows do not overlap (features of tokens, patches),
    once for all of them. Other convolutions cost Kruskal's on their kernel's entries in
    descending order, each of which connects all positions at once, until nothing is left to
    connect: seldom more than a few edges a node. Any other block, and a graph, costs the sorting
    of its edges.

    References
    ----------
    .. [1] Rieck, Togninalli, Bock, Moor, Horn, Gumbsch, Borgwardt, "Neural persistence: a
       complexity measure for deep neural networks using algebraic topology", ICLR 2019,
       arXiv:1812.09764, algorithm 1 and theorem 1.

    Examples
    --------
    >>> import cntgraph as cg
    >>> from cntgraph.measures.explicit.neural_persistence import neural_persistence
    >>> table = neural_persistence(cg.toy("mlp"))
    >>> table.round(3)
           n_nodes  n_edges  n_components  largest  persistence
    block
    fc1         14       48             1    1.163        0.454
    fc2         12       32             1    1.102        0.413
    fc3          6        8             1    0.701        0.596
    >>> round(table.attrs["mean"], 3)
    0.488
    """
    import pandas as pd

    check_norm(p)
    if scale not in get_args(Scale):
        raise CntGraphError(f"expected scale to be 'network' or 'block'; got {scale!r}")
    check_weights(net_or_graph, edges=edges, noun="neural persistence")
    n_blocks, found = _trees(net_or_graph, edges, max_edges)
    bar = progress(range(n_blocks), "neural persistence", show=show_progress)
    trees = [tree for _, tree in zip(bar, found, strict=True)]
    largest = [float(tree.sizes.max(initial=0.0)) for tree in trees]
    tops = [max(largest, default=0.0)] * n_blocks if scale == "network" else largest
    rows = [
        (
            tree.n_nodes, tree.n_edges, tree.n_parts, own,
            tree.persistence(top, p, normalized=normalized, essential=essential),
        )
        for tree, own, top in zip(trees, largest, tops, strict=True)
    ]  # fmt: skip
    names = pd.Index([tree.name for tree in trees], name="block", dtype=object)
    columns = ["n_nodes", "n_edges", "n_components", "largest", "persistence"]
    table = pd.DataFrame(rows, index=names, columns=columns)
    table = table.astype(dict.fromkeys(columns[:3], np.int64) | dict.fromkeys(columns[3:], float))
    table.attrs["mean"] = float(table["persistence"].mean())
    return table


def _trees(
    net_or_graph: Network | Graph, edges: Edges, max_edges: int
) -> tuple[int, Iterator[SpanningTree]]:
    if isinstance(net_or_graph, Network):
        blocks = net_or_graph.select_blocks(edges)
        return len(blocks), (tree_of_block(block, max_edges=max_edges) for block in blocks)
    check_edges(edges)
    chosen = [k for k, learned in enumerate(net_or_graph.parametric) if edges == "all" or learned]
    return len(chosen), trees_of_graph(net_or_graph, chosen)
