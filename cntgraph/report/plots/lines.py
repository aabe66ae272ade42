"""Lines of several layers or blocks, told apart, with a legend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cntgraph.report.plots.style import COLORS, DASHES, legend_label, tick_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_lines(ax: Axes, lines: Mapping[object, tuple[Any, Any]], *, title: str) -> None:
    """Draw lines beside a legend; where colors come round again, dashes tell them apart.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    lines : mapping of object to (x, y)
        By what they are called.
    title : str
        Of the legend.
    """
    for k, (name, (x, y)) in enumerate(lines.items()):
        dashes = DASHES[k // len(COLORS) % len(DASHES)]
        ax.plot(x, y, dashes, marker=".", markersize=4, linewidth=1.2,
                color=COLORS[k % len(COLORS)], label=legend_label(name))  # fmt: skip
    if lines:
        size = tick_size(ax)
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=size,
                  title=title, title_fontsize=size, handlelength=1.5)  # fmt: skip
