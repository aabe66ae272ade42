"""Products of nodes with nodes: attention, and the scores that go into it.

What mixes tokens is data, not weights. A softmax that is multiplied by values passes every
feature of the values to the same feature of the output, with uniform weight over the positions
that may be attended to (1/T; causal 1/(t+1)), as an average pooling does. Whatever else goes
into a product of nodes only modulates it: query and key into the scores, the scores into the
output. All of these edges are structural, and those that modulate are marked so.

With h a head, t and s positions, d and e features:

* scores[h, t, s] ← query[h, t, d], key[h, s, d]: weight 1, modulatory,
* output[h, t, e] ← value[h, s, e]: weight 1 / |{s kept}|,
* output[h, t, e] ← scores[h, t, s]: weight 1, modulatory.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Ids
from cntgraph.core.view import View
from cntgraph.network.blocks import AxisOperator, Pool, PoolMode

if TYPE_CHECKING:
    from cntgraph.adapters.builder.builder import Builder


def attention(
    builder: Builder,
    name: str,
    query: Ids,
    key: Ids,
    value: Ids,
    keep: NDArray[np.bool_] | None = None,
) -> Ids:
    """Add an attention: softmax(query keyᵀ) value.

    Parameters
    ----------
    builder : Builder
        What the network is built with.
    name : str
        Name of the operation; its scores are called ``name.scores``.
    query, key, value : ndarray of int64
        Shapes (..., T, d), (..., S, d), (..., S, e); leading axes (heads) broadcast.
    keep : ndarray of bool, broadcasting to (..., T, S), optional
        Which positions may be attended to; all by default.

    Returns
    -------
    ndarray of int64, shape (..., T, e)
    """
    scores = attend(builder, f"{name}.scores", query, key.swapaxes(-1, -2), soft=False)
    if keep is not None:
        scores = builder.mask(scores, keep)
    builder.activate(scores, "softmax")
    return attend(builder, name, scores, value, soft=True)


def attend(builder: Builder, name: str, left: Ids, right: Ids, *, soft: bool) -> Ids:
    """Add a product of nodes with nodes.

    Parameters
    ----------
    builder : Builder
        What the network is built with.
    name : str
        Name of the operation.
    left : ndarray of int64, shape (..., n, k)
    right : ndarray of int64, shape (..., k, m)
    soft : bool
        Whether `left` has passed a softmax, so that `right` is passed on.

    Returns
    -------
    ndarray of int64, shape (..., n, m)
    """
    name = builder.unique(name)
    lead = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left = np.broadcast_to(left, (*lead, *left.shape[-2:]))
    right = np.broadcast_to(right, (*lead, *right.shape[-2:]))
    n, k, m = left.shape[-2], left.shape[-1], right.shape[-1]
    if soft:
        made = builder.fresh(name, right, "attention", (*lead, n, m))
    else:
        heads = builder.add_layer(name, (max(prod(lead), 1), n, m), "scores", unique=False)
        made = heads.reshape(*lead, n, m)
    flat = [ids.reshape(prod(lead), *ids.shape[-2:]) for ids in (left, right, made)]
    if soft:
        _pass_on(builder, name, *flat)
    else:
        _modulate(builder, f"{name}.right", flat[1], flat[2], n)
    rows, ends = flat[0].reshape(-1, k), flat[2].reshape(-1, m)
    _add_pool(builder, f"{name}.left", rows, ends, (AxisOperator.ones(k, m),), modulatory=True)
    return made


def _pass_on(builder: Builder, name: str, left: Ids, right: Ids, made: Ids) -> None:
    """Pass features on to every position, uniformly over those that a row of `left` keeps."""
    patterns = _patterns(left >= 0)
    for k, (kind, heads) in enumerate(patterns):
        operator = AxisOperator.uniform(kind)
        label = name if len(patterns) == 1 else builder.unique(f"{name}.{k}")
        source, target = (ids[heads].swapaxes(1, 2) for ids in (right, made))
        shape = (len(heads) * right.shape[2], -1)
        _add_pool(builder, label, source.reshape(shape), target.reshape(shape), (operator,))


def _patterns(keep: NDArray[np.bool_]) -> list[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    """Return each pattern of what may be attended to, with the heads that have it."""
    if (keep == keep[:1]).all():
        return [(keep[0], np.arange(len(keep)))] if len(keep) else []
    kinds, which = np.unique(keep.reshape(len(keep), -1), axis=0, return_inverse=True)
    shape = keep.shape[1:]
    return [(kind.reshape(shape), np.flatnonzero(which.reshape(-1) == k))
            for k, kind in enumerate(kinds)]  # fmt: skip


def _modulate(builder: Builder, name: str, right: Ids, made: Ids, n: int) -> None:
    """Let every entry of a column of `right` modulate the scores of that column."""
    operators = (AxisOperator.ones(right.shape[1], n), AxisOperator.identity(right.shape[2]))
    _add_pool(builder, name, right, made, operators, modulatory=True)


def _add_pool(
    builder: Builder, name: str, source: Ids, target: Ids, operators: tuple[AxisOperator, ...],
    *, modulatory: bool = False,
) -> None:  # fmt: skip
    mode: PoolMode = "modulation" if modulatory else "attention"
    name = builder.unique(name) if modulatory else name
    ends = (View.of(source), View.of(target))
    builder.add_block(
        Pool(name=name, source=ends[0], target=ends[1], operators=operators, mode=mode,
             modulatory=modulatory)
    )  # fmt: skip
