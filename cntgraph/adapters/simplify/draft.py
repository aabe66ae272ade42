"""Draft: a traced network on its way to a tidy one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np

from cntgraph.adapters.simplify.places import Places
from cntgraph.core.types import Ids
from cntgraph.core.view import View, parts_of
from cntgraph.network.blocks import Block, Identity
from cntgraph.network.layer import Layer


class Draft:
    """A traced network before it is tidied up.

    Layers keep their place and their node ids until the end; those that are no more are in
    `removed`. Blocks are known by the layers they end in and read from, whatever changes.

    Parameters
    ----------
    layers : list of Layer
        In the order in which they were made.
    blocks : list of Block
        In the order of the operations.
    activations : dict of str to list of str
        Activation functions applied to the nodes of a layer, by its name.
    outputs : list of View
        The nodes the network's output is read from.
    unused : set of str
        Names of input layers that are dropped unless something reads them.
    places : Places, optional
        Where the values of the nodes are found, if that is asked for.

    Attributes
    ----------
    removed : set of int
        Positions of the layers that are no more.
    """

    def __init__(
        self, layers: list[Layer], blocks: Iterable[Block], activations: dict[str, list[str]],
        outputs: list[View], unused: Collection[str] = (), places: Places | None = None,
    ) -> None:  # fmt: skip
        self.places = places
        self.layers, self.activations, self.outputs = list(layers), activations, outputs
        self.unused, self.removed = unused, set[int]()
        self._output_layers: tuple[list[View], set[int]] = [], set()
        self._starts = [layer.start for layer in layers]
        self.starts = np.array(self._starts, dtype=np.int64)
        # Views may be large, and most of them do not stay.
        self._seen: WeakKeyDictionary[View, list[int]] = WeakKeyDictionary()
        self._into: dict[int, dict[str, Block]] = {k: {} for k in range(-1, len(self.layers))}
        self._readers: dict[int, dict[str, Block]] = {k: {} for k in range(len(self.layers))}
        for block in blocks:
            self._enter(block)

    def _enter(self, block: Block) -> None:
        for k in self.layers_of(block.target) or [-1]:
            self._into[k][block.name] = block
        for k in self.layers_of(block.source):
            self._readers[k][block.name] = block

    def _leave(self, block: Block) -> None:
        for k in self.layers_of(block.target) or [-1]:
            self._into[k].pop(block.name, None)
        for k in self.layers_of(block.source):
            self._readers[k].pop(block.name, None)

    def layers_of(self, view: View) -> list[int]:
        """Return the positions of the layers whose nodes a view shows."""
        if not view.size:
            return []
        if view.ids is None:
            low = bisect_right(self._starts, view.start) - 1
            return [*range(low, bisect_right(self._starts, view.start + view.size - 1, lo=low))]
        found = self._seen.get(view)
        if found is None:
            found = self._seen[view] = parts_of(view.ids, self.starts)
        return found

    def taken(self, waiting: list[Block]) -> Iterator[Block]:
        """Yield blocks from the last to the first, and let go of each, as of all that it has."""
        for blocks in (*self._into.values(), *self._readers.values()):
            blocks.clear()
        while waiting:
            yield waiting.pop()

    def into(self, k: int) -> list[Block]:
        """Return the blocks that end in a layer; of -1, those that end nowhere."""
        return list(self._into[k].values())

    def readers(self, k: int) -> list[Block]:
        """Return the blocks that read from a layer."""
        return list(self._readers[k].values())

    def output_layers(self) -> set[int]:
        """Return the positions of the layers that the output is read from."""
        if self._output_layers[0] is not self.outputs:
            found = {k for view in self.outputs for k in self.layers_of(view)}
            self._output_layers = self.outputs, found
        return self._output_layers[1]

    def applied(self, k: int) -> list[str]:
        """Return the activations applied to a layer."""
        return self.activations.get(self.layers[k].name, [])

    def note(self, k: int, names: Iterable[str]) -> None:
        """Note activations on a layer, behind those that it has."""
        applied = self.activations.setdefault(self.layers[k].name, [])
        applied += [name for name in dict.fromkeys(names) if name not in applied]

    def read_by(self, block: Block, k: int) -> Ids:
        """Return what each node of layer k is handed by a block one by one; -1 for none."""
        nodes = np.full(self.layers[k].n_nodes, -1, dtype=np.int64)
        nodes[block.target.as_ids() - self.layers[k].start] = block.source.as_ids()
        return nodes

    def bypass(self, k: int, readers: Sequence[Block] | None = None) -> None:
        """Let everything read what leads to layer k one by one; the layer is then no more.

        Parameters
        ----------
        readers : sequence of Block, optional
            What its readers become; they stay as they are by default.
        """
        (block,) = self.into(k)
        in_order = block.target.ids is None and block.target.size == self.layers[k].n_nodes
        nodes = block.source if in_order else View.of(self.read_by(block, k))
        self.substitute([block], [])
        self.substitute([] if readers is None else self.readers(k), readers or [])
        self.renumber(k, nodes)
        self.removed.add(k)

    def drop_unread(self, layers: Iterable[int]) -> None:
        """Drop layers that nothing reads any more, the last first."""
        for k in sorted(set(layers) - self.output_layers(), reverse=True):
            if not self.readers(k):
                self.substitute(self.into(k), [])
                self.removed.add(k)

    def substitute(self, old: Iterable[Block], new: Iterable[Block]) -> None:
        """Put changed blocks in the place of those of the same names, and drop the others."""
        changed = {block.name: block for block in new}
        for block in {block.name: block for block in old}.values():
            if block.name not in changed:
                self._leave(block)
                continue
            for k in self.layers_of(block.source):
                self._readers[k].pop(block.name, None)
            self._enter(changed[block.name])  # in its place among those that end where it does

    def hand_over(self, u: int, k: int, old: Block, new: Sequence[Block]) -> None:
        """Put blocks in the place of one that leads from layer u to k; layer u is no more."""
        kept = self.into(k)
        for block in (*self.into(u), *kept):
            self._leave(block)
        at = kept.index(old)
        for block in (*kept[:at], *new, *kept[at + 1 :]):
            self._enter(block)
        self.removed.add(u)

    def rename(self, old: Block, *new: Block) -> None:
        """Put blocks of other names in the place of one, behind all others that end there."""
        self._leave(old)
        for block in new:
            self._enter(block)

    def renumber(self, k: int, nodes: View) -> None:
        """Let everything read other nodes instead of those of layer k, one for each."""
        readers = self.readers(k)
        views = {block.source: self.moved(block.source, k, nodes) for block in readers}
        self.substitute(readers, [replace(b, source=views[b.source]) for b in readers])
        if k in self.output_layers():
            self.outputs = [self.moved(view, k, nodes) for view in self.outputs]

    def make_form(self, k: int, nodes: Ids, name: str) -> None:
        """Let layer k be a function of other nodes, and nothing else lead to it.

        Parameters
        ----------
        nodes : ndarray of int64
            One for each of the layer's.
        """
        layer, (first, *_) = self.layers[k], self.into(k)
        target = View(layer.shape, layer.start)
        form = Identity(name=first.name, source=View.of(nodes, layer.shape), target=target)
        self.substitute(self.into(k), [form])
        self.layers[k] = replace(layer, kind="activation")
        self.activations[layer.name] = [name]

    def moved(self, view: View, k: int, nodes: View) -> View:
        """Return a view in which the nodes of layer `k` are replaced by others, one for one."""
        layer = self.layers[k]
        if view.ids is None and nodes.ids is None:
            if layer.start <= view.start and view.start + view.size <= layer.slice.stop:
                return view.shifted(nodes.start - layer.start)
        ids = view.as_ids()
        here = (ids >= layer.start) & (ids < layer.slice.stop)
        replaced = ids.copy()
        replaced[here] = nodes.as_ids()[ids[here] - layer.start]
        return View.of(replaced, view.shape)


def is_learned(block: Block) -> bool:
    """Whether a block reads a trainable parameter."""
    return any(parameter.trainable for parameter in block.parameters())


def hands_on(block: Block) -> bool:
    """Whether a block hands values on as they are."""
    return isinstance(block, Identity) and not block.modulatory and block.bias is None


def finished(draft: Draft) -> tuple[list[Layer], list[Block]]:
    """Return the layers and blocks of a draft with the node ids that they end up with."""
    dropped, outputs = draft.removed | _idle(draft), draft.output_layers()
    kept = [k for k in range(len(draft.layers)) if k not in dropped]
    layers, shifts, start = list[Layer](), [0] * len(draft.layers), 0
    for k in kept:
        layer, activation = draft.layers[k], "+".join(draft.applied(k))
        if draft.places is not None:
            draft.places.find(layer, draft.into(k))
        shifts[k] = start - layer.start
        layers.append(replace(layer, start=start, activation=activation, is_output=k in outputs))
        start += layer.n_nodes
    waiting = [b for k in (*kept, -1) for b in draft.into(k)][::-1]
    blocks, views = [], WeakKeyDictionary[View, View]()
    for block in draft.taken(waiting):
        for view in (block.source, block.target):
            if view not in views:
                views[view] = _renumbered(view, draft, shifts)
        blocks.append(replace(block, source=views[block.source], target=views[block.target]))
    return layers, blocks


def _idle(draft: Draft) -> set[int]:
    """Return the layers that nothing leads to or from, and that are not asked for."""
    return {
        k
        for k, layer in enumerate(draft.layers)
        if layer.n_nodes and not draft.into(k) and not draft.readers(k)
        if k not in draft.output_layers() and (not layer.is_input or layer.name in draft.unused)
    }


def _renumbered(view: View, draft: Draft, shifts: list[int]) -> View:
    layers = draft.layers_of(view)
    if len({shifts[k] for k in layers}) <= 1:
        return view.shifted(shifts[layers[0]]) if layers else view
    ids = view.as_ids()
    index = np.searchsorted(draft.starts, ids, side="right") - 1
    return View.of(np.where(ids < 0, -1, ids + np.array(shifts)[index]), view.shape)
