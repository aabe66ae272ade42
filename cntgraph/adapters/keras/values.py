"""What flows through a traced model: symbolic tensors that know which nodes they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.values import Neurons
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.network.activations import activation_name

#: An operation's arguments by name.
Arguments = dict[str, Any]


class Nodes(keras.KerasTensor, Neurons):
    """A symbolic tensor of neurons: node ids, -1 where there is no node.

    Parameters
    ----------
    ids : ndarray of int64
        In Keras' own axis order, the batch dimension (of size one) included.
    dtype : str, default "float32"
        Type of the values.
    """

    def __init__(self, ids: Ids, dtype: str = "float32") -> None:
        super().__init__(ids.shape, dtype=dtype, name="nodes")
        self.ids = ids


class Weights(keras.KerasTensor):
    """A symbolic tensor that is computed from parameters alone.

    Parameters
    ----------
    recipe : Recipe
        How.
    dtype : str, default "float32"
        Type of the values.
    """

    def __init__(self, recipe: Recipe, dtype: str = "float32") -> None:
        super().__init__(recipe.shape, dtype=dtype, name="weights")
        self.recipe = recipe


def leaves(value: Any) -> Iterator[Any]:
    """Yield the leaves of nested lists, tuples and dicts."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def map_leaves(function: Any, value: Any) -> Any:
    """Apply a function to the leaves of nested lists, tuples and dicts."""
    if isinstance(value, dict):
        return {key: map_leaves(function, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [map_leaves(function, item) for item in value]
    return function(value)


def has_nodes(value: Any) -> bool:
    """Whether neurons are among the leaves of a value."""
    return any(isinstance(leaf, Nodes) for leaf in leaves(value))


def is_constant(value: Any) -> bool:
    """Whether a value is a number, an array or a tensor of the backend."""
    return not isinstance(value, keras.KerasTensor | keras.Variable) and (
        isinstance(value, bool | int | float | np.ndarray | np.generic)
        or keras.ops.is_tensor(value)
    )


def as_array(value: Any) -> NDArray[Any]:
    """Return a number, an array or a tensor of the backend as a NumPy array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        return np.asarray(
            value.float().numpy() if "bfloat16" in str(value.dtype) else value.numpy()
        )
    return np.asarray(value)


def constant(value: Any) -> NDArray[Any]:
    """Return a number, an array or a tensor as an array.

    Raises
    ------
    NotFollowed
        If neurons or parameters decide it.
    """
    if not is_constant(value):
        raise NotFollowed("the data decides what is moved where")
    return as_array(value)


def activation_label(function: Any) -> str:
    """Return the name under which an activation function is noted, from its own name."""
    return activation_name(getattr(function, "__name__", type(function).__name__.lower()))


def has_channels_last(settings: Any) -> bool:
    """Whether a layer or an operation has the channels on the last axis."""
    order = settings.data_format or keras.config.image_data_format()
    return bool(order == "channels_last")
