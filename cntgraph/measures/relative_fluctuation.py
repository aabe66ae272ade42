"""Relative fluctuation: that of a layer, as a multiple of what its weights would give by chance."""

from __future__ import annotations

from math import isfinite, nan, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.core.computing import computing_on
from cntgraph.measures.stored_weights import check_stored_weights
from cntgraph.measures.strength import check_direction
from cntgraph.measures.summary import summarise
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.class_values import ClassValues, Sides
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.blocks.weight_uses import Ends, WeightUses
from cntgraph.network.layer import Layer
from cntgraph.network.layer_sums import Direction, LayerSums
from cntgraph.network.network import Edges, Network

if TYPE_CHECKING:
    import pandas as pd

#: An expectation below this part of the strengths is rounding: there is nothing to compare with.
_ROUNDING = 1e-12


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
    check_direction(direction)
    found = _Expectation(net, direction)
    with computing_on(client):
        for block in net.select_blocks(edges):
            found.add_edges(block)
            if bias and block.bias is not None:
                found.add_bias(block)
    index = pd.Index([layer.name for layer in net.layers], name="layer")
    values = [found.ratio(k) for k in range(net.n_layers)]
    return pd.Series(values, index=index, name="relative_fluctuation", dtype=np.float64)


class _Expectation:
    """Strengths as they are, those expected of chance, and how much these vary by layer."""

    def __init__(self, net: Network, direction: Direction) -> None:
        self.net, self.direction = net, direction
        self.strengths, self.means = LayerSums(net.layers), LayerSums(net.layers)
        self.variances = dict.fromkeys(net.layers, 0.0)

    @np.errstate(invalid="ignore", over="ignore")  # infinities that cancel are NaN
    def add_edges(self, block: Block) -> None:
        """Add the edges of a block, reading its weights once."""
        learned, views = block.parametric, (block.source, block.target)
        found = block.class_sums(("signed", "count"), statistics=learned)
        self.strengths.add_sides(*views, found.sums["signed"])
        if not learned:
            self.means.add_sides(*views, found.sums["signed"])
            return
        chance = found.statistics
        counts = found.sums["count"]
        self.means.add_sides(*views, Sides(*(side.times(chance.mean) for side in counts)))
        for layer in dict.fromkeys(layer for view in views for layer in self.net.layers_of(view)):
            incoming, outgoing = self.direction != "out", self.direction != "in"
            self._vary(layer, block.weight_uses(Ends(layer.slice, incoming, outgoing)), chance)

    @np.errstate(invalid="ignore", over="ignore")
    def add_bias(self, block: Block) -> None:
        """Add the biases of a block: they come in."""
        if block.bias is None or self.direction == "out":
            return
        values, view = block.bias.read(), block.target
        self.strengths.add("in", view, ClassValues.of_broadcast(values, view.shape))
        chance = WeightStatistics.of(values)
        expected = np.asarray(chance.mean) if block.parametric else values
        self.means.add("in", view, ClassValues.of_broadcast(expected, view.shape))
        for layer in self.net.layers_of(view) if block.parametric else ():
            uses = WeightUses.of_broadcast(values.shape, view.shape, view, layer.slice)
            self._vary(layer, uses, chance)

    def _vary(self, layer: Layer, uses: WeightUses, chance: WeightStatistics) -> None:
        if chance.n:
            self.variances[layer] += chance.variance * uses.variance(layer.n_nodes)

    @np.errstate(invalid="ignore", over="ignore")
    def ratio(self, k: int) -> float:
        """Return the fluctuation of layer number `k`, over the expected one."""
        found, mean = (
            summarise(sums.of_layer(k, self.direction)) for sums in (self.strengths, self.means)
        )
        variance = mean.std**2 + max(self.variances[self.net.layers[k]], 0.0)
        expected = sqrt(variance) if isfinite(variance) else nan
        return found.std / expected if expected > _ROUNDING * abs(mean.mean) else nan
