"""Order statistics: the k-th smallest of more numbers than fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Values

#: Gives all numbers, part by part, each time it is called.
Parts = Callable[[], Iterator[NDArray[Any]]]

#: Bits of a number that are told apart in one pass, and numbers that are held at once.
_BITS, _HELD = 16, 1 << 22


def order_statistics(parts: Parts, ranks: Sequence[int], *, held: int = _HELD) -> Values:
    """Return the numbers of some ranks, exactly, in bounded memory.

    Parameters
    ----------
    parts : callable
        Returns an iterator over arrays of finite numbers, the same each time.
    ranks : sequence of int
        From 0, the smallest, to the number of all less one; in any order.
    held : int, default 4 million
        How many numbers may be held at once.

    Returns
    -------
    ndarray of float64, shape (n_ranks,)

    Notes
    -----
    Numbers are compared by their bits, 16 of them a pass: the first says how many numbers begin
    with each pattern, and so which a rank's number begins with, the next looks at those only. When
    few are left they are sorted. Of weights, that is after one or two of at most four passes.

    Examples
    --------
    >>> values = np.random.default_rng(0).permutation(1000) / 8
    >>> order_statistics(lambda: iter(np.split(values, 4)), [0, 500, 999], held=10)
    array([  0.   ,  62.5  , 124.875])
    """
    wanted = np.asarray(ranks, dtype=np.int64)
    prefixes, below = np.zeros(len(wanted), dtype=np.uint64), np.zeros(len(wanted), dtype=np.int64)
    for shift in range(64 - _BITS, -1, -_BITS):
        counts = _count(parts, np.unique(prefixes), shift)
        n_left = 0
        for prefix in np.unique(prefixes):
            ends = np.cumsum(counts[int(prefix)])
            own = prefixes == prefix
            places = np.searchsorted(ends, wanted[own] - below[own], side="right")
            below[own] += np.where(places > 0, ends[places - 1], 0)
            prefixes[own] = (prefix << np.uint64(_BITS)) + places.astype(np.uint64)
            n_left += int(counts[int(prefix)][np.unique(places)].sum())
        if n_left <= held:
            return _sorted_out(parts, prefixes, shift, wanted - below)
    return _numbers(prefixes)  # equal to the last bit


def _count(parts: Parts, prefixes: NDArray[np.uint64], shift: int) -> dict[int, NDArray[np.int64]]:
    """Return, for each beginning, how many numbers go on with each of the next patterns."""
    found = {int(prefix): np.zeros(1 << _BITS, dtype=np.int64) for prefix in prefixes}
    for part in parts():
        patterns = _patterns(part) >> np.uint64(shift)
        begins = patterns >> np.uint64(_BITS)
        for prefix, counts in found.items():
            own = patterns[begins == prefix] & np.uint64((1 << _BITS) - 1)
            counts += np.bincount(own.astype(np.int64), minlength=1 << _BITS)
    return found


def _sorted_out(
    parts: Parts, prefixes: NDArray[np.uint64], shift: int, ranks: NDArray[np.int64]
) -> Values:
    """Return the number of each rank among those that begin with its prefix."""
    kept: dict[int, list[NDArray[np.uint64]]] = {int(prefix): [] for prefix in prefixes}
    for part in parts():
        patterns = _patterns(part)
        begins = patterns >> np.uint64(shift)
        for prefix, own in kept.items():
            own.append(patterns[begins == prefix])
    ordered = {prefix: np.sort(np.concatenate(own)) for prefix, own in kept.items()}
    found = [ordered[int(p)][rank] for p, rank in zip(prefixes, ranks, strict=True)]
    return _numbers(np.array(found, dtype=np.uint64))


def _patterns(values: NDArray[Any]) -> NDArray[np.uint64]:
    """Return integers in the order of floats: the bits, those of negative ones turned over."""
    bits = np.ascontiguousarray(values, dtype=np.float64).reshape(-1).view(np.uint64)
    sign = np.uint64(1 << 63)
    return np.where(bits & sign, ~bits, bits | sign)


def _numbers(patterns: NDArray[np.uint64]) -> Values:
    """Return the floats that `_patterns` gave."""
    sign = np.uint64(1 << 63)
    return np.where(patterns & sign, patterns ^ sign, ~patterns).view(np.float64)
