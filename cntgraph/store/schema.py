"""Schema: what stands where in a description, checked before anything is made of it."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from cntgraph.core.errors import StoreError
from cntgraph.network.node_values import NEURON_MEASURES
from cntgraph.network.size import MAX_NODES

Check = Callable[[Any, str], None]

#: Axes that a shape may have, as in HDF5.
_MAX_RANK = 32
#: Values of a tensor: what can be addressed.
_MAX_VALUES = 1 << 60
#: What the sizes of a shape that holds nothing may multiply to: (0, 5) is one, (0, 2**40) is none.
_MAX_EMPTY = 1 << 24
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
    _object(parameters=_list(_PARAMETER))(description, "description")


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
            _refuse(f"neurons.{name}", f"some of {shown}, each once", found)


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
            _refuse(f"measures.{key}", f"at most {_MAX_COLUMNS}", len(description[key]))
    names = [column["name"] for column in description["columns"]]
    if len(set(names)) < len(names) or set(names) & _TAKEN:
        _refuse("measures.columns", "names of their own", names)
    keys = [(entry["measure"], entry["layer"]) for entry in description["histograms"]]
    known = set(layers)
    if len(set(keys)) < len(keys) or any(layer not in known for _, layer in keys):
        _refuse("measures.histograms", "each measure of each layer once", keys)


def _refuse(where: str, expected: str, value: Any) -> None:
    found = reprlib.repr(value)
    raise StoreError(f"{where}: expected {expected}, got {found[:40]}{'…' * (len(found) > 40)}")


def _text(value: Any, where: str) -> None:
    if not isinstance(value, str):
        _refuse(where, "a text", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        _refuse(where, "a text of whole characters", value)


def _flag(value: Any, where: str) -> None:
    if not isinstance(value, bool):
        _refuse(where, "true or false", value)


def _whole(value: Any, where: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        _refuse(where, "a whole number of at most 64 bits", value)


def _size(value: Any, where: str) -> None:
    _whole(value, where)
    if value < 0:
        _refuse(where, "a number that is not negative", value)


def _number(value: Any, where: str) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        _refuse(where, "a number", value)


def _list(item: Check) -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, list):
            _refuse(where, "a list", value)
        for k, found in enumerate(value):
            item(found, f"{where}[{k}]")

    return check


def _shape(largest: int) -> Check:
    """Return the check of a shape: how many entries it may have."""

    def check(value: Any, where: str) -> None:
        _list(_size)(value, where)
        # Of a shape without entries, the other sizes may still be those of something in memory.
        limit = largest if all(value) else _MAX_EMPTY
        if len(value) > _MAX_RANK or prod(size for size in value if size) > limit:
            _refuse(where, f"a shape of at most {_MAX_RANK} axes and {limit:,} entries", value)

    return check


def _object(**required: Check) -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict) or not required.keys() <= value.keys():
            _refuse(where, f"an object with {', '.join(required)}", value)
        for name, found in required.items():
            found(value[name], f"{where}.{name}")

    return check


def _array(item: Check) -> Check:
    """Return the check of an ARRAY: a list of numbers, or a reference to a dataset."""
    listed, reference = _list(item), _object(array=_size)

    def check(value: Any, where: str) -> None:
        (reference if isinstance(value, dict) else listed)(value, where)

    return check


def _view(value: Any, where: str) -> None:
    kind = "start" if isinstance(value, dict) and "start" in value else "ids"
    _VIEWS[kind](value, where)


def _recipe(value: Any, where: str) -> None:
    if where.count(".args[") > _MAX_DEPTH:
        _refuse(where[:40], f"at most {_MAX_DEPTH} operations one in another", value)
    if not isinstance(value, dict):
        _refuse(where, "a recipe", value)
    if "parameter" in value:
        _text(value["parameter"], where)
    elif "constant" in value:
        _nested(_number)(value["constant"], where)
        _TENSOR(value.get("shape", []), where)
    elif "same" in value:
        _size(value["same"], where)
    else:
        _OPERATION(value, where)
        for name in value.keys() - {"op", "args"}:
            _nested(_whole)(value[name], f"{where}.{name}")


def _nested(item: Check, depth: int = _MAX_RANK) -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, list):
            item(value, where)
        elif depth:
            _list(_nested(item, depth - 1))(value, where)
        else:
            _refuse(where, f"at most {_MAX_RANK} lists one in another", value)

    return check


def _optional_recipe(value: Any, where: str) -> None:
    if value is not None:
        _recipe(value, where)


def _block(value: Any, where: str) -> None:
    _BLOCK(value, where)
    if value["kind"] in _STRUCTURAL and value["parametric"]:
        _refuse(f"{where}.parametric", f"false, as {value['kind']} blocks have no weights", True)
    _GEOMETRIES.get(value["kind"], _object())(value["geometry"], f"{where}.geometry")


_NODES, _TENSOR = _shape(MAX_NODES), _shape(_MAX_VALUES)
_VIEWS: Mapping[str, Check] = {
    "start": _object(shape=_NODES, start=_size),
    "ids": _object(shape=_NODES, ids=_array(_whole)),
}
_OPERATION = _object(op=_text, args=_list(_recipe))
_WINDOW = _object(
    fine=_size, coarse=_size, kernel=_size, stride=_size, dilation=_size, before=_whole
)
_STENCIL = _object(
    n_in=_size, n_out=_size, rows=_array(_size), columns=_array(_size), weights=_array(_number)
)
_GEOMETRIES: Mapping[str, Check] = {
    "conv": _object(windows=_list(_WINDOW), groups=_size, transposed=_flag),
    "pool": _object(mode=_text, stencils=_list(_STENCIL)),
    "diagonal": _object(parametric=_flag),
    "identity": _object(modulatory=_flag),
    "sparse": _object(indptr=_array(_size), indices=_array(_size), parametric=_flag),
}
#: Kinds whose weights follow from their geometry.
_STRUCTURAL = ("pool", "identity")
_LAYER = _object(
    name=_text, shape=_NODES, kind=_text, activation=_text, is_input=_flag, is_output=_flag
)
_BLOCK = _object(
    name=_text,
    kind=_text,
    source=_view,
    target=_view,
    weight=_optional_recipe,
    bias=_optional_recipe,
    parametric=_flag,
    modulatory=_flag,
    geometry=_object(),
)
_PARAMETER = _object(name=_text, shape=_TENSOR, dtype=_text, trainable=_flag)
_DESCRIPTION = _object(layers=_list(_LAYER), blocks=_list(_block), parameters=_list(_PARAMETER))
_COVERAGE = _list(
    _object(
        name=_text, kind=_text, status=_text, block=_text, reason=_text, shape=_TENSOR, dtype=_text
    )
)
_NEURONS = _object(measures=_list(_text), layers=_list(_text), quantities=_list(_text))
_MEASURES = _object(
    parameters=_flag,
    columns=_list(_object(name=_text, whole=_flag)),
    statuses=_list(_text),
    histograms=_list(_object(measure=_text, layer=_text)),
)
