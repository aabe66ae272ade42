"""Carrying out lazy values: as a scaling, an activation, a normalisation, a sum, a product."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cntgraph.adapters.builder.channels import channel_axes
from cntgraph.adapters.jax import weights
from cntgraph.adapters.jax.coefficients import Peeled, Peeling
from cntgraph.adapters.jax.meaning import meaning_of
from cntgraph.adapters.jax.movement import REARRANGING, move
from cntgraph.adapters.jax.numeric import REDUCTIONS
from cntgraph.adapters.jax.plan import WINDOW_SUMS
from cntgraph.adapters.jax.pooling import reduce_axes, reduce_windows, take_average
from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.jax.scaling import Scaling
from cntgraph.adapters.jax.values import (
    Lazy,
    Meaning,
    Nodes,
    Value,
    Weight,
    has_nodes,
    is_choice,
    parts,
    stays_lazy,
)
from cntgraph.adapters.tracing import activations, arithmetic
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.values import Data
from cntgraph.network.activations import activation_name


class Elementwise(Scaling):
    """Turns lazy values into calls of a `Builder`; `JaxTracer` has everything else."""

    # -- carrying out -------------------------------------------------------------------------

    def nodes(self, value: Value) -> Nodes:
        """Return a value that depends on nodes as nodes."""
        if isinstance(value, Nodes):
            return value
        assert isinstance(value, Lazy)
        if value not in self._carried:
            made = self._carry_out(value)
            ids = np.broadcast_to(made.ids, value.shape)
            self._carried[value] = replace(made, ids=ids, batch=value.batch)
        return self._carried[value]

    def _carry_out(self, value: Lazy) -> Nodes:
        bare = Peeling(self.constant, scalars=True).of(value)
        if isinstance(bare.core, Nodes):
            return self.affine(bare.core, bare, value)
        pooled = self._pooled(bare, value)
        if pooled is not None:
            return pooled
        for peeled in (Peeling(self.constant, scalars=False).of(value), bare):
            moves, core = _unmoved(peeled.core)
            meaning = meaning_of(core, self._meanings) if isinstance(core, Lazy) else None
            if meaning is not None:
                return self._meant(meaning, moves, peeled, value)
        if not bare.is_bare:
            return self.affine(self.nodes(bare.core), bare, value)
        return self._single(value.op, [self._ready(a) for a in value.args], value)

    def _meant(self, meaning: Meaning, moves: list[Lazy], peeled: Peeled, value: Lazy) -> Nodes:
        """Carry out an activation or a normalisation, and the scaling that follows."""
        base = self.nodes(meaning.base)
        inside = parts(peeled.core, stop=[id(meaning.base)])
        learned = [a for part in inside for a in part.args if isinstance(a, Weight)]
        activations.activate(self, base, self._kind(base, meaning), learned)
        made = _moved(replace(base, fill=0.0), moves)
        if not meaning.is_norm:
            return self.affine(made, peeled, value)
        gain = peeled.gain
        if meaning.unit != 1.0:
            wide = [weights.as_weight(c, self.constant) for c in (gain, np.asarray(meaning.unit))
                    if c is not None]  # fmt: skip
            gain = weights.arithmetic("mul", wide) if len(wide) > 1 else wide[0]
        ids = np.broadcast_to(made.ids, value.shape)
        if gain is not None or peeled.shift is not None:
            options = {"kind": "norm", "foldable": False}
            ids = self.scaled(ids, gain, peeled.shift, value, options)
        return Nodes(ids, value.batch)

    def _ready(self, value: Value) -> Value:
        return self.nodes(value) if has_nodes(value) and not stays_lazy(value) else value

    def _pooled(self, peeled: Peeled, value: Lazy) -> Nodes | None:
        """Carry out a sum over axes or windows, with the division that makes it an average."""
        moves, core = _unmoved(peeled.core)
        if not isinstance(core, Lazy) or core.op.name not in REDUCTIONS | WINDOW_SUMS:
            return None
        x = self.nodes(core.args[0])
        gain = peeled.gain if isinstance(peeled.gain, np.ndarray) else None
        divisor, rest = take_average(core.op, x, gain, moved=bool(moves))
        made = _moved(self.reduced(core.op, x, divisor), moves)
        left = peeled.gain if gain is None else rest
        return self.affine(made, replace(peeled, gain=left), value)

    def reduced(self, op: Op, x: Nodes, divisor: Any = None) -> Nodes:
        """Return a reduction of nodes over axes or windows."""
        try:
            if op.name in WINDOW_SUMS:
                return reduce_windows(self, op, x, "sum", divisor)
            return reduce_axes(self, op, x, average=divisor is not None)
        except NotFollowed as refusal:
            (made,) = self.cut(op, [x], f"{refusal}; the graph is cut here")
            assert isinstance(made, Nodes)
            return made

    def _single(self, op: Op, args: list[Value], like: Lazy) -> Nodes:
        """Carry out one operation whose arguments are nodes, weights or constants."""
        beside = self._beside(op, args, like)
        if beside is not None:
            return beside
        if op.name == "select_n":
            return self._selected(op, args, like)
        args = [self.nodes(a) if has_nodes(a) else a for a in args]
        nodes = [a for a in args if isinstance(a, Nodes)]
        if op.name in REDUCTIONS | WINDOW_SUMS:
            return self.reduced(op, nodes[0])
        if op.name in REARRANGING:
            return Nodes(move(op, [nodes[0].ids])[0], like.batch)
        if len(nodes) == 2 and len(args) == 2:
            return self._pair(op, nodes, like)
        if len(nodes) != 1:
            return self._cut_single(op, args, like, "is no sum or product of what goes into it")
        if op.name == "div" and not has_nodes(args[0]):
            self.activate(nodes[0], "reciprocal")
            gain = args[0]
            assert isinstance(gain, Weight | np.ndarray)
            return self.affine(replace(nodes[0], fill=0.0), Peeled(nodes[0], gain), like)
        if op.name in ("max", "min"):
            made: Nodes = arithmetic.extreme(self, args, op.name, self.label(op))
            return replace(made, fill=0.0)
        others = [a for a in args if a is not nodes[0]]
        made = activations.activate(self, nodes[0], activation_name(op.name), others)
        return replace(made, fill=0.0)

    def _beside(self, op: Op, args: list[Value], like: Lazy) -> Nodes | None:
        """Pass on nodes beside which something stands that depends on the input, as a mask does."""
        nodes = [a for a in args if isinstance(a, Nodes) and not is_choice(a)]
        choices = [a for a in args if is_choice(a)]
        if op.name == "select_n" or len(nodes) != 1 or not choices:
            return None
        reason = "what depends on the input, but is no neuron, is beside it: nothing is masked"
        self.note(self.label(op), reason)
        return replace(nodes[0], ids=np.broadcast_to(nodes[0].ids, like.shape), batch=like.batch)

    def _cut_single(self, op: Op, args: list[Value], like: Lazy, why: str) -> Nodes:
        (made,) = self.cut(op, args, f"{op.name} of nodes with nodes {why}; the graph is cut here")
        assert isinstance(made, Nodes)
        return made

    # -- sums and products -------------------------------------------------------------------

    def _pair(self, op: Op, nodes: list[Nodes], like: Lazy) -> Nodes:
        name, (left, right) = self.label(op), nodes
        if op.name in ("add", "add_any"):
            made = arithmetic.add(self, left, right, name)
        elif op.name == "sub":
            made = arithmetic.add(self, left, right, name, -1.0)
        elif op.name == "mul":
            made = arithmetic.multiply(self, left, right, name)
        elif op.name == "div":
            made = arithmetic.divide(self, left, right, name)
        elif op.name in ("max", "min"):
            made = arithmetic.extreme(self, nodes, op.name, name)
        else:
            return self._cut_single(op, list(nodes), like, "is no sum or product")
        wide = np.broadcast_to(made.ids, like.shape)
        return Nodes(wide, like.batch)

    def _selected(self, op: Op, args: list[Value], like: Lazy) -> Nodes:
        """Choose by what depends on the data: all that may be chosen leads to the result."""
        which, *cases = args
        choice = Data(which.shape, source="mask" if is_choice(which) else "neurons")
        try:
            made: Nodes = arithmetic.select(self, choice, cases, self.label(op))
        except NotFollowed as refusal:
            return self._cut_single(op, args, like, str(refusal))
        return made

    def _kind(self, base: Nodes, meaning: Meaning) -> str:
        """Return the kind of a normalisation by the axes whose neurons go into one sum."""
        if meaning.name != "layer_norm" or not meaning.mixed:
            return meaning.name
        sample = base.sample
        axes = [axis - (base.batch is not None and axis > base.batch) for axis in meaning.mixed]
        channels = [
            axis for axis in channel_axes(sample, self.builder.layers) if sample.shape[axis] > 1
        ]
        if set(channels) <= set(axes) and not meaning.grouped:
            return meaning.name
        return "group_norm" if meaning.grouped or set(channels) & set(axes) else "instance_norm"


def _unmoved(value: Value) -> tuple[list[Lazy], Value]:
    """Return what a value only rearranges, and the steps that do, the last one first."""
    moves: list[Lazy] = []
    while isinstance(value, Lazy) and value.op.name in REARRANGING:
        moves.append(value)
        value = next(a for a in value.args if has_nodes(a))
    return moves, value


def _moved(nodes: Nodes, moves: list[Lazy]) -> Nodes:
    """Carry out steps that only rearrange."""
    for step in reversed(moves):
        (ids,) = move(step.op, [nodes.ids])
        nodes = replace(nodes, ids=ids, batch=step.batch)
    return nodes
