"""Attribution graphs of circuit-tracer and Neuronpedia: ``nodes`` and ``links``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cntgraph.core.errors import FormatError
from cntgraph.graph.attribution.named_edges import NamedEdge, NamedNode, graph_of, weight_of
from cntgraph.graph.graph import Graph

#: Fields of a node that become columns, and what stands where there is none.
_COLUMNS: Mapping[str, tuple[str, Any]] = {
    "feature": ("feature", -1), "ctx_idx": ("position", -1), "feature_type": ("feature_type", ""),
    "clerp": ("description", ""), "activation": ("feature_activation", float("nan")),
    "influence": ("influence", float("nan")), "token_prob": ("token_probability", 0.0),
    "is_target_logit": ("is_target_logit", False),
}  # fmt: skip
_LOGIT, _EMBEDDING, _FIRST, _LAST = "logit", "embedding", -1, 1 << 60


def recognizes(data: Mapping[str, Any]) -> bool:
    """Whether a file has the fields of an attribution graph."""
    return isinstance(data.get("nodes"), list) and isinstance(data.get("links"), list)


def graph_from(data: Mapping[str, Any]) -> Graph:
    """Return the graph of a file, read as JSON.

    Raises
    ------
    FormatError
        If a node or a link is not what it should be.
    """
    nodes = [_node(k, found) for k, found in enumerate(data["nodes"])]
    edges = [_edge(k, found) for k, found in enumerate(data["links"])]
    graph = graph_of(sorted(nodes, key=lambda node: node.attributes["position"]), edges,
                     _EMBEDDING, _LOGIT)  # fmt: skip
    metadata = data.get("metadata")
    graph.nodes.attrs["metadata"] = metadata if isinstance(metadata, dict) else {}
    return graph


def _node(k: int, found: Any) -> NamedNode:
    what = f"entry {k} of 'nodes'"
    if not isinstance(found, dict) or not isinstance(found.get("node_id"), str):
        raise FormatError(f"{what}: expected a node with a text as 'node_id', got {found!r:.80}")
    layer, kind = found.get("layer"), found.get("feature_type", "")
    if isinstance(layer, bool) or not isinstance(layer, str | int) or not isinstance(kind, str):
        raise FormatError(f"{what}: expected a 'layer' and a 'feature_type', got {found!r:.80}")
    attributes = {name: _value(what, key, found.get(key), default)
                  for key, (name, default) in _COLUMNS.items()}  # fmt: skip
    return NamedNode(found["node_id"], *_place(str(layer), kind), attributes)


def _place(layer: str, feature_type: str) -> tuple[str, str, int]:
    """Return name, kind and depth of the layer of a node."""
    if feature_type == _LOGIT:
        return "logits", _LOGIT, _LAST
    if layer == "E" or feature_type == _EMBEDDING:
        return "embedding", _EMBEDDING, _FIRST
    try:
        return f"layer {int(layer)}", "features", int(layer)
    except ValueError:
        return layer, "features", _LAST - 1


def _value(what: str, key: str, value: Any, default: Any) -> Any:
    """Return a field of a node in the type that its column has."""
    if value is None:
        return default
    fits = isinstance(value, str) if isinstance(default, str) else isinstance(value, int | float)
    if not fits:
        raise FormatError(f"{what}: expected {key!r} like {default!r}, got {value!r:.80}")
    return type(default)(value)


def _edge(k: int, found: Any) -> NamedEdge:
    what, link = f"entry {k} of 'links'", found if isinstance(found, dict) else {}
    source, target = link.get("source"), link.get("target")
    if not isinstance(source, str) or not isinstance(target, str):
        raise FormatError(f"{what}: expected 'source', 'target' and 'weight', got {found!r:.80}")
    return NamedEdge(source, target, weight_of(what, link.get("weight")), "attribution")
