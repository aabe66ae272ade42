"""The profile of a network: every measure that is affordable, and what each cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import (
    CntGraphError,
    GraphSizeError,
    NonFiniteWeightError,
    SignedWeightError,
    UndefinedMeasureError,
)
from cntgraph.core.progress import progress
from cntgraph.core.table_view import Shown, TableView, check_shown
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import Sign
from cntgraph.measures.explicit.graph import MAX_EDGES, explicit_graph
from cntgraph.measures.profile.catalog import find_measures
from cntgraph.measures.profile.measure import Measure, Size
from cntgraph.measures.profile.numbers import named_numbers
from cntgraph.network.network import Network

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "measure", "part", "level", "n", "mean", "std", "min", "max",
    "seconds", "estimate", "complexity", "status", "reason",
)  # fmt: skip

#: What is shown of it.
_VIEW: Final = TableView(("measure", "part", "n", "mean", "std", "min", "max", "status"))

#: What the status of a measure is after an error; the first that fits.
_STATUS: tuple[tuple[type[CntGraphError], str], ...] = (
    (SignedWeightError, "needs sign"),
    (NonFiniteWeightError, "not finite"),
    (UndefinedMeasureError, "undefined"),
    (GraphSizeError, "too large"),
    (CntGraphError, "failed"),
)


@takes(Network, Graph)
def cnt_profile(
    net_or_graph: Network | Graph,
    *,
    sign: Sign | None = None,
    measures: Sequence[str] | None = None,
    budget: float = 30.0,
    max_edges: int = MAX_EDGES,
    rng: int = 0,
    columns: Shown = "main",
    show_progress: bool = True,
) -> pd.DataFrame:
    """Return one table with every affordable measure of a network, and what each cost.

    Parameters
    ----------
    net_or_graph : Network or Graph
        A network, coarse or not; measures on single edges unroll it, once, if it is not too
        large for that.
    sign : {"absolute", "positive", "negative", "split"}, optional
        What measures of weights ≥ 0 take of the others. Without it, the rows of these measures
        say that they need it, if there are negative weights.
    measures : sequence of str, optional
        Names of the measures to take; by default all.
    budget : float, default 30.0
        A measure that is estimated to take more seconds than this is listed, not taken.
    max_edges : int, default 5 million
        Unroll no more edges than this.
    rng : int, default 0
        Seed of measures that draw random numbers.
    columns : {"main", "all"}, default "main"
        What it shows when it is printed: what people compare, or all. It has everything either way.
    show_progress : bool, default True
        Whether to show a bar.

    Returns
    -------
    pandas.DataFrame
        One row per measure and part of it, in the catalog's order: ``measure``, ``part`` (such
        as hubs and authorities; empty if there is one), ``level`` (what there is a number of),
        ``n`` numbers with their ``mean``, ``std``, ``min`` and ``max`` over those that are finite,
        ``seconds`` taken, ``estimate`` (in seconds), ``complexity``, ``status`` and ``reason``.
        Status is ``"measured"``; ``"too large"``; ``"needs sign"``; ``"undefined"`` on such a
        graph; ``"not finite"``, where weights are NaN or infinite; or ``"failed"``.

    Raises
    ------
    CntGraphError
        If there is no measure of a name; the message lists the names.

    Notes
    -----
    Estimates are good to a factor of a few, on large networks; ``seconds`` also has what the first
    call in a process takes to load compiled code. Unrolling the graph, once, is not in it.

    Examples
    --------
    >>> import cntgraph as cg
    >>> table = cnt_profile(cg.toy("mlp"), measures=["node_strength", "pagerank"])
    >>> table[["measure", "n", "status"]]
             measure   n      status
    0  node_strength  20    measured
    1       pagerank   0  needs sign
    """
    import pandas as pd

    from cntgraph.core.table import table_of

    check_shown(columns)
    chosen = find_measures(measures)
    subject = _Subject(net_or_graph, sign=sign, budget=budget, max_edges=max_edges, rng=rng)
    rows = [
        row
        for measure in progress(chosen, "measures", show=show_progress)
        for row in subject.rows(measure)
    ]
    return table_of(pd.DataFrame(rows, columns=list(COLUMNS)), _VIEW, columns)


class _Subject:
    """A network under measure: its size, the options, and its explicit graph once it is needed."""

    def __init__(
        self,
        net_or_graph: Network | Graph,
        *,
        sign: Sign | None,
        budget: float,
        max_edges: int,
        rng: int,
    ) -> None:
        self.net_or_graph = net_or_graph
        self.budget, self.max_edges = budget, max_edges
        self.options = {"sign": sign, "rng": rng, "max_edges": max_edges}

    @cached_property
    def size(self) -> Size:
        return Size.of(self.net_or_graph)

    @cached_property
    def graph(self) -> Graph:
        return explicit_graph(self.net_or_graph, max_edges=self.max_edges)

    def rows(self, measure: Measure) -> Iterator[dict[str, Any]]:
        """Yield one row per part of the measure, or one that says why there is none."""
        estimate = measure.seconds(self.size)
        known = {"measure": measure.name, "level": measure.level, "estimate": estimate,
                 "complexity": measure.complexity}  # fmt: skip
        try:
            self._check_affordable(measure, estimate)
            subject = self.graph if measure.unrolls else self.net_or_graph
            started = perf_counter()
            found = measure.function(subject, **self._options(measure))
            known |= {"seconds": perf_counter() - started, "status": "measured", "reason": ""}
        except CntGraphError as error:
            status = next(name for kind, name in _STATUS if isinstance(error, kind))
            yield known | {"part": "", "n": 0, "status": status, "reason": str(error)}
            return
        for part, values in named_numbers(measure.read(found)).items():
            yield known | {"part": part} | _summary(values)

    def _check_affordable(self, measure: Measure, estimate: float) -> None:
        alone = isinstance(self.net_or_graph, Network) and self.net_or_graph.is_weights_alone
        if alone and (measure.unrolls or measure.level == "network"):
            raise UndefinedMeasureError(
                "these are weights alone: which leads to which is not known, so that there are no "
                "paths and no whole; load the model's graph (model=), or call the function itself"
            )
        if measure.unrolls and self.size.n_edges > self.max_edges:
            raise GraphSizeError(
                f"needs the explicit graph of {self.size.n_edges:,} edges; the limit is "
                f"max_edges={self.max_edges:,}. A coarse graph has fewer (granularity='channel'), "
                "so has a reduced one"
            )
        if estimate > self.budget:
            raise GraphSizeError(
                f"would take about {estimate:.3g} s; the limit is budget={self.budget:g} s"
            )

    def _options(self, measure: Measure) -> dict[str, Any]:
        return {name: value for name, value in self.options.items() if measure.takes(name)}


def _summary(values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return {"n": values.size}
    with np.errstate(over="ignore"):
        spread = {"mean": finite.mean(), "std": finite.std()}
    return {"n": values.size, **spread, "min": finite.min(), "max": finite.max()}
