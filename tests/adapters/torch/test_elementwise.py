"""Activations, gates and normalizations of PyTorch, as layers of their own and taken apart."""

import numpy as np
import pytest
import torch
from oracles.torch_audit import audit
from oracles.torch_checks import (
    Function,
    exported,
    same_networks,
    sample,
    saved,
    saved_whole_and_apart,
)
from torch import nn
from torch.nn import functional

import cntgraph as cg

SHAPE = (4, 5, 6)


def conv(n_in=4, n_out=3, **options):
    return nn.Conv2d(n_in, n_out, 3, **options)


# -- normalizations by statistics of the data ------------------------------------------------------


def by_hand(m, h):
    """A layer norm as people write it."""
    centered = h - h.mean(-1, keepdim=True)
    scaled = centered / torch.sqrt(h.var(-1, keepdim=True, unbiased=False) + 1e-5)
    return m.norm.weight * scaled + m.norm.bias


def rms_by_hand(m, h):
    return m.norm.weight * (h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + 1e-6))


NORMS = {
    "layer_norm": lambda: Function(
        lambda m, x: m.after(m.norm(m.before(x))),
        before=nn.Linear(6, 4), norm=nn.LayerNorm(4), after=nn.Linear(4, 3)),
    "layer_norm by hand": lambda: Function(
        lambda m, x: m.after(by_hand(m, m.before(x))),
        before=nn.Linear(6, 4), norm=nn.LayerNorm(4), after=nn.Linear(4, 3)),
    "rms_norm": lambda: Function(
        lambda m, x: m.after(m.norm(m.before(x))),
        before=nn.Linear(6, 4), norm=nn.RMSNorm(4), after=nn.Linear(4, 3)),
    "rms_norm by hand": lambda: Function(
        lambda m, x: m.after(rms_by_hand(m, m.before(x))),
        before=nn.Linear(6, 4), norm=nn.RMSNorm(4), after=nn.Linear(4, 3)),
    "group_norm": lambda: Function(
        lambda m, x: m.after(m.norm(m.before(x))),
        before=conv(n_out=4), norm=nn.GroupNorm(2, 4), after=conv()),
    "instance_norm": lambda: Function(
        lambda m, x: m.after(m.norm(m.before(x))),
        before=conv(n_out=4), norm=nn.InstanceNorm2d(4, affine=True), after=nn.Conv2d(4, 3, 1)),
    "group_norm of frames": lambda: Function(
        lambda m, x: m.after(m.norm(m.before(x.transpose(0, 1)))),
        before=conv(1, 4), norm=nn.GroupNorm(2, 4), after=nn.Conv2d(4, 3, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", NORMS)
def test_gain_and_shift_go_into_what_reads_them(name, tmp_path):
    model = NORMS[name]().eval()
    model.input_shape = SHAPE
    net = cg.load(model, input_shape=SHAPE, strict=True)
    assert [layer.name for layer in net.layers][1:] == ["before", "after"]
    assert net.layer("before").activation == name.partition(" ")[0]
    weight = model.after.weight.detach()
    flat = weight.reshape(*weight.shape[:2], -1).sum(-1)
    gain, shift = model.norm.weight.detach(), getattr(model.norm, "bias", torch.zeros(1)).detach()
    expected = (flat * gain).sum(1) + (flat * shift).sum(1) + model.after.bias.detach()
    found = net.split(cg.node_strength(net, direction="in"))["after"]
    inner = found.reshape(len(found), -1)[:, found[0].size // 2]  # away from the border
    assert np.allclose(inner, expected.numpy(), atol=1e-12)
    kept = cg.load(model, input_shape=SHAPE, strict=True, norm="keep")
    kind = "dense" if isinstance(model.after, nn.Linear) else "conv"
    assert [layer.kind for layer in kept.layers] == ["input", kind, "norm", kind]
    for path in saved_whole_and_apart(exported(model), tmp_path):
        same_networks(net, cg.load(path, strict=True), names=False)


# -- activations and gates -------------------------------------------------------------------------

#: Activations that are one operation, and what they are called.
ACTIVATIONS = {
    "relu": nn.ReLU(), "relu inplace": nn.ReLU(inplace=True), "hardtanh": nn.ReLU6(),
    "gelu": nn.GELU(), "gelu approximated": nn.GELU("tanh"), "silu": nn.SiLU(),
    "softplus": nn.Softplus(), "softplus of 2x": nn.Softplus(beta=2), "mish": nn.Mish(),
    "hardswish": nn.Hardswish(), "elu": nn.ELU(), "leaky_relu": nn.LeakyReLU(),
    "softmax": nn.Softmax(-1), "log_softmax": nn.LogSoftmax(-1), "sigmoid": nn.Sigmoid(),
}  # fmt: skip
#: Others, which PyTorch takes apart into what has no name of its own.
TAKEN_APART_TO_PIECES = [
    nn.Hardsigmoid(), nn.LogSigmoid(), nn.Softsign(), nn.Tanhshrink(), nn.Hardshrink(),
    nn.Softshrink(), nn.Threshold(0.1, 0.2), nn.CELU(), nn.SELU(), nn.RReLU(),
]  # fmt: skip


def with_activation(activation, n_out=4):
    model = nn.Sequential(nn.Linear(6, 4), activation, nn.Linear(n_out, 3)).double().eval()
    model.input_shape = (6,)
    return model


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_one_whether_or_not_it_is_taken_apart(name, tmp_path):
    model = with_activation(ACTIVATIONS[name])
    live = cg.load(model, input_shape=(6,), strict=True)
    assert [layer.activation for layer in live.layers] == ["", name.partition(" ")[0], ""]
    for path in saved_whole_and_apart(exported(model), tmp_path):
        same_networks(live, cg.load(path, strict=True))


@pytest.mark.parametrize("activation", TAKEN_APART_TO_PIECES, ids=lambda a: type(a).__name__)
def test_no_activation_cuts_the_graph(activation, tmp_path):
    model = with_activation(activation)
    live = cg.load(model, input_shape=(6,), strict=True)
    file = cg.load(saved(model, tmp_path / "m.pt2", decompose=True), strict=True)
    for name in ("0", "2"):
        found = [
            net.split(cg.node_strength(net, direction="in", bias=False))[name]
            for net in (live, file)
        ]
        assert np.allclose(*found, rtol=1e-12, atol=1e-12)


def test_the_slope_of_a_prelu_is_part_of_an_activation():
    net = cg.load(with_activation(nn.PReLU(4)), input_shape=(6,), strict=True)
    assert net.coverage.loc["1.weight", ["status", "reason"]].to_list() == [
        "folded", "a coefficient of the activation prelu, not a weight"]  # fmt: skip


POINTS = torch.tensor([[True, False, True, False]])
POWERS = torch.full((4,), 3.0)
#: What is made of two linear layers (a, c), a vector p and a matrix w, all of them or some.
MADE = {
    "lerp": lambda m, a, c: torch.lerp(a, c, 0.25) * m.p @ m.w,
    "lerp by weights": lambda m, a, c: torch.lerp(a, c, m.p) @ m.w,
    "lerp by neurons": lambda m, a, c: torch.lerp(a, m.p, torch.sigmoid(c)) @ m.w,
    "addmm": lambda m, a, c: torch.addmm(c[0] * m.p, a[0], m.w, beta=0.5, alpha=2.0)[None],
    "addmv": lambda m, a, c: torch.addmv(m.p, m.w, a[0, 0])[None] + c[:, 0],
    "baddbmm": lambda m, a, c: torch.baddbmm(c * m.p, a, m.w[None], beta=2.0),
    "addbmm": lambda m, a, c: torch.addbmm(c[0] * m.p, a, m.w[None], alpha=2.0)[None],
    "addcmul": lambda m, a, c: torch.addcmul(a, m.p, c, value=0.5) @ m.w,
    "addcmul of neurons": lambda m, a, c: torch.addcmul(m.p, a, torch.sigmoid(c)) @ m.w,
    "addcdiv": lambda m, a, c: torch.addcdiv(a, c, m.p) @ m.w,
    "bounds": lambda m, a, c: a.clamp(min=c) * m.p @ m.w,
    "powers": lambda m, a, c: (a[..., :1] ** POWERS * m.p + c) @ m.w,
    "fold": lambda m, a, c: functional.fold(
        ((a + c) * m.p @ m.w).transpose(1, 2), (3, 4), (2, 2)).flatten(2),
    "spike": lambda m, a, c: ((a > m.p).to(a.dtype) + a + c) @ m.w,
    "masked": lambda m, a, c: (a * m.p).masked_scatter(POINTS, c) @ m.w,
    "median of all": lambda m, a, c: (a + c * m.p).median()[None] * m.w,
    "topk": lambda m, a, c: (a + c * m.p).topk(2, 1).values @ m.w,
    "sort": lambda m, a, c: (a + c * m.p).sort(-1).values @ m.w,
    "median": lambda m, a, c: (a + c * m.p).median(1).values @ m.w,
    "the one that is largest": lambda m, a, c: (c * m.p).gather(1, a.argmax(1, keepdim=True)) @ m.w,
    "those above the mean": lambda m, a, c: (c * m.p + a)[c[..., 0] > c[..., 0].mean()] @ m.w,
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_every_layer_is_what_pytorch_computed(name):
    model = Function(
        lambda m, x: torch.tanh(MADE[name](m, m.a(x), m.c(x))), a=nn.Linear(6, 4), c=nn.Linear(6, 4)
    )
    model.w, model.p = nn.Parameter(torch.randn(4, 4)), nn.Parameter(torch.rand(4) + 0.5)
    model.double()
    x = sample((6, 6))
    strict = name != "the one that is largest"  # only which it is depends on the other branch
    net, n = audit(model, x, strict=strict)
    assert n >= 2
    if strict:
        assert set(net.coverage["status"]) <= {"included", "folded"}


def gated(m, x):
    return m.out(torch.sigmoid(m.gate(x)) * m.value(x))


GATES = {
    "glu": (lambda m, x: m.out(functional.glu(m.both(x))), "both"),
    "sigmoid first": (gated, "value"),
    "swiglu": (lambda m, x: m.out(functional.silu(m.gate(x)) * m.value(x)), "value"),
    "a bound on the gate": (lambda m, x: m.out(m.value(x) * m.gate(x).clamp(0, 1)), "value"),
    "division": (lambda m, x: m.out(m.value(x) / m.gate(x)), "value"),
    "gates of one layer": (
        lambda m, x: m.out((lambda h: h[..., :4].sigmoid() * h[..., 4:].tanh())(m.both(x))),
        "both",
    ),
}


@pytest.mark.parametrize("name", GATES)
def test_what_is_gated_is_handed_on_and_the_gate_modulates(name, tmp_path):
    forward, handed_on = GATES[name]
    layers = {"gate": nn.Linear(6, 4), "value": nn.Linear(6, 4), "both": nn.Linear(6, 8)}
    used = ["both"] if handed_on == "both" else ["gate", "value"]
    model = Function(forward, out=nn.Linear(4, 3), **{k: layers[k] for k in used})
    net = cg.load(model, input_shape=(6,), strict=True)
    (product,) = [layer for layer in net.layers if layer.kind == "multiply"]
    value, gate = net.blocks_into(product)
    assert (value.modulatory, gate.modulatory) == (False, True)
    assert [layer.name for layer in net.layers_of(value.source)] == [handed_on]
    if name == "gates of one layer":  # the candidate has passed a hyperbolic tangent
        start = net.layer("both").start
        assert value.source.as_ids().tolist() == list(range(start + 4, start + 8))
    model.input_shape = (6,)
    for path in saved_whole_and_apart(exported(model), tmp_path):
        same_networks(net, cg.load(path, strict=True), names=False)


def test_the_larger_of_two_has_an_edge_from_each():
    model = Function(
        lambda m, x: m.out(torch.maximum(m.a(x), m.b(x))),
        a=nn.Linear(6, 4), b=nn.Linear(6, 4), out=nn.Linear(4, 3),
    )  # fmt: skip
    net = cg.load(model, input_shape=(6,), strict=True)
    (layer,) = [layer for layer in net.layers if layer.kind == "max"]
    blocks = net.blocks_into(layer)
    sources = [net.layers_of(block.source)[0].name for block in blocks]
    assert sources == ["a", "b"]
    assert all((block.to_csr().toarray() == np.eye(4)).all() for block in blocks)


# -- every layer as it was traced -----------------------------------------------------------------


@pytest.mark.parametrize("name", NORMS)
def test_every_sum_that_is_traced_is_what_torch_computed(name):
    net, checked = audit(NORMS[name]().eval(), sample(SHAPE))
    assert checked >= 2
    assert net.n_layers == 3
