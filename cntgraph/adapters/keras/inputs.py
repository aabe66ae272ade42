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
    specs, names = _specs(model, input_shape, example_input)
    flat = keras.tree.flatten(specs)
    one = [keras.KerasTensor((1, *spec.shape[1:]), spec.dtype) for spec in flat]
    last = channels_last(model, keras.tree.pack_sequence_as(specs, one))
    given = _given_shapes(len(flat), input_shape, example_input)
    nodes = []
    for name, spec, shape, first in zip(names, flat, given, last, strict=True):
        either = first and example_input is None
        sizes = _closed(tuple(spec.shape[1:]), shape, either, builder.unroll)
        order = (sizes[-1], *sizes[:-1]) if first else sizes
        ids = builder.input(name, order or (1,)).reshape(order)
        nodes.append(Nodes((np.moveaxis(ids, 0, -1) if first else ids)[None], spec.dtype))
    return tuple(keras.tree.pack_sequence_as(specs, nodes))


def _specs(model: Any, input_shape: Any, example_input: Any) -> tuple[tuple[Any, ...], list[str]]:
    """Return the model's arguments as nested symbolic tensors, and a name for each."""
    declared = _declared(model)
    if declared is not None:
        return (declared,), [_input_name(leaf) for leaf in keras.tree.flatten(declared)]
    if example_input is not None:
        args = example_input if isinstance(example_input, tuple) else (example_input,)
        specs = tuple(keras.tree.map_structure(_spec_of, arg) for arg in args)
    elif input_shape is not None:
        specs = (keras.KerasTensor((1, *input_shape), dtype=_input_dtype(model)),)
    else:
        raise InputShapeError(
            "expected the size of the model's input, got none; pass input_shape=(height, width, "
            "channels) (one sample, without the batch) or example_input=an array"
        )
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
    array = value if keras.ops.is_tensor(value) else np.asarray(value)
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


def _given_shapes(
    n: int, input_shape: tuple[int, ...] | None, example_input: Any
) -> list[tuple[int, ...] | None]:
    """Return the shape that the caller gives for each of n inputs."""
    if example_input is not None:
        arrays = keras.tree.flatten(example_input)
        if len(arrays) != n:
            raise InputShapeError(
                f"expected example_input to have {n} arrays, as the model has inputs; "
                f"got {len(arrays)}"
            )
        return [tuple(np.shape(array))[1:] for array in arrays]
    if input_shape is not None and n > 1:
        raise InputShapeError(
            f"expected example_input for a model of {n} inputs, got one input_shape; "
            "pass arrays, the batch included, nested as the model takes them"
        )
    return [input_shape] * n


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
            f"expected an input of shape {_text(declared)} (one sample, in the order of Keras), "
            f"got {given}; sizes that are None, and the length of a sequence, may be any"
        )
    if unroll is not None and len(declared) and declared[0] is None:
        declared = (unroll, *declared[1:])
    known = tuple(n for n in declared if n is not None)
    if len(known) == len(declared):
        return known
    raise InputShapeError(
        f"the model leaves sizes of its input open, {_text(declared)}; pass input_shape=(...) of "
        "one sample, or example_input=an array, the batch included"
    )


def _fits(declared: Shape, given: tuple[int, ...]) -> bool:
    """Whether a shape is one that a model takes; the length of a sequence may be another."""
    sequence = len(declared) == 2
    return len(declared) == len(given) and all(
        n is None or n == m or (sequence and axis == 0)
        for axis, (n, m) in enumerate(zip(declared, given, strict=True))
    )


def _text(shape: Shape) -> str:
    return "(" + ", ".join("None" if n is None else str(n) for n in shape) + ")"
