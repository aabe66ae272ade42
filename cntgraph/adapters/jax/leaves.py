"""Parameters from the leaves of a pytree: read when needed, named by their path."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import ParameterError
from cntgraph.core.parameter import Parameter, storage_dtype


@dataclass(frozen=True, eq=False)
class Leaf:
    """An array of a pytree, and whether training changes it.

    Parameters
    ----------
    name : str
        Path in the pytree, joined by dots.
    value : jax.Array, ndarray or jax.ShapeDtypeStruct
        The array; one without values will do to follow a model.
    trainable : bool, default True
        False for running statistics and the like.
    """

    name: str
    value: Any
    trainable: bool = True

    @property
    def is_key(self) -> bool:
        """Whether it is the state of a random number generator."""
        return bool(jax.dtypes.issubdtype(self.value.dtype, jax.dtypes.prng_key))

    @property
    def is_weight(self) -> bool:
        """Whether it may be a weight: no counter, no key."""
        number = jax.numpy.issubdtype(self.value.dtype, np.inexact)
        return not self.is_key and (bool(number) or self.value.ndim > 1)

    @property
    def is_complex(self) -> bool:
        """Whether it holds complex numbers: as a parameter pairs of real ones, in a last axis."""
        return bool(jax.numpy.issubdtype(self.value.dtype, np.complexfloating))

    def parameter(self) -> Parameter:
        """Return the parameter that reads it, when it is read."""
        dtype = np.dtype(self.value.dtype).name
        number = bool(jax.numpy.issubdtype(self.value.dtype, np.inexact))
        shape = tuple(int(n) for n in self.value.shape)
        if self.is_complex:
            dtype, shape = np.zeros(0, dtype).real.dtype.name, (*shape, 2)
        handle = _Handle(self.name, self.value, dtype, shape)
        return Parameter(self.name, shape, dtype, handle, self.trainable and number)


@dataclass(frozen=True, eq=False)
class _Handle:
    """Reads the stored bits of an array, wherever it is."""

    name: str
    value: Any
    dtype: str
    shape: tuple[int, ...]

    def __getitem__(self, key: Any, /) -> NDArray[Any]:
        if isinstance(self.value, jax.ShapeDtypeStruct):
            raise ParameterError(
                f"parameter {self.name!r} has a shape and no values, as jax.eval_shape returns; "
                "pass the arrays to measure weights"
            )
        array = np.asarray(self.value)
        stored = storage_dtype(self.dtype)
        if array.dtype != stored:
            array = np.ascontiguousarray(array).view(stored).reshape(self.shape)
        bits: NDArray[Any] = array
        part: NDArray[Any] = bits[key]
        return part


def is_array(value: Any) -> bool:
    """Return whether a leaf is an array, or stands for one."""
    return isinstance(value, jax.Array | np.ndarray | jax.ShapeDtypeStruct) or (
        hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "ndim")
    )


def path_name(path: Iterable[Any]) -> str:
    """Return the name of a leaf: the keys, indices and attributes on the way to it.

    Examples
    --------
    >>> import jax
    >>> tree = {"Dense_0": {"kernel": 1.0}, "layers": [2.0]}
    >>> [path_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]
    ['Dense_0.kernel', 'layers.0']
    """
    parts = []
    for key in path:
        named = (getattr(key, field, None) for field in ("key", "name", "idx"))
        parts.append(str(next((value for value in named if value is not None), key)))
    return ".".join(part for part in parts if part)


#: The collection of variables that Flax trains; the others hold statistics and caches.
_TRAINED = "params"


def leaves_of(tree: Any, name: str = "parameter") -> list[Leaf]:
    """Return the arrays of a pytree, in the order of its leaves.

    Parameters
    ----------
    tree : pytree
        Parameters. Where it has Flax's collections, only those of ``"params"`` are trained.
    name : str, default "parameter"
        Name of a tree that is an array itself.
    """
    found = jax.tree_util.tree_leaves_with_path(tree)
    collections = hasattr(tree, "keys") and _TRAINED in tree
    return [
        Leaf(path_name(path) or name, value, not collections or path_name(path[:1]) == _TRAINED)
        for path, value in found
        if is_array(value)
    ]


def module_of(name: str) -> str:
    """Return the name of the module that a parameter belongs to.

    Examples
    --------
    >>> module_of("params.encoder.Dense_0.kernel"), module_of("layers.1.weight"), module_of("w")
    ('encoder.Dense_0', 'layers.1', '')
    """
    module, _, _ = name.rpartition(".")
    first, _, rest = module.partition(".")
    return rest if first in (_TRAINED, "batch_stats") else module
