"""Functions of one neuron, and normalizations over the outputs that learn nothing."""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, shape_of
from cntgraph.adapters.tracing import activations, arithmetic
from cntgraph.adapters.tracing.values import Neurons, are_weights
from cntgraph.network.activations import activation_name

#: Functions of one neuron, and of the neurons along an axis.
_ACTIVATIONS = tuple(
    "Abs Acos Acosh Asin Asinh Atan Atanh Ceil Celu Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid "
    "HardSwish Hardmax LRN LeakyRelu Log LogSoftmax LpNormalization Mish PRelu Reciprocal "
    "Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Swish Tan Tanh "
    "ThresholdedRelu com.microsoft.FastGelu com.microsoft.Gelu com.microsoft.QuickGelu".split()
)
#: Settings whose defaults are not what they mostly are.
_DEFAULTS = {"HardSigmoid": {"alpha": 0.2}}


@handles(*_ACTIVATIONS, of_weights=True)
def activation(t: OnnxTracer, call: Call) -> Any:
    """Note an activation function."""
    x, *coefficients = call.inputs
    if call.operation in ("LogSoftmax", "Softmax") and call.opset < 13 and are_weights(x):
        return None  # it was over all axes from one on
    settings = {**_DEFAULTS.get(call.operation, {}), **call.attributes}
    name = activation_name(call.node.op_type)
    return activations.activate(t, x, name, coefficients, **settings)


@handles("Mod", of_weights=True)
def remainder(t: OnnxTracer, call: Call) -> Any:
    """Note what is left by a division, as wide as what divides."""
    x, divisor = call.inputs
    made = activations.activate(t, x, "mod", [divisor])
    return t.widened(made, shape_of(divisor)) if isinstance(made, Neurons) else made


@handles("Clip", of_weights=True)
def clip(t: OnnxTracer, call: Call) -> Any:
    """Note bounds, which older models have as attributes."""
    low, high = (call.get(end) if call.input(k) is None else call.input(k)
                 for k, end in ((1, "min"), (2, "max")))  # fmt: skip
    return arithmetic.clamp(t, call.inputs[0], low, high, call.name)


@handles("Pow", of_weights=True)
def power(t: OnnxTracer, call: Call) -> Any:
    """Note a power of neurons."""
    return activations.power(t, *call.inputs)
