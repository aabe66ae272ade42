"""Attributes of nodes: a label, the columns of the node table, and measures, as plain arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cntgraph.core.errors import CntGraphError
from cntgraph.network.layer import Layer
from cntgraph.network.node_table import PLACES

if TYPE_CHECKING:
    import pandas as pd

#: Any array of one value per node, by the name that the attribute is to have.
Measures = Mapping[str, ArrayLike]


def node_attributes(
    layers: Iterable[Layer], nodes: pd.DataFrame, measures: Measures | None = None
) -> dict[str, NDArray[Any]]:
    """Return every attribute of the nodes as an array in node order.

    Parameters
    ----------
    layers : iterable of Layer
        In node order.
    nodes : pandas.DataFrame
        One row per node, as in ``graph.nodes``.
    measures : mapping of str to array of shape (n_nodes,), optional
        Further attributes: numbers, truth values or texts.

    Returns
    -------
    dict of str to ndarray, shape (n_nodes,)
        ``label`` first, then the columns of `nodes`, then the measures; texts as objects. Where
        a node has no place along an axis, it stays the -1 of the table: no attribute is missing.

    Raises
    ------
    CntGraphError
        If a measure is not one value per node, or has the name of an attribute that there is and
        other values.

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("mlp"))
    >>> found = node_attributes(graph.layers, graph.nodes, {"strength": cg.node_strength(graph)})
    >>> [str(found[name][7]) for name in ("label", "layer", "activation", "channel")]
    ['fc1[1]', 'fc1', 'relu', '1']
    """
    found: dict[str, NDArray[Any]] = {"label": np.array(node_labels(layers, nodes), dtype=object)}
    for name in nodes.columns:
        column = nodes[name].to_numpy()
        found[name] = column if column.dtype.kind in "bif" else column.astype(object)
    for name, values in given_measures(measures).items():
        measure = _measure(name, values, len(found["label"]))
        if name in found and not np.array_equal(found[name], measure):
            raise CntGraphError(
                f"measure {name!r}: nodes have an attribute of that name; choose one that is not "
                f"among {', '.join(found)}"
            )
        found.setdefault(name, measure)
    return found


def given_measures(measures: Measures | None) -> dict[str, ArrayLike]:
    """Return the measures that a caller gave, if any; of a table, its columns.

    Parameters
    ----------
    measures : mapping of str to array of shape (n_nodes,), or None

    Returns
    -------
    dict of str to array
    """
    return {} if measures is None else {str(name): measures[name] for name in measures}


def node_labels(layers: Iterable[Layer], nodes: pd.DataFrame) -> list[str]:
    """Return what to call every node: its layer and its place, as in ``conv1[3, 0, 5]``.

    Parameters
    ----------
    layers : iterable of Layer
    nodes : pandas.DataFrame
        Rows of ``graph.nodes``: all, or some to hold few labels at once.

    Returns
    -------
    list of str
        The node of a layer that has only one is called as the layer.

    Examples
    --------
    >>> import cntgraph as cg
    >>> graph = cg.build_graph(cg.toy("cnn"))
    >>> node_labels(graph.layers, graph.nodes.iloc[[0, 40, 126]])
    ['input[0, 0, 0]', 'conv1[0, 0, 4]', 'fc[0]']
    >>> graph = cg.build_graph(cg.toy("cnn"), granularity="layer")
    >>> node_labels(graph.layers, graph.nodes)
    ['input', 'conv1', 'pool', 'fc']
    """
    alone = {layer.name for layer in layers if layer.n_nodes == 1}
    names = nodes["layer"].tolist()
    places = zip(*(nodes[axis].tolist() for axis in PLACES), strict=True)
    return [
        name if name in alone else f"{name}[{', '.join(str(k) for k in place if k >= 0)}]"
        for name, place in zip(names, places, strict=True)
    ]


def _measure(name: str, values: ArrayLike, n_nodes: int) -> NDArray[Any]:
    array = np.asarray(values)
    if array.shape != (n_nodes,):
        raise CntGraphError(
            f"measure {name!r}: expected one value per node, shape ({n_nodes},); got {array.shape}"
        )
    if array.dtype.kind in "UT":
        array = array.astype(object)
    texts = array.dtype.kind == "O" and all(isinstance(value, str) for value in array)
    if not texts and array.dtype.kind not in "biuf":
        raise CntGraphError(
            f"measure {name!r}: expected numbers, truth values or texts; got {array.dtype}"
        )
    return array
