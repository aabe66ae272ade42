"""Random numbers that a model draws: no nodes, no biases, and no part of a weight."""

import pytest
import torch
from oracles.torch_checks import Function, same_networks, saved
from torch import nn
from torch.nn import functional

import cntgraph as cg
from cntgraph.core.errors import CoverageWarning


def linear(n_in=8, n_out=8):
    return nn.Linear(n_in, n_out)


def reparameterized(m, x):
    mean, spread = m.mean(x), m.spread(x)
    return m.out(mean + torch.randn_like(spread) * torch.exp(0.5 * spread))


#: Models that draw numbers, beside what they are in the mean.
ADDED = {
    "noise": (lambda m, x: m.out(m.a(x) + torch.randn_like(x)), lambda m, x: m.out(m.a(x))),
    "noise of its own": (lambda m, x: m.out(m.a(x) - 0.1 * torch.rand(8, dtype=x.dtype)),
                         lambda m, x: m.out(m.a(x))),
    "noise less neurons": (lambda m, x: m.out(torch.randn_like(x) - m.a(x)),
                           lambda m, x: m.out(-m.a(x))),
    "noise in memory of its own": (
        lambda m, x: m.out(m.a(x) + x.new_empty(1, 8).normal_()), lambda m, x: m.out(m.a(x))),
    "a Gumbel softmax": (
        lambda m, x: m.out(functional.gumbel_softmax(m.a(x), tau=0.5)),
        lambda m, x: m.out(functional.softmax(m.a(x) / 0.5, -1))),
    "a dropout by hand": (
        lambda m, x: m.out(m.a(x) * (torch.rand_like(x) > 0.5)), lambda m, x: m.out(m.a(x))),
    "a random mask": (
        lambda m, x: m.out(m.a(x) * torch.empty_like(x).bernoulli_(0.5)),
        lambda m, x: m.out(m.a(x))),
    "noisy weights": (
        lambda m, x: m.out(functional.linear(
            x, m.a.weight + 0.1 * torch.randn(8, 8, dtype=x.dtype), m.a.bias)),
        lambda m, x: m.out(functional.linear(x, m.a.weight, m.a.bias))),
    "noise joined to neurons": (
        lambda m, x: m.out(torch.cat([m.a(x)[:, :4], torch.randn(1, 4, dtype=x.dtype)], 1)),
        lambda m, x: m.out(torch.cat([m.a(x)[:, :4], torch.zeros(1, 4, dtype=x.dtype)], 1))),
}  # fmt: skip


@pytest.mark.parametrize("name", ADDED)
def test_a_network_is_what_it_is_in_the_mean(name, tmp_path):
    drawn, mean = (Function(forward, a=linear(), out=linear(8, 3)) for forward in ADDED[name])
    drawn.input_shape = (8,)
    expected = cg.load(mean, input_shape=(8,))
    found = cg.load(drawn, input_shape=(8,), strict=True)
    same_networks(found, expected, names=False)
    same_networks(cg.load(saved(drawn, tmp_path / "m.pt2"), strict=True), found, names=False)
    if name != "noise joined to neurons":  # which is no more than a place without a node
        noted = "mask" if name in ("a dropout by hand", "a random mask") else "random numbers"
        assert any(noted in entry.reason for entry in found.entries)


@pytest.mark.parametrize("sample", [
    reparameterized,
    lambda m, x: m.out(torch.normal(m.mean(x), torch.exp(0.5 * m.spread(x)))),
    lambda m, x: m.out(torch.distributions.Normal(
        m.mean(x), torch.exp(0.5 * m.spread(x)), validate_args=False).rsample()),
], ids=["by hand", "normal", "distribution"])  # fmt: skip
def test_what_scales_noise_only_modulates(sample, tmp_path):
    model = Function(sample, mean=linear(8, 2), spread=linear(8, 2), out=linear(2, 8))
    model.input_shape = (8,)
    net = cg.load(model, input_shape=(8,), strict=True)
    (gate,) = [block for block in net.blocks if block.modulatory]
    assert net.layer("spread").slice.start == gate.source.as_ids().min()
    assert gate.n_edges == 2
    # What the decoder receives is the mean: what of its edges are no gates are those of the mean.
    assert net.n_edges == 8 * 2 + 8 * 2 + 2 + 2 * 8
    latent = next(layer for layer in net.layers if layer.kind == "add")
    mean = next(block for block in net.blocks_into(latent) if block.parametric)
    assert (mean.to_csr().toarray() == model.mean.weight.T.detach().numpy()).all()
    same_networks(cg.load(saved(model, tmp_path / "m.pt2"), strict=True), net, names=False)


def test_what_is_learned_of_noise_is_named():
    model = Function(
        lambda m, x: functional.linear(x, m.a.weight + m.b.weight * torch.randn_like(m.b.weight)),
        a=nn.Linear(4, 3, bias=False), b=nn.Linear(4, 3, bias=False))  # fmt: skip
    with pytest.warns(CoverageWarning, match="it scales random numbers"):
        net = cg.load(model, input_shape=(4,))
    (skipped,) = [e for e in net.entries if e.status == "skipped"]
    assert (skipped.name, skipped.reason) == (
        "b.weight", "it scales random numbers, which are no nodes")  # fmt: skip
    assert net.n_edges == 12


def test_a_layer_of_noise_is_cut_with_its_reason():
    model = Function(lambda m, x: m.a(x) + m.b(torch.randn(1, 4, dtype=x.dtype)),
                     a=linear(4, 3), b=linear(4, 3))  # fmt: skip
    with pytest.warns(CoverageWarning, match="random numbers"):
        cg.load(model, input_shape=(4,))


def test_a_random_order_is_a_choice(tmp_path):
    model = Function(lambda m, x: m.out(m.a(x)[:, torch.randperm(8)]), a=linear(), out=linear(8, 3))
    model.input_shape = (8,)
    net = cg.load(model, input_shape=(8,), strict=True)
    assert [block.mode for block in net.blocks if block.kind == "pool"] == ["choice"]
    same_networks(cg.load(saved(model, tmp_path / "m.pt2"), strict=True), net, names=False)


#: Places along an axis of eight, by numbers that are drawn.
PLACES = {
    "argsort": lambda: torch.rand(8).argsort(),
    "sort": lambda: torch.rand(8).sort()[1],
    "topk": lambda: torch.rand(8).topk(3)[1],
    "put back": lambda: torch.rand(8).argsort().argsort(),
    "randint": lambda: torch.randint(0, 8, (3,)),
    "multinomial": lambda: torch.rand(8).multinomial(3),
}


@pytest.mark.parametrize("gathered", [False, True])
@pytest.mark.parametrize("name", PLACES)
def test_places_by_random_numbers_are_a_choice(name, gathered, tmp_path):
    def forward(m, x):
        places = PLACES[name]()[:2]
        hidden = m.a(x)
        found = hidden.gather(1, places.expand(len(x), -1)) if gathered else hidden[:, places]
        return m.out(found)

    model = Function(forward, a=linear(), out=linear(2, 3))
    model.input_shape = (8,)
    net = cg.load(model, input_shape=(8,), strict=True)
    (pool,) = [block for block in net.blocks if block.kind == "pool"]
    assert pool.mode == "choice"
    assert pool.n_edges == 8 * 2
    same_networks(cg.load(saved(model, tmp_path / "m.pt2"), strict=True), net, names=False)
