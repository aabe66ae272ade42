"""What a graph of the format holds: nodes with settings and arrays, and edges by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from cntgraph.adapters.damage import damage
from cntgraph.adapters.weights.hdf5_source import Source
from cntgraph.adapters.weights.hdf5_tensors import Tensor, tensor_of, walk
from cntgraph.core.bounded_hdf5 import read_values
from cntgraph.core.errors import FormatError
from cntgraph.core.parameter import Parameter

#: Fields that are arrays of values, and no settings.
_ARRAYS = frozenset(
    "bias delay r scale tau tau_mem tau_syn threshold v_leak v_reset v_threshold w_in "
    "weight".split()
)
#: What is a graph within a graph, and how deep they may lie.
_GRAPH, _DEEPEST = "NIRGraph", 20
#: Values of a setting; anything longer is none.
_LONGEST = 16


@dataclass(frozen=True, eq=False)
class NirNode:
    """A node of the format: a layer, a population of neurons, an input or an output.

    Parameters
    ----------
    kind : str
        Its type, as the format calls it.
    arrays : dict of str to Parameter
        Its weights and whatever else has many values, by field.
    settings : dict of str to ndarray or str
        Everything else by field.
    """

    kind: str
    arrays: dict[str, Parameter] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def sizes(self, name: str, n: int, default: int | None = None) -> list[int]:
        """Return a setting of one whole number for each of `n` axes; one stands for all.

        Raises
        ------
        FormatError
            If it is missing and has no default, or has another number of values.
        """
        value: Any = self.settings.get(name, default)
        found: list[int] = np.ravel(value).tolist()
        found = found * n if len(found) == 1 else found
        if len(found) != n or not all(isinstance(size, int) for size in found):
            raise FormatError(f"expected {n} whole numbers as {name} of a {self.kind}, got {found}")
        return found


@dataclass(frozen=True, eq=False)
class Description:
    """A graph of the format, those within it laid open.

    Parameters
    ----------
    nodes : dict of str to NirNode
        By name; of a graph within a graph, its name and a dot come first.
    edges : list of (str, str)
        From which node to which.
    """

    nodes: dict[str, NirNode]
    edges: list[tuple[str, str]]


def of_file(path: Path) -> Description:
    """Return what a file holds.

    Raises
    ------
    FormatError
        If it is damaged, or not of this format.
    UnsafeFileError
        If it refers to other files.
    """
    source = Source.of(path)
    tree: dict[str, Any] = {}
    with source.open() as file:
        source.check_texts()
        for place, found in walk(source, file):
            *above, name = place.split("/")
            if not hasattr(found, "dtype"):
                continue
            group = tree
            for part in above:
                group = group.setdefault(part, {})
            group[name] = _value(source, place, name, found)
    with damage(path, "expected a graph of the format NIR", "write it again with nir.write"):
        return _opened(tree.get("node"))


def _value(source: Source, place: str, name: str, dataset: Any) -> Any:
    """Return an array as a tensor, a setting or a text as what it is."""
    tensor = tensor_of(source, place, dataset)
    if name in _ARRAYS:
        return tensor
    texts = source.texts(dataset)
    if texts is not None:
        found = np.array(texts, object).reshape(tensor.shape)
        return found if found.ndim else found.item()
    is_long = dataset.dtype.kind != "S" and prod(tensor.shape) > _LONGEST
    if dataset.dtype.hasobject or is_long:
        raise FormatError(
            f"{source.path}: {place!r} has shape {tensor.shape} and type {dataset.dtype}, "
            "and is a setting"
        )
    found = read_values(dataset)[()]
    return found.decode() if isinstance(found, bytes) else found


def of_graph(graph: Any) -> Description:
    """Return what a live graph of the package ``nir`` holds."""
    return _opened(graph.to_dict())


# -- graphs within graphs -------------------------------------------------------------------------


def _opened(tree: Any) -> Description:
    """Return a graph, those within it laid open."""
    made = Description({}, [])
    _open(tree, "", made, 0)
    return made


def _open(tree: Any, prefix: str, made: Description, depth: int) -> None:
    if not isinstance(tree, Mapping) or tree.get("type") != _GRAPH or depth > _DEEPEST:
        raise FormatError(f"{prefix or 'the file'}: expected a graph of the format NIR, found none")
    nodes: Mapping[str, Any] = tree.get("nodes", {})
    for name, node in nodes.items():
        if node.get("type") == _GRAPH:
            _open(node, f"{prefix}{name}.", made, depth + 1)
        else:
            made.nodes[f"{prefix}{name}"] = _node(f"{prefix}{name}", node)
    for source, target in _pairs(tree.get("edges", [])):
        for name in (source, target):
            if name not in nodes:
                raise FormatError(f"an edge {source!r} → {target!r}, of which {name!r} is no node")
        ends = [(source, _ports(nodes, source, "Output")), (target, _ports(nodes, target, "Input"))]
        (start, stop) = (f"{prefix}{name}{port}" for name, port in ends)
        made.edges.append((start, stop))


def _ports(nodes: Mapping[str, Any], name: str, kind: str) -> str:
    """Return what follows the name of a graph within a graph: its input, or its output."""
    if nodes[name].get("type") != _GRAPH:
        return ""
    within = nodes[name].get("nodes", {})
    found = [port for port, node in within.items() if node.get("type") == kind]
    if len(found) != 1:
        raise FormatError(f"the graph {name!r} has {len(found)} nodes of type {kind}, expected one")
    return f".{found[0]}"


def _pairs(edges: Any) -> Iterator[tuple[str, str]]:
    for pair in edges:
        start, stop = (x.decode() if isinstance(x, bytes) else str(x) for x in pair)
        yield start, stop


def _node(name: str, fields: Mapping[str, Any]) -> NirNode:
    kind = fields.get("type")
    if not isinstance(kind, str):
        raise FormatError(f"the node {name!r} has no type")
    node = NirNode(kind)
    for key, value in fields.items():
        if key in _ARRAYS and value is not None:
            node.arrays[key] = _parameter(f"{name}.{key}", value)
        elif key not in ("type", "metadata") and value is not None:
            node.settings[key] = value
    return node


def _parameter(label: str, value: Any) -> Parameter:
    if isinstance(value, Tensor):
        return Parameter(label, value.shape, value.dtype, value.data)
    return Parameter.from_array(label, np.asarray(value))
