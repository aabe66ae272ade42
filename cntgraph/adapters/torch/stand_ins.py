"""What the whole numbers of a saved program's inputs are, in an example or in its place."""

from __future__ import annotations

import numpy as np
import torch

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.torch.aten.values import Call, Nodes
from cntgraph.adapters.torch.constants import carry_out
from cntgraph.adapters.torch.inputs import Inputs
from cntgraph.adapters.tracing.batch import Samples
from cntgraph.adapters.tracing.values import FIRST_TOKEN, Data
from cntgraph.core.errors import TraceError
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array
from cntgraph.network.layer import Layer

#: Index that stands in for tokens; the first few mean padding and the like in many vocabularies.
_TOKEN = 3


class StandIns:
    """Numbers in the place of nodes of whole numbers: those of an example, of its first sample.

    Without one, every token is the same, and nothing is masked.

    Parameters
    ----------
    builder : Builder
        Has the layers of the inputs, and no others by then.
    """

    def __init__(self, builder: Builder, inputs: Inputs) -> None:
        each = [_numbers(layer, inputs) for layer in builder.layers]
        self.numbers = np.concatenate([*each, np.zeros(1, np.int8)])  # the last for no node

    def look(self, value: Nodes | Data) -> torch.Tensor | None:
        """Return what indices, masks and what depends on them are; None where nobody knows."""
        if isinstance(value, Data):
            known: torch.Tensor | None = value.value
            return known
        if not value.is_index:
            return None
        ids, shown = Samples().first(value.ids), value.look()
        places = np.where((ids >= 0) & (ids < len(self.numbers) - 1), ids, -1)
        numbers = self.numbers[places] if shown is None else shown.numpy()
        numbers = np.where(ids <= FIRST_TOKEN, FIRST_TOKEN - ids, numbers)
        return torch.as_tensor(numbers).to(value.dtype)

    def result(self, call: Call) -> torch.Tensor | None:
        """Return what an operation on indices and masks yields; None if there are others."""
        values = [self.look(v) for v in call.values if isinstance(v, Nodes | Data)]
        if call.has(Recipe) or any(value is None for value in values):
            return None
        try:
            made: torch.Tensor = carry_out(call.of(self.look, Nodes | Data), call.name)
        except TraceError:
            return None
        return made


def _numbers(layer: Layer, inputs: Inputs) -> Array:
    """Return what the nodes of an input are."""
    given = inputs.whole_numbers(layer.name)
    if given is not None and given.size == layer.n_nodes:
        return given.reshape(-1)
    return np.full(layer.n_nodes, 1 if "mask" in layer.name else _TOKEN, np.int8)
