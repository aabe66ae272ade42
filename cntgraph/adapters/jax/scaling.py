"""Scalings, shifts and biases, laid out so that they can be folded into what made the nodes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.jax import layout, weights
from cntgraph.adapters.jax.program import Op, Var
from cntgraph.adapters.jax.values import (
    Coefficient,
    Nodes,
    Scaled,
    Weight,
    name_of,
    scalar_of,
)
from cntgraph.adapters.tracing import arithmetic
from cntgraph.adapters.tracing.batch import Samples, numbered
from cntgraph.adapters.tracing.masks import split_mask
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Neurons, is_learned
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Ids

#: Names for what operations make.
_LABELS = {
    "dot_general": "matmul", "conv_general_dilated": "conv", "reduce_window_max": "max_pool",
    "reduce_window_sum": "avg_pool", "reduce_sum": "mean", "reduce_max": "max", "add_any": "add",
}  # fmt: skip


class ChannelsElsewhere(Exception):
    """An input turns out to have its channels on another axis than the first.

    Parameters
    ----------
    axis : int
        The axis of its channels.
    """

    def __init__(self, index: int, axis: int) -> None:
        super().__init__(index, axis)
        self.index, self.axis = index, axis


class Scaling(Tracer):
    """What has one constant, or one learned number, an entry."""

    def __init__(self, builder: Builder, n_samples: int) -> None:
        super().__init__(builder)
        self.n_samples = n_samples
        #: Inputs that are laid out as the model has them, by the shape of one sample.
        self.inputs: dict[tuple[int, ...], int] = {}

    def expect_channels(self, ids: Ids, axes: Sequence[int]) -> None:
        """Check that nodes have their channels on an axis, if they are laid out like an input.

        Raises
        ------
        ChannelsElsewhere
            If the input has to be laid out otherwise.
        """
        ids = Samples().first(ids)
        layers = self.builder.layers_of(self.builder.view(ids))
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

    # -- what a framework owes ------------------------------------------------------------------

    def neurons(
        self, ids: Ids, samples: Samples | None = None, *, like: Neurons | None = None
    ) -> Nodes:
        """Return ids, the samples included, as nodes."""
        return Nodes(ids, isinstance(like, Nodes) and like.is_index)

    def samples(self, x: Neurons) -> Samples:
        """Return where the samples lie, if the model has an axis for them."""
        return super().samples(x) if self.n_samples else Samples()

    def name_of(self, recipe: Recipe, default: str) -> str:
        """Name an operation after the module its weight belongs to."""
        return name_of(recipe) or default

    def array(self, value: Any) -> NDArray[Any] | None:
        """Return the values of a constant; None for anything else."""
        return np.asarray(value) if isinstance(value, np.ndarray | np.generic | float) else None

    # -- constants --------------------------------------------------------------------------

    def constant(self, value: Array) -> Recipe:
        """Return a constant as a recipe of its shape."""
        return super().recipe(value)

    def recipe(self, value: Coefficient | Recipe) -> Recipe:
        """Return a weight or a constant as a recipe of as many axes, which broadcasts."""
        if isinstance(value, Recipe):
            return value
        return weights.as_weight(value, self.constant).recipe

    def label(self, op: Op) -> str:
        """Return a name for an operation that no parameter names."""
        name = _LABELS.get(op.name, op.name)
        return f"{op.place}.{name}" if op.place else name

    def opaque(self, op: Op, out: Var, reason: str) -> Nodes:
        """Return nodes to which no edge that is known leads."""
        shape = list(out.shape)
        if self.n_samples in shape:
            shape.remove(self.n_samples)
        ids = self.builder.opaque(self.label(op), shape, op.name, reason)
        return Nodes(self.batched(ids, out.shape))

    def batched(self, ids: Ids, shape: tuple[int, ...]) -> Ids:
        """Return the ids of one sample in a shape that has the samples on the first axis it can."""
        if self.n_samples not in shape:
            return ids.reshape(shape)
        axis = shape.index(self.n_samples)
        return numbered(ids.reshape(shape[:axis] + shape[axis + 1 :]), axis, self.n_samples)

    # -- scaling and normalizing ----------------------------------------------------------------

    def affine(self, value: Scaled) -> Nodes:
        """Return gain ⊙ nodes + shift."""
        (out,), core = value.op.outputs, value.core
        gain, shift = (
            _unless(c, nothing) for c, nothing in ((value.gain, 1.0), (value.shift, 0.0))
        )
        if isinstance(shift, np.ndarray) and split_mask(shift) is not None:
            made = self.affine(Scaled(core, value.op, gain))
            made = arithmetic.shift(self, made, shift, self.label(value.op))
        elif gain is None and shift is None:
            made = core
        else:
            options: dict[str, Any] = {"parametric": is_learned(gain)}
            if core.is_normed:
                options = {"kind": "norm", "foldable": False}
            elif isinstance(gain, Weight) and _has_root(gain.recipe):
                options = {"kind": "norm"}
            name = name_of(gain.recipe) if isinstance(gain, Weight) else ""
            name = name or self.label(value.op)
            weight, bias = (None if c is None else self.recipe(c) for c in (gain, shift))
            made = self.scale(core, weight, bias, name, **options)
        return Nodes(np.broadcast_to(made.ids, out.shape), core.is_index)


def _unless(value: Coefficient | None, nothing: float) -> Coefficient | None:
    """Return a coefficient, or None where it changes nothing."""
    return None if value is None or scalar_of(value) == nothing else value


def _has_root(recipe: Recipe) -> bool:
    return any(part.op == "sqrt" for part in recipe.parts())
