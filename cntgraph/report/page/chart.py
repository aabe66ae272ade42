"""Chart: a figure with menus and a slider; plotly draws it in the page."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cntgraph.core.errors import require
from cntgraph.report.labels import short_name

#: Significant digits of numbers in the page.
DIGITS = 5


@dataclass
class View:
    """What a chart shows for one choice in each of its menus.

    Parameters
    ----------
    data : list of dict
        plotly's traces. ``meta`` says how the page colors one: ``{"series": 3}`` is the fourth
        of several that have no order, ``{"shade": 0.5}`` lies in the middle of a scale,
        ``{"muted": True}`` is in the background. With ``{"shared": True}`` it gets what all
        views have in common.
    layout : dict
        plotly's layout, as far as it is not that of all charts.
    frames : list of dict, default []
        A place of the slider each: ``label``, and under ``data`` what replaces parts of traces.
    """

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    frames: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Chart:
    """A figure of the page.

    Parameters
    ----------
    name : str
        Its id in the page.
    caption : str
        What is seen, and how to read it.
    menus : dict of str to list of str
        The label of each menu, and its options.
    views : mapping of tuple of int to View
        By the number of the option chosen in each menu. What is missing has nothing to show.
    slider : str, default ""
        Label of the slider, if views have frames.
    shared : dict, default {}
        Parts of traces that all views have in common.
    square : bool, default False
        Whether it is as high as wide.
    measures : sequence of str, default ()
        Whose meanings stand below it (see `cntgraph.report.meanings`): of several, each where its
        option of the first menu is chosen.
    """

    name: str
    caption: str
    views: Mapping[Any, View]
    menus: dict[str, list[str]] = field(default_factory=dict)
    slider: str = ""
    shared: dict[str, Any] = field(default_factory=dict)
    square: bool = False
    measures: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """Return what the page's script reads; plotly has checked every trace and layout.

        Returns
        -------
        dict
        """
        views = {".".join(map(str, key)): _checked(view) for key, view in self.views.items()}
        menus = [{"label": label, "options": options} for label, options in self.menus.items()]
        return {"name": self.name, "menus": menus, "slider": self.slider, "views": views,
                "shared": self.shared}  # fmt: skip


def _checked(view: View) -> dict[str, Any]:
    """Return a view as JSON has it; plotly raises if it knows no such option."""
    graph_objects = require("plotly.graph_objects", "report", needed_for="A report")
    # Validation copies what it checks, which need not happen to every number.
    light = [{k: v for k, v in trace.items() if k not in _LONG} for trace in view.data]
    graph_objects.Figure(data=light, layout=view.layout)
    return {"data": view.data, "layout": view.layout, "frames": view.frames}


_LONG = ("x", "y", "z", "text", "customdata")


def as_script(charts: Iterable[Chart]) -> str:
    r"""Return charts as JSON that may stand in a script element, whatever names are in it.

    Examples
    --------
    >>> print(as_script([Chart("a</script>", "", {})])[:27])
    [{"name":"a\u003c/script>",
    """
    text = json.dumps([chart.as_json() for chart in charts], allow_nan=False,
                      ensure_ascii=False, separators=(",", ":"))  # fmt: skip
    return text.replace("<", "\\u003c")


def numbers(values: ArrayLike) -> list[Any]:
    """Return numbers as short as they can be seen, None for what is not finite.

    Examples
    --------
    >>> numbers([0.1234567, float("nan"), 2.0])
    [0.12346, None, 2]
    """
    found = np.asarray(values, dtype=np.float64)
    if found.ndim > 1:
        return [numbers(row) for row in found]
    return [_short(value) if np.isfinite(value) else None for value in found.tolist()]


def _short(value: float) -> float | int:
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def plain(name: object) -> str:
    """Return a name so that plotly, to which texts are templates and HTML, shows it as it is.

    Examples
    --------
    >>> plain("<b>conv</b>"), plain("50 %{x}")
    ('&lt;b&gt;conv&lt;/b&gt;', '50 %&#123;x}')
    """
    return html.escape(str(name), quote=False).replace("%{", "%&#123;")


def ticks(labels: Sequence[object], most: int = 12) -> dict[str, Any]:
    """Return an axis that names places 0, 1, … by labels, not more than can be read.

    Parameters
    ----------
    labels : sequence
    most : int, default 12

    Returns
    -------
    dict

    Examples
    --------
    >>> ticks(["a", "b"])["ticktext"]
    ['a', 'b']
    """
    places = list(range(0, len(labels), -(-len(labels) // most) or 1))
    return {"tickmode": "array", "tickvals": places,
            "ticktext": [plain(short_name(labels[k])) for k in places]}  # fmt: skip
