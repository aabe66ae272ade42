"""Recording: the values of all layers, batch by batch, while data run through a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.activity.functions import Elementwise
from cntgraph.activity.inputs import InputBatch, input_batches
from cntgraph.activity.propagation import Propagation
from cntgraph.adapters import registry
from cntgraph.adapters.execution import Execution
from cntgraph.core.errors import CntGraphError
from cntgraph.core.progress import progress
from cntgraph.core.types import Array
from cntgraph.loading import is_own_file, load, located
from cntgraph.network.network import Network
from cntgraph.network.node_values import NodeValues

#: Bytes of the values of all nodes that are held at once where the blocks carry samples.
_AT_ONCE = 1 << 28


@dataclass(frozen=True, eq=False)
class Batch:
    """What the layers of a network received and emitted for some samples.

    Parameters
    ----------
    inputs : InputBatch
        The samples, and their labels.
    values : dict of str to NodeValues
        By layer name, in node order.
    """

    inputs: InputBatch
    values: dict[str, NodeValues]

    @property
    def labels(self) -> Array | None:
        """The class of each sample, shape (n_samples,)."""
        return self.inputs.labels

    def __len__(self) -> int:
        return len(self.inputs)

    def of(self, chosen: NDArray[np.bool_]) -> Batch:
        """Return some of its samples, shape (n_samples,) saying which."""
        values = {
            name: NodeValues(*(None if x is None else x[chosen] for x in own.arrays))
            for name, own in self.values.items()
        }
        return Batch(self.inputs.of(chosen), values)


@dataclass(frozen=True, eq=False)
class Recording:
    """A network with data to run through it; iterating over it runs them, once.

    Parameters
    ----------
    net : Network
        Whose layers the values are of.
    batches : iterator of Batch
    """

    net: Network
    batches: Iterator[Batch]

    def __iter__(self) -> Iterator[Batch]:
        return self.batches


def record(
    model_or_net: Any,
    inputs: Any,
    *,
    labels: Any = None,
    n_samples: int | None = None,
    batch_size: int = 64,
    functions: Mapping[str, Elementwise] | None = None,
    show_progress: bool = True,
    **options: Any,
) -> Recording:
    """Run data through a model or a network, and see what its layers receive and emit.

    Parameters
    ----------
    model_or_net : Network, model object, str or Path
        A live model is run by its framework, and so is a file that its framework can run; a
        `Network`, and a file of cntgraph's own, by its blocks and the functions that are known.
    inputs : array, tuple of arrays, iterable of batches, or callable
        See `input_batches`. Samples have the shape that the model expects; for a `Network`
        channels first.
    labels : array-like, shape (n_samples,), optional
        The class of each sample.
    n_samples : int, optional
        Stop after that many.
    batch_size : int, default 64
        How many samples of an array run at once.
    functions : mapping of str to callable, optional
        Functions of the network that are not known from their name, such as
        ``{"leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x)}``.
    show_progress : bool, default True
    **options
        Of `load`, for a model or a file: ``unroll=T`` for recurrent layers.

    Returns
    -------
    Recording

    Raises
    ------
    InputShapeError, CntGraphError
        If the data do not fit, are not finite, or there are none.

    Examples
    --------
    >>> import numpy as np
    >>> import cntgraph as cg
    >>> recording = record(cg.toy("mlp"), np.ones((10, 6)), batch_size=4)
    >>> [batch.values["fc1"].activation.shape for batch in recording]
    [(4, 8), (4, 8), (2, 8)]
    """
    given = input_batches(inputs, labels=labels, n_samples=n_samples, batch_size=batch_size)
    first = next(given)
    runner = _runner(model_or_net, first, functions, options)
    batches = progress(chain([first], given), "samples", show=show_progress)
    parts = (part for batch in batches for part in runner.parts(batch))
    return Recording(runner.net, (Batch(part, runner.run(part)) for part in parts))


def _runner(
    source: Any, first: InputBatch, functions: Mapping[str, Elementwise] | None, options: Any
) -> _OfBlocks | _OfFramework:
    """Return what runs a source: its framework where that can, otherwise the blocks."""
    if isinstance(source, Network):
        if options:
            raise CntGraphError(f"a network takes no options of loading; got {', '.join(options)}")
        return _OfBlocks(source, Propagation(source, functions))
    source = located(source)
    path = Path(source) if isinstance(source, str | PathLike) else None
    if path is not None and path.exists() and is_own_file(path):
        return _runner(load(path, **options), first, functions, {})
    if "input_shape" not in options and "example_input" not in options:
        options = options | {"example_input": tuple(array[:1] for array in first.arrays)}
    execution = registry.execution(source if path is None else path, **options)
    if execution is None:
        return _runner(load(source, **options), first, functions, {})
    return _OfFramework(execution, Propagation(execution.net, functions))


@dataclass(frozen=True, eq=False)
class _OfBlocks:
    """Runs samples through the blocks of a network, as many at once as memory is for."""

    net: Network
    propagation: Propagation

    def parts(self, batch: InputBatch) -> Iterator[InputBatch]:
        step = max(1, _AT_ONCE // (16 * max(self.net.n_nodes, 1)))
        return (batch.part(k, k + step) for k in range(0, len(batch), step))

    def run(self, batch: InputBatch) -> dict[str, NodeValues]:
        return self.propagation(batch.arrays)


@dataclass(frozen=True, eq=False)
class _OfFramework:
    """Runs samples through a model, and computes what its framework does not show."""

    execution: Execution
    propagation: Propagation

    @property
    def net(self) -> Network:
        return self.execution.net

    def parts(self, batch: InputBatch) -> Iterator[InputBatch]:
        yield batch

    def run(self, batch: InputBatch) -> dict[str, NodeValues]:
        found = self.execution.run(batch.arrays)
        if all(found.get(layer.name, NodeValues()).is_whole for layer in self.net.layers):
            return {layer.name: found[layer.name] for layer in self.net.layers}
        return self.propagation(batch.arrays, found, strict=False)
