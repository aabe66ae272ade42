"""Granularity: the same network with one node per channel or one node per layer.

A layer of shape (C, *positions) has C nodes at channel granularity and one at layer granularity;
a layer (n,) of units has n and one. Between two channels there is one edge per block, whatever the
number of positions. With f the name of the aggregation, its weight is

    sum: Σ w        l1: Σ |w|        l2: √ Σ w²

over the *stored* weights w that connect the two, each counted once however many positions use it:

* **Conv** (grouped, depthwise, dilated, transposed, position by position): over the taps of
  K[c, k]. A tap that no position uses, as it always falls on padding, connects nothing.
* **Dense**: over the matrix entries between the nodes of the two channels: after a flatten, over
  the positions, in whatever order they were flattened. Between units, the entry itself.
* **Diagonal**: over the distinct gains. **Sparse**: over the listed edges.
* **Identity**: 1.
* **Pool**: over one full window. An average pooling and an attention sum to 1, a max pooling to
  its number of candidates.
* Where a view mixes channels (a pixel shuffle, a channel shuffle, slices joined, a node seen
  twice) a weight belongs to every pair of channels that it connects.
* What only modulates (gates, scores) has weight 1.

At layer granularity the weights between the channels of two layers become one, by the same f: a
dense block is the sum of its matrix, an identity of C channels sums to C, and cutting channels
into layers is the same as cutting neurons. Edges within a layer (recurrence) are a loop at its
node; blocks that connect the same layers stay parallel edges.

Biases are no edges. A channel's is the mean over its positions, that is the stored bias where
positions share one; a layer's is the sum over its channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import CntGraphError
from cntgraph.network.blocks.base import Block
from cntgraph.network.coarsening.between import between_channels, between_layers
from cntgraph.network.coarsening.grouping import Aggregation, Grouping, Partition
from cntgraph.network.layer import Layer

Granularity = Literal["neuron", "channel", "layer"]
Parts = tuple[tuple[Layer, ...], tuple[Block, ...]]
Between = Callable[[Block, Grouping, Grouping, Aggregation], Block]


def coarse_parts(
    layers: Sequence[Layer],
    blocks: Sequence[Block],
    granularity: Granularity,
    aggregation: Aggregation,
) -> Parts:
    """Return the layers and blocks of a network at another granularity.

    Parameters
    ----------
    layers : sequence of Layer
    blocks : sequence of Block
    granularity : {"neuron", "channel", "layer"}
    aggregation : {"sum", "l1", "l2"}

    Returns
    -------
    layers : tuple of Layer
    blocks : tuple of Block

    Raises
    ------
    CntGraphError
        If an option is none of these.
    """
    for what, value, known in (
        ("granularity", granularity, get_args(Granularity)),
        ("aggregation", aggregation, get_args(Aggregation)),
    ):
        if value not in known:
            raise CntGraphError(f"expected {what} to be one of {', '.join(known)}; got {value!r}")
    parts = tuple(layers), tuple(blocks)
    if granularity == "neuron":
        return parts
    shapes = [layer.shape[:1] or (1,) for layer in layers]
    parts = _cut(parts, shapes, between_channels, aggregation)
    if granularity == "channel":
        return parts
    shapes = [(1,)] * len(layers)
    return _cut(parts, shapes, between_layers, aggregation, add_biases=True)


def _cut(
    parts: Parts,
    shapes: Sequence[tuple[int, ...]],
    between: Between,
    aggregation: Aggregation,
    *,
    add_biases: bool = False,
) -> Parts:
    """Cut every layer into as many runs of nodes as its new shape has entries."""
    layers, blocks = parts
    counts = np.array([prod(shape) for shape in shapes], dtype=np.int64)
    nodes = np.array([layer.n_nodes for layer in layers], dtype=np.int64)
    lengths = np.maximum(nodes // np.maximum(counts, 1), 1)
    starts = _before(counts)
    n_positions = np.ones(counts.sum(), np.int64) if add_biases else np.repeat(lengths, counts)
    partition = Partition(_before(nodes), lengths, starts, n_positions)
    made = tuple(
        replace(layer, shape=shape, start=int(start))
        for layer, shape, start in zip(layers, shapes, starts, strict=True)
    )
    ends = ((block, partition.group(block.source), partition.group(block.target))
            for block in blocks)  # fmt: skip
    return made, tuple(between(*end, aggregation) for end in ends)


def _before(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many come before each."""
    return np.cumsum(counts) - counts
