"""What is no neuron where something else is wanted: constants as recipes, values as nodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.builder.broadcasting import narrowed
from cntgraph.adapters.tracing.batch import Samples
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.values import (
    FIRST_TOKEN,
    HIDDEN,
    Data,
    Neurons,
    is_learned,
    is_noise,
    weights_of,
)
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.movement import once
from cntgraph.core.types import Array, Ids

#: Constants of more values are stored as parameters, rather than written into recipes.
LARGEST_CONSTANT = 64


#: Values of a constant that are looked at together.
_TOGETHER = 1 << 16


class Constants(ABC):
    """Turns constants and weights into recipes and into nodes.

    Attributes
    ----------
    examples : dict of int to number
        What each node of an input of whole numbers is for the example that was given.
    """

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.examples: dict[int, Any] = {}
        self._stored: dict[Any, Recipe] = {}
        self._fixed: dict[int, tuple[Recipe, Ids]] = {}

    @abstractmethod
    def array(self, value: Any) -> Array | None:
        """Return the values of a constant; None for neurons, weights and data."""

    def number(self, value: Any) -> float:
        """Return the one number that a constant is everywhere; of anything else not a number."""
        array = self.array(value)
        if array is None or not array.size or (array != array.flat[0]).any():
            return float("nan")
        return float(array.flat[0])

    def stored(self, value: Any) -> tuple[str, Array, str | None]:
        """Return what a large constant is called, its stored bits, and their type if not theirs."""
        return "constant", np.asarray(self.array(value)), None

    def example_of(self, value: Any) -> Array | None:
        """Return what masks and whole numbers are for the example given; None if nobody knows.

        Constants are what they are.
        """
        if not isinstance(value, Neurons):
            return value.value if isinstance(value, Data) else self.array(value)
        ids = Samples().first(value.ids)
        found = [FIRST_TOKEN - k if k <= FIRST_TOKEN else self.examples.get(k)
                 for k in ids.ravel().tolist()]  # fmt: skip
        return None if None in found else np.array(found, np.int64).reshape(ids.shape)

    def recipe(self, value: Any) -> Recipe:
        """Return weights or a constant as a recipe; a large constant is stored, once.

        Raises
        ------
        NotFollowed
            If it is neither.
        """
        found = weights_of(value)
        if found is not None:
            return found
        array = self.array(value)
        if array is None:
            raise NotFollowed("neurons stand where it has its weights")
        if array.size <= LARGEST_CONSTANT:
            return Recipe.constant(array)
        # The layers of a model often read the same constants, such as rotations by position.
        name, bits, dtype = self.stored(value)
        key = bits.shape, dtype or bits.dtype.str, _digest(bits)
        if key not in self._stored:
            self._stored[key] = self.builder.constant(name, bits, dtype)
        return self._stored[key]

    def optional_recipe(self, value: Any) -> Recipe | None:
        """Return `recipe(value)`, or None for None."""
        return None if value is None else self.recipe(value)

    def as_ids(self, value: Any, name: str) -> Ids:
        """Return what moves along with neurons as node ids, in the shape it has in the model.

        Parameters
        ----------
        value : Neurons, weights or constant
            Weights that are learned are nodes whose bias they are. So is a constant, but where it
            is zero or hides a position: there is no node.
        name : str
            What the nodes of a constant are called.

        Raises
        ------
        NotFollowed
            If it depends on the input without being neurons.
        """
        if isinstance(value, Neurons):
            return value.ids
        recipe, shape = weights_of(value), np.shape(value)
        if is_noise(value):
            return np.full(shape, -1)
        if 0 in shape:
            return np.empty(shape, np.int64)
        if recipe is not None and is_learned(recipe):
            return np.broadcast_to(self._nodes_of(recipe, name), shape)
        values = self.array(value) if recipe is None else recipe.read()
        if values is None:
            raise NotFollowed("it joins neurons to what is none")
        hidden = values <= HIDDEN
        nothing = (values == 0) | hidden
        if nothing.all():
            if recipe is not None:
                self.builder.skip(recipe, "zeros where neurons are")
            return np.broadcast_to(self._where_hidden(np.asarray(-1), hidden), shape)
        if recipe is None:  # one node is enough for what is the same everywhere
            same = (values == values.flat[0]).all()
            recipe = Recipe.constant(values.flat[0]) if same else self.recipe(value)
        ids = self._nodes_of(recipe, name)
        if nothing.any():
            ids = self._where_hidden(np.where(nothing, -1, ids), hidden)
        return np.broadcast_to(ids, shape)

    def _where_hidden(self, ids: Ids, hidden: NDArray[np.bool_]) -> Ids:
        return self.builder.mask(ids, ~hidden) if hidden.any() else ids

    def as_tokens(self, value: Any, name: str) -> Ids:
        """Return what moves along with tokens as ids: constant tokens are ids below zero.

        What follows from the input without being tokens is what it is for the example. A number
        below zero is no entry of a table, and no node.
        """
        array = self.example_of(value)
        if isinstance(value, Neurons) or array is None:
            return self.as_ids(value, name)
        tokens = np.asarray(array).astype(np.int64)
        return np.where(tokens < 0, -1, FIRST_TOKEN - tokens)

    def _nodes_of(self, recipe: Recipe, name: str) -> Ids:
        """Return nodes that have a bias alone; the same ones for the same recipe.

        What is repeated along an axis is one node.
        """
        recipe = once(recipe)
        if id(recipe) not in self._fixed:
            label = next((p.name for p in recipe.parameters()), name)
            ids = self.builder.learned(label, narrowed(recipe, 1).of_rank(1))
            self._fixed[id(recipe)] = recipe, ids.reshape(recipe.shape)
        return self._fixed[id(recipe)][1]


def _digest(bits: Array) -> bytes:
    """Return what tells a constant from others: of its values in C order, some at a time.

    All of them may be one number in memory (a tensor of ones), and very many written out.
    """
    digest = sha256()
    parts = np.nditer(
        bits, ["external_loop", "buffered", "zerosize_ok"], order="C", buffersize=_TOGETHER
    )
    for part in parts:
        digest.update(np.asarray(part).tobytes())
    return digest.digest()
