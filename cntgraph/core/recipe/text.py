"""A recipe as JSON values, and back (store/FORMAT.md is the contract)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cntgraph.core.errors import ParameterError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe.elementwise import BINARY, CHOICE, UNARY
from cntgraph.core.recipe.recipe import Recipe

#: A recipe of more parts, those that are shared counted where they are read, is written by numbers.
_LARGEST_TREE = 256
#: The operations of files of the versions before 3.
_FIRST = frozenset(
    "add subtract multiply divide sqrt square negative absolute transpose reshape take gather "
    "concatenate sum sum_by".split()
)


def recipe_to_json(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as JSON values; parameters are written by name.

    Parameters
    ----------
    recipe : Recipe

    Returns
    -------
    dict
    """
    return _written(recipe, {} if _size(recipe) > _LARGEST_TREE else None, {})


def _size(recipe: Recipe) -> int:
    """Return how many parts there are, those that are shared counted where they are read."""
    sizes: dict[int, int] = {}
    for part in sorted(recipe.parts(), key=lambda part: part.depth):
        sizes[id(part)] = 1 + sum(sizes[id(arg)] for arg in part.args)
    return sizes[id(recipe)]


def _written(recipe: Recipe, known: dict[Any, int] | None, keys: dict[int, Any]) -> dict[str, Any]:
    """Write a recipe; an operation that stands in it already is `same`, by its number.

    Parameters
    ----------
    known : dict or None
        The numbers of operations that are written, by what they are; None to write all in full.
    keys : dict of int to object
        What parts are, by their `id`: their numbers, or for leaves their text.
    """
    if known is not None and id(recipe) in keys and recipe.args:
        return {"same": keys[id(recipe)]}
    if recipe.parameter is not None:
        keys[id(recipe)] = f"parameter {recipe.parameter.name}"
        return {"parameter": recipe.parameter.name}
    if recipe.value is not None:
        # Nested lists lose the shape of a value that is empty.
        shape = {"shape": list(recipe.shape)} if 0 in recipe.shape else {}
        keys[id(recipe)] = recipe.shape, recipe.value.tobytes()
        return {"constant": recipe.value.tolist(), **shape}
    args = [_written(arg, known, keys) for arg in recipe.args]
    written = {"op": recipe.op, "args": args, **dict(map(_listed, recipe.options.items()))}
    if known is None:
        return written
    # By what it is: whether parts are shared in memory is not to be seen in a file.
    what = recipe.op, *(keys[id(arg)] for arg in recipe.args), *map(_as_key, recipe.options.items())
    is_new = what not in known
    keys[id(recipe)] = known.setdefault(what, len(known))
    return written if is_new else {"same": known[what]}


def _as_key(option: tuple[str, Any]) -> Any:
    name, value = option
    return name, value.tobytes() if isinstance(value, np.ndarray) else str(value)


def _listed(option: tuple[str, Any]) -> tuple[str, Any]:
    name, value = option
    return name, value.tolist() if isinstance(value, np.ndarray) else value


def needs_version_3(data: Any) -> bool:
    """Whether what `recipe_to_json` returned has anything that older files did not."""
    if data is None or "op" not in data:
        return "same" in (data or {})
    return data["op"] not in _FIRST or any(map(needs_version_3, data["args"]))


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
    return _read(data, parameters, [])


def _read(
    data: Mapping[str, Any], parameters: Mapping[str, Parameter], made: list[Recipe]
) -> Recipe:
    """Rebuild a recipe; `made` has the operations before it, which may come again."""
    if "parameter" in data:
        if data["parameter"] not in parameters:
            raise ParameterError(f"the recipe reads {data['parameter']!r}, which is missing")
        return Recipe.of(parameters[data["parameter"]])
    if "constant" in data:
        value = np.asarray(data["constant"], dtype=np.float64)
        return Recipe.constant(value.reshape(data.get("shape", value.shape)))
    if "same" in data:
        if data["same"] not in range(len(made)):
            raise ParameterError(f"the recipe has no operation number {data['same']!r} before this")
        return made[int(data["same"])]
    args = tuple(_read(arg, parameters, made) for arg in data.get("args", ()))
    try:
        found = _rebuild(data, args)
    except (KeyError, TypeError) as error:
        raise ParameterError(
            f"the recipe's operation {data.get('op')!r} is not complete ({error!r})"
        ) from error
    made.append(found)
    return found


#: How an operation on one recipe is made again from its arguments, by its name.
_OF_ONE: dict[str, Callable[[Recipe, Mapping[str, Any]], Recipe]] = {
    "transpose": lambda x, data: x.transpose(tuple(data["axes"])),
    "reshape": lambda x, data: x.reshape(tuple(data["shape"])),
    "take": lambda x, data: x.take(data["axis"], data["start"], data["stop"], data["step"]),
    "gather": lambda x, data: x.gather(data["axis"], data["indices"]),
    "sum": lambda x, data: x.sum(tuple(data["axes"])),
    "max": lambda x, data: x.max(tuple(data["axes"])),
    "sum_by": lambda x, data: x.sum_by(data["axis"], data["labels"], data["n"]),
}


def _rebuild(data: Mapping[str, Any], args: tuple[Recipe, ...]) -> Recipe:
    op = data.get("op")
    if op in BINARY and len(args) == 2:
        return args[0].binary(op, args[1])
    if op in UNARY and len(args) == 1:
        return args[0].unary(op)
    if op in CHOICE and len(args) == 3:
        return args[0].where(*args[1:])
    if op == "matmul" and len(args) == 2:
        return args[0] @ args[1]
    if op == "concatenate" and args:
        return Recipe.concatenate(args, data["axis"])
    if op in _OF_ONE and len(args) == 1:
        return _OF_ONE[op](args[0], data)
    raise ParameterError(
        f"unknown operation {op!r} in a recipe; was it written by a newer cntgraph?"
    )
