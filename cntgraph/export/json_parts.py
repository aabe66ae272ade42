"""Parts of JSON files: members of objects, many nodes or edges at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.export.attributes import Attribute
from cntgraph.export.colors import NEGATIVE, POSITIVE, ZERO, Colors
from cntgraph.export.markup import printable
from cntgraph.export.numbers import number_texts

#: Nodes of one piece.
PIECE = 20_000


def quoted(text: str) -> str:
    r"""Return a text as it stands in JSON, without characters that no file has (see `printable`).

    Examples
    --------
    >>> print(quoted('a "b"'))
    "a \"b\""
    """
    return json.dumps(printable(text))


def members(attribute: Attribute, here: slice) -> list[str]:
    """Return an attribute of some nodes as members of objects, "" where it has no value.

    Parameters
    ----------
    attribute : Attribute
    here : slice
        Which nodes.

    Returns
    -------
    list of str
        JSON knows neither NaN nor infinities: these are left out.

    Examples
    --------
    >>> members(Attribute("on", "double", np.array([0.5, np.nan])), slice(None))
    ['"on":0.5', '']
    """
    values, name = attribute.values[here], quoted(attribute.name)
    if attribute.kind == "string":
        return [f"{name}:{quoted(value)}" for value in values.tolist()]
    found = [f"{name}:{text}" for text in number_texts(values)]
    if values.dtype.kind == "f":
        for k in np.flatnonzero(~np.isfinite(values)).tolist():
            found[k] = ""
    return found


def objects(attributes: Sequence[Attribute], here: slice, n: int) -> list[str]:
    """Return an object for each of some nodes, with the attributes that it has.

    Parameters
    ----------
    attributes : sequence of Attribute
    here : slice
        Which nodes.
    n : int
        How many there are of them.
    """
    columns = [members(attribute, here) for attribute in attributes]
    rows = zip(*columns, strict=True) if columns else [()] * n
    return ["{" + ",".join(filter(None, row)) + "}" for row in rows]


def node_slices(n_nodes: int) -> Iterator[tuple[range, slice]]:
    """Yield the numbers of nodes, a piece at a time, and the same as a slice."""
    for start in range(0, n_nodes, PIECE):
        ids = range(start, min(start + PIECE, n_nodes))
        yield ids, slice(ids.start, ids.stop)


def listed(pieces: Iterable[Sequence[str]]) -> Iterator[str]:
    r"""Yield pieces of elements as the inside of a JSON array, one element a line.

    Examples
    --------
    >>> "".join(listed([["1", "2"], [], ["3"]]))
    '\n1,\n2,\n3'
    """
    between = "\n"
    for piece in pieces:
        if piece:
            yield between + ",\n".join(piece)
            between = ",\n"


def hex_colors(colors: Colors) -> NDArray[Any]:
    """Return colors as texts.

    Examples
    --------
    >>> hex_colors(np.array([[255, 0, 10]], dtype=np.uint8))
    array(['#ff000a'], dtype=object)
    """
    return np.array(["#{:02x}{:02x}{:02x}".format(*one) for one in colors.tolist()], dtype=object)


#: The color of an edge of negative, no and positive weight.
_SIGNS = hex_colors(np.array([NEGATIVE, ZERO, POSITIVE], dtype=np.uint8))


def edge_colors(weights: NDArray[Any]) -> list[str]:
    """Return the color of each edge: by the sign of its weight, as in all files."""
    found: list[str] = _SIGNS[np.sign(weights).astype(np.int64) + 1].tolist()
    return found
