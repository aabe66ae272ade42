"""Following the body of a loop with symbols for its input and its states."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.jax.movement import REARRANGING
from cntgraph.adapters.jax.polynomial import Bias, Function, Sum
from cntgraph.adapters.jax.program import Op, Program, Var
from cntgraph.adapters.jax.scaling import Scaling
from cntgraph.adapters.jax.values import Unknown, Weight, scalar_of
from cntgraph.adapters.jax.weights import as_weight, whole

_FUNCTIONS = {"logistic": "sigmoid", "tanh": "tanh"}


class Body:
    """Follows the body of a loop with symbols."""

    def __init__(self, t: Scaling) -> None:
        self.t = t

    def run(self, program: Program, inputs: Sequence[Any]) -> list[Sum] | None:
        """Return what a body yields as sums, or None where it is no sum of products."""
        known: dict[Var, Any] = dict(zip(program.inputs, inputs, strict=True))
        known |= {var: self.t.closed_over(value) for var, value in program.constants.items()}
        for op in program.ops:
            args = [known[v] for v in op.inputs]
            if any(isinstance(value, Unknown) for value in args):
                results: Any = [Unknown("", out.shape) for out in op.outputs]
            elif any(isinstance(value, Sum | tuple) for value in args):
                results = self._step(op, args)
            else:
                results = self.t.on_constants(op, args)
            if results is None or any(value is None for value in results):
                return None
            known.update(zip(op.outputs, results, strict=True))
        ends = [known[v] for v in program.outputs]
        return ends if all(isinstance(value, Sum) for value in ends) else None

    def _step(self, op: Op, args: list[Any]) -> list[Any] | None:
        if op.name == "concatenate":
            return [tuple(self._sum(value) for value in args)]
        if op.name == "dot_general":
            return [self._applied(op, *args)]
        if any(isinstance(value, tuple) for value in args):
            return None
        if op.name in REARRANGING - {"rev", "tile"}:
            return [args[0]] if prod(op.outputs[0].shape) == args[0].size else None
        if op.name in ("split", "slice"):
            return _cut(op, args[0])
        if op.name in _FUNCTIONS:
            return [self._function(_FUNCTIONS[op.name], args[0], op)]
        return self._arithmetic(op, args)

    def _function(self, name: str, of: Sum, op: Op) -> Sum:
        return Sum.of(of.size, Function(name, of))

    def _arithmetic(self, op: Op, args: list[Any]) -> list[Any] | None:
        if op.name == "max":
            bounded = next((a for a in args if isinstance(a, Sum)), None)
            at_zero = any(scalar_of(a) == 0.0 for a in args)
            return [self._function("relu", bounded, op)] if bounded and at_zero else None
        sums = [self._sum(value) for value in args]
        if any(value is None for value in sums):
            return None
        if op.name == "neg":
            return [sums[0].scaled(-1.0)]
        left, right = sums if len(sums) == 2 else (None, None)
        if left is None or right is None:
            return None
        if op.name in ("add", "add_any", "sub"):
            return [left.plus(right, -1.0 if op.name == "sub" else 1.0)]
        return [left.times(right)] if op.name == "mul" else None

    def _sum(self, value: Any) -> Any:
        """Return a value as a sum: a weight is a bias."""
        if isinstance(value, Sum):
            return value
        number = scalar_of(value)
        if number is not None:
            return Sum(1, {(): number} if number else {})
        if isinstance(value, tuple | Unknown):
            return None
        w = as_weight(value, self.t.constant)
        size = prod(w.shape)
        return Sum.of(size, Bias(whole(w, range(len(w.shape))).recipe.reshape((size,))))

    def _applied(self, op: Op, left: Any, right: Any) -> Sum | None:
        """Return a matrix applied to a vector, or to several on end."""
        first = not isinstance(left, Weight)
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
        if any(not isinstance(part, Sum) for part in parts) or n_in != sum(p.size for p in parts):
            return None
        for part in parts:
            stop = start + part.size
            made = part.apply(matrix.take(1, start, stop) if len(parts) > 1 else matrix)
            if made is None:
                return None
            total, start = total.plus(made), stop
        return total


def _cut(op: Op, x: Sum) -> list[Any] | None:
    """Return parts of a vector."""
    if op.name == "split":
        ends = np.cumsum([0, *op.params["sizes"]]).tolist()
        return [x.part(a, b) for a, b in pairwise(ends)]
    p, n = op.params, prod(op.outputs[0].shape)
    starts = [a for a, b in zip(p["start_indices"], p["limit_indices"], strict=True) if b - a == n]
    if not starts or any(step != 1 for step in p["strides"] or ()):
        return None
    return [x.part(int(starts[0]), int(starts[0]) + n)]
