"""Live models of PyTorch: left as they were, of any type and any kind."""

import copy
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from oracles.propagate import propagate
from oracles.torch_checks import Function, outputs_of, same_networks, sample
from oracles.torch_models import RandomNet, randomize
from torch import nn
from torch.nn import functional
from torch.nn.utils import prune

import cntgraph as cg
from cntgraph.core.errors import ParameterError, TraceError


def conv(n_in=2, n_out=2):
    return nn.Conv2d(n_in, n_out, 3, padding=1)


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
    randomize(model, 0)
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
    randomize(model, 0)
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


# -- models of other kinds -------------------------------------------------------------------------


def small():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(),
                         nn.Linear(32, 3)).eval()  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    "wrap",
    [
        torch.jit.script,
        lambda model: torch.jit.trace(model, torch.zeros(1, 1, 6, 6)),
        lambda model: torch.fx.symbolic_trace(model),
    ],
    ids=["scripted", "traced", "symbolic"],
)
def test_models_that_were_turned_into_something_else(wrap):
    plain = small()
    found = cg.load(wrap(copy.deepcopy(plain)), input_shape=(1, 6, 6), strict=True)
    same_networks(cg.load(plain, input_shape=(1, 6, 6)), found, names=False)


@dataclass
class Answer:
    logits: torch.Tensor
    note: str = "none"


class Named(nn.Module):
    """Keyword-only arguments, an argument that is no tensor, and a dataclass."""

    def __init__(self, returns):
        super().__init__()
        self.fc, self.returns = nn.Linear(3, 2), returns

    def forward(self, x, *, factor=1.0, skip=None):
        return self.returns(self.fc(x) * factor)


RETURNS = {
    "dataclass": Answer,
    "dict": lambda y: {"a": [y, None], "b": 3},
    "nested": lambda y: ((y,), "text"),
}


@pytest.mark.parametrize("kind", RETURNS)
def test_arguments_by_name_and_outputs_of_any_kind(kind):
    model = Named(RETURNS[kind])
    for given in ({"x": np.zeros((4, 3), np.float32), "factor": 2.0}, torch.zeros(1, 3)):
        net = cg.load(model, example_input=given, strict=True)
        assert [(layer.name, layer.is_output) for layer in net.layers] == [
            ("x", False),
            ("fc", True),
        ]
        factor = 2.0 if isinstance(given, dict) else 1.0
        expected = factor * model.fc.weight.detach().numpy().T
        assert np.allclose(cg.build_graph(net).adjacency.toarray()[:3, 3:], expected)


def test_what_the_model_decides_by_its_values():
    class Deciding(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def forward(self, x):
            y = self.fc(x)
            return y.sum() if (y > 0).any() or y.sum().item() > 1e9 else y.mean()

    net = cg.load(Deciding(), example_input=torch.ones(1, 3), strict=True)
    assert net.layers[-1].n_nodes == 1
    assert net.layers[-1].is_output


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.relu(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


ODD = {
    "a function with a gradient of its own": lambda: Function(
        lambda m, x: m.b(Straight.apply(m.a(x))), a=nn.Linear(3, 4), b=nn.Linear(4, 2)),
    "checkpointing": lambda: Function(
        lambda m, x: m.b(torch.utils.checkpoint.checkpoint(m.a, x, use_reentrant=False).relu()),
        a=nn.Linear(3, 4), b=nn.Linear(4, 2)),
    "a low-rank addition": lambda: Function(
        lambda m, x: m.b((m.a(x) + m.up(m.down(x)) * 0.5).relu()), a=nn.Linear(3, 4),
        down=nn.Linear(3, 1, bias=False), up=nn.Linear(1, 4, bias=False), b=nn.Linear(4, 2)),
    "several matrices at once": lambda: Function(
        lambda m, x: m.b(torch.vmap(lambda w: x @ w.T)(m.a.weight.view(2, 2, 3)).flatten().relu()),
        a=nn.Linear(3, 4, bias=False), b=nn.Linear(4, 2)),
    "pruned": lambda: Function(
        lambda m, x: m.b(m.a(x).relu()),
        a=prune.l1_unstructured(nn.Linear(3, 4), "weight", 0.5), b=nn.Linear(4, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_ways_to_compute(name):
    model, x = ODD[name](), sample((3,))
    net = cg.load(model, example_input=x, strict=True)
    _, after = propagate(net, x[0].numpy())
    with torch.no_grad():
        assert np.allclose(outputs_of(net, after), model(x).numpy().reshape(-1), atol=1e-12)


def test_a_model_without_values():
    with pytest.raises(ParameterError, match="'meta', which has none"):
        cg.load(small().to("meta"), input_shape=(1, 6, 6))
