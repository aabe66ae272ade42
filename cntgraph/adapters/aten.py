"""Following node ids through ATen operations, PyTorch's own vocabulary.

Three things flow through a model: `Nodes` (ids of neurons, in a tensor of the same shape as the
values they stand for), `Recipe` (a function of parameters) and plain tensors (constants). A call
of `AtenTracer.call` takes one operation with such arguments and returns what it yields.
Whatever only moves data is carried out by PyTorch on the ids themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cntgraph.adapters.base import Builder
from cntgraph.adapters.tensors import stored_array
from cntgraph.blocks import Stencil, Window
from cntgraph.recipe import Recipe

Ids = NDArray[np.int64]


@dataclass
class Nodes:
    """Node ids in a tensor, -1 where there is no node; in-place operations change it."""

    ids: torch.Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor the nodes stand for, the batch dimension included."""
        return tuple(self.ids.shape)


@dataclass(frozen=True)
class Place:
    """Where in the model an operation stands: the module's path, and whether it is a leaf."""

    path: str = ""
    leaf: bool = False

    def name(self, operation: str) -> str:
        """Return a name for an operation: its module's, or the operation's own."""
        if self.leaf and self.path:
            return self.path
        return f"{self.path}.{operation}" if self.path else operation


#: Operations that move or copy values, computing nothing.
MOVEMENT = frozenset(
    [
        "alias",
        "as_strided",
        "broadcast_to",
        "cat",
        "chunk",
        "channel_shuffle",
        "clone",
        "concat",
        "concatenate",
        "contiguous",
        "detach",
        "detach_",
        "expand",
        "expand_as",
        "flatten",
        "flip",
        "gather",
        "index",
        "index_select",
        "lift",
        "lift_fresh",
        "lift_fresh_copy",
        "movedim",
        "narrow",
        "narrow_copy",
        "numpy_T",
        "permute",
        "permute_copy",
        "pixel_shuffle",
        "pixel_unshuffle",
        "reflection_pad1d",
        "reflection_pad2d",
        "reflection_pad3d",
        "repeat",
        "repeat_interleave",
        "replication_pad1d",
        "replication_pad2d",
        "replication_pad3d",
        "reshape",
        "reshape_as",
        "roll",
        "rot90",
        "select",
        "select_copy",
        "slice",
        "slice_copy",
        "split",
        "split_copy",
        "split_with_sizes",
        "squeeze",
        "squeeze_",
        "squeeze_copy",
        "stack",
        "swapaxes",
        "swapdims",
        "t",
        "t_",
        "take_along_dim",
        "tensor_split",
        "tile",
        "transpose",
        "transpose_",
        "transpose_copy",
        "unbind",
        "unflatten",
        "unfold",
        "unsqueeze",
        "unsqueeze_",
        "unsqueeze_copy",
        "unsafe_chunk",
        "unsafe_split",
        "unsafe_split_with_sizes",
        "_unsafe_view",
        "view",
        "view_as",
        "view_copy",
        "_reshape_alias",
        "channels_last",
    ]
)

#: Operations whose result is their first argument, value by value.
IDENTITY = frozenset(
    [
        "to",
        "_to_copy",
        "type_as",
        "dropout",
        "dropout_",
        "native_dropout",
        "feature_dropout",
        "alpha_dropout",
        "feature_alpha_dropout",
        "dropout2d",
        "dropout3d",
        "_assert_tensor_metadata",
        "float",
        "double",
        "half",
        "native_alpha_dropout",
    ]
)

#: Elementwise functions of one neuron, and normalisations over the outputs.
ACTIVATIONS = frozenset(
    [
        "abs",
        "acos",
        "asin",
        "atan",
        "celu",
        "clamp",
        "clamp_max",
        "clamp_min",
        "cos",
        "cosh",
        "elu",
        "erf",
        "exp",
        "exp2",
        "expm1",
        "gelu",
        "hardshrink",
        "hardsigmoid",
        "hardswish",
        "hardtanh",
        "leaky_relu",
        "log",
        "log10",
        "log1p",
        "log2",
        "log_sigmoid",
        "log_softmax",
        "logit",
        "mish",
        "pow",
        "prelu",
        "reciprocal",
        "relu",
        "relu6",
        "rrelu",
        "rsqrt",
        "selu",
        "sigmoid",
        "silu",
        "sin",
        "sinh",
        "softmax",
        "softplus",
        "softshrink",
        "softsign",
        "sqrt",
        "square",
        "tan",
        "tanh",
        "tanhshrink",
        "threshold",
        "_softmax",
        "_log_softmax",
        "_safe_softmax",
        "_prelu_kernel",
        "rrelu_with_noise",
    ]
)

_BATCH_NORMS = frozenset(
    [
        "batch_norm",
        "native_batch_norm",
        "cudnn_batch_norm",
        "miopen_batch_norm",
        "_native_batch_norm_legit_no_training",
    ]
)


class AtenTracer:
    """Turns ATen operations into calls of a `Builder`.

    Parameters
    ----------
    builder : Builder
        What the network is built with.
    batch : int, default 1
        Size of the batch dimension; the samples of a batch are the same nodes.
    """

    def __init__(self, builder: Builder, batch: int = 1) -> None:
        self.builder, self.batch = builder, batch

    def input(self, name: str, shape: Sequence[int]) -> Nodes:
        """Return the nodes of an input of `shape`, the batch dimension included."""
        if len(shape) < 2:
            return Nodes(torch.from_numpy(self.builder.input(name, shape)))
        ids = torch.from_numpy(self.builder.input(name, shape[1:]))
        return Nodes(ids.expand(shape[0], *ids.shape).clone())

    def output(self, value: Any) -> None:
        """Say that the model returns `value`: nodes, or any nesting of them."""
        if isinstance(value, Nodes):
            self.builder.output(self._sample(value))
        elif isinstance(value, dict):
            self.output(list(value.values()))
        elif isinstance(value, list | tuple):
            for item in value:
                self.output(item)

    def call(
        self,
        operation: Any,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        place: Place,
        shapes: Callable[[], Any],
    ) -> Any:
        """Return what an operation yields, following ids.

        Parameters
        ----------
        operation : torch._ops.OpOverload
            The operation.
        args, kwargs
            Its arguments: `Nodes`, `Recipe`, tensors, numbers, and lists of them.
        place : Place
            Where it stands in the model.
        shapes : callable
            Returns the shape of its result, or a list of shapes; called only for an operation
            that is not known.

        Returns
        -------
        Nodes, Recipe, or a list of them
        """
        name = operation._schema.name.rpartition("::")[2]
        named = _named_arguments(operation, args, kwargs)
        if not any(isinstance(value, Nodes) for value in _flat(named.values())):
            return self._on_recipes(name, named, operation, args, kwargs)
        result = self._dispatch(name, named, operation, args, kwargs, place, shapes)
        return self._in_place(name, named, result)

    def _dispatch(
        self, name: str, a: dict[str, Any], operation: Any, args: Any, kwargs: Any,
        place: Place, shapes: Callable[[], Any],
    ) -> Any:  # fmt: skip
        base = name if name in MOVEMENT or name in IDENTITY else name.rstrip("_")
        if base in MOVEMENT and not _data_dependent(a):
            return self._move(operation, args, kwargs)
        first = next(iter(a.values()))
        if base in IDENTITY and isinstance(first, Nodes):
            return [first, None] if len(operation._schema.returns) > 1 else first
        if base in ACTIVATIONS and isinstance(first, Nodes):
            return self._activate(base.strip("_"), a)
        handler = getattr(self, f"_op_{base.strip('_')}", None)
        if base in _BATCH_NORMS:
            handler = self._batch_norm
        result = handler(a, place.name(base.strip("_"))) if handler else None
        if result is None:
            return self._unknown(name, a, place, shapes())
        # Statistics and indices come along in a tuple; nothing reads them as neurons.
        extra = len(operation._schema.returns) - 1
        return [result] + [None] * extra if extra else result

    def _in_place(self, name: str, a: dict[str, Any], result: Any) -> Any:
        """Let an in-place operation change what every alias of its first argument sees."""
        first = next(iter(a.values()))
        changes = name.endswith("_") and not name.endswith("__") and name not in MOVEMENT
        if changes and isinstance(first, Nodes) and isinstance(result, Nodes):
            if result is not first:
                first.ids.copy_(result.ids)
            return first
        return result

    # -- samples and batches ----------------------------------------------------------------

    def _sample(self, nodes: Nodes) -> Ids:
        """Return the ids of one sample, without the batch dimension."""
        ids = nodes.ids
        if ids.ndim and ids.shape[0] % self.batch == 0:
            ids = ids[: ids.shape[0] // self.batch]
        if ids.ndim > 1 and ids.shape[0] == 1:
            ids = ids[0]
        return ids.numpy()

    def _batched(self, ids: Ids, shape: Sequence[int]) -> Nodes:
        """Return the ids of one sample repeated over the batch, in the shape of a tensor."""
        sample = torch.from_numpy(np.ascontiguousarray(ids)).reshape(-1)
        copies = prod(shape) // max(sample.numel(), 1)
        repeated = sample.repeat(copies) if copies > 1 else sample
        return Nodes(repeated.reshape(tuple(shape)))

    # -- data movement ------------------------------------------------------------------------

    def _move(self, operation: Any, args: Any, kwargs: Any) -> Any:
        moved = operation(*_map(args, self._as_ids), **_map(kwargs, self._as_ids))
        return _map(moved, Nodes, of=torch.Tensor)

    def _as_ids(self, value: Any) -> Any:
        if isinstance(value, Nodes):
            return value.ids
        if isinstance(value, Recipe):
            self.builder.skip(value, "a learned constant joined to nodes is not a node")
            return torch.full(value.shape, -1, dtype=torch.int64)
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            return torch.full(value.shape, -1, dtype=torch.int64)
        if isinstance(value, torch.Tensor):
            return value.cpu()
        return value

    def _op_constant_pad_nd(self, a: dict[str, Any], name: str) -> Nodes:
        padded = torch.nn.functional.pad(a["self"].ids, a["pad"], value=-1)
        return Nodes(padded)

    def _op_pad(self, a: dict[str, Any], name: str) -> Nodes:
        mode = a.get("mode", "constant")
        ids = a["self"].ids
        if mode == "constant":
            return Nodes(torch.nn.functional.pad(ids, a["pad"], value=-1))
        exact = torch.nn.functional.pad(ids.double(), a["pad"], mode=mode)
        return Nodes(exact.long())

    def _op_copy(self, a: dict[str, Any], name: str) -> Nodes:
        source = self._as_ids(a["src"])
        return Nodes(source.expand(a["self"].shape).clone())

    def _op_fill(self, a: dict[str, Any], name: str) -> Nodes:
        """Writing a constant over neurons takes them away."""
        return Nodes(torch.full_like(a["self"].ids, -1))

    _op_zero = _op_fill

    def _op_masked_fill(self, a: dict[str, Any], name: str) -> Any:
        if not isinstance(a["mask"], torch.Tensor) or not isinstance(a["self"], Nodes):
            return None
        return Nodes(a["self"].ids.masked_fill(a["mask"].cpu(), -1))

    # -- on parameters alone --------------------------------------------------------------------

    def _on_recipes(self, name: str, a: dict[str, Any], op: Any, args: Any, kwargs: Any) -> Any:
        """Return the recipe of an operation on parameters, or None where there is none."""
        first = next(iter(a.values()), None)
        if not isinstance(first, Recipe):
            first = next((v for v in a.values() if isinstance(v, Recipe)), None)
        if first is None:
            return None
        if name in MOVEMENT or name in ("to", "_to_copy", "type_as"):
            return _move_recipe(name, first, op, args, kwargs)
        return _compute_recipe(name, a)

    # -- affine operations ------------------------------------------------------------------------

    def _op_linear(self, a: dict[str, Any], name: str) -> Any:
        return self._linear(a["input"], a["weight"], a.get("bias"), name)

    def _op_addmm(self, a: dict[str, Any], name: str) -> Any:
        bias, weight = a["self"], a["mat2"]
        if isinstance(bias, Nodes) or not isinstance(weight, Recipe | torch.Tensor):
            return None
        if a.get("beta", 1) != 1 or a.get("alpha", 1) != 1:
            return None
        return self._linear(a["mat1"], self._transposed(weight), bias, name)

    def _op_mm(self, a: dict[str, Any], name: str) -> Any:
        left, right = a["self"], a.get("mat2", a.get("other", a.get("vec")))
        if isinstance(left, Nodes) and isinstance(right, Recipe | torch.Tensor):
            if len(right.shape) == 2:
                return self._linear(left, self._transposed(right), None, name)
        return None

    _op_matmul = _op_mm

    def _transposed(self, weight: Recipe | torch.Tensor) -> Recipe:
        return self._recipe(weight).transpose((1, 0))

    def _recipe(self, value: Any) -> Recipe:
        """Return a parameter, a constant tensor or a number as a recipe."""
        if isinstance(value, Recipe):
            return value
        if isinstance(value, torch.Tensor) and value.numel() > 64:
            return self.builder.constant("constant", *stored_array(value))
        if isinstance(value, torch.Tensor):
            return Recipe.constant(value.detach().cpu().double().numpy())
        return Recipe.constant(float(value))

    def _linear(self, x: Any, weight: Any, bias: Any, name: str) -> Any:
        if not isinstance(x, Nodes) or isinstance(weight, Nodes):
            return None
        weight = self._recipe(weight)
        name = _name_of(weight, name)
        n_out, n_in = weight.shape
        rows = x.ids.reshape(-1, n_in)
        rows = rows[: max(len(rows) // self.batch, 1)]
        lead = x.shape[:-1]
        positions = lead[1:] if lead and lead[0] == self.batch else (len(rows),)
        vector = None if bias is None else self._recipe(bias).reshape((-1,))
        ids = self.builder.linear(name, rows.numpy().reshape(*positions, n_in), weight, vector)
        return self._batched(ids, (*lead, n_out))

    def _op_convolution(self, a: dict[str, Any], name: str) -> Any:
        x, weight = a["input"], a["weight"]
        if not isinstance(x, Nodes) or isinstance(weight, Nodes):
            return None
        weight = self._recipe(weight)
        rank = len(weight.shape) - 2
        batched = x.ids.ndim == rank + 2
        ids = x.ids[0] if batched else x.ids
        transposed = bool(a.get("transposed", False))
        windows = _windows(a, tuple(ids.shape[1:]), weight.shape[2:], transposed)
        bias = None if a.get("bias") is None else self._recipe(a["bias"])
        made = self.builder.conv(
            _name_of(weight, name), ids.numpy(), weight, bias, windows,
            groups=a.get("groups", 1), transposed=transposed,
        )  # fmt: skip
        lead = (x.shape[0],) if batched else ()
        return self._batched(made, (*lead, *made.shape))

    _op_conv1d = _op_conv2d = _op_conv3d = _op_convolution

    def _op_conv_transpose1d(self, a: dict[str, Any], name: str) -> Any:
        return self._op_convolution({**a, "transposed": True}, name)

    _op_conv_transpose2d = _op_conv_transpose3d = _op_conv_transpose1d

    # -- pooling --------------------------------------------------------------------------------

    def _pool(self, x: Nodes, stencils: Sequence[Stencil], mode: str, name: str) -> Nodes:
        """Pool the last axes; all other axes but the batch are channels."""
        rank = len(stencils)
        lead, spatial = x.shape[:-rank], x.shape[-rank:]
        rows = x.ids.reshape(-1, *spatial)
        sample = rows[: max(len(rows) // self.batch, 1)].numpy()
        made = self.builder.pool(name, sample, tuple(stencils), mode)
        return self._batched(made, (*lead, *made.shape[1:]))

    def _op_max_pool2d(self, a: dict[str, Any], name: str) -> Any:
        x: Nodes = a["self"]
        windows = _pool_windows(a, x.shape)
        return self._pool(x, [Stencil.of_window(w) for w in windows], "max", name)

    _op_max_pool1d = _op_max_pool3d = _op_max_pool2d

    def _op_max_pool2d_with_indices(self, a: dict[str, Any], name: str) -> Any:
        return self._op_max_pool2d(a, name.replace("_with_indices", ""))

    _op_max_pool1d_with_indices = _op_max_pool3d_with_indices = _op_max_pool2d_with_indices

    def _op_avg_pool2d(self, a: dict[str, Any], name: str) -> Any:
        x: Nodes = a["self"]
        windows, override = _pool_windows(a, x.shape), a.get("divisor_override")
        if override:
            # One division serves all axes: it is put on the first.
            divisors = [np.full(w.coarse, float(override) if k == 0 else 1.0)
                        for k, w in enumerate(windows)]  # fmt: skip
        else:
            include = bool(a.get("count_include_pad", True))
            divisors = [_divisor(w, p, include) for w, p in zip(windows, _paddings(a), strict=True)]
        stencils = [Stencil.of_window(w, d) for w, d in zip(windows, divisors, strict=True)]
        return self._pool(x, stencils, "average", name)

    _op_avg_pool1d = _op_avg_pool3d = _op_avg_pool2d

    def _adaptive(self, a: dict[str, Any], name: str, mode: str) -> Nodes:
        x: Nodes = a["self"]
        sizes = [a["output_size"]] if isinstance(a["output_size"], int) else a["output_size"]
        spatial = x.shape[-len(sizes) :]
        pairs = [(n, n if m is None else m) for n, m in zip(spatial, sizes, strict=True)]
        stencils = [Stencil.adaptive(n, m, average=mode == "average") for n, m in pairs]
        return self._pool(x, stencils, mode, name)

    def _op_adaptive_avg_pool2d(self, a: dict[str, Any], name: str) -> Any:
        return self._adaptive(a, name, "average")

    _op_adaptive_avg_pool1d = _op_adaptive_avg_pool3d = _op_adaptive_avg_pool2d

    def _op_adaptive_max_pool2d(self, a: dict[str, Any], name: str) -> Any:
        return self._adaptive(a, name, "max")

    _op_adaptive_max_pool1d = _op_adaptive_max_pool3d = _op_adaptive_max_pool2d

    def _reduce(self, a: dict[str, Any], name: str, mode: str) -> Any:
        """Pool whole axes away: a mean, a maximum or a sum over some of them."""
        x: Nodes = a["self"]
        ndim = len(x.shape)
        dims = a.get("dim")
        dims = [dims] if isinstance(dims, int) else dims
        axes = sorted({d % ndim for d in dims}) if dims else list(range(1, ndim))
        if (ndim > 1 and 0 in axes and x.shape[0] == self.batch) or not axes:
            return None
        kept = [d for d in range(ndim) if d not in axes]
        moved = Nodes(x.ids.permute(*kept, *axes))
        stencils = [Stencil.adaptive(x.shape[d], 1, average=mode == "average") for d in axes]
        made = self._pool(moved, stencils, mode, name).ids
        made = made.reshape([x.shape[d] for d in kept])
        if a.get("keepdim", False):
            made = made.reshape([1 if d in axes else x.shape[d] for d in range(ndim)])
        return Nodes(made)

    def _op_mean(self, a: dict[str, Any], name: str) -> Any:
        return self._reduce(a, name, "average")

    def _op_sum(self, a: dict[str, Any], name: str) -> Any:
        return self._reduce(a, name, "sum")

    def _op_amax(self, a: dict[str, Any], name: str) -> Any:
        return self._reduce(a, name, "max")

    # -- elementwise ------------------------------------------------------------------------------

    def _activate(self, name: str, a: dict[str, Any]) -> Any:
        nodes, *others = a.values()
        for value in others:
            if isinstance(value, Recipe):
                self.builder.skip(value, f"a coefficient of the activation {name}, not a weight")
        self.builder.activate(self._sample(nodes), "softmax" if name == "safe_softmax" else name)
        return nodes

    def _scale(
        self, x: Nodes, weight: Recipe | None, bias: Recipe | None, name: str, **kind: Any
    ) -> Any:
        """Apply y = w ⊙ x + b to every sample; w and b broadcast against a sample."""
        sample = self._sample(x)
        weight, bias = (self._for_sample(recipe, sample.ndim) for recipe in (weight, bias))
        for recipe in (weight, bias):
            if recipe is not None:
                try:
                    fits = np.broadcast_shapes(recipe.shape, sample.shape) == sample.shape
                except ValueError:
                    fits = False
                if not fits:
                    return None
        return self._batched(self.builder.scale(name, sample, weight, bias, **kind), x.shape)

    @staticmethod
    def _for_sample(recipe: Recipe | None, ndim: int) -> Recipe | None:
        """Drop the leading axes of length one that a sample does not have."""
        if recipe is None:
            return None
        shape = recipe.shape
        while len(shape) > ndim and shape[0] == 1:
            shape = shape[1:]
        return recipe.reshape(shape)

    def _batch_norm(self, a: dict[str, Any], name: str) -> Any:
        x = a.get("input", a.get("self"))
        mean, variance = a.get("running_mean"), a.get("running_var")
        if a.get("training") or mean is None or variance is None or not isinstance(x, Nodes):
            return None
        gain, shift = a.get("weight"), a.get("bias")
        deviation = (self._recipe(variance) + float(a.get("eps", a.get("epsilon")))).sqrt()
        scale = Recipe.constant(1.0) / deviation if gain is None else self._recipe(gain) / deviation
        offset = -(self._recipe(mean) * scale)
        if shift is not None:
            offset = offset + self._recipe(shift)
        shape = (-1,) + (1,) * (len(x.shape) - 2)
        name = _name_of(self._recipe(mean), name)
        made = self._scale(x, scale.reshape(shape), offset.reshape(shape), name, kind="norm")
        return made

    def _op_layer_norm(self, a: dict[str, Any], name: str) -> Any:
        """Keep the gain of a layer norm as a block: its statistics depend on the data."""
        gain, shift = (None if a.get(k) is None else self._recipe(a[k]) for k in ("weight", "bias"))
        if gain is None and shift is None:
            return a["input"]
        name = _name_of(shift if gain is None else gain, name)
        return self._scale(a["input"], gain, shift, name, kind="norm", foldable=False)

    _op_native_layer_norm = _op_layer_norm

    def _op_group_norm(self, a: dict[str, Any], name: str) -> Any:
        """Keep the gain of a group or instance norm, one a channel, as a block."""
        x, shape = a["input"], (-1,) + (1,) * (len(a["input"].shape) - 2)
        by_channel = {
            k: None if a.get(k) is None else self._recipe(a[k]).reshape(shape)
            for k in ("weight", "bias")
        }
        return self._op_layer_norm({"input": x, **by_channel}, name)

    _op_native_group_norm = _op_instance_norm = _op_group_norm

    def _op_add(self, a: dict[str, Any], name: str) -> Any:
        return self._plus(a["self"], a["other"], float(a.get("alpha", 1)), name)

    def _op_sub(self, a: dict[str, Any], name: str) -> Any:
        return self._plus(a["self"], a["other"], -float(a.get("alpha", 1)), name)

    def _op_rsub(self, a: dict[str, Any], name: str) -> Any:
        return self._minus_from(a["other"], a["self"], float(a.get("alpha", 1)), name)

    def _plus(self, left: Any, right: Any, sign: float, name: str) -> Any:
        if isinstance(left, Nodes) and isinstance(right, Nodes):
            left, right = _broadcast(left, right)
            signs = None if sign == 1.0 else (1.0, sign)
            samples = [self._sample(left), self._sample(right)]
            return self._batched(self.builder.add(name, samples, signs), left.shape)
        if isinstance(left, Nodes):
            constant = self._recipe(right)
            constant = constant if sign == 1.0 else constant * sign
            return self._scale(left, None, constant, name)
        if sign == 1.0:
            return self._scale(right, None, self._recipe(left), name)
        return self._minus_from(left, right, -sign, name)

    def _minus_from(self, left: Any, right: Any, sign: float, name: str) -> Any:
        """Return left - sign · right, where `right` is nodes."""
        if isinstance(left, Nodes):
            return self._plus(left, right, -sign, name)
        weight = Recipe.constant(-sign)
        return self._scale(right, weight, self._recipe(left), name, parametric=False)

    def _op_neg(self, a: dict[str, Any], name: str) -> Any:
        return self._scale(a["self"], Recipe.constant(-1.0), None, name, parametric=False)

    def _op_mul(self, a: dict[str, Any], name: str) -> Any:
        left, right = a["self"], a["other"]
        if isinstance(left, Nodes) and isinstance(right, Nodes):
            left, right = _broadcast(left, right)
            if torch.equal(left.ids, right.ids):
                return Nodes(torch.from_numpy(self._same(left, name)))
            samples = [self._sample(left), self._sample(right)]
            return self._batched(self.builder.multiply(name, samples), left.shape)
        nodes, factor = (left, right) if isinstance(left, Nodes) else (right, left)
        return self._scale(nodes, self._recipe(factor), None, name, parametric=_learned(factor))

    def _same(self, nodes: Nodes, name: str) -> Ids:
        """A product of two functions of the same neurons is an activation (as x · σ(x))."""
        self.builder.activate(self._sample(nodes), name.rpartition(".")[2])
        return nodes.ids.numpy()

    def _op_div(self, a: dict[str, Any], name: str) -> Any:
        left, right = a["self"], a["other"]
        if a.get("rounding_mode") is not None or not isinstance(left, Nodes):
            return None
        if isinstance(right, Nodes):
            return None
        weight = Recipe.constant(1.0) / self._recipe(right)
        return self._scale(left, weight, None, name, parametric=_learned(right))

    # -- everything else ----------------------------------------------------------------------------

    def _unknown(self, name: str, a: dict[str, Any], place: Place, shapes: Any) -> Any:
        """Cut the graph at an operation that is not known, and say so."""
        reason = (
            f"aten.{name} is not a known linear or elementwise operation; the graph is cut here"
        )
        for value in _flat(a.values()):
            if isinstance(value, Recipe):
                self.builder.skip(value, f"read by aten.{name}, which is not known")
        label = place.name(name.strip("_"))

        def cut(shape: tuple[int, ...]) -> Nodes:
            sample = (*shape[1:],) if len(shape) > 1 and shape[0] == self.batch else shape
            return self._batched(self.builder.opaque(label, sample, f"aten.{name}", reason), shape)

        if isinstance(shapes, list):
            return [None if shape is None else cut(shape) for shape in shapes]
        return cut(shapes)


def _data_dependent(a: dict[str, Any]) -> bool:
    """Whether neurons themselves say what is moved where."""
    indices = [a.get(key) for key in ("index", "indices")]
    return any(isinstance(value, Nodes) for value in _flat(indices))


# -- arguments ------------------------------------------------------------------------------------


def _named_arguments(operation: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments by name, with the schema's defaults."""
    schema = operation._schema.arguments
    named = {arg.name: arg.default_value for arg in schema if arg.has_default_value()}
    given = {arg.name: value for arg, value in zip(schema, args, strict=False)}
    ordered = {arg.name: None for arg in schema}
    return {**ordered, **named, **given, **kwargs}


def _flat(values: Any) -> Any:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _flat(value)
        else:
            yield value


def _map(value: Any, function: Callable[[Any], Any], of: Any = object) -> Any:
    """Apply a function to every leaf of nested lists, tuples and dicts."""
    if isinstance(value, list | tuple):
        return [_map(item, function, of) for item in value]
    if isinstance(value, dict):
        return {key: _map(item, function, of) for key, item in value.items()}
    return function(value) if isinstance(value, of) else value


def _broadcast(left: Nodes, right: Nodes) -> tuple[Nodes, Nodes]:
    a, b = torch.broadcast_tensors(left.ids, right.ids)
    return Nodes(a), Nodes(b)


def _learned(value: Any) -> bool:
    return isinstance(value, Recipe) and any(p.trainable for p in value.parameters())


def _name_of(recipe: Recipe, default: str) -> str:
    """Name an operation after the module its weight belongs to: ``conv1.weight`` is conv1's."""
    for parameter in recipe.parameters():
        prefix, dot, _ = parameter.name.rpartition(".")
        if (dot and parameter.trainable) or (dot and "running" in parameter.name):
            return prefix
    return default


# -- geometry --------------------------------------------------------------------------------------


def _tuple(value: Any, rank: int) -> tuple[int, ...]:
    values = [value] if isinstance(value, int) else list(value)
    return tuple(values * rank) if len(values) == 1 else tuple(values)


def _windows(
    a: dict[str, Any], spatial: tuple[int, ...], kernel: tuple[int, ...], transposed: bool
) -> tuple[Window, ...]:
    rank = len(kernel)
    stride, dilation = (_tuple(a.get(key, 1), rank) for key in ("stride", "dilation"))
    padding = a.get("padding", 0)
    if isinstance(padding, str):
        total = [d * (k - 1) if padding == "same" else 0 for d, k in zip(dilation, kernel)]
        before, after = [t // 2 for t in total], [t - t // 2 for t in total]
    else:
        before = after = list(_tuple(padding, rank))
    extra = _tuple(a.get("output_padding", 0), rank)
    windows = []
    for n, k, s, d, p, q, e in zip(spatial, kernel, stride, dilation, before, after, extra):
        reach = d * (k - 1) + 1
        if transposed:
            other = (n - 1) * s - p - q + reach + e
            windows.append(Window(other, n, k, s, d, p))
        else:
            windows.append(Window(n, (n + p + q - reach) // s + 1, k, s, d, p))
    return tuple(windows)


def _paddings(a: dict[str, Any]) -> tuple[int, ...]:
    kernel = a["kernel_size"]
    rank = 1 if isinstance(kernel, int) else len(kernel)
    return _tuple(a.get("padding") or 0, rank)


def _pool_windows(a: dict[str, Any], shape: tuple[int, ...]) -> list[Window]:
    kernel = _tuple(a["kernel_size"], 1)
    rank = len(kernel)
    stride = _tuple(a.get("stride") or kernel, rank)
    dilation = _tuple(a.get("dilation") or 1, rank)
    windows = []
    for n, k, s, d, p in zip(shape[-rank:], kernel, stride, dilation, _paddings(a), strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        out = room // s + 1
        if a.get("ceil_mode"):
            out = -(-room // s) + 1
            # PyTorch drops a last window that would start in the padding behind.
            out -= (out - 1) * s >= n + p
        windows.append(Window(n, out, k, s, d, p))
    return windows


def _divisor(window: Window, padding: int, include_padding: bool) -> NDArray[np.float64]:
    """Return what an average divides by: the window, less what lies beyond the padding."""
    if not include_padding:
        return window.coarse_cover.sum(axis=0).astype(np.float64)
    first = np.arange(window.coarse) * window.stride - window.before
    last = np.minimum(first + window.kernel, window.fine + padding)
    return (last - first).astype(np.float64)


# -- recipes ---------------------------------------------------------------------------------------

_SAME_ORDER = frozenset(
    [
        "view",
        "reshape",
        "_unsafe_view",
        "unsqueeze",
        "squeeze",
        "flatten",
        "unflatten",
        "view_copy",
        "unsqueeze_copy",
        "squeeze_copy",
        "_reshape_alias",
        "view_as",
        "reshape_as",
    ]
)
_PERMUTATIONS = frozenset(
    [
        "permute",
        "transpose",
        "swapaxes",
        "swapdims",
        "movedim",
        "permute_copy",
        "transpose_copy",
        "t",
        "numpy_T",
    ]
)
_PARTS = frozenset(
    [
        "slice",
        "narrow",
        "split",
        "split_with_sizes",
        "chunk",
        "tensor_split",
        "unsafe_split",
        "unsafe_chunk",
        "unsafe_split_with_sizes",
        "slice_copy",
        "split_copy",
        "narrow_copy",
    ]
)
_UNCHANGED = frozenset(
    ["to", "_to_copy", "type_as", "clone", "detach", "alias", "contiguous", "lift_fresh"]
)


def _move_recipe(name: str, recipe: Recipe, op: Any, args: Any, kwargs: Any) -> Any:
    """Return the recipe of a movement of a parameter, or None if it is not a known one."""
    parts = [value for value in _flat(args) if isinstance(value, Recipe)]
    if name in ("cat", "concat", "concatenate") and len(parts) == len(args[0]):
        return Recipe.concatenate(tuple(parts), args[1] if len(args) > 1 else kwargs.get("dim", 0))
    if len(parts) != 1:
        return None
    if name in _UNCHANGED:
        return recipe
    if name in ("expand", "expand_as", "broadcast_to"):
        return recipe  # recipes broadcast by themselves

    def run(shape: Sequence[int]) -> Any:
        meta = torch.empty(tuple(shape), device="meta")
        return op(*_map(args, lambda v: meta if isinstance(v, Recipe) else v), **kwargs)

    if name in _SAME_ORDER:
        return recipe.reshape(tuple(run(recipe.shape).shape))
    if name in _PERMUTATIONS:
        # Sizes that name the axes: the result's shape is the permutation.
        return recipe.transpose(tuple(n - 2 for n in run(range(2, len(recipe.shape) + 2)).shape))
    if name in _PARTS:
        moved = run(recipe.shape)
        if isinstance(moved, torch.Tensor):
            return _cut(recipe, moved)
        return [_cut(recipe, part) for part in moved]
    return None


def _cut(recipe: Recipe, part: torch.Tensor) -> Recipe | None:
    """Return the part of a recipe that a view of a contiguous tensor of its shape shows."""
    axes = [k for k, (n, m) in enumerate(zip(recipe.shape, part.shape, strict=True)) if n != m]
    if not axes:
        return recipe
    (axis,) = axes if len(axes) == 1 else (0,)
    whole = prod(recipe.shape[axis + 1 :])
    step = part.stride(axis) // whole if part.shape[axis] > 1 else 1
    start = part.storage_offset() // whole
    return recipe.take(axis, start, start + step * (part.shape[axis] - 1) + 1, step)


def _compute_recipe(name: str, a: dict[str, Any]) -> Recipe | None:
    """Return the recipe of arithmetic on parameters, or None if it is not a known one."""
    if a.get("alpha", 1) != 1 or a.get("rounding_mode") is not None:
        return None
    operands = [_operand(v) for v in (a.get("self"), a.get("other")) if v is not None]
    if len(operands) == 1 and name in ("neg", "sqrt", "abs"):
        (x,) = operands
        return {"neg": x.__neg__, "sqrt": x.sqrt, "abs": x.__abs__}[name]()
    if len(operands) == 2 and name in ("add", "sub", "mul", "div"):
        left, right = operands
        return {
            "add": left.__add__,
            "sub": left.__sub__,
            "mul": left.__mul__,
            "div": left.__truediv__,
        }[name](right)
    return None


def _operand(value: Any) -> Recipe:
    if isinstance(value, Recipe):
        return value
    if isinstance(value, torch.Tensor):
        return Recipe.constant(value.detach().cpu().double().numpy())
    return Recipe.constant(value)
