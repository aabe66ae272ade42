"""Selections: which rows of an array somebody asks for."""

from __future__ import annotations

from typing import Any


def selected_rows(key: Any, shape: tuple[int, ...]) -> range | None:
    """Return the rows that a selection asks for, if it asks for nothing but whole rows.

    Examples
    --------
    >>> selected_rows((slice(1, 3),), (5, 2)), selected_rows((slice(None), slice(1)), (5, 2))
    (range(1, 3), None)
    """
    if isinstance(key, tuple) and len(key) <= 1:
        key = key[0] if key else slice(None)
    if not isinstance(key, slice):
        return None
    rows = range(*key.indices(shape[0] if shape else 1))
    return rows if rows.step == 1 else None
