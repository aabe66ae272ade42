"""Lines over a training: traces of charts, and the titles of their axes."""

from __future__ import annotations

from typing import Any

from cntgraph.report.page.chart import numbers, plain

#: Up to so many points of a line are marked.
MARKED = 60


def line(name: str, values: Any, number: int) -> dict[str, Any]:
    """Return a line over the snapshots, whose places and names all lines of its chart share.

    Parameters
    ----------
    name : str
    values : array_like of float, shape (n_snapshots,)
    number : int
        Which of several it is: it has a color of its own.
    """
    mode = "lines+markers" if len(values) <= MARKED else "lines"
    return {"type": "scatter", "mode": mode, "y": numbers(values), "name": plain(name),
            "marker": {"size": 5}, "meta": {"series": number, "shared": True}, "showlegend": True,
            "hovertemplate": "%{text}<br>%{y}"}  # fmt: skip


def titles(x: str, y: str) -> dict[str, Any]:
    """Return the layout of a chart whose axes are called so."""
    return {"xaxis": {"title": {"text": plain(x)}}, "yaxis": {"title": {"text": plain(y)}}}
