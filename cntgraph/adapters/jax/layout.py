"""How arrays of node ids lie in the layers that they show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cntgraph.core.types import Ids


def strides(ids: Ids) -> list[int]:
    """Return by how much ids grow along each axis; 0 where that cannot be seen.

    Examples
    --------
    >>> strides(np.arange(6).reshape(3, 2).T)
    [1, 2]
    """
    return [_stride(np.moveaxis(ids, axis, 0)) for axis in range(ids.ndim)]


def _stride(ids: Ids) -> int:
    lower, upper = ids[:-1], ids[1:]
    nodes = (lower >= 0) & (upper >= 0)
    if not nodes.any():
        return 0
    first = np.unravel_index(int(nodes.argmax()), nodes.shape)
    return int(upper[first] - lower[first])


def dilated(ids: Ids, factors: Sequence[int]) -> Ids:
    """Put positions without a node between those of an array, by one factor per axis.

    Examples
    --------
    >>> dilated(np.arange(3), [2])
    array([ 0, -1,  1, -1,  2])
    """
    shape = [max((n - 1) * k + 1, 0) for n, k in zip(ids.shape, factors, strict=True)]
    wide = np.full(shape, -1, np.int64)
    wide[tuple(slice(None, None, k) for k in factors)] = ids
    return wide
