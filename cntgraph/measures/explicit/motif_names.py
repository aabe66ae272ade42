"""The names of common motifs of three and four nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import igraph

#: Edges of directed motifs that have a name, by size. Two digits are an edge.
MOTIFS: Final[dict[int, dict[str, str]]] = {
    3: {
        "V-out": "01 02",
        "V-in": "02 12",
        "chain": "01 12",
        "feed-forward loop": "01 02 12",
        "cycle": "01 12 20",
        "mutual out": "01 10 02",
        "mutual in": "01 10 20",
        "two mutual": "01 10 02 20",
        "regulating mutual": "01 02 12 21",
        "regulated mutual": "10 20 12 21",
        "mutual cycle": "01 12 20 02",
        "semi-clique": "01 10 02 20 12",
        "clique": "01 10 02 20 12 21",
    },
    4: {
        "fan-out": "01 02 03",
        "fan-in": "03 13 23",
        "chain": "01 12 23",
        "merge": "02 12 23",
        "branch": "01 12 13",
        "zigzag": "02 12 13",
        "chain joined": "01 12 32",
        "chain forked": "01 12 03",
        "bi-fan": "02 03 12 13",
        "bi-parallel": "01 02 13 23",
        "cycle": "01 12 23 30",
        "long feed-forward loop": "01 12 23 03",
    },
}


def motif_names(size: int) -> dict[int, str]:
    """Return the names of motifs by the number that igraph gives their class.

    Parameters
    ----------
    size : {3, 4}

    Returns
    -------
    dict of int to str
        Of those that have a name; `motif_edges` describes the others.

    Examples
    --------
    >>> sorted(motif_names(3).values())[:3]
    ['V-in', 'V-out', 'chain']
    """
    import igraph

    names = {}
    for name, edges in MOTIFS[size].items():
        pairs = [(int(edge[0]), int(edge[1])) for edge in edges.split()]
        names[igraph.Graph(size, pairs, directed=True).isoclass()] = name
    return names


def motif_edges(size: int, isoclass: int) -> str:
    """Return the edges of a class of motifs.

    Examples
    --------
    >>> import igraph
    >>> motif_edges(3, igraph.Graph(3, [(2, 1), (1, 0)], directed=True).isoclass())
    '0→1 1→2'
    """
    import igraph

    name = motif_names(size).get(isoclass)
    if name is not None:
        return " ".join(f"{edge[0]}→{edge[1]}" for edge in MOTIFS[size][name].split())
    made: igraph.Graph = igraph.Graph.Isoclass(n=size, cls=isoclass, directed=True)
    return " ".join(f"{source}→{target}" for source, target in sorted(made.get_edgelist()))
