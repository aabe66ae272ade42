"""Curve: one density of a table, as a figure draws it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cntgraph.core.types import Values

if TYPE_CHECKING:
    import pandas as pd


class Curve(NamedTuple):
    """A probability density on its grid.

    Parameters
    ----------
    of : object
        What it is the density of: a bin of networks, a snapshot, or what colors it.
    x, y : ndarray of float64, shape (n_points,)
    """

    of: Any
    x: Values
    y: Values


def density_curves(table: pd.DataFrame, key: str, of: str | None = None) -> list[Curve]:
    """Return the curves of a density table; bins without networks have none.

    Parameters
    ----------
    table : pandas.DataFrame
        Densities of one layer and measure: columns ``x``, ``density`` and `key`.
    key : str
        The column that is the same all along a curve, and differs between two.
    of : str, optional
        The column that says what a curve is of, if it is not `key`.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"snapshot": [0, 0, 1, 1], "step": [0, 0, 50, 50],
    ...                       "x": [1.0, 2.0] * 2, "density": [0.0, 1.0, 0.5, 0.5]})
    >>> [(int(curve.of), curve.y.tolist()) for curve in density_curves(table, "snapshot", "step")]
    [(0, [0.0, 1.0]), (50, [0.5, 0.5])]
    """
    curves = []
    known = table[table["density"].notna()]
    for name, part in known.groupby(key, sort=False, observed=True):
        part = part.sort_values("x")
        x, y = (part[column].to_numpy(dtype=np.float64) for column in ("x", "density"))
        curves.append(Curve(name if of is None else part[of].iloc[0], x, y))
    return curves
