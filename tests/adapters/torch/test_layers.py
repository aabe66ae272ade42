"""Kinds of layer of PyTorch, each decided by PyTorch's own values, live and saved."""

import numpy as np
import pytest
import torch
from oracles.propagate import propagate
from oracles.torch_checks import (
    Function,
    exported,
    outputs_of,
    same_networks,
    sample,
    saved,
    saved_whole_and_apart,
)
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations

import cntgraph as cg
from cntgraph.core.errors import CoverageError, CoverageWarning


def conv(n_in=4, n_out=3, **options):
    return nn.Conv2d(n_in, n_out, 3, **options)


def resized(mode, **options):
    def forward(m, x):
        return m.conv(functional.interpolate(x, mode=mode, **options))

    return lambda: Function(forward, conv=conv())


SHAPE = (4, 5, 6)
#: Layers whose graph is a forward pass: what the graph gives is what PyTorch gives.
SUMS = {
    "nearest": resized("nearest", scale_factor=2),
    "nearest to a size": resized("nearest", size=(8, 7)),
    "nearest-exact": resized("nearest-exact", size=(8, 7)),
    "bilinear": resized("bilinear", scale_factor=2),
    "bilinear by an odd factor": resized("bilinear", scale_factor=(1.7, 2.3)),
    "bilinear, factor computed again": resized(
        "bilinear", scale_factor=1.7, recompute_scale_factor=True),
    "bilinear to a size": resized("bilinear", size=(9, 4)),
    "bilinear, corners aligned": resized("bilinear", size=(9, 11), align_corners=True),
    "bicubic": resized("bicubic", scale_factor=2),
    "bicubic by an odd factor": resized("bicubic", scale_factor=(1.7, 2.3)),
    "bicubic, corners aligned": resized("bicubic", size=(9, 11), align_corners=True),
    "bicubic to a smaller size": resized("bicubic", size=(3, 4)),
    "bicubic, antialias": resized("bicubic", size=(3, 4), antialias=True),
    "bilinear, antialias": resized("bilinear", scale_factor=0.7, antialias=True),
    "linear": lambda: Function(
        lambda m, x: m.fc(functional.interpolate(x.flatten(2), 70, mode="linear")),
        fc=nn.Conv1d(4, 2, 3)),
    "trilinear": lambda: Function(
        lambda m, x: m.conv(functional.interpolate(x[:, None], scale_factor=2, mode="trilinear")),
        conv=nn.Conv3d(1, 2, 3)),
    "upsampled frames": lambda: Function(
        lambda m, x: m.conv(functional.interpolate(x.transpose(0, 1), scale_factor=2)).flatten(0),
        conv=conv(1, 2)),
    "weight norm": lambda: Function(
        lambda m, x: m.conv(x), conv=parametrizations.weight_norm(conv())),
    "weight norm of the whole": lambda: Function(
        lambda m, x: m.conv(x), conv=parametrizations.weight_norm(conv(), dim=None)),
    "weight norm on the second axis": lambda: Function(
        lambda m, x: m.up(x), up=parametrizations.weight_norm(nn.ConvTranspose2d(4, 2, 3), dim=1)),
    "spectral norm": lambda: Function(
        lambda m, x: m.conv(x), conv=parametrizations.spectral_norm(conv())),
    "standardized weights": lambda: Function(
        lambda m, x: functional.conv2d(x, standardized(m.conv.weight), m.conv.bias), conv=conv()),
    "instance norm by stored statistics": lambda: Function(
        lambda m, x: m.norm(m.conv(x)), conv=conv(),
        norm=nn.InstanceNorm2d(3, affine=True, track_running_stats=True)),
    "one-dimensional pooling": lambda: Function(
        lambda m, x: m.fc(m.most(m.mean(x.flatten(2)))),
        mean=nn.AvgPool1d(3, 2), most=nn.MaxPool1d(2), fc=nn.Conv1d(4, 2, 3)),
    "adaptive one-dimensional pooling": lambda: Function(
        lambda m, x: m.mean(x.flatten(2)).flatten(1) @ m.fc.weight.T,
        mean=nn.AdaptiveAvgPool1d(4), fc=nn.Linear(16, 2, bias=False)),
    "unfolded patches": lambda: Function(
        lambda m, x: m.fc(functional.unfold(x, 3, padding=1, stride=2).transpose(1, 2)),
        fc=nn.Linear(36, 2)),
    "locally connected": lambda: Function(
        lambda m, x: torch.einsum("bip,oip->bop", functional.unfold(x, 3),
                                  m.weight.weight.view(2, 36, 12)),
        weight=nn.Linear(36, 24, bias=False)),
    "einsum": lambda: Function(
        lambda m, x: torch.einsum("bchw,dc->bdhw", x, m.fc.weight), fc=nn.Linear(4, 3, bias=False)),
    "one matrix per head": lambda: Function(
        lambda m, x: torch.einsum("bhtd,hde->bhte", x, m.fc.weight.view(4, 6, 3)),
        fc=nn.Linear(6, 12, bias=False)),
    "one matrix per head, and a bias": lambda: Function(
        lambda m, x: torch.baddbmm(m.fc.bias.view(4, 1, 3), x[0], m.fc.weight.view(4, 6, 3)),
        fc=nn.Linear(6, 12)),
    "a matrix that mixes positions": lambda: Function(
        lambda m, x: m.mix.weight @ x, mix=nn.Linear(5, 3, bias=False)),
    "a matrix times a vector": lambda: Function(
        lambda m, x: torch.mv(m.fc.weight, x.flatten()) + m.fc.bias, fc=nn.Linear(120, 3)),
    "triangles of weights and of data": lambda: Function(
        lambda m, x: x.tril() @ m.fc.weight.triu(1).T, fc=nn.Linear(6, 3, bias=False)),
    "a fixed matrix": lambda: Function(
        lambda m, x: m.fc((torch.tri_matrix @ x).flatten(1)), fc=nn.Linear(120, 3)),
    "sizes of a part": lambda: Function(
        lambda m, x: torch.cat([m.conv(x), x.new_zeros(x.shape[0], 1, 3, 4)], 1), conv=conv()),
    "a constant mask": lambda: Function(
        lambda m, x: m.fc(x.masked_fill(CHESSBOARD, 0.0).flatten(1)), fc=nn.Linear(120, 3)),
    "a constant choice": lambda: Function(
        lambda m, x: torch.where(CHESSBOARD[:3, :4], m.a(x), m.b(x)), a=conv(), b=conv()),
    "a class token": lambda: Function(
        lambda m, x: m.fc(torch.cat([m.token.weight.expand(1, -1, -1), x.flatten(1, 2)], 1)),
        token=nn.Linear(6, 1, bias=False), fc=nn.Linear(6, 3)),
    "a learned constant through a layer": lambda: Function(
        lambda m, x: m.fc(m.a(m.token.weight)) + m.a(x.flatten(0, 2)),
        token=nn.Linear(6, 1, bias=False), a=nn.Linear(6, 4), fc=nn.Linear(4, 4)),
    "a module without parts": lambda: Function(
        lambda m, x: m.b(m.nothing(m.a(x))), nothing=nn.Sequential(), a=conv(4, 3), b=conv(3, 2)),
    "a mean squared distance": lambda: Function(
        lambda m, x: functional.mse_loss(m.a(x), m.b(x)), a=conv(), b=conv()),
    "a sum of distances": lambda: Function(
        lambda m, x: functional.l1_loss(m.a(x), m.b(x), reduction="sum"), a=conv(), b=conv()),
    "a normalized constant": lambda: Function(
        lambda m, x: m.a(x) + m.norm(torch.arange(4.0, dtype=x.dtype)),
        a=conv(), norm=nn.LayerNorm(4)),
    "a mean of all, and a number": lambda: Function(
        lambda m, x: m.a(x) * 2 + (m.a(x).mean() * 3 + 1), a=conv()),
}  # fmt: skip

#: What PyTorch makes more operations of, or operations on more axes.
TAKEN_APART = {"bicubic", "bicubic by an odd factor", "bicubic, corners aligned",
               "bicubic to a smaller size", "linear", "trilinear",
               "one-dimensional pooling", "adaptive one-dimensional pooling",
               "a matrix times a vector"}  # fmt: skip
CHESSBOARD = torch.arange(5)[:, None] % 2 == torch.arange(6) % 2
torch.tri_matrix = torch.ones(5, 5, dtype=torch.double).tril()


def standardized(weight):
    variance, mean = torch.var_mean(weight, dim=(1, 2, 3), keepdim=True, unbiased=False)
    return (weight - mean) / torch.sqrt(variance + 1e-5)


class Headed(nn.Module):
    """A model whose output goes through one more linear layer, in whatever order it is."""

    def __init__(self, body):
        super().__init__()
        self.body = body.eval()
        self.head = nn.Linear(body(sample(SHAPE)).numel(), 3).double()
        self.input_shape = SHAPE

    def forward(self, x):
        return self.head(self.body(x).reshape(1, -1))


@pytest.mark.parametrize("name", SUMS)
def test_the_graph_gives_what_torch_gives(name, tmp_path):
    model = Headed(SUMS[name]())
    x = sample(SHAPE)
    with torch.no_grad():
        expected = model(x)
    net = cg.load(model, input_shape=SHAPE, strict=True)
    _, after = propagate(net, x[0].numpy())
    assert np.allclose(outputs_of(net, after), expected.numpy().reshape(-1), rtol=0, atol=1e-9)
    files = saved_whole_and_apart(exported(model), tmp_path)
    same_networks(net, cg.load(next(files), strict=True))
    if name not in TAKEN_APART:
        same_networks(net, cg.load(next(files), strict=True), names=False)


# -- tables ----------------------------------------------------------------------------------------


def one_hot(tokens, n_entries):
    return (np.arange(n_entries)[:, None] == np.asarray(tokens).reshape(-1)).astype(float)


BAGS = {mode: lambda mode=mode: nn.EmbeddingBag(7, 4, mode=mode) for mode in ("mean", "sum", "max")}


@pytest.mark.parametrize("kind", ["embedding", *BAGS])
def test_an_embedding_reads_one_hot_inputs(kind, tmp_path):
    table = nn.Embedding(7, 4) if kind == "embedding" else BAGS[kind]()
    model = nn.Sequential(table, nn.Flatten(), nn.LazyLinear(3)).double().eval()
    tokens = torch.tensor([[1, 6, 0, 2, 2]])
    expected = model(tokens).detach().numpy()
    net = cg.load(model, example_input=tokens, strict=True)
    assert net.layers[0].shape == (7, 5)
    _, after = propagate(net, one_hot(tokens, 7))
    assert np.allclose(outputs_of(net, after), expected.reshape(-1), atol=1e-12)
    # A shape is enough: where numbers do not fit, indices are tried.
    same_networks(net, cg.load(model, input_shape=(5,), strict=True))
    for n in (1, 3):
        path = tmp_path / f"{n}.pt2"
        torch.export.save(torch.export.export(model, (tokens.expand(n, 5).contiguous(),)), path)
        same_networks(net, cg.load(path, strict=True))


def test_an_embedding_of_positions_is_a_bias():
    model = Function(
        lambda m, x: m.fc(m.table(torch.arange(1, 6)) + m.a(x)),
        a=nn.Linear(6, 4), table=nn.Embedding(9, 4), fc=nn.Linear(4, 3),
    )  # fmt: skip
    net = cg.load(model, input_shape=(5, 6), strict=True)
    assert [layer.name for layer in net.layers] == ["inputs", "a", "fc"]
    x = sample((5, 6))
    before, _ = propagate(net, x[0].numpy())
    expected = (model.a(x) + model.table.weight[1:6])[0].T.detach().numpy()
    assert np.allclose(before["a"], expected, atol=1e-12)


# -- what is refused, and why ---------------------------------------------------------------------

REFUSED = {
    "a product of two inputs is not an edge": lambda: Function(
        lambda m, x: m.a(x.flatten(1), x.flatten(1)), a=nn.Bilinear(120, 120, 2)),
    "a distance is not linear": lambda: Function(
        lambda m, x: torch.pdist(m.a(x).flatten(0, 2)), a=nn.Linear(6, 2, bias=False)),
}  # fmt: skip


@pytest.mark.parametrize("reason", REFUSED)
def test_what_has_no_edges_is_refused_with_its_reason(reason, tmp_path):
    model = REFUSED[reason]()
    model.input_shape = SHAPE
    with pytest.warns(CoverageWarning, match=reason):
        live = cg.load(model, input_shape=SHAPE)
    assert any(layer.kind.startswith("unknown") for layer in live.layers)
    with pytest.raises(CoverageError, match=reason):
        cg.load(saved(model, tmp_path / "m.pt2"), strict=True)


def test_bags_that_cannot_be_followed():
    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            self.bag = nn.EmbeddingBag(7, 4, mode="sum")

        def forward(self, tokens, weights):
            return self.bag(tokens, per_sample_weights=weights)

    with pytest.warns(CoverageWarning, match="the weights of a bag's entries are data"):
        cg.load(Bag(), example_input=(torch.tensor([[1, 2]]), torch.ones(1, 2)))
