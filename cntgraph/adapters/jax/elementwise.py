"""Carrying out lazy values: as a scaling, an activation, a normalisation, a sum, a product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.builder.channels import channel_axes
from cntgraph.adapters.jax import layout, weights
from cntgraph.adapters.jax.coefficients import Coefficient, Peeled, Peeling
from cntgraph.adapters.jax.meaning import Meaning, meaning_of
from cntgraph.adapters.jax.movement import REARRANGING, move
from cntgraph.adapters.jax.numeric import REDUCTIONS
from cntgraph.adapters.jax.plan import WINDOW_SUMS
from cntgraph.adapters.jax.pooling import reduce_axes, reduce_windows, take_average
from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.jax.values import (
    Array,
    Ids,
    Lazy,
    Nodes,
    Value,
    Weight,
    has_nodes,
    name_of,
    parts,
    scalar_of,
    without,
)
from cntgraph.blocks import Conv, Dense, Identity
from cntgraph.recipe import Recipe
from cntgraph.view import View

#: What is added to a score to take it out of a softmax is at most this.
_MASKED = -1e4
#: Constants of more values are registered, rather than written into recipes.
_LARGEST_CONSTANT = 64
#: Names that other adapters have for a single operation.
_NAMES = {
    "max": "clamp", "min": "clamp", "integer_pow": "pow", "square": "pow", "logistic": "sigmoid",
    "select_n": "where", "div": "reciprocal",
}  # fmt: skip


#: Names for what operations make.
_LABELS = {
    "dot_general": "matmul", "conv_general_dilated": "conv", "reduce_window_max": "max_pool",
    "reduce_window_sum": "avg_pool", "reduce_sum": "mean", "reduce_max": "max",
    "add_any": "add",
}  # fmt: skip


class ChannelsElsewhere(Exception):
    """An input turns out to have its channels on another axis than the first.

    Parameters
    ----------
    index : int
        Which input.
    axis : int
        The axis of its channels.
    """

    def __init__(self, index: int, axis: int) -> None:
        super().__init__(index, axis)
        self.index, self.axis = index, axis


class Elementwise:
    """Turns lazy values into calls of a `Builder`; `Tracer` has everything else.

    Parameters
    ----------
    builder : Builder
        What the network is built with.
    """

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self._carried: dict[Lazy, Nodes] = {}
        #: Inputs that are laid out as the model has them, by the shape of one sample.
        self.inputs: dict[tuple[int, ...], int] = {}

    def expect_channels(self, ids: Ids, axes: Sequence[int]) -> None:
        """Check that nodes have their channels on an axis, if they are laid out like an input.

        Raises
        ------
        ChannelsElsewhere
            If the input has to be laid out otherwise.
        """
        layers = self.builder.layers_of(View.of(ids))
        if len(axes) != 1 or len(layers) != 1 or layers[0].shape not in self.inputs:
            return
        shape, found = layers[0].shape, layout.strides(ids)
        steps = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
        axis_of = {step: axis for axis, step in enumerate(steps) if shape[axis] > 1}
        others = {axis_of.get(step) for axis, step in enumerate(found) if axis != axes[0]}
        left = [axis for axis in range(len(shape)) if axis not in others]
        channels = axis_of.get(found[axes[0]], left[-1] if left else 0)
        if channels:
            raise ChannelsElsewhere(self.inputs[shape], channels)

    def cut(self, op: Op, args: Sequence[Value], reason: str) -> list[Any]:
        """Cut the graph at an operation, and say why."""
        raise NotImplementedError

    # -- constants --------------------------------------------------------------------------

    def constant(self, value: Array) -> Recipe:
        """Return a constant as a recipe; a large one is registered."""
        if value.size <= _LARGEST_CONSTANT:
            return Recipe.constant(value)
        return self.builder.constant("constant", np.asarray(value))

    def recipe(self, value: Coefficient) -> Recipe:
        """Return a weight or a constant as a recipe of as many axes, which broadcasts."""
        return weights.as_weight(value, self.constant).recipe

    def label(self, op: Op) -> str:
        """Return a name for an operation that no parameter names."""
        name = _LABELS.get(op.name, op.name)
        return f"{op.place}.{name}" if op.place else name

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
            return self._affine(bare.core, bare, value)
        pooled = self._pooled(bare, value)
        if pooled is not None:
            return pooled
        for peeled in (Peeling(self.constant, scalars=False).of(value), bare):
            moves, core = _unmoved(peeled.core)
            meaning = meaning_of(core) if isinstance(core, Lazy) else None
            if meaning is not None:
                return self._meant(meaning, moves, peeled, value)
        if not bare.is_bare:
            return self._affine(self.nodes(bare.core), bare, value)
        return self._single(value.op, [self._ready(a) for a in value.args], value)

    def _meant(self, meaning: Meaning, moves: list[Lazy], peeled: Peeled, value: Lazy) -> Nodes:
        """Carry out an activation or a normalisation, and the scaling that follows."""
        base = self.nodes(meaning.base)
        self.builder.activate(base.sample, self._kind(base, meaning))
        made = _moved(replace(base, fill=0.0), moves)
        if not meaning.is_norm:
            return self._affine(made, peeled, value)
        gain = peeled.gain
        if meaning.unit != 1.0:
            wide = [weights.as_weight(c, self.constant) for c in (gain, np.asarray(meaning.unit))
                    if c is not None]  # fmt: skip
            gain = weights.arithmetic("mul", wide) if len(wide) > 1 else wide[0]
        ids = np.broadcast_to(made.ids, value.shape)
        if gain is not None or peeled.shift is not None:
            options = {"kind": "norm", "foldable": False}
            ids = self._scaled(ids, gain, peeled.shift, value, options)
        return Nodes(ids, value.batch)

    def _ready(self, value: Value) -> Value:
        return self.nodes(value) if has_nodes(value) else value

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
        return self._affine(made, replace(peeled, gain=left), value)

    def reduced(self, op: Op, x: Nodes, divisor: Any = None) -> Nodes:
        """Return a reduction of nodes over axes or windows."""
        if op.name in WINDOW_SUMS:
            return reduce_windows(self, op, x, "sum", divisor)
        return reduce_axes(self, op, x, average=divisor is not None)

    def _single(self, op: Op, args: list[Value], like: Lazy) -> Nodes:
        """Carry out one operation whose arguments are nodes, weights or constants."""
        nodes = [a for a in args if isinstance(a, Nodes)]
        if op.name in REDUCTIONS | WINDOW_SUMS:
            return self.reduced(op, nodes[0])
        if op.name in REARRANGING:
            return Nodes(move(op, [nodes[0].ids])[0], like.batch)
        if len(nodes) == 2 and len(args) == 2:
            return self._pair(op, nodes, like)
        if op.name == "select_n":
            return self._selected(op, args, like)
        if len(nodes) != 1:
            return self._cut_single(op, args, like, "is no sum or product of what goes into it")
        if op.name == "div" and not has_nodes(args[0]):
            self.builder.activate(nodes[0].sample, "reciprocal")
            gain = args[0]
            assert isinstance(gain, Weight | np.ndarray)
            return self._affine(replace(nodes[0], fill=0.0), Peeled(nodes[0], gain), like)
        for other in args:
            if isinstance(other, Weight):
                reason = f"a coefficient of the activation {op.name}, not a weight"
                self.builder.skip(other.recipe, reason)
        self.builder.activate(nodes[0].sample, _NAMES.get(op.name, op.name))
        return replace(nodes[0], fill=0.0)

    def _cut_single(self, op: Op, args: list[Value], like: Lazy, why: str) -> Nodes:
        (made,) = self.cut(op, args, f"{op.name} of nodes with nodes {why}; the graph is cut here")
        assert isinstance(made, Nodes)
        return made

    # -- sums and products -------------------------------------------------------------------

    def _pair(self, op: Op, nodes: list[Nodes], like: Lazy) -> Nodes:
        samples = [_sample(n, like.batch, len(like.shape)) for n in nodes]
        name = self.label(op)
        if op.name in ("add", "add_any", "sub"):
            signs = (1.0, -1.0) if op.name == "sub" else None
            return self.batched(self.builder.add(name, samples, signs), like)
        if op.name in ("mul", "div"):
            left, right = np.broadcast_arrays(*samples)
            if np.array_equal(left, right):
                self.builder.activate(left, "mul" if op.name == "mul" else "div")
                return self.batched(left, like)
            if op.name == "div":
                self.builder.activate(right, "reciprocal")
            return self.batched(self.builder.multiply(name, samples), like)
        if op.name in ("max", "min"):
            return self._among(nodes, "max", like)
        return self._cut_single(op, list(nodes), like, "is no sum or product")

    def _among(self, nodes: Sequence[Nodes], kind: str, like: Lazy) -> Nodes:
        """Choose among nodes by what the data are: an edge from each, as in a maximum pooling."""
        wide = np.broadcast_arrays(*(_sample(n, like.batch, len(like.shape)) for n in nodes))
        if np.array_equal(wide[0], wide[1]):
            self.builder.activate(wide[0], kind)
            return self.batched(wide[0], like)
        name = self.builder.unique(kind)
        made = self.builder.fresh(name, wide[0], kind)
        for k, ids in enumerate(wide):
            branch = self.builder.unique(f"{name}.{k}")
            ends = {"source": View.of(ids), "target": View.of(made)}
            self.builder.add_block(Identity(name=branch, **ends))
        return self.batched(made, like)

    def _selected(self, op: Op, args: list[Value], like: Lazy) -> Nodes:
        """Choose by what depends on the data: all that may be chosen leads to the result."""
        which, *cases = args
        nodes = [case for case in cases if isinstance(case, Nodes)]
        if any(isinstance(case, Weight) for case in cases) or not nodes:
            return self._cut_single(op, args, like, "chooses between weights by the data")
        if len(nodes) == len(cases) == 2:
            return self._among(nodes, "where", like)
        if len(nodes) == 1 and not _chooses_by_index(which):
            self.builder.activate(nodes[0].sample, "where")
        if len(nodes) == 1:
            return nodes[0]
        return self._cut_single(op, args, like, "chooses between nodes by what depends on the data")

    # -- scaling and normalising ----------------------------------------------------------------

    def _affine(self, core: Nodes, peeled: Peeled, like: Lazy) -> Nodes:
        """Return gain ⊙ nodes + shift."""
        gain, shift = (
            _unless(c, nothing) for c, nothing in ((peeled.gain, 1.0), (peeled.shift, 0.0))
        )
        keep = _kept(shift) if isinstance(shift, np.ndarray) else None
        shift = shift if keep is None else None
        ids, fill = np.broadcast_to(core.ids, like.shape), core.fill
        if gain is not None or shift is not None:
            options: dict[str, Any] = {"parametric": isinstance(gain, Weight) and gain.is_learned}
            if isinstance(gain, Weight) and _has_root(gain.recipe):
                options = {"kind": "norm"}
            ids = self._scaled(ids, gain, shift, like, options)
        if keep is not None:
            ids, fill = self.builder.mask(ids, np.broadcast_to(keep, ids.shape)), -np.inf
        return replace(core, ids=ids, batch=like.batch, fill=fill)

    def _scaled(
        self, ids: Ids, gain: Coefficient | None, shift: Coefficient | None, like: Lazy,
        options: dict[str, Any],
    ) -> Ids:  # fmt: skip
        named = next(
            (n for c in (gain, shift) if isinstance(c, Weight) and (n := name_of(c.recipe))), ""
        )
        name = named or self.label(like.op)
        sample = _sample(Nodes(ids, like.batch), like.batch, ids.ndim)
        recipes = [None if c is None else _for_sample(self.recipe(c), ids.ndim, like.batch)
                   for c in (gain, shift)]  # fmt: skip
        made = self.scale(name, sample, *recipes, **options)
        return made if like.batch is None else np.expand_dims(made, like.batch)

    def scale(
        self, name: str, ids: Ids, weight: Recipe | None, bias: Recipe | None, **options: Any
    ) -> Ids:
        """Scale nodes in the order of their layer, so that it can be folded into what made it."""
        layers = self.builder.layers_of(View.of(ids))
        seen = None
        if len(layers) == 1:
            seen = layout.in_layer_order(ids, layers[0].shape, layers[0].start)
        order, groups = seen or layout.channels_first(ids, channel_axes(ids, self.builder.layers))
        recipes = [layout.regrouped(r, ids.shape, order, groups) for r in (weight, bias)]
        moved = ids.transpose(order)
        shape = [prod(moved.shape[k] for k in group) for group in groups]
        made = self.builder.scale(name, moved.reshape(shape), *recipes, **options)
        return made.reshape(moved.shape).transpose(np.argsort(order))

    def biased(self, op: Op, args: Sequence[Value]) -> Nodes | None:
        """Return the sum of what an affine operation yields and a bias, which becomes its own."""
        x = next((a for a in args if isinstance(a, Nodes) and a.awaits_bias), None)
        bias = next((a for a in args if isinstance(a, Weight)), None)
        out = op.outputs[0]
        if op.name != "add" or x is None or bias is None or x.shape != out.shape:
            return None
        layers = self.builder.layers_of(View.of(x.ids))
        block = next((b for b in self.builder.blocks[::-1] if b.name == layers[0].name), None)
        seen = layout.in_layer_order(x.sample, layers[0].shape, layers[0].start)
        if len(layers) != 1 or seen is None or not isinstance(block, Dense | Conv):
            return None
        recipe = _for_sample(bias.recipe, len(out.shape), out.batch)
        wide = layout.regrouped(recipe, x.sample.shape, *seen)
        if block.bias is not None or wide is None or any(n != 1 for n in wide.shape[1:]):
            return None
        at = self.builder.blocks.index(block)
        shape = wide.shape if isinstance(block, Conv) else wide.shape[:1]
        self.builder.blocks[at] = replace(block, bias=wide.reshape(shape))
        return Nodes(x.ids, out.batch)

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

    def batched(self, ids: Ids, like: Any) -> Nodes:
        """Return the ids of one sample as nodes in the shape of a value."""
        wide = ids if like.batch is None else np.expand_dims(ids, like.batch)
        return Nodes(wide.reshape(like.shape), like.batch)


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


def _sample(nodes: Nodes, batch: int | None, ndim: int) -> Ids:
    """Return ids without the axis of the samples, as an operand of a result of `ndim` axes."""
    ids = nodes.ids.reshape((1,) * (ndim - nodes.ids.ndim) + nodes.ids.shape)
    return without(ids, batch)


def _for_sample(recipe: Recipe, ndim: int, batch: int | None) -> Recipe:
    padded = (1,) * (ndim - len(recipe.shape)) + recipe.shape
    if batch is not None:
        padded = (*padded[:batch], *padded[batch + 1 :])
    return recipe.reshape(padded)


def _chooses_by_index(value: Value) -> bool:
    """Whether a choice is made by integers or truth values of the input, such as a mask."""
    sources = [value] if isinstance(value, Nodes) else [
        a for part in parts(value) for a in part.args if isinstance(a, Nodes)]  # fmt: skip
    return bool(sources) and all(source.is_index for source in sources)


def _unless(value: Coefficient | None, nothing: float) -> Coefficient | None:
    """Return a coefficient, or None where it changes nothing."""
    return None if value is None or scalar_of(value) == nothing else value


def _kept(shift: Array) -> Array | None:
    """Return where an additive mask leaves scores as they are, or None if it is none."""
    if shift.size < 2 or shift.dtype.kind != "f":
        return None
    masked = shift <= _MASKED
    return ~masked if masked.any() and (shift[~masked] == 0.0).all() else None


def _has_root(recipe: Recipe) -> bool:
    return recipe.op == "sqrt" or any(_has_root(arg) for arg in recipe.args)
