"""One matrix per head, and one that all heads share: the same blocks from every framework."""

import os

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import cntgraph as cg

os.environ.setdefault("KERAS_BACKEND", "jax")

T, HEADS, N_IN, N_OUT = 5, 2, 3, 4
W = np.random.default_rng(0).normal(size=(HEADS, N_IN, N_OUT)).astype("f4")
#: By name: an einsum, the shape of one sample, and the layers that it makes.
CASES = {
    "one a head": ("bthi,hij->bthj", (T, HEADS, N_IN), [(N_OUT, T)] * HEADS),
    "the same neurons for all": ("bti,hij->bthj", (T, N_IN), [(HEADS * N_OUT, T)]),
    "heads that are summed": ("bthi,hij->btj", (T, HEADS, N_IN), [(N_OUT, T)]),
}  # fmt: skip


class Einsum(torch.nn.Module):
    def __init__(self, equation):
        super().__init__()
        self.equation, self.w = equation, torch.nn.Parameter(torch.from_numpy(W))

    def forward(self, x):
        return torch.einsum(self.equation, x, self.w)


def from_torch(equation, shape):
    return cg.load(Einsum(equation), input_shape=shape, strict=True)


def from_onnx(equation, shape):
    node = helper.make_node("Einsum", ["x", "w"], ["y"], equation=equation)
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, *shape)),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]  # fmt: skip
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [numpy_helper.from_array(W, "w")])
    opset = [helper.make_opsetid("", 20)]
    return cg.load(helper.make_model(graph, opset_imports=opset), strict=True)


def from_keras(equation, shape):
    import keras

    class Own(keras.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=W.shape, name="w")

        def call(self, x):
            return keras.ops.einsum(equation, x, self.w)

    own, x = Own(), keras.Input(shape)
    model = keras.Model(x, own(x))
    own.w.assign(W)
    return cg.load(model, strict=True)


def from_jax(equation, shape):
    import jax.numpy as jnp

    x = np.zeros((1, *shape), "f4")
    return cg.load(lambda p, x: jnp.einsum(equation, x, p["w"]), params={"w": W},
                   example_input=x, strict=True)  # fmt: skip


FRAMEWORKS = {"torch": from_torch, "onnx": from_onnx, "keras": from_keras, "jax": from_jax}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", CASES)
def test_weights_and_neurons_that_share_an_axis(name, framework):
    equation, shape, layers = CASES[name]
    net = FRAMEWORKS[framework](equation, shape)
    assert [layer.shape for layer in net.layers[1:]] == layers
    assert [block.kind for block in net.blocks] == ["conv"] * len(layers)
    assert net.n_edges == T * W.size
    found = sum(cg.node_strength(net, direction="in")[layer.slice].sum() for layer in net.layers)
    np.testing.assert_allclose(found, T * W.sum(dtype=float), rtol=1e-5)
