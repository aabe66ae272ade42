"""PackedArray: a weight that is stored packed, of which a part is unpacked when it is asked for.

A kind of packing says how a box of values, a range along each axis, is read from what is stored;
which boxes are asked for, and that little is held at a time, is said here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.parameter import storage_dtype

#: Values that are unpacked at once: what is made on the way takes several times their bytes.
_AT_ONCE = 1 << 18

Values = NDArray[np.float32]


class PackedArray(ABC):
    """What a `Parameter` reads from, of float32 where nothing else is said in `dtype`."""

    shape: tuple[int, ...]
    dtype: str = "float32"

    @abstractmethod
    def box(self, *part: range) -> NDArray[Any]:
        """Return the values of a range along each axis; no more is read than they need."""

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return a selection as NumPy does; of slices and single places, only these are read."""
        keys = key if isinstance(key, tuple) else (key,)
        if any(not isinstance(k, slice | int | np.integer) for k in keys):
            return np.asarray(self[()][key])
        part = [range(n) for n in self.shape]
        left: list[slice | int] = [slice(None)] * len(part)
        for axis, k in enumerate(keys):
            if not isinstance(k, slice):
                (part[axis], left[axis]) = (part[axis][k : k + 1 or None], 0)
            elif k.step in (None, 1):
                part[axis] = part[axis][k]
            else:
                left[axis] = k
        found = np.empty([len(along) for along in part], storage_dtype(self.dtype))
        self._fill(found, tuple(part))
        return found[tuple(left)]

    def _fill(self, out: NDArray[Any], part: tuple[range, ...]) -> None:
        """Unpack some at a time, along the first axis that can be cut."""
        sizes = [len(along) for along in part]
        if not prod(sizes):
            return
        axis = next((k for k, n in enumerate(sizes) if n > 1), len(sizes))
        if prod(sizes) <= _AT_ONCE or axis == len(sizes):
            out[...] = self.box(*part)
            return
        step = max(1, _AT_ONCE // prod(sizes[axis + 1 :]))
        for k in range(0, sizes[axis], step):
            some = (*part[:axis], part[axis][k : k + step], *part[axis + 1 :])
            self._fill(out[(slice(None),) * axis + (slice(k, k + step),)], some)


def places(part: range) -> slice:
    """Return a range as a slice.

    Examples
    --------
    >>> places(range(2, 5))
    slice(2, 5, None)
    """
    return slice(part.start, part.stop)
