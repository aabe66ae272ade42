"""Draft: a traced network on its way to a tidy one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Ids
from cntgraph.core.view import View, parts_of
from cntgraph.network.blocks import Block
from cntgraph.network.layer import Layer


@dataclass
class Draft:
    """A traced network before it is tidied up.

    Layers keep their place and their node ids until the end; those that are no more are in
    `removed`.

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
    removed : set of int
        Positions of the layers that are no more.
    """

    layers: list[Layer]
    blocks: list[Block]
    activations: dict[str, list[str]]
    outputs: list[View]
    unused: set[str] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)
    _seen: dict[int, tuple[View, list[int]]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.starts = np.array([layer.start for layer in self.layers], dtype=np.int64)

    def layers_of(self, view: View) -> list[int]:
        """Return the positions of the layers whose nodes a view shows."""
        if not view.size:
            return []
        if view.ids is None:
            ends = np.array([view.start, view.start + view.size - 1])
            low, high = np.searchsorted(self.starts, ends, side="right")
            return list(range(int(low) - 1, int(high)))
        if id(view) not in self._seen:
            self._seen[id(view)] = view, parts_of(view.ids, self.starts)
        return self._seen[id(view)][1]

    def by_end(self) -> dict[int, list[Block]]:
        """Return the blocks by the layer in which they end, -1 for those that end nowhere."""
        into: dict[int, list[Block]] = {k: [] for k in (-1, *range(len(self.layers)))}
        for block in self.blocks:
            into[next(iter(self.layers_of(block.target)), -1)].append(block)
        return into

    def by_source(self) -> dict[int, list[Block]]:
        """Return the blocks that read from each layer."""
        readers: dict[int, list[Block]] = {k: [] for k in range(len(self.layers))}
        for block in self.blocks:
            for k in self.layers_of(block.source):
                readers[k].append(block)
        return readers

    def into(self, k: int) -> list[Block]:
        """Return the blocks that end in a layer."""
        return [block for block in self.blocks if k in self.layers_of(block.target)]

    def readers(self, k: int) -> list[Block]:
        """Return the blocks that read from a layer."""
        return [block for block in self.blocks if k in self.layers_of(block.source)]

    def output_layers(self) -> set[int]:
        """Return the positions of the layers that the output is read from."""
        return {k for view in self.outputs for k in self.layers_of(view)}

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

    def bypass(self, k: int, nodes: Ids, readers: Sequence[Block] | None = None) -> None:
        """Let everything read other nodes instead of layer k, which is then no more.

        Parameters
        ----------
        nodes : ndarray of int64
            One for each of the layer's.
        readers : sequence of Block, optional
            What its readers become; they stay as they are by default.
        """
        readers = self.readers(k) if readers is None else readers
        changed = [replace(b, source=self.moved(b.source, k, nodes)) for b in readers]
        self.substitute([*self.readers(k), *self.into(k)], changed)
        self.outputs = [self.moved(view, k, nodes) for view in self.outputs]
        self.removed.add(k)

    def drop_unread(self, layers: Iterable[int]) -> None:
        """Drop layers that nothing reads any more, the last first."""
        for k in sorted(set(layers) - self.output_layers(), reverse=True):
            if not self.readers(k):
                self.substitute(self.into(k), [])
                self.removed.add(k)

    def substitute(self, old: Iterable[Block], new: Sequence[Block]) -> None:
        """Put changed blocks in the place of those of the same names, and drop the others."""
        changed = {block.name: block for block in new}
        gone = {block.name for block in old} - changed.keys()
        self.blocks = [changed.get(b.name, b) for b in self.blocks if b.name not in gone]

    def moved(self, view: View, k: int, nodes: Ids) -> View:
        """Return a view in which the nodes of layer `k` are replaced by others, one for one."""
        layer = self.layers[k]
        if view.ids is None and nodes.size and (np.diff(nodes) == 1).all():
            if layer.start <= view.start and view.start + view.size <= layer.slice.stop:
                return view.shifted(int(nodes[0]) - layer.start)
        ids = view.as_ids()
        here = (ids >= layer.start) & (ids < layer.slice.stop)
        replaced = ids.copy()
        replaced[here] = nodes[ids[here] - layer.start]
        return View.of(replaced, view.shape)


def is_learned(block: Block) -> bool:
    """Whether a block reads a trainable parameter."""
    return any(parameter.trainable for parameter in block.parameters())


def finished(draft: Draft) -> tuple[list[Layer], list[Block]]:
    """Return the layers and blocks of a draft with the node ids that they end up with."""
    dropped = draft.removed | _idle(draft)
    kept = [k for k in range(len(draft.layers)) if k not in dropped]
    sizes = [draft.layers[k].n_nodes for k in kept]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    shift = np.zeros(len(draft.layers), dtype=np.int64)
    shift[kept] = starts[:-1] - draft.starts[kept]
    outputs = draft.output_layers()
    layers = [
        replace(
            draft.layers[k],
            start=int(start),
            activation="+".join(draft.applied(k)),
            is_output=k in outputs,
        )
        for k, start in zip(kept, starts, strict=False)
    ]
    into = draft.by_end()
    ordered = (*(b for k in kept for b in into[k]), *into[-1])
    blocks = [
        replace(
            block,
            source=_renumbered(block.source, draft, shift),
            target=_renumbered(block.target, draft, shift),
        )
        for block in ordered
    ]
    return layers, blocks


def _idle(draft: Draft) -> set[int]:
    """Return the layers that nothing leads to or from, and that are not asked for."""
    into, readers, outputs = draft.by_end(), draft.by_source(), draft.output_layers()
    return {
        k
        for k, layer in enumerate(draft.layers)
        if layer.n_nodes and not into[k] and not readers[k] and k not in outputs
        if not layer.is_input or layer.name in draft.unused
    }


def _renumbered(view: View, draft: Draft, shift: NDArray[np.int64]) -> View:
    layers = draft.layers_of(view)
    if len({int(shift[k]) for k in layers}) <= 1:
        return view.shifted(int(shift[layers[0]])) if layers else view
    ids = view.as_ids()
    index = np.searchsorted(draft.starts, ids, side="right") - 1
    return View.of(np.where(ids < 0, -1, ids + shift[index]), view.shape)
