"""Layer measures and histograms of a network from one pass over its weights: what is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from cntgraph.core.types import Values
from cntgraph.measures.analyze import BlockTotals, LayerTotals
from cntgraph.measures.layer_values import DIRECTIONS, DISTRIBUTIONS
from cntgraph.measures.strength import layer_strengths
from cntgraph.measures.summary import count_in
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.histogram import N_COUNTS, Bins, Counts, LayerBins
from cntgraph.network.each_block import each_block
from cntgraph.network.layer import Layer
from cntgraph.network.network import Network

#: As many weights of a layer, drawn at random, tell where most of them lie.
_SAMPLE = 1 << 16


class LayerSurvey(NamedTuple):
    """The rows of `analyze`, a layer each, and the histograms, shape (n of the bins, 515)."""

    rows: list[dict[str, Any]]
    counts: Counts


def layer_bins(net: Network) -> LayerBins:
    """Return the bins in which each distribution of a network's layers is counted.

    Parameters
    ----------
    net : Network
        At its first snapshot: all later ones are counted in the same bins.

    Returns
    -------
    dict of (measure, layer) to Bins
        Of every layer that has any values, measure by measure.

    Examples
    --------
    >>> import cntgraph as cg
    >>> [layer for measure, layer in layer_bins(cg.toy("cnn")) if measure == "link_weights"]
    ['conv1', 'fc']
    """
    strengths = layer_strengths(net)
    found: LayerBins = {}
    for measure in DISTRIBUTIONS:
        for k, layer in enumerate(net.layers):
            if measure == "link_weights":
                values = _some_weights(net, layer)
            else:
                values = strengths.of_layer(k, DIRECTIONS[measure]).values()
            if values.size:
                found[measure, layer.name] = Bins.about(values)
    return found


@np.errstate(invalid="ignore", over="ignore")  # infinities that cancel are NaN
def survey_layers(net: Network, bins: Mapping[tuple[str, str], Bins]) -> LayerSurvey:
    """Return what `analyze` finds, and the histograms, reading every weight once.

    Parameters
    ----------
    net : Network
        What is measured.
    bins : mapping of (measure, layer) to Bins
        What `layer_bins` returned.

    Returns
    -------
    LayerSurvey
        The histograms in the order of `bins`: below, 512 bins, above, not finite.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> found = survey_layers(net, layer_bins(net))
    >>> found.rows[-1]["fluctuation"] == cg.analyze(net).loc["fc3", "fluctuation"]
    np.True_
    >>> int(found.counts[-1].sum())  # the link weights of the last layer
    8
    """
    totals, blocks = LayerTotals(net), net.select_blocks("parametric")

    def read(block: Block) -> BlockTotals:
        own = bins.get(("link_weights", net.ends[block.name]))
        return BlockTotals.of(block, bias=True, bins=own)

    for block, of_block in zip(blocks, each_block(read, blocks), strict=True):
        totals.add(block, of_block)
    number = {layer.name: k for k, layer in enumerate(net.layers)}
    counts = np.zeros((len(bins), N_COUNTS), dtype=np.int64)
    for row, ((measure, name), own) in zip(counts, bins.items(), strict=True):
        if measure in DIRECTIONS:
            row[:] = count_in(own, totals.sums.of_layer(number[name], DIRECTIONS[measure]))
        elif (found := totals.statistics[name].counts) is not None:
            row[:] = found
    return LayerSurvey([totals.row(k) for k in range(net.n_layers)], counts)


def _some_weights(net: Network, layer: Layer) -> Values:
    """Return a layer's weights, or some of them drawn at random, reading them part by part."""
    rng, parts = np.random.default_rng(0), [np.empty(0)]
    blocks = [b for b in net.blocks_into(layer) if b.parametric and b.weight is not None]
    recipes = [block.weight for block in blocks if block.weight is not None]
    share = min(_SAMPLE / max(sum(int(np.prod(r.shape)) for r in recipes), 1), 1.0)
    for recipe in recipes:
        for bounds in recipe.chunks():
            values = recipe.read(0, *bounds).reshape(-1)
            if share < 1.0 and values.size:
                values = values[rng.integers(0, values.size, int(np.ceil(share * values.size)))]
            parts.append(values)
    return np.concatenate(parts, dtype=np.float64)
