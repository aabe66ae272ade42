"""The four things that a tensor can be while a model is traced.

* `Neurons`: ids of nodes, in the shape of the tensor they stand for.
* weights: a `Recipe`, a function of parameters alone; a framework that needs a tensor of its own
  in its place has one with an attribute ``recipe``.
* `Data`: what depends on the input without being a neuron, such as a mask.
* anything else: a constant, which `Tracer.array` turns into an array.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from cntgraph.adapters.builder.forms import HIDDEN_NODE
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids

#: Stands for token 0 where it is constant, as padding is; each further token is one less.
FIRST_TOKEN = HIDDEN_NODE - 1

Source = Literal["mask", "indices", "neurons", "noise"]

#: What is not above it hides a position, as frameworks write -∞.
HIDDEN = -1e4


class Neurons:
    """Node ids in the shape of a tensor, the samples of a batch included.

    Below zero is no node: -1 where the value is zero, `HIDDEN_NODE` where it is -∞, `FIRST_TOKEN`
    and less for constant tokens. To a `View` all are -1.

    Every framework has a subclass of its own, which only `Tracer.neurons` makes.
    """

    #: In the framework's own order of axes.
    ids: Ids
    #: Whether the tensor holds whole numbers that choose something (tokens), not activations.
    is_index: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor that the nodes stand for."""
        return self.ids.shape


@dataclass(frozen=True, eq=False)
class Data:
    """What depends on the input without being a neuron: masks, positions, choices.

    It says which tokens count, and where: a graph that holds for every input cannot depend on
    that. It is followed only so far that what it touches is not lost: a mask hides nothing, a
    position or a choice is what it is for the example at hand.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    value : array, optional
        What it is for the example at hand, where that is known.
    source : {"mask", "indices", "neurons", "noise"}, default "mask"
        What it follows from: which tokens count, the entries of an embedding, activations, or
        nothing at all (random numbers).
    several : int, optional
        The axis along which several are chosen, as by a top-k.
    judged : Neurons, optional
        What was compared with a constant; made a number, that is a step of it (a spike).
    """

    shape: tuple[int, ...]
    value: Any = None
    source: Source = "mask"
    several: int | None = None
    judged: Neurons | None = None


def weights_of(value: Any) -> Recipe | None:
    """Return the recipe of a value that depends on parameters alone, None for any other."""
    found = value if isinstance(value, Recipe) else getattr(value, "recipe", None)
    return found if isinstance(found, Recipe) else None


def are_weights(*values: Any) -> bool:
    """Whether values are weights and constants alone, so that what is made of them is weights."""
    return not any(isinstance(value, Neurons | Data) for value in values)


def is_tokens(value: Any) -> bool:
    """Whether a value is whole numbers of the input, which choose something."""
    return isinstance(value, Neurons) and value.is_index


def is_learned(value: Any) -> bool:
    """Whether a value depends on a trainable parameter."""
    recipe = weights_of(value)
    return recipe is not None and any(p.trainable for p in recipe.parameters())


def is_noise(value: Any) -> bool:
    """Whether a value is random numbers: they are no neurons, and count as zero."""
    return isinstance(value, Data) and value.source == "noise"


def is_drawn(data: Data) -> bool:
    """Whether something is random numbers, or places that were drawn."""
    return data.source == "noise" or (data.source == "mask" and data.value is None)


def is_mask(value: Any) -> bool:
    """Whether a value says which tokens count."""
    if isinstance(value, Neurons):
        return value.is_index
    return isinstance(value, Data) and value.source == "mask"
