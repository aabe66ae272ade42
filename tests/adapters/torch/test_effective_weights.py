"""Weights that are computed of parameters: recipes, which follow every snapshot of a training."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from oracles.propagate import propagate
from oracles.torch_checks import outputs_of
from torch import nn
from torch.nn.utils import parametrizations

import cntgraph as cg
from cntgraph.core.errors import CoverageWarning, TraceError
from cntgraph.core.parameter import Parameter

N_IN, N_OUT = 6, 5
MASK = torch.arange(N_OUT * N_IN).reshape(N_OUT, N_IN) % 3 > 0
ROWS = torch.tensor([3, 0, 4])


class Effective(nn.Module):
    """y = W x, where W is a function of parameters."""

    def __init__(self, function, **shapes):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.function, self.names = function, list(shapes)
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.randn(shape, generator=generator)))

    def forward(self, x):
        return F.linear(x, self.function(*(getattr(self, name) for name in self.names)))


def case(function, **shapes):
    return lambda: Effective(function, **(shapes or {"w": (N_OUT, N_IN)}))


def of_positive(name, w):
    return getattr(torch, name)(w.abs() + 0.5)


def in_parts(w, u):
    """A constant into whose rows parameters are written, one after the other."""
    made = torch.full((N_OUT, N_IN), 0.25)
    rows = made[1:]
    rows[:3].copy_(u)
    made[:, 1:3] += w
    rows[0].mul_(2.0)
    return made


def in_parts_of_a_weight(w, u):
    made = w * 1.0
    made[1:4] = u
    made[0, ::2] = 0.0
    return made


def written(w, u):
    """A constant into which a parameter is written, in part."""
    made = torch.zeros(N_OUT, N_IN)
    made[ROWS] = u
    return made + w


WEIGHTS = {
    # value by value
    **{name: case(getattr(torch, name)) for name in (
        "exp", "expm1", "sigmoid", "tanh", "sign", "round", "floor", "ceil", "trunc", "frac",
        "sin", "cos", "tan", "sinh", "cosh", "erf", "erfc", "relu", "square", "abs", "neg",
        "exp2")},
    **{name: case(getattr(F, name)) for name in (
        "softplus", "silu", "gelu", "elu", "selu", "celu", "mish", "softsign", "tanhshrink",
        "hardsigmoid", "hardswish", "leaky_relu", "logsigmoid", "hardtanh", "relu6")},
    **{name: case(partial(of_positive, name))
       for name in ("log", "log1p", "log2", "log10", "sqrt", "rsqrt", "reciprocal")},
    "leaky_relu, steep": case(lambda w: F.leaky_relu(w, 0.3)),
    "elu, small": case(lambda w: F.elu(w, 0.5)),
    "softplus, steep": case(lambda w: F.softplus(w, 3.0)),
    "gelu by tanh": case(lambda w: F.gelu(w, approximate="tanh")),
    "clamp": case(lambda w: w.clamp(-0.5, 0.7)),
    "clamp below": case(lambda w: w.clamp(min=0.1)),
    "power 1.7": case(lambda w: w.abs() ** 1.7),
    "power of powers": case(lambda w, v: w.abs() ** v, w=(N_OUT, N_IN), v=(N_IN,)),
    "maximum": case(torch.maximum, w=(N_OUT, N_IN), v=(N_IN,)),
    "minimum": case(lambda w: torch.minimum(w, torch.tensor(0.2))),
    # along an axis
    "softmax": case(lambda w: w.softmax(-1)),
    "softmax over the first axis": case(lambda w: w.softmax(0)),
    "log_softmax": case(lambda w: w.log_softmax(1)),
    "logsumexp": case(lambda w: w - w.logsumexp(1, keepdim=True)),
    "largest": case(lambda w: w / w.abs().amax(1, keepdim=True)),
    "smallest": case(lambda w: w - w.amin()),
    "max over an axis": case(lambda w: w - w.max(1, keepdim=True).values),
    "standardized": case(lambda w: (w - w.mean(1, keepdim=True)) / w.std(1, keepdim=True)),
    "of length one": case(lambda w: F.normalize(w, dim=1)),
    "by another norm": case(lambda w: w / w.norm(3, dim=1, keepdim=True)),
    "cumulative": case(lambda w: w.cumsum(1)),
    "layer_norm": case(lambda w: F.layer_norm(w, (N_IN,), eps=1e-3)),
    "rms_norm": case(lambda w: F.rms_norm(w, (N_IN,))),
    "group_norm": case(lambda w: F.group_norm(w.reshape(1, 6, 5), 3).reshape(N_OUT, N_IN)),
    "batch_norm of a weight": case(
        lambda w: F.batch_norm(w.reshape(1, N_OUT, -1), None, None, training=True, eps=1e-6)
        .reshape_as(w)),
    "products so far": case(lambda w: w.cumprod(1)),
    # masks and choices
    "triu": case(torch.triu), "tril": case(lambda w: w.tril(-1)),
    "masked_fill": case(lambda w: w.masked_fill(MASK, 0.5)),
    "where": case(lambda w, v: torch.where(MASK, w, v), w=(N_OUT, N_IN), v=(N_OUT, N_IN)),
    "where by weights": case(lambda w: torch.where(w > 0.1, w, 0.0)),
    "pruned by size": case(lambda w: w * (w.abs() >= 0.5)),
    # movement
    "stack": case(lambda *rows: torch.stack(rows), **{f"r{k}": (N_IN,) for k in range(N_OUT)}),
    "cat": case(lambda a, b: torch.cat([a, b]), a=(2, N_IN), b=(3, N_IN)),
    "pad": case(lambda w: F.pad(w, (1, 2, 0, 1)), w=(4, 3)),
    "pad by a number": case(lambda w: F.pad(w, (1, 2), value=0.5), w=(5, 3)),
    "pad by reflection": case(lambda w: F.pad(w[None], (1, 2), mode="reflect")[0], w=(5, 3)),
    "roll": case(lambda w: w.roll(2, 1)), "flip": case(lambda w: w.flip(0)),
    "diag": case(lambda d, w: w @ torch.diag(d), d=(N_IN,), w=(N_OUT, N_IN)),
    "diag_embed": case(lambda d: torch.diag_embed(d, 1)[:N_OUT], d=(N_OUT,)),
    "block_diag": case(torch.block_diag, a=(2, 3), b=(3, 3)),
    "index_put": case(lambda w, u: w.index_put((ROWS,), u), w=(N_OUT, N_IN), u=(3, N_IN)),
    "index_copy": case(lambda w, u: w.index_copy(0, ROWS, u), w=(N_OUT, N_IN), u=(3, N_IN)),
    "written into a constant": case(written, w=(N_OUT, N_IN), u=(3, N_IN)),
    "written in parts": case(in_parts, w=(N_OUT, 2), u=(3, N_IN)),
    "written into a weight": case(in_parts_of_a_weight, w=(N_OUT, N_IN), u=(3, N_IN)),
    "interpolated": case(lambda w: F.interpolate(w[None], N_IN, mode="linear")[0], w=(5, 3)),
    "interpolated, nearest": case(lambda w: F.interpolate(w[None], N_IN)[0], w=(5, 3)),
    "averaged": case(lambda w: F.avg_pool1d(w[None], 2)[0], w=(5, 12)),
    # products
    "U V": case(lambda u, v: u @ v, u=(N_OUT, 3), v=(3, N_IN)),
    "U V W": case(lambda u, v, w: u @ v @ w, u=(N_OUT, 3), v=(3, 4), w=(4, N_IN)),
    "W + U V": case(lambda w, u, v: w + 0.5 * (u @ v), w=(N_OUT, N_IN), u=(N_OUT, 2), v=(2, N_IN)),
    "linear(U, V)": case(lambda u, v: F.linear(u, v), u=(N_OUT, 3), v=(N_IN, 3)),
    "linear(U, V, b)": case(F.linear, u=(N_OUT, 3), v=(N_IN, 3), b=(N_IN,)),
    "a tensor train": case(
        lambda a, b, c: torch.einsum("aib,bjc,ckd->aijkd", a, b, c).reshape(6, 10)[:5, :6],
        a=(1, 3, 2), b=(2, 5, 2), c=(2, 4, 1)),
    "kronecker": case(torch.kron, a=(5, 2), b=(1, 3)),
    "outer": case(torch.outer, a=(N_OUT,), b=(N_IN,)),
    "bmm": case(lambda u, v: torch.bmm(u, v).reshape(N_OUT, N_IN), u=(3, 5, 2), v=(3, 2, 2)),
    "a kernel convolved": case(
        lambda k, w: F.conv1d(w[:, None], k[None, None], padding=1)[:, 0], k=(3,), w=(5, 6)),
    "a kernel convolved, transposed": case(
        lambda k, w: F.conv_transpose1d(w[:, None], k, stride=2)[:, 0], k=(1, 1, 2), w=(5, 3)),
    "a series": case(lambda w: torch.eye(6)[:5] + w + w @ w.T @ w / 6),
    "a hypernetwork": case(
        lambda z, u, b, v: F.linear(F.relu(F.linear(z, u, b)), v).reshape(N_OUT, N_IN),
        z=(4,), u=(8, 4), b=(8,), v=(30, 8)),
    "attention of learned vectors": case(
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v)[0], q=(1, 5, 3), k=(1, 4, 3),
        v=(1, 4, 6)),
}  # fmt: skip
#: What is no recipe: a constant, and said to be one.
CONSTANT = {"products so far"}
#: What a program says less of: which weights share memory.
LIVE = {"written in parts", "written into a weight"}


def as_file(model, x, folder):
    path = folder / "model.pt2"
    torch.export.save(torch.export.export(model.eval(), (x,)), path)
    return cg.load(path)


def of(model, way, folder, x=None):
    x = torch.randn(2, N_IN) if x is None else x
    return cg.load(model, example_input=x) if way == "live" else as_file(model, x, folder)


def effective(net):
    """The matrix of all edges from the input to the output."""
    (block,) = net.blocks
    return block.to_csr().toarray()


def changed(model):
    """Change all parameters, as a step of training does."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.5).add_(0.01)


def bound(net, model):
    own = dict(model.named_parameters())
    found = {
        name: Parameter.from_array(name, own[name].detach().numpy(), trainable=p.trainable)
        if name in own else p for name, p in net.parameters.items()
    }  # fmt: skip
    return net.bind(found, {})


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


COMPUTED = [
    (name, way)
    for name in WEIGHTS if name not in CONSTANT
    for way in ("live", "pt2") if way == "live" or name not in LIVE
]  # fmt: skip


@pytest.mark.parametrize("name", sorted(LIVE))
def test_what_is_written_in_place_is_refused_in_a_file(name, tmp_path):
    with pytest.raises(TraceError, match=r"run_decompositions\(\)"):
        of(WEIGHTS[name](), "pt2", tmp_path)


@pytest.mark.parametrize(("name", "way"), COMPUTED)
def test_a_weight_that_is_computed(name, way, tmp_path):
    model, eye = WEIGHTS[name](), torch.eye(N_IN)
    with warnings.catch_warnings():
        warnings.simplefilter("error", CoverageWarning)
        net = of(model, way, tmp_path)
    close(effective(net), model(eye).detach())
    assert net.blocks[0].parametric
    cg.save(net, tmp_path / "net.h5")
    close(effective(cg.load(tmp_path / "net.h5")), model(eye).detach())
    net = cg.load(tmp_path / "net.h5")
    changed(model)
    close(effective(bound(net, model)), model(eye).detach())


@pytest.mark.parametrize("way", ["live", "pt2"])
@pytest.mark.parametrize("name", sorted(CONSTANT))
def test_what_is_no_recipe_is_a_constant_and_not_learned(name, way, tmp_path):
    model = WEIGHTS[name]()
    with pytest.warns(CoverageWarning, match="used as a constant, by way of aten"):
        net = of(model, way, tmp_path)
    expected = model(torch.eye(N_IN)).detach()
    np.testing.assert_allclose(effective(net), expected, equal_nan=True, rtol=2e-5, atol=2e-6)
    assert not net.blocks[0].parametric
    entry = next(e for e in net.entries if e.name == "w")
    assert (entry.status, entry.kind) == ("skipped", "parameter")


class StdConv2d(nn.Conv2d):
    """A convolution whose weight is standardized by a batch norm, as in timm and BiT."""

    def forward(self, x):
        weight = F.batch_norm(
            self.weight.reshape(1, self.out_channels, -1), None, None, training=True, momentum=0.0,
            eps=1e-6,
        ).reshape_as(self.weight)  # fmt: skip
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


class Filtered(nn.Conv2d):
    """A convolution whose kernels are convolved with another one first."""

    def __init__(self):
        super().__init__(2, 3, 3)
        self.blur = nn.Parameter(torch.rand(1, 1, 2, 2))

    def forward(self, x):
        kernels = self.weight.reshape(-1, 1, 3, 3)
        blurred = F.conv2d(kernels, self.blur, padding=1)
        return F.conv2d(x, blurred.reshape(3, 2, 4, 4), self.bias)


def parametrized(layer, how, **options):
    torch.manual_seed(1)
    return getattr(parametrizations, how)(layer, **options)


#: Models whose edges are learned, and those whose weights have no recipe.
LAYERS = {
    "StdConv2d": (lambda: StdConv2d(2, 3, 3, padding=1), True),
    "kernels convolved": (Filtered, True),
    "weight_norm": (lambda: parametrized(nn.Linear(6, 5), "weight_norm"), True),
    "weight_norm of a convolution": (lambda: parametrized(nn.Conv2d(2, 3, 2), "weight_norm"), True),
    "spectral_norm": (lambda: parametrized(nn.Linear(6, 5), "spectral_norm"), True),
    "orthogonal by an exponential": (
        lambda: parametrized(nn.Linear(6, 6), "orthogonal", orthogonal_map="matrix_exp"), False),
    "orthogonal by Cayley": (
        lambda: parametrized(nn.Linear(6, 6), "orthogonal", orthogonal_map="cayley"), False),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.filterwarnings("ignore::cntgraph.core.errors.CoverageWarning")
def test_layers_whose_weight_is_computed(name, tmp_path):
    make, learned = LAYERS[name]
    model = make().eval()
    x = torch.randn(1, 2, 5, 5) if isinstance(model, nn.Conv2d) else torch.randn(1, 6)
    net = cg.load(model, example_input=x)
    check(net, model, x)
    assert net.blocks[0].parametric == learned
    if not learned:
        reasons = {e.reason for e in net.entries if e.status == "skipped"}
        assert any("used as a constant, by way of aten" in reason for reason in reasons)
        return
    changed(model)
    check(bound(net, model), model, x)


def check(net, model, x):
    """Hold Aᵀz + b against what the model computes."""
    with torch.no_grad():
        expected = model(x)[0].reshape(-1)
    (block,) = net.blocks
    found = block.to_csr().T @ x.reshape(-1).double().numpy()
    np.testing.assert_allclose(
        found + net.bias()[-expected.numel() :], expected.double(), rtol=1e-4, atol=1e-5
    )


class Rotated(nn.Module):
    """A model with a buffer of complex numbers."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 3)
        self.register_buffer("freqs_cis", torch.polar(torch.ones(2), torch.tensor([0.1, 1.0])))

    def forward(self, x):
        return self.second(self.first(x).relu() * self.freqs_cis.real.repeat_interleave(2))


def test_a_complex_buffer_is_a_pair_of_real_ones(tmp_path):
    model = Rotated()
    with warnings.catch_warnings():
        warnings.simplefilter("error", CoverageWarning)
        net = cg.load(model, input_shape=(4,))
    entry = next(e for e in net.entries if e.name == "freqs_cis")
    assert (entry.kind, entry.status, entry.shape) == ("buffer", "skipped", (2, 2))
    assert entry.reason.startswith("used as a constant")  # as a real one is
    cg.save(net, tmp_path / "net.h5")
    assert cg.load(tmp_path / "net.h5").n_edges == net.n_edges


def test_learned_vectors_go_through_layers_as_weights():
    """A query that is learned, as of a detection transformer, and what a layer makes of it."""

    class Learned(nn.Module):
        def __init__(self):
            super().__init__()
            self.query = nn.Parameter(torch.randn(3, 4))
            self.layer, self.norm = nn.Linear(4, 4), nn.LayerNorm(4)

        def forward(self, x):
            return x + self.norm(self.layer(self.query).relu())

    model, x = Learned().eval(), torch.randn(1, 3, 4)
    net = cg.load(model, example_input=x)
    with torch.no_grad():
        expected = model(x).reshape(-1)
    _, after = propagate(net, x.double().numpy().reshape(-1))
    np.testing.assert_allclose(outputs_of(net, after), expected, rtol=1e-4, atol=1e-5)
    assert {e.status for e in net.entries} == {"included"}


def test_doubling_and_deep_chains():
    def doubled(w):
        for _ in range(40):
            w = w + w
        return w * 2.0**-40

    def negated(w):
        for _ in range(300):
            w = -w
        return w

    for function, warns in ((doubled, False), (negated, True)):
        model = Effective(function, w=(N_OUT, N_IN))
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always", CoverageWarning)
            net = cg.load(model, input_shape=(N_IN,))
        close(effective(net), model(torch.eye(N_IN)).detach())
        assert any(issubclass(w.category, CoverageWarning) for w in seen) == warns
        assert net.blocks[0].parametric != warns


def test_a_program_never_takes_stand_ins_for_values(tmp_path):
    """What PyTorch makes of smaller operations is followed on zeros, which are no weights."""
    model = Effective(
        lambda w, u: w * torch.logdet(u @ u.T + torch.eye(3)), w=(N_OUT, N_IN), u=(3, 3)
    )
    with pytest.warns(CoverageWarning, match="used as a constant"):
        net = of(model, "live", tmp_path)
    close(effective(net), model(torch.eye(N_IN)).detach())
    with pytest.raises(TraceError, match="pass the live model instead"):
        of(model, "pt2", tmp_path)
