"""Arrays of node ids and weights whose axes have labels: axes of the same label go together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids

#: One label per axis.
Labels = Sequence[Hashable]
Values = TypeVar("Values", Ids, Recipe)


@dataclass(frozen=True, eq=False)
class Labeled(Generic[Values]):
    """An array or weights with one label per axis."""

    values: Values
    labels: Labels

    def size(self, label: Hashable) -> int:
        """Return the length of an axis; 1 for one that there is not."""
        return self.values.shape[self.labels.index(label)] if label in self.labels else 1

    def arranged(self, order: Labels) -> Values:
        """Return the values with the axes of `order` alone; all others must be of length one."""
        if (*order,) == (*self.labels,):
            return self.values
        known = [
            *(k for k in order if k in self.labels),
            *(k for k in self.labels if k not in order),
        ]
        axes = tuple(map(self.labels.index, known))
        return self.values.transpose(axes).reshape(tuple(map(self.size, order)))


class LabeledIds(Labeled[Ids]):
    """Node ids, with one label per axis."""

    def once(self, labels: Labels) -> LabeledIds:
        """Return the ids without the repetitions along some axes."""
        ids = self.values
        for axis, label in enumerate(self.labels):
            if label in labels and ids.shape[axis] > 1:
                first = ids.take([0], axis)
                ids = first if (ids == first).all() else ids
        return LabeledIds(ids, self.labels)


class LabeledWeight(Labeled[Recipe]):
    """Weights with one label per axis; there is no axis of length one."""

    @classmethod
    def of(cls, recipe: Recipe, labels: Labels) -> LabeledWeight:
        """Return weights without their axes of length one."""
        long = [(k, n) for k, n in zip(labels, recipe.shape, strict=True) if n != 1]
        return cls(recipe.reshape(tuple(n for _, n in long)), [k for k, _ in long])

    def at(self, places: dict[Hashable, int]) -> LabeledWeight:
        """Return one entry along each of some axes, without these axes."""
        recipe = self.values
        for axis, label in enumerate(self.labels):
            if label in places:
                recipe = recipe.take(axis, places[label], places[label] + 1)
        return LabeledWeight.of(recipe, self.labels)


def equation_labels(equation: str, ranks: Sequence[int]) -> tuple[list[Labels], Labels]:
    """Return the labels of the axes of an einsum's operands and of its result.

    Parameters
    ----------
    equation : str
        As of `numpy.einsum`; an ellipsis stands for leading axes.
    ranks : sequence of int
        Number of axes of each operand.

    Examples
    --------
    >>> equation_labels("...i,ij->...j", [3, 2])
    ([(0, 1, 'i'), ('i', 'j')], (0, 1, 'j'))
    """
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    hidden = [n - len(term.replace("...", "")) for term, n in zip(terms, ranks, strict=False)]
    if len(terms) != len(ranks) or min(hidden) < 0:
        raise NotFollowed(f"the equation {equation!r} for operands of {list(ranks)} axes")
    wide = max((n for n, term in zip(hidden, terms, strict=True) if "..." in term), default=0)
    if not arrow:
        letters = inputs.replace(",", "").replace(".", "")
        once = sorted(k for k in set(letters) if letters.count(k) == 1)
        output = "".join(["..." * ("..." in inputs), *once])

    def labels(term: str, n: int) -> Labels:
        before, dots, after = term.partition("...")
        return (*before, *(range(wide - n, wide) if dots else ()), *after)

    return [labels(*part) for part in zip(terms, hidden, strict=True)], labels(output, wide)
