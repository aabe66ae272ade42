"""Grouped: a matrix of small numbers; some inputs of an output share a scale and a zero point.

GPTQ, AWQ, compressed-tensors and MLX differ in how they lie: w = (number − zero) · scale + shift.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.weights.packed.fields import Fields
from cntgraph.adapters.weights.packed.packed_array import PackedArray, Values, places
from cntgraph.core.parameter import Parameter, widen


@dataclass(frozen=True, eq=False)
class Grouped(PackedArray):
    """A weight of shape (outputs, inputs), packed.

    Parameters
    ----------
    numbers : Fields
        What is stored.
    scales : Parameter
        One for each output and group of inputs.
    group : int
        Inputs of a group.
    zeros : Fields or float
        The zero point of each output and group, or that of all.
    more : int
        What is added to stored zero points.
    shifts : Parameter, optional
        What is added to each output and group in the end.
    belongs : Parameter, optional
        The group of each input, where they do not lie in order.
    inputs_first : bool
        Whether all of them are stored as (inputs, outputs), not as (outputs, inputs).
    """

    shape: tuple[int, ...]
    numbers: Fields
    scales: Parameter
    group: int
    zeros: Fields | float
    more: int = 0
    shifts: Parameter | None = None
    belongs: Parameter | None = None
    inputs_first: bool = False

    @property
    def note(self) -> str:
        """How it is packed."""
        return f"{self.numbers.bits} bits in groups of {self.group}"

    def box(self, *part: range) -> Values:
        """Return the values of some outputs and inputs."""
        outputs, inputs = part
        groups = self._groups(inputs)
        some = range(int(groups.min()), int(groups.max()) + 1)
        at = groups - some.start
        found = self._stored(self.numbers, outputs, inputs).astype(np.float32)
        if isinstance(self.zeros, Fields):
            zeros = self._stored(self.zeros, outputs, some).astype(np.int16) + self.more
            found -= (zeros & ((1 << self.zeros.bits) - 1))[:, at]
        elif self.zeros:
            found -= np.float32(self.zeros)
        found *= self._real(self.scales, outputs, some)[:, at]
        if self.shifts is not None:
            found += self._real(self.shifts, outputs, some)[:, at]
        return found

    def _groups(self, inputs: range) -> NDArray[np.int64]:
        if self.belongs is None:
            return np.arange(inputs.start, inputs.stop) // self.group
        return np.asarray(self.belongs.data[places(inputs)]).astype(np.int64)

    def _stored(self, fields: Fields, outputs: range, along: range) -> NDArray[np.uint8]:
        if self.inputs_first:
            return fields.box(along, outputs).T
        return fields.box(outputs, along)

    def _real(self, parameter: Parameter, outputs: range, groups: range) -> Values:
        key = (places(groups), places(outputs))
        stored = parameter.data[key if self.inputs_first else key[::-1]]
        found = widen(np.asarray(stored), parameter.dtype).astype(np.float32, copy=False)
        return found.T if self.inputs_first else found


def all_in_groups(belongs: Parameter, inputs: int, groups: int) -> bool:
    """Whether a tensor says of each input in which of the groups it is."""
    if belongs.shape != (inputs,) or "int" not in belongs.dtype:
        return False
    found = belongs.read()
    return bool(found.min() >= 0 and found.max() < groups)
