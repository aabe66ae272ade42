"""Boxes of recipes: the values of the whole, and of what is moved no more is read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.box import read_box
from cntgraph.core.recipe.movement import stacked


class Counting:
    """An array that counts the values that are read of it."""

    def __init__(self, shape, rng):
        self.array, self.n_read = rng.normal(size=shape).astype(np.float32), 0

    @property
    def shape(self):
        return self.array.shape

    def __getitem__(self, key):
        found = self.array[key]
        self.n_read += found.size
        return found


def experts(n, shape, rng):
    """Matrices that are stored one by one, each as a recipe, and what they are read from."""
    stored = [Counting(shape, rng) for _ in range(n)]
    return stored, [Recipe.of(Parameter(f"w{k}", shape, "float32", a))
                    for k, a in enumerate(stored)]  # fmt: skip


FORMS = {
    "stacked": lambda a, b: stacked(a, 0),
    "stacked beside each other": lambda a, b: Recipe.concatenate(
        (stacked(a, 0), stacked(b, 0)), 1
    ),
    "turned": lambda a, b: stacked(a, 0).transpose((0, 2, 1)),
    "joined": lambda a, b: Recipe.concatenate((*a, *b), 0),
    "scaled": lambda a, b: stacked(a, 0) * 2.0,
    "reshaped": lambda a, b: stacked(a, 0).reshape((len(a), -1)),
}  # fmt: skip


@given(st.data(), st.sampled_from(sorted(FORMS)), st.integers(1, 3), st.integers(1, 4),
       st.integers(1, 5))  # fmt: skip
def test_a_box_has_the_values_of_the_whole(data, form, n, n_out, n_in):
    rng = np.random.default_rng(0)
    (_, one), (_, other) = (experts(n, (n_out, n_in), rng) for _ in range(2))
    recipe = FORMS[form](one, other)
    box = []
    for size in recipe.shape:
        low = data.draw(st.integers(0, size))
        box.append(range(low, data.draw(st.integers(low, size))))
    found = read_box(recipe, box)
    expected = recipe.read()[tuple(slice(r.start, r.stop) for r in box)]
    assert found.dtype == recipe.dtype
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("form", ["stacked", "stacked beside each other", "turned", "joined"])
def test_no_more_is_read(form):
    rng = np.random.default_rng(0)
    (stored, one), (others, other) = (experts(4, (6, 5), rng) for _ in range(2))
    recipe = FORMS[form](one, other)
    box = (range(1, 2), *(range(1, n - 1) for n in recipe.shape[1:]))
    assert read_box(recipe, box).size == sum(a.n_read for a in stored + others)
