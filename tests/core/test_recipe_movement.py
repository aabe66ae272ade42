"""Movement of weights, decided by NumPy on their values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.movement import (
    looked_up,
    moved,
    moved_together,
    padded,
    stacked,
)

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


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
@given(st.lists(st.tuples(st.integers(2, 4), st.integers(0, 1), st.integers(0, 1)), min_size=1,
                max_size=3))  # fmt: skip
def test_padding(mode, axes):
    recipe, values = weight(tuple(n for n, _, _ in axes))
    widths = [pair for _, *pair in axes]
    number = {"constant_values": 2.5} if mode == "constant" else {}
    expected = np.pad(values, widths, mode, **number)
    np.testing.assert_array_equal(padded(recipe, widths, 2.5, mode).read(), expected)


def test_a_negative_padding_crops():
    recipe, values = weight((3, 4))
    cropped = padded(recipe, [(-1, 0), (2, -1)]).read()
    np.testing.assert_array_equal(cropped, np.pad(values[1:, :-1], [(0, 0), (2, 0)]))


@given(SHAPES, st.data())
def test_stacks(shape, data):
    recipe, values = weight(shape)
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    found = stacked([recipe, recipe * 2.0], axis).read()
    np.testing.assert_array_equal(found, np.stack([values, values * 2], axis))


def test_weights_that_take_the_place_of_others():
    def move(arrays):
        old, new = arrays
        old[1:, ::2] = new
        return np.concatenate([old, np.zeros((1, 4), np.int64)])

    (a, x), (b, y) = weight((3, 4)), weight((2, 2))
    b = b + 100.0
    expected = move([x.copy(), y + 100.0])
    np.testing.assert_array_equal(moved_together([a, b], move).read(), expected)
    large = Recipe.of(Parameter.from_array("w", np.broadcast_to(np.float32(1), (1 << 12, 1 << 11))))
    assert moved_together([large], lambda arrays: arrays[0]) is None
