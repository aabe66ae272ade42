"""What flows through a traced model: symbolic tensors that know which nodes they stand for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.tracing.values import Data, Neurons, Source
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.network.activations import activation_name

#: An operation's arguments by name.
Arguments = dict[str, Any]


#: Types of whole numbers that choose something; bytes may be an image.
_OF_TOKENS = frozenset(["int32", "int64", "uint32", "uint64"])


class Nodes(keras.KerasTensor, Neurons):
    """A symbolic tensor of neurons: node ids, -1 where there is no node.

    Parameters
    ----------
    ids : ndarray of int64
        In Keras' own axis order, the batch dimension (of size one) included.
    dtype : str, default "float32"
        Type of the values.
    """

    #: Whether they are others less a large constant: where these are put, a position is hidden.
    hides: bool = False

    def __init__(self, ids: Ids, dtype: str = "float32") -> None:
        super().__init__(ids.shape, dtype=dtype, name="nodes")
        self.ids, self.is_index = ids, dtype in _OF_TOKENS


class Derived(keras.KerasTensor):
    """A symbolic tensor that depends on neurons without being some, as a comparison does."""

    def __init__(
        self, shape: tuple[int, ...], dtype: str, source: Source, value: Any = None
    ) -> None:
        super().__init__(shape, dtype=dtype, name="derived")
        self.data = Data(tuple(shape), value, source)


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


def has(value: Any, *kinds: type) -> bool:
    """Whether something of a kind is among the leaves of a value."""
    return any(isinstance(leaf, kinds) for leaf in keras.tree.flatten(value))


def derived(a: Arguments, spec: Any, computed: Callable[[], Any]) -> Any:
    """Return what an operation yields that is no neuron: truth values, and what is made of them.

    Parameters
    ----------
    a : dict
        The operation's arguments.
    spec : nested KerasTensor
        Shapes and types of what it yields.
    computed : callable
        Returns what it yields for the example at hand, nested alike, or None.

    Returns
    -------
    nested Derived, or None
        What is said of tokens alone tells which of them count.
    """
    yielded, read = keras.tree.flatten(spec), keras.tree.flatten(a)
    judged = all(leaf.dtype == "bool" for leaf in yielded)
    if (has(a, Nodes, Weights) and not judged) or any(None in leaf.shape for leaf in yielded):
        return None
    tokens = all("int" in leaf.dtype for leaf in read if isinstance(leaf, Nodes)) and all(
        leaf.data.source == "mask" for leaf in read if isinstance(leaf, Derived)
    )
    source: Source = "mask" if tokens else "neurons"
    values = keras.tree.flatten(computed()) if tokens else [None]
    values = values if len(values) == len(yielded) else [None] * len(yielded)
    made = [Derived(x.shape, x.dtype, source, v) for x, v in zip(yielded, values, strict=True)]
    return keras.tree.pack_sequence_as(spec, made)


def with_data(a: Arguments) -> Arguments:
    """Return arguments as handlers take them: what is derived as `Data`."""

    def data(leaf: Any) -> Any:
        return leaf.data if isinstance(leaf, Derived) else leaf

    return {key: keras.tree.map_structure(data, value) for key, value in a.items()}


def is_constant(value: Any) -> bool:
    """Whether a value is a number, an array or a tensor of the backend."""
    return not isinstance(value, keras.KerasTensor | keras.Variable) and (
        isinstance(value, bool | int | float | np.ndarray | np.generic)
        or keras.ops.is_tensor(value)
    )


def as_array(value: Any) -> NDArray[Any]:
    """Return a number, an array or a tensor of the backend as a NumPy array."""
    array: NDArray[Any] = keras.ops.convert_to_numpy(value)
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


def activation_label(function: Any) -> str:
    """Return the name under which an activation function is noted, from its own name."""
    return activation_name(getattr(function, "__name__", type(function).__name__.lower()))


def has_channels_last(settings: Any) -> bool:
    """Whether a layer or an operation has the channels on the last axis."""
    order = settings.data_format or keras.config.image_data_format()
    return bool(order == "channels_last")
