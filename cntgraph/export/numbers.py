"""Numbers as text that reads back to the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def number_texts(values: NDArray[Any]) -> list[str]:
    """Return every value as the shortest text that its own type reads back exactly.

    Parameters
    ----------
    values : ndarray of float, int or bool, shape (n,)

    Returns
    -------
    list of str
        Truth values as ``true`` and ``false``, infinities as ``Infinity``: XML tools, Java,
        JavaScript and Python read these.

    Notes
    -----
    A float32 has at most 9 digits, which read as a double and rounded to float32 give the same
    value again; a float64 at most 17.

    Examples
    --------
    >>> number_texts(np.array([0.1, -1e-30, np.inf], dtype=np.float32))
    ['0.1', '-1e-30', 'Infinity']
    >>> number_texts(np.array([True, False]))
    ['true', 'false']
    """
    if values.dtype.kind == "b":
        return ["true" if value else "false" for value in values.tolist()]
    if values.dtype.kind != "f":
        return list(map(str, values.tolist()))
    # Python's floats are written faster than NumPy's scalars, which know the shorter types.
    plain = values.dtype == np.float64
    found = list(map(repr, values.tolist())) if plain else list(map(str, values))
    for k in np.flatnonzero(~np.isfinite(values)).tolist():
        found[k] = _NOT_FINITE[found[k]]
    return found


_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
