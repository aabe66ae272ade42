"""An array that notes what is read of it."""

import numpy as np

from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe


class Spy:
    """Ones of a shape, and the keys by which they were read."""

    def __init__(self, *shape):
        self.shape, self.keys = shape, []

    def __getitem__(self, key):
        self.keys.append(key)
        return np.ones(self.shape)[key]

    def as_recipe(self, name="w"):
        return Recipe.of(Parameter(name, self.shape, "float64", self))
