"""What one step of a loop computes, as sums of products.

A recurrent cell is known by how the new state is made of the old one and of the input, however
it is written. Values are vectors; each is a sum of products of atoms: the input, a state, a
matrix applied to one of these, a bias, or a function of another sum.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cntgraph.core.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Source:
    """The input of a step, or a state from the step before."""

    index: int
    is_state: bool


@dataclass(frozen=True, eq=False)
class Bias:
    """A learned vector, shape (n,)."""

    recipe: Recipe


@dataclass(frozen=True, eq=False)
class Applied:
    """A matrix of shape (n_out, n_in) applied to a product of atoms."""

    matrix: Recipe
    term: Term


@dataclass(frozen=True, eq=False)
class Function:
    """A function of each entry of a sum."""

    name: str
    of: Sum


Atom = Source | Bias | Applied | Function
Term = tuple[Atom, ...]


@dataclass(frozen=True)
class Sum:
    """A vector of `size` entries as a sum of products of atoms.

    Parameters
    ----------
    terms : dict of tuple of atoms to float
        What each product is multiplied by; the empty product is one everywhere.
    """

    size: int
    terms: dict[Term, float] = field(default_factory=dict)

    @classmethod
    def of(cls, size: int, atom: Atom) -> Sum:
        """Return a single atom as a sum."""
        return cls(size, {(atom,): 1.0})

    def plus(self, other: Sum, sign: float = 1.0) -> Sum:
        """Return the sum of both, the other multiplied by `sign`."""
        terms = dict(self.terms)
        for term, factor in other.terms.items():
            terms[term] = terms.get(term, 0.0) + sign * factor
        return Sum(max(self.size, other.size), {t: c for t, c in terms.items() if c})

    def times(self, other: Sum) -> Sum:
        """Return the product of both, multiplied out."""
        terms: dict[Term, float] = {}
        for left, a in self.terms.items():
            for right, b in other.terms.items():
                term = _product(left + right)
                terms[term] = terms.get(term, 0.0) + a * b
        return Sum(max(self.size, other.size), terms)

    def scaled(self, factor: float) -> Sum:
        """Return a multiple."""
        return Sum(self.size, {term: factor * c for term, c in self.terms.items()})

    def apply(self, matrix: Recipe) -> Sum | None:
        """Return a matrix applied to it, or None where it has a bias already."""
        made: dict[Term, float] = {}
        for term, factor in self.terms.items():
            if not term or any(isinstance(atom, Bias) for atom in term):
                return None
            made[(Applied(matrix, term),)] = factor
        return Sum(matrix.shape[0], made)

    def part(self, start: int, stop: int) -> Sum | None:
        """Return some of its entries, or None where it has a state or the input as it is."""
        made: dict[Term, float] = {}
        for term, factor in self.terms.items():
            cut = [_cut(atom, start, stop) for atom in term]
            if any(atom is None for atom in cut):
                return None
            made[_product(atom for atom in cut if atom is not None)] = factor
        return Sum(stop - start, made)


def _product(atoms: Iterable[Atom]) -> Term:
    """Return a product of atoms, in an order of its own."""
    return tuple(sorted(atoms, key=id))


def _cut(atom: Atom, start: int, stop: int) -> Atom | None:
    if isinstance(atom, Bias):
        return Bias(atom.recipe.take(0, start, stop))
    if isinstance(atom, Applied):
        return Applied(atom.matrix.take(0, start, stop), atom.term)
    if isinstance(atom, Function):
        inner = atom.of.part(start, stop)
        return None if inner is None else Function(atom.name, inner)
    return None
