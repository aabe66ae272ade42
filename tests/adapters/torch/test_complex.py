"""Complex numbers and Fourier transforms of PyTorch, against its own values."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.propagate import propagate
from oracles.torch_audit import audit
from oracles.torch_checks import Function, exported, same_networks, sample, saved_whole_and_apart
from torch import nn

import cntgraph as cg
from cntgraph.core.errors import CoverageWarning


class Read(nn.Module):
    """A model, and a dense layer that reads all of its result: both parts of complex numbers."""

    def __init__(self, model, *shapes):
        super().__init__()
        torch.manual_seed(len(shapes))
        self.model, self.input_shape = model.double(), shapes[0]
        with torch.no_grad():
            n_values = self.flat(model(*map(sample, shapes))).shape[1]
        self.end = nn.Linear(n_values, 3).double()

    def flat(self, y):
        return (torch.view_as_real(y.resolve_conj()) if y.is_complex() else y).flatten(1)

    def forward(self, *inputs):
        return self.end(self.flat(self.model(*inputs)))


def check(model, *shapes, gates=False):
    """Every layer, the output of the graph and its sums are those of the model."""
    model = Read(model, *shapes).eval()
    inputs = [sample(shape, k) for k, shape in enumerate(shapes)]
    audit(model, *inputs)
    net = cg.load(model, example_input=tuple(inputs), strict=True)
    if not gates:
        with torch.no_grad():
            expected = model(*inputs)
        _, after = propagate(net, *(x[0].numpy() for x in inputs))
        assert np.allclose(after["end"], expected[0].numpy(), rtol=0, atol=1e-9)
    graph = cg.build_graph(net)
    for transform in ("signed", "absolute", "positive", "negative", "square"):
        options = {"transform": transform, "edges": "all"}
        assert np.allclose(cg.node_strength(net, **options), cg.node_strength(graph, **options))
    return model, net


def saved_alike(model, net, folder):
    for path in saved_whole_and_apart(exported(model), folder):
        same_networks(net, cg.load(path, strict=True), names=False)


# -- Fourier transforms -------------------------------------------------------------------------

FFT = torch.fft
TRANSFORMS = {
    "fnet": lambda x: FFT.fft(FFT.fft(x, dim=-1), dim=-2).real,
    "fft2": lambda x: FFT.fft2(x, norm="ortho").imag,
    "there and back": lambda x: FFT.ifftn(FFT.fftn(x, dim=(1, 2)), dim=(1, 2), norm="forward"),
    "power": lambda x: FFT.rfft(x, dim=1).abs(),
    "hermitian": lambda x: FFT.hfft(FFT.ihfft(x, dim=1), n=7, dim=1),
    "shifted": lambda x: FFT.fftshift(FFT.rfft2(x), dim=1),
    "in two dimensions": lambda x: FFT.irfft2(FFT.rfft2(x)[..., :3] * 2.0, s=(4, 6)),
    "conjugated": lambda x: FFT.irfft(FFT.rfft(x, dim=1).conj() * (1 + 2j), dim=1),
    "phases": lambda x: FFT.irfft(FFT.rfft(x, dim=1) * torch.exp(1j * torch.arange(3.0))[:, None],
                                  n=5, dim=1),
    "frames": lambda x: torch.stft(x.flatten(1), 8, 4, window=torch.hann_window(8).to(x),
                                   return_complex=True),
}  # fmt: skip


def layered(function):
    return Function(lambda m, x: function(m.before(x)), before=nn.Linear(4, 6))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_is_a_fixed_linear_map(name, tmp_path):
    model, net = check(layered(TRANSFORMS[name]), (5, 4))
    learned = {block.name for block in net.blocks if block.parametric}
    assert {"model.before", "end"} >= learned
    saved_alike(model, net, tmp_path)


@settings(max_examples=12)
@given(
    length=st.integers(1, 9), n=st.one_of(st.none(), st.integers(1, 9)),
    norm=st.sampled_from(["backward", "ortho", "forward"]), kind=st.sampled_from(["r", "", "h"]),
    channels=st.booleans(), inverse=st.booleans(),
)  # fmt: skip
def test_lengths_and_norms(length, n, norm, kind, channels, inverse):
    forward, dim = getattr(FFT, f"{'i' * inverse}{kind}fft"), 2 if channels else 1

    def transformed(m, x):
        h = m.before(x)
        h = h[..., :length] if channels else h[:, :length]
        takes_pairs = (kind == "h") != inverse and kind
        h = torch.complex(h, 2 * h.flip(1)) if takes_pairs else h
        if takes_pairs and (n or 2 * (length - 1)) < 1:
            return h
        return forward(h, n=n, norm=norm, dim=dim)

    check(Function(transformed, before=nn.Linear(4, 9)), (9, 4))


def test_a_transform_of_positions_is_one_for_every_channel():
    model = layered(lambda x: FFT.irfft(FFT.rfft(x, dim=1), n=5, dim=1))
    net = cg.load(model, input_shape=(5, 4), strict=True)
    assert [layer.shape for layer in net.layers][1:] == [(6, 5), (6, 3), (6, 3), (6, 5)]
    assert {block.kind for block in net.blocks[1:]} == {"pool"}
    assert cg.coarsen(net, "channel").n_nodes == 4 + 4 * 6 + 1
    net = cg.load(layered(lambda x: FFT.fft(x).real), input_shape=(5, 4), strict=True)
    assert (net.blocks[1].kind, net.blocks[1].parametric) == ("conv", False)
    # A sine that is zero is no edge of a pooling: those of frequency zero, and of the highest.
    cut = cg.load(layered(lambda x: FFT.rfft(x, dim=1).imag), input_shape=(4, 4), strict=True)
    assert cut.blocks[1].n_edges == 6 * 2


def test_a_transform_of_very_many_values_is_cut():
    model = layered(lambda x: FFT.rfft(x.repeat(1, 900, 1), dim=1).real)
    with pytest.warns(CoverageWarning, match="Fourier transform of 4,500 values"):
        cg.load(model, input_shape=(5, 4))


# -- complex weights ----------------------------------------------------------------------------


class Spectral(nn.Module):
    """A layer of a Fourier neural operator, in one or two dimensions."""

    def __init__(self, rank, modes=2, width=3):
        super().__init__()
        conv = nn.Conv1d if rank == 1 else nn.Conv2d
        self.lift, self.skip = conv(2, width, 1), conv(width, width, 1)
        shape = (width, width, *[modes] * rank)
        self.low = nn.Parameter(torch.randn(shape, dtype=torch.cdouble))
        self.high = nn.Parameter(torch.randn(shape, dtype=torch.cdouble))
        self.rank, self.modes = rank, modes

    def forward(self, x):
        x, n = self.lift(x), self.modes
        if self.rank == 1:
            found = FFT.rfft(x)
            made = torch.zeros(found.shape, dtype=found.dtype)
            made[:, :, :n] = torch.einsum("bix,iox->box", found[:, :, :n], self.low)
            return torch.relu(FFT.irfft(made, n=x.shape[-1]) + self.skip(x))
        found = FFT.rfft2(x)
        made = torch.zeros_like(found)
        equation = "bixy,ioxy->boxy"
        made[:, :, :n, :n] = torch.einsum(equation, found[:, :, :n, :n], self.low)
        made[:, :, -n:, :n] = torch.einsum(equation, found[:, :, -n:, :n], self.high)
        return torch.relu(FFT.irfft2(made, s=x.shape[-2:]) + self.skip(x))


@pytest.mark.parametrize(("rank", "shape"), [(1, (2, 7)), (2, (2, 5, 6))])
def test_a_fourier_neural_operator(rank, shape, tmp_path):
    layer = Spectral(rank)
    if rank == 1:
        del layer.high
    model, net = check(layer, shape)
    low = net.coverage.loc["model.low"]
    assert (low["status"], low["shape"]) == ("included", (*layer.low.shape, 2))
    saved_alike(model, net, tmp_path)
    cg.save(net, tmp_path / "net.h5")
    assert np.allclose(cg.node_strength(cg.load(tmp_path / "net.h5")), cg.node_strength(net))


class Turned(nn.Module):
    """Complex layers of PyTorch, and a state space whose kernel is made of complex weights."""

    def __init__(self):
        super().__init__()
        self.before = nn.Linear(2, 6)
        self.dense = nn.Linear(3, 4, dtype=torch.cdouble)
        self.rate = nn.Parameter(torch.randn(3, dtype=torch.cdouble))
        self.mix = nn.Parameter(torch.randn(3, dtype=torch.cdouble))

    def forward(self, x):
        pairs = torch.view_as_complex(self.before(x).unflatten(-1, (3, 2)))
        turned = self.dense(pairs) / (2 - 1j) + self.mix.sum()
        times = torch.arange(6.0, dtype=torch.double)
        kernel = torch.einsum(
            "n,nl->l", self.mix / self.rate, torch.exp(self.rate[:, None] * times)
        )
        seen = FFT.rfft(turned.imag, n=12, dim=1) * FFT.rfft(2 * kernel.real, n=12)[:, None]
        return FFT.irfft(seen, n=12, dim=1)[:, :6]


def test_what_is_computed_of_complex_weights_is_a_recipe(tmp_path):
    model, net = check(Turned(), (6, 2))
    assert set(net.coverage["status"]) == {"included"} | {"folded"}
    saved_alike(model, net, tmp_path)
    with torch.no_grad():
        model.model.rate += 0.1
    changed = cg.load(model, input_shape=(6, 2), strict=True)
    assert np.allclose(cg.node_strength(net), cg.node_strength(changed))  # it follows the model


def test_other_weights_and_snapshots_of_complex_parameters(tmp_path):
    torch.manual_seed(3)
    models = [Read(Spectral(2), (2, 5, 6)) for _ in range(2)]
    nets = [cg.load(model, input_shape=(2, 5, 6)) for model in models]
    strengths = [cg.node_strength(net) for net in nets]
    bound = cg.load(models[1].state_dict(), model=models[0], input_shape=(2, 5, 6), strict=True)
    assert np.allclose(cg.node_strength(bound), strengths[1])
    torch.save(models[1].state_dict(), tmp_path / "m.pt")
    bound = cg.load(tmp_path / "m.pt", model=models[0], input_shape=(2, 5, 6), strict=True)
    assert np.allclose(cg.node_strength(bound), strengths[1])
    with cg.Recorder(tmp_path / "run.h5", models[0], input_shape=(2, 5, 6)) as record:
        for step, model in enumerate(models):
            models[0].load_state_dict(model.state_dict())
            record(step=step)
    with cg.open(tmp_path / "run.h5") as trajectory:
        for kept, expected in zip(trajectory, strengths, strict=True):
            assert np.allclose(cg.node_strength(kept), expected)


def test_complex_weights_without_a_model_are_left_out_with_the_reason():
    with pytest.warns(CoverageWarning, match="complex numbers"):
        net = cg.load({"w": torch.ones(2, 3), "z": torch.ones(2, 3, dtype=torch.cfloat)})
    assert [layer.name for layer in net.layers] == ["w.in", "w"]


# -- rotations ----------------------------------------------------------------------------------

ANGLES = torch.outer(torch.arange(5.0), torch.tensor([1.0, 0.1])).double()


def rotated(x):
    """A rotation of pairs as complex numbers, as Llama has it."""
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
    turns = torch.polar(torch.ones_like(ANGLES), ANGLES)[:, None]
    return torch.view_as_real(pairs * turns).flatten(3)


def rotated_in_reals(x):
    a, b = x[..., 0::2], x[..., 1::2]
    cos, sin = ANGLES.cos()[:, None], ANGLES.sin()[:, None]
    return torch.stack([a * cos + b * -sin, a * sin + b * cos], -1).flatten(3)


def attention(turn):
    def forward(m, x):
        q, k, v = (part(x).unflatten(-1, (2, 4)) for part in (m.q, m.k, m.v))
        q, k, v = (part.transpose(1, 2) for part in (turn(q), turn(k), v))
        return nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

    return Function(forward, q=nn.Linear(4, 8), k=nn.Linear(4, 8), v=nn.Linear(4, 8))


def test_a_rotation_by_complex_numbers_is_that_by_reals(tmp_path):
    model, net = check(attention(rotated), (5, 4), gates=True)
    other = cg.load(Read(attention(rotated_in_reals), (5, 4)), input_shape=(5, 4), strict=True)
    for direction in ("in", "out"):
        found = (cg.node_strength(n, direction=direction, edges="all") for n in (net, other))
        sums = [n.split(s) for n, s in zip((net, other), found, strict=True)]
        for name in ("model.q", "model.k", "model.v", "model.attention"):
            assert np.allclose(sums[0][name], sums[1][name])
    assert net.n_edges == other.n_edges
    saved_alike(model, net, tmp_path)


def test_turns_that_are_stored_are_weights_that_are_not_learned():
    class Stored(nn.Module):
        def __init__(self):
            super().__init__()
            self.before = nn.Linear(3, 4)
            self.register_buffer("turns", torch.polar(torch.ones(2), torch.tensor([0.1, 1.0])))

        def forward(self, x):
            pairs = torch.view_as_complex(self.before(x).unflatten(-1, (2, 2)))
            return torch.view_as_real(pairs * self.turns)

    _, net = check(Stored(), (3,))
    assert net.coverage.loc["model.turns", ["kind", "status"]].to_list() == ["buffer", "included"]


# -- other operations ---------------------------------------------------------------------------


def written(m, x):
    """Writing in place is seen by every view."""
    made = FFT.rfft(m.a(x))
    made.real[:, :1] = m.b(x)[:, :1]
    made[:, 2:] *= 2j
    made.imag.mul_(3.0)
    filled = torch.zeros(1, 4, dtype=torch.cdouble)
    shown = torch.view_as_real(filled)
    filled[:, 1:] = made[:, :-1]
    return torch.cat([made, shown[..., 0] + 1j * shown[..., 1]], 1)


def in_parts(m, x):
    parts = (1j * m.a(x)).unflatten(1, (2, 3)).unbind(2)
    return torch.cat([*torch.complex(m.a(x), m.b(x)).chunk(2, 1), *parts], 1)


def copied(m, x):
    """What is computed or copied has memory of its own."""
    made = torch.complex(m.a(x), m.b(x))
    others = [made.to(torch.cdouble, copy=True), made * 1]
    made.mul_(2j)
    return torch.cat([made, *others], 1)


OPERATIONS = {
    "written in place": written,
    "in parts": in_parts,
    "its conjugate": lambda m, x: torch.complex(m.a(x), m.b(x)).conj().imag * 2,
    "copied": copied,
    "made of two": lambda m, x: torch.complex(m.a(x), m.b(x)) - 1j,
    "divided": lambda m, x: (1j * m.a(x) + m.b(x)) / torch.tensor([1 + 1j, 2, 3, 1j, 5, 6]),
    "chosen": lambda m, x: torch.where(torch.arange(6) > 2, 1j * m.a(x), m.b(x).to(torch.cdouble)),
    "added up": lambda m, x: (m.a(x) + 2j * m.b(x)).cumsum(1).mean(1, keepdim=True).roll(1, 0),
    "multiplied": lambda m, x: torch.addmm(2 * W[0], 1j * m.a(x) + m.b(x), W),
}  # fmt: skip
W = torch.randn(6, 2, dtype=torch.cdouble, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_on_both_parts(name):
    check(Function(OPERATIONS[name], a=nn.Linear(4, 6), b=nn.Linear(4, 6)), (4,))


def test_a_complex_input_is_a_pair_of_nodes():
    def forward(m, z):
        return m.a(FFT.ifft(z * (2 + 1j)).real)

    model, z = (
        Function(forward, a=nn.Linear(4, 3)).double(),
        torch.complex(sample((4,)), sample((4,), 1)),
    )
    audit(model, z)
    net = cg.load(model, example_input=z, strict=True)
    assert net.layers[0].shape == (4, 2)
    _, after = propagate(net, torch.view_as_real(z)[0].numpy())
    assert np.allclose(after["a"], model(z)[0].detach())


GATES = {
    "correlation": lambda m, x: FFT.irfft(FFT.rfft(m.a(x)) * FFT.rfft(m.b(x)).conj()),
    "power": lambda m, x: (lambda z: (z * z.conj()).real)(FFT.rfft(m.a(x)) + 1j * m.b(x)[:, :4]),
}


@pytest.mark.parametrize("name", GATES)
def test_products_of_neurons_are_gates_in_pairs(name):
    check(Function(GATES[name], a=nn.Linear(4, 6), b=nn.Linear(4, 6)), (4,), gates=True)


def test_turns_that_the_data_choose_are_cut():
    turns = torch.polar(torch.ones(5, 2), ANGLES.float())

    def forward(m, ids):
        h = torch.view_as_complex(m.rows(ids).unflatten(-1, (2, 2)))
        return torch.view_as_real(h * turns[(ids > 2).cumsum(1)]).flatten(2)

    model = Function(forward, rows=nn.Embedding(9, 4))
    with pytest.warns(CoverageWarning, match="complex numbers"):
        net = cg.load(model, example_input=torch.tensor([[1, 4, 2]]))
    assert any(layer.kind.startswith("unknown") for layer in net.layers)


@pytest.mark.parametrize(
    "function", [torch.angle, torch.exp, lambda z: 1 / z, lambda z: z.cumprod(1)]
)
def test_what_has_no_edges_is_cut_by_name(function):
    model = Function(lambda m, x: torch.view_as_real(function(FFT.rfft(m.a(x))) * 1j).flatten(1),
                     a=nn.Linear(4, 6)).double()  # fmt: skip
    with pytest.warns(CoverageWarning, match="complex numbers"):
        audit(model, sample((4,)), strict=False)
