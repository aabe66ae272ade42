"""Keras variables: their names, and parameters that read them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cntgraph.core.parameter import Parameter, storage_dtype
from cntgraph.network.layer import unique_name


class VariableHandle:
    """What a parameter of a live model reads from: the variable's present value."""

    def __init__(self, variable: Any) -> None:
        self._variable, self.shape = variable, tuple(variable.shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return a part of the stored bits; memory is shared where the backend allows it."""
        value = self._variable.value
        if hasattr(value, "detach"):
            from cntgraph.adapters.torch.tensors import stored_array

            return np.asarray(stored_array(value)[0][key])
        array = np.asarray(value)
        # JAX hands over types that NumPy does not know by itself; their bits are wanted.
        stored = storage_dtype(str(array.dtype.name))
        return np.asarray((array if array.dtype == stored else array.view(stored))[key])


def parameters_of(model: Any) -> dict[int, Parameter]:
    """Return a parameter for every variable of a model, by the id of the variable.

    They are called by the path of their layer, and their own name: as Keras' ``variable.path`` has
    it in a model that is built as a whole. A name that two variables have gets a number. Those of
    metrics and optimizers are left out.
    """
    found: dict[int, Parameter] = {}
    names: set[str] = set()
    for layer, path in _layers(model).values():
        generators = [generator.state for generator in getattr(layer, "_seed_generators", ())]
        learned = layer._trainable_variables  # those that are frozen at present among them
        for variable in (*learned, *layer._non_trainable_variables, *generators):
            if id(variable) in found:
                continue
            name = unique_name(path + variable.name, names)
            shape, dtype = tuple(variable.shape), keras.backend.standardize_dtype(variable.dtype)
            trainable = any(variable is other for other in learned)
            found[id(variable)] = Parameter(name, shape, dtype, VariableHandle(variable), trainable)
    return found


def _layers(
    layer: Any, path: str = "", found: dict[int, tuple[Any, str]] | None = None
) -> dict[int, tuple[Any, str]]:
    """Return a layer and all layers in it, each once, with what names of its variables begin with.

    Of a model, those of its graph come first.
    """
    found = {} if found is None else found
    if id(layer) not in found:
        found[id(layer)] = layer, path
        graph = layer.layers if isinstance(layer, keras.Model) else []
        functional = getattr(layer, "_functional", None)
        for child in (*graph, *layer._layers):
            if child is not functional:
                _layers(child, f"{path}{child.name}/", found)
    return found
