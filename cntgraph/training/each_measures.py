"""Measures that give each of many networks a row, or several: of one network, and of a stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cntgraph.core.arguments import check_options
from cntgraph.core.errors import NoCopiesError
from cntgraph.core.progress import progress
from cntgraph.measures.relative_fluctuation import (
    relative_fluctuation,
    stacked_relative_fluctuation,
)
from cntgraph.measures.spectra.weight_spectra import (
    each_weight_spectra,
    one_weight_spectra,
    weight_spectra,
)
from cntgraph.network.network import Network
from cntgraph.network.stack import Stack
from cntgraph.store.reader import StoreFile
from cntgraph.store.stacked_snapshots import are_stackable
from cntgraph.training.stacked import snapshots_together
from cntgraph.training.statistics.weight_statistics import (
    each_weight_statistics,
    weight_statistics,
)

if TYPE_CHECKING:
    import pandas as pd


class EachMeasure(NamedTuple):
    """A measure, of one network and of each of many.

    Parameters
    ----------
    function : callable
        What users call: it says which options there are.
    one : callable
        Of a network and options: a table with a row, or several, for it.
    each : callable
        Of a `Stack`, parameters and options: the same of every network, by its place among them,
        which comes first in the index.
    """

    function: Callable[..., Any]
    one: Callable[..., pd.DataFrame]
    each: Callable[..., pd.DataFrame]


def _row(measure: Callable[..., pd.Series], net: Network, **options: Any) -> pd.DataFrame:
    return measure(net, **options).to_frame().T.reset_index(drop=True)


def _each_relative_fluctuation(
    stack: Stack, parameters: Mapping[str, Any], **options: Any
) -> pd.DataFrame:
    import pandas as pd

    values = stacked_relative_fluctuation(stack, parameters, **options)
    names = pd.Index([layer.name for layer in stack.net.layers], name="layer")
    return pd.DataFrame(values, columns=names)


EACH: Final[Mapping[str, EachMeasure]] = {
    "relative_fluctuation": EachMeasure(
        relative_fluctuation, partial(_row, relative_fluctuation), _each_relative_fluctuation
    ),
    "weight_statistics": EachMeasure(
        weight_statistics, partial(_row, weight_statistics), each_weight_statistics
    ),
    "weight_spectra": EachMeasure(weight_spectra, one_weight_spectra, each_weight_spectra),
}


def check_each(several: str, measure: str, options: Mapping[str, Any]) -> None:
    """Refuse options that a measure of `EACH` does not have.

    Parameters
    ----------
    several : str
        The class that was asked.
    measure : str
    options : mapping

    Raises
    ------
    ArgumentError
    """
    check_options(f"{several}.{measure}", options, EACH[measure].function)


def numbered(table: pd.DataFrame, numbers: Sequence[int], what: str) -> pd.DataFrame:
    """Return a table whose index begins with places among some networks, with their numbers.

    Parameters
    ----------
    table : pandas.DataFrame
    numbers : sequence of int
        Of the networks, by place.
    what : str
        What a number is called.
    """
    import pandas as pd

    places = table.index.get_level_values(0)
    own = pd.Index(numbers, name=what).take(places)
    others = [table.index.get_level_values(k) for k in range(1, table.index.nlevels)]
    return table.set_axis(pd.MultiIndex.from_arrays([own, *others]) if others else own)


def snapshots_measured(
    store: StoreFile,
    numbers: Sequence[int],
    measure: str,
    options: Mapping[str, Any],
    show_progress: bool,
) -> pd.DataFrame:
    """Return a measure of some snapshots of a file, in order.

    Parameters
    ----------
    store : StoreFile
    numbers : sequence of int
        Which snapshots.
    measure : str
        One of `EACH`.
    options : mapping
        For the measure.
    show_progress : bool
        Whether to show a progress bar on a terminal.

    Raises
    ------
    StoreError
        If one of them is damaged, or has no parameters.
    """
    import pandas as pd

    _, one, each = EACH[measure]
    stack = _stack_of(store, len(numbers)) if "client" not in options else None
    if stack is not None:
        task = partial(each, stack, **options)
        tables = [*snapshots_together(store, numbers, task, measure, show_progress)]
    else:
        shown = progress(numbers, measure, show=show_progress)
        tables = [one(store.network(k), **options) for k in shown]
    sizes, first = [table.index.get_level_values(0).max() + 1 for table in tables], 0
    for k, size in enumerate(sizes):
        tables[k] = numbered(tables[k], range(first, first + size), "snapshot")
        first += size
    return pd.concat(tables) if tables else pd.DataFrame()


def _stack_of(store: StoreFile, n: int) -> Stack | None:
    """Return what n snapshots are measured as together; None where that is one by one."""
    try:
        return Stack(store.topology) if are_stackable(store, n) else None
    except NoCopiesError:
        return None
