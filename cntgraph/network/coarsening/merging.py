"""Merging weights that connect the same two coarse nodes into one, as recipes.

Nothing is read here: the result is a recipe over the same parameters, so that it is good for
every snapshot of a training.
"""

from __future__ import annotations

from math import prod

import numpy as np

from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.network.coarsening.grouping import Aggregation, Grouping, is_injective


def raised(recipe: Recipe, aggregation: Aggregation) -> Recipe:
    """Return what is added up: w, |w| or w²."""
    if recipe.stored_transposed:
        return raised(recipe.args[0], aggregation).transpose((1, 0))
    if aggregation == "l1":
        return abs(recipe)
    if aggregation == "l2":
        return recipe.args[0] if recipe.op == "sqrt" else recipe.square()
    return recipe


def rooted(recipe: Recipe, aggregation: Aggregation) -> Recipe:
    """Return what becomes of a sum of `raised` values."""
    if recipe.stored_transposed:
        return rooted(recipe.args[0], aggregation).transpose((1, 0))
    return recipe.sqrt() if aggregation == "l2" else recipe


def picked(recipe: Recipe, axis: int, indices: Ids) -> Recipe:
    """Return entries along an axis; the recipe itself where it is all of them, in order."""
    if np.array_equal(indices, np.arange(recipe.shape[axis])):
        return recipe
    return recipe.gather(axis, indices)


def merged_axis(recipe: Recipe, axis: int, labels: Ids, n: int) -> Recipe:
    """Return the sums of the entries along an axis that share a label; as a plain sum if it is.

    Parameters
    ----------
    recipe : Recipe
        The values.
    axis : int
        The axis.
    labels : ndarray of int64
        A label from 0 to n - 1 for each entry, or -1.
    n : int
        Number of labels.

    Returns
    -------
    Recipe

    Examples
    --------
    >>> merged_axis(Recipe.constant(np.arange(6.0)), 0, np.array([0, 0, 0, 1, 1, 1]), 2).op
    'reshape'
    """
    shape, size = recipe.shape, recipe.shape[axis]
    ranks, each = np.arange(n), size // max(n, 1)
    if np.array_equal(labels, ranks):
        return recipe
    # Position by position within a channel, or channel by channel at a position.
    for pattern, split, summed in (
        (np.repeat(ranks, each), (n, each), axis + 1),
        (np.tile(ranks, each), (each, n), axis),
    ):
        if each and np.array_equal(labels, pattern):
            parts = recipe.reshape((*shape[:axis], *split, *shape[axis + 1 :]))
            return parts.sum((summed,)).reshape((*shape[:axis], n, *shape[axis + 1 :]))
    return recipe.sum_by(axis, labels, n)


def merged_matrix(weight: Recipe, rows: Ids, columns: Ids) -> tuple[Recipe, Ids, Ids]:
    """Return a matrix with one entry per pair of coarse nodes, the sum of those that connect it.

    Parameters
    ----------
    weight : Recipe
        Shape (n_rows, n_columns).
    rows, columns : ndarray of int64
        The coarse node of each row and column, or -1.

    Returns
    -------
    weight : Recipe
    rows, columns : ndarray of int64
        The coarse node of each row and column of the result; as they were where none came twice.
    """
    if weight.stored_transposed:
        # As it lies, so that it is still read as it lies.
        stored, columns, rows = merged_matrix(weight.args[0], columns, rows)
        return stored.transpose((1, 0)), rows, columns
    weight, rows = _merged_side(weight, 0, rows)
    weight, columns = _merged_side(weight, 1, columns)
    return weight, rows, columns


def _merged_side(weight: Recipe, axis: int, labels: Ids) -> tuple[Recipe, Ids]:
    if is_injective(labels):
        return weight, labels
    nodes = np.unique(labels[labels >= 0])
    return merged_axis(weight, axis, rank_in(nodes, labels), len(nodes)), nodes


def rank_in(nodes: Ids, labels: Ids) -> Ids:
    """Return where each label stands in `nodes`, which has it once; -1 for -1."""
    order = np.argsort(nodes, kind="stable")
    at = np.searchsorted(nodes[order], labels)
    known = labels >= 0
    ranks = np.full(labels.shape, -1, dtype=np.int64)
    ranks[known] = order[at[known]]
    return ranks


def distinct(*columns: Ids) -> tuple[list[Ids], Ids]:
    """Return the distinct rows of some columns, in ascending order, and which each row is.

    Examples
    --------
    >>> distinct(np.array([1, 0, 1]), np.array([5, 7, 5]))
    ([array([0, 1]), array([7, 5])], array([1, 0, 1]))
    """
    order = np.lexsort(columns[::-1])
    ordered = [column[order] for column in columns]
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = np.any([column[1:] != column[:-1] for column in ordered], axis=0)
    which = np.empty(len(order), dtype=np.int64)
    which[order] = np.cumsum(is_new) - 1
    return [column[is_new] for column in ordered], which


def paired(source: Grouping, target: Grouping, entries: Ids) -> tuple[Ids, Ids, Ids]:
    """Return the coarse nodes that position after position connects, and by which entry.

    Positions at which nothing changes are left out; `entries` broadcasts against the target.
    """
    labels = source.labels
    if source.shape != target.shape:
        labels = source.flat.reshape(target.shape)
    found = np.broadcast_arrays(labels, target.labels, entries)
    return found[0].reshape(-1), found[1].reshape(-1), found[2].reshape(-1)


def merged_list(
    weight: Recipe, sources: Ids, targets: Ids, entries: Ids
) -> tuple[Ids, Ids, Recipe]:
    """Return the sum of the weights that connect each pair of coarse nodes.

    Parameters
    ----------
    weight : Recipe
        The weights, shape (n,).
    sources, targets, entries : ndarray of int64
        Coarse node, coarse node, and which weight connects them. A weight that connects a pair
        several times counts once; -1 connects nothing.

    Returns
    -------
    sources, targets : ndarray of int64, shape (n_pairs,)
        Ascending by source, then by target.
    weight : Recipe
        Shape (n_pairs,).
    """
    kept = (sources >= 0) & (targets >= 0)
    (sources, targets, entries), _ = distinct(sources[kept], targets[kept], entries[kept])
    (ends, heads), pair = distinct(sources, targets)
    if len(ends) == len(entries):
        return ends, heads, picked(weight, 0, entries)
    if is_injective(entries):
        labels = np.full(weight.shape[0], -1, dtype=np.int64)
        labels[entries] = pair
        return ends, heads, merged_axis(weight, 0, labels, len(ends))
    chosen = picked(weight, 0, entries)
    return ends, heads, merged_axis(chosen, 0, pair, len(ends))


def in_target_order(targets: Ids, nodes: Ids) -> Ids | None:
    """Return the order that puts pairs in the order of `nodes`, if each is the target of one."""
    order = np.argsort(targets, kind="stable")
    return order if np.array_equal(targets[order], nodes) else None


def merged_bias(bias: Recipe | None, target: Grouping, nodes: Ids) -> Recipe | None:
    """Return the bias of coarse nodes: the mean over their positions.

    A stored bias that all positions of a coarse node share is handed on as it is.

    Parameters
    ----------
    bias : Recipe or None
        Broadcasts against ``target.shape``.
    target : Grouping
        Of the nodes that the bias belongs to.
    nodes : ndarray of int64
        The coarse nodes, in the order wanted.

    Returns
    -------
    Recipe of shape (len(nodes),), or None
    """
    if bias is None or 0 in target.shape:
        return None
    shape = (*(1,) * (len(target.shape) - len(bias.shape)), *bias.shape)
    entries = np.arange(prod(shape), dtype=np.int64).reshape(shape)
    labels, entries = np.broadcast_arrays(target.labels, entries)
    stands_for = prod(target.shape) // labels.size
    ranks = rank_in(nodes, labels.reshape(-1))
    (ranks, entries), which = distinct(ranks, entries.reshape(-1))
    share = np.bincount(which) * stands_for / target.n_positions[nodes[ranks]]
    values = picked(bias.reshape((-1,)), 0, entries)
    if (share != 1.0).any():
        values = values * Recipe.constant(share)
    return merged_axis(values, 0, ranks, len(nodes))
