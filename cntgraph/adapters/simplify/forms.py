"""Forms of nodes: a function is a layer of its own only where nodes are read in several forms.

While a model is traced, a function of nodes is a layer of kind ``"activation"``, joined to them by
identity edges. Where every node that it is applied to is read in that form alone, the function is
noted on the layer that it is applied to, whose nodes are read instead; gates that are parts of one
layer are looked at node by node. Where a node is read as it is, too, or in another form, the layer
stays. One that only a product hands on, as h = o ⊙ tanh(c) of an LSTM does, is noted on the
product, whose kind is then ``"hidden"``: it hands on a function of what it reads.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.simplify.draft import Draft, hands_on
from cntgraph.core.types import Ids
from cntgraph.core.view import View
from cntgraph.network.activations import OF_SEVERAL
from cntgraph.network.blocks import Block
from cntgraph.network.layer import unique_name

#: Functions of functions that have a name.
_CHAINS = {
    ("sqrt", "reciprocal"): "rsqrt", ("sigmoid", "log"): "log_sigmoid",
    ("relu", "clamp"): "clamp",
}  # fmt: skip


def merge_forms(draft: Draft) -> None:
    """Note functions on the nodes, or on the product, that they can be told from; keep the rest."""
    work = _Merging(draft)
    for k in reversed(work.forms):
        if not work.is_only_form(k):
            draft.drop_unread([k])
    for k in work.left():
        if work.may_merge(k):
            work.note_places(k)
            work.merge(k, work.sources(k))
    for applied in draft.activations.values():
        _rename_chains(applied)
    for k in work.left():
        work.hand_over(k)
    for k in work.left():
        work.keep(k)


class _Merging:
    """Which nodes of forms are read, found out where it is asked for."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.names = {layer.name for layer in draft.layers}
        self.forms = [k for k in range(len(draft.layers)) if self.is_form(k)]
        self._needed: dict[int, NDArray[np.bool_]] = {}

    def is_form(self, k: int) -> bool:
        return self.draft.layers[k].kind == "activation" and k not in self.draft.removed

    def left(self) -> list[int]:
        return [k for k in self.forms if k not in self.draft.removed]

    def edge(self, k: int) -> Block:
        """Return the identity edges that lead to a form."""
        (block,) = self.draft.into(k)
        return block

    def sources(self, k: int) -> list[int]:
        """Return the layers that a form is of."""
        return self.draft.layers_of(self.edge(k).source)

    def is_only_form(self, k: int) -> bool:
        """Whether nothing else reads the layers that a form is of."""
        return not any(
            source in self.draft.output_layers() or len(self.draft.readers(source)) > 1
            for source in self.sources(k)
        )

    def may_merge(self, k: int) -> bool:
        """Whether nodes of which a form is read are read in this form alone."""
        edge, sources = self.edge(k), self.sources(k)
        if any(self.draft.layers[source].kind == "hidden" for source in sources):
            return False  # what is noted there is a function of what it hands on
        if edge.source.ids is None and len(sources) == 1 and self.is_only_form(k):
            return True
        ids = edge.source.as_ids()[self.needed(k)]
        if edge.source.ids is not None and np.unique(ids).size < ids.size:
            return False  # the form shows a node twice
        for source in sources:
            layer = self.draft.layers[source]
            here = ids[(ids >= layer.start) & (ids < layer.slice.stop)] - layer.start
            if self.read(source, but=edge)[here].any():
                return False
        return True

    def needed(self, k: int) -> NDArray[np.bool_]:
        """Return which nodes of a form something reads."""
        for form in reversed(self.forms) if k not in self._needed else ():
            if form >= k and form not in self._needed and form not in self.draft.removed:
                self._needed[form] = self.read(form)
        return self._needed[k]

    def read(self, k: int, but: Block | None = None) -> NDArray[np.bool_]:
        """Return which nodes of a layer something reads, a block left aside."""
        found = np.zeros(self.draft.layers[k].n_nodes, bool)
        for block in self.draft.readers(k):
            if block is not but:
                self._mark(found, k, block.source, self._shown(block))
        for view in self.draft.outputs if k in self.draft.output_layers() else ():
            self._mark(found, k, view, None)
        return found

    def _shown(self, block: Block) -> NDArray[np.bool_] | None:
        """Return which of the nodes a block shows are read: those of a form that are needed."""
        (end, *_) = self.draft.layers_of(block.target) or [-1]
        return self.needed(end) if end >= 0 and self.is_form(end) else None

    def _mark(
        self, found: NDArray[np.bool_], k: int, view: View, shown: NDArray[np.bool_] | None
    ) -> None:
        layer = self.draft.layers[k]
        if view.ids is None:
            low, high = max(view.start, layer.start), min(view.span()[1], layer.slice.stop)
            part = slice(low - layer.start, high - layer.start)
            found[part] |= True if shown is None else shown[low - view.start : high - view.start]
            return
        ids = view.ids if shown is None else view.ids[shown]
        found[ids[(ids >= layer.start) & (ids < layer.slice.stop)] - layer.start] = True

    # -- what becomes of a form -----------------------------------------------------------------

    def merge(self, k: int, into: list[int]) -> None:
        """Note a form on other layers, and let its readers read what it is of."""
        for layer in into:
            self.draft.note(layer, self.draft.applied(k))
        self.draft.bypass(k)

    def note_places(self, k: int) -> None:
        """Note that the nodes that a form is of hand on its values."""
        places, layer = self.draft.places, self.draft.layers[k]
        if places is not None:
            places.note_function(self.edge(k).source.as_ids(), layer, self.needed(k))

    def hand_over(self, k: int) -> None:
        """Merge a form into the product that alone reads it, if that hands nothing else on."""
        draft, readers = self.draft, self.draft.readers(k)
        if (
            len(readers) != 1
            or k in self.draft.output_layers()
            or OF_SEVERAL.intersection(draft.applied(k))
        ):
            return
        (end, *_), (handed,) = draft.layers_of(readers[0].target), readers
        others, layer = [b for b in draft.into(end) if b is not handed], draft.layers[end]
        whole = hands_on(handed) and handed.target.size == layer.n_nodes
        is_product = layer.kind in ("multiply", "hidden") and all(b.modulatory for b in others)
        if whole and is_product and others and not draft.applied(end):
            self.merge(k, [end])
            draft.layers[end] = replace(layer, kind="hidden")

    def keep(self, k: int) -> None:
        """Give a form its name, and leave out the nodes of it that nothing reads."""
        draft, edge, layer = self.draft, self.edge(k), self.draft.layers[k]
        source = draft.layers[self.sources(k)[0]].name
        name = unique_name(f"{source}.{'+'.join(draft.applied(k))}", self.names)
        draft.activations[name] = draft.activations.pop(layer.name)
        shape, places = _compact(self.needed(k), layer.shape)
        if shape != layer.shape:
            if draft.places is not None:
                draft.places.move(layer, places >= 0)
            draft.renumber(k, View.of(np.where(places < 0, -1, places + layer.start)))
            ids = edge.source.as_ids()[places >= 0]
            edge = replace(edge, source=View.of(ids, shape), target=View(shape, layer.start))
        draft.layers[k] = replace(layer, name=name, shape=shape)
        draft.rename(self.edge(k), replace(edge, name=name))


def _compact(needed: NDArray[np.bool_], shape: tuple[int, ...]) -> tuple[tuple[int, ...], Ids]:
    """Return the shape of the nodes that are needed, and the place of each among them, or -1."""
    if needed.all():
        return shape, np.arange(needed.size)
    by_channel = needed.reshape(shape[0], -1)
    whole = bool((by_channel == by_channel[:, :1]).all())
    kept = (int(by_channel[:, 0].sum()), *shape[1:]) if whole else (int(needed.sum()),)
    return kept, np.where(needed, np.cumsum(needed) - 1, -1)


def _rename_chains(applied: list[str]) -> None:
    """Give functions of functions their name."""
    for parts, name in _CHAINS.items():
        for k in range(len(applied)):
            if tuple(applied[k : k + len(parts)]) == parts:
                applied[k : k + len(parts)] = [name]
