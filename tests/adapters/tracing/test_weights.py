"""Movement and arithmetic of weights, decided by NumPy on their values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cntgraph.adapters.tracing import weight_arithmetic as arithmetic
from cntgraph.adapters.tracing.weight_movement import looked_up, moved
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
MOVEMENTS = {
    "transposed": lambda x: x.T,
    "first and last axis": lambda x: x.swapaxes(0, -1),
    "flat": lambda x: x.reshape(-1),
    "folded": lambda x: x.reshape(x.shape[0], -1),
    "squeezed and turned": lambda x: x.T.squeeze()[None],
    "a slice": lambda x: x[1:],
    "a slice of the last axis, in steps": lambda x: x[..., ::2],
    "turned round": lambda x: x[::-1],
    "turned round in steps": lambda x: x.T[..., ::-2],
    "one row": lambda x: x[-1],
    "in halves": lambda x: np.array_split(x, 2, -1),
    "repeated": lambda x: np.broadcast_to(x, (3, *x.shape)),
    "copied and turned": lambda x: np.flip(x).copy(),
    "rolled": lambda x: np.roll(x, 1, 0),
    "rolled as a whole": lambda x: np.roll(x, 1),
    "tiled": lambda x: np.tile(x, 2),
    "each row twice": lambda x: np.repeat(x, 2, 0),
    "picked": lambda x: x.reshape(-1)[[0, -1, 0]],
    "nothing of it": lambda x: x[:0],
    "overlapping windows": lambda x: np.lib.stride_tricks.sliding_window_view(x, 1, -1),
    "a diagonal": lambda x: np.diagonal(x[None], axis1=0, axis2=1),
}


def weight(shape):
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return Recipe.of(Parameter.from_array("w", values)), values


@pytest.mark.parametrize("move", MOVEMENTS.values(), ids=MOVEMENTS)
@given(SHAPES)
def test_a_movement_of_a_weight_is_that_of_its_values(move, shape):
    recipe, values = weight(shape)
    found, expected = moved(recipe, move), move(values)
    if not isinstance(expected, list):
        found, expected = [found], [expected]
    for one, wanted in zip(found, expected, strict=True):
        assert one.shape == wanted.shape
        np.testing.assert_array_equal(one.read(), wanted)


@given(SHAPES, st.data())
def test_what_is_repeated_stays_so(shape, data):
    recipe, values = weight(shape)
    wide = tuple(data.draw(st.integers(1, 3)) if n == 1 else n for n in shape)
    for move in (lambda x: x.T, lambda x: x[::-1], lambda x: x.reshape(-1)):
        made, size = moved(recipe, move, lambda *found: found, wide)
        expected = move(np.broadcast_to(values, wide))
        assert size == expected.shape
        np.testing.assert_array_equal(np.broadcast_to(made.read(), size), expected)


def test_a_movement_takes_no_memory():
    large = Recipe.of(Parameter.from_array("w", np.broadcast_to(np.float32(1), (1 << 20, 1 << 12))))
    assert moved(large, lambda x: x.T[1:, ::2]).shape == (4095, 1 << 19)
    assert moved(large, lambda x: x[:5].copy()) is None


@pytest.mark.parametrize(("move", "operation"), [
    (lambda x: x.T, "transpose"), (lambda x: x[1:], "take"), (lambda x: x[::-1], "gather"),
    (lambda x: x.reshape(-1), "reshape"), (lambda x: np.roll(x, 1, 0), "gather"),
    (lambda x: x[:, :], "parameter"),
])  # fmt: skip
def test_one_movement_is_one_operation(move, operation):
    recipe = moved(weight((3, 4))[0], move)
    assert recipe.op == operation
    assert operation == "parameter" or recipe.args[0].op == "parameter"


@given(SHAPES, st.data())
def test_entries_are_looked_up(shape, data):
    recipe, values = weight(shape)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    entry = st.integers(-shape[axis], shape[axis] - 1)
    indices = np.array(data.draw(st.one_of(entry, st.lists(st.tuples(entry, entry), min_size=1))))
    found = looked_up(recipe, axis, indices)
    np.testing.assert_array_equal(found.read(), values.take(indices, axis))


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


@pytest.mark.parametrize("exponent", [1, 2, 3, 4, 0.5, -0.5, -1, -2])
def test_powers(exponent):
    recipe, values = weight((2, 3))
    found = arithmetic.power(recipe + 1.0, exponent)
    np.testing.assert_allclose(found.read(), (values + 1.0) ** exponent)


def test_other_powers_are_no_recipe():
    assert [arithmetic.power(weight((2,))[0], k) for k in (0, 1.5, 5, -0.3)] == [None] * 4


@pytest.mark.parametrize(("left", "right"), [
    ((3, 4), (4, 5)), ((3, 4), (4,)), ((4,), (4,)), ((4,), (4, 5)), ((2, 3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)), ((2, 2, 3, 4), (2, 2, 4, 5)),
])  # fmt: skip
def test_products(left, right):
    (a, x), (b, y) = weight(left), weight(right)
    np.testing.assert_array_equal(arithmetic.matmul(a, b).read(), x @ y)


def test_large_products_are_no_recipe():
    assert arithmetic.matmul(weight((400, 300))[0], weight((300, 400))[0]) is None
