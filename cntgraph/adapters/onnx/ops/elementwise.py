"""Functions of one neuron, and normalisations over the outputs that learn nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes, shape_of
from cntgraph.adapters.tracing import arithmetic
from cntgraph.adapters.tracing.batch import MixedSamplesError, find
from cntgraph.adapters.tracing.values import Data
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks import AxisOperator

#: By operation, what the activation is called; PyTorch's names where it has them.
ACTIVATIONS = {
    "Abs": "abs", "Acos": "acos", "Acosh": "acosh", "Asin": "asin", "Asinh": "asinh",
    "Atan": "atan", "Atanh": "atanh", "Ceil": "ceil", "Celu": "celu", "Clip": "clamp",
    "Cos": "cos", "Cosh": "cosh", "Elu": "elu", "Erf": "erf", "Exp": "exp", "Floor": "floor",
    "Gelu": "gelu", "HardSigmoid": "hardsigmoid", "HardSwish": "hardswish", "Hardmax": "hardmax",
    "LRN": "local_response_norm", "LeakyRelu": "leaky_relu", "Log": "log",
    "LogSoftmax": "log_softmax", "LpNormalization": "normalize",
    "MeanVarianceNormalization": "mean_variance_norm", "Mish": "mish", "Mod": "mod",
    "PRelu": "prelu", "Pow": "pow", "Reciprocal": "reciprocal", "Relu": "relu",
    "Round": "round", "Selu": "selu", "Shrink": "shrink", "Sigmoid": "sigmoid", "Sign": "sign",
    "Sin": "sin", "Sinh": "sinh", "Softmax": "softmax", "Softplus": "softplus",
    "Softsign": "softsign", "Sqrt": "sqrt", "Swish": "silu", "Tan": "tan", "Tanh": "tanh",
    "ThresholdedRelu": "threshold",
    "com.microsoft.FastGelu": "gelu", "com.microsoft.Gelu": "gelu",
    "com.microsoft.QuickGelu": "gelu",
}  # fmt: skip


def _activation(label: str) -> Any:
    def activate(t: OnnxTracer, call: Call) -> Any:
        nodes = [value for value in call.inputs if isinstance(value, Nodes)]
        if len(nodes) != 1 or any(isinstance(value, Data) for value in call.inputs):
            return None
        (x,) = nodes
        wide = label != "prelu"  # whose slopes, one a channel, once had no other axes
        if wide and np.broadcast_shapes(x.shape, *map(shape_of, call.inputs)) != x.shape:
            return None
        t.skip(call.inputs, f"a coefficient of the activation {label}, not a weight")
        return t.activate(x, label)

    return activate


for _name, _label in ACTIVATIONS.items():
    handles(_name)(_activation(_label))


@handles("com.microsoft.BiasGelu")
def bias_gelu(t: OnnxTracer, call: Call) -> Any:
    """Add a bias, and apply a GELU."""
    x, bias = call.inputs[:2]
    if not isinstance(x, Nodes) or isinstance(bias, Nodes):
        return None
    return t.activate(t.scale(x, None, t.recipe(bias), call.name), "gelu")


@handles("SwiGLU")
def swiglu(t: OnnxTracer, call: Call) -> Any:
    """Multiply by a SiLU of neurons."""
    gate, x = call.inputs[:2]
    if not isinstance(gate, Nodes) or not isinstance(x, Nodes):
        return None
    return arithmetic.multiply(t, t.activate(gate, "silu"), x, call.name)


@handles("CumSum")
def cumulative_sum(t: OnnxTracer, call: Call) -> Any:
    """Sum everything up to each position: edges of weight one."""
    x = call.inputs[0]
    if not isinstance(x, Nodes) or isinstance(call.inputs[1], Nodes | Data | Recipe):
        return None
    axis = int(np.ravel(call.inputs[1])[0]) % len(x.shape)
    samples = find(x.ids, t.n_samples)
    ids = samples.first(x.ids)
    if samples.axis == axis and t.n_samples > 1:
        raise MixedSamplesError
    own = axis - (samples.alone and samples.axis is not None and axis > samples.axis)
    n = ids.shape[own]
    reach = np.tri(n, k=-1 if call.get("exclusive", 0) else 0, dtype=bool)
    reach = reach[::-1, ::-1] if call.get("reverse", 0) else reach
    after, before = np.nonzero(reach)
    operator = AxisOperator(n, n, before, after, np.ones(len(after)))
    made = t.pool(np.moveaxis(ids, own, -1), [operator], "sum", call.name)
    return Nodes(samples.spread(np.moveaxis(made, -1, own)))
