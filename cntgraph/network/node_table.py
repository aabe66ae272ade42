"""The table of nodes: which layer each is in, where there, and its bias; all rows, or a few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from cntgraph.core.memory import check_memory
from cntgraph.core.types import Ids
from cntgraph.network.layer import Layer

if TYPE_CHECKING:
    import pandas as pd

#: Held for a node while its row is made.
_BYTES_PER_ROW = 150
#: Columns that say where in its layer a node is.
PLACES = ("channel", "z", "y", "x")


def node_table(layers: Sequence[Layer], bias: ArrayLike) -> pd.DataFrame:
    """Return the table of all nodes, one row per node in node order.

    Parameters
    ----------
    layers : sequence of Layer
        In node order.
    bias : array of shape (n_nodes,)

    Returns
    -------
    pandas.DataFrame
        As `Graph.nodes` and `Network.nodes`.
    """
    n = sum(layer.n_nodes for layer in layers)
    return node_rows(layers, np.arange(n)).assign(bias=bias)


def node_rows(layers: Sequence[Layer], nodes: Ids) -> pd.DataFrame:
    """Return the rows of some nodes, without those of all others, and without the bias.

    Parameters
    ----------
    layers : sequence of Layer
        In node order.
    nodes : ndarray of int64, shape (n,)
        Their ids, in any order.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``node``, in the order of `nodes`.

    Raises
    ------
    GraphSizeError
        If they do not fit into memory.

    Examples
    --------
    >>> import cntgraph as cg
    >>> node_rows(cg.toy("cnn").layers, np.array([126, 40]))[["layer", "channel", "y", "x"]]
          layer  channel  y  x
    node
    126      fc        0 -1 -1
    40    conv1        0  0  4
    """
    import pandas as pd

    check_memory(_BYTES_PER_ROW * len(nodes), f"the table of {len(nodes):,} nodes")
    ends = np.cumsum([layer.n_nodes for layer in layers], dtype=np.int64)
    depth = np.searchsorted(ends, nodes, side="right")
    places = np.full((len(PLACES), len(nodes)), -1, dtype=np.int64)
    for k, here in _by_layer(depth):
        places[:, here] = _places(layers[k], nodes[here] - (ends[k] - layers[k].n_nodes))
    names = [layer.name for layer in layers]
    kinds, activations = (
        np.array([getattr(layer, what) for layer in layers], dtype=object)[depth]
        for what in ("kind", "activation")
    )
    return pd.DataFrame(
        {
            "layer": pd.Categorical.from_codes(depth, categories=names, ordered=True),
            "layer_index": depth,
            "kind": kinds,
            "activation": activations,
            **dict(zip(PLACES, places, strict=True)),
        },
        index=pd.Index(nodes, name="node"),
    )


def _by_layer(depth: Ids) -> Iterator[tuple[int, slice | Ids]]:
    """Yield each layer that there are nodes of, and which rows are theirs."""
    order = None if (np.diff(depth) >= 0).all() else np.argsort(depth, kind="stable")
    found, firsts = np.unique(depth if order is None else depth[order], return_index=True)
    for k, first, last in zip(found, firsts, [*firsts, len(depth)][1:], strict=True):
        yield int(k), slice(first, last) if order is None else order[first:last]


def _places(layer: Layer, within: Ids) -> Ids:
    """Return channel, z, y and x of nodes of a layer, -1 where it has no such axis."""
    channels, *spatial = layer.shape or (1,)
    if len(spatial) > 3:  # z, y and x are the last axes; any beyond fold into z
        spatial = [int(np.prod(spatial[:-2])), *spatial[-2:]]
    found = np.full((len(PLACES), len(within)), -1, dtype=np.int64)
    channel, *places = np.unravel_index(within, (channels, *spatial))
    found[0] = channel
    if places:
        found[-len(places) :] = places
    return found
