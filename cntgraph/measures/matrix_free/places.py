"""The layers that the parts of an operator read from and write to."""

from __future__ import annotations

import numpy as np

from cntgraph.core.view import View, parts_of
from cntgraph.measures.matrix_free.operator import AdjacencyOperator


def layers_of_parts(operator: AdjacencyOperator) -> list[tuple[set[int], set[int]]]:
    """Return, for each part, the indices of the layers of its sources and of its targets.

    Parameters
    ----------
    operator : AdjacencyOperator

    Returns
    -------
    list of pairs of sets of int

    Examples
    --------
    >>> import cntgraph as cg
    >>> from cntgraph.measures.matrix_free.operator import adjacency_operator
    >>> layers_of_parts(adjacency_operator(cg.toy("residual")))
    [({0}, {1}), ({1}, {2}), ({1}, {2})]
    """
    starts = np.array([layer.start for layer in operator.layers], dtype=np.int64)
    return [(_layers(part.source, starts), _layers(part.target, starts)) for part in operator.parts]


def _layers(view: View, starts: np.ndarray) -> set[int]:
    if view.ids is not None:
        return set(parts_of(view.ids, starts))
    if not view.size:
        return set()
    low, high = view.span()
    first, last = np.searchsorted(starts, [low, high - 1], side="right") - 1
    return set(range(int(first), int(last) + 1))
