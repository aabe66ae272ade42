"""Weights of recurrent cells, cut up whatever the order in which a framework stacks them."""

import numpy as np
import pytest

from cntgraph.adapters.tracing.recurrent import PARTS, cut_gates
from cntgraph.core.recipe import Recipe

N, N_IN = 2, 3


def stacked(order, values):
    return Recipe.constant(np.concatenate([values[part] for part in order]))


@pytest.mark.parametrize(
    ("kind", "order"),
    [("rnn", "h"), ("lstm", "ifgo"), ("lstm", "iofg"), ("gru", "rzn"), ("gru", "zrn")],
)
@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("biases", [0, 1, 2])
def test_gates_are_cut_out_in_any_order(kind, order, reset_after, biases):
    rng = np.random.default_rng(0)
    w, u, b, c = (
        {part: rng.normal(size=shape) for part in order} for shape in ((N, N_IN), (N, N), N, N)
    )
    given = [stacked(order, values) for values in (b, c)[:biases]] + [None] * (2 - biases)
    gates = cut_gates(kind, order, stacked(order, w), stacked(order, u), *given,
                      reset_after=reset_after)  # fmt: skip
    assert len(gates) == len(order)
    for part, gate in zip(PARTS[kind], gates, strict=True):
        assert np.array_equal(gate.input.read(), w[part])
        assert np.array_equal(gate.hidden.read(), u[part])
        apart = biases == 2 and part == "n" and reset_after
        assert (gate.hidden_bias is not None) == apart
        if apart:
            assert np.array_equal(gate.hidden_bias.read(), c[part])
        if biases:
            both = b[part] if apart or biases == 1 else b[part] + c[part]
            assert np.array_equal(gate.bias.read(), both)
