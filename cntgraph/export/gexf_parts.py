"""The parts of a GEXF 1.3 file: its head, the declarations of attributes, its nodes and edges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.export.appearance import Appearance
from cntgraph.export.attributes import Attribute
from cntgraph.export.colors import NEGATIVE, POSITIVE, ZERO
from cntgraph.export.markup import escape
from cntgraph.export.numbers import number_texts
from cntgraph.version import __version__

#: Nodes of one piece.
PIECE = 20_000

HEAD = f"""<?xml version="1.0" encoding="UTF-8"?>
<gexf xmlns="http://gexf.net/1.3" xmlns:viz="http://gexf.net/1.3/viz" version="1.3">
<meta><creator>cntgraph {__version__}</creator></meta>
"""
TAIL = "</graph>\n</gexf>\n"


def declared(attributes: Iterable[Attribute], of: str, mode: str = "static") -> str:
    """Return the declaration of attributes of nodes or of edges.

    Parameters
    ----------
    attributes : iterable of Attribute
        Their names are their ids: programs show either the one or the other.
    of : {"node", "edge"}
    mode : {"static", "dynamic"}
    """
    lines = [
        f'<attribute id="{escape(a.name)}" title="{escape(a.name)}" type="{a.kind}"/>\n'
        for a in attributes
    ]
    return f'<attributes class="{of}" mode="{mode}">\n{"".join(lines)}</attributes>\n'


def node_pieces(
    labels: Attribute,
    attributes: Sequence[Attribute],
    drawn: Appearance,
    changing: Callable[[slice], list[str]] | None = None,
    piece: int = PIECE,
) -> Iterator[str]:
    """Yield the nodes of a file, many at a time.

    Parameters
    ----------
    labels : Attribute
    attributes : sequence of Attribute
        What does not change; a value that is missing is left out.
    drawn : Appearance
    changing : callable, optional
        Takes which nodes, returns the values of each that change with time.
    piece : int
        How many at a time.
    """
    n_nodes = len(drawn.sizes)
    yield f'<nodes count="{n_nodes}">\n'
    for start in range(0, n_nodes, piece):
        here = slice(start, min(start + piece, n_nodes))
        columns = [_values(attribute, here) for attribute in attributes]
        if changing is not None:
            columns.append(changing(here))
        values = map("".join, zip(*columns, strict=True))
        rows = zip(range(here.start, here.stop), labels.texts(here), values, _looks(drawn, here),
                   strict=True)  # fmt: skip
        yield "".join(map(_NODE.__mod__, rows))
    yield "</nodes>\n"


_NODE = '<node id="%d" label="%s"><attvalues>%s</attvalues>%s</node>\n'


def _values(attribute: Attribute, here: slice) -> list[str]:
    begin = f'<attvalue for="{escape(attribute.name)}" value="'
    empty = attribute.kind == "string"
    return [f'{begin}{text}"/>' if text or empty else "" for text in attribute.texts(here)]


def _looks(drawn: Appearance, here: slice) -> list[str]:
    """Return color, position and size of some nodes."""
    columns = list(drawn.colors[here].T)
    template = '<viz:color r="%s" g="%s" b="%s"/>'
    if drawn.positions is not None:
        # Thousandths of a unit are enough to draw with.
        columns += list(np.round(drawn.positions[here], 3).T + 0.0)
        template += '<viz:position x="%s" y="%s" z="%s"/>'
    columns.append(np.round(drawn.sizes[here], 3))
    template += '<viz:size value="%s"/>'
    return list(map(template.__mod__, zip(*map(number_texts, columns), strict=True)))


def edge_color(sign: float) -> str:
    """Return the element that colors an edge by the sign of its weight."""
    red, green, blue = POSITIVE if sign > 0 else NEGATIVE if sign < 0 else ZERO
    return f'<viz:color r="{red}" g="{green}" b="{blue}"/>'


def edge_blocks(block_names: Sequence[str], *, kinds: bool) -> NDArray[Any]:
    """Return what follows the weight of an edge of each block, up to its values that change.

    Parameters
    ----------
    block_names : sequence of str
    kinds : bool
        Whether edges say their kind; Gephi merges parallel edges that are of one.

    Returns
    -------
    ndarray of object, shape (n_blocks,)
    """
    found = np.empty(len(block_names), dtype=object)
    for k, name in enumerate(map(escape, block_names)):
        kind = f' kind="{name}"' if kinds else ""
        found[k] = f'{kind}><attvalues><attvalue for="block" value="{name}"/>'
    return found


def edge_ends(weights: NDArray[Any]) -> list[str]:
    """Return how each edge ends: after its values, with its color."""
    found: list[str] = _ENDS[np.sign(weights).astype(np.int64) + 1].tolist()
    return found


_ENDS = np.array([f"</attvalues>{edge_color(k)}</edge>\n" for k in (-1, 0, 1)], dtype=object)
