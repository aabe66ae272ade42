"""How well measures tell two groups of networks apart, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cntgraph.plots.style import COLOURS, legend_label, make_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def plot_separation(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the AUC of each measure in each layer as bars that start at chance.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a layer, a column a measure, as `separation_auc` returns it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> auc = pd.DataFrame({"fluctuation": [0.9], "link_weight_std": [0.7]}, index=["conv1"])
    >>> len(plot_separation(auc).patches)
    2
    """
    ax = make_axes(ax)
    places = np.arange(len(table))
    height = 0.8 / max(len(table.columns), 1)
    for k, name in enumerate(table.columns):
        values = table[name].to_numpy(dtype=float)
        offset = (k - (len(table.columns) - 1) / 2) * height
        colour = COLOURS[k % len(COLOURS)]
        ax.barh(
            places + offset,
            values - 0.5,
            height,
            left=0.5,
            color=colour,
            label=legend_label(name).replace("_", " "),
        )
    ax.set_yticks(places, [str(layer) for layer in table.index])
    ax.invert_yaxis()
    ax.set_xlim(0.5, 1.0)
    ax.set_xlabel("AUC, accurate against poor networks (0.5 is chance)")
    ax.set_ylabel("layer")
    if len(table.columns):
        where = {"loc": "upper center", "bbox_to_anchor": (0.5, 1.2), "ncols": 2}
        ax.legend(frameon=False, fontsize="small", **where)
    return ax
