"""A constant among neurons is nodes with a bias, so that the graph gives what is computed."""

import os

import numpy as np
import pytest
from oracles.propagate import propagate

import cntgraph as cg

os.environ.setdefault("KERAS_BACKEND", "jax")

CONSTANT = np.array([[0.0, 2.0, -3.0]])
X = np.array([[0.5, -1.0, 2.0]])
WEIGHT = np.arange(18.0).reshape(6, 3)
#: How many nodes a constant makes: none where it is zero, one where it is the same everywhere.
CASES = {
    "joined": (lambda xp, array, pad, x: xp.concatenate([x, array(CONSTANT)], 1), 2),
    "joined, the same everywhere": (
        lambda xp, array, pad, x: xp.concatenate([x, array(np.full((1, 3), 1.5))], 1), 1),
    "joined, zeros": (lambda xp, array, pad, x: xp.concatenate([x, array(np.zeros((1, 3)))], 1), 0),
    "padded": (lambda xp, array, pad, x: pad(x, 2.5), 1),
    "padded by zeros": (lambda xp, array, pad, x: pad(x, 0.0), 0),
    "chosen": (
        lambda xp, array, pad, x: xp.concatenate(
            [x, xp.where(array(np.array([[True, False, False]])), x, array(CONSTANT))], 1), 2),
}  # fmt: skip


def torch_network(function):
    import torch

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.from_numpy(WEIGHT))

        def forward(self, x):
            pad = torch.nn.functional.pad
            return (
                function(torch, torch.from_numpy, lambda x, c: pad(x, (1, 2), value=c), x)
                @ self.weight
            )

    return cg.load(Model(), example_input=torch.from_numpy(X))


def keras_network(function):
    import keras

    class Outer(keras.layers.Layer):
        def build(self, shape):
            self.weight = self.add_weight(shape=(6, 3), name="weight")

        def call(self, x):
            wide = function(
                keras.ops,
                keras.ops.array,
                lambda x, c: keras.ops.pad(x, ((0, 0), (1, 2)), constant_values=c),
                x,
            )
            return wide @ self.weight

    inputs = keras.Input((3,), batch_size=1)
    model = keras.Model(inputs, Outer()(inputs))
    model.set_weights([WEIGHT])
    return cg.load(model)


def jax_network(function):
    import jax

    xp = jax.numpy

    def model(params, x):
        wide = function(
            xp, xp.asarray, lambda x, c: xp.pad(x, ((0, 0), (1, 2)), constant_values=c), x
        )
        return wide @ params["weight"]

    return cg.load(model, params={"weight": xp.asarray(WEIGHT)}, example_input=X)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("network", [torch_network, keras_network, jax_network])
@pytest.mark.parametrize("case", CASES)
def test_a_constant_is_nodes_with_a_bias(network, case):
    function, n = CASES[case]

    def pad(x, c):
        return np.pad(x, ((0, 0), (1, 2)), constant_values=c)

    net = network(function)
    _, after = propagate(net, X[0])
    expected = (function(np, np.asarray, pad, X) @ WEIGHT)[0]
    np.testing.assert_allclose(after[net.layers[-1].name].ravel(), expected, rtol=1e-6)
    ids = net.blocks[-1].source.as_ids()
    fixed = [layer for layer in net.layers if layer.kind == "learned"]
    seen = {int(k) for layer in fixed for k in ids if layer.start <= k < layer.slice.stop}
    assert len(seen) == n
