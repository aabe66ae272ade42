"""Elementwise ONNX operations on node ids: arithmetic, activations, normalisations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.base import Builder
from cntgraph.adapters.broadcasting import for_sample
from cntgraph.adapters.onnx.names import name_of, snake
from cntgraph.adapters.onnx.values import Call, Ids, Nodes, concrete
from cntgraph.blocks.base import broadcasts
from cntgraph.recipe import Recipe

#: Elementwise functions of one neuron, and normalisations that learn nothing.
ACTIVATIONS = {
    "Abs": "abs", "Acos": "acos", "Acosh": "acosh", "Asin": "asin", "Asinh": "asinh",
    "Atan": "atan", "Atanh": "atanh", "Ceil": "ceil", "Celu": "celu", "Clip": "clamp",
    "Cos": "cos", "Cosh": "cosh", "Elu": "elu", "Erf": "erf", "Exp": "exp", "Floor": "floor",
    "Gelu": "gelu", "HardSigmoid": "hardsigmoid", "HardSwish": "hardswish", "Hardmax": "hardmax",
    "LRN": "local_response_norm", "LeakyRelu": "leaky_relu", "Log": "log",
    "LogSoftmax": "log_softmax", "LpNormalization": "normalize",
    "MeanVarianceNormalization": "mean_variance_norm", "Mish": "mish", "PRelu": "prelu",
    "Pow": "pow", "Reciprocal": "reciprocal", "Relu": "relu", "Round": "round", "Selu": "selu",
    "Shrink": "shrink", "Sigmoid": "sigmoid", "Sign": "sign", "Sin": "sin", "Sinh": "sinh",
    "Softmax": "softmax", "Softplus": "softplus", "Softsign": "softsign", "Sqrt": "sqrt",
    "Swish": "silu", "Tan": "tan", "Tanh": "tanh", "ThresholdedRelu": "threshold",
}  # fmt: skip


class Elementwise:
    """Turns elementwise operations into calls of a `Builder`; `OnnxTracer` has the others.

    Parameters
    ----------
    builder : Builder
        What the network is built with.
    """

    def __init__(self, builder: Builder) -> None:
        self.builder, self.batch = builder, 1
        self._constants: dict[int, Recipe] = {}
        self._names: dict[int, tuple[Any, str]] = {}

    # -- samples and batches ----------------------------------------------------------------

    def _sample(self, nodes: Nodes) -> Ids:
        """Return the ids of one sample, without the batch dimension."""
        ids = nodes.ids
        if ids.ndim and ids.shape[0] % self.batch == 0:
            ids = ids[: ids.shape[0] // self.batch]
        if ids.ndim > 1 and ids.shape[0] == 1:
            ids = ids[0]
        return ids

    @staticmethod
    def _batched(ids: Ids, shape: Sequence[int]) -> Nodes:
        """Return the ids of one sample repeated over the batch, in the shape of a tensor."""
        sample = np.ascontiguousarray(ids).reshape(-1)
        copies = prod(shape) // max(sample.size, 1)
        repeated = np.tile(sample, copies) if copies > 1 else sample
        return Nodes(repeated.reshape(tuple(shape)))

    # -- constants as recipes ---------------------------------------------------------------

    def remember(self, name: str, value: Any) -> None:
        """Note the name of a constant, in case it turns out to be a weight."""
        if isinstance(value, np.ndarray):
            self._names[id(value)] = (value, name)

    def _recipe(self, value: Any) -> Recipe:
        """Return a parameter or a constant as a recipe; a large constant is registered."""
        if isinstance(value, Recipe):
            return value
        array = np.asarray(value)
        if array.size <= 64:
            return Recipe.constant(array)
        if id(value) not in self._constants:
            _, name = self._names.setdefault(id(value), (value, "constant"))
            self._constants[id(value)] = self.builder.constant(name, array)
        return self._constants[id(value)]

    def _vector(self, value: Any) -> Recipe | None:
        """Return a bias as a recipe, None where there is none or where it is a constant zero."""
        if value is None or (isinstance(value, np.ndarray) and not value.any()):
            return None
        return self._recipe(value)

    # -- elementwise ------------------------------------------------------------------------------

    def _activate(self, call: Call, activation: str) -> Any:
        nodes = [value for value in call.inputs if isinstance(value, Nodes)]
        if len(nodes) != 1:
            return None
        (x,) = nodes
        if np.broadcast_shapes(x.shape, *(_shape_of(v) for v in call.inputs)) != x.shape:
            return None
        for value in call.inputs:
            if isinstance(value, Recipe):
                reason = f"a coefficient of the activation {activation}, not a weight"
                self.builder.skip(value, reason)
        self.builder.activate(self._sample(x), activation)
        return x

    def _op_Max(self, call: Call) -> Any:
        """Note that neurons are bounded by a constant: an activation."""
        return self._activate(call, "clamp")

    _op_Min = _op_Max

    def _scale(
        self, x: Nodes, weight: Recipe | None, bias: Recipe | None, name: str, **kind: Any
    ) -> Any:
        """Apply y = w ⊙ x + b to every sample; w and b broadcast against a sample."""
        sample = self._sample(x)
        weight, bias = (for_sample(recipe, sample.ndim) for recipe in (weight, bias))
        for recipe in (weight, bias):
            if recipe is not None and not broadcasts(recipe.shape, sample.shape):
                return None
        return self._batched(self.builder.scale(name, sample, weight, bias, **kind), x.shape)

    def _op_BatchNormalization(self, call: Call) -> Any:
        """Normalise as in evaluation, by the running statistics that the model stores."""
        x, gain, shift, mean, variance = call.inputs[:5]
        if not isinstance(x, Nodes) or any(isinstance(v, Nodes) for v in call.inputs[1:5]):
            return None
        gain, shift, mean, variance = (self._recipe(v) for v in (gain, shift, mean, variance))
        scale = gain / (variance + float(call.get("epsilon", 1e-5))).sqrt()
        offset = shift - mean * scale
        shape = (-1,) + (1,) * (len(x.shape) - 2)
        name = name_of(gain, name_of(mean, call.name))
        return self._scale(x, scale.reshape(shape), offset.reshape(shape), name, kind="norm")

    def _keep_norm(self, call: Call, shape: Callable[[Recipe], Recipe]) -> Any:
        """Keep the gain of a norm as a block: its statistics depend on the data."""
        x, gain, shift = (call.input(k) for k in range(3))
        if not isinstance(x, Nodes) or isinstance(gain, Nodes) or isinstance(shift, Nodes):
            return None
        weight, bias = (
            None if value is None or self._is_everywhere(value, nothing)
            else shape(self._recipe(value))
            for value, nothing in ((gain, 1.0), (shift, 0.0))
        )  # fmt: skip
        named = bias if weight is None else weight
        if named is None:  # it learns nothing; what follows may not be folded across it
            self.builder.activate(self._sample(x), snake(call.operation))
            return x
        name = name_of(named, call.name)
        return self._scale(x, weight, bias, name, kind="norm", foldable=False)

    def _is_everywhere(self, value: Any, number: float) -> bool:
        """Whether a constant or a buffer is one number, so that it need not be looked at."""
        if isinstance(value, Recipe):
            if _learned(value) or prod(value.shape) > 1 << 16:
                return False
            self.builder.skip(value, f"a constant, {number:g} everywhere")
        return bool((concrete(value) == number).all())

    def _op_LayerNormalization(self, call: Call) -> Any:
        return self._keep_norm(call, lambda recipe: recipe)

    _op_RMSNormalization = _op_LayerNormalization

    def _op_InstanceNormalization(self, call: Call) -> Any:
        """Keep the gain of an instance norm or group norm, one a channel or a group."""
        _, channels, *spatial = call.inputs[0].shape
        wide = (channels, *(1 for _ in spatial))
        return self._keep_norm(call, lambda r: _by_channel(r, channels).reshape(wide))

    _op_GroupNormalization = _op_InstanceNormalization

    def _op_Add(self, call: Call) -> Any:
        return self._plus(call.inputs[0], call.inputs[1], 1.0, call.name)

    def _op_Sub(self, call: Call) -> Any:
        return self._plus(call.inputs[0], call.inputs[1], -1.0, call.name)

    def _plus(self, left: Any, right: Any, sign: float, name: str) -> Any:
        """Return left + sign · right."""
        if isinstance(left, Nodes) and isinstance(right, Nodes):
            return self._add([left, right], None if sign == 1.0 else (1.0, sign), name)
        if isinstance(left, Nodes):
            constant = self._recipe(right)
            return self._scale(left, None, constant if sign == 1.0 else -constant, name)
        if sign == 1.0:
            return self._scale(right, None, self._recipe(left), name)
        weight = Recipe.constant(sign)
        return self._scale(right, weight, self._recipe(left), name, parametric=False)

    def _add(self, nodes: Sequence[Nodes], signs: Sequence[float] | None, name: str) -> Nodes:
        wide = np.broadcast_arrays(*(n.ids for n in nodes))
        samples = [self._sample(Nodes(ids)) for ids in wide]
        return self._batched(self.builder.add(name, samples, signs), wide[0].shape)

    def _op_Sum(self, call: Call) -> Any:
        nodes = [value for value in call.inputs if isinstance(value, Nodes)]
        total: Any = nodes[0] if len(nodes) == 1 else self._add(nodes, None, call.name)
        for value in call.inputs:
            if not isinstance(value, Nodes) and total is not None:
                total = self._plus(total, value, 1.0, call.name)
        return total

    def _op_Neg(self, call: Call) -> Any:
        weight = Recipe.constant(-1.0)
        return self._scale(call.inputs[0], weight, None, call.name, parametric=False)

    def _op_Mul(self, call: Call) -> Any:
        left, right = call.inputs
        if isinstance(left, Nodes) and isinstance(right, Nodes):
            a, b = np.broadcast_arrays(left.ids, right.ids)
            if np.array_equal(a, b):
                # A product of two functions of the same neurons is an activation (x · σ(x)).
                self.builder.activate(self._sample(Nodes(a)), "mul")
                return Nodes(a)
            samples = [self._sample(Nodes(ids)) for ids in (a, b)]
            return self._batched(self.builder.multiply(call.name, samples), a.shape)
        nodes, factor = (left, right) if isinstance(left, Nodes) else (right, left)
        weight = self._recipe(factor)
        return self._scale(nodes, weight, None, call.name, parametric=_learned(weight))

    def _op_Div(self, call: Call) -> Any:
        left, right = call.inputs
        if isinstance(right, Nodes):
            return None
        divisor = self._recipe(right)
        weight = Recipe.constant(1.0) / divisor
        return self._scale(left, weight, None, call.name, parametric=_learned(divisor))


def _learned(recipe: Recipe) -> bool:
    return any(parameter.trainable for parameter in recipe.parameters())


def _shape_of(value: Any) -> tuple[int, ...]:
    return () if value is None else tuple(np.shape(value))


def _by_channel(recipe: Recipe, channels: int) -> Recipe:
    """Return one value a channel where there is one a group."""
    groups = recipe.shape[0]
    if groups == channels:
        return recipe
    ones = Recipe.constant(np.ones((1, channels // groups)))
    return (recipe.reshape((groups, 1)) * ones).reshape((channels,))
