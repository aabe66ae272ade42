"""Functions of single neurons that were traced in parts, and layers that lead nowhere."""

import numpy as np
import pytest

from cntgraph.adapters.builder import Builder
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks import AxisOperator


def constant(value):
    return Recipe.constant(value)


def scaled(b, ids, factor, name="times"):
    return b.scale(name, ids, constant(factor), None, parametric=False)


def shifted(b, ids, shift, name="plus"):
    return b.scale(name, ids, None, constant(shift), parametric=False)


def learned(b, name, *shape):
    value = np.random.default_rng(0).normal(size=shape)
    return Recipe.of(b.parameter(Parameter.from_array(name, value)))


def gelu(b, x):
    """½ x (1 + tanh(√(2/π)(x + 0.0447 x³)))."""
    cubed = b.activate(x, "pow")
    inner = scaled(b, b.add("sum", [x, scaled(b, cubed, 0.044715)]), 0.798)
    inner = b.activate(inner, "tanh")
    return b.multiply("product", [scaled(b, x, 0.5), shifted(b, inner, 1.0)])


def gelu_by_erf(b, x):
    """x (1 + erf(x/√2)) ½, the factor last."""
    inner = scaled(b, x, 0.7071)
    inner = b.activate(inner, "erf")
    return scaled(b, b.multiply("product", [x, shifted(b, inner, 1.0)]), 0.5)


def hardswish(b, x):
    inner = shifted(b, x, 3.0)
    inner = b.activate(inner, "clamp")
    return scaled(b, b.multiply("product", [x, inner]), 1 / 6)


def softplus(b, x):
    """The logarithm of 1 + exp(2x), halved."""
    inner = scaled(b, x, 2.0)
    inner = b.activate(inner, "exp")
    inner = b.activate(inner, "log1p")
    return b.multiply("product", [x, scaled(b, inner, 0.5)])


FUNCTIONS = {
    "gelu": gelu, "gelu, factor last": gelu_by_erf, "hardswish": hardswish, "softplus": softplus,
}  # fmt: skip


def network(function, *, positions=()):
    b = Builder()
    x = b.input("x", (3, *positions))
    if positions:
        x = np.moveaxis(x, 0, -1)
    x = b.linear("first", x, learned(b, "first.weight", 4, 3), None)
    x = function(b, x)
    b.output(b.linear("second", x, learned(b, "second.weight", 2, x.shape[-1]), None))
    return b.finish(strict=True)


@pytest.mark.parametrize("positions", [(), (5,)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_neurons_is_one_activation(name, positions):
    net = network(FUNCTIONS[name], positions=positions)
    assert [layer.name for layer in net.layers] == ["x", "first", "second"]
    assert net.layer("first").activation == name.partition(",")[0]
    (block,) = net.blocks_into(net.layer("second"))
    assert net.layers_of(block.source) == (net.layer("first"),)
    plain = network(lambda b, x: x, positions=positions)
    assert net.n_edges == plain.n_edges


def test_an_activation_after_it_is_noted_after_it():
    net = network(lambda b, x: b.activate(gelu(b, x), "tanh"))
    assert net.layer("first").activation == "gelu+tanh"


KEPT = {
    "linear": lambda b, x: b.add("sum", [scaled(b, x, 2.0), scaled(b, x, 3.0)]),
    "a learned slope": lambda b, x: b.multiply(
        "product", [x, b.activate(b.scale("slope", x, learned(b, "w", 4), None), "tanh")]),
    "other neurons": lambda b, x: b.multiply(
        "product", [x, b.activate(scaled(b, x[..., ::-1], 2.0), "tanh")]),
    "halves of a layer": lambda b, x: b.multiply(
        "product", [x[..., :2], b.activate(x[..., 2:], "sigmoid")]),
    "positions that are mixed": lambda b, x: b.multiply(
        "product",
        [x, b.pool("mean", x.reshape(1, 4), (AxisOperator.adaptive(4, 1),), "average")[0]]),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_what_is_no_function_of_single_neurons_stays(name):
    net = network(KEPT[name])
    kinds = {layer.kind for layer in net.layers}
    assert kinds & {"add", "multiply"}


def test_what_others_read_of_a_function_stays():
    def shared(b, x):
        inner = shifted(b, x, 3.0)
        inner = b.activate(inner, "clamp")
        made = b.multiply("product", [x, inner])
        return np.concatenate([made, inner])

    net = network(shared)
    names = ["x", "first", "plus", "first.hardswish", "second"]
    assert [layer.name for layer in net.layers] == names
    assert not net.layer("first").activation
    assert net.layer("first.hardswish").kind == "activation"
    assert net.layer("plus").activation == "clamp"


# -- dead ends -------------------------------------------------------------------------------------


def with_dead_end(build):
    b = Builder()
    x = b.input("x", (4,))
    y = b.linear("fc", x, learned(b, "fc.weight", 4, 4), None)
    build(b, y)
    b.output(y)
    return b.finish()


def averaged(b, y):
    made = b.pool("mean", y.reshape(1, 4), (AxisOperator.adaptive(4, 2),), "average")
    return b.multiply("product", [made[0], made[0][::-1]])


def test_structural_layers_that_lead_nowhere_are_dropped():
    net = with_dead_end(averaged)
    assert [layer.name for layer in net.layers] == ["x", "fc"]


@pytest.mark.filterwarnings("ignore:left out of the graph")
def test_what_may_be_read_beyond_a_cut_stays():
    def cut(b, y):
        averaged(b, y)
        b.opaque("unknown", (2,), "an operation", "it is not known")

    names = [layer.name for layer in with_dead_end(cut).layers]
    assert names[2:4] == ["mean", "product"]


def test_weights_that_lead_nowhere_stay():
    net = with_dead_end(lambda b, y: b.linear("aside", y, learned(b, "aside.weight", 2, 4), None))
    assert [layer.name for layer in net.layers] == ["x", "fc", "aside"]
    assert net.coverage.loc["aside.weight", "status"] == "included"
