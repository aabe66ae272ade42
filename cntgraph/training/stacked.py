"""Layer measures of networks of one topology, many at a time, put together in one table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import CntGraphError, NoCopiesError, StoreError
from cntgraph.core.mapping import map_ordered
from cntgraph.core.progress import progress
from cntgraph.core.types import Values
from cntgraph.measures.layer_values import Distribution
from cntgraph.measures.stacks import LayerColumns, analyze_stack, stacked_values
from cntgraph.network.network import Network, coarsen
from cntgraph.network.stack import Stack, n_together
from cntgraph.store.reader import StoreFile
from cntgraph.store.stacked_snapshots import are_stackable, stacked_snapshots
from cntgraph.training.members import Batch, Members

if TYPE_CHECKING:
    import pandas as pd


class Part(NamedTuple):
    """What was found in some networks.

    Parameters
    ----------
    numbers : ndarray of int64
        Which ones.
    found : object
        What was found.
    failed : dict of int to str
        Those that could not be read, and why.
    """

    numbers: NDArray[np.int64]
    found: Any
    failed: dict[int, str]


def analyze_stacks(
    members: Members,
    numbers: Sequence[int],
    *,
    options: Mapping[str, Any],
    client: Any = None,
    show_progress: bool = True,
) -> Iterator[Part]:
    """Yield what `analyze` finds in some networks, of many at a time: their `LayerColumns`.

    Parameters
    ----------
    members : Members
        With a template.
    numbers : sequence of int
        Which of them.
    options : mapping
        For `analyze`.
    client, show_progress
        As in `map_ordered`; here, all cores are used.

    Raises
    ------
    NoCopiesError
        If networks of this topology can be measured one by one only.
    """
    assert members.template is not None
    stack, others = _coarsened(members.template, options)
    task = partial(analyze_stack, stack, **others)
    return parts_of(members, numbers, task, client=client, show_progress=show_progress)


def _coarsened(net: Network, options: Mapping[str, Any]) -> tuple[Stack, dict[str, Any]]:
    """Return what is measured, and the options of `analyze` that do not say what that is."""
    coarse = {name: options[name] for name in ("granularity", "aggregation") if name in options}
    others = {name: value for name, value in options.items() if name not in coarse}
    return Stack(coarsen(net, **{"granularity": "neuron", **coarse})), others


def sample_stacks(
    members: Members,
    numbers: Sequence[int],
    *,
    measure: Distribution,
    layer: str,
    n_most: int,
    client: Any = None,
    show_progress: bool = True,
) -> Iterator[Part]:
    """Yield samples of a measure of a layer, of many networks at a time, a row for each.

    Parameters
    ----------
    members, numbers, client, show_progress
        As in `analyze_stacks`.
    measure, layer, n_most
        As in `layer_sample`.
    """
    assert members.template is not None
    stack = _around(members.template, layer)
    task = partial(_samples, stack=stack, measure=measure, layer=layer, n_most=n_most)
    return parts_of(
        members, numbers, task, what=measure, client=client, show_progress=show_progress
    )


def _around(net: Network, layer: str) -> Stack:
    return Stack(net.around(net.layer(layer)))


def _samples(parameters: Any, *, stack: Stack, measure: Any, layer: str, n_most: int) -> Values:
    found = stacked_values(stack, parameters, measure, layer)
    if found.shape[1] <= n_most:
        return found
    places = ((np.arange(n_most) + 0.5) * (found.shape[1] / n_most)).astype(np.int64)
    return np.sort(found, axis=1)[:, places]


def parts_of(
    members: Members, numbers: Sequence[int], task: Any, *, client: Any, show_progress: bool,
    what: str = "analyze",
) -> Iterator[Part]:  # fmt: skip
    """Yield what a task finds in some networks, of many at a time.

    Parameters
    ----------
    members, numbers, client, show_progress
        As in `analyze_stacks`.
    task : callable
        Of parameters, stacked.
    what : str
        What is shown.
    """
    batches = members.batches(numbers)
    client = "threads" if client is None else client
    work = partial(_of_batch, task=task)
    found = map_ordered(
        work, batches, client=client, what=what, show_progress=show_progress, instead=_not_read
    )
    at = 0
    for batch, (places, result, failed) in zip(batches, found, strict=True):
        own = np.asarray(numbers[at : at + batch.size], dtype=np.int64)
        yield Part(own[places], result, {int(own[k]): error for k, error in failed.items()})
        at += batch.size


def _not_read(batch: Batch, error: CntGraphError) -> tuple[list[int], Any, dict[int, str]]:
    """Return what a batch gives that takes its process down."""
    return [], None, dict.fromkeys(range(batch.size), str(error))


def _of_batch(batch: Batch, *, task: Any) -> tuple[list[int], Any, dict[int, str]]:
    parameters, places, failed = batch.stacked()
    return places, task(parameters) if places else None, failed


# -- as tables -------------------------------------------------------------------------------------


def layer_rows(
    parts: Iterable[Part], n: int, failed: dict[int, str]
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Return one row per network and layer, as `analyze` has it, and the number of its network.

    Parameters
    ----------
    parts : iterable of Part
        With `LayerColumns`, of n networks together.
    n : int
        So much is made room for: the table is never there twice.
    failed : dict of int to str
        What could not be read is put there.

    Raises
    ------
    CntGraphError
        If none could be read.
    """
    own: dict[str, NDArray[Any]] = {}
    numbers, at, last = np.empty(n, dtype=np.int64), 0, None
    for part in parts:
        failed.update(part.failed)
        if part.found is None:
            continue
        last, stop = part.found, at + len(part.numbers)
        numbers[at:stop] = part.numbers
        for name, values in part.found.own.items():
            if name not in own:
                own[name] = np.empty((n, values.shape[1]), values.dtype)
            own[name][at:stop] = values
        at = stop
    if last is None:
        first = next(iter(failed.values()), "there are none")
        raise CntGraphError(f"none of {n} networks can be read; the first: {first}")
    whole = LayerColumns(last.same, {k: v[:at] for k, v in own.items()}, last.statuses)
    return whole.table(), np.repeat(numbers[:at], len(last.same["layer"]))


# -- snapshots of a training -----------------------------------------------------------------------


def analyze_snapshots(
    store: StoreFile, numbers: Sequence[int], options: Mapping[str, Any], show_progress: bool
) -> tuple[pd.DataFrame, NDArray[np.int64]] | None:
    """Return one row per snapshot and layer, and the place of its snapshot among the numbers.

    None where they are better measured one by one.

    Parameters
    ----------
    store : StoreFile
    numbers : sequence of int
        Which snapshots.
    options : mapping
        For `analyze`.
    show_progress : bool
        Whether to show a progress bar on a terminal.

    Raises
    ------
    StoreError
        If one of them is damaged.
    """
    import pandas as pd

    if not are_stackable(store, len(numbers)) or "client" in options:
        return None
    try:
        stack, others = _coarsened(store.topology, options)
    except NoCopiesError:
        return None
    found = snapshots_together(
        store, numbers, partial(analyze_stack, stack, **others), "analyze", show_progress
    )
    layers = pd.concat([columns.table() for columns in found], ignore_index=True)
    return layers, np.repeat(np.arange(len(numbers)), len(layers) // len(numbers))


def snapshots_together(
    store: StoreFile, numbers: Sequence[int], task: Any, what: str, show_progress: bool
) -> Iterator[Any]:
    """Yield what a task finds in some snapshots of a file, of many at a time.

    Parameters
    ----------
    store, numbers, show_progress
        As in `analyze_snapshots`.
    task, what
        As in `parts_of`.

    Raises
    ------
    StoreError
        If one of them is damaged.
    """
    n = n_together(store.topology)
    for start in progress(range(0, len(numbers), n), what, show=show_progress):
        found = stacked_snapshots(store, numbers[start : start + n])
        if found.failed:
            raise StoreError(next(iter(found.failed.values())))
        yield task(found.parameters)
