"""The PyTorch adapter, decided by PyTorch's own forward pass."""

import numpy as np
import pytest
import torch
from oracles.propagate import propagate
from oracles.torch_checks import Function, check, outputs_of, same_networks, sample, saved
from oracles.torch_models import RandomNet, randomise
from torch import nn
from torch.nn import functional

import cntgraph as cg
from cntgraph.blocks import TRANSFORMS
from cntgraph.errors import (
    CntGraphError,
    CoverageError,
    CoverageWarning,
    InputShapeError,
    TraceError,
)

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
    randomise(model, 0)
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
    randomise(model, 1)
    plain = check(model, (2, 6, 6), norms={"0": "1"})
    last = check(model.to(memory_format=torch.channels_last), (2, 6, 6), norms={"0": "1"})
    same_networks(plain, last)


# -- live and saved ------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["fold", "keep"])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "how",
    [{}, {"batch": 3}, {"batch": 2, "dynamic": True}, {"decompose": True}],
    ids=["batch 1", "batch 3", "dynamic batch", "decomposed"],
)
def test_saved_is_live(seed, how, norm, tmp_path):
    model = RandomNet(seed, plain="decompose" in how)
    live = cg.load(model, input_shape=model.input_shape, norm=norm, strict=True)
    file = cg.load(saved(model, tmp_path / "model.pt2", **how), norm=norm, strict=True)
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
    if batch > 1 and "not batch first" in name:
        with pytest.raises(TraceError, match="batch of one"):
            cg.load(path)
    else:
        same_networks(live, cg.load(path), names=False)


def test_an_activation_that_is_taken_apart_does_not_cut_the_graph(tmp_path):
    model = nn.Sequential(nn.Linear(4, 3), nn.Softplus(), nn.Linear(3, 2)).double()
    model.input_shape = (4,)
    live = cg.load(model, input_shape=(4,), strict=True)
    file = cg.load(saved(model, tmp_path / "model.pt2", decompose=True), strict=True)
    assert np.allclose(cg.node_strength(file), cg.node_strength(live), rtol=1e-12, atol=1e-12)


# -- the model is left as it was -----------------------------------------------------------------


def test_the_model_is_not_touched():
    model = RandomNet(2)
    model.train()
    model.units[0].eval()
    training = [module.training for module in model.modules()]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    pointers = {name: tensor.data_ptr() for name, tensor in model.state_dict().items()}
    torch.manual_seed(3)
    random = torch.get_rng_state()
    net = cg.load(model, input_shape=model.input_shape)
    cg.analyze(net)
    assert [module.training for module in model.modules()] == training
    assert torch.equal(torch.get_rng_state(), random)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, state[name]), name
        assert tensor.data_ptr() == pointers[name]
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_the_training_mode_is_restored_after_an_error():
    model = Function(lambda m, x: m.fc(x), fc=nn.Linear(4, 3))
    model.train()
    with pytest.raises(TraceError):
        cg.load(model, input_shape=(5,))
    assert model.training
    assert model.fc.training
    assert torch.backends.mha.get_fastpath_enabled()
    # No hook and no dispatch mode stays behind.
    assert not torch.nn.modules.module._global_forward_pre_hooks
    assert not torch.nn.modules.module._global_forward_hooks


def test_a_loaded_network_follows_the_training():
    model = nn.Sequential(nn.Linear(3, 2))
    net = cg.load(model, input_shape=(3,))
    before = cg.node_strength(net)
    with torch.no_grad():
        model[0].weight += 1.0
    assert np.allclose(cg.node_strength(net, direction="out")[:3],
                       model[0].weight.sum(0).detach().numpy())  # fmt: skip
    assert not np.allclose(cg.node_strength(net), before)


# -- types and storage ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_stored_types(dtype):
    model = nn.Sequential(conv(), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(32, 3))
    randomise(model, 0)
    model.to(dtype)
    net = cg.load(model, input_shape=(2, 4, 4))
    assert set(net.coverage["dtype"]) == {str(dtype).removeprefix("torch."), "int64"}
    model.double()
    wide = cg.load(model, input_shape=(2, 4, 4))
    assert np.allclose(cg.node_strength(net), cg.node_strength(wide), rtol=1e-12, atol=1e-12)


def test_parameters_that_are_not_contiguous():
    model = nn.Linear(4, 3).double()
    values = torch.randn(8, 3, dtype=torch.double)
    model.weight = nn.Parameter(values[::2].T)
    net = cg.load(model, input_shape=(4,))
    assert np.array_equal(cg.build_graph(net).adjacency.toarray()[:4, 4:], values[::2].numpy())


def test_tied_weights_are_one_parameter_of_two_blocks():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.encode, self.again = nn.Linear(6, 3), nn.Linear(6, 3)
            self.shift = nn.Parameter(torch.zeros(6))
            self.again.weight = self.encode.weight

        def forward(self, x):
            h = torch.tanh(self.encode(x))
            h = torch.tanh(functional.linear(h, self.encode.weight.t(), self.shift))
            return self.again(h)

    model = Tied()
    randomise(model, 0)
    x = sample((6,))
    net = cg.load(model, example_input=x)
    _, after = propagate(net, x[0].numpy())
    assert np.allclose(outputs_of(net, after), model(x).detach().numpy(), atol=1e-12)
    blocks = [b.name for b in net.blocks if "encode.weight" in {p.name for p in b.parameters()}]
    assert len(blocks) == 3
    assert net.coverage.loc["encode.weight", "block"] == ", ".join(blocks)
    assert net.n_parameters == sum(p.numel() for p in model.parameters())


def test_compiled_modules_are_looked_into():
    model = nn.Sequential(nn.Linear(3, 2))
    wrapped = torch.compile(model)
    same_networks(cg.load(wrapped, input_shape=(3,)), cg.load(model, input_shape=(3,)))


# -- coverage ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_coverage_is_complete(seed):
    model = RandomNet(seed)
    net = cg.load(model, input_shape=model.input_shape)
    assert set(net.coverage.index) == set(model.state_dict())
    read = {p.name for block in net.blocks for p in block.parameters()}
    for name, row in net.coverage.iterrows():
        tensor = model.state_dict()[name]
        assert row["shape"] == tuple(tensor.shape)
        trainable = name in dict(model.named_parameters())
        assert row["kind"] == ("parameter" if trainable else "buffer")
        assert (row["status"] == "skipped") == (name not in read)
        if name not in read:
            assert name.endswith("num_batches_tracked")
            assert row["reason"]


class Unknown(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.one, self.two, self.bilinear = nn.Linear(4, 4), nn.Linear(4, 3), nn.Bilinear(4, 4, 4)
        self.function = function

    def forward(self, x):
        return self.two(self.function(self, torch.relu(self.one(x))))


UNKNOWN = {
    "cumsum": lambda m, h: torch.cumsum(h, 1),
    "sort": lambda m, h: torch.sort(h, 1).values,
    "a product of two inputs is not an edge": lambda m, h: m.bilinear(h, h),
    "fft": lambda m, h: torch.fft.fft(h).real,
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_operations_are_named(name):
    model = Unknown(UNKNOWN[name])
    with pytest.warns(CoverageWarning, match=name):
        net = cg.load(model, input_shape=(4,))
    operations = net.coverage[net.coverage["kind"] == "operation"]
    assert name in " ".join(operations["reason"])
    assert set(operations["status"]) == {"skipped"}
    assert {"one", "two"} <= {layer.name for layer in net.layers}
    unknown = [layer for layer in net.layers if layer.kind.startswith("unknown")]
    assert unknown
    assert "no edges" in set(cg.analyze(net)["status"])
    with pytest.raises(CoverageError, match=name):
        cg.load(model, input_shape=(4,), strict=True)


def test_parameters_that_are_not_used_are_named():
    model = Unknown(lambda m, h: h)
    with pytest.warns(CoverageWarning, match=r"bilinear\.weight: not used"):
        net = cg.load(model, input_shape=(4,))
    assert net.coverage.loc["bilinear.weight", "status"] == "skipped"
    with pytest.raises(CoverageError, match=r"bilinear\.weight"):
        cg.load(model, input_shape=(4,), strict=True)


# -- what goes wrong -----------------------------------------------------------------------------


def test_a_missing_input_shape():
    with pytest.raises(InputShapeError, match=r"input_shape=\(channels, height, width\)"):
        cg.load(nn.Linear(3, 2))


def test_a_wrong_input_shape_has_the_message_of_torch():
    with pytest.raises(TraceError, match=r"\(1, 5\).*RuntimeError: .*input_shape"):
        cg.load(nn.Linear(3, 2), input_shape=(5,))
    with pytest.raises(TraceError, match=r"\(1, 3, 8, 8\).*RuntimeError: .*input_shape"):
        cg.load(nn.Conv2d(1, 2, 3), input_shape=(3, 8, 8))


@pytest.mark.parametrize("shape", [3.5, "abc", (0,), (-1, 3), (2.0,), (), [None], 0, {"a": 1}])
def test_an_impossible_input_shape(shape):
    with pytest.raises(CntGraphError):
        cg.load(nn.Linear(3, 2), input_shape=shape)


def test_an_input_shape_may_be_a_number_or_of_numpy():
    model = nn.Linear(3, 2)
    for shape in (3, [3], np.int64(3), (np.int32(3),), torch.Size([3])):
        assert cg.load(model, input_shape=shape).n_nodes == 5


class Failing(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        raise self.error


@pytest.mark.parametrize("error", [ValueError("no such mode"), KeyError("mode"), AssertionError()])
def test_a_model_that_raises(error):
    with pytest.raises(TraceError, match=type(error).__name__) as raised:
        cg.load(Failing(error), input_shape=(3,))
    assert raised.value.__cause__ is error


def test_control_is_given_back_to_whoever_interrupts():
    with pytest.raises(KeyboardInterrupt):
        cg.load(Failing(KeyboardInterrupt()), input_shape=(3,))


def test_a_bad_norm():
    with pytest.raises(CntGraphError, match="'fold' or 'keep'"):
        cg.load(nn.Linear(3, 2), input_shape=(3,), norm="merge")


# -- edges of what is possible -------------------------------------------------------------------


def test_a_model_that_hands_its_input_on():
    net = cg.load(nn.Identity(), input_shape=(3,))
    assert [(layer.is_input, layer.is_output) for layer in net.layers] == [(True, True)]
    assert cg.node_strength(net, boundary=1.0).tolist() == [2.0] * 3


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_layers_of_size_zero():
    model = nn.Sequential(nn.Linear(4, 0), nn.ReLU(), nn.Linear(0, 3)).double()
    net = cg.load(model, input_shape=(4,))
    assert [layer.n_nodes for layer in net.layers] == [4, 0, 3]
    assert net.n_edges == 0
    assert cg.analyze(net)["status"].tolist()[1] == "empty"
    bias = model[2].bias.detach().numpy()
    assert np.array_equal(cg.node_strength(net)[4:], bias)
    assert cg.build_graph(net).n_edges == 0
    assert len(cg.describe(net)) >= 3


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(bad):
    model = nn.Sequential(conv(), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(32, 3))
    with torch.no_grad():
        model[0].weight[1, 0, 0, 0] = bad
    for norm in ("fold", "keep"):
        net = cg.load(model, input_shape=(2, 4, 4), norm=norm)
        table = cg.analyze(net)
        assert table.loc["0", "status"] == "non-finite weights"
        assert set(table["status"].drop("0")) == {"ok"}
        graph = cg.build_graph(net)
        assert np.allclose(cg.node_strength(net), cg.node_strength(graph), equal_nan=True)


def test_a_model_without_parameters():
    net = check_without_hooks(nn.Sequential(nn.AvgPool2d(2), nn.Flatten()), (1, 4, 4))
    assert net.n_parameters == 0
    assert (cg.node_strength(net) == 0).all()


def check_without_hooks(model, shape):
    x = sample(shape, dtype=torch.float32)
    net = cg.load(model, example_input=x)
    _, after = propagate(net, x[0].numpy())
    assert np.allclose(outputs_of(net, after), model(x).numpy().reshape(-1), atol=1e-6)
    return net


@pytest.mark.parametrize("gain", [True, False])
def test_data_dependent_norms_are_gains(gain):
    model = nn.Sequential(
        nn.Linear(6, 4), nn.LayerNorm(4, elementwise_affine=gain), nn.Linear(4, 2)
    )
    folded = cg.load(model, input_shape=(6,), strict=True)
    assert [layer.kind for layer in folded.layers] == ["input", "dense", "dense"]
    assert folded.layers[1].activation == "layer_norm"
    net = cg.load(model, input_shape=(6,), norm="keep", strict=True)
    assert [layer.kind for layer in net.layers] == [
        "input", "dense", *(["norm"] if gain else []), "dense"
    ]  # fmt: skip
    if gain:
        found = cg.build_graph(net, layers=["0", "1"]).adjacency
        assert np.allclose(found.toarray()[:4, 4:], np.diag(model[1].weight.detach().numpy()))
