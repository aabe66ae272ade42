"""Which tensor of a file is the value of which variable of a model."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from cntgraph.adapters.keras.hdf5 import Contents
from cntgraph.adapters.keras.values import as_array
from cntgraph.adapters.keras.variables import parameters_of
from cntgraph.adapters.keras.watch import patched
from cntgraph.adapters.weights.hdf5_tensors import Tensor
from cntgraph.core.errors import FormatError
from cntgraph.core.parameter import Parameter


def stored_parameters(path: Path, model: Any, contents: Contents) -> dict[int, Parameter]:
    """Return a parameter that reads the file for every variable of a model.

    Parameters
    ----------
    path : Path
        The file, for messages.
    model : keras.Model
        The model, or its skeleton; its variables keep their values.

    Returns
    -------
    dict of int to Parameter
        By the id of the variable.

    Raises
    ------
    FormatError
        If tensors and variables do not match.
    """
    own, found = parameters_of(model), dict[int, Parameter]()

    def assign(_: Any, variable: Any, value: Any) -> None:
        if not isinstance(value, Tensor):  # what a layer makes up itself, such as a LoRA of zeros
            array = as_array(value)
            value = Tensor(array.shape, array.dtype.name, array)
        if id(variable) in own:  # not those of an optimizer
            known = own[id(variable)]
            found[id(variable)] = replace(known, dtype=value.dtype, data=value.data)

    with warnings.catch_warnings(), patched(keras.Variable, "assign", assign):
        warnings.simplefilter("ignore")
        root = contents.older_root()
        if root is None:
            _assign_by_path(path, model, contents)
        else:
            _assign_in_order(path, model, contents, root, own)
    for key, parameter in own.items():
        stateless = not parameter.size or parameter.name.endswith("seed_generator_state")
        if key not in found and not stateless:
            raise FormatError(
                f"{path}: expected a value for the variable {parameter.name!r} of shape "
                f"{parameter.shape}, found none; the weights belong to another model"
            )
    return own | found


# -- Keras 3: groups are named by the attributes that lead to a layer -------------------------


def _assign_by_path(path: Path, model: Any, contents: Contents) -> None:
    """Let every layer of a model take its variables, as Keras does when it loads a file."""
    from keras.src.saving.saving_lib import _load_state

    errors: dict[int, Any] = {}
    _load_state(
        model,
        weights_store=_store(contents),
        assets_store=None,
        inner_path="",
        visited_saveables=set(),
        failed_saveables=set(),
        error_msgs=errors,
    )
    for layer, error in errors.values():
        raise _misfit(path, getattr(layer, "name", layer), error)


def _misfit(path: Path, name: Any, error: Any) -> FormatError:
    return FormatError(
        f"{path}: the weights of {name!r} do not fit the model ({error}); they belong to another "
        "model, or the file is damaged"
    )


def _store(contents: Contents) -> Any:
    """Return the tensors of a file as what Keras loads a model's state from."""
    from keras.src.saving.saving_lib import H5IOStore

    groups = contents.groups

    class Store(H5IOStore):  # type: ignore[misc]
        def __init__(self) -> None:
            """Open nothing: everything is known already."""

        def __bool__(self) -> bool:
            return True

        def get(self, path: str) -> dict[str, Tensor]:
            place = f"{path}/vars" if path else "vars"
            older = place.replace("layers", "_layer_checkpoint_dependencies")
            return groups.get(place, groups.get(older, {}))

        def has_path(self, path: str) -> bool:
            return path in groups

    return Store()


# -- older versions: layers are listed in order -----------------------------------------------


def _assign_in_order(
    path: Path, model: Any, contents: Contents, root: str, own: dict[int, Parameter]
) -> None:
    """Give the layers that have weights those that are listed, one after the other."""
    listed = [_tensors(path, contents, root, name) for name in contents.names(root, "layer_names")]
    listed = [tensors for tensors in listed if tensors]
    layers = [layer for layer in model.layers if layer.weights]
    if len(listed) != len(layers):
        raise FormatError(
            f"{path}: expected weights of {len(layers)} layers, found those of {len(listed)}; "
            "they belong to another model"
        )
    within = {id(v) for layer in layers for v in layer.weights}
    top = [v for v in model.weights if id(v) not in within]
    names = [*(layer.name for layer in layers), "the model"]
    wanted = [*(layer.weights for layer in layers), top]
    listed.append(_tensors(path, contents, root, "top_level_model_weights") if top else [])
    for name, variables, tensors in zip(names, wanted, listed, strict=True):
        if len(variables) != len(tensors):
            raise FormatError(
                f"{path}: expected {len(variables)} weights of {name!r}, found {len(tensors)}; "
                "they belong to another model"
            )
        try:
            # What training changes comes first.
            ordered = sorted(variables, key=lambda v: not own[id(v)].trainable)
            for variable, tensor in zip(ordered, tensors, strict=True):
                variable.assign(tensor)
        except ValueError as error:
            raise _misfit(path, name, error) from error


def _tensors(path: Path, contents: Contents, root: str, layer: str) -> list[Tensor]:
    """Return the tensors of a layer, in the order in which they are listed."""
    group = f"{root}/{layer}" if root else layer
    names = [f"{group}/{name}" for name in contents.names(group, "weight_names")]
    found = [contents.tensor(name) for name in names]
    if None in found:
        missing = names[found.index(None)]
        raise FormatError(f"{path}: the tensor {missing!r} is listed and missing; damaged")
    return [tensor for tensor in found if tensor is not None]
