"""What is known of the values of nodes: of the layers that something is known of, and no others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import cntgraph as cg
from cntgraph.core.view import View, parts_of

Array = NDArray[Any]


class NodeValues:
    """Values of the nodes of a network, NaN where none is known.

    Parameters
    ----------
    dtype : dtype
        Of the values.
    """

    def __init__(self, net: cg.Network, dtype: Any) -> None:
        self.layers, self.dtype = net.layers, dtype
        self.starts = np.array([layer.start for layer in net.layers])
        self._known: dict[int, Array] = {}

    def of_layer(self, k: int) -> Array | None:
        """Return the values of the nodes of the k-th layer; None if nothing is known of them."""
        return self._known.get(k)

    def note(self, view: View, values: Array) -> Array:
        """Keep the values of the nodes that a view shows, unless they are known.

        Returns
        -------
        ndarray, shape (view.size,)
            What was known by then.
        """
        before = self.gather(view)
        for k, here, places in self._parts(view):
            if k not in self._known:
                self._known[k] = np.full(self.layers[k].n_nodes, np.nan, self.dtype)
            fresh = np.isnan(before[here])
            self._known[k][places[fresh]] = values[here][fresh]
        return before

    def gather(self, view: View) -> Array:
        """Return the values of the nodes that a view shows, 0 where there is no node."""
        found = np.zeros(view.size)
        for k, here, places in self._parts(view):
            known = self._known.get(k)
            found[here] = np.nan if known is None else known[places]
        return found

    def _parts(self, view: View) -> Any:
        """Yield the layers of a view: which, where in the view, and which of their nodes."""
        ids = view.as_ids()
        for k in parts_of(ids, self.starts):
            start, stop = self.layers[k].start, self.layers[k].slice.stop
            here = np.flatnonzero((ids >= start) & (ids < stop))
            whole = len(here) == len(ids)
            yield k, slice(None) if whole else here, (ids if whole else ids[here]) - start
