"""From the nodes and edges of the format to a network, by what operations mean everywhere.

What several edges lead to receives their sum. A population of neurons is noted as a function of
what it receives (`lif`); where its output leads back to it, it is a layer of its own, to which
every edge leads, the ones that lead back included, as to a recurrent layer that is a loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from math import prod

import numpy as np

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.damage import damage
from cntgraph.adapters.nir.description import Description, NirNode
from cntgraph.adapters.nir.layers import HANDLERS, NEURONS, NirTracer, Nodes
from cntgraph.adapters.options import Options
from cntgraph.adapters.tracing import arithmetic
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.core.errors import FormatError, GraphSizeError, InputShapeError, TraceError
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.network.blocks import Identity

#: Nodes of an input, whose size is what the file declares.
_LARGEST_INPUT = 1 << 24


def trace(graph: Description, builder: Builder, given: Options) -> None:
    """Build the network of a graph.

    Raises
    ------
    FormatError
        If an array or a setting does not fit what it is used for.
    InputShapeError
        If the size of the input is not known.
    TraceError
        If layers lead in circles without a neuron that has a state.
    """
    _Walk(graph, NirTracer(builder), given).run()


@dataclass
class _Walk:
    """Walks through a graph, every node after those that lead to it."""

    graph: Description
    t: NirTracer
    given: Options

    def __post_init__(self) -> None:
        self.values: dict[str, Nodes] = {}
        self.states: dict[str, Ids] = {}
        self.into: dict[str, list[str]] = {name: [] for name in self.graph.nodes}
        for source, target in self.graph.edges:
            self.into[target].append(source)

    def run(self) -> None:
        """Build the network."""
        for node in self.graph.nodes.values():
            self.t.register(node)
        circles = self._circles()
        open_edges = {name: [source for source in sources if source not in circles.get(name, ())]
                      for name, sources in self.into.items()}  # fmt: skip
        try:
            order = [*TopologicalSorter(open_edges).static_order()]
        except CycleError as error:
            names = " → ".join(map(str, error.args[1]))
            raise TraceError(f"{names}: layers in a circle without a neuron's state") from None
        for name in order:
            what = "it does not fit what leads to it"
            with damage(f"the node {name!r}", what, "write it again with nir.write"):
                if name in circles:
                    self._add_state(name)
                else:
                    self._step(name, self.graph.nodes[name])
        for name, state in self.states.items():
            for source in self.into[name]:
                self._lead(source, name, state)

    # -- neurons whose output leads back to them ------------------------------------------------

    def _circles(self) -> dict[str, set[str]]:
        """Return all nodes of the circles on which each population of neurons lies."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        names = [*self.graph.nodes]
        place = {name: k for k, name in enumerate(names)}
        ends = [(place[source], place[target]) for source, target in self.graph.edges]
        rows, columns = np.array(ends, dtype=np.int64).reshape(-1, 2).T
        shape = (len(names), len(names))
        edges = coo_array((np.ones(len(ends)), (rows, columns)), shape=shape).tocsr()
        _, part = connected_components(edges, directed=True, connection="strong")
        members: dict[int, set[str]] = {}
        for name, number in zip(names, part.tolist(), strict=True):
            members.setdefault(number, set()).add(name)
        return {
            name: members[number]
            for name, number in zip(names, part.tolist(), strict=True)
            if self.graph.nodes[name].kind in NEURONS
            if len(members[number]) > 1 or name in self.into[name]
        }

    def _add_state(self, name: str) -> None:
        """Add the layer of neurons to which edges will lead that are not there yet."""
        node = self.graph.nodes[name]
        shapes = [p.shape for p in node.arrays.values()]
        shape = np.broadcast_shapes(*shapes)
        if not shape:
            raise FormatError(f"{name!r}: one value for all neurons, whose number is not known")
        self.t.builder.has_loops = True
        self.states[name] = self.t.builder.add_layer(name, shape, "add")
        self.values[name] = self._made(name, node, Nodes(self.states[name]))

    def _lead(self, source: str, name: str, state: Ids) -> None:
        """Lead from what a layer yields to a population of neurons."""
        given = self.values[source].ids
        if given.shape != state.shape:
            raise FormatError(f"{source!r} of shape {given.shape} leads to {name!r}: {state.shape}")
        label = self.t.builder.unique(f"{name}.{source}")
        self.t.builder.connect(Identity, label, given, state)

    # -- all others -----------------------------------------------------------------------------

    def _step(self, name: str, node: NirNode) -> None:
        if node.kind == "Input":
            if not self.into[name]:
                shape = self._input_shape(name, node)
                self.values[name] = Nodes(self.t.builder.input(name, shape))
                return
        sources = [self.values[source] for source in self.into[name]]
        if not sources:
            raise FormatError(f"nothing leads to {name!r}, which is no input")
        x = arithmetic.total(self.t, sources, f"{name}.sum")
        self.values[name] = self._made(name, node, x)
        if node.kind == "Output" and "." not in name:
            self.t.builder.output(x.ids)

    def _made(self, name: str, node: NirNode, x: Nodes) -> Nodes:
        handler = HANDLERS.get(node.kind)
        try:
            if handler is None:
                raise NotFollowed("it is not a known layer")
            made: Nodes = handler(self.t, node, x, name)
            return made
        except NotFollowed as refusal:
            read = [*map(Recipe.of, node.arrays.values())]
            self.t.skip(read, f"read by {node.kind}, which is not followed")
            cut: Nodes = self.t.unknown(name, node.kind, x.shape, f"{node.kind}: {refusal}")
            return cut

    def _input_shape(self, name: str, node: NirNode) -> tuple[int, ...]:
        shape = node.settings.get("shape", node.settings.get("input_type"))
        sizes = tuple(np.ravel(shape).tolist()) if shape is not None else ()
        sizes = sizes or self.given.input_shape or ()
        if not sizes or not all(isinstance(n, int) and n > 0 for n in sizes):
            raise InputShapeError(f"the input {name!r} has no size; pass input_shape=")
        if prod(sizes) > _LARGEST_INPUT:
            raise GraphSizeError(
                f"the input {name!r} has {prod(sizes):,} nodes, expected at most "
                f"{_LARGEST_INPUT:,}; the file is damaged, or the network too large for its graph"
            )
        return sizes
