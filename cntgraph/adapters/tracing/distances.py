"""Distances between rows, as between tokens and the entries of a codebook."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.tracing import arithmetic, reductions
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tracer import Tracer

#: More differences are no layer.
_MOST_DIFFERENCES = 1 << 22


def distances(t: Tracer, left: Any, right: Any, order: float, name: str) -> Any:
    """Return the lengths of all differences of rows: a layer of differences, and their norm.

    Parameters
    ----------
    left, right : Neurons, weights or constant
        Of shapes (…, n, 1, features) and (…, 1, m, features).

    Returns
    -------
    Neurons, shape (…, n, m)

    Raises
    ------
    NotFollowed
        If there are too many differences.
    """
    shape = np.broadcast_shapes(np.shape(left), np.shape(right))
    if prod(shape) > _MOST_DIFFERENCES:
        raise NotFollowed(
            f"a distance is not linear, and its {prod(shape):,} differences are more than "
            f"{_MOST_DIFFERENCES:,}"
        )
    apart = arithmetic.add(t, left, right, f"{name}.difference", -1.0)
    return reductions.norm(t, apart, (len(shape) - 1,), order, name)
