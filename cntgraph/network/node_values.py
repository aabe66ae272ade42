"""NodeValues: what the nodes of a layer receive and emit while samples run through a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from cntgraph.core.types import Array

#: What is measured of neurons while data run through a network: what they receive, what they emit.
NeuronMeasure = Literal["neuron_strength", "neuron_activation"]
NEURON_MEASURES: Final[tuple[NeuronMeasure, ...]] = get_args(NeuronMeasure)


@dataclass(frozen=True, eq=False)
class NodeValues:
    """What the nodes of one layer receive and emit, sample by sample.

    Parameters
    ----------
    strength : ndarray of float32 or float64, shape (n_samples, n_nodes), or None
        What each node receives, its bias included: Σ z w + b. None where it is not known.
    activation : ndarray of float32 or float64, shape (n_samples, n_nodes), or None
        What each node hands on along its edges.
    """

    strength: Array | None = None
    activation: Array | None = None

    @property
    def arrays(self) -> tuple[Array | None, Array | None]:
        """Both."""
        return self.strength, self.activation

    @property
    def is_whole(self) -> bool:
        """Whether both are known."""
        return self.strength is not None and self.activation is not None
