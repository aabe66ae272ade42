"""Standardised: the activations of neurons over samples, each with mean zero and length one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cntgraph.activity.neuron_statistics import placed
from cntgraph.activity.recording import Batch, Recording
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.memory import check_memory
from cntgraph.core.types import Array
from cntgraph.network.coarsening.granularity import Granularity
from cntgraph.network.layer import Layer

#: How much a value may vary, relative to its size, and still be the rounding of one number.
ROUNDING = 8 * float(np.finfo(np.float32).eps)

#: Neurons that are standardised at once.
_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Standardised:
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


def standardised_activations(
    recording: Recording, layers: Sequence[Layer], granularity: Granularity
) -> Standardised:
    """Return the standardised activations of some layers over all samples of a recording.

    Parameters
    ----------
    recording : Recording
        Is read to its end.
    layers : sequence of Layer
        Of its network, in node order.
    granularity : {"neuron", "channel", "layer"}
        What a node is; a channel's and a layer's activation is the mean over its neurons.

    Returns
    -------
    Standardised
        Takes n_nodes × n_samples numbers of four bytes. They are stored as differences to the
        first sample, so that neither their level nor the size of batches matters.

    Raises
    ------
    UndefinedMeasureError
        If none of the layers is known, or there is a single sample.
    GraphSizeError
        If memory does not suffice.
    """
    blocks: list[Array] = []
    known: list[Layer] = []
    first: Array = np.zeros(0)
    held = 0
    for batch in recording:
        if not blocks:
            known = [x for x in layers if batch.values[x.name].activation is not None]
            first = _row(batch, known, granularity)[0].astype(np.float64)
        blocks.append((_row(batch, known, granularity) - first).astype(np.float32))
        held += blocks[-1].nbytes
        check_memory(held, f"as much again as the first {sum(map(len, blocks)):,} samples")
    values = _joined(blocks)
    if len(values) < 2:
        raise UndefinedMeasureError("a single sample has no correlations; expected two or more")
    varying = _standardise(values, first, known)
    missing = {x.name: "its activations are not known" for x in layers if x not in known}
    made = placed(_coarse(layer, granularity) for layer in known)
    return Standardised(values[:, : varying.sum()], varying, made, missing)


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


def _standardise(
    values: NDArray[np.float32], first: Array, layers: Sequence[Layer]
) -> NDArray[np.bool_]:
    """Standardise columns in place, those that vary first, and return which they are."""
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
