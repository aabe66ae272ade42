"""Masks: what is added to scores, or chosen by a condition, to take positions out of a softmax."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import HIDDEN, Data, Neurons, weights_of
from cntgraph.core.recipe import Recipe

#: What is no more than this beside nothing but zeros hides, too: exp(-100) is none (Swin).
_BELOW = -100.0
_KEPT = "a mask that depends on the input: nothing is masked"


def split_mask(values: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[Any]] | None:
    """Split what is added to scores into the positions it keeps and a bias.

    Parameters
    ----------
    values : ndarray
        What is added.

    Returns
    -------
    keep : ndarray of bool
        Where positions are not hidden.
    rest : ndarray
        What is added there; zero elsewhere.
        None is returned for an array that hides nothing, a single number, or one that is the
        same finite number everywhere.

    Examples
    --------
    >>> keep, rest = split_mask(np.array([[0.5, -np.inf], [0.0, 0.25]]))
    >>> keep.tolist(), rest.tolist()
    ([[True, False], [True, True]], [[0.5, 0.0], [0.0, 0.25]])
    >>> split_mask(np.array([[0.0, -100.0], [0.0, 0.0]]))[0].tolist()
    [[True, False], [True, True]]
    """
    if values.ndim == 0 or values.dtype.kind not in "fiu":
        return None
    keep: NDArray[np.bool_] = values > HIDDEN
    if keep.all() and values.ndim > 1 and values.min() <= _BELOW:
        low = values == values.min()
        keep = ~low if (low | (values == 0)).all() else keep
    if keep.all() or (not keep.any() and np.isfinite(values).all()):
        return None
    return keep, np.where(keep, values, 0)


def split_weights(weights: Any) -> tuple[NDArray[np.bool_], Recipe] | None:
    """Split weights to which a constant mask was added: what it keeps, and the weights alone."""
    recipe = weights_of(weights)
    if recipe is None or not _has_mask(recipe):
        return None
    return recipe.read() > HIDDEN, _unmasked(recipe)


def _has_mask(recipe: Recipe) -> bool:
    constants = (part.value for part in recipe.parts() if part.value is not None)
    return any((value <= HIDDEN).any() for value in constants)


def _unmasked(recipe: Recipe) -> Recipe:
    """Return weights whose constants hide nothing; those that do nothing else are left out."""
    if recipe.value is not None:
        return replace(recipe, value=np.where(recipe.value <= HIDDEN, 0.0, recipe.value))
    args = tuple(map(_unmasked, recipe.args))
    for arg, other in (args, args[::-1]) if recipe.op == "add" else ():
        if other.value is not None and not other.value.any() and arg.shape == recipe.shape:
            return arg
    return replace(recipe, args=args)


def hides(value: NDArray[Any]) -> bool:
    """Whether a constant that is put in the place of scores, or added to them, hides them all."""
    return value.size > 0 and bool((value <= HIDDEN).all())


def take_away(t: Tracer, x: Neurons, keep: NDArray[np.bool_]) -> Any:
    """Return neurons without those where `keep` is false; both broadcast together."""
    wide = np.broadcast_shapes(x.shape, keep.shape)
    shown = np.broadcast_to(x.ids, wide)
    return t.neurons(t.builder.mask(shown, np.broadcast_to(keep, wide)), like=x)


def pass_beside(t: Tracer, x: Neurons, data: Data | Neurons, name: str) -> Any:
    """Pass on neurons beside which something stands that depends on the input, as a mask does."""
    t.note(name, _KEPT)
    return t.widened(x, data.shape)
