"""Attributes of nodes: a label, the columns of the node table, and measures, as plain arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cntgraph.core.errors import CntGraphError
from cntgraph.network.layer import Layer

if TYPE_CHECKING:
    import pandas as pd

#: Any array of one value per node, by the name that the attribute is to have.
Measures = Mapping[str, ArrayLike]


def node_table(layers: Sequence[Layer], bias: ArrayLike) -> pd.DataFrame:
    """Return the table of the nodes of a graph, one row per node in node order.

    Parameters
    ----------
    layers : sequence of Layer
        In node order.
    bias : array of shape (n_nodes,)

    Returns
    -------
    pandas.DataFrame
        As `Graph.nodes`.
    """
    import pandas as pd

    tables = [_layer_table(layer, depth) for depth, layer in enumerate(layers)]
    nodes = pd.concat(tables, ignore_index=True) if tables else _layer_table(Layer("", (0,), ""), 0)
    names = [layer.name for layer in layers]
    nodes["layer"] = pd.Categorical(nodes["layer"], categories=names, ordered=True)
    nodes["bias"] = bias
    nodes.index.name = "node"
    return nodes


def _layer_table(layer: Layer, depth: int) -> pd.DataFrame:
    import pandas as pd

    shape = layer.shape or (1,)
    # The first axis is channels; further ones are the last of z, y, x (any beyond fold into z).
    spatial = shape[1:]
    if len(spatial) > 3:
        spatial = (int(np.prod(spatial[:-2])), *spatial[-2:])
    places = np.indices((shape[0], *spatial)).reshape(1 + len(spatial), -1)
    table: dict[str, Any] = {"layer": layer.name, "layer_index": depth, "kind": layer.kind,
                             "activation": layer.activation, "channel": places[0]}  # fmt: skip
    for axis, name in zip(range(-3, 0), "zyx", strict=True):
        known = len(spatial) >= -axis
        table[name] = places[axis] if known else np.full(layer.n_nodes, -1)
    return pd.DataFrame(table)


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
        If a measure is not one value per node, or has the name of an attribute that there is.

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
    for name, values in (measures or {}).items():
        if name in found:
            raise CntGraphError(
                f"measure {name!r}: nodes have an attribute of that name; choose one that is not "
                f"among {', '.join(found)}"
            )
        found[name] = _measure(name, values, len(found["label"]))
    return found


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
    places = zip(*(nodes[axis].tolist() for axis in _AXES), strict=True)
    return [
        name if name in alone else f"{name}[{', '.join(str(k) for k in place if k >= 0)}]"
        for name, place in zip(names, places, strict=True)
    ]


#: Columns that say where in its layer a node is.
_AXES = ("channel", "z", "y", "x")


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
