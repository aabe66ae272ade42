"""averages: a sum over windows that constants divide is an average."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from math import prod

import numpy as np

from cntgraph.core.errors import ParameterError
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Values
from cntgraph.network.blocks import AxisOperator, Pool


def averages(pool: Pool, scale: Recipe) -> tuple[AxisOperator, ...] | None:
    """Return the operators of a sum that constants make an average; None if they do not.

    The constants are one for all, or a product of one per position along each axis: the numbers
    of values under windows, of which some may reach beyond an edge.
    """
    if pool.mode != "sum" or any(p.trainable for p in scale.parameters()):
        return None
    try:
        constants = np.broadcast_to(scale.read(), (scale.shape or (1,))[:1] + pool.target.shape[1:])
    except (ParameterError, ValueError):  # without values, or not position by position
        return None
    factors = _along_axes(constants)
    if factors is None:
        return None
    pairs = zip(pool.operators, factors, strict=True)
    made = [replace(o, weights=o.weights * factor[o.columns]) for o, factor in pairs]
    most = prod(np.bincount(o.columns, o.weights).max(initial=0.0) for o in made)
    return tuple(made) if np.isclose(most, 1.0, rtol=1e-6) else None


def _along_axes(constants: Values) -> list[Values] | None:
    """Return one factor per position along each axis but the first, whose products are these."""
    first = constants.flat[0] if constants.size else 0.0
    if not first > 0 or not np.isfinite(constants).all():
        return None
    own = constants[0]
    lines = [own[(0,) * k + (slice(None),) + (0,) * (own.ndim - k - 1)] for k in range(own.ndim)]
    factors = [line if k == 0 else line / first for k, line in enumerate(lines)]
    products = reduce(np.multiply.outer, factors, np.ones(()))
    return factors if np.allclose(constants, products, rtol=1e-6) else None
