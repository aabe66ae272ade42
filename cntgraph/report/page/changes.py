"""What the report shows of changes: how far the weights of each block are from what they were."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from cntgraph.core.table_text import cell
from cntgraph.report.labels import change_label
from cntgraph.report.page.chart import Chart, View
from cntgraph.report.page.lines import line, titles
from cntgraph.report.page.page import Section
from cntgraph.report.page.selection import LAYERS, evenly, said
from cntgraph.training.trajectory import Trajectory

if TYPE_CHECKING:
    import pandas as pd


def change_sections(
    trajectory: Trajectory,
    layers: Collection[str],
    axis: str,
    shared: dict[str, Any],
    left_out: str,
) -> list[Section]:
    """Return the part of the page about changes of weights, if weights were recorded.

    Parameters
    ----------
    trajectory : Trajectory
        The snapshots that are drawn.
    layers : collection of str
        Blocks that lead to others have no curve.
    axis : str
        What tells snapshots apart.
    shared : dict
        What all lines have in common.
    left_out : str
        What is to be said of snapshots that are not drawn.
    """
    ends = trajectory.topology.ends
    if not trajectory.has_parameters:
        return []
    tables = [_of_layers(trajectory.change(reference=k), layers, ends) for k in (0, "previous")]
    if tables[0].empty:
        return []
    return [Section("Changes of weights", _TEXT, _facts(tables[0]), [
        _lines(tables, axis, shared, left_out)])]  # fmt: skip


def _of_layers(table: pd.DataFrame, layers: Collection[str], ends: dict[str, str]) -> pd.DataFrame:
    return table[[name for name in table.columns if ends[name] in layers]]


def _facts(table: pd.DataFrame) -> dict[str, str]:
    last = table.iloc[-1].dropna()
    if last.empty:
        return {}
    most, least = str(last.idxmax()), str(last.idxmin())
    return {"changed most": f"{most}: {cell(last.max())}",
            "changed least": f"{least}: {cell(last.min())}"}  # fmt: skip


def _lines(
    tables: Sequence[pd.DataFrame], axis: str, shared: dict[str, Any], left_out: str
) -> Chart:
    blocks = evenly(list(tables[0].columns), LAYERS)
    views = {}
    for k, table in enumerate(tables):
        data = [line(str(name), table[name], n) for n, name in enumerate(blocks)]
        views[k,] = View(data, titles(axis, change_label("change")))
    caption = _CAPTION + left_out + said(len(blocks), len(tables[0].columns), "blocks")
    return Chart("changes", caption, views, {"From": ["the first snapshot", "the one before"]},
                 shared=shared)  # fmt: skip


_TEXT = (
    "How far the weights of each block are from what they were, as trajectory.change() has it: the "
    "norm of the difference, as a share of the norm of the weights that it is from. It tells which "
    "part of the network changed most, by the last snapshot, and when."
)
_CAPTION = "A click on a block hides it, a double click shows it alone."
