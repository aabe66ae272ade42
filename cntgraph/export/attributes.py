"""The attributes of nodes as files have them: named, typed, as text."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import CntGraphError
from cntgraph.export.markup import escape
from cntgraph.export.numbers import number_texts
from cntgraph.graph.conversions.nodes import Measures, given_measures
from cntgraph.graph.graph import Graph
from cntgraph.measures.strength import node_strength

Kind = Literal["string", "boolean", "integer", "long", "double"]

#: In a file, x and y are where a node is drawn; where its pixel is has names of its own.
_NAMES = {"x": "pixel_x", "y": "pixel_y", "z": "pixel_z"}


class Attribute(NamedTuple):
    """One attribute of all nodes.

    Attributes
    ----------
    name : str
    kind : {"string", "boolean", "integer", "long", "double"}
    values : ndarray, shape (n_nodes,)
    """

    name: str
    kind: Kind
    values: NDArray[Any]

    def texts(self, here: slice) -> list[str]:
        """Return the values of some nodes as they stand in XML, "" where there is none (NaN)."""
        values = self.values[here]
        if self.kind == "string":
            return [escape(value) for value in values.tolist()]
        found = number_texts(values)
        if values.dtype.kind == "f":
            for k in np.flatnonzero(np.isnan(values)).tolist():
                found[k] = ""
        return found


#: What edges have besides their weight.
BLOCK = Attribute("block", "string", np.empty(0, dtype=object))


def node_values(graph: Graph, measures: Measures | None = None) -> dict[str, NDArray[Any]]:
    """Return every attribute of the nodes that a file has, by name; ``label`` is the first.

    Parameters
    ----------
    graph : Graph
    measures : mapping of str to array of shape (n_nodes,), optional
        Further ones.

    Returns
    -------
    dict of str to ndarray, shape (n_nodes,)
        The columns of ``graph.nodes`` and the strength; x, y and z of a pixel are called
        ``pixel_x``, ``pixel_y`` and ``pixel_z``.

    Raises
    ------
    CntGraphError
        If a measure is not one value per node, or its name is taken.
    """
    given = given_measures(measures)
    taken = sorted(set(given) & set(_NAMES.values()))
    if taken:
        raise CntGraphError(f"measures: nodes have attributes called {', '.join(taken)} already")
    if "strength" not in given:
        given = {"strength": node_strength(graph), **given}
    found = graph.node_attributes(given)
    return {_NAMES.get(name, name): values for name, values in found.items()}


def renamed(values: Mapping[str, NDArray[Any]], taken: Collection[str]) -> dict[str, NDArray[Any]]:
    """Return attributes under names that a format has no other meaning for.

    Parameters
    ----------
    values : mapping of str to ndarray
    taken : collection of str
        The names that it has: what is called so gets ``node_`` before it.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    CntGraphError
        If nodes have an attribute of such a name, too.

    Examples
    --------
    >>> list(renamed({"size": np.ones(1), "strength": np.ones(1)}, ["size"]))
    ['node_size', 'strength']
    """
    names = {name: f"node_{name}" if name in taken else name for name in values}
    for name, new in names.items():
        if name != new and new in values:
            raise CntGraphError(
                f"nodes have attributes called {name!r} and {new!r}, and {name!r} has a meaning of "
                "its own in this format; give one of them another name"
            )
    return {names[name]: own for name, own in values.items()}


def typed(values: Mapping[str, NDArray[Any]]) -> Iterator[Attribute]:
    """Yield attributes with their types."""
    for name, array in values.items():
        yield Attribute(name, _kind(array), array)


def _kind(values: NDArray[Any]) -> Kind:
    if values.dtype.kind == "b":
        return "boolean"
    if values.dtype.kind == "f":
        return "double"
    if values.dtype.kind in "iu":
        limits = np.iinfo(np.int32)
        low, high = values.min(initial=0), values.max(initial=0)
        return "integer" if limits.min <= low and high <= limits.max else "long"
    return "string"
