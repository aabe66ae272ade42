"""Random numbers that an ONNX model draws are no nodes."""

import numpy as np
import pytest
from oracles.onnx_models import model, node, whole

from cntgraph.adapters import onnx as adapter
from cntgraph.core.errors import CoverageWarning

WEIGHTS = {"a.weight": whole((5, 4)), "b.weight": whole((4, 3), 1)}
#: How numbers are drawn, and put beside neurons.
DRAWN = {
    "noise of its own": [node("RandomNormal", "", "e", shape=[1, 4]), node("Add", "a e", "z")],
    "noise like neurons": [node("RandomUniformLike", "a", "e"), node("Add", "a e", "z")],
    "a dropout by hand": [
        node("RandomUniformLike", "a", "e"), node("Less", "e half", "k"),
        node("Cast", "k", "f", to=1), node("Mul", "a f", "z")],
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWN)
def test_a_network_is_what_it_is_in_the_mean(name):
    nodes = [node("MatMul", "x a.weight", "a"), *DRAWN[name], node("MatMul", "z b.weight")]
    weights = WEIGHTS | ({"half": np.array(0.5, np.float32)} if "dropout" in name else {})
    net = adapter.load(model(nodes, weights, (1, 5)), strict=True)
    assert [layer.name for layer in net.layers] == ["x", "a", "b"]
    assert net.n_edges == 5 * 4 + 4 * 3
    assert not net.bias().any()


def test_what_scales_noise_only_modulates():
    nodes = [node("MatMul", "x a.weight", "m"), node("MatMul", "x s.weight", "s"),
             node("RandomNormalLike", "s", "e"), node("Mul", "e s", "p"), node("Add", "m p", "z"),
             node("MatMul", "z b.weight")]  # fmt: skip
    net = adapter.load(model(nodes, WEIGHTS | {"s.weight": whole((5, 4), 2)}, (1, 5)), strict=True)
    (gate,) = [block for block in net.blocks if block.modulatory]
    assert gate.n_edges == 4
    assert net.n_edges == 2 * 5 * 4 + 4 + 4 * 3


def test_weights_of_noise_are_those_of_the_mean():
    nodes = [node("RandomNormal", "", "e", shape=[5, 4]), node("Mul", "e s.weight", "p"),
             node("Add", "a.weight p", "w"), node("MatMul", "x w")]  # fmt: skip
    weights = {"a.weight": WEIGHTS["a.weight"], "s.weight": whole((5, 4), 2)}
    with pytest.warns(CoverageWarning, match="it scales random numbers"):
        net = adapter.load(model(nodes, weights, (1, 5)))
    (block,) = net.blocks
    assert (block.to_csr().toarray() == WEIGHTS["a.weight"]).all()
