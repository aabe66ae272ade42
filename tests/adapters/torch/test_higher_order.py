"""Operations that take functions: conditions, loops, attention by functions of the scores."""

import numpy as np
import pytest
import torch
from oracles.torch_checks import Function, check, same_networks
from torch import nn
from torch.nn import functional
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

import cntgraph as cg

N, STEPS = 8, 5


def linear():
    return nn.Linear(N, N)


def heads(x):
    return x.unflatten(-1, (2, 4)).transpose(1, 2)


def attention(attend):
    def forward(m, x):
        q, k, v = (heads(layer(x)) for layer in (m.q, m.k, m.v))
        return m.out(attend(q, k, v).transpose(1, 2).flatten(2))

    return Function(forward, q=linear(), k=linear(), v=linear(), out=linear()).eval()


def causal(b, h, i, j):
    return i >= j


DISTANCES = torch.arange(STEPS) - torch.arange(STEPS)[:, None]
#: Attention by functions of the scores, and as a mask.
ATTENTION = {
    "plain": (flex_attention, functional.scaled_dot_product_attention),
    "causal by a block mask": (
        lambda *x: flex_attention(
            *x, block_mask=create_block_mask(causal, 1, 1, STEPS, STEPS, device="cpu")),
        lambda *x: functional.scaled_dot_product_attention(*x, is_causal=True)),
    "causal by scores": (
        lambda *x: flex_attention(
            *x, score_mod=lambda s, b, h, i, j: torch.where(i >= j, s, -float("inf"))),
        lambda *x: functional.scaled_dot_product_attention(*x, is_causal=True)),
    "with a bias": (
        lambda *x: flex_attention(*x, score_mod=lambda s, b, h, i, j: s + 0.1 * (j - i)),
        lambda *x: functional.scaled_dot_product_attention(*x, attn_mask=0.1 * DISTANCES)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*flex_attention called without torch.compile")
@pytest.mark.parametrize("name", ATTENTION)
def test_attention_by_functions_of_scores_is_attention(name):
    x = torch.zeros(1, STEPS, N, dtype=torch.double)
    nets = [cg.load(attention(attend), example_input=x, strict=True) for attend in ATTENTION[name]]
    same_networks(*nets, names=False)


def test_of_a_condition_both_sides_are_there():
    def forward(m, x):
        return m.out(torch.cond(x.sum() > 0, lambda v: m.a(v), lambda v: m.b(v).relu(), (x,)))

    net = cg.load(Function(forward, a=linear(), b=linear(), out=linear()), input_shape=(N,),
                  strict=True)  # fmt: skip
    assert [layer.name for layer in net.layers] == ["inputs", "a", "b", "where", "out"]
    assert net.n_edges == 3 * N * N + 2 * N


class Conditional(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.out = linear(), linear(), linear()

    def forward(self, x):
        def if_true(v):
            return self.a(v)

        def if_false(v):
            return self.b(v).relu()

        return self.out(torch.cond(x.sum() > 0, if_true, if_false, (x,)))


def test_a_saved_condition_is_the_same(tmp_path):
    model = Conditional().eval()
    program = torch.export.export(model, (torch.ones(1, N),))
    torch.export.save(program, tmp_path / "m.pt2")
    live = cg.load(model, input_shape=(N,), strict=True)
    same_networks(cg.load(tmp_path / "m.pt2", strict=True), live, names=False)


def test_a_loop_with_an_end_is_followed_step_by_step():
    from torch._higher_order_ops.while_loop import while_loop

    def forward(m, x):
        _, y = while_loop(lambda k, h: k < 3, lambda k, h: (k + 1, torch.tanh(m.a(h))),
                          (torch.tensor(0), x))  # fmt: skip
        return y

    def written_out(m, x):
        for _ in range(3):
            x = torch.tanh(m.a(x))
        return x

    check(Function(written_out, a=linear()), (N,))
    loop, steps = (cg.load(Function(f, a=linear()), input_shape=(N,), strict=True)
                   for f in (forward, written_out))  # fmt: skip
    same_networks(loop, steps)


def test_the_compiler_is_as_before():
    from torch._dynamo import eval_frame

    test_of_a_condition_both_sides_are_there()
    assert eval_frame._stance.stance == "default"


# -- operations that a library has registered -----------------------------------------------------

LIBRARY = torch.library.Library("cntgraph_tests", "FRAGMENT")
LIBRARY.define("leaking(Tensor x, Tensor w, float slope) -> (Tensor, Tensor)")
LIBRARY.define("relu(Tensor x) -> Tensor")


def leaking(x, w, slope):
    y = functional.linear(x, w)
    return functional.leaky_relu(y, slope), y.sum(-1)


LIBRARY.impl("leaking", leaking, "CPU")
LIBRARY.impl("relu", lambda x: torch.tanh(x), "CPU")  # another one than PyTorch's


@torch.library.custom_op("cntgraph_tests::centered", mutates_args=())
def centered(x: torch.Tensor) -> torch.Tensor:
    return x - x.mean(-1, keepdim=True)


@torch.library.custom_op("cntgraph_tests::elsewhere", mutates_args=())
def elsewhere(x: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(2 * x.numpy())


OWN = torch.ops.cntgraph_tests
OWN_OPERATIONS = {
    "of a library": (
        lambda m, x: m.out(OWN.leaking(m.a(x), m.a.weight, 0.1)[0]),
        lambda m, x: m.out(leaking(m.a(x), m.a.weight, 0.1)[0])),
    "by a decorator": (
        lambda m, x: m.out(centered(m.a(x))),
        lambda m, x: m.out((lambda y: y - y.mean(-1, keepdim=True))(m.a(x)))),
    "called as one of PyTorch's": (
        lambda m, x: m.out(OWN.relu(m.a(x))), lambda m, x: m.out(torch.tanh(m.a(x)))),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN_OPERATIONS)
def test_an_operation_of_python_is_what_it_carries_out(name):
    own, written_out = (
        cg.load(Function(f, a=linear(), out=linear()), input_shape=(N,), strict=True)
        for f in OWN_OPERATIONS[name]
    )
    same_networks(own, written_out, names=False)


def test_what_it_carries_out_elsewhere_is_cut():
    model = Function(lambda m, x: m.out(elsewhere(m.a(x))), a=linear(), out=linear())
    with pytest.warns(cg.CoverageWarning, match="elsewhere"):
        net = cg.load(model, input_shape=(N,))
    (cut,) = [entry for entry in net.entries if entry.status == "skipped"]
    assert "is not a known linear or elementwise operation" in cut.reason
    assert [layer.kind.split()[0] for layer in net.layers][-2:] == ["unknown", "dense"]


@pytest.mark.parametrize("own", [OWN.relu, centered])
def test_an_operation_of_python_runs_on_data(own):
    model = Function(lambda m, x: m.out(own(m.a(x))), a=linear(), out=linear())
    data = torch.randn(5, N, generator=torch.Generator().manual_seed(0)).double()
    found = cg.neuron_activation(model, data)
    with torch.no_grad():
        expected = model(data).mean(0).numpy()
    np.testing.assert_allclose(found.split(found.mean)["out"], expected, rtol=1e-9)
