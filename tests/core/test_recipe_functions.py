"""Functions that are composed of a recipe's operations, against NumPy, SciPy and by definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe import over_axes as arithmetic
from cntgraph.core.recipe.functions import FUNCTIONS, OF_TWO, clamped, power

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
#: Both signs, near zero, and far from it.
X = np.array([[-30.0, -2.5, -0.5, -1e-9], [1e-9, 0.5, 1.5, 30.0]])


def weight(shape):
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return Recipe.of(Parameter.from_array("w", values)), values


def sigmoid(x):
    return special.expit(x)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


EXPECTED = {
    "abs": abs, "ceil": np.ceil, "cos": np.cos, "erf": special.erf, "exp": np.exp,
    "expm1": np.expm1, "floor": np.floor, "log": np.log, "log1p": np.log1p, "sigmoid": sigmoid,
    "sign": np.sign, "sin": np.sin, "sqrt": np.sqrt, "tanh": np.tanh, "pow": np.square,
    "round": np.round, "reciprocal": lambda x: 1 / x, "rsqrt": lambda x: 1 / np.sqrt(x),
    "exp2": np.exp2, "log2": np.log2, "log10": np.log10, "tan": np.tan, "trunc": np.trunc,
    "frac": lambda x: x - np.trunc(x), "erfc": special.erfc, "sinh": np.sinh, "cosh": np.cosh,
    "relu": lambda x: np.maximum(x, 0), "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": elu, "celu": elu, "gelu": lambda x: x * special.ndtr(x),
    "silu": lambda x: x * sigmoid(x),
    "selu": lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772),
    "softplus": lambda x: np.logaddexp(x, 0), "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "hardsigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hardswish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "log_sigmoid": lambda x: -np.logaddexp(-x, 0), "softsign": lambda x: x / (1 + abs(x)),
    "squareplus": lambda x: (x + np.hypot(x, 2)) / 2,
    "tanhshrink": lambda x: x - np.tanh(x), "softmax": lambda x: special.softmax(x, -1),
    "log_softmax": lambda x: special.log_softmax(x, -1),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_by_name(name):
    x = X + 31.0 if name in ("log", "log1p", "log2", "log10", "sqrt", "rsqrt") else X
    with np.errstate(all="ignore"):
        found = FUNCTIONS[name](Recipe.constant(x)).read()
    np.testing.assert_allclose(found, EXPECTED[name](x), rtol=1e-10, atol=1e-15)


def test_settings():
    x = Recipe.constant(X)
    for found, expected in (
        (FUNCTIONS["leaky_relu"](x, negative_slope=0.3), np.where(X > 0, X, 0.3 * X)),
        (FUNCTIONS["elu"](x, alpha=0.5), elu(X, 0.5)),
        (
            FUNCTIONS["celu"](x, alpha=0.5),
            np.maximum(X, 0) + 0.5 * np.expm1(np.minimum(X, 0) / 0.5),
        ),
        (FUNCTIONS["softplus"](x, beta=3.0), np.logaddexp(3 * X, 0) / 3),
        (FUNCTIONS["hardsigmoid"](x, alpha=0.2), np.clip(0.2 * X + 0.5, 0, 1)),
        (FUNCTIONS["softmax"](x, axis=0), special.softmax(X, 0)),
        (FUNCTIONS["round"](x, decimals=1), np.round(X, 1)),
        (clamped(x, Recipe.constant(-1.0), None), np.maximum(X, -1)),
        (clamped(x, None, Recipe.constant(1.0)), np.minimum(X, 1)),
    ):
        np.testing.assert_allclose(found.read(), expected, rtol=1e-10, atol=1e-15)
    inner = np.sqrt(2 / np.pi) * (X + 0.044715 * X**3)
    near = FUNCTIONS["gelu"](x, approximate="tanh").read()
    np.testing.assert_allclose(near, X * 0.5 * (1 + np.tanh(inner)), rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize(("name", "function"), [
    ("eq", np.equal), ("ne", np.not_equal), ("lt", np.less), ("le", np.less_equal),
    ("gt", np.greater), ("ge", np.greater_equal), ("max", np.maximum), ("min", np.minimum),
    ("pow", np.power), ("add", np.add), ("sub", np.subtract), ("mul", np.multiply),
    ("div", np.divide),
])  # fmt: skip
def test_functions_of_two(name, function):
    x, y = np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 4.0])
    found = OF_TWO[name](Recipe.constant(x), Recipe.constant(y)).read()
    np.testing.assert_allclose(found, function(x, y))


@given(SHAPES, st.data(), st.booleans())
def test_sums_over_axes(shape, data, keep):
    recipe, values = weight(shape)
    axes = data.draw(st.one_of(
        st.none(), st.integers(-len(shape), len(shape) - 1),
        st.sets(st.integers(0, len(shape) - 1)).map(tuple)))  # fmt: skip
    for ours, theirs in ((arithmetic.total, np.sum), (arithmetic.mean, np.mean),
                         (arithmetic.variance, np.var)):  # fmt: skip
        expected = theirs(values, axis=axes, keepdims=keep)
        np.testing.assert_allclose(ours(recipe, axes, keep).read(), expected, rtol=1e-6, atol=1e-6)
    squares = np.sqrt((values**2).sum(axis=axes, keepdims=keep))
    np.testing.assert_allclose(arithmetic.norm(recipe, axes, keep).read(), squares, rtol=1e-6)


@pytest.mark.parametrize("exponent", [1, 2, 3, 4, 0.5, -0.5, -1, -2, 0, 1.5, 5, -0.3])
def test_powers(exponent):
    recipe, values = weight((2, 3))
    found = power(recipe + 1.0, exponent)
    np.testing.assert_allclose(found.read(), (values + 1.0) ** exponent)


@pytest.mark.parametrize(("left", "right"), [
    ((3, 4), (4, 5)), ((3, 4), (4,)), ((4,), (4,)), ((4,), (4, 5)), ((2, 3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)), ((2, 2, 3, 4), (2, 2, 4, 5)),
    ((4, 5), (3, 5, 2)), ((2, 1, 3, 4), (3, 4, 2)), ((4,), (2, 4, 3)),
])  # fmt: skip
def test_products(left, right):
    (a, x), (b, y) = weight(left), weight(right)
    np.testing.assert_array_equal(arithmetic.matmul(a, b).read(), x @ y)


@given(SHAPES, st.data(), st.booleans())
def test_extremes_and_norms_over_axes(shape, data, keep):
    recipe, values = weight(shape)
    recipe, values = recipe - 5.0, values - 5.0
    axes = data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1).map(tuple))
    options = {"axis": axes, "keepdims": keep}
    for found, expected in (
        (arithmetic.largest(recipe, axes, keep), values.max(**options)),
        (arithmetic.smallest(recipe, axes, keep), values.min(**options)),
        (arithmetic.norm(recipe, axes, keep, 1.0), abs(values).sum(**options)),
        (arithmetic.norm(recipe, axes, keep, 3.0), (abs(values) ** 3).sum(**options) ** (1 / 3)),
        (arithmetic.norm(recipe, axes, keep, np.inf), abs(values).max(**options)),
        (arithmetic.norm(recipe, axes, keep, -np.inf), abs(values).min(**options)),
        (arithmetic.log_sum_exp(recipe, axes, keep), special.logsumexp(values, **options)),
    ):
        np.testing.assert_allclose(found.read(), expected, rtol=1e-6)


def test_norms_by_statistics():
    values = np.random.default_rng(0).normal(size=(3, 5))
    x = Recipe.constant(values)
    off = values - values.mean(1, keepdims=True)
    expected = off / np.sqrt(values.var(1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(arithmetic.normalized(x, 1, 1e-3).read(), expected)
    expected = values / np.sqrt((values**2).mean(0) + 1e-3)
    np.testing.assert_allclose(arithmetic.normalized(x, 0, 1e-3, centered=False).read(), expected)


@pytest.mark.parametrize(("left", "right", "equation", "summed", "shared"), [
    ((3, 4), (4, 5), "ab,bc->ac", ((1,), (0,)), ((), ())),
    ((2, 3, 4), (4, 2, 5), "hab,bhc->hac", ((2,), (0,)), ((0,), (1,))),
    ((3, 4, 2), (2, 4), "abc,cb->a", ((1, 2), (1, 0)), ((), ())),
    ((3,), (4,), "a,b->ab", ((), ()), ((), ())),
    ((3, 1), (4, 5), "ax,bc->ac", ((1,), (0,)), ((), ())),
])  # fmt: skip
def test_contractions(left, right, equation, summed, shared):
    (a, x), (b, y) = weight(left), weight(right)
    found = arithmetic.contracted(a, b, summed, shared)
    np.testing.assert_allclose(found.read(), np.einsum(equation, x, y))


def test_a_matrix_along_an_axis():
    (x, values), (m, matrix) = weight((2, 3, 4)), weight((3, 5))
    np.testing.assert_allclose(
        arithmetic.along_axis(x, 1, m).read(), np.einsum("abc,bd->adc", values, matrix)
    )
    (x, values) = weight((3,))
    np.testing.assert_allclose(arithmetic.along_axis(x, -1, m).read(), values @ matrix)
