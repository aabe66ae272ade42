"""Layer measures of networks of one topology, many at a time, put together in one table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.mapping import map_ordered
from cntgraph.measures.analyze import ANALYSIS
from cntgraph.measures.stacks import LayerColumns, analyze_stack
from cntgraph.network.copies import Stack
from cntgraph.network.network import coarsen
from cntgraph.training.row_members import RowBatch, RowMembers

if TYPE_CHECKING:
    import pandas as pd


def analyze_rows(
    members: RowMembers,
    numbers: Sequence[int],
    *,
    options: Mapping[str, Any],
    client: Any = None,
    show_progress: bool = False,
) -> Iterator[LayerColumns]:
    """Yield what `analyze` finds in some networks, of many at a time.

    Parameters
    ----------
    members : RowMembers
    numbers : sequence of int
        Which of them.
    options : mapping
        For `analyze`.
    client, show_progress
        As in `map_ordered`; here, all cores are used.

    Yields
    ------
    LayerColumns
        Of the networks in their order.

    Raises
    ------
    NoCopiesError
        If networks of this topology can be measured one by one only.
    """
    coarse = {name: options[name] for name in ("granularity", "aggregation") if name in options}
    others = {name: value for name, value in options.items() if name not in coarse}
    template = members.rows.template
    stack = Stack(coarsen(template, **{"granularity": "neuron", **coarse}))
    work = partial(_columns_of, stack=stack, options=others)
    batches = members.batches(numbers)
    client = "threads" if client is None else client
    yield from map_ordered(work, batches, client=client, show_progress=show_progress)


def _columns_of(batch: RowBatch, *, stack: Stack, options: Mapping[str, Any]) -> LayerColumns:
    return analyze_stack(stack, batch.parameters(), **options)


def layer_rows(found: Iterable[LayerColumns], n: int) -> pd.DataFrame:
    """Return one row per network and layer, as `analyze` has it.

    Parameters
    ----------
    found : iterable of LayerColumns
        Of n networks, some at a time.
    n : int
        So much is made room for: the table is never there twice.

    Returns
    -------
    pandas.DataFrame
    """
    import pandas as pd

    own: dict[str, NDArray[Any]] = {}
    at, last = 0, None
    for last in found:
        for name, values in last.own.items():
            if name not in own:
                own[name] = np.empty((n, values.shape[1]), values.dtype)
            own[name][at : at + len(values)] = values
        at += len(last.own["status"])
    assert last is not None
    columns: dict[str, Any] = {name: values.reshape(-1) for name, values in own.items()}
    columns["status"] = _words(last.statuses, columns["status"])
    layers = np.tile(np.arange(len(last.same["layer"])), n)
    columns |= {name: _words(values, layers) for name, values in last.same.items()}
    return pd.DataFrame({name: columns[name] for name in ANALYSIS}, copy=False)


def _words(values: Sequence[Any], numbers: NDArray[Any]) -> Any:
    """Return the values with these numbers, of the type that pandas has for them in a table."""
    import pandas as pd

    if isinstance(values[0], tuple):
        table = np.empty(len(values), dtype=object)
        table[:] = values
        return table[numbers]
    return pd.Series(values).array.take(numbers)
