"""What a recipe is as stored values times vectors: the same numbers, and nothing is multiplied."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.spy import Spy

from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.chunks import chunks_of
from cntgraph.core.recipe.matrix import Matrix, lies_across
from cntgraph.core.recipe.reading import read_part, read_stored_part
from cntgraph.core.recipe.scaled import scaled, steps


def leaf(array, name="w"):
    return Recipe.of(Parameter.from_array(name, np.asarray(array)))


@st.composite
def products(draw):
    """A parameter that is moved and multiplied by vectors in any order."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    value = leaf(rng.normal(size=(4, 6, 2)).astype("f4"))
    for _ in range(draw(st.integers(0, 6))):
        shape = value.shape
        axis = draw(st.integers(0, len(shape) - 1))
        step = draw(st.sampled_from(["multiply", "transpose", "reshape", "take", "gather"]))
        if step == "multiply":
            kept = draw(st.sets(st.integers(0, len(shape) - 1), max_size=1))
            vector = rng.normal(size=[n if k in kept else 1 for k, n in enumerate(shape)])
            value = draw(st.sampled_from([value, value * 1.0])) * leaf(vector, "v")
        elif step == "transpose":
            value = value.transpose(tuple(draw(st.permutations(range(len(shape))))))
        elif step == "reshape":
            sizes = [(-1,), (2, -1), (-1, 2), (shape[0], -1, 1), (1, *shape)]
            size = int(np.prod(shape))
            fitting = [s for s in sizes if size % abs(int(np.prod(s))) == 0]
            value = value.reshape(draw(st.sampled_from(fitting)))
        elif step == "take":
            value = value.take(axis, 0, shape[axis], draw(st.integers(1, 2)))
        else:
            value = value.gather(axis, rng.integers(0, shape[axis], shape[axis]))
    return value


@given(products())
def test_other_values_times_factors_are_the_value(value):
    found = scaled(value)
    total = found.moved.read()
    assert total.shape == value.shape
    for factor in found.factors:
        assert len(factor.shape) == len(value.shape)
        total = total * factor.read()
    np.testing.assert_allclose(total, value.read(), rtol=1e-14)


@given(products(), st.data())
def test_a_matrix_has_the_values_in_rows_and_columns(value, data):
    axes = range(len(value.shape))
    rows = tuple(data.draw(st.permutations(sorted(data.draw(st.sets(st.sampled_from(axes)))))))
    columns = tuple(k for k in axes if k not in rows)
    matrix = Matrix.of(value, rows, columns)
    factors = matrix.read_factors(read_part)
    found = matrix.values.read().astype(float)
    found = found.reshape(int(np.prod([value.shape[k] for k in rows])), -1)
    if factors.by_row is not None:
        found = found * factors.by_row[:, None]
    if factors.by_column is not None:
        found = found * factors.by_column
    expected = value.read().transpose((*rows, *columns)).reshape(found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("make", "n_factors"),
    [
        (lambda w, v: w * v.reshape((4, 1, 1)), 1),
        (lambda w, v: (v.reshape((4, 1, 1)) * w).transpose((1, 0, 2)).reshape((6, 8)), 0),
        (lambda w, v: (v.reshape((4, 1, 1)) * w).transpose((1, 2, 0)).reshape((12, 4)), 1),
        (lambda w, v: (w.reshape((4, 12)) * v.reshape((4, 1))).reshape((4, 6, 2)) * 3.0, 2),
        (lambda w, v: (w * v.reshape((4, 1, 1))).take(0, 1, 3).gather(1, [5, 0, 0]), 1),
        (lambda w, v: w * w, 0),
        (lambda w, v: w * v.reshape((4, 1, 1)) + 1.0, 0),
    ],
)
def test_which_factors_are_found(make, n_factors):
    w = leaf(np.arange(48.0).reshape(4, 6, 2))
    value = make(w, leaf([1.0, 2.0, 3.0, 4.0], "v"))
    found = scaled(value)
    assert len(found.factors) == n_factors
    assert (found.moved.moved_parameter is None) == (n_factors == 0)
    stored = read_stored_part(found.moved)
    assert (stored.dtype, stored.shape) == (np.float64, value.shape)


def test_factors_are_neither_of_rows_nor_of_columns():
    """So that they are multiplied before."""
    w, v = leaf(np.ones((2, 3, 4))), leaf(np.ones((1, 3, 4)), "v")
    assert Matrix.of(w * v, (0,), (1, 2)).factors
    assert not Matrix.of(w * v, (0, 1), (2,)).factors


@given(products())
def test_steps_are_those_of_an_array_in_memory(value):
    """Along axes that NumPy moves without a copy."""
    found = scaled(value).moved
    if found.moved_parameter is None:
        return
    array = read_part(found)
    if np.shares_memory(array, found.moved_parameter.data):
        for n, step, stride in zip(array.shape, steps(found), array.strides, strict=True):
            assert n <= 1 or step == stride // array.itemsize


def test_rows_of_several_axes_are_read_by_themselves():
    """Of an array in memory; of a file, where movements cancel."""
    w, spy = leaf(np.arange(90_000.0).reshape(3, 3, 100, 100)), Spy(400, 300)
    matrix = Matrix.of(w.transpose((3, 2, 0, 1)), (2, 3, 1), (0,))
    assert len(list(chunks_of(matrix.values, 80_000))) == 9
    np.testing.assert_array_equal(read_part(matrix.values, 0, 100, 200), w.read()[0, 1])
    turned = spy.as_recipe().transpose((1, 0)).reshape((300, 400, 1))
    assert read_part(Matrix.of(turned, (2, 1), (0,)).values, 0, 5, 9).shape == (4, 300)
    assert spy.keys == [(slice(5, 9),)]


def test_what_lies_across():
    w = leaf(np.ones((3, 3, 5, 7)))  # taps, inputs and outputs, as Keras stores a kernel
    kernel = w.transpose((3, 2, 0, 1))
    assert lies_across(kernel, 0)
    assert lies_across(kernel * leaf(np.ones((7, 1, 1, 1)), "v"), 0)
    assert not lies_across(kernel, 1)
    assert lies_across(kernel.gather(1, [4, 0, 2]), 0)
    assert not lies_across(w, 0)
    assert not lies_across(w.transpose((3, 2, 0, 1)).reshape((35, 9)), 0)
