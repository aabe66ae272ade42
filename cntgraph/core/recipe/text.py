"""A recipe as JSON values, and back (store/FORMAT.md is the contract)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cntgraph.core.errors import ParameterError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe.reading import BINARY, UNARY
from cntgraph.core.recipe.recipe import Recipe


def recipe_to_json(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as JSON values; parameters are written by name.

    Parameters
    ----------
    recipe : Recipe

    Returns
    -------
    dict
    """
    if recipe.parameter is not None:
        return {"parameter": recipe.parameter.name}
    if recipe.value is not None:
        # Nested lists lose the shape of a value that is empty.
        shape = {"shape": list(recipe.shape)} if 0 in recipe.shape else {}
        return {"constant": recipe.value.tolist(), **shape}
    options = {key: _listed(value) for key, value in recipe.options.items()}
    return {"op": recipe.op, "args": [recipe_to_json(arg) for arg in recipe.args], **options}


def _listed(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def recipe_from_json(data: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> Recipe:
    """Rebuild a recipe from `recipe_to_json`'s values, reading from `parameters`.

    Parameters
    ----------
    data : mapping
        What `recipe_to_json` returned.
    parameters : mapping of str to Parameter
        By their names.

    Returns
    -------
    Recipe

    Raises
    ------
    ParameterError
        If an operation is unknown, a parameter is missing, or shapes do not fit.

    Examples
    --------
    >>> w = Parameter.from_array("w", np.array([3.0, 4.0]))
    >>> data = recipe_to_json(Recipe.of(w).square())
    >>> data
    {'op': 'square', 'args': [{'parameter': 'w'}]}
    >>> recipe_from_json(data, {"w": w}).read()
    array([ 9., 16.])
    """
    if "parameter" in data:
        if data["parameter"] not in parameters:
            raise ParameterError(f"the recipe reads {data['parameter']!r}, which is missing")
        return Recipe.of(parameters[data["parameter"]])
    if "constant" in data:
        value = np.asarray(data["constant"], dtype=np.float64)
        return Recipe.constant(value.reshape(data.get("shape", value.shape)))
    args = tuple(recipe_from_json(arg, parameters) for arg in data.get("args", ()))
    try:
        return _rebuild(data, args)
    except (KeyError, TypeError) as error:
        raise ParameterError(
            f"the recipe's operation {data.get('op')!r} is not complete ({error!r})"
        ) from error


def _rebuild(data: Mapping[str, Any], args: tuple[Recipe, ...]) -> Recipe:
    op = data.get("op")
    if op in BINARY and len(args) == 2:
        return args[0].binary(op, args[1])
    if op in UNARY and len(args) == 1:
        return args[0].unary(op)
    if op == "concatenate" and args:
        return Recipe.concatenate(args, data["axis"])
    if len(args) == 1:
        if op == "transpose":
            return args[0].transpose(tuple(data["axes"]))
        if op == "reshape":
            return args[0].reshape(tuple(data["shape"]))
        if op == "take":
            return args[0].take(data["axis"], data["start"], data["stop"], data["step"])
        if op == "gather":
            return args[0].gather(data["axis"], data["indices"])
        if op == "sum":
            return args[0].sum(tuple(data["axes"]))
        if op == "sum_by":
            return args[0].sum_by(data["axis"], data["labels"], data["n"])
    raise ParameterError(
        f"unknown operation {op!r} in a recipe; was it written by a newer cntgraph?"
    )
