"""The strength of a layer's nodes where they are: an image."""

from __future__ import annotations

from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import CntGraphError
from cntgraph.measures.strength import node_strength
from cntgraph.network.layer_sums import Direction
from cntgraph.network.network import Network
from cntgraph.report.labels import measure_label
from cntgraph.report.plots.style import COLUMN, SMALL, make_axes, match_sizes, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MEASURES = {"total": "strength", "in": "in_strength", "out": "out_strength"}
#: Up to so many channels, each is numbered.
NUMBERED = 64


def plot_strength_map(
    net: Network,
    layer: str,
    *,
    channel: int | None = None,
    direction: Direction = "total",
    ax: Axes | None = None,
) -> Axes:
    """Draw the strength of every node of a convolution layer, or of an image input, as an image.

    Parameters
    ----------
    net : Network
        What is measured.
    layer : str
        A layer of shape (channels, height, width), or (channels, length).
    channel : int, optional
        Draw this channel only; by default all, side by side.
    direction : {"total", "in", "out"}, default "total"
        As in `node_strength`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    CntGraphError
        If there is no such layer or channel, or the layer has no image's shape.

    Notes
    -----
    White is 0, blue below, red above, on a scale that is the same for all channels and reaches
    as far on both sides. What is not finite is gray, as what lies between channels.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("cnn")
    >>> plot_strength_map(net, "conv1", channel=1).images[0].get_array().shape
    (6, 6)
    """
    strength = net.split(node_strength(net, direction=direction))
    values = _image_of(strength[net.layer(layer).name], layer)
    whole = values if channel is None else values[[_checked(channel, layer, len(values))]]
    picture, columns = _tiled(whole)
    ax = make_axes(ax, height=min(max(COLUMN[0] * 0.8 * picture.shape[0] / picture.shape[1], 1), 4))
    _draw(ax, picture, measure_label(_MEASURES[direction]))
    set_title(ax, layer if channel is None else f"{layer}, channel {channel}")
    if len(whole) == 1:
        ax.set(xlabel="x (nodes)", ylabel="y (nodes)")
    else:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_xlabel(f"{len(whole)} channels of {whole.shape[1]}×{whole.shape[2]} nodes")
        _number_tiles(ax, whole, columns)
    return ax


def _image_of(values: NDArray[np.float64], layer: str) -> NDArray[np.float64]:
    """Return strengths as (channels, height, width)."""
    if values.ndim == 2:
        values = values[:, np.newaxis]
    if values.ndim != 3 or not values.size:
        raise CntGraphError(
            f"expected a layer of shape (channels, height, width) or (channels, length), such as "
            f"a convolution's; layer {layer!r} has shape {values.shape}"
        )
    return values


def _checked(channel: int, layer: str, n: int) -> int:
    if not 0 <= channel < n:
        raise CntGraphError(f"layer {layer!r}: expected a channel below {n}, got {channel}")
    return channel


def _tiled(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Return channels side by side, with a gap between two, and the number in a row."""
    n, height, width = values.shape
    columns = ceil(sqrt(n * (height + 1) / (width + 1))) if n > 1 else 1
    columns = min(columns, n)
    rows = ceil(n / columns)
    tiles = np.full((rows * columns, height + 1, width + 1), np.nan)
    tiles[:n, :height, :width] = values
    picture = tiles.reshape(rows, columns, height + 1, width + 1).transpose(0, 2, 1, 3)
    return picture.reshape(rows * (height + 1), columns * (width + 1))[:-1, :-1], columns


def _draw(ax: Axes, picture: NDArray[np.float64], label: str) -> None:
    import matplotlib as mpl

    shown = np.ma.masked_invalid(picture)
    # Not all of it is masked where a network diverged in one layer only.
    top = float(np.abs(shown).max()) if shown.count() else 0.0
    shades = mpl.colormaps["RdBu_r"].with_extremes(bad="0.85")
    image = ax.imshow(shown, cmap=shades, vmin=-(top or 1.0), vmax=top or 1.0,
                      interpolation="nearest")  # fmt: skip
    ax.spines[:].set_visible(False)
    match_sizes(ax.figure.colorbar(image, ax=ax, pad=0.02), ax, label)


def _number_tiles(ax: Axes, values: NDArray[np.float64], columns: int) -> None:
    """Write the number of each channel in its corner, unless they are many."""
    n, height, width = values.shape
    if n > NUMBERED:
        return
    for k in range(n):
        row, column = divmod(k, columns)
        ax.text(column * (width + 1) - 0.5, row * (height + 1) - 0.5, str(k), size=SMALL,
                ha="left", va="top", bbox={"color": "white", "pad": 0.6})  # fmt: skip
