"""Colors of values, for people who see all colors and for those who do not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Colors = NDArray[np.uint8]

Anchors = tuple[tuple[int, int, int], ...]

#: What is below zero, zero, and above it: as in the plots, blue and vermilion (Okabe and Ito).
NEGATIVE, ZERO, POSITIVE = (0, 114, 178), (160, 160, 160), (213, 94, 0)
#: What has no value.
MISSING = (217, 217, 217)
#: From dark to light in even steps (viridis, without its brightest end, which is faint on white).
_SEQUENTIAL = ((68, 1, 84), (72, 41, 121), (61, 77, 138), (47, 107, 142), (36, 135, 142),
               (31, 162, 135), (64, 189, 114), (127, 211, 78), (202, 225, 31))  # fmt: skip
#: From below zero to above it: as dark on both sides, lightest in the middle.
_DIVERGING = (NEGATIVE, (112, 169, 207), (221, 221, 221), (232, 160, 108), POSITIVE)


def value_colors(values: NDArray[Any]) -> Colors:
    """Return a color for every value.

    Parameters
    ----------
    values : ndarray of float, int or bool, shape (n,)
        Where there are some on both sides of zero, blue is below it, vermilion above it and a
        light gray zero, on a scale that reaches as far on both sides; else the colors go from
        dark to light from the least to the greatest.

    Returns
    -------
    ndarray of uint8, shape (n, 3)
        Red, green, blue. What is not finite is gray.

    Examples
    --------
    >>> value_colors(np.array([-2.0, 0.0, 2.0, np.nan])).tolist()
    [[0, 114, 178], [221, 221, 221], [213, 94, 0], [217, 217, 217]]
    """
    values = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(values)
    found = np.empty((len(values), 3), dtype=np.uint8)
    found[:] = MISSING
    if finite.any():
        shown = values[finite]
        low, high = float(shown.min()), float(shown.max())
        anchors: Anchors = _SEQUENTIAL
        if low < 0 < high:
            anchors, high = _DIVERGING, max(-low, high)
            low = -high
        # Halves, so that the width of a scale over all doubles is one, too.
        width = high / 2 - low / 2
        place = (shown / 2 - low / 2) / width if width > 0 else np.full(len(shown), 0.5)
        found[finite] = _between(anchors, place)
    return found


def sequence_colors(n: int) -> Colors:
    """Return n colors from dark to light in even steps, of the layers by depth.

    Returns
    -------
    ndarray of uint8, shape (n, 3)
    """
    return _between(_SEQUENTIAL, np.linspace(0, 1, n))


def _between(anchors: Anchors, place: NDArray[np.float64]) -> Colors:
    """Return the colors at places from 0 to 1 on the line through anchors."""
    stops = np.linspace(0, 1, len(anchors))
    columns = [np.interp(place, stops, channel) for channel in zip(*anchors, strict=True)]
    found: Colors = np.rint(np.column_stack(columns)).astype(np.uint8)
    return found
