"""Networks at channel and layer granularity, by loops over the unrolled edges.

An edge is (source position, target position, which stored weight): each stored weight counts once
between two channels, however many positions use it.
"""

import math
from collections import defaultdict

import numpy as np


def norm(values, aggregation):
    """Σw, Σ|w| or √Σw²."""
    if aggregation == "l2":
        return math.sqrt(math.fsum(w * w for w in values))
    return math.fsum(abs(w) if aggregation == "l1" else w for w in values)


class Coarse:
    """Which channel and which layer each node belongs to."""

    def __init__(self, layers):
        self.channel, self.layer, self.n_positions, self.layer_of = [], [], [], []
        for number, layer in enumerate(layers):
            n_channels = layer.shape[0] if layer.shape else 1
            n_positions = layer.n_nodes // n_channels if n_channels else 0
            for _ in range(n_channels):
                self.channel += [len(self.layer_of)] * n_positions
                self.layer += [number] * n_positions
                self.layer_of.append(number)
                self.n_positions.append(n_positions)

    def pairs(self, block, edges):
        """The entries that connect each pair of channels."""
        sources, targets = block.source.as_ids(), block.target.as_ids()
        found = defaultdict(list)
        for i, j, entry in edges:
            if sources[i] >= 0:
                found[self.channel[sources[i]], self.channel[targets[j]]].append((j, entry))
        return found

    def learned(self, block, edges, stored, aggregation):
        """Channel weights of a block whose edges carry stored weights."""
        found = self.pairs(block, edges)
        return {
            pair: norm([float(stored[e]) for e in {entry for _, entry in uses}], aggregation)
            for pair, uses in found.items()
        }

    def structural(self, block, edges, aggregation):
        """Channel weights of a pooling or an identity: the target position with most edges."""
        weights = {}
        for pair, uses in self.pairs(block, edges).items():
            windows = defaultdict(list)
            for j, weight in uses:
                windows[j].append(weight)
            fullest = max(
                windows.values(), key=lambda w: (len(w), round(sum(w), 9), sum(x * x for x in w))
            )
            weights[pair] = 1.0 if block.modulatory else norm(fullest, aggregation)
        return weights

    def by_layer(self, weights, aggregation, *, modulatory=False):
        """Layer weights, of channel weights."""
        found = defaultdict(list)
        for (a, b), weight in weights.items():
            found[self.layer_of[a], self.layer_of[b]].append(weight)
        return {p: 1.0 if modulatory else norm(found[p], aggregation) for p in found}

    def biases(self, values):
        """The mean of a node value over each channel's positions, and its sum over each layer's."""
        by_channel = np.zeros(len(self.layer_of))
        for channel, value in zip(self.channel, values, strict=True):
            by_channel[channel] += value / self.n_positions[channel]
        by_layer = np.zeros(max(self.layer_of, default=-1) + 1)
        np.add.at(by_layer, self.layer_of, by_channel)
        return by_channel, by_layer
