"""The values of a measure that make up a layer's distribution: a node's each, or a weight's."""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np

from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Values
from cntgraph.measures.strength import layer_strengths, node_strength
from cntgraph.network.layer import Layer
from cntgraph.network.layer_sums import Direction
from cntgraph.network.network import Network

Distribution = Literal["strength", "in_strength", "out_strength", "link_weights"]

#: What a layer has a distribution of.
DISTRIBUTIONS: Final[tuple[Distribution, ...]] = get_args(Distribution)

#: The strength that each of them but the link weights is.
DIRECTIONS: Final[dict[str, Direction]] = {
    "strength": "total",
    "in_strength": "in",
    "out_strength": "out",
}


def layer_values(net: Network, measure: Distribution, layer: str) -> Values:
    """Return the values whose distribution a layer has.

    Parameters
    ----------
    net : Network
        What is measured.
    measure : {"strength", "in_strength", "out_strength", "link_weights"}
        One value per node of the layer, or one per stored weight of the learned blocks that end in
        it (each once, however many edges of an unrolled convolution carry it).
    layer : str
        Name of the layer.

    Returns
    -------
    ndarray of float64, shape (n_nodes,) or (n_weights,)
        Empty if no learned block ends in the layer.

    Raises
    ------
    CntGraphError
        If the measure or the layer is unknown.

    References
    ----------
    .. [1] La Malfa, La Malfa, Nicosia, Latora, "Characterizing Learning Dynamics of Deep Neural
       Networks via Complex Networks", ICTAI 2021, arXiv:2110.02628, section III.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("cnn")
    >>> layer_values(net, "strength", "fc").shape, layer_values(net, "link_weights", "conv1").shape
    ((3,), (18,))
    """
    check_distribution(measure)
    found = net.layer(layer)
    if measure == "link_weights":
        return _link_weights(net, found)
    # What is read is only what leads to the layer or away from it.
    strengths = layer_strengths(net.around(found))
    return strengths.of_layer(net.layers.index(found), DIRECTIONS[measure]).values()


def values_by_layer(net: Network, measure: Distribution) -> dict[str, Values]:
    """Return the values of every layer that has any, by its name.

    Parameters
    ----------
    net : Network
        What is measured.
    measure : {"strength", "in_strength", "out_strength", "link_weights"}
        As in `layer_values`.

    Returns
    -------
    dict of str to ndarray of float64

    Raises
    ------
    CntGraphError
        If the measure is unknown.

    Examples
    --------
    >>> import cntgraph as cg
    >>> {name: len(found) for name, found in values_by_layer(cg.toy("mlp"), "link_weights").items()}
    {'fc1': 48, 'fc2': 32, 'fc3': 8}
    """
    check_distribution(measure)
    if measure == "link_weights":
        each = ((layer.name, _link_weights(net, layer)) for layer in net.layers)
    else:
        values = node_strength(net, direction=DIRECTIONS[measure])
        each = ((layer.name, values[layer.slice]) for layer in net.layers)
    return {name: found for name, found in each if found.size}


def check_distribution(measure: str) -> None:
    """Refuse what a layer has no distribution of.

    Raises
    ------
    CntGraphError
        If it is none of `DISTRIBUTIONS`.
    """
    if measure not in DISTRIBUTIONS:
        raise CntGraphError(f"expected a measure of {', '.join(DISTRIBUTIONS)}; got {measure!r}")


def _link_weights(net: Network, layer: Layer) -> Values:
    blocks = [b for b in net.blocks_into(layer) if b.parametric and b.weight is not None]
    parts = [b.weight.read().reshape(-1) for b in blocks if b.weight is not None]
    return np.concatenate([*parts, np.empty(0)], dtype=np.float64)
