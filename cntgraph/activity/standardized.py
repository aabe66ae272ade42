"""Standardized: the activations of neurons over samples, each with mean zero and length one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.activity.classes import Classes, in_order
from cntgraph.activity.neuron_statistics import placed
from cntgraph.activity.recording import Batch, Recording
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.memory import check_memory
from cntgraph.core.types import Array
from cntgraph.network.coarsening.granularity import Granularity
from cntgraph.network.layer import Layer

#: How much a value may vary, relative to its size, and still be the rounding of one number.
ROUNDING = 8 * float(np.finfo(np.float32).eps)

#: Neurons that are standardized at once.
_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Standardized:
    """Activations over samples, whose scalar products are correlations.

    Parameters
    ----------
    values : ndarray of float32, shape (n_samples, n_varying)
        A column per node that varies, with mean zero and length one.
    varying : ndarray of bool, shape (n_nodes,)
        Which nodes these are; the others have the same activation for all samples.
    layers : tuple of Layer
        Whose nodes they are.
    missing : dict of str to str
        Layers whose activations are not known, and why.
    """

    values: NDArray[np.float32]
    varying: NDArray[np.bool_]
    layers: tuple[Layer, ...]
    missing: dict[str, str]

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.values)


def standardized_activations(
    recording: Recording,
    layers: Sequence[Layer],
    granularity: Granularity,
    classes: Classes | None = None,
) -> Iterator[tuple[Any, Standardized]]:
    """Yield the standardized activations of some layers over the samples of each class.

    Parameters
    ----------
    recording : Recording
        Is read to its end before the first class is yielded.
    layers : sequence of Layer
        Of its network, in node order.
    granularity : {"neuron", "channel", "layer"}
        What a node is; a channel's and a layer's activation is the mean over its neurons.
    classes : Classes, optional
        By what samples are told apart; by default, all are of one class, None.

    Yields
    ------
    label : object
    activations : Standardized
        All classes take n_nodes × n_samples numbers of four bytes; what a class takes is freed
        when the caller lets go of it. Values are stored as differences to the first sample, so
        that neither their level nor the size of batches matters.

    Raises
    ------
    UndefinedMeasureError
        If none of the layers is known, or a class has a single sample.
    GraphSizeError
        If memory does not suffice.
    """
    known, found = _collected(recording, layers, granularity, classes or Classes(None))
    missing = {x.name: "its activations are not known" for x in layers if x not in known}
    made = placed(_coarse(layer, granularity) for layer in known)
    for label in in_order(found):
        own = found.pop(label)
        values = _joined(own.blocks)
        if len(values) < 2:
            whose = "" if label is None else f" of class {label!r}"
            raise UndefinedMeasureError(
                f"a single sample{whose} has no correlations; expected two or more"
            )
        varying = _standardize(values, own.first, known)
        yield label, Standardized(values[:, : varying.sum()], varying, made, missing)


class _Rows:
    """Activations of the samples of a class, as differences to the first."""

    def __init__(self, first: Array) -> None:
        self.first, self.blocks = first.astype(np.float64), list[Array]()

    def add(self, rows: Array) -> int:
        """Add samples; return how many bytes they take."""
        self.blocks.append((rows - self.first).astype(np.float32))
        return self.blocks[-1].nbytes


def _collected(
    recording: Recording, layers: Sequence[Layer], granularity: Granularity, classes: Classes
) -> tuple[list[Layer], dict[Any, _Rows]]:
    """Return which layers are known, and their activations, by class."""
    known: list[Layer] = []
    found: dict[Any, _Rows] = {}
    n_samples = held = 0
    for batch in recording:
        known = known or [x for x in layers if batch.values[x.name].activation is not None]
        rows = _row(batch, known, granularity)
        for label, chosen in classes.of(batch).items():
            own = rows[chosen]
            held += found.setdefault(label, _Rows(own[0])).add(own)
        n_samples += len(batch)
        check_memory(held, f"as much again as the first {n_samples:,} samples")
    return known, found


def _row(batch: Batch, layers: Sequence[Layer], granularity: Granularity) -> Array:
    """Return the activations of a batch, shape (n_samples, n_nodes)."""
    if not layers:
        raise UndefinedMeasureError("the activations of none of the layers are known")
    parts = []
    for layer in layers:
        values = batch.values[layer.name].activation
        assert values is not None
        if granularity != "neuron":
            n = layer.shape[0] if granularity == "channel" and layer.shape else 1
            values = values.reshape(len(values), n, -1).mean(axis=2, dtype=np.float64)
        parts.append(values)
    return np.concatenate(parts, axis=1)


def _coarse(layer: Layer, granularity: Granularity) -> Layer:
    if granularity == "neuron":
        return layer
    return replace(layer, shape=(layer.shape[:1] or (1,)) if granularity == "channel" else (1,))


def _joined(blocks: list[Array]) -> NDArray[np.float32]:
    """Return the rows of all blocks, each of which is freed as soon as it is copied."""
    n = sum(map(len, blocks))
    values = np.empty((n, blocks[0].shape[1]), dtype=np.float32)
    while blocks:
        n -= len(blocks[-1])
        values[n : n + len(blocks[-1])] = blocks[-1]
        blocks.pop()
    return values


def _standardize(
    values: NDArray[np.float32], first: Array, layers: Sequence[Layer]
) -> NDArray[np.bool_]:
    """Standardize columns in place, those that vary first, and return which they are."""
    varying, n_done = np.zeros(values.shape[1], dtype=bool), 0
    for start in range(0, values.shape[1], _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        columns = values[:, part].astype(np.float64)
        if not np.isfinite(columns).all():
            names = ", ".join(layer.name for layer in layers)
            raise CntGraphError(
                f"expected finite activations; some are not, among those of {names}"
            )
        varying[part] = np.abs(columns).max(axis=0) > ROUNDING * np.abs(first[part])
        columns -= columns.mean(axis=0)
        columns = columns[:, varying[part]]
        n_before, n_done = n_done, n_done + columns.shape[1]
        values[:, n_before:n_done] = columns / np.sqrt((columns**2).sum(axis=0))
    return varying
