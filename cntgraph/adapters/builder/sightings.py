"""Sightings: which tensors of a framework show which nodes, noted while a model is traced.

A tensor that shows a node for the first time has the value that an operation has just computed for
it; whatever moves it later shows the same. Nothing is noted unless a model is to be run on data.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.simplify.places import Gain, Places
from cntgraph.core.types import Ids, Values

#: Which values of a tensor, or which nodes of a layer.
Which = slice | NDArray[np.int64]


@dataclass(frozen=True)
class Sighting:
    """A tensor that shows nodes.

    Parameters
    ----------
    key : hashable
        What it is known by to the adapter; ``("input", k)`` for the k-th input of the model.
    shape : tuple of int
        Its shape when the model was traced, the samples included.
    n_samples : int
        The number of samples with which it was traced; 0 where no axis holds samples.
    axis : int or None
        The axis along which several samples lie; None where all share it.
    run : int
        How many values of one sample lie side by side along that axis.
    """

    key: Hashable
    shape: tuple[int, ...]
    n_samples: int = 1
    axis: int | None = None
    run: int = 1


@dataclass(frozen=True, eq=False)
class Part:
    """Nodes of a layer whose values a tensor shows.

    Parameters
    ----------
    sighting : Sighting
        The tensor.
    values : slice or ndarray of int64
        Which of its values, those of one sample in order.
    nodes : slice or ndarray of int64
        Which nodes of the layer have them.
    """

    sighting: Sighting
    values: Which
    nodes: Which


@dataclass(frozen=True, eq=False)
class Reading:
    """How the values of a layer's nodes are read off tensors.

    Parameters
    ----------
    n_nodes : int
    parts : tuple of Part
        Together they show all nodes.
    n_entries : int, default 0
        Of a layer of one-hot tokens: how many entries each token, which the parts show, has.
    weight, shift : ndarray of float64, shape (n_nodes,), or None
        What is to be undone: the tensors show weight · x + shift.
    """

    n_nodes: int
    parts: tuple[Part, ...]
    n_entries: int = 0
    weight: Values | None = None
    shift: Values | None = None


@dataclass(eq=False)
class Sightings:
    """What was seen while a model was traced.

    Attributes
    ----------
    notes : object
        What an adapter needs to run the model in the same way again.
    """

    notes: Any = None
    _sightings: list[Sighting] = field(default_factory=list)
    _tensor: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    _value: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    _tokens: dict[int, Ids] = field(default_factory=dict)

    def see(self, sighting: Sighting, ids: Ids) -> None:
        """Note that a tensor shows nodes, if it is the first to show any of them.

        Parameters
        ----------
        ids : ndarray of int64
            Those of one sample.
        """
        flat = ids.reshape(-1)
        self._grow(int(flat.max(initial=-1)) + 1)
        values = np.flatnonzero(flat >= 0)
        values = values[self._tensor[flat[values]] < 0]
        if values.size:
            self._tensor[flat[values]] = len(self._sightings)
            self._value[flat[values]] = values
            self._sightings.append(sighting)

    def _grow(self, n: int) -> None:
        more = n - self._tensor.size
        if more > 0:
            more = max(more, self._tensor.size)
            self._tensor = np.concatenate([self._tensor, np.full(more, -1, np.int32)])
            self._value = np.concatenate([self._value, np.zeros(more, np.int64)])

    def forget(self, nodes: slice) -> None:
        """Forget who showed nodes, which have another value by now."""
        self._tensor[nodes] = -1

    def note_tokens(self, one_hot: slice, tokens: Ids) -> None:
        """Note that nodes say which entry tokens are."""
        self._tokens[one_hot.start] = tokens.reshape(-1)

    # -- reading values off ---------------------------------------------------------------------

    def readings(self, places: Places) -> Iterator[tuple[str, Reading | None, Reading | None]]:
        """Yield, for each layer, how to read what its nodes receive and what they hand on."""
        self._grow(places.after.size)
        for name, (before, after) in places.found.items():
            strength = self._reading(before, places.gains)
            same = np.array_equal(before, after)
            yield name, strength, strength if same else self._reading(after, places.gains)

    def _reading(self, nodes: Ids, gains: list[Gain]) -> Reading | None:
        tokens = self._tokens.get(int(nodes[0])) if nodes.size else None
        if tokens is not None:
            shown = self._shown(tokens)
            entries = nodes.size // max(tokens.size, 1)
            return None if shown is None else replace(shown, n_nodes=nodes.size, n_entries=entries)
        return self._shown(nodes) or self._undone(nodes, gains)

    def _shown(self, nodes: Ids) -> Reading | None:
        """Return how nodes are read that tensors show themselves."""
        tensors = self._tensor[nodes]
        if tensors.min(initial=0) < 0:
            return None
        parts = []
        for tensor in np.unique(tensors):
            ours = np.flatnonzero(tensors == tensor)
            which = _compact(self._value[nodes[ours]]), _compact(ours)
            parts.append(Part(self._sightings[tensor], *which))
        return Reading(nodes.size, tuple(parts))

    def _undone(self, nodes: Ids, gains: list[Gain]) -> Reading | None:
        """Return how nodes are read that tensors show scaled and shifted only."""
        for gain in gains:
            order = np.argsort(gain.plain, kind="stable")
            place = np.searchsorted(gain.plain, nodes, sorter=order)
            place = order[np.minimum(place, order.size - 1)]
            if not np.array_equal(gain.plain[place], nodes):
                continue
            weight, shift = (values[place] for values in gain.factors())
            shown = self._shown(gain.made[place])
            if shown is not None and weight.all():
                return replace(shown, weight=weight, shift=shift)
        return None


def _compact(places: Ids) -> Which:
    """Return places as a slice, where they follow each other."""
    first, n = int(places[0]), places.size
    if places[-1] - first == n - 1 and (np.diff(places) == 1).all():
        return slice(first, first + n)
    return places
