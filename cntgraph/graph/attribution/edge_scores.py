"""Graphs of scored edges, as edge attribution patching writes them: ``a0.h1->m2``.

Nodes are the input, heads (``a0.h1``), MLPs (``m2``) and the logits; an edge that leads to a head
ends in its queries, keys or values (``m0->a1.h2<q>``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cntgraph.core.errors import FormatError
from cntgraph.graph.attribution.named_edges import NamedEdge, NamedNode, graph_of, weight_of
from cntgraph.graph.graph import Graph

_EDGE = re.compile(r"(?P<source>[^<>]+?)->(?P<target>[^<>]+?)(?:<(?P<part>[qkv])>)?")
_HEAD, _MLP = re.compile(r"a(\d{1,9})\.h(\d{1,9})"), re.compile(r"m(\d{1,9})")
#: What the edges of a head's parts are called, and all others.
_BLOCKS = {"q": "query", "k": "key", "v": "value", None: "residual"}
_LAST = 1 << 60


def recognizes(data: Mapping[str, Any]) -> bool:
    """Whether a file has edges by name."""
    return isinstance(data.get("edges"), dict)


def graph_from(data: Mapping[str, Any], *, in_circuit: bool) -> Graph:
    """Return the graph of a file, read as JSON.

    Parameters
    ----------
    in_circuit : bool
        Whether only the edges are taken that the file marks as parts of a circuit.

    Raises
    ------
    FormatError
        If an edge has a name or a score that is none.
    """
    marks = data.get("nodes")
    marks = marks if isinstance(marks, dict) else {}
    edges = list(_edges(data["edges"], in_circuit))
    names = dict.fromkeys([*marks, *(end for e in edges for end in (e.source, e.target))])
    nodes = [NamedNode(name, *_place(name), {"in_circuit": _marked(marks.get(name, True))})
             for name in names]  # fmt: skip
    graph = graph_of(nodes, edges, "input", "logits")
    config = data.get("cfg")
    graph.nodes.attrs["metadata"] = config if isinstance(config, dict) else {}
    return graph


def _edges(found: Mapping[str, Any], in_circuit: bool) -> Iterator[NamedEdge]:
    for name, entry in found.items():
        match = _EDGE.fullmatch(name)
        if match is None:
            raise FormatError(f"{name!r} is no edge; expected 'source->target' as in 'a0.h1->m2'")
        score = entry.get("score") if isinstance(entry, dict) else entry
        if in_circuit and not _marked(entry):
            continue
        weight = weight_of(f"the edge {name!r}", score)
        yield NamedEdge(match["source"], match["target"], weight, _BLOCKS[match["part"]])


def _marked(entry: Any) -> bool:
    """Whether an edge or a node is marked as part of a circuit; all are, where nothing is said."""
    if isinstance(entry, dict):
        return bool(entry.get("in_graph", True))
    return entry is not False


def _place(name: str) -> tuple[str, str, int]:
    """Return name, kind and depth of the layer of a node."""
    head, mlp = _HEAD.fullmatch(name), _MLP.fullmatch(name)
    if head is not None:
        return f"attention {int(head[1])}", "attention", 2 * int(head[1])
    if mlp is not None:
        return f"mlp {int(mlp[1])}", "mlp", 2 * int(mlp[1]) + 1
    if name == "input":
        return "input", "input", -1
    return (name, "logits", _LAST) if name == "logits" else (name, "component", _LAST - 1)
