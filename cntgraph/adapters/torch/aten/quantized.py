"""Quantization: neurons are the values that whole numbers stand for, and so are weights.

Rounding an activation is no edge; of a weight that is trained with rounding it is a function.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from cntgraph.adapters.torch.aten.elementwise import activation, batch_norm, group_norm, layer_norm
from cntgraph.adapters.torch.aten.movement import concatenate
from cntgraph.adapters.torch.aten.operations import Handler, handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments
from cntgraph.adapters.torch.aten.windows import convolution
from cntgraph.adapters.torch.tensors import parameter_of
from cntgraph.adapters.tracing import activations, arithmetic, contraction
from cntgraph.adapters.tracing.values import Neurons
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.functions import stepped
from cntgraph.network.activations import activation_name

# -- training with rounding ---------------------------------------------------------------------


@handles(
    "fake_quantize_per_tensor_affine", "fake_quantize_per_channel_affine",
    "fused_moving_avg_obs_fq_helper", of_weights=True,
)  # fmt: skip
def fake_quantize(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Round to steps within bounds, unless that is switched off or no step is known so far."""
    x, scale, zero = a["self"], a["scale"], a["zero_point"]
    if isinstance(x, Neurons):
        return activations.activate(t, x, "fake_quantize", [scale, zero])
    switch, lowest = t.array(a.get("fake_quant_on")), a.get("running_min")
    is_unknown = lowest is not None and not np.isfinite(t.recipe(lowest).read()).all()
    if is_unknown or (switch is not None and not switch.any()):
        return x
    axis = a.get("axis", a.get("ch_axis") if a.get("per_row_fake_quant") else None)
    shape = tuple(-1 if k == axis else 1 for k in range(len(x.shape)))
    step, offset = (t.recipe(value).reshape(shape) for value in (scale, zero))
    return stepped(t.recipe(x), step, offset, a["quant_min"], a["quant_max"])


def _with_relu(kinds: Iterable[str], handler: Handler, endings: Iterable[str] = ("",)) -> None:
    """Register the handler of operations, and of the same with a ReLU behind them."""

    def rectified(t: AtenTracer, a: Arguments, name: str) -> Any:
        return activations.activate(t, handler(t, a, name), "relu")

    for relu, function in (("", handler), ("_relu", rectified)):
        handles(*(f"quantized.{kind}{relu}{end}" for kind in kinds for end in endings))(function)


# -- layers of whole numbers, whose weights are packed --------------------------------------------


def _linear(t: AtenTracer, a: Arguments, name: str) -> Any:
    x, packed, *_ = a.values()
    weight, bias = _unpacked(t, packed, name)
    return contraction.linear(t, x, weight, bias, name)


def _convolution(t: AtenTracer, a: Arguments, name: str, *, rank: int) -> Any:
    x, packed, *_ = a.values()
    weight, bias = _unpacked(t, packed, name)
    sliding = {key: getattr(packed, key)()[-rank:]
               for key in ("stride", "padding", "dilation", "output_padding")}  # fmt: skip
    settings = {"groups": packed.groups(), "transposed": packed.transpose()}
    return convolution(t, {"input": x, "weight": weight, "bias": bias, **sliding, **settings}, name)


def _unpacked(t: AtenTracer, packed: Any, name: str) -> tuple[Recipe, Recipe | None]:
    """Return the weight and the bias of a layer as parameters of its module."""
    weight, bias = packed.unpack()
    path = t.place.path or name
    return _stored(t, f"{path}.weight", weight), _stored(t, f"{path}.bias", bias)


def _stored(t: AtenTracer, name: str, value: torch.Tensor | None) -> Any:
    if value is None:
        return None
    plain = value.detach().dequantize() if value.is_quantized else value.detach()
    parameter = parameter_of(name, plain, trainable=True)
    known = t.builder.parameters.get(name)
    if known is not None and np.array_equal(known.raw(), parameter.raw()):
        return Recipe.of(known)  # the module is called again
    name = name if known is None else t.builder.unique(name)
    return Recipe.of(t.builder.parameter(replace(parameter, name=name)))


_with_relu(["linear"], _linear, ("", "_dynamic", "_dynamic_fp16"))
for _rank in (1, 2, 3):
    _with_relu([f"conv{_rank}d", f"conv_transpose{_rank}d"], partial(_convolution, rank=_rank),
               ("", "_dynamic"))  # fmt: skip

# -- everything else ----------------------------------------------------------------------------


def _of_two(t: AtenTracer, a: Arguments, name: str, *, operation: Any) -> Any:
    left, right, *_ = a.values()
    return operation(t, left, right, name)


def _join(t: AtenTracer, a: Arguments, name: str) -> Any:
    return concatenate(t, {"tensors": a["qx"], "dim": a["dim"]}, name)


def _batch_norm(t: AtenTracer, a: Arguments, name: str) -> Any:
    given = {"input": a["qx"], "running_mean": a["mean"], "running_var": a["var"]}
    return batch_norm(t, {**a, **given}, name)


_with_relu(["add", "add_scalar"], partial(_of_two, operation=arithmetic.add))
_with_relu(["mul", "mul_scalar"], partial(_of_two, operation=arithmetic.multiply))
_with_relu(["matmul"], partial(_of_two, operation=contraction.matmul))
_with_relu(["cat"], _join)
_with_relu([f"batch_norm{axes}" for axes in ("", "1d", "2d", "3d")], _batch_norm)
handles("quantized.layer_norm")(layer_norm)
handles("quantized.group_norm", "quantized.instance_norm")(group_norm)


for _name in "celu elu hardswish leaky_relu prelu relu6 sigmoid softmax threshold".split():
    handles(f"quantized.{_name}")(partial(activation, kind=activation_name(_name)))


@handles("quantized.dropout")
def dropout(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Hand neurons on."""
    return a["self"]
