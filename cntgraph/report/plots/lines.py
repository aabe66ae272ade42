"""Lines, or points, of several layers or blocks, told apart: by a legend, or the color of depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cntgraph.report.labels import short_name
from cntgraph.report.plots.style import (
    COLORS,
    DASHES,
    MARKERS,
    legend_label,
    match_sizes,
    sequential_map,
    tick_size,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

#: The shares of the width and of the height of axes that a legend may take.
_SHARE, _HEIGHT = 0.33, 1.05
#: So many names at most beside a bar of colors, of so many letters.
_NAMED: Final = 5
_LETTERS: Final = 17


def draw_lines(
    ax: Axes, lines: Mapping[object, tuple[Any, Any]], *, title: str, joined: bool = True
) -> None:
    """Draw lines beside a legend; where colors come round again, dashes tell them apart.

    A legend that would take a third of the figure gives way to a bar of colors: lines have the
    color of their place in the order, and some of them are named.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    lines : mapping of object to (x, y)
        By what they are called.
    title : str
        Of the legend.
    joined : bool, default True
        Whether points are joined to lines.
    """
    for k, (name, (x, y)) in enumerate(lines.items()):
        kinds = DASHES if joined else MARKERS
        kind = kinds[k // len(COLORS) % len(kinds)]
        dashes, marker, size = (kind, ".", 4.0) if joined else ("", kind, 2.5)
        ax.plot(x, y, linestyle=dashes, marker=marker, markersize=size, linewidth=1.2,
                color=COLORS[k % len(COLORS)], label=legend_label(name))  # fmt: skip
    if not lines:
        return
    size = tick_size(ax)
    legend = ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=size,
                       title=title, title_fontsize=size, handlelength=1.5)  # fmt: skip
    if _is_large(ax, legend):
        legend.remove()
        _color_by_order(ax, [*lines], title)


def _is_large(ax: Axes, legend: Legend) -> bool:
    """Whether a legend takes a third of what its axes have without it, or is higher than they."""
    legend.set_in_layout(False)  # or axes would be gone beside a legend that is too large
    ax.figure.figure.draw_without_rendering()  # also of axes in a part of a figure
    own, place = legend.get_window_extent(), ax.get_window_extent()
    legend.set_in_layout(True)
    return bool(own.width > _SHARE * place.width or own.height > _HEIGHT * place.height)


def _color_by_order(ax: Axes, names: Sequence[object], title: str) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    last = len(names) - 1
    colors = ScalarMappable(Normalize(0, max(last, 1)), sequential_map())
    for k, line in enumerate(ax.get_lines()[-len(names) :]):
        joined = line.get_linestyle() != "None"
        line.set(color=colors.to_rgba(np.array(float(k))), linestyle="-" if joined else "",
                 marker="." if joined else "o")  # fmt: skip
    bar = ax.figure.colorbar(colors, ax=ax, pad=0.02, aspect=30)
    shown = np.unique(np.linspace(0, last, min(_NAMED, last + 1)).round().astype(int))
    bar.set_ticks([*map(float, shown)], labels=[short_name(names[k], _LETTERS) for k in shown])
    bar.ax.invert_yaxis()
    bar.ax.tick_params(length=2)
    match_sizes(bar, ax, "")
    bar.ax.set_title(f"{title}, of {len(names)}", size=tick_size(ax), loc="left")
