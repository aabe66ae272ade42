"""Samples that run through blocks against the frameworks' own outputs, and against slow loops."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import recurrent_forward
from oracles.nets import random_net
from oracles.propagate import ACTIVATIONS, propagate
from oracles.torch_models import RandomNet, randomize
from torch import nn

import cntgraph as cg
from cntgraph.activity.functions import known_functions
from cntgraph.activity.propagation import Propagation
from cntgraph.core.errors import InputShapeError, UndefinedMeasureError
from cntgraph.network.activations import WITHOUT_COEFFICIENTS
from cntgraph.network.node_values import NodeValues

#: Functions that have coefficients, as the models of the oracles use them.
OWN = {name: ACTIVATIONS[name] for name in ("gelu", "leaky_relu", "softplus", "silu", "hardtanh")}


def output_of(net, values):
    (layer,) = (layer for layer in net.layers if layer.is_output)
    return values[layer.name].activation


@given(st.integers(0, 10_000))
def test_random_models_of_pytorch(seed):
    model = RandomNet(seed)
    x = torch.randn(3, *model.input_shape, dtype=torch.double)
    net = cg.load(model, example_input=x[:1])
    with torch.no_grad():
        expected = model(x).reshape(3, -1).numpy()
    found = output_of(net, Propagation(net, OWN)([x.numpy()]))
    assert np.abs(found - expected).max(initial=0.0) <= 1e-10 * max(np.abs(expected).max(), 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_every_layer_of_random_networks_by_a_slow_loop(seed):
    net = random_net(seed)
    x = np.random.default_rng(seed).normal(size=(4, net.layers[0].n_nodes))
    values = Propagation(net)([x])
    for k, sample in enumerate(x):
        before, after = propagate(net, sample)
        for name, own in values.items():
            assert np.allclose(own.strength[k], before[name].reshape(-1), rtol=1e-12, atol=1e-12)
            assert np.allclose(own.activation[k], after[name].reshape(-1), rtol=1e-12, atol=1e-12)


class Recurrent(nn.Module):
    def __init__(self, kind, **options):
        super().__init__()
        self.layer = kind(3, 4, batch_first=True, **options)
        self.head = nn.Linear(self.layer.hidden_size * (1 + self.layer.bidirectional), 2)

    def forward(self, x):
        return self.head(self.layer(x)[0][:, -1])


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_step_by_step(kind, options):
    torch.manual_seed(0)
    model = Recurrent(kind, **options)
    randomize(model, 0)
    x = torch.randn(3, 5, 3, dtype=torch.double)
    net = cg.load(model, example_input=x[:1], unroll=5)
    run = Propagation(net)
    values = run([x.numpy()])
    with torch.no_grad():
        assert np.abs(output_of(net, values) - model(x).numpy()).max() < 1e-12
    slow = recurrent_forward.forward(net, {net.layers[0].name: x[1]}, update_gates=kind is nn.GRU)
    for layer in net.layers:
        assert np.allclose(values[layer.name].activation[1], slow[layer.slice], rtol=0, atol=1e-12)
    # Samples do not see each other.
    alone = run([x[1:2].numpy()])
    assert all(np.allclose(values[n].strength[1], own.strength[0], rtol=0, atol=1e-12)
               for n, own in alone.items())  # fmt: skip


def test_a_loop_is_refused_with_what_to_do():
    net = cg.load(Recurrent(nn.LSTM), example_input=torch.randn(1, 5, 3))
    with pytest.raises(UndefinedMeasureError, match=r"in a loop.*unroll=T"):
        Propagation(net)([np.ones((2, 5, 3))])


def test_functions_of_a_family_are_named_or_given():
    model = nn.Sequential(nn.Linear(3, 4), nn.LeakyReLU(0.3), nn.Linear(4, 2)).double()
    net, x = cg.load(model, input_shape=(3,)), torch.randn(5, 3, dtype=torch.double)
    with pytest.raises(UndefinedMeasureError, match=r"layer '0': its function 'leaky_relu'"):
        Propagation(net)([x.numpy()])
    own = {"leaky_relu": lambda v: np.where(v > 0, v, 0.3 * v)}
    with torch.no_grad():
        expected = model(x).numpy()
    assert np.abs(output_of(net, Propagation(net, own)([x.numpy()])) - expected).max() < 1e-12


class Softmaxes(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 5)

    def forward(self, x):
        return torch.log_softmax(self.second(torch.softmax(self.first(x), 1)), 1)


def test_a_softmax_over_a_whole_layer():
    model = Softmaxes().double()
    net, x = cg.load(model, input_shape=(3,)), torch.randn(5, 3, dtype=torch.double)
    with torch.no_grad():
        expected = model(x).numpy()
    assert np.abs(output_of(net, Propagation(net)([x.numpy()])) - expected).max() < 1e-12


def test_tokens_are_one_hot():
    model = nn.Sequential(nn.Embedding(7, 3), nn.Flatten(), nn.Linear(12, 2)).double()
    tokens = torch.randint(7, (5, 4))
    net = cg.load(model, example_input=tokens[:1])
    with torch.no_grad():
        expected = model(tokens).numpy()
    found = output_of(net, Propagation(net)([tokens.numpy()]))
    assert np.abs(found - expected).max() < 1e-12
    with pytest.raises(InputShapeError, match=r"tokens from 0 to 6 for 'input'.*to 7"):
        Propagation(net)([tokens.numpy() * 0 + 7])


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(12, 2)

    def forward(self, x):
        return self.head(self.attention(x, x, x)[0].flatten(1))


def test_what_the_data_decide_is_named_and_left_out_where_that_is_asked_for():
    net = cg.load(Attention(), example_input=torch.randn(1, 3, 4))
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    with pytest.raises(UndefinedMeasureError, match="Pass the live model"):
        Propagation(net)([x])
    values = Propagation(net)([x], strict=False)
    known = {name for name, own in values.items() if own.is_whole}
    assert known
    assert "head" not in known
    # From a layer whose values are known on, the others follow.
    reads = net.layers_of(net.blocks_into(net.layer("head"))[0].source)[0]
    given = {reads.name: NodeValues(None, np.ones((2, reads.n_nodes)))}
    found = Propagation(net)([x], given, strict=False)["head"].strength
    (block,) = net.blocks_into(net.layer("head"))
    expected = block.rmatvec(np.ones(block.source.size)) + block.bias_values()
    assert np.allclose(found, [expected, expected], rtol=0, atol=1e-12)


def test_values_that_are_known_are_taken_as_they_are():
    net = cg.toy("mlp")
    x = np.random.default_rng(0).normal(size=(2, 6))
    values = Propagation(net)([x])
    own = NodeValues(values["fc1"].strength * 2, values["fc1"].activation * 3)
    found = Propagation(net)([x], {"fc1": own})
    assert (found["fc1"].strength == own.strength).all()
    block = net.blocks_into(net.layer("fc2"))[0]
    expected = block.rmatvec(own.activation[0]) + block.bias_values()
    assert np.allclose(found["fc2"].strength[0], expected, rtol=0, atol=1e-12)
    again = Propagation(net)([], values)  # inputs are known, too
    assert all((again[name].activation == own.activation).all() for name, own in values.items())


@given(st.floats(0.05, 0.9), st.sampled_from(sorted(WITHOUT_COEFFICIENTS)))
def test_derivatives_by_differences(x, name):
    function = known_functions()[name]
    at = np.array([x + 1.0 if name == "acosh" else x])
    if name in ("round",) and abs(x - 0.5) < 1e-3:
        return
    plain = known_functions({"own": function.value})["own"]
    assert np.allclose(function.derivative(at), plain.derivative(at), rtol=1e-6, atol=1e-8)
