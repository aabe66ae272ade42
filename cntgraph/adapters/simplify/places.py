"""Places: where the values of a network's nodes are found among those of the draft it came from.

A framework's tensors show the nodes of the draft. Simplifying takes layers away, yet what a node of
the network receives is the value of one node of the draft, and what it hands on the value of
another one, which stood for a function of it. This is only kept where a model is to be run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids, Values
from cntgraph.network.blocks import Block, Diagonal, Identity
from cntgraph.network.layer import Layer


@dataclass(frozen=True, eq=False)
class Gain:
    """A gain and a shift that were folded into what reads them: made = weight ⊙ plain + shift.

    Parameters
    ----------
    plain, made : ndarray of int64
        Draft nodes, one for one.
    weight, shift : Recipe or None
        They broadcast to `shape`, the nodes' own.
    """

    plain: Ids
    made: Ids
    weight: Recipe | None
    shift: Recipe | None
    shape: tuple[int, ...]

    def factors(self) -> tuple[Values, Values]:
        """Return weight and shift of each node, in float64."""
        pairs = (self.weight, 1.0), (self.shift, 0.0)
        values = (default if recipe is None else recipe.read() for recipe, default in pairs)
        weight, shift = (np.broadcast_to(np.float64(v), self.shape).reshape(-1) for v in values)
        return weight, shift


class Places:
    """Which node of a draft has the value that each node hands on, while the draft is tidied up.

    Parameters
    ----------
    n_nodes : int
        Number of nodes of the draft.

    Attributes
    ----------
    after : ndarray of int64, shape (n_nodes,)
        The draft node whose value each node hands on.
    gains : list of Gain
        What was folded into what reads it.
    found : dict of str to (Ids, Ids)
        For each layer of the network, the draft nodes whose values its nodes receive and hand on.
    """

    def __init__(self, n_nodes: int) -> None:
        self.after = np.arange(n_nodes, dtype=np.int64)
        self.gains: list[Gain] = []
        self.found: dict[str, tuple[Ids, Ids]] = {}

    def note_function(self, nodes: Ids, form: Layer, needed: NDArray[np.bool_]) -> None:
        """Let nodes hand on a form of themselves; those that nothing needs, if they have no other.

        Parameters
        ----------
        nodes : ndarray of int64
            One for each of the form's.
        needed : ndarray of bool
            Which nodes of the form something reads.
        """
        ours = self.after[form.slice]
        told = (nodes >= 0) & (needed | (self.after[nodes] == nodes))
        self.after[nodes[told]] = ours[told]

    def move(self, layer: Layer, kept: NDArray[np.bool_]) -> None:
        """Let a layer keep some of its nodes only, which are then its first."""
        moved = self.after[layer.slice][kept]
        self.after[layer.start : layer.start + moved.size] = moved

    def note_gain(self, gain: Block) -> None:
        """Note that what reads a gain is about to read what the gain is of."""
        if not isinstance(gain, Diagonal | Identity) or gain.source.mask is not None:
            return
        plain, made = self.after[gain.source.as_ids()], gain.target.as_ids()
        self.gains.append(Gain(plain, made, gain.weight, gain.bias, gain.target.shape))

    def find(self, layer: Layer, into: Sequence[Block]) -> None:
        """Note where the values of a layer of the network are.

        Parameters
        ----------
        layer : Layer
            As it is in the draft.
        into : sequence of Block
            What leads to it: to a form that stayed a layer, from what it is a form of.
        """
        before = own = np.arange(layer.start, layer.slice.stop, dtype=np.int64)
        if layer.kind == "activation":
            (edge,) = into
            before = np.empty_like(own)
            before[edge.target.as_ids() - layer.start] = self.after[edge.source.as_ids()]
        elif layer.kind == "norm" and len(into) == 1:
            self.note_gain(into[0])
        self.found[layer.name] = before, self.after[own]
