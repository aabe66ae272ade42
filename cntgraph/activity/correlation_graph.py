"""correlation_graph: neurons that vary together while data run through a network, as a `Graph`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from cntgraph.activity.classes import Classes
from cntgraph.activity.functions import Elementwise
from cntgraph.activity.neuron_measures import select_layers
from cntgraph.activity.recording import record
from cntgraph.activity.standardized import Standardized, standardized_activations
from cntgraph.activity.strongest_pairs import StrongestPairs
from cntgraph.core.errors import CntGraphError
from cntgraph.core.progress import progress
from cntgraph.core.types import Array
from cntgraph.graph.graph import Graph
from cntgraph.network.blocks.csr import csr_of, index_dtype
from cntgraph.network.coarsening.granularity import Granularity
from cntgraph.network.node_table import node_table

#: Nodes on a side of a tile of correlations, and samples that are multiplied at once.
_TILE, _SAMPLES = 1024, 1024


def correlation_graph(
    model_or_net: Any,
    inputs: Any,
    *,
    threshold: float | None = None,
    top: int | None = None,
    layers: str | Sequence[str] | None = None,
    granularity: Granularity = "neuron",
    by: Any = None,
    n_samples: int | None = None,
    batch_size: int = 64,
    functions: Mapping[str, Elementwise] | None = None,
    show_progress: bool = True,
    **options: Any,
) -> Graph | dict[Any, Graph]:
    """Return the graph of the neurons whose activations are correlated over the samples.

    A heavy edge joins two neurons that say the same of the samples, a negative one such that say
    the opposite; many of them mean that neurons are redundant.

    Parameters
    ----------
    model_or_net, inputs
        As in `neuron_activation`.
    threshold : float, optional
        From 0 to 1: two neurons are connected where their correlation r has ``abs(r) >=
        threshold``.
    top : int, optional
        The number of pairs that are connected, those of largest ``abs(r)``. One of both is needed;
        with both, no more than `top` pairs, all of them above the threshold.
    layers : str or sequence of str, optional
        Names or patterns (``"conv*"``) of the layers whose neurons are nodes; all by default.
    granularity : {"neuron", "channel", "layer"}, default "neuron"
        What a node is. The activation of a channel is the mean over its positions, that of a layer
        the mean over its neurons.
    by : array-like of shape (n_samples,) or "labels", optional
        The class of each sample, or ``"labels"``: those of batches that are pairs of inputs and
        labels. One graph per class is returned, of the correlations over its samples.
    n_samples, batch_size, functions, show_progress, **options
        As in `record`.

    Returns
    -------
    Graph, or dict of Graph by class
        Two edges, i → j and j → i, of weight r (float32) for every pair, whether or not an edge of
        the network joins the two; none from a node to itself. The layers are those chosen, and
        biases are zero. ``graph.nodes`` has a column ``constant``: nodes whose activation is the
        same for all samples have no correlation, and no edge. ``graph.nodes.attrs`` has
        ``n_samples``, and ``missing``: layers whose activations are not known, and why.

    Raises
    ------
    CntGraphError
        If neither `threshold` nor `top` is given, or an option is none of those above, or there
        is no such layer.
    UndefinedMeasureError
        If there is a single sample, of a class or of all, or the activations of no layer are known.
    GraphSizeError
        If activations or edges take more memory than there is.

    Notes
    -----
    Pearson's correlation. All activations are held in single precision (n_nodes × n_samples × 4
    bytes: 0.4 GB for 10,000 nodes and samples); correlations are computed tile by tile and only
    the strong ones are kept, so that the matrix of all is never there.

    Weights have signs: measures that are defined for weights that are not negative take ``sign=``,
    such as ``"absolute"``.

    References
    ----------
    .. [1] Ballester, Arnal Clemente, Casacuberta, Madadi, Corneanu, Escalera, "Predicting the
       generalization gap in neural networks using topological data analysis", arXiv:2203.12330.

    Examples
    --------
    >>> import numpy as np
    >>> import cntgraph as cg
    >>> x = np.random.default_rng(0).normal(size=(50, 6))
    >>> graph = cg.correlation_graph(cg.toy("mlp"), x, top=20, layers="fc*")
    >>> graph, graph.nodes["constant"].sum()
    (<Graph: 3 layers, 14 nodes, 40 edges>, np.int64(0))
    """
    least = _check(threshold, top, granularity)
    classes, found = Classes(by), dict[Any, Graph]()
    recording = record(model_or_net, inputs, labels=classes.given, n_samples=n_samples,
                       batch_size=batch_size, functions=functions, show_progress=show_progress,
                       **options)  # fmt: skip
    chosen = select_layers(recording.net, layers)
    for label, own in standardized_activations(recording, chosen, granularity, classes):
        pairs = StrongestPairs(least, top)
        for tile, row, column in _tiles(own.values, show_progress):
            pairs.add(tile, row, column)
        found[label] = _graph(own, pairs)
    return classes.result(found)


def _check(threshold: float | None, top: int | None, granularity: str) -> float:
    """Return the least correlation that makes an edge."""
    if granularity not in get_args(Granularity):
        raise CntGraphError(
            f"expected granularity 'neuron', 'channel' or 'layer'; got {granularity!r}"
        )
    if threshold is None and top is None:
        raise CntGraphError(
            "which pairs are edges? Pass threshold=, the least |r|, or top=, their number"
        )
    if threshold is not None and not 0 <= threshold <= 1:
        raise CntGraphError(f"expected a threshold from 0 to 1; got {threshold!r}")
    whole = isinstance(top, (int, np.integer)) and not isinstance(top, bool)
    if top is not None and not (whole and top >= 1):
        raise CntGraphError(f"expected top to be a number of pairs, 1 or more; got {top!r}")
    return 0.0 if threshold is None else float(threshold)


def _tiles(
    values: NDArray[np.float32], show_progress: bool
) -> Iterator[tuple[NDArray[np.float32], int, int]]:
    """Yield the correlations of all columns, tile by tile on and above the diagonal."""
    starts = range(0, values.shape[1], _TILE)
    for row in progress(starts, "correlations", show=show_progress):
        for column in starts[row // _TILE :]:
            sides = (values[:, start : start + _TILE] for start in (row, column))
            yield _products(*sides), row, column


def _products(a: Array, b: Array) -> NDArray[np.float32]:
    """Return the scalar products of columns, added up in double precision."""
    found = np.zeros((a.shape[1], b.shape[1]))
    for start in range(0, len(a), _SAMPLES):
        part = slice(start, start + _SAMPLES)
        found += a[part].T.astype(np.float64) @ b[part].astype(np.float64)
    return np.clip(found, -1.0, 1.0).astype(np.float32)


def _graph(activations: Standardized, pairs: StrongestPairs) -> Graph:
    from scipy.sparse import coo_array

    ids = np.flatnonzero(activations.varying)
    n = len(activations.varying)
    i, j, r = pairs.found()
    index = index_dtype(max(n, 2 * len(r)))
    ends = (np.concatenate([ids[i], ids[j]]), np.concatenate([ids[j], ids[i]]))
    matrix = coo_array((np.concatenate([r, r]), ends), shape=(n, n)).tocsr()
    matrix.sort_indices()
    table = node_table(activations.layers, np.zeros(n))
    table["constant"] = ~activations.varying
    table.attrs.update(n_samples=activations.n_samples, missing=activations.missing)
    return Graph(
        adjacency=csr_of(matrix.data, matrix.indices.astype(index), matrix.indptr, (n, n)),
        edge_block=np.zeros(matrix.nnz, dtype=np.uint8),
        layers=activations.layers,
        block_names=("correlation",),
        parametric=np.ones(1, dtype=bool),
        bias=np.zeros(n),
        parametric_bias=np.zeros(n),
        table=table,
    )
