"""The transforms of a weight that sums may be taken of: named, never silent."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import CntGraphError

Transform = Literal["signed", "absolute", "positive", "negative", "square", "fourth", "count"]
TRANSFORMS: tuple[Transform, ...] = get_args(Transform)


def check_transform(transform: str) -> Transform:
    """Return `transform` if it is one of `TRANSFORMS`.

    Raises
    ------
    CntGraphError
        If it is not; the message lists them.

    Examples
    --------
    >>> check_transform("absolute")
    'absolute'
    """
    if transform not in TRANSFORMS:
        raise CntGraphError(
            f"expected transform to be one of {', '.join(TRANSFORMS)}; got {transform!r}"
        )
    return transform


def transform_code(transform: Transform) -> int:
    """Return the code by which kernels know a transform; `count` needs no kernel."""
    return TRANSFORMS.index(transform)


def apply_transform(values: NDArray[Any], transform: Transform) -> NDArray[np.float64]:
    """Return f(values) as float64; `count` is 1 for every entry, zeros included.

    Parameters
    ----------
    values : ndarray
        Weights of edges.
    transform : str
        One of `TRANSFORMS`.

    Returns
    -------
    ndarray of float64

    Examples
    --------
    >>> apply_transform(np.array([-2.0, 0.0, 3.0]), "negative")
    array([-2.,  0.,  0.])
    """
    w = np.asarray(values, dtype=np.float64)
    if transform == "signed":
        return w
    if transform == "absolute":
        return np.abs(w)
    if transform == "positive":
        return np.maximum(w, 0.0)
    if transform == "negative":
        return np.minimum(w, 0.0)
    if transform == "count":
        return np.ones_like(w)
    with np.errstate(over="ignore"):  # beyond float64 a power is infinite, as in the kernels
        square = w * w
        return square if transform == "square" else square * square
