"""The numbers in whatever a measure returns, each group of them under a name."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = dict[str, NDArray[np.float64]]


def named_numbers(result: Any) -> Numbers:
    """Return the numbers that a measure gave, by the name of the part they belong to.

    Parameters
    ----------
    result : number, ndarray, Series, DataFrame, or a tuple or dataclass with named fields of these
        What is no number (names, tables of texts) is left out.

    Returns
    -------
    dict of str to ndarray of float64
        One-dimensional. The name is empty where there are no parts.

    Examples
    --------
    >>> from cntgraph.graph.signs import Split
    >>> named_numbers(3)
    {'': array([3.])}
    >>> named_numbers(Split(np.array([1, 2]), 0.5))
    {'positive': array([1., 2.]), 'negative': array([0.5])}
    """
    parts = _parts(result)
    if parts is None:
        values = np.asarray(result)
        numeric = values.dtype.kind in "iuf"
        return {"": values.astype(np.float64).reshape(-1)} if numeric else {}
    found = {}
    for name, part in parts.items():
        for inner, values in named_numbers(part).items():
            found[f"{name}.{inner}" if inner else str(name)] = values
    return found


def _parts(result: Any) -> dict[str, Any] | None:
    """Return the named parts of a result, or None if it has none."""
    if hasattr(result, "_asdict"):
        return dict(result._asdict())
    if is_dataclass(result):
        return {field.name: getattr(result, field.name) for field in fields(result)}
    if getattr(result, "ndim", 0) == 2 and hasattr(result, "columns"):
        return {name: result[name].to_numpy() for name in result.columns}
    if isinstance(result, dict):
        return result
    return None
