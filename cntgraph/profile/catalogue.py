"""The catalogue: every measure that a profile takes, and about how long each takes.

The estimates are measured (`benchmarks/profile_estimates.py`) on one core of a machine of 2020 or
so, as nanoseconds an elementary operation of the measure's complexity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import entry_points

from cntgraph.errors import CntGraphError
from cntgraph.measures.fluctuation import layer_fluctuation
from cntgraph.measures.link_weights import link_weights
from cntgraph.measures.strength import node_strength
from cntgraph.profile.measure import Measure, Size


def _seconds(nanoseconds: float, operations: Callable[[Size], float]) -> Callable[[Size], float]:
    return lambda size: 1e-9 * nanoseconds * operations(size)


def _one_pass(size: Size) -> float:
    return size.n_weights + size.n_nodes


#: In closed form: a pass over the stored weights and a write a node.
_CLOSED_FORM = (
    Measure(node_strength, "node", "O(w + n)", _seconds(2, _one_pass)),
    Measure(layer_fluctuation, "layer", "O(w + n)", _seconds(2, _one_pass)),
    Measure(link_weights, "block", "O(w)", _seconds(4, _one_pass)),
)

CATALOGUE: tuple[Measure, ...] = (*_CLOSED_FORM,)


def find_measures(names: Sequence[str] | None = None) -> list[Measure]:
    """Return measures of the catalogue and of entry points, in order.

    Parameters
    ----------
    names : sequence of str, optional
        The names of those wanted, in any order; by default all.

    Returns
    -------
    list of Measure

    Raises
    ------
    CntGraphError
        If there is none of a name; the message lists the names.

    Examples
    --------
    >>> [measure.name for measure in find_measures(["node_strength"])]
    ['node_strength']
    """
    known = {measure.name: measure for measure in CATALOGUE}
    for point in entry_points(group="cntgraph.measures"):
        measure = point.load()
        known.setdefault(measure.name, measure)
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise CntGraphError(f"no measure is called {unknown[0]!r}; there are: {', '.join(known)}")
    return [measure for name, measure in known.items() if names is None or name in names]
