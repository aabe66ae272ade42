"""Forms of nodes: what functions make of them, as layers that may be taken away again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from cntgraph.adapters.builder.layout import Layout
from cntgraph.core.types import Ids
from cntgraph.core.view import View
from cntgraph.network.activations import GATES, WITHOUT_COEFFICIENTS, is_activation
from cntgraph.network.blocks import Identity
from cntgraph.network.layer import Layer

#: Stands for a position that is no node because it is hidden: it has the value -∞ instead of zero.
HIDDEN_NODE = -2


@dataclass
class Forms(Layout):
    """Functions of nodes, and how much of a gate they make of them."""

    #: The forms of a layer, by its start and the function; and of which layer each is, by name.
    _forms: dict[tuple[int, str], Layer] = field(default_factory=dict)
    _form_of: dict[str, Layer] = field(default_factory=dict)
    #: How much of a gate what an operation makes is, by the name of its layer.
    _gates: dict[str, int] = field(default_factory=dict)

    def activate(self, ids: Ids, activation: str) -> Ids:
        """Apply an activation function to nodes; return the nodes that have its values.

        They are a form of the nodes, a layer of kind ``"activation"`` to which these lead one by
        one; `simplify.forms` takes it away again where nodes are read in no other form.

        Parameters
        ----------
        activation : str
            One of `network.activations`, or a function of the model's own.

        Returns
        -------
        ndarray of int64, the shape of `ids`
        """
        if not is_activation(activation):
            raise ValueError(f"expected a name of network.activations, got {activation!r}")
        view = self.view(ids)
        layers = [layer for layer in self.layers_of(view) if layer.n_nodes]
        shifts = {layer: self._form(layer, activation).start - layer.start for layer in layers}
        made = self._shifted(ids, view, shifts) if shifts else ids
        # Of -∞ most functions yield zero, a softmax above all.
        return np.maximum(made, -1) if self.has_hidden else made

    def _form(self, layer: Layer, activation: str) -> Layer:
        """Return the layer of a function of all nodes of a layer, which may be there already."""
        key = (layer.start, activation)
        if key in self._forms and activation in WITHOUT_COEFFICIENTS:
            return self._forms[key]
        start, name = self.layers[-1].slice.stop, f"{activation} {len(self.layers)} "
        form = replace(layer, name=name, kind="activation", start=start, is_input=False)
        self.layers.append(form)
        self.activations[name], self._form_of[name] = [activation], layer
        source, target = (View(one.shape, one.start) for one in (layer, form))
        self.blocks.append(Identity(name=name, source=source, target=target))
        self._forms[key] = form
        self._n_form_nodes += form.n_nodes
        return form

    def functions_of(self, ids: Ids) -> list[set[str]]:
        """Return what was applied to nodes, by layer, since an operation made them."""
        return [self._history(layer)[0] for layer in self.layers_of(self.view(ids))]

    def _history(self, layer: Layer) -> tuple[set[str], Layer]:
        """Return the functions that lead to a layer, and the layer that the first is of."""
        names: set[str] = set()
        while layer.name in self._form_of:
            names.update(self.activations[layer.name])
            layer = self._form_of[layer.name]
        return names, layer

    def origin(self, ids: Ids) -> Ids:
        """Return the nodes that nodes are functions of, as an operation made them."""
        while True:
            view = self.view(ids)
            forms = (layer for layer in self.layers_of(view) if layer.name in self._form_of)
            shifts = {layer: self._form_of[layer.name].start - layer.start for layer in forms}
            if not shifts:
                return ids
            ids = self._shifted(ids, view, shifts)

    def gating(self, ids: Ids) -> int:
        """Return how much of a gate nodes are: the most of what was applied to any of them."""
        ranks = [0]
        for names, made in (self._history(layer) for layer in self.layers_of(self.view(ids))):
            ranks += [self._gates.get(made.name, 0), *(GATES.get(name, 1) for name in names)]
        return max(ranks)

    def rank(self, ids: Ids, rank: int) -> None:
        """Note how much of a gate what an operation has made is."""
        for layer in self.layers_of(self.view(ids)):
            self._gates[layer.name] = max(self._gates.get(layer.name, 0), rank)

    def _shifted(self, ids: Ids, view: View, shifts: dict[Layer, int]) -> Ids:
        """Return node ids, which a view shows, moved by a number that depends on their layer."""
        ((first, shift), *others) = shifts.items()
        if not others and _all_within(view, first):
            if view.ids is not None:
                return ids + shift
            return self.consecutive(view.start + shift, ids.shape)
        made = ids.copy()
        for layer, shift in shifts.items():
            made[(ids >= layer.start) & (ids < layer.slice.stop)] += shift
        return made


def _all_within(view: View, layer: Layer) -> bool:
    """Return whether every position of a view is a node of a layer."""
    ids = view.ids
    low, high = view.span() if ids is None else (ids.min(), ids.max() + 1)
    return bool(layer.start <= low and high <= layer.slice.stop)
