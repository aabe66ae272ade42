"""HeadRows: the rows of queries and keys, in the order in which their models have them.

Of models whose positions rotate pairs of values, llama.cpp keeps the two of a pair together; the
models themselves have all the first ones of a head before all the second ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.parameter import ArrayHandle


@dataclass(frozen=True, eq=False)
class HeadRows:
    """What a parameter reads from, where its rows lie in pairs.

    Parameters
    ----------
    stored : ArrayHandle
        The rows as they lie.
    heads : int
        How many heads share them.

    Examples
    --------
    >>> HeadRows(np.arange(8), 2)[1:7]
    array([2, 1, 3, 4, 6, 5])
    """

    stored: ArrayHandle
    heads: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the stored rows."""
        return self.stored.shape

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return a selection; of some rows, those between which they lie are read."""
        keys: tuple[Any, ...] = key if isinstance(key, tuple) else (key,)
        if not all(isinstance(k, slice) and k.step in (None, 1) for k in keys):
            return np.asarray(self[()][key])
        at = self._places(range(self.shape[0])[slice(None) if not keys else keys[0]])
        low, high = (int(at.min()), int(at.max()) + 1) if at.size else (0, 0)
        return np.asarray(self.stored[(slice(low, high), *keys[1:])])[at - low]

    def _places(self, rows: range) -> NDArray[np.int64]:
        """Return where rows lie: value k of a half is the one or the other of pair k."""
        size = self.shape[0] // self.heads
        numbers = np.arange(rows.start, max(rows.start, rows.stop))
        head, within = numbers // size, numbers % size
        half, pair = within // (size // 2), within % (size // 2)
        return head * size + 2 * pair + half
