import numpy as np
import pytest
from oracles.nets import TOYS
from oracles.propagate import propagate

import cntgraph as cg
from cntgraph.core.errors import CntGraphError


@pytest.mark.parametrize(
    ("name", "layers", "n_edges", "n_parameters"),
    [
        ("mlp", {"input": (6,), "fc1": (8,), "fc2": (4,), "fc3": (2,)}, 88, 102),
        ("cnn", {"input": (1, 6, 6), "conv1": (2, 6, 6), "pool": (2, 3, 3), "fc": (3,)}, 638, 77),
        ("residual", {"input": (4,), "fc1": (5,), "sum": (5,)}, 50, 55),
        ("recurrent", {"input": (3,), "rnn": (4,), "fc": (2,)}, 36, 42),
    ],
)
def test_what_they_are(name, layers, n_edges, n_parameters):
    net = cg.toy(name)
    assert {layer.name: layer.shape for layer in net.layers} == layers
    assert (net.n_edges, net.n_parameters) == (n_edges, n_parameters)
    assert [layer.is_input for layer in net.layers] == [True] + [False] * (net.n_layers - 1)
    assert [layer.is_output for layer in net.layers] == [False] * (net.n_layers - 1) + [True]


@pytest.mark.parametrize("name", [*TOYS, "recurrent"])
def test_they_are_the_same_every_time_and_leave_the_global_state_alone(name):
    np.random.seed(7)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    one, two = cg.node_strength(cg.toy(name)), cg.node_strength(cg.toy(name))
    assert np.array_equal(one, two)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_weights_are_frozen():
    assert cg.node_strength(cg.toy("mlp"))[0] == pytest.approx(0.05111, abs=5e-5)
    assert cg.layer_fluctuation(cg.toy("cnn"))["conv1"] == pytest.approx(1.770, abs=5e-4)


def test_the_cnn_computes_a_convolution_and_a_pooling():
    net, x = cg.toy("cnn"), np.random.default_rng(0).normal(size=(1, 6, 6))
    before, after = propagate(net, x)
    kernel, bias = (net.parameters[f"conv1.{k}"].read() for k in ("weight", "bias"))
    padded = np.pad(x[0], 1)
    for c in range(2):
        for i in range(6):
            for j in range(6):
                expected = (padded[i : i + 3, j : j + 3] * kernel[c, 0]).sum() + bias[c]
                assert before["conv1"][c, i, j] == pytest.approx(expected, abs=1e-6)
    blocks = after["conv1"].reshape(2, 3, 2, 3, 2)
    assert np.allclose(after["pool"], blocks.max(axis=(2, 4)))


def test_the_recurrent_one_is_a_loop():
    net = cg.toy("recurrent")
    loop = net.layer("rnn").slice
    stored = net.parameters["rnn.hidden"].read()
    assert np.array_equal(cg.build_graph(net).adjacency.toarray()[loop, loop], stored.T)


def test_an_unknown_toy():
    with pytest.raises(CntGraphError, match="mlp, cnn, residual, recurrent; got 'gan'"):
        cg.toy("gan")
