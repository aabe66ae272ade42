"""Schema: what stands where in a description, checked before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cntgraph.network.node_values import NEURON_MEASURES
from cntgraph.network.size import MAX_NODES
from cntgraph.store.json_checks import (
    Check,
    array_of,
    flag,
    list_of,
    nested,
    number,
    object_with,
    refuse,
    shape,
    size,
    text,
    whole,
)

#: Values of a tensor: what can be addressed.
_MAX_VALUES = 1 << 60
#: Columns of a table of layers, and the names of those that follow from the topology.
_MAX_COLUMNS = 256
_TAKEN = frozenset({"layer", "kind", "shape", "activation", "status"})
#: Operations that a recipe may be nested in; reading one calls itself for each.
_MAX_DEPTH = 100


def check_description(description: Any, coverage: Any) -> None:
    """Refuse a description or a coverage that is not as FORMAT.md says.

    Whether its parts fit together is for layers, views, recipes and blocks to check; what a block
    of a third party has in its geometry is its own affair.

    Parameters
    ----------
    description, coverage : JSON values
        As they stand in the file.

    Raises
    ------
    StoreError
        The message names the place.

    Examples
    --------
    >>> check_description({"layers": [], "blocks": [], "parameters": []}, {"name": 3})
    Traceback (most recent call last):
    ...
    cntgraph.core.errors.StoreError: coverage: expected a list, got {'name': 3}
    """
    _DESCRIPTION(description, "description")
    _COVERAGE(coverage, "coverage")


def check_parameters(description: Any) -> None:
    """Refuse a description whose parameters are not as FORMAT.md says (see `check_description`)."""
    object_with(parameters=list_of(_PARAMETER))(description, "description")


def check_graph(description: Any) -> None:
    """Refuse a description of an explicit graph that is not as FORMAT.md says.

    Parameters
    ----------
    description : JSON values
        As they stand in the file.

    Raises
    ------
    StoreError
        The message names the place.

    Examples
    --------
    >>> check_graph({"layers": [], "blocks": [{"name": "fc", "parametric": 1}], "labels": {}})
    Traceback (most recent call last):
    ...
    cntgraph.core.errors.StoreError: graph.blocks[0].parametric: expected true or false, got 1
    """
    _GRAPH(description, "graph")
    for key in ("layers", "blocks"):
        names = [entry["name"] for entry in description[key]]
        if len({*names}) < len(names):
            refuse(f"graph.{key}", "names of their own", names)


def check_neurons(description: Any, layers: Sequence[str]) -> None:
    """Refuse a description of summaries of neurons that is not as FORMAT.md says.

    Parameters
    ----------
    description : JSON values
        As they stand in the file.
    layers : sequence of str
        Names of the network's layers.

    Raises
    ------
    StoreError
        The message names the place.

    Examples
    --------
    >>> found = {"measures": ["speed"], "layers": [], "quantities": []}
    >>> check_neurons(found, [])
    Traceback (most recent call last):
    ...
    cntgraph.core.errors.StoreError: neurons.measures: expected some of neuron_strength, ...
    """
    _NEURONS(description, "neurons")
    for name, known in (("measures", NEURON_MEASURES), ("layers", layers)):
        found = description[name]
        if len({*found}) < len(found) or not {*found} <= {*known}:
            shown = "the network's layers" if name == "layers" else ", ".join(known)
            refuse(f"neurons.{name}", f"some of {shown}, each once", found)


def check_measures(description: Any, layers: Sequence[str]) -> None:
    """Refuse a description of measures that is not as FORMAT.md says.

    Parameters
    ----------
    description : JSON values
        As they stand in the file.
    layers : sequence of str
        Names of the network's layers.

    Raises
    ------
    StoreError
        The message names the place.

    Examples
    --------
    >>> columns = [{"name": "fluctuation", "whole": 0}]
    >>> check_measures(
    ...     {"parameters": True, "columns": columns, "statuses": [], "histograms": []}, []
    ... )
    Traceback (most recent call last):
    ...
    cntgraph.core.errors.StoreError: measures.columns[0].whole: expected true or false, got 0
    """
    _MEASURES(description, "measures")
    for key in ("columns", "statuses"):
        if len(description[key]) > _MAX_COLUMNS:
            refuse(f"measures.{key}", f"at most {_MAX_COLUMNS}", len(description[key]))
    names = [column["name"] for column in description["columns"]]
    if len(set(names)) < len(names) or set(names) & _TAKEN:
        refuse("measures.columns", "names of their own", names)
    keys = [(entry["measure"], entry["layer"]) for entry in description["histograms"]]
    known = set(layers)
    if len(set(keys)) < len(keys) or any(layer not in known for _, layer in keys):
        refuse("measures.histograms", "each measure of each layer once", keys)


def _view(value: Any, where: str) -> None:
    kind = "start" if isinstance(value, dict) and "start" in value else "ids"
    _VIEWS[kind](value, where)


def _recipe(value: Any, where: str) -> None:
    if where.count(".args[") > _MAX_DEPTH:
        refuse(where[:40], f"at most {_MAX_DEPTH} operations one in another", value)
    if not isinstance(value, dict):
        refuse(where, "a recipe", value)
    if "parameter" in value:
        text(value["parameter"], where)
    elif "constant" in value:
        nested(number)(value["constant"], where)
        _TENSOR(value.get("shape", []), where)
    elif "same" in value:
        size(value["same"], where)
    else:
        _OPERATION(value, where)
        for name in value.keys() - {"op", "args"}:
            nested(whole)(value[name], f"{where}.{name}")


def _optional_recipe(value: Any, where: str) -> None:
    if value is not None:
        _recipe(value, where)


def _block(value: Any, where: str) -> None:
    _BLOCK(value, where)
    if value["kind"] in _STRUCTURAL and value["parametric"]:
        refuse(f"{where}.parametric", f"false, as {value['kind']} blocks have no weights", True)
    _GEOMETRIES.get(value["kind"], object_with())(value["geometry"], f"{where}.geometry")


def _labels(value: Any, where: str) -> None:
    object_with()(value, where)
    for name, found in value.items():
        if not isinstance(found, int | float | str):
            refuse(f"{where}.{name}", "a number, a text, true or false", found)


_NODES, _TENSOR = shape(MAX_NODES), shape(_MAX_VALUES)
_VIEWS: Mapping[str, Check] = {
    "start": object_with(shape=_NODES, start=size),
    "ids": object_with(shape=_NODES, ids=array_of(whole)),
}
_OPERATION = object_with(op=text, args=list_of(_recipe))
_WINDOW = object_with(fine=size, coarse=size, kernel=size, stride=size, dilation=size, before=whole)
_STENCIL = object_with(
    n_in=size, n_out=size, rows=array_of(size), columns=array_of(size), weights=array_of(number)
)
_GEOMETRIES: Mapping[str, Check] = {
    "conv": object_with(windows=list_of(_WINDOW), groups=size, transposed=flag),
    "pool": object_with(mode=text, stencils=list_of(_STENCIL)),
    "diagonal": object_with(parametric=flag),
    "identity": object_with(modulatory=flag),
    "sparse": object_with(indptr=array_of(size), indices=array_of(size), parametric=flag),
}
#: Kinds whose weights follow from their geometry.
_STRUCTURAL = ("pool", "identity")
_LAYER = object_with(
    name=text, shape=_NODES, kind=text, activation=text, is_input=flag, is_output=flag
)
_BLOCK = object_with(
    name=text,
    kind=text,
    source=_view,
    target=_view,
    weight=_optional_recipe,
    bias=_optional_recipe,
    parametric=flag,
    modulatory=flag,
    geometry=object_with(),
)
_PARAMETER = object_with(name=text, shape=_TENSOR, dtype=text, trainable=flag)
_DESCRIPTION = object_with(
    layers=list_of(_LAYER), blocks=list_of(_block), parameters=list_of(_PARAMETER)
)
_GRAPH = object_with(
    layers=list_of(_LAYER),
    blocks=list_of(object_with(name=text, parametric=flag)),
    labels=_labels,
)
_COVERAGE = list_of(
    object_with(
        name=text, kind=text, status=text, block=text, reason=text, shape=_TENSOR, dtype=text
    )
)
_NEURONS = object_with(measures=list_of(text), layers=list_of(text), quantities=list_of(text))
_MEASURES = object_with(
    parameters=flag,
    columns=list_of(object_with(name=text, whole=flag)),
    statuses=list_of(text),
    histograms=list_of(object_with(measure=text, layer=text)),
)
