"""How a measure is distributed in a layer: one curve per snapshot, or a bin of networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.core.errors import ArgumentError, CntGraphError
from cntgraph.report.curves import Curve, density_curves
from cntgraph.report.labels import measure_label
from cntgraph.report.plots.style import (
    COLORS,
    check_table,
    legend_label,
    make_axes,
    match_sizes,
    sequential_map,
    set_title,
    tick_size,
)
from cntgraph.report.training_axis import training_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

#: Up to so many curves are filled; above so many they are drawn one behind the other.
FILLED, OVERLAID = 6, 12
#: Height of the highest curve of a ridge, in distances between two of them, at the least.
OVERLAP = 4.0


def plot_density(
    table: pd.DataFrame,
    *,
    color_by: str | None = None,
    ridge: bool | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the distribution of a measure in a layer, one curve per snapshot or a bin of networks.

    Parameters
    ----------
    table : pandas.DataFrame
        Densities of one layer and measure, as `Trajectory.density` and `Population.densities`
        return them: ``snapshot`` and labels, or ``bin``; ``layer``, ``measure``, ``x``,
        ``density``.
    color_by : str, optional
        The column that colors a curve: by default ``bin``, else that which `plot_training` has
        along its axis: ``step``, else ``epoch``, else ``snapshot``.
        Numbers and intervals have a color bar, anything else a legend. What bins are of is
        taken from ``table.attrs["by"]``, if it is there.
    ridge : bool, optional
        Whether curves are drawn one behind the other, the smallest value in front, rather than
        over each other; by default where there are more than 12.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    CntGraphError
        If the table is empty, lacks a column, or has more than one layer or measure.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"snapshot": [0, 0, 0, 1, 1, 1], "layer": "fc",
    ...                       "measure": "strength", "x": [0.0, 1.0, 2.0] * 2,
    ...                       "density": [0.0, 1.0, 0.0, 0.2, 0.6, 0.2]})
    >>> ax = plot_density(table)
    >>> ax.get_xlabel(), ax.get_ylabel(), len(ax.get_lines())
    ('strength (sum of weights)', 'probability density (1/weight)', 2)
    """
    if not hasattr(table, "columns"):
        raise ArgumentError(
            f"plot_density: expected the table of `density` or `densities`, got a "
            f"{type(table).__name__}; plot_distribution draws what cg.distribution gives"
        )
    color_by = color_by or ("bin" if "bin" in table.columns else training_axis(table))
    check_table(table, (color_by, "layer", "measure", "x", "density"), what="densities")
    layer, measure = _only(table, "layer"), _only(table, "measure")
    curves = _curves(table, color_by)
    ax = make_axes(ax)
    # What a bin is of, the table may know.
    name = str(table.attrs.get("by", color_by) if color_by == "bin" else color_by)
    colors = _colors([curve.of for curve in curves])
    if len(curves) > OVERLAID if ridge is None else ridge:
        _draw_ridge(ax, curves, colors)
        ax.set_ylabel(f"{name.replace('_', ' ')} (heights: density)")
    else:
        _draw_overlaid(ax, curves, colors)
        ax.set_ylabel("probability density (1/weight)")
        _add_key(ax, curves, colors, name.replace("_", " "))
    ax.set_xlim(min(c.x[0] for c in curves), max(c.x[-1] for c in curves))
    ax.set_xlabel(measure_label(measure))
    set_title(ax, layer)
    return ax


def _only(table: pd.DataFrame, column: str) -> str:
    """Return the one value of a column."""
    found = list(dict.fromkeys(table[column]))
    if len(found) > 1:
        raise CntGraphError(
            f"expected densities of one {column}, got {', '.join(map(str, found))}; choose one: "
            f"table[table[{column!r}] == {found[0]!r}]"
        )
    return str(found[0])


def _curves(table: pd.DataFrame, color_by: str) -> list[Curve]:
    """Return the curves in order of what colors them; bins without networks have none."""
    key = next(c for c in ("bin", "snapshot", color_by) if c in table.columns)
    found = density_curves(table, key, color_by)
    curves = [curve for curve in found if curve.of == curve.of]
    if not curves:
        raise CntGraphError(f"no curve has both densities and a value of {color_by!r}")
    if all(_number(curve.of) is not None for curve in curves):
        curves.sort(key=lambda curve: _number(curve.of) or 0.0)
    return curves


def _number(value: Any) -> float | None:
    """Return where a number, or the middle of an interval, lies on the scale of colors."""
    value = getattr(value, "mid", value)
    return float(value) if isinstance(value, int | float | np.number) else None


def _colors(values: list[Any]) -> ScalarMappable | None:
    """Return the scale of colors: in steps for intervals, continuous for numbers, else none."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, Normalize

    numbers = [number for number in map(_number, values) if number is not None]
    if len(numbers) < len(values):
        return None
    shades = sequential_map()
    if all(hasattr(value, "left") for value in values):
        edges = sorted({edge for value in values for edge in (value.left, value.right)})
        return ScalarMappable(BoundaryNorm(edges, shades.N), shades)
    return ScalarMappable(Normalize(min(numbers), max(numbers)), shades)


def _color(colors: ScalarMappable | None, curve: Curve, k: int) -> Any:
    """Return the color of the k-th curve."""
    if colors is None:
        return COLORS[k % len(COLORS)]
    return colors.to_rgba(np.array(_number(curve.of)))


def _name(value: Any) -> str:
    number = _number(value)
    return str(value) if number is None else f"{number:g}"


def _draw_overlaid(ax: Axes, curves: list[Curve], colors: ScalarMappable | None) -> None:
    for k, curve in enumerate(curves):
        color = _color(colors, curve, k)
        ax.plot(curve.x, curve.y, color=color, linewidth=1.2)
        if len(curves) <= FILLED:
            ax.fill_between(curve.x, curve.y, color=color, alpha=0.1, linewidth=0)
    ax.set_ylim(0, None)


def _draw_ridge(ax: Axes, curves: list[Curve], colors: ScalarMappable | None) -> None:
    """Draw curves one behind the other; the smallest value is in front, at the bottom."""
    n = len(curves)
    scale = max(OVERLAP, n / 5) / (max(float(curve.y.max()) for curve in curves) or 1.0)
    for k, curve in enumerate(curves):
        color, top = _color(colors, curve, k), k + scale * curve.y
        ax.fill_between(curve.x, k, top, color=color, alpha=0.75, linewidth=0, zorder=2 + n - k)
        ax.plot(curve.x, top, color="white", linewidth=0.6, zorder=2 + n - k)
    ax.spines["left"].set_zorder(3 + n)
    shown = np.unique(np.linspace(0, n - 1, min(n, 6)).round().astype(int))
    ax.set_yticks(shown, [_name(curves[k].of) for k in shown])
    ax.set_ylim(-0.2, None)


def _add_key(ax: Axes, curves: list[Curve], colors: ScalarMappable | None, name: str) -> None:
    if colors is None:
        size = tick_size(ax)
        labels = [legend_label(curve.of) for curve in curves]
        ax.legend(ax.get_lines(), labels, title=name, frameon=False, fontsize=size,
                  title_fontsize=size)  # fmt: skip
    else:
        match_sizes(ax.figure.colorbar(colors, ax=ax, pad=0.02), ax, name)
