"""The names of activations: one a function, however a framework spells it.

What is noted on nodes is a name of `ACTIVATIONS`. A name stands for a family of functions where
these have a coefficient: the slope of a leaky ReLU, the exponent of a power. Every name is found
from any spelling of it (`activation_name`); a function of the model's own, that has no name here,
is noted by its own (`OwnFunction`).
"""

from __future__ import annotations

#: Each name, and what the function is.
ACTIVATIONS = {
    # Pieces that are linear
    "abs": "|x|",
    "affine": "a x + b within a recurrent cell",
    "clamp": "x, no less than one number and no more than another",
    "hardshrink": "x, but 0 near 0",
    "hardsigmoid": "x/6 + 1/2 (or another slope) between 0 and 1",
    "hardswish": "x · hardsigmoid(x)",
    "hardtanh": "x between -1 and 1, or between 0 and 6",
    "leaky_relu": "x if x > 0, else a x",
    "prelu": "leaky_relu whose a is learned",
    "relu": "x if x > 0, else 0",
    "rrelu": "leaky_relu whose a is random in training",
    "shrink": "x + b below -a, x - b above a, else 0",
    "softshrink": "x nearer to 0 by a number, but not beyond",
    "sparse_sigmoid": "(x + 1)/2 between 0 and 1",
    "threshold": "x above a number, else another one",
    # Steps
    "ceil": "the whole number above",
    "fake_quantize": "the nearest multiple of a step, within bounds",
    "floor": "the whole number below",
    "frac": "what is behind the point",
    "mod": "the remainder of a division by a number",
    "round": "the nearest whole number",
    "sign": "-1, 0 or 1",
    "step": "1 above a number, else 0",
    "trunc": "what is before the point",
    # Curves
    "celu": "x if x > 0, else a (exp(x/a) - 1)",
    "elu": "x if x > 0, else a (exp(x) - 1)",
    "gelu": "x times the distribution function of a normal variable, or its approximation",
    "log_sigmoid": "log(sigmoid(x))",
    "logit": "log(x / (1 - x))",
    "mish": "x · tanh(softplus(x))",
    "scaled_tanh": "a tanh(b x)",
    "selu": "elu and a factor, which keep mean and variance",
    "sigmoid": "1 / (1 + exp(-x))",
    "silu": "x · sigmoid(a x)",
    "softplus": "log(1 + exp(a x)) / a",
    "softsign": "x / (1 + |x|)",
    "sparse_plus": "0 below -1, x above 1, a parabola between",
    "squareplus": "(x + √(x² + a)) / 2",
    "tanhshrink": "x - tanh(x)",
    # Mathematics
    "acos": "arc cosine",
    "acosh": "inverse of cosh",
    "asin": "arc sine",
    "asinh": "inverse of sinh",
    "atan": "arc tangent",
    "atanh": "inverse of tanh",
    "cbrt": "cubic root",
    "cos": "cosine",
    "cosh": "hyperbolic cosine",
    "erf": "error function",
    "erfc": "1 - erf(x)",
    "erfinv": "inverse of erf",
    "exp": "exponential",
    "exp2": "power of two",
    "expm1": "exp(x) - 1",
    "log": "natural logarithm",
    "log10": "logarithm to base ten",
    "log1p": "log(1 + x)",
    "log2": "logarithm to base two",
    "pow": "a power of x, mostly its square",
    "reciprocal": "1/x",
    "rsqrt": "1/√x",
    "sin": "sine",
    "sinh": "hyperbolic sine",
    "sqrt": "square root",
    "tan": "tangent",
    "tanh": "hyperbolic tangent",
    # With a state, over time (spiking networks)
    "delay": "x, later",
    "integrate_and_fire": "a spike where the integral of x reaches a threshold",
    "integrator": "the integral of x",
    "leaky_integrate_and_fire": "a spike where the leaky integral of x reaches a threshold",
    "leaky_integrator": "the integral of x, which decays",
    # Several functions of the same neurons
    "max": "the larger of two functions of x",
    "min": "the smaller of two functions of x",
    "mul": "the product of two functions of x",
    "where": "one of two functions of x, as the data decides",
    # Over the neurons of an axis
    "hardmax": "1 for the largest, else 0",
    "log_softmax": "log(softmax(x))",
    "softmax": "exp(x) over its sum",
    "sparsemax": "the nearest point whose entries are no less than 0 and sum to 1",
    # Normalizations
    "batch_norm": "by mean and deviation of each channel over the batch",
    "group_norm": "by mean and deviation of each group of channels over all positions",
    "instance_norm": "by mean and deviation of each channel over all positions",
    "layer_norm": "by mean and deviation over features",
    "local_response_norm": "by the squares in nearby channels",
    "rms_norm": "by the root of the mean square over features",
    "unit_norm": "to length one",
}

#: Those that are one function and no family, so that the same name means the same values.
WITHOUT_COEFFICIENTS = frozenset(
    "abs relu sign ceil floor round trunc frac log_sigmoid mish sigmoid softsign tanhshrink acos "
    "acosh asin asinh atan atanh cbrt cos cosh erf erfc erfinv exp exp2 expm1 log log10 log1p log2 "
    "reciprocal rsqrt sin sinh sqrt tan tanh".split()
)

#: Those of which one value depends on other neurons than the one itself.
OF_SEVERAL = frozenset(
    "hardmax log_softmax softmax sparsemax batch_norm group_norm instance_norm layer_norm "
    "local_response_norm rms_norm unit_norm".split()
)

#: Names that frameworks have for the same, without underscores.
_SYNONYMS = {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin",
    "arcsinh": "asinh", "arctan": "atan", "arctanh": "atanh", "clip": "clamp", "div": "reciprocal",
    "exponential": "exp", "fabs": "abs", "fastgelu": "gelu", "hardsilu": "hardswish",
    "heaviside": "step",
    "identity": "", "integerpow": "pow", "linear": "", "logistic": "sigmoid",
    "lpnormalization": "unit_norm", "lrn": "local_response_norm", "quickgelu": "silu",
    "relu6": "hardtanh", "selectn": "where", "square": "pow", "swish": "silu",
    "thresholdedrelu": "threshold",
}  # fmt: skip
_BY_SPELLING = {name.replace("_", ""): name for name in ACTIVATIONS} | _SYNONYMS

#: How much of a gate an activation makes what it is applied to; any other one is 1. A divisor
#: always modulates: a quotient is linear in its numerator alone.
GATES = {"silu": 2, "gelu": 2, "sigmoid": 3, "hardsigmoid": 3, "softmax": 3,
         "reciprocal": 4, "rsqrt": 4}  # fmt: skip


class OwnFunction(str):
    """The name of a function that is the model's own, as its author spells it."""


def activation_name(spelling: str) -> str:
    """Return the name of an activation, however a framework spells it.

    Parameters
    ----------
    spelling : str
        In snake case or not.

    Returns
    -------
    str
        A name of `ACTIVATIONS`, empty for the identity; an `OwnFunction` for what has none.

    Examples
    --------
    >>> [activation_name(name) for name in ("HardSigmoid", "relu6", "swish", "log_softmax")]
    ['hardsigmoid', 'hardtanh', 'silu', 'log_softmax']
    >>> activation_name("swoosh"), type(activation_name("swoosh"))
    ('swoosh', <class 'cntgraph.network.activations.OwnFunction'>)
    """
    known = _BY_SPELLING.get(spelling.replace("_", "").lower())
    return OwnFunction(spelling) if known is None else known


def is_activation(name: str) -> bool:
    """Whether a name may be noted on nodes: one of `ACTIVATIONS`, or an `OwnFunction`."""
    return name in ACTIVATIONS or isinstance(name, OwnFunction)


def clamp_name(low: float | None, high: float | None) -> str:
    """Return the name of x between two numbers; None where there is no bound.

    Examples
    --------
    >>> clamp_name(0.0, None), clamp_name(0.0, 6.0), clamp_name(-1.0, 2.0)
    ('relu', 'hardtanh', 'clamp')
    """
    if low == 0 and high in (None, float("inf")):
        return "relu"
    return "hardtanh" if (low, high) in ((-1, 1), (0, 6)) else "clamp"


def power_name(exponent: float) -> str:
    """Return the name of a power of x.

    Examples
    --------
    >>> power_name(2.0), power_name(0.5), power_name(-1.0)
    ('pow', 'sqrt', 'reciprocal')
    """
    return {0.5: "sqrt", -0.5: "rsqrt", -1.0: "reciprocal"}.get(exponent, "pow")
