"""What of much is shown: snapshots, layers and measures, evenly thinned, and said so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from cntgraph.core.errors import CntGraphError

if TYPE_CHECKING:
    import pandas as pd

Item = TypeVar("Item")

#: Layers with curves of their own.
LAYERS = 24
#: Columns of `analyze` that are shown, in order.
MEASURES = (
    "fluctuation", "strength_mean", "strength_min", "strength_max", "in_strength_mean",
    "in_strength_std", "out_strength_mean", "out_strength_std", "link_weight_mean",
    "link_weight_std", "link_weight_skew", "link_weight_kurtosis", "neuron_strength_mean",
    "neuron_strength_fluctuation", "neuron_activation_mean", "neuron_activation_fluctuation",
    "neuron_activation_active", "neuron_activation_never_active",
)  # fmt: skip

DEFINITIONS = (
    "The network is a directed weighted graph: a node is a neuron (a pixel of a channel, a unit), "
    "an edge is a learned weight between two of them, convolutions unrolled. The strength of a "
    "node is the sum of the weights of its incoming edges, its bias and the weights of its "
    "outgoing edges, signed, in the unit of a weight. The fluctuation of a layer is the standard "
    "deviation of the strength of its nodes. Link weights are the learned weights that lead to a "
    "layer, each stored weight once. Where data ran through the network, neuron strength is what "
    "a neuron receives, neuron activation what it emits, both as means over the samples."
)


def evenly(items: Sequence[Item], most: int) -> list[Item]:
    """Return at most so many items, evenly spaced, the first and the last among them.

    Examples
    --------
    >>> evenly(range(10), 4)
    [0, 3, 6, 9]
    """
    if len(items) <= most:
        return list(items)
    places = np.unique(np.linspace(0, len(items) - 1, most).round().astype(int))
    return [items[int(k)] for k in places]


def said(shown: int, of: int, what: str) -> str:
    """Return the sentence that says what was left out; nothing if all is shown.

    Examples
    --------
    >>> said(40, 300, "snapshots"), said(3, 3, "layers")
    (' 40 of 300 snapshots are shown, evenly spaced.', '')
    """
    return f" {shown:,} of {of:,} {what} are shown, evenly spaced." if shown < of else ""


def layers_of(table: pd.DataFrame, chosen: Iterable[str] | None) -> list[str]:
    """Return the layers that are asked for, or else all that have edges.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per network and layer, as `analyze` returns it.
    chosen : iterable of str or None

    Returns
    -------
    list of str

    Raises
    ------
    CntGraphError
        If a layer is unknown, or none has edges.
    """
    known = list(dict.fromkeys(table["layer"]))
    if chosen is not None:
        asked = list(dict.fromkeys(chosen))
        missing = [name for name in asked if name not in known]
        if missing or not asked:
            raise CntGraphError(
                f"expected names of layers, got {missing}; the layers are: {', '.join(known)}"
            )
        return asked
    usable = table[~table["status"].isin(["no edges", "empty"])]
    found = list(dict.fromkeys(usable["layer"]))
    if not found:
        raise CntGraphError("nothing to report: no layer has learned edges; `describe` shows why")
    return found


def measures_of(table: pd.DataFrame) -> list[str]:
    """Return the columns of measures that have a value anywhere."""
    return [name for name in MEASURES if name in table.columns and table[name].notna().any()]
