"""The PyTorch adapter, decided by PyTorch's own forward pass."""

import numpy as np
import pytest
import torch
from oracles.propagate import propagate
from oracles.torch_checks import Function, check, outputs_of, same_networks, sample, saved
from oracles.torch_models import RandomNet, randomize
from torch import nn
from torch.nn import functional

import cntgraph as cg
from cntgraph.network.blocks import TRANSFORMS

SEEDS = range(40)


@pytest.mark.parametrize("norm", ["fold", "keep"])
@pytest.mark.parametrize("seed", SEEDS)
def test_that_decides_an_adapter(seed, norm):
    model = RandomNet(seed)
    net = check(model, model.input_shape, norm=norm)
    assert not net.coverage["status"].eq("skipped").where(net.coverage["kind"] != "buffer").any()


@pytest.mark.parametrize("seed", range(0, 40, 4))
def test_measures_of_random_networks_are_those_of_their_graphs(seed):
    model = RandomNet(seed)
    net = cg.load(model, input_shape=model.input_shape)
    graph = cg.build_graph(net)
    for transform in TRANSFORMS:
        for edges in ("parametric", "all"):
            closed = cg.node_strength(net, transform=transform, edges=edges)
            summed = cg.node_strength(graph, transform=transform, edges=edges)
            assert np.allclose(closed, summed, rtol=1e-9, atol=1e-9)


def test_norms_are_folded_or_kept():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(),
                          nn.Linear(18, 3))  # fmt: skip
    randomize(model, 0)
    folded = check(model, (1, 5, 5), norms={"0": "1"})
    kept = check(model, (1, 5, 5), norms={"0": "1"}, norm="keep")
    assert [layer.name for layer in folded.layers] == ["input", "0", "4"]
    assert [layer.name for layer in kept.layers] == ["input", "0", "1", "4"]
    assert [layer.activation for layer in folded.layers] == ["", "relu", ""]
    assert [layer.activation for layer in kept.layers] == ["", "", "relu", ""]
    assert folded.coverage.loc["1.weight", ["status", "block"]].tolist() == ["folded", "0"]
    assert kept.coverage.loc["1.weight", ["status", "block"]].tolist() == ["included", "1"]


# -- single operations whose ids are easily got wrong --------------------------------------------


def conv(n_in=2, n_out=2):
    return nn.Conv2d(n_in, n_out, 3, padding=1)


CASES = {
    "channels-last flatten": lambda: Function(
        lambda m, x: m.out(functional.relu(m.conv(x)).permute(0, 2, 3, 1).flatten(1)),
        conv=conv(n_out=3), out=nn.Linear(60, 3)),
    "norm after a sum of permuted branches": lambda: Function(
        lambda m, x: m.out(m.bn(m.a(x) + m.b(x).flip(1)).flatten(1)),
        a=conv(), b=conv(), bn=nn.BatchNorm2d(2), out=nn.Linear(40, 3)),
    "norm after a sum with a permuted first branch": lambda: Function(
        lambda m, x: m.out(m.bn(m.a(x).flip(1) + m.b(x)).flatten(1)),
        a=conv(), b=conv(), bn=nn.BatchNorm2d(2), out=nn.Linear(40, 3)),
    "scale after a sum of permuted branches": lambda: Function(
        lambda m, x: m.out(
            ((m.a(x) + m.b(x).flip(1)) * torch.tensor([[[2.0]], [[3.0]]])
             + torch.tensor([[[1.0]], [[-1.0]]])).flatten(1)),
        a=conv(), b=conv(), out=nn.Linear(40, 3)),
    "norm after a concatenation that was added to": lambda: Function(
        lambda m, x: m.out(m.bn(torch.cat([m.a(x), m.b(x)], 1) + m.c(x)).flatten(1)),
        a=conv(n_out=1), b=conv(n_out=1), c=conv(), bn=nn.BatchNorm2d(2), out=nn.Linear(40, 3)),
    "norm after a permutation": lambda: Function(
        lambda m, x: m.out(m.bn(m.a(x).flip(1)).flatten(1)),
        a=conv(), bn=nn.BatchNorm2d(2), out=nn.Linear(40, 3)),
    "norm over positions of a linear layer": lambda: Function(
        lambda m, x: m.out(m.bn(m.fc(x.flatten(2))).flatten(1)),
        fc=nn.Linear(20, 4), bn=nn.BatchNorm1d(2), out=nn.Linear(8, 3)),
    "norm after a reshaped linear layer": lambda: Function(
        lambda m, x: m.out(m.bn(m.fc(x.flatten(1)).view(-1, 2, 3, 2)).flatten(1)),
        fc=nn.Linear(40, 12), bn=nn.BatchNorm2d(2), out=nn.Linear(12, 3)),
    "norm after a grouped transposed convolution": lambda: Function(
        lambda m, x: m.out(m.bn(m.up(x)).flatten(1)),
        up=nn.ConvTranspose2d(2, 4, 2, groups=2), bn=nn.BatchNorm2d(4), out=nn.Linear(120, 3)),
    "two norms in a row": lambda: Function(
        lambda m, x: m.out(m.two(m.one(m.a(x))).flatten(1)),
        a=conv(), one=nn.BatchNorm2d(2), two=nn.BatchNorm2d(2), out=nn.Linear(40, 3)),
    "norm of the input": lambda: Function(
        lambda m, x: m.out(m.bn(x).flatten(1)), bn=nn.BatchNorm2d(2), out=nn.Linear(40, 3)),
    "norm of what is read elsewhere, too": lambda: Function(
        lambda m, x: m.out((lambda h: torch.cat([m.bn(h), h], 1))(m.a(x)).flatten(1)),
        a=conv(), bn=nn.BatchNorm2d(2), out=nn.Linear(80, 3)),
    "norm of a pooled layer": lambda: Function(
        lambda m, x: m.out(m.bn(functional.avg_pool2d(m.a(x), 2)).flatten(1)),
        a=conv(), bn=nn.BatchNorm2d(2), out=nn.Linear(8, 3)),
    "a sum with itself": lambda: Function(
        lambda m, x: m.out((lambda h: h + h)(m.a(x)).flatten(1)), a=conv(), out=nn.Linear(40, 3)),
    "a sum of three, one of them twice": lambda: Function(
        lambda m, x: m.out((lambda a, b: a + b + a.flip(2))(m.a(x), m.b(x)).flatten(1)),
        a=conv(), b=conv(), out=nn.Linear(40, 3)),
    "a sum that broadcasts": lambda: Function(
        lambda m, x: m.out((m.a(x) + m.b(x).mean((2, 3), keepdim=True)).flatten(1)),
        a=conv(), b=conv(), out=nn.Linear(40, 3)),
    "a difference with a factor": lambda: Function(
        lambda m, x: m.out(torch.sub(m.a(x), m.b(x), alpha=2.5).flatten(1)),
        a=conv(), b=conv(), out=nn.Linear(40, 3)),
    "writing to an activation leaves its input alone": lambda: Function(
        lambda m, x: m.out(write_to_activation(m.a(x), m.b(x)).flatten(1)),
        a=conv(), b=conv(), out=nn.Linear(80, 3)),
    "writing to a part changes the whole": lambda: Function(
        lambda m, x: m.out(write_to_part(m.a(x), m.b(x)).flatten(1)),
        a=conv(), b=conv(n_out=1), out=nn.Linear(40, 3)),
    "writing into an empty tensor": lambda: Function(
        lambda m, x: m.out(write_into_empty(m.a(x), m.b(x)).flatten(1)),
        a=conv(), b=conv(), out=nn.Linear(80, 3)),
    "a gathered axis": lambda: Function(
        lambda m, x: m.out(m.a(x)[:, :, [3, 0, 0], 1:4].flatten(1)),
        a=conv(), out=nn.Linear(18, 3)),
    "frames folded into the batch": lambda: Function(
        lambda m, x: m.out(
            m.bn(m.a(x.unsqueeze(2).flatten(0, 1))).unflatten(0, (-1, 2)).flatten(1)),
        a=conv(n_in=1), bn=nn.BatchNorm2d(2), out=nn.Linear(80, 3)),
    "unfold and stack": lambda: Function(
        lambda m, x: m.out(torch.stack([m.a(x).unfold(3, 2, 2)] * 2, 1).flatten(1)),
        a=conv(), out=nn.Linear(80, 3)),
    "linear layers on sequences that are not batch first": lambda: Function(
        lambda m, x: m.out(m.fc(x.flatten(2).permute(2, 0, 1)).permute(1, 0, 2).flatten(1)),
        fc=nn.Linear(2, 3), out=nn.Linear(60, 3)),
    "shared weights on two inputs": lambda: Function(
        lambda m, x: m.out(torch.cat([m.a(x[:, :1]), m.a(x[:, 1:])], 1).flatten(1)),
        a=conv(n_in=1), out=nn.Linear(80, 3)),
    "global pooling of a permuted layer": lambda: Function(
        lambda m, x: m.out(
            functional.adaptive_avg_pool2d(m.a(x).permute(0, 3, 1, 2), 1).flatten(1)),
        a=conv(), out=nn.Linear(4, 3)),
    "a learned constant on each channel": lambda: Function(
        lambda m, x: m.out((m.a(x) * m.gain.weight + m.gain.bias).flatten(1)),
        a=conv(), gain=nn.LayerNorm((2, 1, 1)), out=nn.Linear(40, 3)),
    "a bias added by hand": lambda: Function(
        lambda m, x: x.flatten(1) @ m.out.weight.T + m.out.bias, out=nn.Linear(40, 3)),
    "a weight that is a part of another": lambda: Function(
        lambda m, x: functional.linear(x.flatten(1), m.out.weight[2:5], m.out.bias[1:4]),
        out=nn.Linear(40, 6)),
    "a weight that is computed": lambda: Function(
        lambda m, x: functional.linear(x.flatten(1), m.a.weight * m.b.weight - 0.5 * m.b.weight),
        a=nn.Linear(40, 3, bias=False), b=nn.Linear(40, 3, bias=False)),
}  # fmt: skip


def write_to_activation(a, b):
    base = functional.relu(b)
    again = functional.relu(base)
    again -= a
    return torch.cat([again, base], 1)


def write_to_part(a, b):
    a[:, 1:] += b
    a[:, :, 0] = b[:, :, 1]
    return a


def write_into_empty(a, b):
    made = a.new_empty((a.shape[0], 4, *a.shape[2:]))
    made[:, :2], made[:, 2:] = b, a
    return made


@pytest.mark.parametrize("norm", ["fold", "keep"])
@pytest.mark.parametrize("name", CASES)
def test_cases(name, norm):
    model = CASES[name]()
    x = sample((2, 5, 4))
    with torch.no_grad():
        expected = model(x)
    net = cg.load(model, input_shape=(2, 5, 4), norm=norm, strict=True)
    _, after = propagate(net, x[0].numpy())
    assert np.allclose(outputs_of(net, after), expected.numpy().reshape(-1), rtol=0, atol=1e-9)


def test_models_of_several_inputs():
    model = Function(
        lambda m, x, y: m.out(torch.cat([m.a(x).relu().flatten(1), m.b(y)], 1)),
        a=conv(), b=nn.Linear(4, 5), out=nn.Linear(45, 3),
    )  # fmt: skip
    net = check(model, (2, 5, 4), (4,))
    assert [layer.is_input for layer in net.layers][:2] == [True, True]


@pytest.mark.parametrize("batch", [1, 3])
def test_the_example_may_be_a_batch_of_any_layout(batch):
    model = RandomNet(5)
    x = sample(model.input_shape).expand(batch, *(-1,) * len(model.input_shape))
    x = x.transpose(1, -1).contiguous().transpose(1, -1)
    net = cg.load(model, example_input=x)
    plain = cg.load(model, input_shape=model.input_shape)
    same_networks(net, plain)
    same_networks(cg.load(model, example_input=x.numpy()), plain)


def test_channels_last_models():
    model = nn.Sequential(conv(), nn.BatchNorm2d(2), nn.ReLU(), nn.AvgPool2d(2), conv(2, 4),
                          nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))  # fmt: skip
    randomize(model, 1)
    plain = check(model, (2, 6, 6), norms={"0": "1"})
    last = check(model.to(memory_format=torch.channels_last), (2, 6, 6), norms={"0": "1"})
    same_networks(plain, last)


# -- live and saved ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "how",
    [{}, {"batch": 3}, {"batch": 2, "dynamic": True}, {"decompose": True}],
    ids=["batch 1", "batch 3", "dynamic batch", "decomposed"],
)
def test_saved_is_live(seed, how, tmp_path):
    model = RandomNet(seed, plain="decompose" in how)
    path = saved(model, tmp_path / "model.pt2", **how)
    for norm in ("fold", "keep"):
        saved_is_live(model, path, norm)


def saved_is_live(model, path, norm):
    live = cg.load(model, input_shape=model.input_shape, norm=norm, strict=True)
    file = cg.load(path, norm=norm, strict=True)
    same_networks(live, file)
    assert file.parameters.keys() == live.parameters.keys()
    # A bias may be folded in, where a linear layer is decomposed into a product and a sum.
    tables = [
        net.coverage.drop(columns="reason").replace("folded", "included").sort_index()
        for net in (live, file)
    ]
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", CASES)
def test_saved_cases(name, batch, tmp_path):
    model = CASES[name]()
    model.input_shape = (2, 5, 4)
    live = cg.load(model, input_shape=(2, 5, 4))
    path = saved(model, tmp_path / "m.pt2", batch=batch)
    same_networks(live, cg.load(path), names=False)


def test_an_activation_that_is_taken_apart_does_not_cut_the_graph(tmp_path):
    model = nn.Sequential(nn.Linear(4, 3), nn.Softplus(), nn.Linear(3, 2)).double()
    model.input_shape = (4,)
    live = cg.load(model, input_shape=(4,), strict=True)
    file = cg.load(saved(model, tmp_path / "model.pt2", decompose=True), strict=True)
    assert np.allclose(cg.node_strength(file), cg.node_strength(live), rtol=1e-12, atol=1e-12)
