"""Every function has one name, however it is spelled."""

import numpy as np
import pytest

from cntgraph.adapters.builder import Builder
from cntgraph.network.activations import ACTIVATIONS, GATES, OwnFunction, activation_name

SPELLINGS = {
    "abs": "Absolute fabs", "acos": "Arccos", "clamp": "Clip", "exp": "exponential",
    "gelu": "FastGelu", "hardshrink": "hard_shrink", "hardsigmoid": "HardSigmoid hard_sigmoid",
    "hardswish": "HardSilu hard_silu hard_swish", "hardtanh": "relu6 Relu6 hard_tanh",
    "log_softmax": "LogSoftmax", "pow": "integer_pow Square square", "prelu": "PRelu",
    "sigmoid": "logistic", "silu": "Swish swish QuickGelu", "threshold": "ThresholdedRelu",
    "unit_norm": "LpNormalization", "where": "select_n", "": "linear identity",
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_function_has_one_name(name):
    assert {activation_name(spelling) for spelling in SPELLINGS[name].split()} == {name}


def test_a_name_is_a_spelling_of_itself():
    for name, meaning in ACTIVATIONS.items():
        assert activation_name(name) == name
        assert meaning
    assert set(GATES) < set(ACTIVATIONS)


def test_only_known_functions_are_noted_and_the_models_own():
    b = Builder()
    x = b.input("x", (3,))
    with pytest.raises(ValueError, match=r"expected a name of network\.activations, got 'swish'"):
        b.activate(x, "swish")
    own = activation_name("swoosh")
    assert isinstance(own, OwnFunction)
    b.output(b.activate(b.activate(x, own), "relu"))
    assert b.finish().layers[0].activation == "swoosh+relu"


@pytest.mark.parametrize("divisor", ["reciprocal", "rsqrt"])
def test_a_divisor_always_modulates(divisor):
    b = Builder()
    x, y = b.input("x", (3,)), b.input("y", (3,))
    b.output(b.multiply("m", [b.activate(y, divisor), b.activate(x, "sigmoid")]))
    value, gate = b.finish().blocks
    assert (value.modulatory, gate.modulatory) == (False, True)
    assert np.array_equal(value.source.as_ids(), x)
