"""Propagation: samples that run through the blocks of a network, without any framework.

A layer receives Σ Aᵀz + b over the blocks that lead to it; of a max pooling, each node the largest
of its candidates. What it hands on is the function noted on it. Layers whose edges lead in a
circle, as those of an unrolled recurrent layer do between time steps, are computed again and again
until nothing changes: after k rounds, the first k steps are right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import TopologicalSorter
from itertools import chain

import numpy as np

from cntgraph.activity.functions import Elementwise, Function, known_functions, reason_unknown
from cntgraph.activity.inputs import input_values
from cntgraph.core.errors import InputShapeError, UndefinedMeasureError
from cntgraph.core.memory import check_memory
from cntgraph.core.types import Array, Values
from cntgraph.core.view import View
from cntgraph.network.blocks import Block, Pool
from cntgraph.network.layer import Layer
from cntgraph.network.network import Network
from cntgraph.network.node_values import NodeValues

#: Kinds of layer in which a gate multiplies what is handed on by its own value.
_GATED = ("recurrent", "cell", "hidden")
#: What only the data say: which of the sources a pooling reads, and by how much.
_OF_DATA = ("attention", "choice", "modulation")


class _Unknown(Exception):
    """Why the values of a layer are not known."""


@dataclass(frozen=True)
class Incoming:
    """A block that hands values to a layer, and the gates that multiply what it hands on."""

    block: Block
    gates: tuple[Block, ...] = ()


@dataclass(frozen=True, eq=False)
class Propagation:
    """A network that samples run through.

    Parameters
    ----------
    net : Network
        Recurrent layers unrolled.
    functions : mapping of str to callable, optional
        Functions of the network that are not known from their name: see `known_functions`.

    Examples
    --------
    >>> import cntgraph as cg
    >>> run = Propagation(cg.toy("mlp"))
    >>> run([np.ones((5, 6))])["fc3"].strength.shape
    (5, 2)
    """

    net: Network
    functions: Mapping[str, Elementwise] | None = None
    _biases: dict[str, Values] = field(default_factory=dict)

    def __call__(
        self, inputs: Sequence[Array], known: Mapping[str, NodeValues] | None = None,
        *, strict: bool = True,
    ) -> dict[str, NodeValues]:  # fmt: skip
        """Return what every layer receives and emits, for one batch.

        Parameters
        ----------
        inputs : sequence of ndarray, shapes (n_samples, *shape of the input layer)
            One per input layer, in their order; whole numbers for tokens. None are needed where
            the values of the input layers are known.
        known : mapping of str to NodeValues, optional
            Layers whose values are known already, by name.
        strict : bool, default True
            Whether a layer that cannot be computed is an error; otherwise its values are None, and
            so are those of the layers that read it.

        Returns
        -------
        dict of str to NodeValues
            In the order of the layers; float64.

        Raises
        ------
        InputShapeError
            If the inputs do not fit the input layers.
        UndefinedMeasureError
            If `strict` and a layer's function is not known, or the network has loops.
        """
        state = _State(self, inputs, known or {}, strict)
        for group in self.groups:
            state.compute(group)
        return {layer.name: state.of(layer) for layer in self.net.layers}

    # -- the order of the layers --------------------------------------------------------------

    @cached_property
    def known_functions(self) -> dict[str, Function]:
        """The functions whose values are known, by name."""
        return known_functions(self.functions)

    @cached_property
    def incoming(self) -> dict[str, list[Incoming]]:
        """The blocks that lead to each layer; a gate stands behind what it gates."""
        found: dict[str, list[Incoming]] = {layer.name: [] for layer in self.net.layers}
        for block in self.net.blocks:
            ends = self.net.layers_of(block.target)
            into = found[ends[0].name] if ends else []
            if block.modulatory and into:
                into[-1] = Incoming(into[-1].block, (*into[-1].gates, block))
            else:
                into.append(Incoming(block))
        return found

    @cached_property
    def groups(self) -> list[list[Layer]]:
        """The layers in the order in which values reach them; those in a circle are one group."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        n, number = self.net.n_layers, {layer.name: k for k, layer in enumerate(self.net.layers)}
        pairs = {
            (number[source.name], number[end.name])
            for block in self.net.blocks
            for end in self.net.layers_of(block.target)
            for source in self.net.layers_of(block.source)
        }
        places = tuple(zip(*pairs, strict=True)) if pairs else ((), ())
        edges = coo_array((np.ones(len(pairs)), places), shape=(n, n))
        _, label = connected_components(edges, directed=True, connection="strong")
        before: dict[int, set[int]] = {int(k): set() for k in label}
        for source, end in pairs:
            if label[source] != label[end]:
                before[int(label[end])].add(int(label[source]))
        order = TopologicalSorter(before).static_order()
        return [[self.net.layers[k] for k in np.flatnonzero(label == group)] for group in order]

    def is_circle(self, group: Sequence[Layer]) -> bool:
        """Whether the edges of a group of layers lead back to it."""
        if len(group) > 1:
            return True
        sources = (into.block.source for into in self.incoming[group[0].name])
        return any(read is group[0] for view in sources for read in self.net.layers_of(view))


class _State:
    """The values of all nodes while one batch runs through."""

    def __init__(
        self, run: Propagation, inputs: Sequence[Array], known: Mapping[str, NodeValues],
        strict: bool,
    ) -> None:  # fmt: skip
        self.run, self.net, self.known, self.strict = run, run.net, known, strict
        n_samples = _n_samples(inputs, self.known.values())
        size = self.net.n_nodes, n_samples
        what = f"the values of {size[0]:,} nodes in {n_samples} samples"
        check_memory(16 * size[0] * size[1], what)
        self.strength, self.activation = np.zeros(size), np.zeros(size)
        self.without: set[str] = set()
        self._fill_inputs(inputs)

    def _fill_inputs(self, inputs: Sequence[Array]) -> None:
        layers = [layer for layer in self.net.layers if layer.is_input]
        if all(self.known.get(layer.name, NodeValues()).is_whole for layer in layers):
            return
        if len(layers) != len(inputs):
            names = ", ".join(layer.name for layer in layers)
            raise InputShapeError(f"expected inputs for {names}; got {len(inputs)} arrays")
        for layer, batch in zip(layers, inputs, strict=True):
            values = input_values(layer, batch)
            self.strength[layer.slice] = self.activation[layer.slice] = values

    def of(self, layer: Layer) -> NodeValues:
        if layer.name in self.without:
            return self.known.get(layer.name, NodeValues())
        return NodeValues(self.strength[layer.slice].T, self.activation[layer.slice].T)

    # -- layers ---------------------------------------------------------------------------------

    def compute(self, group: Sequence[Layer]) -> None:
        """Compute the values of one layer, or of several that lead to each other."""
        try:
            if self.run.is_circle(group):
                self._settle(group)
            else:
                self._compute(group[0])
        except _Unknown as unknown:
            if self.strict:
                raise UndefinedMeasureError(
                    f"{unknown}. Pass the live model in place of its network, so that its "
                    "framework computes the values; or functions={name: callable}"
                ) from None
            self._give_up(group)

    def _give_up(self, group: Sequence[Layer]) -> None:
        for layer in group:
            own = self.known.get(layer.name, NodeValues())
            if own.activation is None:
                self.without.add(layer.name)
            else:
                self._note(layer, own)

    def _settle(self, group: Sequence[Layer]) -> None:
        """Compute layers that lead to each other until nothing changes."""
        nodes = np.concatenate([np.arange(x.slice.start, x.slice.stop) for x in group])
        most = 2 + sum(layer.n_nodes // max(layer.shape[0], 1) for layer in group if layer.shape)
        for _ in range(most):
            before = self.activation[nodes]
            for layer in group:
                self._compute(layer)
            if np.array_equal(before, self.activation[nodes], equal_nan=True):
                return
        raise _Unknown(
            f"layer {group[0].name!r} is in a loop, in which the nodes of all time steps are one; "
            "load the network with unroll=T, for sequences of T steps"
        )

    def _compute(self, layer: Layer) -> None:
        own = self.known.get(layer.name, NodeValues())
        if own.is_whole or layer.is_input:
            self._note(layer, own)
            return
        strength = own.strength
        if strength is None:
            received = self._received(layer)
        else:
            received = np.asarray(strength, dtype=np.float64).T
        self.strength[layer.slice] = received
        if own.activation is None:
            self.activation[layer.slice] = self._emitted(layer, received)
        else:
            self.activation[layer.slice] = own.activation.T

    def _note(self, layer: Layer, own: NodeValues) -> None:
        if own.strength is not None:
            self.strength[layer.slice] = own.strength.T
        if own.activation is not None:
            self.activation[layer.slice] = own.activation.T

    # -- what a layer receives --------------------------------------------------------------------

    def _received(self, layer: Layer) -> Values:
        into = self.run.incoming[layer.name]
        if not into:
            raise _Unknown(f"layer {layer.name!r} ({layer.kind}): no block leads to it")
        total = np.repeat(self._bias(layer)[:, None], self.strength.shape[1], axis=1)
        update = self._update_gate(layer, into)
        for one in into:
            carried = self._carried(layer, one)
            if update is not None:
                share = 1.0 - update if one.gates else update
                carried = carried * _within(layer, one.block).gather(share)
            else:
                for gate in one.gates:
                    carried = carried * _within(layer, one.block).gather(self._sent(layer, gate))
            _within(layer, one.block).scatter_add(total, carried)
        return total

    def _bias(self, layer: Layer) -> Values:
        if layer.name not in self.run._biases:
            total = np.zeros(layer.n_nodes)
            for one in self.run.incoming[layer.name]:
                _within(layer, one.block).scatter_add(total, one.block.bias_values())
            self.run._biases[layer.name] = total
        return self.run._biases[layer.name]

    def _carried(self, layer: Layer, one: Incoming) -> Values:
        """Return what a block hands to each of its targets, before any gate."""
        block = one.block
        for source in self.net.layers_of(block.source):
            if source.name in self.without:
                raise _Unknown(f"layer {layer.name!r} reads {source.name!r}, which is not known")
        if block.modulatory or (one.gates and layer.kind not in _GATED):
            raise _Unknown(f"layer {layer.name!r} ({layer.kind}) is a product of neurons")
        values = block.source.gather(self.activation)
        if layer.kind == "hidden":
            values = self._function_of(layer, values)
        if isinstance(block, Pool):
            if block.mode in _OF_DATA:
                raise _Unknown(f"layer {layer.name!r}: the data say what it reads ({block.mode})")
            if block.mode in ("max", "min"):
                return block.extremes(values)
        return block.rmatvec(values)

    def _update_gate(self, layer: Layer, into: Sequence[Incoming]) -> Values | None:
        """Return by how much a GRU keeps its state: its candidate is gated, its state is not."""
        gated = [one for one in into if one.gates]
        if layer.kind != "hidden" or len(gated) != 1 or len(into) == 1:
            return None
        return self._sent(layer, *gated[0].gates)

    def _sent(self, layer: Layer, gate: Block) -> Values:
        """Return what a gate multiplies each node of a layer by."""
        if any(source.name in self.without for source in self.net.layers_of(gate.source)):
            raise _Unknown(f"layer {layer.name!r}: its gate is not known")
        total = np.zeros((layer.n_nodes, self.strength.shape[1]))
        _within(layer, gate).scatter_add(total, gate.rmatvec(gate.source.gather(self.activation)))
        return total

    # -- what a layer emits -----------------------------------------------------------------------

    def _emitted(self, layer: Layer, received: Values) -> Values:
        return received if layer.kind == "hidden" else self._function_of(layer, received)

    def _function_of(self, layer: Layer, values: Values) -> Values:
        for name in layer.activation.split("+"):
            values = self._applied(layer, name, values)
        return values

    def _applied(self, layer: Layer, name: str, values: Values) -> Values:
        functions = self.run.known_functions
        if name in ("softmax", "log_softmax") and layer.shape[:1] == (layer.n_nodes,):
            return _softmax(values, logarithm=name == "log_softmax")
        if name not in functions:
            raise _Unknown(f"layer {layer.name!r}: its function {reason_unknown(name)}")
        with np.errstate(all="ignore"):
            return np.asarray(functions[name].value(values), dtype=np.float64)


def _n_samples(inputs: Sequence[Array], known: Iterable[NodeValues]) -> int:
    of_layers = (x for own in known for x in (own.strength, own.activation) if x is not None)
    return len(next(chain(inputs, of_layers)))


def _within(layer: Layer, block: Block) -> View:
    """Return where in a layer a block leads to."""
    return block.target.shifted(-layer.start)


def _softmax(values: Values, *, logarithm: bool) -> Values:
    shifted = values - values.max(axis=0, keepdims=True)
    total: Values = np.exp(shifted).sum(axis=0, keepdims=True)
    return shifted - np.log(total) if logarithm else np.asarray(np.exp(shifted) / total)
