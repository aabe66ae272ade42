"""Quantization: neurons are the values that whole numbers stand for, and so are weights.

Rounding an activation is no edge; of a weight that is trained with rounding it is a function.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from cntgraph.adapters.torch.aten.elementwise import batch_norm, group_norm, layer_norm
from cntgraph.adapters.torch.aten.movement import concatenate
from cntgraph.adapters.torch.aten.operations import handles
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


# -- layers of whole numbers, whose weights are packed --------------------------------------------


def _linear(t: AtenTracer, a: Arguments, name: str, *, relu: bool) -> Any:
    x, packed, *_ = a.values()
    weight, bias = _unpacked(t, packed, name)
    return _rectified(t, contraction.linear(t, x, weight, bias, t.name_of(weight, name)), relu)


def _convolution(t: AtenTracer, a: Arguments, name: str, *, relu: bool, rank: int) -> Any:
    x, packed, *_ = a.values()
    weight, bias = _unpacked(t, packed, name)
    sliding = {key: getattr(packed, key)()[-rank:]
               for key in ("stride", "padding", "dilation", "output_padding")}  # fmt: skip
    settings = {"groups": packed.groups(), "transposed": packed.transpose()}
    given = {"input": x, "weight": weight, "bias": bias, **sliding, **settings}
    return _rectified(t, convolution(t, given, name), relu)


def _unpacked(t: AtenTracer, packed: Any, name: str) -> tuple[Recipe, Recipe | None]:
    """Return the weight and the bias of a layer as parameters of its module."""
    weight, bias = packed.unpack()
    path = t.place.path or name
    return _stored(t, f"{path}.weight", weight), _stored(t, f"{path}.bias", bias)


def _stored(t: AtenTracer, name: str, value: torch.Tensor | None) -> Any:
    if value is None:
        return None
    parameter = parameter_of(name, _real(value), trainable=True)
    known = t.builder.parameters.get(name)
    if known is not None and np.array_equal(known.raw(), parameter.raw()):
        return Recipe.of(known)  # the module is called again
    name = name if known is None else t.builder.unique(name)
    return Recipe.of(t.builder.parameter(parameter_of(name, _real(value), trainable=True)))


def _real(value: torch.Tensor) -> torch.Tensor:
    return value.detach().dequantize() if value.is_quantized else value.detach()


def _rectified(t: AtenTracer, x: Any, relu: bool) -> Any:
    return activations.activate(t, x, "relu") if relu else x


for _relu, _suffix in ((False, ""), (True, "_relu")):
    handles(*(f"quantized.linear{_suffix}{_kind}" for _kind in ("", "_dynamic", "_dynamic_fp16")))(
        partial(_linear, relu=_relu)
    )
    for _rank in (1, 2, 3):
        handles(*(f"quantized.{_name}{_rank}d{_suffix}{_kind}"
                  for _name in ("conv", "conv_transpose") for _kind in ("", "_dynamic")))(
            partial(_convolution, relu=_relu, rank=_rank)
        )  # fmt: skip

# -- everything else ----------------------------------------------------------------------------


def _of_two(t: AtenTracer, a: Arguments, name: str, *, relu: bool, operation: Any) -> Any:
    left, right, *_ = a.values()
    return _rectified(t, operation(t, left, right, name), relu)


def _join(t: AtenTracer, a: Arguments, name: str, *, relu: bool) -> Any:
    joined = concatenate(t, {"tensors": a["qx"], "dim": a["dim"]}, name)
    return _rectified(t, joined, relu)


def _batch_norm(t: AtenTracer, a: Arguments, name: str, *, relu: bool) -> Any:
    given = {"input": a["qx"], "running_mean": a["mean"], "running_var": a["var"]}
    return _rectified(t, batch_norm(t, {**a, **given}, name), relu)


for _relu, _suffix in ((False, ""), (True, "_relu")):
    for _name, _operation in (("add", arithmetic.add), ("mul", arithmetic.multiply),
                              ("matmul", contraction.matmul)):  # fmt: skip
        names = {f"quantized.{_name}{_suffix}", f"quantized.{_name}_scalar{_suffix}"}
        handles(*names)(partial(_of_two, relu=_relu, operation=_operation))
    handles(f"quantized.cat{_suffix}")(partial(_join, relu=_relu))
    for _axes in ("", "1d", "2d", "3d"):
        handles(f"quantized.batch_norm{_axes}{_suffix}")(partial(_batch_norm, relu=_relu))

handles("quantized.layer_norm")(layer_norm)
handles("quantized.group_norm", "quantized.instance_norm")(group_norm)


def _activation(t: AtenTracer, a: Arguments, name: str, activation: str) -> Any:
    return activations.activate(t, next(iter(a.values())), activation)


for _name in "celu elu hardswish leaky_relu prelu relu6 sigmoid softmax threshold".split():
    handles(f"quantized.{_name}")(partial(_activation, activation=activation_name(_name)))


@handles("quantized.dropout")
def dropout(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Hand neurons on."""
    return a["self"]
