"""Relative fluctuation: that of a layer, as a multiple of what its weights would give by chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.computing import computing_on
from cntgraph.core.parameter import Parameter
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.measures.drawn_weights import EachOf, EachSummary, OneNetwork
from cntgraph.measures.stored_weights import check_stored_weights
from cntgraph.measures.strength import check_direction
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.weight_uses import Ends, WeightUses
from cntgraph.network.layer import Layer
from cntgraph.network.layer_sums import Direction, LayerSums
from cntgraph.network.network import Edges, Network
from cntgraph.network.stack import Stack

if TYPE_CHECKING:
    import pandas as pd

#: An expectation below this part of the strengths is rounding: there is nothing to compare with.
_ROUNDING = 1e-12


@takes(Network, Graph)
def relative_fluctuation(
    net: Network,
    *,
    direction: Direction = "total",
    edges: Edges = "parametric",
    bias: bool = True,
    client: Any = None,
) -> pd.Series:
    """Return each layer's fluctuation over what independent weights would give.

    It does not read the scale of the weights: a network whose weights are drawn at random has
    about 1, whatever their deviation, and so has each layer whatever its size and kind.

    Parameters
    ----------
    net : Network
        What is measured.
    direction, edges, bias, client
        As in `layer_fluctuation`.

    Returns
    -------
    pandas.Series of float64
        By layer name, in node order; NaN where nothing would vary: for a layer of one node or none,
        or that no learned edge meets.

    Raises
    ------
    CntGraphError
        If an option is not one of those above.
    UndefinedMeasureError
        If it is not a network that is measured.

    Notes
    -----
    The strength of a node v is a sum over stored weights, s_v = Σₖ c_vk w_k, with c_vk how many
    of its edges carry weight k. Let the weights of each block b be independent draws with the mean
    μ_b and the variance σ_b² that they have, and its biases with theirs. With ⟨·⟩ the mean over the
    N nodes of a layer, the squared fluctuation Y² = ⟨s²⟩ - ⟨s⟩² is expected to be

        E[Y²] = ⟨m²⟩ - ⟨m⟩² + Σ_b σ_b² ( ⟨Σₖ c_vk²⟩ - Σₖ ⟨c_vk⟩² ),    m_v = Σ_b μ_b Σₖ c_vk

    and what is returned is Y / √E[Y²]. Weights that a convolution shares stay shared, so that
    no more varies in its null than in itself; a weight into and out of one node (a loop) is one
    draw. Each block counts by itself: a tensor that two of them read is drawn twice. Where weights
    are those of edges, as in a functional graph, each edge is a draw. What is not learned (with
    ``edges="all"``) is as it is, and has no variance.

    It is in closed form, from one pass over the weights. Only for what is listed edge by edge, and
    where a convolution reads nodes several times (circular padding), are edges compared.

    References
    ----------
    .. [1] La Malfa, La Malfa, Nicosia, Latora, "Characterizing Learning Dynamics of Deep Neural
       Networks via Complex Networks", ICTAI 2021, arXiv:2110.02628, section III, for s and Y.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> cg.relative_fluctuation(net).round(3)
    layer
    input    0.994
    fc1      1.332
    fc2      0.613
    fc3      1.257
    Name: relative_fluctuation, dtype: float64
    """
    import pandas as pd

    check_stored_weights(net, "relative_fluctuation")
    with computing_on(client):
        values = _ratios(OneNetwork(net), direction, edges, bias=bias)
    index = pd.Index([layer.name for layer in net.layers], name="layer")
    return pd.Series(values, index=index, name="relative_fluctuation", dtype=np.float64)


def stacked_relative_fluctuation(
    stack: Stack,
    parameters: Mapping[str, Parameter],
    *,
    direction: Direction = "total",
    edges: Edges = "parametric",
    bias: bool = True,
) -> Values:
    """Return the relative fluctuation of each layer of many networks of one topology.

    Parameters
    ----------
    stack : Stack
        The topology.
    parameters : mapping of str to Parameter
        The values of each parameter in every network, shape (n, *shape of the parameter).
    direction, edges, bias
        As in `relative_fluctuation`.

    Returns
    -------
    ndarray of float64, shape (n networks, n layers)

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> some = {name: Parameter.from_array(name, np.stack([p.raw(), -p.raw()]))
    ...         for name, p in net.parameters.items()}
    >>> stacked_relative_fluctuation(Stack(net), some).round(3)
    array([[0.994, 1.332, 0.613, 1.257],
           [0.994, 1.332, 0.613, 1.257]])
    """
    found = _ratios(EachOf(stack, parameters), direction, edges, bias=bias)
    n = next(iter(parameters.values())).shape[0]
    return np.stack([np.broadcast_to(values, n) for values in found], axis=1)


@np.errstate(invalid="ignore", over="ignore", divide="ignore")  # infinities that cancel are NaN
def _ratios(
    networks: OneNetwork | EachOf, direction: Direction, edges: Edges, *, bias: bool
) -> list[Values]:
    """Return what `relative_fluctuation` does of each layer: a number, or one a network."""
    check_direction(direction)
    found = _Expectation(networks, direction)
    for block in networks.net.select_blocks(edges):
        found.add_edges(block)
        if bias and block.bias is not None and direction != "out":
            found.add_bias(block)
    return [found.ratio(k) for k in range(networks.net.n_layers)]


class _Expectation:
    """Strengths as they are, those expected of chance, and how much these vary by layer."""

    def __init__(self, networks: OneNetwork | EachOf, direction: Direction) -> None:
        self.networks, self.net, self.direction = networks, networks.net, direction
        self.strengths, self.means = LayerSums(networks.layers), LayerSums(networks.layers)
        self.variances: dict[Layer, Values] = dict.fromkeys(self.net.layers, np.zeros(()))

    def add_edges(self, block: Block) -> None:
        """Add the edges of a block, reading its weights once."""
        found = self.networks.edges(block)
        self.strengths.add_sides(*found.views, found.signed)
        if not block.parametric:
            self.means.add_sides(*found.views, found.signed)
            return
        self.means.add_sides(*found.views, found.expected)
        views = (block.source, block.target)
        for layer in dict.fromkeys(layer for view in views for layer in self.net.layers_of(view)):
            incoming, outgoing = self.direction != "out", self.direction != "in"
            uses = block.weight_uses(Ends(layer.slice, incoming, outgoing))
            self._vary(layer, uses, found.variance)

    def add_bias(self, block: Block) -> None:
        """Add the biases of a block: they come in."""
        assert block.bias is not None
        found, view = self.networks.biases(block), block.target
        self.strengths.add("in", found.view, found.values)
        self.means.add("in", found.view, found.expected if block.parametric else found.values)
        for layer in self.net.layers_of(view) if block.parametric else ():
            uses = WeightUses.of_broadcast(block.bias.shape, view.shape, view, layer.slice)
            self._vary(layer, uses, found.variance)

    def _vary(self, layer: Layer, uses: WeightUses, variance: Values) -> None:
        self.variances[layer] = self.variances[layer] + variance * uses.variance(layer.n_nodes)

    def ratio(self, k: int) -> Values:
        """Return the fluctuation of layer number `k`, over the expected one."""
        found, mean = (self._summary(sums, k) for sums in (self.strengths, self.means))
        variance = mean.std**2 + np.maximum(self.variances[self.net.layers[k]], 0.0)
        expected = np.sqrt(np.where(np.isfinite(variance), variance, np.nan))
        known = expected > _ROUNDING * np.abs(mean.mean)
        return np.where(known, found.std / expected, np.nan)

    def _summary(self, sums: LayerSums, k: int) -> EachSummary:
        return self.networks.summarize(sums.of_layer(k, self.direction))
