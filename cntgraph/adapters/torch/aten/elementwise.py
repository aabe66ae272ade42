"""Elementwise operations: activations, normalizations, sums and products of branches, choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments
from cntgraph.adapters.tracing import activations, arithmetic, normalization
from cntgraph.network.activations import activation_name

#: Elementwise functions of one neuron, and normalizations over the outputs.
ACTIVATIONS = tuple(
    "abs acos acosh asin asinh atan atanh ceil celu cos cosh elu erf erfc erfinv exp exp2 expm1 "
    "floor frac gelu hardshrink hardsigmoid hardswish leaky_relu log log10 log1p log2 "
    "log_sigmoid log_softmax logit mish prelu reciprocal relu relu6 round rrelu rsqrt selu "
    "sigmoid sign silu sin sinh softmax softplus softshrink softsign sqrt square tan tanh "
    "tanhshrink threshold trunc".split()
)
#: The same under names of PyTorch's own.
_SYNONYMS = {
    "prelu_kernel": "prelu", "safe_softmax": "softmax", "rrelu_with_noise": "rrelu",
    "rrelu_with_noise_functional": "rrelu", "special_erf": "erf", "heaviside": "step",
}  # fmt: skip


def activation(t: AtenTracer, a: Arguments, name: str, kind: str) -> Any:
    """Note an activation function; what is given besides its operand are coefficients."""
    (_, x), *others = a.items()
    settings = {key: value for key, value in others if isinstance(value, int | float | str)}
    return activations.activate(t, x, kind, [value for _, value in others], **settings)


for _name, _other in ({name: name for name in ACTIVATIONS} | _SYNONYMS).items():
    handles(_name, of_weights=True)(partial(activation, kind=activation_name(_other)))


@handles("clamp", "clamp_min", "clamp_max", "hardtanh", of_weights=True)
def clamp(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Note bounds."""
    low, high = (a.get(f"{end}_val", a.get(end)) for end in ("min", "max"))
    return arithmetic.clamp(t, a["self"], low, high, name)


@handles("pow", of_weights=True)
def power(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Note a power of neurons."""
    return activations.power(t, a["self"], a["exponent"])


# -- normalizations: by statistics that the model stores, or by those of the data -----------------


@handles(
    "batch_norm",
    "native_batch_norm",
    "native_batch_norm_legit",
    "cudnn_batch_norm",
    "miopen_batch_norm",
    "native_batch_norm_legit_no_training",
    of_weights=True,
)
def batch_norm(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Normalize by the running statistics, or by those of the data where there are none."""
    statistics = [a.get("running_mean"), a.get("running_var")]
    over = [k for k in range(len(a["input"].shape)) if k != 1]
    if any(value is None for value in statistics):
        return _by_channel(t, a, name, "instance_norm", over)
    if a.get("training"):
        return _by_channel(t, a, name, "batch_norm", over)
    epsilon = a["eps"] if "eps" in a else a["epsilon"]
    gain, shift = a.get("weight"), a.get("bias")
    return normalization.batch_norm(t, a["input"], statistics, epsilon, gain, shift, name)


@handles("group_norm", "native_group_norm", "instance_norm", of_weights=True)
def group_norm(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Normalize by statistics of the data, one gain per channel."""
    if not a.get("use_input_stats", True):
        return batch_norm(t, {**a, "training": False}, name)
    over = range(2, len(a["input"].shape))
    return _by_channel(
        t, a, name, "instance_norm" if "use_input_stats" in a else "group_norm", over
    )


@handles("layer_norm", "native_layer_norm", "rms_norm", "fused_rms_norm", of_weights=True)
def layer_norm(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Normalize by statistics of the data, over the last axes; one gain per entry of them."""
    kind = "layer_norm" if "bias" in a else "rms_norm"
    return normalization.normalize(
        t, a["input"], a.get("weight"), a.get("bias"), name, kind,
        over=range(-len(a["normalized_shape"]), 0), epsilon=a["eps"],
    )  # fmt: skip


def _by_channel(t: AtenTracer, a: Arguments, name: str, kind: str, over: Sequence[int]) -> Any:
    gain, shift, groups = a.get("weight"), a.get("bias"), a.get("num_groups") or a.get("group") or 1
    return normalization.normalize(
        t, a["input"], gain, shift, name, kind, [1], over=over, groups=groups,
        epsilon=a["eps"] if "eps" in a else a["epsilon"],
    )  # fmt: skip


# -- arithmetic -----------------------------------------------------------------------------------


def _sum(t: AtenTracer, a: Arguments, name: str, sign: float, keys: tuple[str, str]) -> Any:
    """Return x ± alpha · y."""
    left, right = (a[key] for key in keys)
    return arithmetic.add(t, left, right, name, sign * float(a.get("alpha", 1)))


handles("add", of_weights=True)(partial(_sum, sign=1.0, keys=("self", "other")))
handles("sub", of_weights=True)(partial(_sum, sign=-1.0, keys=("self", "other")))
handles("rsub", of_weights=True)(partial(_sum, sign=-1.0, keys=("other", "self")))


def _add_product(t: AtenTracer, a: Arguments, name: str, combine: Any) -> Any:
    """Return x + value · a · b, or with a quotient."""
    product = combine(t, a["tensor1"], a["tensor2"], name)
    return arithmetic.add(t, a["self"], product, name, float(a.get("value", 1)))


handles("addcmul", of_weights=True)(partial(_add_product, combine=arithmetic.multiply))
handles("addcdiv", of_weights=True)(partial(_add_product, combine=arithmetic.divide))

#: What operands become, and the names of these.
_OF_OPERANDS: dict[str, tuple[Callable[..., Any], str]] = {
    **dict.fromkeys(("neg", "neg_view"), (arithmetic.negate, "self")),
    "mul": (arithmetic.multiply, "self other"), "lerp": (arithmetic.between, "self end weight"),
    **{how: (partial(arithmetic.compare, how=how), "self other")
       for how in ("eq", "ne", "lt", "le", "gt", "ge")},
}  # fmt: skip


def _of_operands(t: AtenTracer, a: Arguments, name: str, function: Any, keys: str) -> Any:
    return function(t, *(a[key] for key in keys.split()), name=name)


for _name, (_function, _keys) in _OF_OPERANDS.items():
    handles(_name, of_weights=True)(partial(_of_operands, function=_function, keys=_keys))


@handles("div", of_weights=True)
def divide(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Return x / y, unless it is rounded."""
    if a.get("rounding_mode") is not None:
        return None
    return arithmetic.divide(t, a["self"], a["other"], name)


@handles("glu")
def gated_linear_unit(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Return the first half of an axis, gated by a sigmoid of the second half."""
    return arithmetic.gated_halves(t, a["self"], int(a.get("dim", -1)), name)


# -- choices --------------------------------------------------------------------------------------


@handles("masked_fill", of_weights=True)
def masked_fill(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Take away the neurons that a constant mask names."""
    return arithmetic.select(t, a["mask"], (a["value"], a["self"]), name)


@handles("where", of_weights=True)
def where(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Choose between nodes, or between nodes and a constant; a constant choice moves nodes."""
    return arithmetic.select(t, a["condition"], (a.get("self"), a.get("other")), name)
