"""Keras variables: their names, parameters that read them, and symbols that stand for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.keras.values import Weights
from cntgraph.core.parameter import ArrayHandle, Parameter, storage_dtype
from cntgraph.core.recipe import Recipe

#: Where layers keep lists of their variables and layers; what they compute with is elsewhere.
_TRACKED = frozenset(
    "_trainable_variables _non_trainable_variables _layers _metrics _seed_generators _tracker "
    "_torch_params _parameters _modules _buffers".split()
)


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


def named_variables(model: Any) -> dict[str, Any]:
    """Return every variable of a model by name: the path of its layer, and its own name.

    Returns
    -------
    dict of str to keras.Variable
        Each once, under the first of its names; those of metrics and optimizers left out. The
        names are Keras' ``variable.path`` of a model that is built as a whole. A name that two
        variables have gets a number.
    """
    found: dict[str, Any] = {}
    names: dict[int, str] = {}
    for layer, path in _layers(model).values():
        generators = [generator.state for generator in getattr(layer, "_seed_generators", ())]
        for variable in (*layer._trainable_variables, *layer._non_trainable_variables, *generators):
            if id(variable) not in names:
                name, k = path + variable.name, 1
                while name in found:
                    k += 1
                    name = f"{path}{variable.name}_{k}"
                names[id(variable)], found[name] = name, variable
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


def all_layers(model: Any) -> list[Any]:
    """Return a model and all layers in it, each once."""
    return [layer for layer, _ in _layers(model).values()]


def trainable_variables(model: Any) -> set[int]:
    """Return the ids of the variables that training changes, frozen at present or not."""
    return {id(v) for layer in all_layers(model) for v in layer._trainable_variables}


def parameters_of(
    model: Any, handles: Mapping[int, tuple[ArrayHandle, str]] | None = None
) -> dict[int, Parameter]:
    """Return a parameter for every variable of a model, by the variable's id.

    Parameters
    ----------
    handles : mapping of int to (ArrayHandle, str), optional
        What to read instead of a variable, and the stored type, by the variable's id.
    """
    learned = trainable_variables(model)
    found = {}
    for name, variable in named_variables(model).items():
        if handles is None:
            dtype = keras.backend.standardize_dtype(variable.dtype)
            data: ArrayHandle = VariableHandle(variable)
        else:
            data, dtype = handles[id(variable)]
        shape, trainable = tuple(variable.shape), id(variable) in learned
        found[id(variable)] = Parameter(name, shape, dtype, data, trainable)
    return found


class Symbols:
    """Lets layers see symbols in the place of their variables, so that reading one is noticed.

    Use it in a ``with`` statement; the layers are as they were when it ends.

    Parameters
    ----------
    parameters : mapping of int to Parameter
        By the id of the variable.
    """

    def __init__(self, layers: Sequence[Any], parameters: Mapping[int, Parameter]) -> None:
        self._layers = layers
        self._symbols = {
            key: Weights(Recipe.of(p), _computed_dtype(p.dtype)) for key, p in parameters.items()
        }
        self._changed: list[tuple[dict[str, Any], str, Any]] = []

    def __enter__(self) -> Self:
        for layer in self._layers:
            attributes = vars(layer)
            for name, value in list(attributes.items()):
                made = value if name in _TRACKED else _replaced(value, self._symbols)
                if made is not value:
                    self._changed.append((attributes, name, value))
                    attributes[name] = made
        return self

    def __exit__(self, *error: object) -> None:
        """Put the variables back."""
        while self._changed:
            attributes, name, value = self._changed.pop()
            attributes[name] = value

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Put the variables back for a while."""
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()


def _computed_dtype(dtype: str) -> str:
    return dtype if dtype in ("float16", "bfloat16", "float32", "float64") else "float32"


def _replaced(value: Any, symbols: Mapping[int, Weights], depth: int = 4) -> Any:
    """Return a variable's symbol, or a container with symbols in the place of variables.

    What holds none is returned itself; depth may not end in circles.
    """
    if not isinstance(value, dict | list | tuple) or not depth:
        return symbols.get(id(value), value)
    items = value.values() if isinstance(value, dict) else value
    made = [_replaced(item, symbols, depth - 1) for item in items]
    if all(new is old for new, old in zip(made, items, strict=True)):
        return value
    if isinstance(value, dict):
        return dict(zip(value, made, strict=True))
    return tuple(made) if isinstance(value, tuple) else made
