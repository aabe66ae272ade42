"""Elementwise operations: scalings and shifts, named functions, sums, products and choices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.builder.channels import channel_axes
from cntgraph.adapters.jax import weights
from cntgraph.adapters.jax.numeric import LINEAR, plain
from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.jax.scaling import Scaling
from cntgraph.adapters.jax.statistics import Meaning
from cntgraph.adapters.jax.values import (
    Choice,
    Coefficient,
    Nodes,
    Scaled,
    Unknown,
    Value,
    has_nodes,
    is_choice,
    scalar_of,
)
from cntgraph.adapters.tracing import activations, arithmetic
from cntgraph.adapters.tracing.batch import MixedSamplesError
from cntgraph.adapters.tracing.masks import pass_beside
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.values import Data
from cntgraph.network.activations import activation_name

_SIGNS = {"add": 1.0, "add_any": 1.0, "sub": -1.0}


class Elementwise(Scaling):
    """Turns elementwise operations into calls of a `Builder`; `JaxTracer` has everything else."""

    def __init__(self, builder: Builder, n_samples: int) -> None:
        super().__init__(builder, n_samples)
        self._carried: WeakKeyDictionary[Scaled | Choice, Nodes] = WeakKeyDictionary()

    # -- what is not carried out at once --------------------------------------------------------

    def nodes(self, value: Value) -> Nodes:
        """Return a value that depends on nodes as nodes."""
        if isinstance(value, Nodes):
            return value
        assert isinstance(value, Scaled | Choice)
        if value not in self._carried:
            made = self.affine(value) if isinstance(value, Scaled) else self._quantity(value)
            self._carried[value] = made
        return self._carried[value]

    def _quantity(self, value: Choice) -> Nodes:
        """Return what is computed of integers that are quantities: the bytes of an image."""
        args = [replace(a, is_index=False) if isinstance(a, Nodes) else
                self.nodes(a) if has_nodes(a) else a for a in value.args]  # fmt: skip
        (made,) = self.call(value.op, args)
        if isinstance(made, Unknown):
            return self.opaque(value.op, value.op.outputs[0], made.reason)
        return self.nodes(made)

    def scaling(self, op: Op, args: list[Any]) -> Scaled:
        """Return a scaling or a shift of nodes, as one with those before it."""
        (x,), name = (a for a in args if has_nodes(a)), op.name
        by = next((a for a in args if a is not x), np.asarray(-1.0))
        before = x if isinstance(x, Scaled) else Scaled(self.nodes(x), op)
        gain, shift = before.gain, before.shift
        turned = name == "neg" or (name == "sub" and has_nodes(args[1]))
        if turned or name in ("mul", "div"):
            factor, rule = (np.asarray(-1.0), "mul") if turned else (by, name)
            gain = self._compute(rule, np.asarray(1.0) if gain is None else gain, factor)
            shift = None if shift is None else self._compute(rule, shift, factor)
        if name not in ("neg", "mul", "div"):
            rule = "add" if turned else name
            shift = self._compute(rule, np.asarray(0.0) if shift is None else shift, by)
        return Scaled(before.core, op, gain, shift)

    def _compute(self, name: str, left: Coefficient, right: Coefficient) -> Coefficient:
        """Return what becomes of two coefficients; what changes nothing is not computed."""
        if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
            return plain(name, left, right)
        nothing = 1.0 if name == "mul" else 0.0
        if name in ("mul", "add", "add_any") and scalar_of(left) == nothing:
            return right
        if name == "sub" and scalar_of(left) == 0.0:
            return weights.arithmetic("neg", [weights.as_weight(right, self.constant)])
        return weights.arithmetic(name, [weights.as_weight(c, self.constant)
                                         for c in (left, right)])  # fmt: skip

    # -- carrying out -------------------------------------------------------------------------

    def elementwise(self, op: Op, args: list[Any]) -> Value:
        """Return an operation on single neurons that has no name as a whole."""
        real = [a for a in args if has_nodes(a) and not is_choice(a)]
        if op.name in LINEAR and len(real) == 1 and not any(map(is_choice, args)):
            if op.name != "div" or real[0] is args[0]:
                return self.scaling(op, args)
        args = [self.nodes(a) if isinstance(a, Scaled) else a for a in args]
        (out,), name = op.outputs, self.label(op)
        if op.name == "select_n":
            made = self._selected(op, args)
        elif len(real) == 1 and len(real) < sum(map(has_nodes, args)):
            x = next(a for a in args if has_nodes(a) and not is_choice(a))
            made = pass_beside(self, x, Data(out.shape), name)
        else:
            made = self._combined(op, [self.nodes(a) if has_nodes(a) else a for a in args], name)
        return Nodes(np.broadcast_to(made.ids, out.shape))

    def _combined(self, op: Op, args: list[Any], name: str) -> Nodes:
        """Return a sum, a product, an extreme or a function of neurons."""
        nodes = [a for a in args if isinstance(a, Nodes)]
        left, right, made = args[0], args[-1], nodes[0]
        if op.name in _SIGNS:
            made = arithmetic.add(self, left, right, name, _SIGNS[op.name])
        elif op.name == "mul":
            made = arithmetic.multiply(self, left, right, name)
        elif op.name == "div" and len(nodes) == 2:
            made = arithmetic.divide(self, left, right, name)
        elif op.name == "div":
            self.activate(nodes[0], "reciprocal")
            made = self.affine(Scaled(nodes[0], op, left))
        elif op.name in ("max", "min"):
            made = arithmetic.extreme(self, args, op.name, name)
        elif len(nodes) == 1:
            others = [a for a in args if a is not nodes[0]]
            made = activations.activate(self, nodes[0], activation_name(op.name), others)
        else:
            raise NotFollowed(f"{op.name} of nodes with nodes is no sum or product")
        return made

    def _selected(self, op: Op, args: list[Any]) -> Nodes:
        """Choose by what depends on the data: all that may be chosen leads to the result."""
        which, *cases = args
        choice = Data(which.shape, source="mask" if is_choice(which) else "neurons")
        made: Nodes = arithmetic.select(self, choice, cases, self.label(op))
        return made

    # -- functions that have a name ---------------------------------------------------------------

    def named(self, op: Op, args: list[Any]) -> Value:
        """Note an activation, a softmax or a normalisation."""
        (base, *learned), meaning = args, op.params["meaning"]
        x = self.nodes(base)
        if (batch := self.samples(x).axis) is not None and batch in meaning.mixed:
            raise MixedSamplesError
        activations.activate(self, x, self._kind(x, meaning), learned)
        made = replace(x, awaits_bias=False, is_normed=meaning.is_norm)
        norm = replace(op, name=meaning.name)
        return made if meaning.unit == 1.0 else Scaled(made, norm, np.asarray(meaning.unit))

    def _kind(self, base: Nodes, meaning: Meaning) -> str:
        """Return the kind of a normalisation by the axes whose neurons go into one sum."""
        if meaning.name != "layer_norm" or not meaning.mixed:
            return meaning.name
        samples = self.samples(base)
        sample, axes = samples.first(base.ids), samples.axes(meaning.mixed)
        channels = [
            axis for axis in channel_axes(sample, self.builder.layers) if sample.shape[axis] > 1
        ]
        if set(channels) <= set(axes) and not meaning.grouped:
            return meaning.name
        return "group_norm" if meaning.grouped or set(channels) & set(axes) else "instance_norm"
