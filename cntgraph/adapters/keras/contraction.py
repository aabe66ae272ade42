"""Products over shared axes: matmul, einsum, tensordot, of nodes with weights or with nodes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.keras.handlers import handles
from cntgraph.adapters.keras.tracer import KerasTracer
from cntgraph.adapters.keras.values import Arguments, Nodes
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.network.blocks import Window

#: One label an axis; axes of the same label go together.
Labels = tuple[Any, ...]


def contract(
    t: KerasTracer,
    name: str,
    left: Any,
    left_labels: Labels,
    right: Any,
    right_labels: Labels,
    labels: Labels,
    bias: Recipe | None = None,
) -> Nodes:
    """Multiply two tensors, and sum over the labels that the result does not have.

    Parameters
    ----------
    t : KerasTracer
        What the network is built with.
    name : str
        Name of the operation.
    left, right : Nodes, Weights or constant
        At least one is nodes.
    left_labels, right_labels, labels : tuple
        One label an axis, of the operands and of the result.
    bias : Recipe, optional
        Added to the result, against which it broadcasts; only where a side is weights.

    Returns
    -------
    Nodes

    Raises
    ------
    NotFollowed
        If a label is summed that only nodes have.
    """
    if isinstance(left, Nodes) and isinstance(right, Nodes):
        return _of_nodes(t, name, left, left_labels, right, right_labels, labels)
    if isinstance(left, Nodes):
        return _with_weights(
            t, name, left, left_labels, t.recipe(right), right_labels, labels, bias
        )
    return _with_weights(t, name, right, right_labels, t.recipe(left), left_labels, labels, bias)


def _with_weights(
    t: KerasTracer, name: str, x: Nodes, of_x: Labels, weight: Recipe, of_weight: Labels,
    labels: Labels, bias: Recipe | None,
) -> Nodes:  # fmt: skip
    size = {
        **dict(zip(of_weight, weight.shape, strict=True)),
        **dict(zip(of_x, x.shape, strict=True)),
    }
    ids, of_x, inner = _without_batch(x.ids, of_x, labels)
    summed = [k for k in of_x if k in of_weight and k not in labels]
    groups = [k for k in of_x if k in of_weight and k in labels]
    places = [k for k in of_x if k not in of_weight]
    features = [k for k in inner if k in of_weight and k not in of_x]
    if not set(places) <= set(inner) or set(of_weight) - {*summed, *groups, *features}:
        raise NotFollowed("it sums over an axis that only one side has")
    order = (*groups, *features, *summed)
    matrix = weight.transpose(tuple(of_weight.index(k) for k in order))
    n_groups, n_out, n_in = (prod(size[k] for k in part) for part in (groups, features, summed))
    at = tuple(size[k] for k in places)
    vector = _feature_bias(bias, labels, (*groups, *features), size)
    arranged = _arranged(ids, of_x, (*places, *groups, *summed))
    if n_groups == 1:
        matrix = matrix.reshape((n_out, n_in))
        made = t.builder.linear(name, arranged.reshape(*at, n_in), matrix, vector)
    else:
        made = _grouped(t, name, arranged.reshape(*at, n_groups * n_in), matrix, vector, n_groups)
    made = made.reshape((*at, *(size[k] for k in (*groups, *features))))
    made = _arranged(made, (*places, *groups, *features), inner)
    if bias is not None and vector is None:
        made = t.builder.scale(name, made, None, _for_sample(bias, made.ndim))
    return t.nodes(made, tuple(size[k] for k in labels))


def _grouped(
    t: KerasTracer, name: str, ids: Ids, matrix: Recipe, bias: Recipe | None, groups: int
) -> Ids:
    """Apply a matrix of its own to every group of features: a convolution of kernel one."""
    by_channel = np.moveaxis(ids, -1, 0)
    by_channel = by_channel if by_channel.ndim > 1 else by_channel[:, None]
    windows = tuple(Window(n, n, 1) for n in by_channel.shape[1:])
    n_in, flat = len(by_channel) // groups, prod(matrix.shape)
    kernel = matrix.reshape((flat // n_in, n_in) + (1,) * len(windows))
    made = t.builder.conv(name, by_channel, kernel, bias, windows, groups=groups)
    return np.moveaxis(made, 0, -1)


def _feature_bias(
    bias: Recipe | None, labels: Labels, features: Labels, size: dict[Any, int]
) -> Recipe | None:
    """Return a bias as one value a feature, or None where it changes along other axes, too."""
    if bias is None:
        return None
    own = dict(zip(labels[len(labels) - len(bias.shape) :], bias.shape, strict=True))
    if any(n != 1 for k, n in own.items() if k not in features):
        return None
    kept = [k for k in labels if k in features]
    narrow = bias.reshape(tuple(own.get(k, 1) for k in kept))
    narrow = narrow.transpose(tuple(kept.index(k) for k in features))
    wide = tuple(size[k] for k in features)
    if narrow.shape == wide:
        return narrow.reshape((-1,))
    places = np.broadcast_to(np.arange(prod(narrow.shape)).reshape(narrow.shape), wide)
    return narrow.reshape((-1,)).gather(0, places.reshape(-1))


def _for_sample(recipe: Recipe, ndim: int) -> Recipe:
    shape = recipe.shape
    return recipe.reshape(shape[max(len(shape) - ndim, 0) :])


def _of_nodes(
    t: KerasTracer, name: str, left: Nodes, of_left: Labels, right: Nodes, of_right: Labels,
    labels: Labels,
) -> Nodes:  # fmt: skip
    size = dict(zip((*of_left, *of_right), (*left.shape, *right.shape), strict=True))
    summed = [k for k in of_left if k in of_right and k not in labels]
    shared = [k for k in of_left if k in of_right and k in labels]
    shared = [k for k in shared if size[k] != 1]
    rows = [k for k in of_left if k not in of_right and size[k] != 1]
    columns = [k for k in of_right if k not in of_left and size[k] != 1]
    if not {*rows, *columns} <= set(labels):
        raise NotFollowed("it sums over an axis that only one side has")
    lead = tuple(size[k] for k in shared)
    n, k, m = (prod(size[label] for label in part) for part in (rows, summed, columns))
    sides = (
        _arranged(left.ids, of_left, (*shared, *rows, *summed)).reshape(*lead, n, k),
        _arranged(right.ids, of_right, (*shared, *summed, *columns)).reshape(*lead, k, m),
    )
    made = t.builder.matmul(name, *sides)
    made = made.reshape((*lead, *(size[label] for label in (*rows, *columns))))
    order = tuple(label for label in labels if size[label] != 1)
    made = _arranged(made, (*shared, *rows, *columns), order)
    return t.nodes(made, tuple(size[label] for label in labels))


def _without_batch(ids: Ids, labels: Labels, result: Labels) -> tuple[Ids, Labels, Labels]:
    """Drop the batch dimension, which is of size one and the first of operand and result."""
    if len(labels) > 1 and len(ids) == 1 and labels[0] in result:
        return ids[0], labels[1:], tuple(k for k in result if k != labels[0])
    return ids, labels, result


def _arranged(ids: Ids, labels: Sequence[Any], order: Sequence[Any]) -> Ids:
    """Transpose to an order of labels; axes of size one that it does not name are dropped."""
    kept = [*order, *(k for k in labels if k not in order)]
    turned = ids.transpose([list(labels).index(k) for k in kept])
    return turned.reshape(turned.shape[: len(order)])


# -- operations -------------------------------------------------------------------------------


@handles("Matmul")
def matmul(t: KerasTracer, operation: Any, a: Arguments) -> Nodes:
    """Return x1 x2 over the last axis and the last but one."""
    left, right = a["x1"], a["x2"]
    n_left, n_right = len(left.shape), len(right.shape)
    lead = max(n_left, n_right, 2) - 2
    batch = tuple(range(lead))
    of_left = (*batch[lead - max(n_left - 2, 0) :], *(("row",) if n_left > 1 else ()), "sum")
    of_right = (*batch[lead - max(n_right - 2, 0) :], "sum", *(("column",) if n_right > 1 else ()))
    labels = (*batch, *(k for k in ("row", "column") if k in (*of_left, *of_right)))
    return contract(t, t.name(operation), left, of_left, right, of_right, labels)


@handles("Dot", "Inner", "Tensordot")
def tensordot(t: KerasTracer, operation: Any, a: Arguments) -> Nodes:
    """Return a sum over some axes of either side."""
    left, right = a["x1"], a["x2"]
    kind, n = type(operation).__name__, (len(left.shape), len(right.shape))
    if min(n) == 0:
        raise NotFollowed("it is a product with a number")
    if kind == "Tensordot":
        axes = operation.axes
        if isinstance(axes, int):
            axes = (range(n[0] - axes, n[0]), range(axes))
        pairs = [[k % n[side] for k in ([part] if isinstance(part, int) else part)]
                 for side, part in enumerate(axes)]  # fmt: skip
    else:
        pairs = [[n[0] - 1], [n[1] - 1 if kind == "Inner" or n[1] == 1 else n[1] - 2]]
    sums = {axis: ("sum", k) for k, axis in enumerate(pairs[0])}
    of_left = tuple(sums.get(axis, ("left", axis)) for axis in range(n[0]))
    sums = {axis: ("sum", k) for k, axis in enumerate(pairs[1])}
    of_right = tuple(sums.get(axis, ("right", axis)) for axis in range(n[1]))
    labels = tuple(k for k in (*of_left, *of_right) if k[0] != "sum")
    return contract(t, t.name(operation), left, of_left, right, of_right, labels)


@handles("Einsum")
def einsum(t: KerasTracer, operation: Any, a: Arguments) -> Any:
    """Return a sum of products named by letters, of two operands; or a permutation of one."""
    operands = a["operands"]
    parts, result = equation_labels(operation.subscripts, [len(x.shape) for x in operands])
    if len(operands) == 1 and sorted(map(str, parts[0])) == sorted(map(str, result)):
        x = operands[0]
        return Nodes(x.ids.transpose([parts[0].index(k) for k in result]), x.dtype)
    if len(operands) != 2 or any(len(set(part)) != len(part) for part in (*parts, result)):
        return NotImplemented
    (left, right), (of_left, of_right) = operands, parts
    return contract(t, t.name(operation), left, of_left, right, of_right, result)


def equation_labels(equation: str, ndims: Sequence[int]) -> tuple[list[Labels], Labels]:
    """Return the labels of the axes of an einsum's operands and of its result.

    Parameters
    ----------
    equation : str
        As of `numpy.einsum`; an ellipsis stands for leading axes.
    ndims : sequence of int
        Number of axes of each operand.

    Returns
    -------
    operands : list of tuple
    result : tuple
    """
    inputs, _, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if "->" not in equation:
        letters = inputs.replace(",", "").replace(".", "")
        output = "..." * ("..." in inputs) + "".join(
            sorted(k for k in set(letters) if letters.count(k) == 1)
        )
    wide = max((n - len(term.replace("...", "")) for term, n in zip(terms, ndims, strict=True)
                if "..." in term), default=0)  # fmt: skip

    def labels(term: str, n: int) -> Labels:
        before, dots, after = term.partition("...")
        if not dots:
            return tuple(term)
        hidden = n - len(before) - len(after)
        return (*before, *(str(k) for k in range(wide - hidden, wide)), *after)

    found = [labels(term, n) for term, n in zip(terms, ndims, strict=True)]
    return found, labels(output, wide + len(output.replace("...", "")))
