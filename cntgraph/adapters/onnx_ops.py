"""Following node ids through ONNX operations.

Three things flow through a graph: `Nodes` (ids of neurons, in an array of the same shape as the
values they stand for), `Recipe` (a function of parameters) and arrays (constants).
`OnnxTracer.call` takes one operation with such inputs and returns what it yields. Whatever only
moves data is carried out on the ids by ONNX's reference implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.base import Builder
from cntgraph.adapters.onnx_geometry import (
    average_stencils,
    conv_windows,
    pool_windows,
    transposed_windows,
)
from cntgraph.adapters.onnx_values import (
    Call,
    Ids,
    Nodes,
    compute,
    compute_weights,
    concrete,
    on_recipes,
    run,
)
from cntgraph.blocks import Stencil
from cntgraph.recipe import Recipe

#: Operations that move or copy values, and which of their inputs are the values.
MOVEMENT: dict[str, tuple[int, ...]] = {
    "CenterCropPad": (0,), "Compress": (0,), "DepthToSpace": (0,), "Expand": (0,),
    "Flatten": (0,), "Gather": (0,), "GatherElements": (0,), "GatherND": (0,), "Reshape": (0,),
    "ReverseSequence": (0,), "ScatterElements": (0, 2), "ScatterND": (0, 2), "Slice": (0,),
    "SpaceToDepth": (0,), "Split": (0,), "Squeeze": (0,), "Tile": (0,), "Transpose": (0,),
    "Trilu": (0,), "Unsqueeze": (0,), "Where": (1, 2),
}  # fmt: skip

#: Operations whose result is their first input, value by value. The two of quantisation are so
#: up to rounding.
IDENTITY = frozenset(
    ["Cast", "CastLike", "DequantizeLinear", "Dropout", "Identity", "QuantizeLinear"]
)

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


class OnnxTracer:
    """Turns ONNX operations into calls of a `Builder`.

    Parameters
    ----------
    builder : Builder
        What the network is built with.
    """

    def __init__(self, builder: Builder) -> None:
        self.builder, self.batch = builder, 1
        self._constants: dict[int, Recipe] = {}
        self._names: dict[int, tuple[Any, str]] = {}

    def input(self, name: str, shape: Sequence[int]) -> Nodes:
        """Return the nodes of an input of `shape`, the batch dimension included."""
        if len(shape) < 2:
            return Nodes(self.builder.input(name, shape))
        ids = self.builder.input(name, shape[1:])
        return Nodes(np.broadcast_to(ids, (shape[0], *ids.shape)))

    def output(self, value: Any) -> None:
        """Say that the model returns `value`."""
        if isinstance(value, Nodes):
            self.builder.output(self._sample(value))

    def call(self, call: Call, shapes: Callable[[], list[tuple[int, ...]]]) -> list[Any]:
        """Return what an operation yields, following ids.

        Parameters
        ----------
        call : Call
            The operation and its inputs.
        shapes : callable
            Returns the shapes of what it yields; called only for an operation that is not known.

        Returns
        -------
        list of Nodes, Recipe, ndarray or None
        """
        unknown = call.node.domain not in ("", "ai.onnx")
        missing = any(v is None and n for v, n in zip(call.inputs, call.node.input, strict=True))
        if unknown or missing:
            return self._unknown(call, shapes())
        if call.operation in ("Shape", "Size"):
            return run(call, [np.broadcast_to(np.int8(0), np.shape(call.inputs[0]))])
        if any(isinstance(value, Nodes) for value in call.inputs):
            result = self._on_nodes(call)
        else:
            result = self._on_constants(call)
        if result is None:
            return self._unknown(call, shapes())
        values = result if isinstance(result, list) else [result]
        # Statistics and indices come along; nothing reads them as neurons.
        values = values + [None] * (len(call.node.output) - len(values))
        for name, value in zip(call.node.output, values, strict=False):
            self.remember(name, value)
        return values

    def _on_nodes(self, call: Call) -> Any:
        operation, first = call.operation, call.inputs[0]
        if operation in MOVEMENT:
            return self._move(call, MOVEMENT[operation])
        if operation in IDENTITY and isinstance(first, Nodes):
            return first
        if operation == "CastLike":
            return first
        if operation in ACTIVATIONS:
            return self._activate(call, ACTIVATIONS[operation])
        handler = getattr(self, f"_op_{operation}", None)
        return handler(call) if handler else None

    def _on_constants(self, call: Call) -> list[Any] | None:
        recipes = [value for value in call.inputs if isinstance(value, Recipe)]
        if not recipes:
            return compute(call)
        found = on_recipes(call, self._recipe)
        if found is None:
            found = compute_weights(call)
            for recipe in recipes:
                reason = f"read by {call.operation}, which was computed when the model was loaded"
                self.builder.skip(recipe, reason)
        return found

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

    # -- data movement ------------------------------------------------------------------------

    def _move(self, call: Call, data: Sequence[int]) -> Any:
        inputs = []
        for k, value in enumerate(call.inputs):
            if k in data:
                inputs.append(self._as_ids(value))
            elif isinstance(value, Nodes):
                return None  # neurons themselves say what is moved where
            else:
                inputs.append(None if value is None else concrete(value))
        if not any(isinstance(call.inputs[k], Nodes) for k in data if k < len(call.inputs)):
            return None
        if call.get("reduction", "none") != "none":
            return None
        # What an operation fills up with is zero: one more for every node leaves zero free.
        moved = run(call, [v + 1 if k in data else v for k, v in enumerate(inputs)])
        return [Nodes(ids - 1) for ids in moved]

    def _as_ids(self, value: Any) -> Ids:
        if isinstance(value, Nodes):
            return value.ids
        if isinstance(value, Recipe):
            self.builder.skip(value, "a learned constant joined to nodes is not a node")
        return np.broadcast_to(np.int64(-1), np.shape(value))

    def _op_Concat(self, call: Call) -> Any:
        return self._move(call, range(len(call.inputs)))

    def _op_Pad(self, call: Call) -> Any:
        """Pad, or crop where a padding is negative."""
        pads = call.constant(1, "pads" if "pads" in call.attributes else "paddings")
        x, rank = call.inputs[0], len(call.inputs[0].shape)
        if not isinstance(x, Nodes) or any(isinstance(v, Nodes) for v in call.inputs[1:]):
            return None
        axes = range(rank) if call.input(3) is None else np.ravel(concrete(call.inputs[3]))
        widths = [[0, 0] for _ in range(rank)]
        for k, axis in enumerate(axes):
            widths[int(axis) % rank] = [int(pads[k]), int(pads[k + len(axes)])]
        crop = tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(widths, x.shape))
        widths = [[max(a, 0), max(b, 0)] for a, b in widths]
        mode = call.get("mode", "constant")
        fill = {"constant_values": -1} if mode == "constant" else {}
        return Nodes(np.pad(x.ids[crop], widths, mode=mode, **fill))

    def _op_Resize(self, call: Call) -> Any:
        """Repeat the nearest node; between nodes, a resizing is not a movement."""
        exact = call.get("mode", "nearest") == "nearest" and isinstance(call.inputs[0], Nodes)
        return self._move(call, (0,)) if exact else None

    _op_Upsample = _op_Resize

    # -- affine operations ------------------------------------------------------------------------

    def _linear(self, x: Nodes, weight: Recipe, bias: Recipe | None, name: str) -> Nodes:
        """Apply y = W x + b to the last axis, W of shape (n_out, n_in)."""
        n_out, n_in = weight.shape
        rows = x.ids.reshape(-1, n_in)
        rows = rows[: max(len(rows) // self.batch, 1)]
        lead = x.shape[:-1]
        positions = lead[1:] if lead and lead[0] == self.batch else (len(rows),)
        ids = self.builder.linear(
            name_of(weight, name), rows.reshape(*positions, n_in), weight, bias
        )
        return self._batched(ids, (*lead, n_out))

    def _op_Gemm(self, call: Call) -> Any:
        a, b, c = (call.input(k) for k in range(3))
        if not isinstance(a, Nodes) or isinstance(b, Nodes):
            return None
        x = Nodes(a.ids.T) if call.get("transA", 0) else a
        weight = self._recipe(b) if call.get("transB", 0) else self._recipe(b).transpose((1, 0))
        alpha, beta = float(call.get("alpha", 1.0)), float(call.get("beta", 1.0))
        weight = weight if alpha == 1.0 else weight * alpha
        if isinstance(c, Nodes):
            made = self._linear(x, weight, None, call.name)
            return None if beta != 1.0 else self._plus(made, c, 1.0, call.name)
        bias = self._vector(c)
        bias = bias if bias is None or beta == 1.0 else bias * beta
        if bias is not None and prod(bias.shape) != weight.shape[0]:
            made = self._linear(x, weight, None, call.name)
            return self._scale(made, None, bias, call.name)
        bias = None if bias is None else bias.reshape((-1,))
        return self._linear(x, weight, bias, call.name)

    def _op_MatMul(self, call: Call) -> Any:
        left, right = call.inputs
        if isinstance(left, Nodes) and isinstance(right, Nodes):
            return None
        if isinstance(right, Nodes):
            return self._mat_mul_left(self._recipe(left), right, call.name)
        weight, x = self._recipe(right), left
        if len(weight.shape) == 1:
            made = self._linear(x, weight.reshape((1, -1)), None, call.name)
            return Nodes(made.ids[..., 0])
        if len(x.shape) == 1:
            return None
        if prod(weight.shape[:-2]) == 1:
            matrix = weight.reshape(weight.shape[-2:]).transpose((1, 0))
            made = self._linear(x, matrix, None, call.name)
            extra = len(weight.shape) - len(x.shape)
            return Nodes(made.ids.reshape((1,) * extra + made.shape))
        return self._mat_mul_heads(x, weight, call.name)

    def _mat_mul_left(self, weight: Recipe, x: Nodes, name: str) -> Any:
        """Return W x for a matrix W: it mixes the positions of the last axis but one."""
        if len(weight.shape) < 2 or prod(weight.shape[:-2]) != 1 or len(x.shape) < 2:
            return None
        matrix = weight.reshape(weight.shape[-2:])
        made = self._linear(Nodes(x.ids.swapaxes(-1, -2)), matrix, None, name)
        ids = made.ids.swapaxes(-1, -2)
        return Nodes(ids.reshape((1,) * (len(weight.shape) - ids.ndim) + ids.shape))

    def _mat_mul_heads(self, x: Nodes, weight: Recipe, name: str) -> Any:
        """Multiply by one matrix a head: the axes before the last two select it."""
        lead = np.broadcast_shapes(x.shape[:-2], weight.shape[:-2])
        heads = (1,) * (len(lead) + 2 - len(weight.shape)) + weight.shape[:-2]
        n_in, n_out = weight.shape[-2:]
        if heads[0] != 1 or len(heads) < 2:
            return None
        ids = np.broadcast_to(x.ids, (*lead, *x.shape[-2:]))
        made = np.empty((*ids.shape[:-1], n_out), np.int64)
        weight = weight.reshape((*heads, n_in, n_out))
        for index in np.ndindex(heads):
            part, where = weight, tuple(
                slice(i, i + 1) if n > 1 else slice(None) for i, n in zip(index, heads, strict=True)
            )  # fmt: skip
            for axis, (i, n) in enumerate(zip(index, heads, strict=True)):
                part = part.take(axis, i, i + 1) if n > 1 else part
            matrix = part.reshape((n_in, n_out)).transpose((1, 0))
            made[where] = self._linear(Nodes(ids[where]), matrix, None, name).ids
        return Nodes(made)

    def _convolve(self, call: Call, transposed: bool) -> Any:
        x, kernel = call.inputs[:2]
        if not isinstance(x, Nodes) or isinstance(kernel, Nodes) or len(call.inputs) > 3:
            return None
        weight, bias = self._recipe(kernel), self._vector(call.input(2))
        spatial = x.shape[2:]
        sizes = weight.shape[2:]
        find = transposed_windows if transposed else conv_windows
        windows = find(call, spatial, sizes)
        if windows is None:
            return None
        # Samples that were merged into the batch are positions that the kernel does not mix.
        many = max(x.shape[0] // self.batch, 1)
        ids = x.ids[:many]
        if many == 1:
            ids = ids[0]
        else:
            ids, windows = np.moveaxis(ids, 1, 0), (_single(many), *windows)
            weight = weight.reshape((*weight.shape[:2], 1, *sizes))
        made = self.builder.conv(
            name_of(weight, call.name), ids, weight, bias, windows,
            groups=call.get("group", 1), transposed=transposed,
        )  # fmt: skip
        made = made if many == 1 else np.moveaxis(made, 1, 0)
        channels = made.shape[0] if many == 1 else made.shape[1]
        return self._batched(made, (x.shape[0], channels, *made.shape[-len(sizes) :]))

    def _op_Conv(self, call: Call) -> Any:
        return self._convolve(call, transposed=False)

    def _op_ConvTranspose(self, call: Call) -> Any:
        return self._convolve(call, transposed=True)

    # -- pooling --------------------------------------------------------------------------------

    def _pool(self, x: Nodes, stencils: Sequence[Stencil], mode: str, name: str) -> Nodes:
        """Pool the last axes; all other axes but the batch are channels."""
        rank = len(stencils)
        lead, spatial = x.shape[:-rank], x.shape[-rank:]
        rows = x.ids.reshape(-1, *spatial)
        sample = rows[: max(len(rows) // self.batch, 1)]
        made = self.builder.pool(name, sample, tuple(stencils), mode)
        return self._batched(made, (*lead, *made.shape[1:]))

    def _op_MaxPool(self, call: Call) -> Any:
        x: Nodes = call.inputs[0]
        windows = pool_windows(call, x.shape[2:])
        return self._pool(x, [Stencil.of_window(w) for w, _ in windows], "max", call.name)

    def _op_AveragePool(self, call: Call) -> Any:
        x: Nodes = call.inputs[0]
        return self._pool(x, average_stencils(call, x.shape[2:]), "average", call.name)

    def _global(self, call: Call, mode: str) -> Any:
        x: Nodes = call.inputs[0]
        stencils = [Stencil.adaptive(n, 1, average=mode == "average") for n in x.shape[2:]]
        return self._pool(x, stencils, mode, call.name)

    def _op_GlobalAveragePool(self, call: Call) -> Any:
        return self._global(call, "average")

    def _op_GlobalMaxPool(self, call: Call) -> Any:
        return self._global(call, "max")

    def _reduce(self, call: Call, mode: str) -> Any:
        """Pool whole axes away: a mean, a maximum or a sum over some of them."""
        x, given = call.inputs[0], call.constant(1, "axes")
        if not isinstance(x, Nodes) or isinstance(call.input(1), Nodes):
            return None
        ndim = len(x.shape)
        axes = [] if given is None else sorted({int(a) % ndim for a in np.ravel(given)})
        if not axes and call.get("noop_with_empty_axes", 0):
            return x
        keep = call.get("keepdims", 1)
        whole = not axes
        axes = axes or list(range(min(1, ndim - 1), ndim))
        mixes = 0 in axes and ndim > 1 and x.shape[0] == self.batch
        if mixes or (whole and ndim > 1 and x.shape[0] != 1):
            return None
        kept = [d for d in range(ndim) if d not in axes]
        moved = Nodes(x.ids.transpose(*kept, *axes))
        stencils = [Stencil.adaptive(x.shape[d], 1, average=mode == "average") for d in axes]
        ids = self._pool(moved, stencils, mode, call.name).ids
        if keep:
            return Nodes(ids.reshape([1 if d in axes else x.shape[d] for d in range(ndim)]))
        return Nodes(ids.reshape([] if whole else [x.shape[d] for d in kept]))

    def _op_ReduceMean(self, call: Call) -> Any:
        return self._reduce(call, "average")

    def _op_ReduceSum(self, call: Call) -> Any:
        return self._reduce(call, "sum")

    def _op_ReduceMax(self, call: Call) -> Any:
        return self._reduce(call, "max")

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
        """The larger of a neuron and a constant is an activation."""
        return self._activate(call, "clamp")

    _op_Min = _op_Max

    def _scale(
        self, x: Nodes, weight: Recipe | None, bias: Recipe | None, name: str, **kind: Any
    ) -> Any:
        """Apply y = w ⊙ x + b to every sample; w and b broadcast against a sample."""
        sample = self._sample(x)
        weight, bias = (_for_sample(recipe, sample.ndim) for recipe in (weight, bias))
        for recipe in (weight, bias):
            if recipe is not None and not _fits(recipe.shape, sample.shape):
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

    def _keep_norm(self, x: Nodes, gain: Recipe | None, shift: Recipe | None, name: str) -> Any:
        """Keep the gain of a norm as a block: its statistics depend on the data."""
        named = shift if gain is None else gain
        if named is None:
            return x
        name = name_of(named, name)
        return self._scale(x, gain, shift, name, kind="norm", foldable=False)

    def _op_LayerNormalization(self, call: Call) -> Any:
        x, *others = call.inputs
        if not isinstance(x, Nodes) or any(isinstance(v, Nodes) for v in others):
            return None
        gain, shift = (None if call.input(k) is None else self._recipe(call.input(k))
                       for k in (1, 2))  # fmt: skip
        return self._keep_norm(x, gain, shift, call.name)

    _op_RMSNormalization = _op_LayerNormalization

    def _op_InstanceNormalization(self, call: Call) -> Any:
        """Keep the gain of an instance norm or group norm, one a channel or a group."""
        x, *others = call.inputs
        if not isinstance(x, Nodes) or any(isinstance(v, Nodes) for v in others):
            return None
        channels, rest = x.shape[1], (1,) * (len(x.shape) - 2)
        gain, shift = (_by_channel(self._recipe(v), channels).reshape((channels, *rest))
                       for v in others)  # fmt: skip
        return self._keep_norm(x, gain, shift, call.name)

    _op_GroupNormalization = _op_InstanceNormalization

    def _op_Add(self, call: Call) -> Any:
        return self._plus(*call.inputs, 1.0, call.name)

    def _op_Sub(self, call: Call) -> Any:
        return self._plus(*call.inputs, -1.0, call.name)

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

    # -- everything else ----------------------------------------------------------------------------

    def _unknown(self, call: Call, shapes: list[tuple[int, ...]]) -> list[Any]:
        """Cut the graph at an operation that is not known, and say so."""
        operation = f"{call.node.domain}.{call.operation}".removeprefix(".")
        reason = (
            f"{operation} is not a known linear or elementwise operation of these inputs; "
            "the graph is cut here"
        )
        for value in call.inputs:
            if isinstance(value, Recipe):
                self.builder.skip(value, f"read by {operation}, which is not known")
        made: list[Any] = []
        for name, shape in zip(call.node.output, shapes, strict=True):
            sample = shape[1:] if len(shape) > 1 and shape[0] == self.batch else shape
            ids = self.builder.opaque(call.name, sample, operation, reason) if name else None
            made.append(None if ids is None else self._batched(ids, shape))
        return made


def name_of(recipe: Recipe, default: str) -> str:
    """Name an operation after the module its weight belongs to: ``conv1.weight`` is conv1's."""
    for parameter in recipe.parameters():
        prefix, dot, _ = parameter.name.rpartition(".")
        if (dot and parameter.trainable) or (dot and "running" in parameter.name):
            return prefix
    return default


def _single(n: int) -> Any:
    from cntgraph.blocks import Window

    return Window(n, n, 1)


def _learned(recipe: Recipe) -> bool:
    return any(parameter.trainable for parameter in recipe.parameters())


def _shape_of(value: Any) -> tuple[int, ...]:
    return () if value is None else tuple(np.shape(value))


def _fits(shape: tuple[int, ...], sample: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, sample) == sample
    except ValueError:
        return False


def _for_sample(recipe: Recipe | None, ndim: int) -> Recipe | None:
    """Drop the leading axes of length one that a sample does not have."""
    if recipe is None:
        return None
    shape = recipe.shape
    while len(shape) > ndim and shape[0] == 1:
        shape = shape[1:]
    return recipe.reshape(shape)


def _by_channel(recipe: Recipe, channels: int) -> Recipe:
    """Return one value a channel where there is one a group."""
    groups = recipe.shape[0]
    if groups == channels:
        return recipe
    ones = Recipe.constant(np.ones((1, channels // groups)))
    return (recipe.reshape((groups, 1)) * ones).reshape((channels,))
