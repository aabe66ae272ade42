"""Inputs: what people hand in as data, as batches of arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cntgraph.core.errors import CntGraphError, InputShapeError
from cntgraph.core.types import Array, Values
from cntgraph.network.layer import Layer


@dataclass(frozen=True, eq=False)
class InputBatch:
    """Samples that run through a network together.

    Parameters
    ----------
    arrays : tuple of ndarray, shapes (n_samples, …)
        One per input of the model.
    labels : ndarray, shape (n_samples,), or None
        The class of each sample.
    """

    arrays: tuple[Array, ...]
    labels: Array | None = None

    def __len__(self) -> int:
        return len(self.arrays[0])

    def of(self, chosen: Any) -> InputBatch:
        """Return some of its samples, chosen as NumPy does."""
        labels = None if self.labels is None else self.labels[chosen]
        return InputBatch(tuple(array[chosen] for array in self.arrays), labels)

    def part(self, start: int, stop: int) -> InputBatch:
        """Return the samples from one to another."""
        return self.of(slice(start, stop))


def input_batches(
    inputs: Any, *, labels: Any = None, n_samples: int | None = None, batch_size: int = 64
) -> Iterator[InputBatch]:
    """Yield batches of whatever holds data.

    Parameters
    ----------
    inputs : array, tuple of arrays, iterable of batches, or callable
        An array of samples, cut into batches; a tuple, one array per input of the model. A list, a
        generator or a data loader of batches, each an array, or a pair of inputs and labels. A
        callable returns one of these.
    labels : array-like, shape (n_samples,), optional
        The class of each sample, in their order; those of the batches by default.
    n_samples : int, optional
        Stop after that many.
    batch_size : int, default 64
        Into how many samples an array is cut; batches that come as such stay as they are.

    Yields
    ------
    InputBatch

    Raises
    ------
    InputShapeError
        If there is no sample, or inputs or labels differ in length.
    CntGraphError
        If the data are no finite numbers, or raise on being read.

    Examples
    --------
    >>> [len(batch) for batch in input_batches(np.zeros((100, 3)))]
    [64, 36]
    >>> loader = [(np.zeros((2, 3)), np.array([0, 1])), (np.ones((1, 3)), np.array([1]))]
    >>> [batch.labels.tolist() for batch in input_batches(loader)]
    [[0, 1], [1]]
    """
    _check_counts(n_samples, batch_size)
    known, done = None if labels is None else _labels(labels), 0
    for batch in _read(inputs, batch_size):
        left = len(batch) if n_samples is None else min(len(batch), n_samples - done)
        batch = batch.part(0, left)
        if known is not None:
            batch = InputBatch(batch.arrays, known[done : done + left])
        done += left
        if left:
            yield _checked(batch)
        if done == n_samples:
            break
    if not done:
        raise InputShapeError("expected at least one sample; the inputs are empty")
    if known is not None and len(known) > done and n_samples is None:
        raise InputShapeError(f"expected a label per sample; got {len(known)} labels for {done}")


def input_values(layer: Layer, batch: Array) -> Values:
    """Return a batch as the values of the nodes of an input layer.

    Parameters
    ----------
    layer : Layer
        The input layer.
    batch : ndarray, shape (n_samples, *layer.shape) or (n_samples, n_nodes)
        For a layer of one-hot tokens also whole numbers, without the axis of entries.

    Returns
    -------
    ndarray of float64, shape (n_nodes, n_samples)

    Raises
    ------
    InputShapeError
        If it does not fit.
    """
    n, shape = len(batch), batch.shape[1:]
    if batch.dtype.kind in "iu" and shape == layer.shape[1:] and shape != layer.shape:
        return _one_hot(layer, batch)
    if shape not in (layer.shape, (layer.n_nodes,)):
        raise InputShapeError(
            f"expected samples of shape {layer.shape} for {layer.name!r} (channels first, without "
            f"the number of samples); got {shape}"
        )
    return np.asarray(batch.reshape(n, -1).T, dtype=np.float64)


def _one_hot(layer: Layer, tokens: Array) -> Values:
    n_entries = layer.shape[0]
    if tokens.min(initial=0) < 0 or tokens.max(initial=0) >= n_entries:
        raise InputShapeError(
            f"expected tokens from 0 to {n_entries - 1} for {layer.name!r}; got "
            f"{tokens.min()} to {tokens.max()}"
        )
    flat = tokens.reshape(len(tokens), -1)
    found = flat.T[None] == np.arange(n_entries)[:, None, None]
    return np.asarray(found.reshape(layer.n_nodes, len(tokens)), dtype=np.float64)


# -- reading what people have -----------------------------------------------------------------


def _read(inputs: Any, batch_size: int) -> Iterator[InputBatch]:
    """Yield batches as they come; what raises is told with the number of samples before it."""
    done = 0
    try:
        for batch in _batches(inputs, batch_size):
            yield batch
            done += len(batch)
    except CntGraphError:
        raise
    except Exception as error:  # whatever a user's generator or data set raises
        raise CntGraphError(
            f"the inputs raised {type(error).__name__} after {done} samples: {error}"
        ) from error


def _batches(inputs: Any, batch_size: int) -> Iterator[InputBatch]:
    if _is_array(inputs) or isinstance(inputs, tuple):
        yield from _cut(_arrays(inputs), batch_size)
    elif isinstance(inputs, Iterable):
        yield from map(_of_item, inputs)
    elif callable(inputs):
        yield from _batches(inputs(), batch_size)
    else:
        raise InputShapeError(
            "expected an array, a tuple of arrays, an iterable of batches or a callable; got "
            f"{type(inputs).__name__}"
        )


def _cut(arrays: tuple[Array, ...], batch_size: int) -> Iterator[InputBatch]:
    whole = InputBatch(arrays)
    for start in range(0, len(whole), batch_size):
        yield whole.part(start, start + batch_size)


def _of_item(item: Any) -> InputBatch:
    """Return one batch of a list or a loader: inputs, or a pair of inputs and labels."""
    if isinstance(item, list | tuple):
        if len(item) == 2:
            inputs, labels = item
            return InputBatch(_arrays(inputs), _labels(labels))
        return InputBatch(_arrays(tuple(item)))
    return InputBatch(_arrays(item))


def _arrays(inputs: Any) -> tuple[Array, ...]:
    parts = tuple(map(as_array, inputs if isinstance(inputs, tuple) else (inputs,)))
    if not parts or any(part.ndim < 2 for part in parts):
        shapes = [part.shape for part in parts]
        raise InputShapeError(f"expected samples along the first axis of each input; got {shapes}")
    if len({len(part) for part in parts}) > 1:
        raise InputShapeError(f"expected as many samples of every input; got {[*map(len, parts)]}")
    return parts


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__")


def as_array(value: Any) -> Array:
    """Return numbers of any framework as an array.

    Parameters
    ----------
    value : array, tensor of a framework, or nested sequence

    Returns
    -------
    ndarray

    Raises
    ------
    InputShapeError
        If these are no numbers.
    """
    for leave in ("detach", "cpu"):  # a tensor of PyTorch may be on a device, or have a gradient
        value = getattr(value, leave)() if hasattr(value, leave) else value
    if str(getattr(value, "dtype", "")).endswith("bfloat16") and hasattr(value, "float"):
        value = value.float()
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise InputShapeError(f"expected an array of numbers; got {error}") from error
    if found.dtype.kind not in "fiub":
        raise InputShapeError(f"expected real numbers; got an array of type {found.dtype}")
    return found


def _labels(labels: Any) -> Array:
    """Return labels as an array of one per sample; text is fine."""
    for leave in ("detach", "cpu"):
        labels = getattr(labels, leave)() if hasattr(labels, leave) else labels
    found = np.asarray(labels)
    if found.ndim != 1 or found.dtype.kind not in "fiubUS":
        raise InputShapeError(
            f"expected one label per sample, a number or text; got an array of type {found.dtype} "
            f"and shape {found.shape}. Several inputs in a batch are a tuple within a pair: "
            "((first, second), labels)"
        )
    if found.dtype.kind == "f" and np.isnan(found).any():
        raise CntGraphError("expected one label per sample; found NaN among them")
    return found


def _checked(batch: InputBatch) -> InputBatch:
    for array in batch.arrays:
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise CntGraphError("expected finite inputs; found NaN or infinity among the samples")
    if batch.labels is not None and len(batch.labels) != len(batch):
        raise InputShapeError("expected a label per sample; there are fewer labels than samples")
    return batch


def _check_counts(n_samples: int | None, batch_size: int) -> None:
    for name, value in (("n_samples", n_samples), ("batch_size", batch_size)):
        if value is not None and value < 1:
            raise CntGraphError(f"expected {name} of 1 or more, got {value}")
