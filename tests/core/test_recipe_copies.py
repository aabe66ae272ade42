"""The recipe of many copies against the recipe bound to each copy's parameters."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from oracles.recipes import trees

from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.copies import recipe_of_copies


def copies_of(recipe, n, seed):
    """All values of each parameter, and those of each copy."""
    rng = np.random.default_rng(seed)
    alike = {p.name: p for p in recipe.parameters()}
    all_ = {
        name: Parameter.from_array(name, rng.uniform(1.0, 5.0, (n, *p.shape)).astype("f4"))
        for name, p in alike.items()
    }
    each = [
        {name: Parameter.from_array(name, p.data[k]) for name, p in all_.items()} for k in range(n)
    ]
    return all_, each


@given(trees(depth=5), st.integers(1, 4), st.integers(0, 9))
def test_each_copy_has_the_value_of_its_own_parameters(tree, n, seed):
    recipe, _ = tree
    all_, each = copies_of(recipe, n, seed)
    with np.errstate(all="ignore"):
        found = recipe_of_copies(recipe, n, all_)
        assert found.shape == (n, *recipe.shape)
        values = found.read()
        expected = [recipe.bind(own).read() for own in each]
    for k in range(n):
        assert np.allclose(values[k], expected[k], rtol=1e-12, atol=1e-12, equal_nan=True)


def test_what_has_no_parameter_is_repeated():
    found = recipe_of_copies(Recipe.constant(np.array([1.0, 2.0])) * 3.0, 2, {})
    assert found.read().tolist() == [[3.0, 6.0], [3.0, 6.0]]


def test_what_is_the_same_is_joined_with_what_is_not():
    w = Recipe.of(Parameter.from_array("w", np.array([[1.0], [2.0]])))
    recipe = Recipe.concatenate((Recipe.constant(np.zeros((2, 1))), w), 1)
    all_ = {"w": Parameter.from_array("w", np.array([[[1.0], [2.0]], [[3.0], [4.0]]]))}
    found = recipe_of_copies(recipe, 2, all_).read()
    assert found.tolist() == [[[0.0, 1.0], [0.0, 2.0]], [[0.0, 3.0], [0.0, 4.0]]]
