"""Products over any axes: nodes with weights, nodes with nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cntgraph.adapters.jax.lookup import one_hot_tokens
from cntgraph.adapters.jax.operations import handles
from cntgraph.adapters.jax.program import Op
from cntgraph.adapters.jax.tracer import JaxTracer
from cntgraph.adapters.jax.values import Nodes, has_nodes
from cntgraph.adapters.jax.weights import as_weight, whole
from cntgraph.adapters.tracing.contraction import contract
from cntgraph.adapters.tracing.labels import LabeledIds
from cntgraph.adapters.tracing.pooling import mix_positions
from cntgraph.adapters.tracing.tables import look_up
from cntgraph.core.types import Ids

#: One label per axis: what it is of the product, and its number there.
Labels = list[tuple[str, int]]


def _labels(op: Op, ranks: Sequence[int]) -> tuple[Labels, Labels, Labels]:
    """Return the labels of both operands' axes, and of the result's.

    A result has the shared axes first, then those of the left operand, then of the right.
    """
    summed, shared = op.params["dimension_numbers"]
    sides = []
    for k, side in enumerate(("left", "right")):
        own = {axis: (side, axis) for axis in range(ranks[k])}
        own |= {int(axis): ("shared", n) for n, axis in enumerate(shared[k])}
        own |= {int(axis): ("summed", n) for n, axis in enumerate(summed[k])}
        sides.append(list(own.values()))
    left, right = sides
    result = [("shared", n) for n in range(len(shared[0]))]
    return left, right, [*result, *(k for k in left + right if k[0] in ("left", "right"))]


@handles("dot_general")
def product(t: JaxTracer, op: Op, args: list[Any]) -> Any:
    """Return a product over any axes."""
    (x, w), shape = args, op.outputs[0].shape
    of_x, of_w, labels = _labels(op, [len(value.shape) for value in args])
    if not has_nodes(x):
        x, of_x, w, of_w = w, of_w, x, of_x
    rows = None if has_nodes(w) else _embedding(t, op, x, of_x, w, of_w, labels)
    if rows is not None:
        return Nodes(rows.reshape(shape))
    x = t.nodes(x)
    if not has_nodes(w):
        resized = _interpolation(t, op, x, of_x, w, of_w, labels)
        if resized is not None:
            return Nodes(resized.reshape(shape), may_be_joined=True)
        own = [axis for axis, label in enumerate(of_w) if label[0] != "shared"]
        w = whole(as_weight(w, t.constant), own).recipe
    else:
        w = t.nodes(w)
    made = contract(t, x, of_x, w, of_w, labels, t.label(op))
    return Nodes(made.ids.reshape(shape))


def _embedding(
    t: JaxTracer, op: Op, x: Any, of_x: Labels, w: Any, of_w: Labels, labels: Labels
) -> Ids | None:
    """Return a product of one-hot vectors with a table: rows of the table."""
    tokens = one_hot_tokens(t, x, [axis for axis, k in enumerate(of_x) if k[0] == "summed"])
    if tokens is None or any(k[0] == "shared" for k in of_x):
        return None
    table = whole(as_weight(w, t.constant), range(len(w.shape))).recipe
    features = [k for k in of_w if k[0] != "summed"]
    order = (("summed", 0), *features)
    made = look_up(t, table.transpose(tuple(map(of_w.index, order))), tokens, t.label(op))
    own = [k for k in of_x if k[0] != "summed"]
    return LabeledIds(made.ids, [*own, *features]).arranged(labels)


def _interpolation(
    t: JaxTracer, op: Op, x: Nodes, of_x: Labels, w: Any, of_w: Labels, labels: Labels
) -> Ids | None:
    """Return a product with a computed matrix of non-negative numbers: it resizes an axis."""
    if not isinstance(w, np.ndarray) or sum(k[0] == "summed" for k in of_w) != 1:
        return None
    own, *others = sorted(of_w, key=lambda k: k[0] == "summed")
    if len(others) != 1 or own[0] == "shared":
        return None
    matrix = w.transpose(of_w.index(("summed", 0)), of_w.index(own)).astype(np.float64)
    if not np.isfinite(matrix).all() or matrix.min(initial=0.0) < 0:
        return None
    axis = of_x.index(("summed", 0))
    # Axes that are resized one after another make one layer.
    made = mix_positions(t, x, axis, matrix, t.label(op), joined=x.may_be_joined)
    if made is not None:
        return LabeledIds(made.ids, [*of_x[:axis], own, *of_x[axis + 1 :]]).arranged(labels)
    samples = t.samples(x)
    sample, (axis,) = samples.first(x.ids), samples.axes([axis])
    if sample.ndim > 1:  # an input whose channels are elsewhere is laid out anew
        t.expect_channels(sample, [sample.ndim - 1] if axis < sample.ndim - 1 else [0])
    return None
