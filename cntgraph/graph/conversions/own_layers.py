"""The layers of a graph that comes from elsewhere, and the order of its nodes by layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.names import unknown_name
from cntgraph.core.types import Array, Ids
from cntgraph.graph.conversions.own_edges import OwnEdges
from cntgraph.network.layer import Layer

#: Layers, or sizes or shapes by name, in node order; a label per node; or by depth.
Layering: TypeAlias = Sequence[Layer] | Mapping[str, int | tuple[int, ...]] | Sequence[Any] | str

#: What the layers of such graphs are a kind of.
KIND = "nodes"


class Layered(NamedTuple):
    """Layers, and the nodes in their order: ``order[k]`` was the k-th node's number before."""

    layers: tuple[Layer, ...]
    order: Ids


def own_layers(
    edges: OwnEdges,
    layers: Layering | None,
    inputs: Iterable[str] | None = None,
    outputs: Iterable[str] | None = None,
) -> Layered:
    """Return the layers of edges from elsewhere.

    Parameters
    ----------
    edges : OwnEdges
    layers, inputs, outputs
        As in `Graph.from_scipy`.

    Returns
    -------
    Layered

    Raises
    ------
    CntGraphError
        If the layers do not hold every node, or one of them is called by no name of a layer.
    UndefinedMeasureError
        If there is no order of depth.

    Examples
    --------
    >>> ends = np.array([0, 1]), np.array([2, 2])
    >>> found = own_layers(OwnEdges(3, *ends, np.ones(2)), ["b", "a", "b"])
    >>> [layer.name for layer in found.layers], found.order
    (['b', 'a'], array([0, 2, 1]))
    """
    found = _layered(edges, layers)
    if inputs is None and outputs is None and _ready(layers):
        return found
    names = [layer.name for layer in found.layers]
    several = len(names) > 1
    into = set(names[:1] if inputs is None and several else inputs or ())
    out = set(names[-1:] if outputs is None and several else outputs or ())
    unknown = sorted((into | out) - set(names))
    if unknown:
        raise unknown_name(unknown[0], names, "layer")
    marked = (
        replace(layer, is_input=layer.name in into, is_output=layer.name in out)
        for layer in found.layers
    )
    return Layered(tuple(marked), found.order)


def _ready(layers: Layering | None) -> list[Layer]:
    """Return layers that are given as such."""
    ready = isinstance(layers, list | tuple) and bool(layers) and isinstance(layers[0], Layer)
    return list(layers) if ready else []  # type: ignore[arg-type]


def _layered(edges: OwnEdges, layers: Layering | None) -> Layered:
    n = edges.n_nodes
    if layers is None:
        return _in_order([Layer("nodes", (n,), KIND)], n)
    if isinstance(layers, str):
        if layers != "topological":
            raise CntGraphError(f"expected layers to be 'topological' or layers; got {layers!r}")
        depth = node_depths(edges)
        return _grouped(depth, [f"depth {k}" for k in range(int(depth.max(initial=-1)) + 1)])
    if isinstance(layers, Mapping):
        sizes = ((name, (k,) if isinstance(k, int) else tuple(k)) for name, k in layers.items())
        return _in_order([Layer(name, shape, KIND) for name, shape in sizes], n)
    if ready := _ready(layers):
        return _in_order(ready, n)
    return _labeled(np.asarray(layers), n)


def _in_order(layers: list[Layer], n: int) -> Layered:
    """Return layers that hold the nodes as they come."""
    ends = np.cumsum([layer.n_nodes for layer in layers])
    if n != (ends[-1] if layers else 0):
        raise CntGraphError(
            f"expected layers of {n} nodes in all; got {[layer.n_nodes for layer in layers]}"
        )
    starts = (int(end) - layer.n_nodes for end, layer in zip(ends, layers, strict=True))
    placed = (replace(layer, start=k) for layer, k in zip(layers, starts, strict=True))
    return Layered(tuple(placed), np.arange(n))


def _labeled(labels: Array, n: int) -> Layered:
    """Return the layers of nodes by their labels: numbers ascend, others as they first occur."""
    if labels.shape != (n,):
        raise CntGraphError(
            f"expected the layer of each of {n} nodes; got labels of shape {labels.shape}"
        )
    if labels.dtype.kind in "biuf":
        names, codes = np.unique(labels, return_inverse=True)
        return _grouped(codes, [str(name) for name in names.tolist()])
    numbers: dict[str, int] = {}
    codes = np.array([numbers.setdefault(str(name), len(numbers)) for name in labels], np.int64)
    return _grouped(codes, list(numbers))


def _grouped(codes: Ids, names: list[str]) -> Layered:
    sizes = np.bincount(codes, minlength=len(names))
    layers = [Layer(name, (int(n),), KIND) for name, n in zip(names, sizes, strict=True)]
    return _in_order(layers, len(codes))._replace(order=np.argsort(codes, kind="stable"))


def node_depths(edges: OwnEdges) -> Ids:
    """Return how many edges the longest path to each node has; where no edge leaves, the most.

    So nodes without an edge in are first, and those without an edge out are last, together.

    Raises
    ------
    UndefinedMeasureError
        If there are loops.

    Examples
    --------
    >>> ends = np.array([0, 1, 0]), np.array([1, 2, 3])
    >>> node_depths(OwnEdges(5, *ends, np.ones(3)))
    array([0, 1, 2, 2, 0])
    """
    from cntgraph.core.kernels.depths import longest_paths

    n = edges.n_nodes
    order = np.argsort(edges.source, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(edges.source, minlength=n))])
    depth = np.zeros(n, dtype=np.int64)
    if longest_paths(indptr, edges.target[order], depth) < n:
        raise UndefinedMeasureError(
            "layers='topological' orders nodes by depth, and there are loops, round which there "
            "is none; name the layers, or leave layers= out: all nodes are one layer then"
        )
    last = (np.diff(indptr) == 0) & (np.bincount(edges.target, minlength=n) > 0)
    depth[last] = depth.max(initial=0)
    return depth
