"""ratio: of two sums over every node's edges, which is what most local measures are."""

from __future__ import annotations

import numpy as np

from cntgraph.core.types import Values


def ratio(numerator: Values, denominator: Values) -> Values:
    """Return a / b, and NaN where b is zero: the nodes that the measure is not defined for.

    Examples
    --------
    >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    array([0.5, nan])
    """
    found = np.full(numerator.shape, np.nan)
    with np.errstate(invalid="ignore", over="ignore"):  # of infinite sums
        np.divide(numerator, denominator, out=found, where=denominator != 0)
    return found
