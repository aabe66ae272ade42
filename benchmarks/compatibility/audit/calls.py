"""Calls of linear modules against the network: their sums, their edges, and the nodes between them.

What a framework's linear or convolutional module was called with, and what it returned, is had by
hooks and knows nothing of the graph. From these calls follow, for a network with its norms kept,

- *sums*: the block of that name gives Aᵀz = what the module returned less its bias, with z what it
  was given. Only where the block has the module's own weights: where a factor was folded into
  them, the block computes more than the module, and the last check is what is left;
- *edges*: as many as an independent count says, in which a kernel of ones is laid on ones: taps on
  padding are no edges. A position that was padded before the module was called, or holds a
  constant, is no node: it can be told by its zeros, so that the count has a lower bound, too;
- *nodes*: two modules that read one node were given one value there; and where the values at all
  sources of a layer are known from the modules that read them, its Aᵀz + b, behind its activation,
  is what the modules were given that read the layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cntgraph as cg

from .node_values import NodeValues

#: Of the largest sum of absolute terms: frameworks compute in float32.
TOLERANCE = 2e-4
#: The same of models that compute in float64.
IN_DOUBLE = 1e-9
#: Modes of poolings whose edges do not add up to their values.
NO_SUMS = ("max", "min", "choice", "modulation", "attention")
Array = NDArray[Any]


@dataclass
class Call:
    """One call of a module: values of shape (channels, *positions), for one sample.

    All are kept in the framework's type, and made float64 one call at a time.
    """

    given: Array
    returned: Array
    weights: Array
    bias: Array | None
    n_edges: tuple[int, int] | None  # the fewest and the most


def examine(
    net: cg.Network, calls: dict[str, list[Call]], tolerance: float = TOLERANCE
) -> dict[str, Any]:  # fmt: skip
    """Return how many sums, counts and layers were checked, and which are not what they should be.

    Parameters
    ----------
    net : Network
        Loaded with ``norm="keep"``.
    calls : dict of str to list of Call
        By the name of the module.
    tolerance : float, optional
        How far a sum may be off, of the largest sum of absolute terms.
    """
    types = {call.given.dtype for made in calls.values() for call in made}
    found = _Found(NodeValues(net, np.result_type(np.float32, *types)), tolerance)
    for block in net.blocks:
        made = calls.get(block.name, [])
        if len(made) == 1 and block.source.size == made[0].given.size:
            found.compare(block, made[0])
    _compare_layers(net, found)
    return {"sums": found.sums, "folded": found.folded, "counts": found.counts,
            "wrong": found.wrong, "edges": found.edges}  # fmt: skip


class _Found:
    """What was found so far; `values` are those of nodes, behind their activation."""

    def __init__(self, values: NodeValues, tolerance: float) -> None:
        self.values, self.tolerance = values, tolerance
        self.sums = self.folded = self.counts = 0
        self.wrong: list[tuple[str, str]] = []
        self.edges: list[tuple[str, str]] = []

    def compare(self, block: Any, call: Call) -> None:
        """Hold a block against the call of its module."""
        z, mask = call.given.reshape(-1).astype(np.float64), block.source.mask
        if call.n_edges is not None:
            self.counts += 1
            low, high = call.n_edges
            if not low <= block.n_edges <= high:
                self.edges.append((block.name, f"{block.n_edges:,} for {low:,} to {high:,}"))
        self._note(block, z)
        constant = mask is not None and np.any(z[~mask] != 0)
        if block.target.size != call.returned.size or constant:
            return
        if not _same_weights(block, call.weights):
            self.folded += 1
            return
        self.sums += 1
        found, expected = block.rmatvec(z), call.returned.astype(np.float64)
        if call.bias is not None:  # the block's may be more: what is added later
            expected = expected - call.bias.reshape(-1, *(1,) * (expected.ndim - 1))
        off = difference(found, expected.reshape(-1), scale_of(block, z))
        if off > self.tolerance:
            self.wrong.append((block.name, f"not what the module returned, by {off:.2g}"))

    def _note(self, block: Any, z: Array) -> None:
        """Note the values of the nodes that a block reads."""
        before = self.values.note(block.source, z)
        mask = block.source.mask
        known = ~np.isnan(before) if mask is None else mask & ~np.isnan(before)
        scale = np.abs(z if mask is None else z[mask]).max(initial=1e-30)
        off = np.abs(before[known] - z[known]).max(initial=0) / scale
        if off > self.tolerance:
            self.wrong.append(
                (block.name, f"reads nodes that others read as other values: {off:.2g}")
            )


#: Activations of one meaning: of others, a name says the family alone.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "": lambda x: x, "relu": lambda x: np.maximum(x, 0), "tanh": np.tanh, "abs": np.abs,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}  # fmt: skip


def _compare_layers(net: cg.Network, found: _Found) -> None:
    """Hold layers whose sources' values are known against what reads them."""
    for k, layer in enumerate(net.layers):
        blocks, seen = net.blocks_into(layer), found.values.of_layer(k)
        names = layer.activation.split("+")
        if not blocks or seen is None or not all(n in ACTIVATIONS for n in names):
            continue
        if np.isnan(seen).any():
            continue
        if any(b.modulatory or getattr(b, "mode", "") in NO_SUMS for b in blocks):
            continue
        summed = _sum_into(layer, blocks, found.values)
        if summed is None:
            continue
        value, scale = summed
        for name in names:
            value = ACTIVATIONS[name](value)
        found.sums += 1
        off = difference(value, seen, scale)
        if off > 5 * found.tolerance:
            text = f"not what is read from it ({layer.kind}, {layer.activation}), by {off:.2g}"
            found.wrong.append((layer.name, text))


def _sum_into(layer: Any, blocks: Any, values: NodeValues) -> tuple[Array, float] | None:
    """Return Aᵀz + b of a layer and the scale of its terms; None where a source is not known."""
    total, scale = np.zeros(layer.n_nodes), 0.0
    for block in blocks:
        z = values.gather(block.source)
        made = block.rmatvec(z)
        if np.isnan(made).any():
            return None
        block.target.shifted(-layer.start).scatter_add(total, made + bias_of(block))
        scale += scale_of(block, z)
    return total, scale


def bias_of(block: Any) -> Array:
    """Return the bias of each target position."""
    return np.broadcast_to(block.bias_values(), block.target.size).reshape(-1)


def scale_of(block: Any, z: Array) -> float:
    """Return the largest sum of absolute terms, against which rounding is to be seen."""
    terms = block.rmatvec(np.abs(z), "absolute")
    return float(terms.max(initial=0) + np.abs(bias_of(block)).max(initial=0))


def difference(found: Array, expected: Array, scale: float) -> float:
    """Return the largest difference relative to the scale of the sums."""
    off = np.where(found == expected, 0.0, np.abs(found - expected))  # -inf is -inf
    return float(np.where(np.isnan(off), np.inf, off).max(initial=0) / max(scale, 1e-30))


def _same_weights(block: Any, weights: Array) -> bool:
    """Whether a block reads the values of a module's weights, in whatever order."""
    if block.weight is None:
        return False
    read = block.weight.read()
    pairs = [[np.sum(f(x), dtype=np.float64) for x in (read, weights)]
             for f in (np.abs, np.square, np.asarray)]  # fmt: skip
    return read.size == weights.size and np.allclose(*np.array(pairs).T, rtol=1e-5, atol=1e-5)
