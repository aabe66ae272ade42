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
from onnx import helper

from cntgraph.adapters.onnx.elementwise import ACTIVATIONS, Elementwise
from cntgraph.adapters.onnx.geometry import (
    average_stencils,
    conv_windows,
    pool_windows,
    transposed_windows,
)
from cntgraph.adapters.onnx.names import name_of
from cntgraph.adapters.onnx.values import (
    Call,
    Ids,
    Nodes,
    compute,
    compute_weights,
    concrete,
    on_recipes,
    refuse_above,
    run,
)
from cntgraph.blocks import Stencil, Window
from cntgraph.recipe import Recipe

#: Operations that move or copy values, and which of their inputs are the values.
MOVEMENT: dict[str, tuple[int, ...]] = {
    "CenterCropPad": (0,), "Compress": (0,), "DepthToSpace": (0,), "Expand": (0,),
    "Flatten": (0,), "Gather": (0,), "GatherElements": (0,), "GatherND": (0,), "Reshape": (0,),
    "ReverseSequence": (0,), "ScatterElements": (0, 2), "ScatterND": (0, 2), "Slice": (0,),
    "SpaceToDepth": (0,), "Split": (0,), "Squeeze": (0,), "Tile": (0,), "Transpose": (0,),
    "Trilu": (0,), "Unsqueeze": (0,), "Where": (1, 2),
}  # fmt: skip

_FILLS = ("CenterCropPad", "Resize", "Trilu")

#: Operations whose result is their first input, value by value. The two of quantisation are so
#: up to rounding.
IDENTITY = frozenset(
    ["Cast", "CastLike", "DequantizeLinear", "Dropout", "Identity", "QuantizeLinear"]
)


class OnnxTracer(Elementwise):
    """Turns ONNX operations into calls of a `Builder`.

    Parameters
    ----------
    builder : Builder
        What the network is built with.
    """

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
        if operation == "CastLike":  # a constant in the type of neurons, which is a float's
            return first if isinstance(first, Recipe) else np.asarray(first).astype(np.float32)
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

    # -- data movement ------------------------------------------------------------------------

    def _move(self, call: Call, data: Sequence[int]) -> Any:
        moved_by = [v for k, v in enumerate(call.inputs) if k not in data]
        moves = any(isinstance(v, Nodes) for k, v in enumerate(call.inputs) if k in data)
        if not moves or any(isinstance(value, Nodes) for value in moved_by):
            return None  # neurons themselves say what is moved where
        if call.get("reduction", "none") != "none":
            return None
        inputs = [
            self._as_ids(v) if k in data else None if v is None else concrete(v)
            for k, v in enumerate(call.inputs)
        ]
        if call.operation not in _FILLS:
            return [Nodes(ids) for ids in run(call, inputs)]
        # What it fills up with is zero: one more for every node leaves zero free.
        inputs = [v + 1 if k in data and v is not None else v for k, v in enumerate(inputs)]
        return [Nodes(ids - 1) for ids in run(call, inputs)]

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
        crop = tuple(
            slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(widths, x.shape, strict=True)
        )
        widths = [[max(a, 0), max(b, 0)] for a, b in widths]
        grown = (n + a + b for n, (a, b) in zip(x.ids[crop].shape, widths, strict=True))
        refuse_above(prod(grown), call)
        mode = call.get("mode", "constant")
        fill = {"constant_values": -1} if mode == "constant" else {}
        return Nodes(np.pad(x.ids[crop], widths, mode=mode, **fill))

    def _op_Resize(self, call: Call) -> Any:
        """Repeat the nearest node; between nodes, a resizing is not a movement."""
        if call.get("mode", "nearest") != "nearest":
            return None
        if call.operation == "Resize" and call.opset > 10:
            return self._move(call, (0,))
        x, scales = call.inputs[0], call.constant(1, "scales")
        node = helper.make_node(
            "Resize", ["x", "", "scales"], ["y"], mode="nearest", nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )  # fmt: skip
        factors = np.asarray(scales, dtype=np.float32)
        return self._move(Call(node, [x, None, factors], call.name, 13), (0,))

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
            ids, windows = np.moveaxis(ids, 1, 0), (Window(many, many, 1), *windows)
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

    # -- everything else ------------------------------------------------------------------------

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
