"""What one step of a loop computes, as sums of matrices applied to its input and states.

The body of a loop is followed once. Values are vectors: what it reads, sums, and steps that go
entry by entry, which can be carried out on numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.jax.movement import REARRANGING
from cntgraph.adapters.jax.numeric import ELEMENTWISE, computed
from cntgraph.adapters.jax.program import Op, Program, Var
from cntgraph.adapters.jax.tracer import JaxTracer
from cntgraph.adapters.jax.values import Unknown, Weight, scalar_of
from cntgraph.adapters.jax.weights import as_weight, whole
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array


@dataclass(frozen=True, eq=False)
class Source:
    """The input of a step, or a state from the step before."""

    size: int

    def part(self, start: int, stop: int) -> Source | None:
        """Return some of its entries, if that is all of them."""
        return self if (start, stop) == (0, self.size) else None


@dataclass(frozen=True, eq=False)
class Step:
    """An elementwise operation on vectors and numbers."""

    size: int
    op: Op
    args: tuple[Any, ...]

    def part(self, start: int, stop: int) -> Step | None:
        """Return some of its entries, or None where they cannot be told apart."""
        args = tuple(a.part(start, stop) if isinstance(a, Vector) else a for a in self.args)
        return None if None in args else Step(stop - start, self.op, args)


@dataclass(frozen=True, eq=False)
class Sum:
    """Σ matrix · source + bias + number + Σ factor · vector.

    Without the vectors, it is affine: what a gate is before its function.
    """

    size: int
    matrices: Mapping[Source | Step, Recipe] = field(default_factory=dict)
    bias: Recipe | None = None
    number: float = 0.0
    rest: tuple[tuple[float, Source | Step], ...] = ()

    @property
    def is_affine(self) -> bool:
        """Whether it has weights."""
        return bool(self.matrices) or self.bias is not None

    def plus(self, other: Sum) -> Sum:
        """Return the sum of both."""
        matrices = dict(self.matrices)
        for source, matrix in other.matrices.items():
            matrices[source] = matrices[source] + matrix if source in matrices else matrix
        biases = [b for b in (self.bias, other.bias) if b is not None]
        bias = biases[0] + biases[1] if len(biases) == 2 else next(iter(biases), None)
        n, rest = max(self.size, other.size), self.rest + other.rest
        return Sum(n, matrices, bias, self.number + other.number, rest)

    def times(self, factor: float) -> Sum:
        """Return a multiple."""
        matrices = {source: matrix * factor for source, matrix in self.matrices.items()}
        bias = None if self.bias is None else self.bias * factor
        rest = tuple((factor * c, vector) for c, vector in self.rest)
        return Sum(self.size, matrices, bias, self.number * factor, rest)

    def part(self, start: int, stop: int) -> Sum | None:
        """Return some of its entries, or None where they cannot be told apart."""
        rest = [(c, vector.part(start, stop)) for c, vector in self.rest]
        if any(vector is None for _, vector in rest):
            return None
        matrices = {source: m.take(0, start, stop) for source, m in self.matrices.items()}
        bias = None if self.bias is None else self.bias.take(0, start, stop)
        kept = tuple((c, vector) for c, vector in rest if vector is not None)
        return Sum(stop - start, matrices, bias, self.number, kept)


Vector = Source | Step | Sum


def evaluate(value: Any, known: Mapping[Source | Sum, Array]) -> Any:
    """Return a vector as numbers.

    Parameters
    ----------
    known : mapping of Source or Sum to ndarray
        What stands for sources, and for sums with weights but for the vectors that they add; of
        all of these that the vector is made of, each is asked for.
    """
    if isinstance(value, Step):
        return computed(value.op, [evaluate(a, known) for a in value.args])[0]
    if not isinstance(value, Sum):
        return known[value] if isinstance(value, Source) else value
    for source in value.matrices:
        evaluate(source, known)
    start = known[value] if value.is_affine else value.number
    return start + sum(c * evaluate(vector, known) for c, vector in value.rest)


def follow(t: JaxTracer, program: Program, inputs: Sequence[Any]) -> list[Vector] | None:
    """Return what the body of a loop yields, or None where it does anything else.

    Parameters
    ----------
    inputs : sequence
        `Source` for the input and the states; other values stand for themselves.
    """
    known: dict[Any, Any] = dict(zip(program.inputs, inputs, strict=True))
    known |= {var: t.closed_over(value) for var, value in program.constants.items()}
    for op in program.ops:
        args = [known[v] for v in op.inputs]
        if any(isinstance(value, Unknown) for value in args):
            results: Any = [Unknown("", out.shape) for out in op.outputs]
        elif any(isinstance(value, Vector | tuple) for value in args):
            results = _operation(t, op, args)
        else:
            results = t.on_constants(op, args)
        if any(value is None for value in results):
            return None
        known.update(zip(op.outputs, results, strict=True))
    ends = [known[v] for v in program.outputs]
    return ends if all(isinstance(value, Vector) for value in ends) else None


def _operation(t: JaxTracer, op: Op, args: list[Any]) -> list[Any]:
    n, x = n_entries(t, op.outputs[0]), args[0]
    if op.name == "concatenate":
        return [tuple(args)]
    if op.name == "dot_general":
        return [_applied(t, op, *args)]
    if any(isinstance(value, tuple) for value in args):
        return [None]
    if op.name in REARRANGING - {"rev", "tile"}:
        return [x if n == x.size else None]
    if op.name == "split":
        return [x.part(a, b) for a, b in pairwise(np.cumsum([0, *op.params["sizes"]]).tolist())]
    if op.name == "slice":
        return [_slice(op, x)]
    return [_elementwise(t, op, args, n) if op.name in ELEMENTWISE else None]


def n_entries(t: JaxTracer, var: Var) -> int:
    """Return the size of the vector that a value is for one sample."""
    return prod(var.shape) // max(t.n_samples, 1)


def _slice(op: Op, x: Vector) -> Vector | None:
    p, sizes = op.params, op.inputs[0].shape
    ends = zip(p["start_indices"], p["limit_indices"], sizes, strict=True)
    cuts = [(int(a), int(b), n) for a, b, n in ends if b - a != n]
    if not cuts or any(step != 1 for step in p["strides"] or ()):
        return None if cuts else x
    (start, stop, n), *others = cuts
    return None if others or n != x.size else x.part(start, stop)


def _elementwise(t: JaxTracer, op: Op, args: list[Any], n: int) -> Vector:
    """Return a linear operation as a sum, and anything else as a step."""
    numbers = [scalar_of(a) for a in args]
    factor = next((c for c in numbers if c is not None), None)
    terms = [_sum(t, a, n) for a in args]
    if op.name in ("add", "add_any", "sub"):
        return terms[0].plus(terms[1] if op.name != "sub" else terms[1].times(-1.0))
    if op.name == "neg":
        return terms[0].times(-1.0)
    if op.name == "mul" and factor is not None:
        return next(s for s, c in zip(terms, numbers, strict=True) if c is None).times(factor)
    vectors = (a if isinstance(a, Vector) or c is not None else s
               for a, s, c in zip(args, terms, numbers, strict=True))  # fmt: skip
    return Step(n, op, tuple(vectors))


def _sum(t: JaxTracer, value: Any, n: int) -> Sum:
    """Return a value as a sum: a weight is a bias."""
    if isinstance(value, Sum):
        return value
    if isinstance(value, Source | Step):
        return Sum(n, rest=((1.0, value),))
    number = scalar_of(value)
    if number is not None:
        return Sum(n, number=number)
    w = as_weight(value, t.constant)
    if prod(w.recipe.shape) != n:  # otherwise it is the same for all samples
        w = whole(w, range(len(w.shape)))
    return Sum(n, bias=w.recipe.reshape((-1,)))


def _applied(t: JaxTracer, op: Op, left: Any, right: Any) -> Sum | None:
    """Return a matrix applied to a vector, or to several on end."""
    first = isinstance(left, Vector | tuple)
    x, w = (left, right) if first else (right, left)
    summed, shared = op.params["dimension_numbers"]
    if not isinstance(w, Weight) or shared[0]:
        return None
    over = [int(axis) for axis in summed[1 if first else 0]]
    own = [axis for axis in range(len(w.shape)) if axis not in over]
    n_in, n_out = prod(w.shape[axis] for axis in over), prod(w.shape[axis] for axis in own)
    recipe = whole(w, range(len(w.shape))).recipe.transpose((*own, *over))
    matrix, start, total = recipe.reshape((n_out, n_in)), 0, Sum(n_out)
    parts = x if isinstance(x, tuple) else (x,)
    if any(not isinstance(part, Source | Step) for part in parts):
        return None
    for part in parts:
        columns = matrix.take(1, start, start + part.size) if len(parts) > 1 else matrix
        total, start = total.plus(Sum(n_out, {part: columns})), start + part.size
    return total if start == n_in else None
