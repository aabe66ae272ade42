"""Recipes whose operations share parts, products of matrices, and how deep they may be."""

import json
import pickle

import numpy as np
import pytest
from oracles.spy import Spy

from cntgraph.core.errors import ParameterError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe, needs_version_3, recipe_from_json, recipe_to_json


def leaf(array, name="w"):
    return Recipe.of(Parameter.from_array(name, np.asarray(array)))


def doubled(recipe, times=40):
    for _ in range(times):
        recipe = recipe + recipe
    return recipe


def turned(recipe, times=40):
    """Each step reads rows and columns of the step before."""
    for _ in range(times):
        recipe = (recipe + recipe.transpose((1, 0))) * 0.5
    return recipe


def shifted(recipe, times=40):
    """Each step reads other parts of the step before."""
    n = recipe.shape[0]
    for k in range(times):
        recipe = (recipe.gather(0, np.roll(np.arange(n), k)) + recipe) * 0.5
    return recipe


@pytest.mark.parametrize("make", [doubled, turned, shifted])
def test_what_is_shared_is_evaluated_once(make):
    w = np.arange(1024.0).reshape(32, 32)
    recipe = make(leaf(w))
    assert [p.name for p in recipe.parameters()] == ["w"]
    value = recipe.read()
    assert np.allclose(recipe.read(0, 3, 5), value[3:5])
    assert np.allclose(np.concatenate([recipe.read(0, *part) for part in recipe.chunks(64)]), value)
    half = Parameter.from_array("w", w / 2)
    assert np.allclose(recipe.bind({"w": half}).read(), value / 2)
    text = json.dumps(recipe_to_json(recipe))
    assert len(text) < 40_000
    assert needs_version_3(json.loads(text))
    assert np.allclose(recipe_from_json(json.loads(text), {"w": half}).read(), value / 2)
    assert np.allclose(pickle.loads(pickle.dumps(recipe)).read(), value)


def test_a_part_that_is_shared_is_read_once():
    spy = Spy(100, 4)
    shared = spy.as_recipe().unary("exp")
    (shared / shared.sum((1,))).read(0, 2, 5)
    assert spy.keys == [(slice(2, 5),)]


def test_whether_parts_are_shared_in_memory_is_not_to_be_seen_in_a_file():
    shared, apart = doubled(leaf(np.ones(2)), 10), leaf(np.ones(2))
    for _ in range(10):
        apart = apart + apart.bind({"w": next(apart.parameters())})
    assert recipe_to_json(shared) == recipe_to_json(apart)


def test_small_recipes_are_written_as_ever():
    w = leaf(np.ones((2, 3)))
    off = w - w.sum((1,)) / 3.0
    assert not needs_version_3(recipe_to_json((off * off).sum((1,)).sqrt()))
    assert needs_version_3(recipe_to_json(w.unary("exp")))
    assert needs_version_3(recipe_to_json(w @ w.transpose((1, 0))))


def test_a_deep_chain_is_refused():
    def deep(n):
        recipe = leaf(np.ones(2))
        for _ in range(n):
            recipe = -recipe
        return recipe

    assert deep(160).read().tolist() == [1.0, 1.0]
    with pytest.raises(ParameterError, match="at most 160 operations"):
        deep(100_000)


def test_rows_of_a_product_read_rows_of_the_left_and_columns_those_of_the_right():
    left, right = Spy(8, 3), Spy(3, 6)
    product = left.as_recipe("u") @ right.as_recipe("v")
    assert product.read(0, 2, 4).shape == (2, 6)
    assert (left.keys.pop(), right.keys.pop()) == ((slice(2, 4),), (slice(0, None),))
    assert product.read(1, 2, 4).shape == (8, 2)
    assert (left.keys.pop(), right.keys.pop()) == ((slice(0, None),), (slice(None), slice(2, 4)))


def test_a_stack_of_products_reads_the_matrices_that_are_wanted():
    left, right = Spy(5, 2, 3), Spy(1, 3, 2)
    product = left.as_recipe("u") @ right.as_recipe("v")
    assert product.shape == (5, 2, 2)
    assert product.read(0, 1, 2).shape == (1, 2, 2)
    assert (left.keys.pop(), right.keys.pop()) == ((slice(1, 2),), (slice(0, None),))


def test_a_square_is_not_taken_for_a_product_of_parts():
    w = np.arange(9.0).reshape(3, 3)
    square = leaf(w) @ leaf(w)
    same = leaf(w)
    for product in (square, same @ same):
        parts = [product.read(0, *part) for part in product.chunks(1)]
        assert np.allclose(np.concatenate(parts), w @ w)


def test_products_of_much_are_taken_in_parts_of_little():
    tall, wide = Spy(4096, 2), Spy(2, 4096)
    product = tall.as_recipe("u") @ wide.as_recipe("v")
    assert len([*product.chunks()]) > 64
    large = Spy(2048, 1024)
    assert len([*(Spy(16, 2048).as_recipe("u") @ large.as_recipe("v")).chunks(64)]) == 1


def test_curves_do_not_overflow():
    far = leaf(np.array([-800.0, -40.0, 40.0, 800.0]))
    with np.errstate(all="raise", under="ignore"):
        assert far.unary("sigmoid").read().tolist() == [0.0, np.exp(-40) / (1 + np.exp(-40)), 1, 1]
        assert np.allclose(far.unary("softplus").read(), [0, np.exp(-40), 40, 800])


@pytest.mark.parametrize(
    "data",
    [
        {"same": 0},
        {"same": -1},
        {"same": "w"},
        {"op": "add", "args": [{"op": "exp", "args": [{"parameter": "w"}]}, {"same": 1}]},
        {"op": "exp", "args": [{"parameter": "w"}, {"parameter": "w"}]},
        {"op": "where", "args": [{"parameter": "w"}, {"parameter": "w"}]},
        {"op": "matmul", "args": [{"parameter": "w"}, {"parameter": "w"}]},
        {"op": "matmul", "args": [{"parameter": "w"}, {"constant": [1.0, 2.0]}]},
        {"op": "matmul", "args": [{"parameter": "w"}, {"constant": 1.0}]},
        {"op": "max", "args": [{"parameter": "w"}], "axes": [0, 0]},
        {"op": "max", "args": [{"parameter": "w"}]},
        {"op": "matmul", "args": [{"constant": [[[1.0]], [[1.0]]]},
                                  {"constant": [[[1.0]], [[1.0]], [[1.0]]]}]},
    ],
)  # fmt: skip
def test_bad_json_is_refused(data):
    with pytest.raises(ParameterError):
        recipe_from_json(data, {"w": Parameter.from_array("w", np.zeros((2, 3)))})


def test_products_that_do_not_fit_are_refused():
    w = leaf(np.zeros((2, 3)))
    with pytest.raises(ParameterError, match="no matrix product"):
        w @ w
    with pytest.raises(ParameterError, match="broadcast"):
        w.reshape((2, 1, 3)) @ leaf(np.zeros((3, 3, 2)))
