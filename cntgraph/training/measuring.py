"""Work on the members of a population, wherever it is done; what fails is noted, not fatal."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import CntGraphError
from cntgraph.core.mapping import map_ordered
from cntgraph.measures.analyze import analyze
from cntgraph.measures.layer_values import layer_values
from cntgraph.network.network import Network
from cntgraph.network.node_values import NEURON_MEASURES
from cntgraph.training.members import Batch, Key, Members, Source
from cntgraph.training.neurons import neuron_columns, neuron_means
from cntgraph.training.statistics.distributions import Distribution, Histogram, layer_distributions
from cntgraph.training.trajectory import Trajectory

if TYPE_CHECKING:
    import pandas as pd


Task = Callable[[Source], Any]


class Measuring:
    """Members, how they are loaded, and what went wrong with some of them.

    Parameters
    ----------
    members : Members
    options : mapping
        For `load`.
    strict : bool
        Raise where a member cannot be read; otherwise, note it and warn.
    """

    def __init__(self, members: Members, options: Mapping[str, Any], *, strict: bool) -> None:
        self.members, self.options, self.strict = members, dict(options), strict
        self.failed: dict[Key, str] = {}

    def results(
        self,
        task: Task,
        numbers: Sequence[int],
        *,
        what: str,
        client: Any = None,
        show_progress: bool = True,
    ) -> Iterator[tuple[int, Any]]:
        """Yield the number and the result of each of some members that give one, in order.

        Parameters
        ----------
        task : callable
        numbers : sequence of int
        what, client, show_progress
            As in `map_ordered`.

        Yields
        ------
        (int, object)

        Raises
        ------
        CntGraphError
            If none gives one.
        """
        batches = self.members.batches(numbers)
        work = partial(_work_on, task=task, options=self.options, strict=self.strict)
        found = map_ordered(
            work, batches, client=client, what=what, show_progress=show_progress,
            instead=None if self.strict else _failed_batch,
        )  # fmt: skip
        failed: dict[Key, str] = {}
        for number, result in zip(numbers, chain.from_iterable(found), strict=True):
            if isinstance(result, Failure):
                failed[self.members.key(number)] = result.error
            else:
                yield number, result
        self.note(failed, len(numbers))

    def failed_numbers(self) -> list[int]:
        """Return the numbers of the members that could not be read, so far."""
        if not self.failed:
            return []
        return [k for k in range(len(self.members)) if self.members.key(k) in self.failed]

    def note(self, failed: Mapping[Key, str], n: int) -> None:
        """Keep what went wrong with some of `n` networks, and say so.

        Raises
        ------
        CntGraphError
            If it went wrong with all.
        """
        if not failed:
            return
        (path, _), error = next(iter(failed.items()))
        first = error if path in error else f"{path}: {error}"
        if len(failed) == n:
            raise CntGraphError(f"none of {n} networks can be read; the first: {first}")
        self.failed.update(failed)
        warnings.warn(
            f"{len(failed)} of {n} networks cannot be read (see population.failed); the first: "
            f"{first}",
            stacklevel=3,
        )


@dataclass(frozen=True)
class Failure:
    """What a network yields instead of a result: why there is none."""

    error: str


def _failed_batch(batch: Batch, error: CntGraphError) -> list[Any]:
    """Return what a batch yields that takes its process down."""
    return [Failure(str(error))] * batch.size


def _work_on(
    batch: Batch,
    *,
    task: Task,
    options: Mapping[str, Any],
    strict: bool,
) -> list[Any]:
    """Return the result of a task for every network of a batch, or the `Failure` it met."""
    try:
        return [_attempt(task, source, strict) for source in batch.sources(options)]
    except Exception as error:
        if strict:
            raise
        return [_failure(error)] * batch.size


def _attempt(task: Task, source: Source, strict: bool) -> Any:
    try:
        return task(source)
    # What files, frameworks and adapters of third parties raise is endless; none of it may cost
    # the results of all other members.
    except Exception as error:
        if strict:
            raise
        return _failure(error)


def _failure(error: Exception) -> Failure:
    known = isinstance(error, CntGraphError)
    return Failure(str(error) if known else f"{type(error).__name__}: {error}")


# -- tasks: what is computed of a network ----------------------------------------------------------


def layer_table(source: Source, *, options: Mapping[str, Any]) -> pd.DataFrame:
    """Return `analyze` of a network: one row per layer, the layers' names in the first column.

    With the option ``inputs``, columns of its neurons over data are added.
    """
    plain = {k: v for k, v in options.items() if k not in ("inputs", "functions")}
    if isinstance(source, Network):
        table = analyze(source, columns="all", show_progress=False, **plain).reset_index()
    elif source.store.measures is None and source.store.neurons is None:
        net = source.store.network(source.number)
        table = analyze(net, columns="all", show_progress=False, **plain).reset_index()
    else:
        one = Trajectory(source.store, [source.number])
        table = one.analyze(show_progress=False, **plain)
        table = table.iloc[:, list(table.columns).index("layer") :]
    if "inputs" not in options:
        return table
    net = network_of(source)
    recorded = [c for c in table.columns if c.startswith(NEURON_MEASURES)]
    return table.drop(columns=recorded).join(
        neuron_columns(net, options["inputs"], options.get("functions")), on="layer"
    )


def network_of(source: Source) -> Network:
    """Return the network that is to be measured."""
    return source if isinstance(source, Network) else source.store.network(source.number)


def layer_sample(
    source: Source, *, measure: str, layer: str, n_most: int, inputs: Any = None
) -> NDArray[np.float64] | None:
    """Return a layer's samples of a measure; None if the network has no such layer.

    Of more than `n_most`, evenly spaced order statistics stand for all. Where only a histogram
    was recorded, they are those of values spread evenly over each bin.
    """
    layers = source.layers if isinstance(source, Network) else source.store.topology.layers
    if layer not in {found.name for found in layers}:
        return None
    if measure in NEURON_MEASURES and (inputs is not None or isinstance(source, Network)):
        found: Distribution = neuron_means(network_of(source), inputs, measure, layer)
    elif isinstance(source, Network):
        found = layer_values(source, measure, layer)  # type: ignore[arg-type]
    else:
        found = layer_distributions(source.store, source.number, measure, layer)[layer]
    if isinstance(found, Histogram):
        return found.order_statistics(n_most)
    if found.size <= n_most:
        return found
    places = (np.arange(n_most) + 0.5) * (found.size / n_most)
    return np.sort(found)[places.astype(np.int64)]
