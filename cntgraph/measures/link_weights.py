"""Link Weights: the distribution of a block's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.table_view import Shown, check_shown
from cntgraph.graph.graph import Graph
from cntgraph.measures.stored_weights import check_stored_weights
from cntgraph.measures.views import LINK_WEIGHT_VIEW
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.network import Network

if TYPE_CHECKING:
    import pandas as pd

#: Names of the columns that describe a distribution of weights.
COLUMNS = ("mean", "std", "skew", "kurtosis", "min", "max")


@takes(Network, Graph)
def link_weights(net: Network, *, bias: bool = False, columns: Shown = "main") -> pd.DataFrame:
    """Return the distribution of the weights of every learned block.

    How wide, skewed and heavy-tailed they are: a kurtosis far above 0 says that few weights are
    much larger than most. What a graph adds must be held against this.

    Parameters
    ----------
    net : Network
        What is measured.
    bias : bool, default False
        Whether the block's biases are counted among its weights, as in the papers.
    columns : {"main", "all"}, default "main"
        What it shows when it is printed: what people compare, or all. It has everything either way.

    Returns
    -------
    pandas.DataFrame
        One row per parametric block, indexed by its name: ``source``, ``target`` (layers),
        ``kind``, ``n_weights``, ``mean``, ``std`` (ddof 0), ``skew``, ``kurtosis`` (excess),
        ``min``, ``max``, ``zero_fraction``, ``n_nan``, ``n_inf``. Moments and extremes are
        those of the finite weights.

    Raises
    ------
    UndefinedMeasureError
        If it is not a network that is measured.

    Notes
    -----
    Each stored weight counts once, however many edges of an unrolled convolution carry it, and
    with the normalization folded in if it was folded.

    References
    ----------
    .. [1] La Malfa, La Malfa, Nicosia, Latora, "Characterizing Learning Dynamics of Deep Neural
       Networks via Complex Networks", ICTAI 2021, arXiv:2110.02628, section III.

    Examples
    --------
    >>> import cntgraph as cg
    >>> cg.link_weights(cg.toy("mlp"))[["source", "target", "n_weights"]]
          source target  n_weights
    block
    fc1    input    fc1         48
    fc2      fc1    fc2         32
    fc3      fc2    fc3          8
    """
    import pandas as pd

    from cntgraph.core.table import table_of

    check_shown(columns)
    check_stored_weights(net, "link_weights")
    rows = []
    for block in net.select_blocks("parametric"):
        found = block.statistics()
        if bias and block.bias is not None:
            found = found + WeightStatistics.of(block.bias.read())
        rows.append(
            {
                "block": block.name,
                "source": ", ".join(layer.name for layer in net.layers_of(block.source)),
                "target": ", ".join(layer.name for layer in net.layers_of(block.target)),
                "kind": block.kind,
                "n_weights": found.size,
                **weight_columns(found),
            }
        )
    names = ["block", "source", "target", "kind", "n_weights", *weight_columns(_NONE)]
    table = pd.DataFrame(rows, columns=names).set_index("block")
    return table_of(table, LINK_WEIGHT_VIEW, columns)


_NONE = WeightStatistics()


def weight_columns(found: WeightStatistics, prefix: str = "") -> dict[str, Any]:
    """Return a distribution of weights as named columns.

    Parameters
    ----------
    found : WeightStatistics
        The distribution.
    prefix : str, default ""
        Put before the names.

    Returns
    -------
    dict of str to float or int
    """
    extremes = (found.minimum, found.maximum) if found.n else (np.nan, np.nan)
    mean = found.mean if found.n else np.nan
    values = (mean, found.std, found.skew, found.kurtosis, *extremes)
    zero = found.n_zero / found.size if found.size else np.nan
    counts = {"zero_fraction": zero, "n_nan": found.n_nan, "n_inf": found.n_inf}
    named = dict(zip(COLUMNS, values, strict=True)) | counts
    return {prefix + name: value for name, value in named.items()}
