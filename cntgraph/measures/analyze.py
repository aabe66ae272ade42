"""describe and analyze: a network as a table, without and with its weights."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.computing import computing_on
from cntgraph.core.progress import progress
from cntgraph.core.table_view import Shown, check_shown
from cntgraph.core.types import Array, Columns
from cntgraph.measures.link_weights import weight_columns
from cntgraph.measures.module_tree import module_columns
from cntgraph.measures.strength import add_boundary
from cntgraph.measures.summary import summarize
from cntgraph.measures.views import ANALYSIS_VIEW, DESCRIPTION_VIEW, TREE_VIEW
from cntgraph.network.block_columns import block_columns
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.class_values import ClassValues, Sides
from cntgraph.network.blocks.histogram import Bins
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.coarsening.granularity import Granularity
from cntgraph.network.coarsening.grouping import Aggregation
from cntgraph.network.each_block import each_block
from cntgraph.network.layer import Layer
from cntgraph.network.layer_sums import Direction, LayerSums
from cntgraph.network.network import Edges, Network, coarsen

if TYPE_CHECKING:
    import pandas as pd


@takes(Network)
def describe(
    net: Network,
    *,
    granularity: Granularity = "neuron",
    aggregation: Aggregation = "sum",
    tree: bool = False,
    columns: Shown = "main",
) -> pd.DataFrame:
    """Return what a network consists of, without reading a weight.

    Parameters
    ----------
    net : Network
        What is described.
    granularity, aggregation
        What a node is, and an edge's weight (see `coarsen`).
    tree : bool, default False
        Whether its modules are described instead, one within the other.
    columns : {"main", "all"}, default "main"
        What it shows when it is printed: what people compare, or all. It has everything either way.

    Returns
    -------
    pandas.DataFrame
        One row per layer and block that ends in it: ``layer``, ``kind``, ``shape``, ``n_nodes``,
        ``activation``, ``block``, ``block_kind``, ``source``, ``weight_shape``,
        ``n_parameters`` (values of the trainable tensors it reads, folded ones included),
        ``n_edges``, ``parametric``. A layer without a block, such as the input, has one row.

        As a tree, one row per module, and the total in the last: ``module`` (its whole name),
        ``name``, ``kind`` (``folded`` if its parameters are in the weights of another),
        ``shape``, and of all that is in it ``n_parameters`` (each counted once),
        ``multiply_adds`` of a sample with learned weights, without those on padding, ``n_bytes``
        as it is stored, ``n_edges``, and ``learned``: whether it has any parameters or uses them.

    Examples
    --------
    >>> import cntgraph as cg
    >>> cg.describe(cg.toy("cnn"))[["layer", "shape", "block", "source", "n_edges"]]
       layer      shape  block source  n_edges
    0  input  (1, 6, 6)                      0
    1  conv1  (2, 6, 6)  conv1  input      512
    2   pool  (2, 3, 3)   pool  conv1       72
    3     fc       (3,)     fc   pool       54
    >>> cg.describe(cg.toy("cnn"), tree=True)
    name   kind   shape  n_parameters  multiply_adds  n_bytes
    conv1  conv   2×6×6            20            512       80
    pool   pool   2×3×3             0              0        0
    fc     dense  3                57             54      228
    total                          77            566      308
    not shown: 3 columns (columns="all")
    """
    check_shown(columns)
    import pandas as pd

    from cntgraph.core.table import table_of

    net = coarsen(net, granularity, aggregation=aggregation)
    if tree:
        return table_of(pd.DataFrame(module_columns(net)), TREE_VIEW, columns)
    return table_of(pd.DataFrame(block_columns(net)), DESCRIPTION_VIEW, columns)


@takes(Network)
def analyze(
    net: Network,
    *,
    granularity: Granularity = "neuron",
    aggregation: Aggregation = "sum",
    edges: Edges = "parametric",
    bias: bool = True,
    boundary: float = 0.0,
    client: Any = None,
    columns: Shown = "main",
    show_progress: bool = True,
) -> pd.DataFrame:
    """Return strengths, fluctuation and link weights of every layer, from one pass over memory.

    Parameters
    ----------
    net : Network
        What is measured.
    granularity : {"neuron", "channel", "layer"}, default "neuron"
        What a node is (see `coarsen`).
    aggregation : {"sum", "l1", "l2"}, default "sum"
        What an edge's weight is of those between two channels or layers.
    edges : {"parametric", "all"}, default "parametric"
        Whether structural edges (pooling, identity) count.
    bias : bool, default True
        Whether biases are added to in-strengths.
    boundary : float, default 0.0
        Weight of the virtual edges of input and output layers (see `node_strength`).
    client : {None, "threads", "processes"}, str or dask.distributed.Client, optional
        Where large weights are read, a part at a time (see `computing_on`).
    columns : {"main", "all"}, default "main"
        What it shows when it is printed: what people compare, or all. It has everything either way.
    show_progress : bool, default True
        Whether to show a progress bar on a terminal.

    Returns
    -------
    pandas.DataFrame
        One row per layer, indexed by its name: ``kind``, ``shape``, ``activation``, ``n_nodes``,
        ``n_edges`` (that end in it), ``in_strength_*``, ``out_strength_*``, ``strength_*`` (each
        mean, std, min, max), ``fluctuation`` (the std of total strength), ``n_weights`` and
        ``link_weight_*`` (mean, std, skew, kurtosis, min, max, zero_fraction, n_nan, n_inf) of
        the learned weights that lead to it, and ``status``: ``ok``, ``no edges`` (input
        layers excepted), ``non-finite weights`` (or biases) or ``empty``.

    References
    ----------
    .. [1] La Malfa, La Malfa, Nicosia, Latora, "Characterizing Learning Dynamics of Deep Neural
       Networks via Complex Networks", ICTAI 2021, arXiv:2110.02628, section III.

    Examples
    --------
    >>> import cntgraph as cg
    >>> table = cg.analyze(cg.toy("cnn"))
    >>> table[["n_nodes", "n_edges", "fluctuation", "status"]].round(3)
           n_nodes  n_edges  fluctuation status
    layer
    input       36        0        0.567     ok
    conv1       72      512        1.770     ok
    pool        18        0        0.887     ok
    fc           3       54        1.873     ok
    >>> cg.analyze(cg.toy("cnn"), granularity="channel", aggregation="l1")["n_nodes"].tolist()
    [1, 2, 2, 3]
    """
    check_shown(columns)
    net = coarsen(net, granularity, aggregation=aggregation)
    with computing_on(client):
        found = layer_columns(
            net, edges=edges, bias=bias, boundary=boundary, show_progress=show_progress
        )
    from cntgraph.core.table import table_of

    table = _table(found)
    return table_of(table if net.layers else table.iloc[:0], ANALYSIS_VIEW, columns)


@np.errstate(invalid="ignore", over="ignore")  # infinities that cancel are NaN
def layer_columns(
    net: Network, *, edges: Edges, bias: bool, boundary: float, show_progress: bool = True
) -> Columns:
    """Return the columns of `analyze`, the layers' names first, without pandas.

    Parameters
    ----------
    net, edges, bias, boundary, show_progress
        As in `analyze`.

    Returns
    -------
    dict of str to list
        A row per layer; of a network without layers, one of a layer without nodes.

    Examples
    --------
    >>> import cntgraph as cg
    >>> found = layer_columns(cg.toy("cnn"), edges="all", bias=True, boundary=0.0)
    >>> found["layer"], found["n_edges"]
    (['input', 'conv1', 'pool', 'fc'], [0, 512, 72, 54])
    """
    totals = LayerTotals(net if net.layers else replace(net, layers=(_NO_LAYER,)))
    blocks = net.select_blocks(edges)
    found = each_block(partial(BlockTotals.of, bias=bias), blocks)
    for block, own in zip(progress(blocks, "analyze", show=show_progress), found, strict=True):
        totals.add(block, own)
    add_boundary(totals.sums, boundary)
    rows = [totals.row(k) for k in range(len(totals.net.layers))]
    return {name: [row[name] for row in rows] for name in rows[0]}


def _table(columns: Columns) -> pd.DataFrame:
    """Return columns as a table: arrays where they are numbers, for which pandas is faster."""
    import pandas as pd

    index = pd.Index(columns.pop("layer"), name="layer")
    return pd.DataFrame(
        {name: np.array(v) if isinstance(v[0], int | float) else v for name, v in columns.items()},
        index=index,
    )


class BlockTotals(NamedTuple):
    """What `analyze` reads of a block.

    Parameters
    ----------
    sides : Sides
        What its edges sum up to.
    statistics : WeightStatistics
        Of its weights.
    shift : ndarray or None
        Its bias, if it has one and it counts.
    """

    sides: Sides
    statistics: WeightStatistics
    shift: Array | None

    @classmethod
    def of(cls, block: Block, *, bias: bool, bins: Bins | None = None) -> BlockTotals:
        """Read the weights of a block, once, and its bias; count the weights in bins."""
        found = block.class_sums(("signed",), statistics=bins or block.parametric)
        statistics = found.statistics
        if bins is not None and block.weight is not None and statistics.counts is None:
            # A kind of block of a third party that does not count them itself.
            statistics = replace(statistics, counts=bins.count(block.weight.read()))
        shift = block.bias.read() if bias and block.bias is not None else None
        return cls(found.sums["signed"], statistics, shift)


class LayerTotals:
    """What `analyze` adds up, block by block.

    Parameters
    ----------
    net : Network
        What is measured.
    """

    def __init__(self, net: Network) -> None:
        self.net, self.sums = net, LayerSums(net.layers)
        self.statistics: defaultdict[str, WeightStatistics] = defaultdict(WeightStatistics)
        self.n_edges: Counter[str] = Counter()
        self.bad_biases: set[str] = set()
        self.fed = set(net.ends.values())

    def add(self, block: Block, found: BlockTotals) -> None:
        """Add the edges of a block, and its bias."""
        self.sums.add_sides(block.source, block.target, found.sides)
        for layer in self.net.layers_of(block.target):
            self.statistics[layer.name] += found.statistics
            self.n_edges[layer.name] += block.n_edges
            if found.shift is not None:
                values = ClassValues.of_broadcast(found.shift, block.target.shape)
                self.sums.add("in", block.target, values)
                if not np.isfinite(found.shift).all():
                    self.bad_biases.add(layer.name)

    def row(self, k: int) -> dict[str, Any]:
        """Return the row of layer number `k`."""
        layer = self.net.layers[k]
        found = self.statistics[layer.name]
        return {
            "layer": layer.name,
            "kind": layer.kind,
            "shape": layer.shape,
            "activation": layer.activation,
            "n_nodes": layer.n_nodes,
            "n_edges": self.n_edges[layer.name],
            **_strength_columns(self.sums, k),
            "n_weights": found.size,
            **weight_columns(found, "link_weight_"),
            "status": self._status(layer),
        }

    def _status(self, layer: Layer) -> str:
        found = self.statistics[layer.name]
        odd = found.n_nan or found.n_inf or layer.name in self.bad_biases
        return status_of(layer, fed=layer.name in self.fed, odd=bool(odd))


def status_of(layer: Layer, *, fed: bool, odd: bool) -> str:
    """Return what is to be said of a layer: whether edges end in it, and it is odd: not finite."""
    if not layer.n_nodes:
        return "empty"
    if odd:
        return "non-finite weights"
    return "ok" if fed or layer.is_input else "no edges"


#: A network without layers has the columns of this one.
_NO_LAYER = Layer("", (0,), "")


def _strength_columns(sums: LayerSums, k: int) -> dict[str, float]:
    columns: dict[str, float] = {}
    each = sums.of_directions(k, [*_STRENGTH_COLUMNS])
    for names, values in zip(_STRENGTH_COLUMNS.values(), each, strict=True):
        columns.update(zip(names, summarize(values), strict=True))
    columns["fluctuation"] = columns["strength_std"]
    return columns


STRENGTHS: dict[str, Direction] = {
    "in_strength": "in",
    "out_strength": "out",
    "strength": "total",
}
SUMMARY = ("mean", "std", "min", "max")
_STRENGTH_COLUMNS: dict[Direction, tuple[str, ...]] = {
    direction: tuple(f"{name}_{what}" for what in SUMMARY) for name, direction in STRENGTHS.items()
}
#: The columns of `analyze`, with the name of the layer, which is its index.
ANALYSIS = (
    *("layer", "kind", "shape", "activation", "n_nodes", "n_edges"),
    *(name for names in _STRENGTH_COLUMNS.values() for name in names),
    *("fluctuation", "n_weights"),
    *weight_columns(WeightStatistics(), "link_weight_"),
    "status",
)
