"""Forms of nodes: a function is a layer of its own where nodes are read in several forms.

The graph computes what the framework computes: a forward pass through the layers, with the
functions that are noted on them, gives the model's output.
"""

import numpy as np
import pytest
import torch
from oracles.propagate import propagate
from oracles.torch_checks import Function, outputs_of, sample
from torch import nn
from torch.nn import functional

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.network.network import coarsen


def linear(n_in, n_out):
    return nn.Linear(n_in, n_out)


def computed(model, *shape, **options):
    """The network of a model, whose forward pass is the model's."""
    x = sample(shape)
    model = model.double().eval()
    net = cg.load(model, input_shape=shape, strict=True, **options)
    with torch.no_grad():
        expected = model(x)[0].numpy().reshape(-1)
    _, after = propagate(net, x[0].numpy())
    assert np.allclose(outputs_of(net, after), expected, rtol=0, atol=1e-12)
    graph = cg.build_graph(net)
    for transform in ("signed", "absolute"):
        closed = cg.node_strength(net, transform=transform)
        assert np.allclose(closed, cg.node_strength(graph, transform=transform))
    return net


def layers(net):
    return [(layer.name, layer.kind, layer.activation) for layer in net.layers]


class PreNorm(nn.Module):
    """A block without attention, its position one: x + W₂ φ(W₁ norm(x))."""

    def __init__(self):
        super().__init__()
        self.embed, self.norm, self.last = linear(4, 6), nn.LayerNorm(6), linear(6, 2)
        self.up, self.down = linear(6, 8), linear(8, 6)
        with torch.no_grad():
            self.norm.weight.normal_()
            self.norm.bias.normal_()

    def forward(self, x):
        x = self.embed(x)
        x = x + self.down(self.up(self.norm(x)).relu())
        return self.last(x)


MODELS = {
    "a skip before the function": Function(
        lambda m, x: m.b((h := m.a(x)).relu()) + m.c(h),
        a=linear(4, 5), b=linear(5, 3), c=linear(5, 3)),
    "skips before and after it": Function(
        lambda m, x: m.c((h := m.a(x)) + m.b(r := h.relu()) + r),
        a=linear(4, 5), b=linear(5, 5), c=linear(5, 2)),
    "sine and cosine": Function(
        lambda m, x: m.b(torch.cat([(h := m.a(x)).sin(), h.cos()], -1)),
        a=linear(4, 3), b=linear(6, 2)),
    "one function twice": Function(
        lambda m, x: m.b((h := m.a(x)).tanh()) + m.c(h.tanh()),
        a=linear(4, 5), b=linear(5, 3), c=linear(5, 3)),
    "x + relu(x)": Function(
        lambda m, x: m.b((h := m.a(x)) + h.relu()), a=linear(4, 5), b=linear(5, 3)),
    "the sum of a sigmoid": Function(
        lambda m, x: m.b((h := m.a(x)) + h.sigmoid()), a=linear(4, 5), b=linear(5, 3)),
    "half of it, and all as it is": Function(
        lambda m, x: m.b(torch.cat([(h := m.a(x))[:, :2].relu(), h], -1)),
        a=linear(4, 5), b=linear(7, 3)),
    "positions of it, and all as it is": Function(
        lambda m, x: m.b(torch.cat([(h := m.a(x))[:, :, 1:].tanh(), h], -1).flatten(1)),
        a=nn.Conv1d(2, 3, 1), b=linear(21, 3)),
    "pre-activation, densely connected": Function(
        lambda m, x: m.c(torch.cat([h := torch.cat([x := m.a(x), m.b(x.relu())], -1),
                                    m.d(h.relu())], -1).relu()),
        a=linear(4, 3), b=linear(3, 2), d=linear(5, 2), c=linear(7, 2)),
    "a gate and a raw skip": Function(
        lambda m, x: m.b(functional.silu(h := m.a(x)) + h), a=linear(4, 5), b=linear(5, 3)),
    "a gate written out and a raw skip": Function(
        lambda m, x: m.b((h := m.a(x)) * h.sigmoid() + h), a=linear(4, 5), b=linear(5, 3)),
    "a function that a product hands on": Function(
        lambda m, x: m.c(m.b(h := m.a(x)).sigmoid() * h.tanh()) + m.d(h),
        a=linear(4, 5), b=linear(5, 5), c=linear(5, 3), d=linear(5, 3)),
    "the function of a product": Function(
        lambda m, x: m.c((m.b(h := m.a(x)).sigmoid() * h).tanh()),
        a=linear(4, 5), b=linear(5, 5), c=linear(5, 3)),
    "a norm that is read beside x": PreNorm(),
    "functions of functions, both read": Function(
        lambda m, x: m.b(h := m.a(x).relu()) + m.c(h.exp()) + m.d(h.exp().sin()),
        a=linear(4, 5), b=linear(5, 3), c=linear(5, 3), d=linear(5, 3)),
    "the output before and after": Function(
        lambda m, x: torch.cat([h := m.a(x), h.tanh()], -1), a=linear(4, 5)),
    "in place, before a skip": Function(
        lambda m, x: m.b((h := m.a(x)).relu_()) + m.c(h), a=linear(4, 5), b=linear(5, 3),
        c=linear(5, 3)),
}  # fmt: skip
#: Nodes of one layer that have functions of their own, which the layer's activation does not tell.
PARTS = {
    "half of a layer": Function(
        lambda m, x: m.b(torch.cat([(h := m.a(x))[:, :2].relu(), h[:, 2:]], -1)),
        a=linear(4, 5), b=linear(5, 3)),
}  # fmt: skip
WRITTEN_OUT = {
    "silu": lambda x: x * x.sigmoid(),
    "gelu": lambda x: 0.5 * x * (1 + torch.tanh(0.79788 * (x + 0.044715 * x * x * x))),
    "mish": lambda x: x * functional.softplus(x).tanh(),
    "softsign": lambda x: x / (1 + x.abs()),
    "softplus": lambda x: torch.where(x > 20, x, (1 + x.exp()).log()),
    "relu+pow": lambda x: x.relu() ** 2,
    "softmax": lambda x: x.exp() / x.exp().sum(-1, keepdim=True),
    "softmax, the largest taken off": lambda x: (
        (e := (x - x.amax(-1, keepdim=True)).exp()) / e.sum(-1, keepdim=True)),
    "unit_norm": lambda x: functional.normalize(x, dim=-1),
    "rms_norm": lambda x: x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt(),
    "layer_norm": lambda x: (
        (d := x - x.mean(-1, keepdim=True)) / (d.square().mean(-1, keepdim=True) + 1e-6).sqrt()),
}  # fmt: skip
SHAPES = {"positions of it, and all as it is": (2, 4)}


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_computes_what_the_model_computes(name):
    computed(MODELS[name], *SHAPES.get(name, (4,)))


WHOLE = {
    "one function twice": [("a", "dense", "tanh"), ("b", "add", "")],
    "half of a layer": [("a", "dense", "relu"), ("b", "dense", "")],
    "the function of a product": [
        ("a", "dense", ""), ("b", "dense", "sigmoid"), ("mul", "multiply", "tanh"),
        ("c", "dense", "")],
    "in place, before a skip": [("a", "dense", "relu"), ("add", "add", "")],
    "a function that a product hands on": [
        ("a", "dense", ""), ("b", "dense", "sigmoid"), ("mul", "hidden", "tanh"),
        ("add", "add", "")],
    "pre-activation, densely connected": [
        ("a", "dense", "relu"), ("b", "dense", "relu"), ("d", "dense", "relu"),
        ("c", "dense", "")],
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_what_nothing_tells_apart_is_no_layer(name):
    net = cg.load((MODELS | PARTS)[name], input_shape=SHAPES.get(name, (4,)), strict=True)
    kinds = [(kind, activation) for _, kind, activation in layers(net)[1:]]
    assert kinds == [(kind, activation) for _, kind, activation in WHOLE[name]]


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_functions_that_are_written_out(name):
    model = Function(lambda m, x: m.b(WRITTEN_OUT[name](m.a(x))), a=linear(4, 5), b=linear(5, 3))
    net = cg.load(model, input_shape=(4,), strict=True)
    assert [layer.activation for layer in net.layers] == ["", name.partition(",")[0], ""]


def test_a_product_without_statistics_is_no_norm():
    """x · x² is a product of forms, and computes what the model computes."""
    cube = Function(lambda m, x: m.b((h := m.a(x)) * h * h), a=linear(4, 5), b=linear(5, 3))
    assert "multiply" in [layer.kind for layer in computed(cube, 4).layers]


def test_a_form_is_a_layer_joined_by_identity_edges():
    net = computed(MODELS["skips before and after it"], 4)
    form = net.layer("a.relu")
    assert (form.kind, form.activation, form.shape) == ("activation", "relu", (5,))
    (block,) = net.blocks_into(form)
    assert block.kind == "identity"
    assert not block.parametric
    assert not net.layer("a").activation


def test_a_form_has_the_nodes_that_are_read():
    part = computed(MODELS["half of it, and all as it is"], 4)
    assert part.layer("a.relu").shape == (2,)
    positions = computed(MODELS["positions of it, and all as it is"], 2, 4)
    assert positions.layer("a.tanh").n_nodes == 9


def test_functions_of_a_family_are_not_taken_for_one():
    model = Function(
        lambda m, x: m.b(functional.leaky_relu(h := m.a(x), 0.1)) + m.c(
            functional.leaky_relu(h, 0.3)),
        a=linear(4, 5), b=linear(5, 3), c=linear(5, 3))  # fmt: skip
    net = cg.load(model, input_shape=(4,), strict=True)
    assert [layer.kind for layer in net.layers].count("activation") == 2


def test_channels_and_layers_of_a_form():
    model = Function(
        lambda m, x: m.b((h := m.a(x)).relu()) + m.c(h),
        a=nn.Conv1d(2, 3, 3), b=nn.Conv1d(3, 2, 1), c=nn.Conv1d(3, 2, 1))  # fmt: skip
    net = computed(model, 2, 6)
    channels = coarsen(net, "channel")
    assert channels.layer("a.relu").shape == (3,)
    (block,) = channels.blocks_into(channels.layer("a.relu"))
    assert np.array_equal(block.to_csr().toarray(), np.eye(3))
    assert coarsen(net, "layer").layer("a.relu").n_nodes == 1


def test_many_forms_are_followed_without_looking_at_all_blocks_for_each():
    """A chain of functions, each read raw as well: what is looked at grows with its length."""
    looked = {}
    for n in (20, 40):
        b = Builder()
        ids = b.input("x", (2,))
        for k in range(n):
            ids = b.add(f"add{k}", [ids, b.activate(ids, "tanh")])
        b.output(ids)
        looked[n] = count_lookups(b)
    assert looked[40] < 2.5 * looked[20]


def count_lookups(builder):
    from unittest import mock

    from cntgraph.adapters.simplify import Draft

    with mock.patch.object(Draft, "layers_of", autospec=True, side_effect=Draft.layers_of) as spy:
        builder.finish()
        return spy.call_count


class Steps(nn.Module):
    """Two steps of an LSTM, whose cell is read as it is, too; as a module or written out."""

    def __init__(self, *, written_out):
        super().__init__()
        self.cell, self.written_out = nn.LSTMCell(4, 3), written_out
        self.h, self.c, self.out, self.of_cell = (
            linear(4, 3), linear(4, 3), linear(3, 2), linear(3, 2))  # fmt: skip

    def step(self, x, h, c):
        if not self.written_out:
            return self.cell(x, (h, c))
        own = self.cell
        gates = functional.linear(x, own.weight_ih, own.bias_ih) + functional.linear(
            h, own.weight_hh, own.bias_hh
        )
        i, f, g, o = gates.chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    def forward(self, x):
        h, c = self.h(x[:, 0]), self.c(x[:, 0])
        for k in range(2):
            h, c = self.step(x[:, k], h, c)
        return self.out(h) + self.of_cell(c)


@pytest.mark.parametrize("written_out", [False, True])
def test_the_function_of_a_cell_is_noted_on_the_hidden_state(written_out):
    model = Steps(written_out=written_out)
    net = cg.load(model, input_shape=(2, 4), strict=True)
    hidden = [layer.activation for layer in net.layers if layer.kind == "hidden"]
    assert hidden == ["tanh", "tanh"]
    assert not any(layer.kind == "activation" for layer in net.layers)
    if written_out:
        stacked = [layer.activation for layer in net.layers if layer.shape == (12,)]
        assert stacked == ["sigmoid+tanh"] * 2
    whole = cg.load(Steps(written_out=False), input_shape=(2, 4), strict=True)
    assert (net.n_nodes, net.n_edges) == (whole.n_nodes, whole.n_edges)
