"""A network's topology as JSON values, and back (FORMAT.md is the contract)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import entry_points
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import GraphSizeError, StoreError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe, recipe_from_json, recipe_to_json
from cntgraph.core.view import View
from cntgraph.network.blocks import Block, Conv, Dense, Diagonal, Identity, Pool, Sparse
from cntgraph.network.coverage import CoverageEntry
from cntgraph.network.layer import Layer
from cntgraph.network.network import Network
from cntgraph.network.size import MAX_NODES
from cntgraph.store.schema import check_description

#: Arrays up to this size are written as lists.
_INLINE = 256
#: How many values a recipe may make of each stored one, those in between counted. And how many it
#: may make in any case: a table of one row looked up at many positions.
_MAX_GROWTH, _ALWAYS_FITS = 1 << 8, 1 << 26
_BUILTIN: tuple[type[Block], ...] = (Conv, Dense, Diagonal, Identity, Pool, Sparse)

GetArray = Callable[[int], NDArray[Any]]


# Looking entry points up takes longer than reading a small file; a population has thousands.
@lru_cache(maxsize=1)
def block_kinds() -> dict[str, type[Block]]:
    """Return the class of every kind of block, those of third parties included.

    Returns
    -------
    dict of str to type

    Examples
    --------
    >>> sorted(block_kinds())[:3]
    ['conv', 'dense', 'diagonal']
    """
    kinds = {kind.kind: kind for kind in _BUILTIN}
    for point in entry_points(group="cntgraph.blocks"):
        kinds.setdefault(point.name, point.load())
    return kinds


# -- writing ------------------------------------------------------------------------------------


def describe_network(net: Network) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Return a network's topology as JSON values, and the arrays that they refer to.

    Parameters
    ----------
    net : Network

    Returns
    -------
    description : dict
    arrays : list of ndarray
    """
    arrays: list[NDArray[Any]] = []
    description = {
        "layers": [describe_layer(layer) for layer in net.layers],
        "blocks": [_block(block, arrays) for block in net.blocks],
        "parameters": [_parameter(parameter) for parameter in net.parameters.values()],
    }
    return description, arrays


def describe_coverage(net: Network) -> list[dict[str, Any]]:
    """Return a network's coverage entries as JSON values."""
    return [{**vars(entry), "shape": list(entry.shape)} for entry in net.entries]


def describe_layer(layer: Layer) -> dict[str, Any]:
    """Return a layer as JSON values; where it begins follows from those before it."""
    values = {key: value for key, value in vars(layer).items() if key != "start"}
    return {**values, "shape": list(layer.shape)}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "shape": list(parameter.shape),
        "dtype": parameter.dtype,
        "trainable": parameter.trainable,
    }


def _block(block: Block, arrays: list[NDArray[Any]]) -> dict[str, Any]:
    return {
        "name": block.name,
        "kind": block.kind,
        "source": _view(block.source, arrays),
        "target": _view(block.target, arrays),
        "weight": None if block.weight is None else recipe_to_json(block.weight),
        "bias": None if block.bias is None else recipe_to_json(block.bias),
        "parametric": block.parametric,
        "modulatory": block.modulatory,
        "geometry": _plain(block.geometry(), arrays),
    }


def _view(view: View, arrays: list[NDArray[Any]]) -> dict[str, Any]:
    if view.ids is None:
        return {"shape": list(view.shape), "start": view.start}
    return {"shape": list(view.shape), "ids": _plain(view.ids, arrays)}


def _plain(value: Any, arrays: list[NDArray[Any]]) -> Any:
    """Replace arrays in nested values by lists, or by references where they are large."""
    if isinstance(value, dict):
        return {key: _plain(item, arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, arrays) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, np.ndarray):
        return value
    if value.size <= _INLINE:
        return value.tolist()
    arrays.append(value)
    return {"array": len(arrays) - 1}


def differences(left: Network, right: Network) -> list[str]:
    """Return in what the topologies of two networks differ; no tensor is read.

    Parameters
    ----------
    left, right : Network

    Returns
    -------
    list of str
        Some of "layers", "blocks" and "parameters"; empty if they are of one network.

    Examples
    --------
    >>> import cntgraph as cg
    >>> differences(cg.toy("mlp"), cg.toy("mlp")), differences(cg.toy("mlp"), cg.toy("cnn"))
    ([], ['layers', 'blocks', 'parameters'])
    """
    (ours, our_arrays), (theirs, their_arrays) = describe_network(left), describe_network(right)
    # As text, in which a NaN among the constants equals itself.
    found = [key for key in ours if json.dumps(ours[key]) != json.dumps(theirs[key])]
    if not found and not all(map(np.array_equal, our_arrays, their_arrays)):
        found = ["blocks"]
    return found


# -- reading ------------------------------------------------------------------------------------


def rebuild_network(
    description: Mapping[str, Any],
    coverage: list[Mapping[str, Any]],
    parameters: Mapping[str, Parameter],
    labels: Mapping[str, Any],
    get_array: GetArray,
) -> Network:
    """Return the network that a description speaks of, reading from `parameters`.

    Parameters
    ----------
    description : mapping
        What `describe_network` returned.
    coverage : list of mapping
        What `describe_coverage` returned.
    parameters : mapping of str to Parameter
        The tensors of one snapshot.
    labels : mapping
        What is known of that snapshot.
    get_array : callable
        Returns the array of a number.

    Returns
    -------
    Network

    Raises
    ------
    StoreError
        If a block is of an unknown kind, or the description is damaged.
    """
    check_description(description, coverage)
    layers = rebuild_layers(description["layers"])
    kinds = block_kinds()
    blocks = [_rebuilt(b, kinds, parameters, get_array) for b in description["blocks"]]
    entries = [CoverageEntry(**{**e, "shape": tuple(e["shape"])}) for e in coverage]
    net = Network(layers, tuple(blocks), parameters, tuple(entries), dict(labels))
    for block in blocks:
        if len(net.layers_of(block.target)) > 1 or block.target.mask is not None:
            raise StoreError(f"block {block.name!r} does not end in one layer")
    return net


def rebuild_layers(listed: list[Mapping[str, Any]]) -> tuple[Layer, ...]:
    """Return the layers that `describe_layer` described, in node order.

    Raises
    ------
    GraphSizeError
        If they have more nodes than a network may have.
    """
    layers, start = [], 0
    for values in listed:
        layer = Layer(**{**values, "shape": tuple(values["shape"]), "start": start})
        layers.append(layer)
        start += layer.n_nodes
    if start > MAX_NODES:
        raise GraphSizeError(f"expected at most {MAX_NODES:,} nodes, got {start:,}")
    return tuple(layers)


def _rebuilt(
    values: Mapping[str, Any],
    kinds: Mapping[str, type[Block]],
    parameters: Mapping[str, Parameter],
    get_array: GetArray,
) -> Block:
    if values["kind"] not in kinds:
        raise StoreError(
            f"block {values['name']!r} is of the unknown kind {values['kind']!r}; known are "
            f"{', '.join(sorted(kinds))}: install the package that defines it, or a newer cntgraph"
        )
    common: dict[str, Any] = {
        "name": values["name"],
        "source": _rebuilt_view(values["source"], get_array),
        "target": _rebuilt_view(values["target"], get_array),
    }
    for key in ("weight", "bias"):
        if values[key] is not None:
            common[key] = recipe_from_json(values[key], parameters)
            _check_growth(common[key], f"the {key} of block {values['name']!r}")
    geometry = _with_arrays(values["geometry"], get_array)
    block = kinds[values["kind"]].from_geometry(geometry, **common)
    if block.bias is not None:
        # Raises where the bias does not fit its targets.
        np.broadcast_to(np.broadcast_to(0.0, block.bias.shape), block.target.shape)
    parametric, modulatory = bool(values["parametric"]), bool(values["modulatory"])
    if (block.parametric, block.modulatory) == (parametric, modulatory):
        return block
    return replace(block, parametric=parametric, modulatory=modulatory)


def _check_growth(recipe: Recipe, what: str) -> None:
    """Refuse a recipe that makes far more values than it is made of, before they are made."""
    parts = list(recipe.parts())
    stored = sum(part.own_cost for part in parts if not part.args)
    made = sum(part.own_cost for part in parts)
    if made > max(_MAX_GROWTH * stored, _ALWAYS_FITS):
        raise StoreError(f"{what} would make {made:,} values of {stored:,} stored ones")


def _rebuilt_view(values: Mapping[str, Any], get_array: GetArray) -> View:
    shape = tuple(values["shape"])
    if "start" in values:
        return View(shape, values["start"])
    ids = np.asarray(_with_arrays(values["ids"], get_array))
    if ids.shape != (prod(shape),) or (ids.size and ids.dtype.kind not in "iu"):
        raise StoreError(f"a view of shape {shape} has {ids.size} node ids of type {ids.dtype}")
    return View(shape, 0, ids.astype(np.int64, copy=False))


def _with_arrays(value: Any, get_array: GetArray) -> Any:
    """Put arrays back where references to them stand."""
    if isinstance(value, dict):
        if value.keys() == {"array"}:
            return get_array(value["array"])
        return {key: _with_arrays(item, get_array) for key, item in value.items()}
    if isinstance(value, list) and value and not isinstance(value[0], int | float):
        return [_with_arrays(item, get_array) for item in value]
    return value
