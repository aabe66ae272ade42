"""Contractions: products of two operands, summed over the axes that the result does not have.

Every matrix product, einsum or tensordot is one, once each axis has a label. With weights it
makes new features of the old ones: axes of the neurons alone are positions, axes of the weights
alone are features, and an axis that both have and the result keeps chooses a matrix: a head,
which has a block of its own. Of neurons with neurons it is attention, or scores that go into one.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.builder.channels import channel_axes
from cntgraph.adapters.tracing import arithmetic
from cntgraph.adapters.tracing.batch import MixedSamplesError, Samples
from cntgraph.adapters.tracing.labels import LabeledIds, LabeledWeight, Labels
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.reductions import reduce_axes
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Neurons, are_weights
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe import over_axes as weights
from cntgraph.core.recipe.movement import once
from cntgraph.core.types import Ids

#: Weights, and a label for each of their axes.
Operand = tuple[Recipe, Labels]


def contract(
    t: Tracer,
    left: Any,
    of_left: Labels,
    right: Any,
    of_right: Labels,
    labels: Labels,
    name: str,
    bias: Recipe | None = None,
) -> Any:
    """Multiply two operands, and sum over the labels that the result does not have.

    Parameters
    ----------
    left, right : Neurons, weights or constant
        Of weights and constants alone, weights are made.
    of_left, of_right, labels : sequence of hashable
        One label per axis, of the operands and of the result.
    bias : Recipe, optional
        Added to the result, against which it broadcasts.

    Raises
    ------
    NotFollowed
        If an operand is no number, an axis has its label twice, or only one side is summed over.
    MixedSamplesError
        If samples of a batch are summed, or have weights of their own.
    """
    _check(left, of_left, right, of_right, labels)
    if are_weights(left, right):
        made = _of_weights((t.recipe(left), of_left), (t.recipe(right), of_right), labels)
        return made if bias is None else made + bias
    if isinstance(left, Neurons) and isinstance(right, Neurons):
        made = _of_neurons(t, [(left, of_left), (right, of_right)], labels, name)
        return made if bias is None else t.scale(made, None, bias, name)
    if not isinstance(left, Neurons):
        left, of_left, right, of_right = right, of_right, left, of_left
    if not isinstance(left, Neurons):
        raise NotFollowed("none of its operands is neurons")
    return _with_weights(t, left, of_left, right, of_right, labels, name, bias)


def _check(left: Any, of_left: Labels, right: Any, of_right: Labels, labels: Labels) -> None:
    if any(len(set(part)) != len(part) for part in (of_left, of_right, labels)):
        raise NotFollowed("it takes a diagonal")
    first, second = (dict(zip(names, x.shape, strict=True))
                     for names, x in ((of_left, left), (of_right, right)))  # fmt: skip
    apart = [k for k in first if k in second and first[k] != second[k]]
    if any(1 not in (first[k], second[k]) for k in apart) or set(labels) - {*first, *second}:
        raise NotFollowed("its operands do not fit together")


def einsum(
    t: Tracer, operands: Sequence[Any], terms: Sequence[Labels], labels: Labels, name: str
) -> Any:
    """Contract any number of operands, weights among themselves first.

    Parameters
    ----------
    terms : sequence of sequence of hashable
        One label per axis of each operand.
    """
    if sum(isinstance(x, Neurons) for x in operands) > 1 and len(operands) > 2:
        raise NotFollowed("a product of two inputs is not an edge")
    waiting = sorted(zip(operands, terms, strict=True), key=lambda one: isinstance(one[0], Neurons))
    if len(waiting) == 1:
        return _of_one(t, *waiting[0], labels, name)
    while len(waiting) > 2:
        (left, of_left), (right, of_right), *rest = waiting
        read = {*labels, *(k for _, of in rest for k in of)}
        kept = [k for k in dict.fromkeys((*of_left, *of_right)) if k in read]
        waiting = [(contract(t, left, of_left, right, of_right, kept, name), kept), *rest]
    (left, of_left), (right, of_right) = waiting
    return contract(t, left, of_left, right, of_right, labels, name)


def _of_one(t: Tracer, x: Any, of_x: Labels, labels: Labels, name: str) -> Any:
    """Return a tensor with its axes in another order, or summed over."""
    if len(set(of_x)) != len(of_x) or not set(labels) <= set(of_x):
        raise NotFollowed("it takes a diagonal")
    over = [axis for axis, k in enumerate(of_x) if k not in labels]
    made = reduce_axes(t, x, over, "sum", name) if over else x
    kept = [k for k in of_x if k in labels]
    order = tuple(kept.index(k) for k in labels)
    if are_weights(made):
        return t.recipe(made).transpose(order)
    return t.neurons(made.ids.transpose(order), like=made)


def _of_weights(left: Operand, right: Operand, labels: Labels) -> Recipe:
    """Multiply weights, summing over the labels that the result does not have."""
    both = [k for k in left[1] if k in right[1]]
    shared, summed = ([k for k in both if (k in labels) == kept] for kept in (True, False))
    sides = []
    for recipe, of in (left, right):
        alone = [k for k in of if k not in both and k not in labels]
        recipe = recipe.sum(tuple(of.index(k) for k in alone)) if alone else recipe
        sides.append(LabeledWeight(recipe, of).arranged([k for k in of if k not in alone]))
    own = [[k for k in of if k in both or k in labels] for _, of in (left, right)]
    axes = [([own[0].index(k) for k in part], [own[1].index(k) for k in part])
            for part in (summed, shared)]  # fmt: skip
    made = weights.contracted(sides[0], sides[1], axes[0], axes[1])
    rest = [k for of in own for k in of if k not in both]
    return LabeledWeight(made, [*shared, *rest]).arranged(labels)


def linear(t: Tracer, x: Any, weight: Any, bias: Recipe | None, name: str) -> Any:
    """Return y = W x + b on the last axis, position by position along the others.

    Parameters
    ----------
    x : Neurons, weights or constant, shape (..., n_in)
    weight : weights or constant, shape (n_out, n_in)
    bias : Recipe or None
        Broadcasts against the result.

    Returns
    -------
    Neurons or weights, shape (..., n_out)
    """
    places = range(len(x.shape) - 1)
    of_x, of_weight, labels = (*places, "in"), ("out", "in"), (*places, "out")
    return contract(t, x, of_x, weight, of_weight, labels, name, bias)


def matmul(t: Tracer, left: Any, right: Any, name: str, bias: Recipe | None = None) -> Any:
    """Return the matrix product of two operands.

    A vector is a row on the left and a column on the right; axes before the last two broadcast.
    With weights, a bias may be added.
    """
    n_left, n_right = len(left.shape), len(right.shape)
    lead = range(max(n_left, n_right, 2) - 2)
    of_left = (*lead[len(lead) - max(n_left - 2, 0) :], *["row"][: n_left - 1], "sum")
    of_right = (*lead[len(lead) - max(n_right - 2, 0) :], "sum", *["column"][: n_right - 1])
    labels = (*lead, *(k for k in ("row", "column") if k in (*of_left, *of_right)))
    return contract(t, left, of_left, right, of_right, labels, name, bias)


def affine(
    t: Tracer, left: Any, right: Any, addend: Any, name: str, alpha: float, beta: float
) -> Any:
    """Return alpha · left right + beta · addend; None stands for nothing that is added.

    What is added to a product with a matrix of weights is its bias, where it is no neurons.
    """
    of_neurons = are_weights(right) and not are_weights(left)
    if of_neurons and len(right.shape) == 2 and are_weights(addend) and alpha == beta == 1.0:
        return matmul(t, left, right, name, t.optional_recipe(addend))
    product = matmul(t, left, right, name)
    return arithmetic.weighted_sum(t, product, addend, name, alpha, beta)


# -- neurons with weights -------------------------------------------------------------------------


def _with_weights(
    t: Tracer, x: Neurons, of_x: Labels, value: Any, of_value: Labels, labels: Labels, name: str,
    bias: Recipe | None,
) -> Any:  # fmt: skip
    """Make new features of neurons, position by position."""
    value = _once(t, value, [k in of_x and k in labels for k in of_value])
    weight = LabeledWeight.of(t.recipe(value), of_value)
    (own,), samples = _of_one_sample(t, [(x, of_x)], labels)
    if samples.axis is not None and labels[samples.axis] in weight.labels:
        raise MixedSamplesError
    own = own.once([k for k in weight.labels if k in labels])
    heads, features, summed = _roles(own, weight, labels)
    if not summed and not features:
        made = _of_all(t, own, samples, labels)
        made = arithmetic.multiply(t, made, weight.arranged(labels), name)
        return made if bias is None else t.scale(made, None, bias, name)
    vector = _bias_of(bias, labels, heads, features)
    name = t.name_of(weight.values, name)
    ids = _matrices(t, own, weight, vector, (heads, features, summed), name)
    made = _of_all(t, ids, samples, labels)
    return made if bias is None or vector is not None else t.scale(made, None, bias, name)


def _roles(own: LabeledIds, weight: LabeledWeight, labels: Labels) -> tuple[Labels, Labels, Labels]:
    """Return the axes that choose a matrix, those of its rows, and those of its columns."""
    summed = [k for k in own.labels if k not in labels]
    heads = [k for k in own.labels if k in labels and k in weight.labels and own.size(k) != 1]
    features = [k for k in weight.labels if k in labels and k not in heads]
    lost = {k for k in (*own.labels, *weight.labels) if k not in labels}
    if any(own.size(k) != weight.size(k) for k in lost):
        raise NotFollowed("it sums over an axis that only one side has")
    return heads, features, summed


def _matrices(
    t: Tracer, own: LabeledIds, weight: LabeledWeight, bias: LabeledWeight | None,
    axes: tuple[Labels, Labels, Labels], name: str,
) -> LabeledIds:  # fmt: skip
    """Apply a matrix, or one of its own to each head."""
    heads, features, summed = axes
    known = {*weight.labels, *summed}
    places = [k for k in own.labels if k not in known and own.size(k) != 1]
    n_heads, n_places = ([own.size(k) for k in part] for part in (heads, places))
    n_in, n_out = prod(map(own.size, summed)), [weight.size(k) for k in features]
    ids = own.arranged((*heads, *places, *summed)).reshape([*n_heads, *n_places, n_in])
    made = np.empty((*n_heads, *n_places, prod(n_out)), np.int64)
    for index in np.ndindex(*n_heads):
        at = dict(zip(heads, index, strict=True))
        matrix = weight.at(at).arranged((*features, *summed)).reshape((prod(n_out), n_in))
        vector = None if bias is None else bias.at(at).arranged(features).reshape((-1,))
        made[index] = t.builder.linear(name, ids[index], matrix, vector)
    return LabeledIds(made.reshape([*n_heads, *n_places, *n_out]), (*heads, *places, *features))


def _bias_of(
    bias: Recipe | None, labels: Labels, heads: Labels, features: Labels
) -> LabeledWeight | None:
    """Return a bias that has one value a feature, or one a head and feature; None for any other."""
    if bias is None or len(bias.shape) > len(labels):
        return None
    found = LabeledWeight.of(bias, labels[len(labels) - len(bias.shape) :])
    return found if {k for k in found.labels if k not in heads} == set(features) else None


def _once(t: Tracer, value: Any, shared: Sequence[bool]) -> Any:
    """Return weights or a constant without the repetitions along axes that choose a matrix."""
    array = t.array(value)
    if array is None:
        recipe = t.recipe(value)
        short = once(recipe)
        repeated = [n != m for n, m in zip(short.shape, recipe.shape, strict=True)]
        return recipe if any(r and not s for r, s in zip(repeated, shared, strict=True)) else short
    for axis, chooses in enumerate(shared):
        if chooses and array.shape[axis] > 1 and (array == array.take([0], axis)).all():
            value = value[(slice(None),) * axis + (slice(0, 1),)]
    return value


# -- neurons with neurons -------------------------------------------------------------------------


def _of_neurons(
    t: Tracer, operands: Sequence[tuple[Neurons, Labels]], labels: Labels, name: str
) -> Any:
    """Multiply neurons by neurons: sums of products as attention or scores, products as gates."""
    (a, b), samples = _of_one_sample(t, operands, labels)
    if {*a.labels, *b.labels} <= set(labels):
        one, other = (_of_all(t, x, samples, labels) for x in (a, b))
        return arithmetic.multiply(t, one, other, name)
    if t.builder.is_softmax(b.values) and not t.builder.is_softmax(a.values):
        a, b = b, a
    return _of_all(t, _matrix_product(t, a, b, labels, name), samples, labels)


def _matrix_product(
    t: Tracer, a: LabeledIds, b: LabeledIds, labels: Labels, name: str
) -> LabeledIds:
    """Return a product over the axes that both have, one of its own along those that are kept."""
    sizes = {k: max(a.size(k), b.size(k)) for k in (*a.labels, *b.labels)}
    if any(a.size(k) != b.size(k) for k in sizes if k not in labels):
        raise NotFollowed("it sums over an axis that only one side has")
    both = [k for k in a.labels if k in b.labels]
    summed = [k for k in both if k not in labels]
    rows, columns = ([k for k in x.labels if k not in both] for x in (a, b))
    heads = _heads_of_its_own(t, a, rows)
    lead = [*(k for k in both if k in labels and sizes[k] != 1), *heads]
    rows = [k for k in rows if k not in heads]
    made = t.builder.matmul(
        name,
        _matrices_of(a, lead, rows, summed, sizes),
        _matrices_of(b, lead, summed, columns, sizes),
    )
    order = (*lead, *rows, *columns)
    return LabeledIds(made.reshape([sizes[k] for k in order]), order)


def _matrices_of(
    x: LabeledIds, lead: Labels, rows: Labels, columns: Labels, sizes: dict[Hashable, int]
) -> Ids:
    """Return ids as matrices, one for each entry of the leading axes, which may broadcast."""
    n_rows, n_columns = (prod(sizes[k] for k in part) for part in (rows, columns))
    own = [x.size(k) for k in lead]
    return x.arranged((*lead, *rows, *columns)).reshape([*own, n_rows, n_columns])


def _heads_of_its_own(t: Tracer, x: LabeledIds, own: Labels) -> Labels:
    """Return the axes of a factor that are heads, though the other factor has them once."""
    channels = [x.labels[axis] for axis in channel_axes(x.values, t.builder.layers)]
    heads = [k for k in own if k in channels]
    return heads if len(heads) < len(own) else []


# -- samples --------------------------------------------------------------------------------------


def _of_one_sample(
    t: Tracer, operands: Sequence[tuple[Neurons, Labels]], labels: Labels
) -> tuple[list[LabeledIds], Samples]:
    """Return the operands of one sample, and where the samples lie in the result."""
    found = [_moved(t.samples(x), of_x, labels) for x, of_x in operands]
    one = max(found, key=lambda samples: (samples.axis is not None, samples.number))
    if not all(one.agrees(other) for other in found):
        raise MixedSamplesError
    label = None if one.axis is None else labels[one.axis]
    return [_first(one, label, x, of_x) for x, of_x in operands], one


def _moved(samples: Samples, labels: Labels, result: Labels) -> Samples:
    """Return where the samples of an operand come to lie in the result."""
    if samples.axis is None or samples.places is None:
        # The axis of one sample is of length one, and like any other of that length.
        return replace(samples, axis=None)
    if labels[samples.axis] not in result:
        raise MixedSamplesError
    return replace(samples, axis=list(result).index(labels[samples.axis]))


def _first(samples: Samples, label: Hashable, x: Neurons, labels: Labels) -> LabeledIds:
    axis = list(labels).index(label) if label in labels else None
    if samples.axis is None or axis is None or x.shape[axis] == 1:
        return LabeledIds(Samples().first(x.ids), labels)
    ids = replace(samples, axis=axis).first(x.ids)
    return LabeledIds(ids, [k for k in labels if k != label or not samples.alone])


def _of_all(t: Tracer, made: LabeledIds, samples: Samples, labels: Labels) -> Any:
    """Return what was made for one sample for all of them."""
    alone = samples.axis if samples.alone else None
    own = [k for axis, k in enumerate(labels) if axis != alone]
    return t.made(made.arranged(own), samples)
