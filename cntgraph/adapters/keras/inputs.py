"""The inputs of a model: their sizes, and the nodes that stand for them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.keras.layout import channels_last
from cntgraph.adapters.keras.values import Nodes
from cntgraph.core.errors import InputShapeError

#: Sizes of one sample; None where a model leaves one open.
Shape = tuple[int | None, ...]


def make_inputs(
    model: Any, builder: Builder, input_shape: tuple[int, ...] | None, example_input: Any
) -> tuple[Any, ...]:
    """Add the input layers of a model, and return what it is to be called with.

    Parameters
    ----------
    model : keras.Layer
        The model; one that was never called is built.
    input_shape : tuple of int or None
        Shape of one sample, channels first, or in the order of Keras.
    example_input : array or nested arrays, or None
        What the model is called with, in the order of Keras.

    Returns
    -------
    tuple
        Nested nodes.

    Raises
    ------
    InputShapeError
        If a size is not known, or does not fit.
    """
    given = example_input
    if given is None and input_shape is not None:
        given = keras.KerasTensor((1, *input_shape), dtype=_input_dtype(model))
    specs, names = _specs(model, given)
    flat, arrays = keras.tree.flatten(specs), keras.tree.flatten(given)
    if given is None:
        arrays = [None] * len(flat)
    elif len(arrays) != len(flat):
        what = f"{len(arrays)} arrays" if example_input is not None else "one input_shape"
        raise InputShapeError(
            f"expected example_input to have {len(flat)} arrays for a model of {len(flat)} inputs, "
            f"the batch included and nested as the model takes them; got {what}"
        )
    one = [keras.KerasTensor((1, *spec.shape[1:]), spec.dtype) for spec in flat]
    last = channels_last(model, keras.tree.pack_sequence_as(specs, one))
    nodes = []
    for name, spec, array, first in zip(names, flat, arrays, last, strict=True):
        shape = None if array is None else tuple(np.shape(array))[1:]
        either = first and example_input is None
        sizes = _closed(tuple(spec.shape[1:]), shape, either, builder.unroll)
        order = (sizes[-1], *sizes[:-1]) if first else sizes
        ids = builder.input(name, order or (1,)).reshape(order)
        nodes.append(Nodes((np.moveaxis(ids, 0, -1) if first else ids)[None], spec.dtype))
    return tuple(keras.tree.pack_sequence_as(specs, nodes))


def _specs(model: Any, given: Any) -> tuple[tuple[Any, ...], list[str]]:
    """Return the model's arguments as nested symbolic tensors, and a name for each."""
    declared = _declared(model)
    if declared is not None:
        return (declared,), [_input_name(leaf) for leaf in keras.tree.flatten(declared)]
    if given is None:
        raise InputShapeError(
            "expected the size of the model's input, got none; pass input_shape=(height, width, "
            "channels) (one sample, without the batch) or example_input=an array"
        )
    args = given if isinstance(given, tuple) else (given,)
    specs = tuple(keras.tree.map_structure(_spec_of, arg) for arg in args)
    if not model.built:
        _build(model, specs)
    n = len(keras.tree.flatten(specs))
    return specs, ["input"] if n == 1 else [f"input_{k}" for k in range(n)]


def _declared(model: Any) -> Any:
    """Return the inputs that a Functional or Sequential model declares, or None."""
    try:
        declared = model.inputs
    except AttributeError:
        return None
    if declared and not isinstance(model, keras.Sequential):
        return model.input
    return declared[0] if declared else None


def _input_name(tensor: Any) -> str:
    """Return the name of the layer that an input comes from."""
    history = getattr(tensor, "_keras_history", None)
    name: str = tensor.name if history is None else history.operation.name
    return name


def _spec_of(value: Any) -> Any:
    array = value if hasattr(value, "dtype") else np.asarray(value)
    dtype = keras.backend.standardize_dtype(array.dtype)
    dtype = "float32" if dtype == "float64" else dtype
    return keras.KerasTensor((1, *array.shape[1:]), dtype=dtype)


def _input_dtype(model: Any) -> str:
    """Return the type of a model's only input: integers for an embedding."""
    first = next(iter(getattr(model, "layers", [model])), model)
    return "int32" if type(first).__name__ == "Embedding" else "float32"


def _build(model: Any, specs: tuple[Any, ...]) -> None:
    """Build a model that was never called: by a first call, on symbolic tensors."""
    try:
        model(*specs)
    except Exception as error:  # whatever the code of a model raises
        shapes = ", ".join(str(leaf.shape) for leaf in keras.tree.flatten(specs))
        raise InputShapeError(
            f"the model could not be built for an input of shape {shapes} (batch first): "
            f"{type(error).__name__}: {error}; call it once on data, then load it"
        ) from error


def _closed(
    declared: Shape, given: tuple[int, ...] | None, either: bool, unroll: int | None
) -> tuple[int, ...]:
    """Return the shape of an input in Keras' order, all sizes known.

    Parameters
    ----------
    either : bool
        Whether what is given may have its channels first, though Keras has them last.
    """
    if given is not None:
        orders = [(*given[1:], given[0])] * (either and len(given) > 0) + [tuple(given)]
        found = next((order for order in orders if _fits(declared, order)), None)
        if found is not None:
            return found
        raise InputShapeError(
            f"expected an input of shape {declared} (one sample, in the order of Keras), "
            f"got {given}; sizes that are None, and the length of a sequence, may be any"
        )
    if unroll is not None and len(declared) and declared[0] is None:
        declared = (unroll, *declared[1:])
    known = tuple(n for n in declared if n is not None)
    if len(known) == len(declared):
        return known
    raise InputShapeError(
        f"the model leaves sizes of its input open, {declared}; pass input_shape=(...) of "
        "one sample, or example_input=an array, the batch included"
    )


def _fits(declared: Shape, given: tuple[int, ...]) -> bool:
    """Whether a shape is one that a model takes; the length of a sequence may be another."""
    sequence = len(declared) == 2
    return len(declared) == len(given) and all(
        n is None or n == m or (sequence and axis == 0)
        for axis, (n, m) in enumerate(zip(declared, given, strict=True))
    )
