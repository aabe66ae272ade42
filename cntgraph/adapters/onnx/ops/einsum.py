"""Einsum, as transpositions and one matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

from cntgraph.adapters.onnx.names import name_of
from cntgraph.adapters.onnx.ops.affine import by_heads, product_of_nodes
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes, shape_of
from cntgraph.adapters.tracing.reductions import reduce_axes
from cntgraph.core.recipe import Recipe

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class _Plan(NamedTuple):
    """Which axes a product of two operands has: shared and kept, summed over, of one only."""

    shared: str
    summed: str
    left: str
    right: str
    result: str


@handles("Einsum")
def einsum(t: OnnxTracer, call: Call) -> Any:
    """Return a transposition, or a product of two values that sums over common axes."""
    terms, result = _terms(str(call.get("equation", "")), [shape_of(v) for v in call.inputs])
    if len(terms) == 1:
        (x,) = call.inputs
        return _transposed(t, x, terms[0], result, call.name)
    if len(terms) != 2:
        return None
    left, right = call.inputs
    if not isinstance(left, Nodes):
        left, right, terms = right, left, terms[::-1]
    plan = _plan(terms[0], terms[1], result)
    if plan is None or not isinstance(left, Nodes):
        return None
    made = _product(t, left, right, terms, plan, call.name)
    if made is None:
        return None
    order = plan.shared + plan.left + plan.right
    return Nodes(made.ids.transpose([order.index(axis) for axis in result]))


def _terms(equation: str, shapes: Sequence[tuple[int, ...]]) -> tuple[list[str], str]:
    """Return the axes of each operand and of the result, as letters; an ellipsis spelled out."""
    inputs, arrow, result = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(shapes):
        raise ValueError(f"{len(shapes)} operands for the equation {equation!r}")
    missing = [len(shape) - len(term.replace("...", "")) for term, shape in
               zip(terms, shapes, strict=True)]  # fmt: skip
    free = [letter for letter in _LETTERS if letter not in equation]
    most = max((n for n, term in zip(missing, terms, strict=True) if "..." in term), default=0)
    if min(missing) < 0 or most > len(free):
        raise ValueError(f"the equation {equation!r} for operands of shapes {list(shapes)}")
    wide = "".join(free[:most])
    spelled = [term.replace("...", wide[most - n :] if n else "") for n, term in
               zip(missing, terms, strict=True)]  # fmt: skip
    if arrow:
        return spelled, result.replace("...", wide)
    letters = "".join(terms).replace(".", "")
    return spelled, wide + "".join(sorted(a for a in set(letters) if letters.count(a) == 1))


def _transposed(t: OnnxTracer, x: Any, term: str, result: str, name: str) -> Nodes | None:
    """Return a tensor with its axes in another order, or summed over."""
    plain = len(set(term)) == len(term) and set(result) <= set(term)
    if not isinstance(x, Nodes) or not plain:
        return None
    kept = "".join(axis for axis in term if axis in result)
    made = x.ids
    if kept != term:
        over = [k for k, axis in enumerate(term) if axis not in result]
        made = reduce_axes(t, x, over, "sum", name).ids
    return Nodes(made.transpose([kept.index(axis) for axis in result]))


def _plan(left: str, right: str, result: str) -> _Plan | None:
    """Return what a product does to each axis; None where it is more than a matrix product."""
    if any(len(set(term)) != len(term) for term in (left, right, result)):
        return None
    if set(result) - set(left + right):
        return None
    both = [axis for axis in left if axis in right]
    plan = _Plan(
        "".join(a for a in both if a in result), "".join(a for a in both if a not in result),
        "".join(a for a in left if a not in right), "".join(a for a in right if a not in left),
        result,
    )  # fmt: skip
    alone = set(plan.left + plan.right)
    return plan if alone <= set(result) and plan.summed else None


def _product(
    t: OnnxTracer, left: Nodes, right: Any, terms: Sequence[str], plan: _Plan, name: str
) -> Nodes | None:
    """Multiply matrices (left axes, summed axes) and (summed axes, right axes)."""
    sizes = dict(zip(terms[0] + terms[1], left.shape + shape_of(right), strict=True))
    n = [prod(sizes[axis] for axis in axes) for axes in (plan.left, plan.summed, plan.right)]
    shared = [sizes[axis] for axis in plan.shared]
    order = [terms[0].index(axis) for axis in plan.shared + plan.left + plan.summed]
    ids = left.ids.transpose(order)
    out = (*shared, *(sizes[a] for a in plan.left), *(sizes[a] for a in plan.right))
    to_right = [terms[1].index(axis) for axis in plan.shared + plan.summed + plan.right]
    if isinstance(right, Nodes):
        rows = Nodes(ids.reshape(*shared, n[0], n[1]))
        columns = Nodes(right.ids.transpose(to_right).reshape(*shared, n[1], n[2]))
        made = product_of_nodes(t, rows, columns, name)
        return None if made is None else Nodes(made.ids.reshape(out))
    weight = t.recipe(right).transpose(tuple(to_right))
    if not shared or all(size == 1 for size in shared):
        matrix = weight.reshape((n[1], n[2])).transpose((1, 0))
        positions = (*shared, *(sizes[a] for a in plan.left))
        made = t.linear(Nodes(ids.reshape(*positions, n[1])), matrix, None, name_of(weight, name))
    else:
        heads: Recipe = weight.reshape((*shared, n[1], n[2]))
        made = by_heads(t, Nodes(ids.reshape(*shared, n[0], n[1])), heads, name)
    return None if made is None else Nodes(made.ids.reshape(out))
