"""What is measured of many networks: of those of one topology many at a time, else one by one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cntgraph.core.errors import CntGraphError, NoCopiesError
from cntgraph.core.types import Values
from cntgraph.measures.layer_values import Distribution
from cntgraph.network.node_values import NEURON_MEASURES, NeuronMeasure
from cntgraph.network.stack import Stack
from cntgraph.training.each_measures import EACH, numbered
from cntgraph.training.measuring import Measuring, layer_sample, layer_table, network_of
from cntgraph.training.members import Source
from cntgraph.training.stacked import Part, analyze_stacks, layer_rows, parts_of, sample_stacks
from cntgraph.training.statistics.pooled_values import labeled, layer_frame

if TYPE_CHECKING:
    import pandas as pd

#: Networks whose rows are held at a time, where they are measured one by one and written.
_AT_A_TIME: Final = 256


class Where(NamedTuple):
    """Where it is computed, and whether progress is shown: see `Population`."""

    client: Any
    show_progress: bool


def analyzed(
    measuring: Measuring, labels: pd.DataFrame, where: Where, options: Mapping[str, Any]
) -> pd.DataFrame:
    """Return `analyze` of every network, one below the other, after its number and labels.

    Parameters
    ----------
    measuring : Measuring
    labels : pandas.DataFrame
        One row per network.
    where : Where
    options : mapping
        For `analyze`; with ``inputs``, neurons over data are measured, too.
    """
    n, parts = len(measuring.members), _stacks(measuring, where, options)
    if parts is None:
        return layer_frame(_one_by_one(measuring, where, options), labels)
    failed: dict[int, str] = {}
    layers, rows = layer_rows(parts, n, failed)
    note_failed(measuring, failed, n)
    return labeled(layers, rows, labels)


def analyzed_in_parts(
    measuring: Measuring, labels: pd.DataFrame, where: Where, options: Mapping[str, Any]
) -> Iterator[pd.DataFrame]:
    """Yield what `analyzed` returns, some networks at a time."""
    parts = _stacks(measuring, where, options)
    if parts is None:
        found = _one_by_one(measuring, where, options)
        while some := [*islice(found, _AT_A_TIME)]:
            yield layer_frame(some, labels)
        return
    failed: dict[int, str] = {}
    for part in parts:
        failed.update(part.failed)
        if part.found is not None:
            rows = np.repeat(part.numbers, len(part.found.same["layer"]))
            yield labeled(part.found.table(), rows, labels)
    note_failed(measuring, failed, len(measuring.members))


def _one_by_one(
    measuring: Measuring, where: Where, options: Mapping[str, Any]
) -> Iterator[tuple[int, pd.DataFrame]]:
    task, every = partial(layer_table, options=options), range(len(measuring.members))
    return measuring.results(task, every, what="analyze", **where._asdict())


def _stacks(
    measuring: Measuring, where: Where, options: Mapping[str, Any]
) -> Iterator[Part] | None:
    """Return what is found in many networks at a time; None where it is in one at a time."""
    members = measuring.members
    if members.template is None or "inputs" in options:
        return None
    try:
        return analyze_stacks(members, range(len(members)), options=options, **where._asdict())
    except NoCopiesError as error:
        _warn_of(error)
        return None


def _warn_of(error: NoCopiesError) -> None:
    warnings.warn(f"{error} They are measured one by one.", stacklevel=6)


def note_failed(measuring: Measuring, failed: Mapping[int, str], n: int) -> None:
    """Keep why some of n networks were not read, and say so; where that is wanted, raise."""
    if failed and measuring.strict:
        raise CntGraphError(next(iter(failed.values())))
    measuring.note({measuring.members.key(k): error for k, error in failed.items()}, n)


def sampled(
    measuring: Measuring,
    numbers: list[int],
    measure: Distribution | NeuronMeasure,
    layer: str,
    *,
    n_most: int,
    inputs: Any,
    where: Where,
) -> Iterator[tuple[int, Values | None]]:
    """Yield the number of each network, and samples of a measure of a layer, if it has it.

    Parameters
    ----------
    measuring, where
        As in `analyzed`.
    numbers : list of int
        Which networks.
    measure, layer, n_most, inputs
        As in `layer_sample`.
    """
    template = measuring.members.template
    asked: dict[str, Any] = {"measure": measure, "layer": layer, "n_most": n_most}
    if template is not None and measure not in NEURON_MEASURES:
        if layer not in {found.name for found in template.layers}:
            return iter([(number, None) for number in numbers])
        with suppress(NoCopiesError):  # said by `analyzed`, which comes first
            parts = sample_stacks(measuring.members, numbers, **asked, **where._asdict())
            return _samples(measuring, parts, len(numbers))
    task = partial(layer_sample, inputs=inputs, **asked)
    return measuring.results(task, numbers, what=measure, **where._asdict())


def _samples(
    measuring: Measuring, parts: Iterator[Part], n: int
) -> Iterator[tuple[int, Values | None]]:
    """Yield network by network what was found in many at a time."""
    failed: dict[int, str] = {}
    for part in parts:
        failed.update(part.failed)
        if part.found is not None:
            yield from zip(part.numbers.tolist(), part.found, strict=True)
    note_failed(measuring, failed, n)


# -- a row, or several, a network ------------------------------------------------------------------


def each_measured(
    measuring: Measuring, measure: str, where: Where, options: Mapping[str, Any]
) -> pd.DataFrame:
    """Return one of the measures in `EACH` of every network, indexed by its number.

    Parameters
    ----------
    measuring, where
        As in `analyzed`.
    measure : str
    options : mapping
        For the measure.
    """
    import pandas as pd

    stack, every = _stack(measuring), range(len(measuring.members))
    how = {"what": measure, **where._asdict()}
    if stack is None:
        task = partial(_each_of_one, measure=measure, options=options)
        found = measuring.results(task, every, **how)
        tables = [numbered(table, [number], "network") for number, table in found]
    else:
        failed: dict[int, str] = {}
        tables = []
        together = partial(EACH[measure].each, stack, **options)
        for part in parts_of(measuring.members, every, together, **how):
            failed.update(part.failed)
            if part.found is not None:
                tables.append(numbered(part.found, part.numbers.tolist(), "network"))
        note_failed(measuring, failed, len(every))
    return pd.concat(tables) if tables else pd.DataFrame()


def _stack(measuring: Measuring) -> Stack | None:
    """Return what networks are measured as together; None where that is one by one."""
    template = measuring.members.template
    try:
        return None if template is None else Stack(template)
    except NoCopiesError as error:
        _warn_of(error)
        return None


def _each_of_one(source: Source, *, measure: str, options: Mapping[str, Any]) -> pd.DataFrame:
    return EACH[measure].one(network_of(source), **options)
