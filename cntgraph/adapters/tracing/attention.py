"""Attention as one operation: scores of queries and keys, masks, a softmax, a product with values.

It comes down to the steps that a model has where it writes them out, and so to the same graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.tracing import arithmetic
from cntgraph.adapters.tracing.contraction import matmul
from cntgraph.adapters.tracing.masks import pass_beside
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Data, Neurons, is_mask


def attend(
    t: Tracer, query: Neurons, key: Neurons, value: Neurons, name: str, *,
    masks: Sequence[Any] = (), softcap: bool = False,
) -> Any:  # fmt: skip
    """Return softmax(query keyᵀ + masks) value.

    Parameters
    ----------
    query, key, value : Neurons, shape (..., heads, positions, features)
        There may be fewer heads of keys and values than of queries, which then share them.
    name : str
        Name of the operation; its scores are called ``name.scores``.
    masks : sequence of constant, weights, Data, Neurons or None
        Truth values that say which positions count, or numbers that are added to the scores: what
        they hide is taken away, the rest is a bias. One that depends on the input hides nothing.
    softcap : bool, default False
        Whether scores are bounded by a tanh.

    Returns
    -------
    Neurons, shape (..., heads, positions, features)
    """
    key, value = (_repeated(t, x, query) for x in (key, value))
    turned = t.neurons(key.ids.swapaxes(-1, -2))
    scores = matmul(t, query, turned, f"{name}.scores")
    if softcap:
        scores = t.activate(scores, "tanh")
    for mask in masks:
        scores = _masked(t, scores, mask, f"{name}.bias")
    return matmul(t, t.activate(scores, "softmax"), value, name)


def _repeated(t: Tracer, x: Neurons, query: Neurons) -> Neurons:
    """Return the heads of keys or values as often as queries share them."""
    n, kept = (y.shape[-3] if len(y.shape) > 2 else 1 for y in (query, x))
    if n == kept or kept == 1:
        return x
    if not kept or n % kept:
        raise NotFollowed(f"{n} heads of queries share {kept} of keys")
    made: Neurons = t.neurons(np.repeat(x.ids, n // kept, -3))
    return made


def _masked(t: Tracer, scores: Neurons, mask: Any, name: str) -> Any:
    if mask is None:
        return scores
    if isinstance(mask, Data) or is_mask(mask):
        return pass_beside(t, scores, mask, name)
    values = t.mask_values(mask)
    if values is not None and values.dtype == bool:
        t.use_as_mask(mask)
        mask = np.where(values, 0.0, -np.inf)
    return arithmetic.add(t, scores, mask, name)


def causal(n: int, m: int, *, past: int = 0, window: int | None = None) -> NDArray[np.bool_]:
    """Return which of `m` keys each of `n` queries may attend to where it sees no later one.

    Parameters
    ----------
    past : int, default 0
        Number of keys before the first query.
    window : int, optional
        How many keys a query sees, its own included.

    Returns
    -------
    ndarray of bool, shape (n, m)
    """
    distance = np.arange(n)[:, None] + past - np.arange(m)
    keep: NDArray[np.bool_] = distance >= 0
    return keep if window is None else keep & (distance < window)
