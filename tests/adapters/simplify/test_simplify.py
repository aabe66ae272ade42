"""Tidying up changes neither the numbers nor what is read where."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.propagate import propagate

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.adapters.simplify import simplify
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks import AxisOperator, Diagonal, Window


class Random(Builder):
    """A builder with random tensors."""

    def __init__(self, seed):
        super().__init__()
        self.rng = np.random.default_rng(seed)

    def tensor(self, name, *shape):
        values = self.rng.normal(size=shape)
        return Recipe.of(self.parameter(cg.Parameter.from_array(name, values)))

    def dense(self, name, ids, n_out, *, bias=True):
        weight = self.tensor(f"{name}.weight", n_out, ids.size)
        return self.linear(name, ids.reshape(-1), weight,
                           self.tensor(f"{name}.bias", n_out) if bias else None)  # fmt: skip

    def same(self, name, ids, *, n_out=None, bias=True):
        """A convolution that keeps the size."""
        n_out = n_out or ids.shape[0]
        windows = tuple(Window(n, n, 3, before=1) for n in ids.shape[1:])
        weight = self.tensor(f"{name}.weight", n_out, ids.shape[0], *(3,) * len(windows))
        shift = self.tensor(f"{name}.bias", n_out) if bias else None
        return self.conv(name, ids, weight, shift, windows)

    def norm(self, name, ids, **options):
        shape = (ids.shape[0], *(1,) * (ids.ndim - 1))
        gain, shift = self.tensor(f"{name}.weight", *shape), self.tensor(f"{name}.bias", *shape)
        return self.scale(name, ids, gain, shift, kind="norm", **options)


def untidied(builder):
    """The network as it was traced: nothing folded, nothing merged."""
    layers = [
        cg.Layer(x.name, x.shape, x.kind, x.start, "+".join(builder.activations.get(x.name, [])),
                 x.is_input)
        for x in builder.layers
    ]  # fmt: skip
    return cg.Network(tuple(layers), tuple(builder.blocks))


def check(builder, *names, norm="fold", outputs=None):
    """The tidied network has the layers `names`, and every one the values it had before."""
    raw = untidied(builder)
    x = np.random.default_rng(0).normal(size=raw.layers[0].n_nodes)
    net = builder.finish(norm=norm)
    _, values = propagate(raw, x)
    _, found = propagate(net, x)
    assert [layer.name for layer in net.layers] == list(names)
    for view in builder.outputs:
        flat = np.concatenate([v.reshape(-1) for v in values.values()])
        expected = flat[view.as_ids()]
    last = np.concatenate([found[x.name].reshape(-1) for x in net.layers if x.is_output])
    assert np.allclose(np.sort(last), np.sort(expected), atol=1e-10)
    return net


def test_a_norm_is_folded_into_what_it_follows():
    b = Random(0)
    ids = b.norm("bn", b.same("conv", b.input("input", (2, 4, 3))))
    b.output(b.activate(ids, "relu"))
    net = check(b, "input", "conv")
    assert net.layers[1].activation == "relu"
    table = net.coverage
    assert table.loc["bn.weight", ["status", "block", "reason"]].tolist() == [
        "folded", "conv", "by bn"
    ]  # fmt: skip
    assert table.loc["conv.weight", "status"] == "included"


def test_a_norm_is_kept_where_that_is_asked_for():
    b = Random(0)
    b.output(b.norm("bn", b.same("conv", b.input("input", (2, 4, 3)))))
    net = check(b, "input", "conv", "bn", norm="keep")
    assert isinstance(net.blocks[1], Diagonal)
    assert net.coverage.loc["bn.weight", "status"] == "included"


@pytest.mark.parametrize("bias", [True, False])
def test_scalings_in_a_row(bias):
    b = Random(1)
    ids = b.dense("fc", b.input("input", (5,)), 4, bias=bias)
    for k in range(3):
        ids = b.norm(f"bn{k}", ids)
    b.output(b.scale("half", ids, Recipe.constant(0.5), Recipe.constant(2.0), parametric=False))
    check(b, "input", "fc")


def test_what_cannot_be_folded_stays():
    def kept(change):
        b = Random(2)
        ids = b.same("conv", b.input("input", (2, 4, 3)))
        names = change(b, ids)
        check(b, "input", *names)

    def after_activation(b, ids):
        b.output(b.norm("bn", b.activate(ids, "relu")))
        return "conv", "bn"

    def read_twice(b, ids):
        b.output(b.dense("fc", np.concatenate([b.norm("bn", ids), ids]), 3))
        return "conv", "bn", "fc"

    def an_output(b, ids):
        b.output(ids)
        b.output(np.concatenate([ids, b.norm("bn", ids)]))
        return "conv", "bn"

    def a_part(b, ids):
        b.output(b.norm("bn", ids[:1]))
        return "conv", "bn"

    def permuted(b, ids):
        b.output(b.norm("bn", ids[::-1]))
        return "conv", "bn"

    def marked(b, ids):
        b.output(b.norm("bn", ids, foldable=False))
        return "conv", "bn"

    def by_position(b, ids):
        b.output(b.scale("gain", ids, b.tensor("gain", 4, 3), None))
        return "conv", "gain"

    def padded(b, ids):
        b.output(b.norm("bn", np.concatenate([ids[:1], np.full_like(ids[:1], -1)])))
        return "conv", "bn"

    for change in (after_activation, read_twice, an_output, a_part, permuted, marked, by_position,
                   padded):  # fmt: skip
        kept(change)


def test_a_norm_of_the_input_stays():
    b = Random(3)
    b.output(b.norm("bn", b.input("input", (3, 2))))
    check(b, "input", "bn")


def test_a_constant_is_folded_into_a_pooling_and_a_gain_is_not():
    for gain, names in ((None, ("pool",)), (Recipe.constant(2.0), ("pool", "shift"))):
        b = Random(4)
        halves = (AxisOperator.adaptive(4, 2), AxisOperator.adaptive(3, 1))
        ids = b.pool("pool", b.input("input", (2, 4, 3)), halves, "average")
        b.output(b.scale("shift", ids, gain, Recipe.constant(3.0), parametric=False))
        check(b, "input", *names)


def test_a_grouped_transposed_convolution_keeps_its_norm():
    for groups, names in ((1, ("up",)), (2, ("up", "bn"))):
        b = Random(5)
        window = Window(fine=6, coarse=3, kernel=2, stride=2)
        weight = b.tensor("up.weight", 2, 4 // groups, 2)
        ids = b.conv("up", b.input("input", (2, 3)), weight, None, (window,), groups=groups,
                     transposed=True)  # fmt: skip
        b.output(b.norm("bn", ids))
        check(b, "input", *names)


def test_an_addition_receives_the_edges_of_both():
    b = Random(6)
    ids = b.activate(b.same("conv1", b.input("input", (2, 3, 3))), "relu")
    b.output(b.activate(b.add("sum", [b.same("conv2", ids), ids]), "relu"))
    net = check(b, "input", "conv1", "sum")
    assert {block.name for block in net.blocks_into(net.layer("sum"))} == {"conv2", "sum.1"}
    assert net.layer("sum").kind == "add"


def test_additions_of_additions_are_one_layer():
    b = Random(7)
    x = b.input("input", (2, 3, 3))
    one = b.add("one", [b.same("a", x), b.same("b", x)])
    b.output(b.norm("bn", b.add("two", [one, b.same("c", x)])))
    net = check(b, "input", "two")
    assert len(net.blocks) == 3


def test_a_difference_keeps_the_sign():
    b = Random(8)
    x = b.input("input", (2, 3, 3))
    b.output(b.add("sum", [b.same("a", x), b.same("b", x)], signs=(1.0, -1.0)))
    check(b, "input", "b", "sum")


def test_a_branch_that_is_read_elsewhere_stays():
    b = Random(9)
    x = b.input("input", (2, 3, 3))
    a = b.same("a", x)
    total = b.add("sum", [a, b.same("b", x)])
    b.output(b.dense("fc", np.concatenate([total, a]), 2))
    check(b, "input", "a", "sum", "fc")


def test_a_branch_that_is_added_to_itself_stays():
    b = Random(10)
    a = b.same("a", b.input("input", (2, 3, 3)))
    b.output(b.add("sum", [a, a]))
    check(b, "input", "a", "sum")


def test_a_product_keeps_its_operands():
    b = Random(11)
    x = b.input("input", (4,))
    b.output(b.multiply("gate", [b.dense("value", x, 3), b.dense("door", x, 3)]))
    net = b.finish()
    assert [layer.name for layer in net.layers] == ["input", "value", "door", "gate"]
    assert [block.modulatory for block in net.blocks] == [False, False, False, True]


ORDERS = {
    "in order": lambda ids: ids,
    "channels reversed": lambda ids: ids[::-1],
    "rows reversed": lambda ids: ids[:, ::-1],
    "transposed": lambda ids: ids.transpose(0, 2, 1),
    "rolled": lambda ids: np.roll(ids, 1, axis=0),
}


@pytest.mark.parametrize("second", ORDERS)
@pytest.mark.parametrize("first", ORDERS)
def test_what_is_folded_into_permuted_branches_reaches_their_own_channels(first, second):
    b = Random(12)
    x = b.input("input", (3, 4, 4))
    branches = [ORDERS[first](b.same("a", x)), ORDERS[second](b.same("b", x))]
    ids = b.norm("bn", b.add("sum", branches))
    b.output(b.dense("fc", ids, 5))
    raw = untidied(b)
    net = b.finish()
    values = np.random.default_rng(1).normal(size=48)
    expected, found = propagate(raw, values)[1]["fc"], propagate(net, values)[1]["fc"]
    assert np.allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_what_is_folded_into_joined_branches_reaches_their_own_channels(axis):
    b = Random(13)
    x = b.input("input", (4, 4, 4))
    half = np.take(x, [0, 1], axis=axis)
    joined = np.concatenate(
        [b.same("a", half, n_out=half.shape[0]), b.same("b", half, n_out=half.shape[0])], axis=axis
    )
    ids = b.norm("bn", b.add("sum", [joined, b.same("c", x)]))
    b.output(b.dense("fc", ids, 5))
    raw = untidied(b)
    net = b.finish()
    assert "a" not in {layer.name for layer in net.layers}
    values = np.random.default_rng(1).normal(size=64)
    expected, found = propagate(raw, values)[1]["fc"], propagate(net, values)[1]["fc"]
    assert np.allclose(found, expected, atol=1e-10)


@given(st.integers(0, 2**20))
def test_random_networks_compute_what_they_computed(seed):
    b = Random(seed)
    pick = b.rng.integers
    alive = [b.input("input", (2, 3, 3))]
    for k in range(int(pick(3, 10))):
        kind, ids = int(pick(7)), alive[int(pick(len(alive)))]
        if kind == 0:
            made = b.same(f"conv{k}", ids, bias=bool(pick(2)))
        elif kind == 1:
            made = b.norm(f"bn{k}", ids)
        elif kind == 2:
            made = b.scale(f"mul{k}", ids, Recipe.constant(1.5), None, parametric=False)
        elif kind == 3:
            made = b.scale(f"shift{k}", ids, None, b.tensor(f"shift{k}", 1, 3, 3))
        elif kind == 4:
            other = alive[int(pick(len(alive)))]
            made = b.add(f"add{k}", [ids, list(ORDERS.values())[int(pick(5))](other)])
        elif kind == 5:
            made = list(ORDERS.values())[int(pick(5))](ids)
        else:
            axes = (Window(3, 3, 2, before=1),) * 2
            weight = b.tensor(f"up{k}", 2, 2, 2, 2)
            made = b.conv(f"up{k}", ids, weight, None, axes, transposed=True)
        if kind in (0, 1, 4, 6) and pick(3) == 0:
            made = b.activate(made, "tanh")
        alive.append(made)
    b.output(b.dense("last", np.concatenate([alive[-1], alive[int(pick(len(alive)))]]), 4))
    raw = untidied(b)
    layers, blocks, _ = simplify(_draft(b))
    net = cg.Network(tuple(layers), tuple(blocks))
    assert net.n_layers <= raw.n_layers
    x = b.rng.normal(size=18)
    expected, found = propagate(raw, x)[1], propagate(net, x)[1]
    assert np.allclose(found["last"], expected["last"], rtol=1e-9, atol=1e-9)


def _draft(builder):
    from cntgraph.adapters.simplify import Draft

    return Draft(builder.layers, builder.blocks, builder.activations, builder.outputs)
