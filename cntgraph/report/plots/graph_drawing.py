"""A graph as networks are usually drawn: layers from left to right, edges between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cntgraph.core.errors import CntGraphError
from cntgraph.graph.graph import Graph
from cntgraph.graph.node_positions import node_positions
from cntgraph.measures.views import ROUTING
from cntgraph.network.layer import Layer
from cntgraph.report.labels import short_name
from cntgraph.report.plots.style import COLORS, make_axes, match_sizes, sequential_map, tick_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

#: Blue below zero, vermilion above it, gray at zero, as in exported files.
_NEGATIVE, _ZERO, _POSITIVE = COLORS[0], "#A0A0A0", COLORS[1]
#: Alpha of the weakest and of the strongest edge.
_FAINT, _STRONG = 0.08, 0.9
#: Of names that stand upright, so many letters at most.
_LETTERS = 24


def plot_graph(
    graph: Graph,
    *,
    values: ArrayLike | None = None,
    label: str = "",
    max_edges: int = 5_000,
    ax: Axes | None = None,
) -> Axes:
    """Draw a graph: its nodes as `node_positions` has them, and the strongest edges of blocks.

    Parameters
    ----------
    graph : Graph
        What is drawn; of a whole network, best with one node per channel.
    values : array-like of shape (n_nodes,), optional
        What the colors of nodes show, such as a measure; by default their layer.
    label : str, default ""
        What `values` are, beside the color bar.
    max_edges : int, default 5,000
        Draw no more edges than so many, the strongest within their blocks; the figure says how
        many there are.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    CntGraphError
        If there is not one value per node.

    Notes
    -----
    Edges with positive weight are vermilion, with negative blue, of weight zero gray; the larger
    |w| within its block, the less transparent. Names of layers that would lie over each other are
    left out, first those of layers that only route values; the figure says how many. Edges whose
    weight is not finite are left out, and counted as not drawn.

    Examples
    --------
    >>> import cntgraph as cg
    >>> ax = plot_graph(cg.build_graph(cg.toy("mlp")))
    >>> [text.get_text() for text in ax.texts]
    ['input', 'fc1', 'fc2', 'fc3']
    """
    places = node_positions(graph)
    ax = make_axes(ax)
    n_drawn = _draw_edges(ax, graph, places, max_edges)
    _draw_nodes(ax, graph, places, values, label)
    ax.set_aspect("equal", "datalim")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    said = [_name_layers(ax, graph, places)]
    if n_drawn < graph.n_edges:
        said.append(f"{n_drawn:,} of {graph.n_edges:,} edges, the strongest of their blocks")
    ax.set_xlabel("\n".join(filter(None, said)))
    ax.xaxis.set_label_position("top")  # below are the names
    return ax


def _draw_edges(ax: Axes, graph: Graph, places: NDArray[Any], max_edges: int) -> int:
    """Draw the strongest edges, the weak ones first; return how many."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgba_array

    edges = graph.edge_arrays(parallel="keep")
    finite = np.flatnonzero(np.isfinite(edges.weight))
    share = _share(np.abs(edges.weight[finite]), edges.block[finite])
    strongest = np.argsort(share, kind="stable")[max(len(finite) - max_edges, 0) :]
    order = finite[strongest]
    signs = np.sign(edges.weight[order]).astype(int) + 1
    colors = to_rgba_array([_NEGATIVE, _ZERO, _POSITIVE])[signs]
    colors[:, 3] = _FAINT + (_STRONG - _FAINT) * share[strongest]
    ends = np.stack([places[edges.source[order], :2], places[edges.target[order], :2]], axis=1)
    ax.add_collection(LineCollection(list(ends), colors=colors, linewidths=0.5, zorder=1))
    return len(order)


def _share(strength: NDArray[Any], block: NDArray[Any]) -> NDArray[Any]:
    """Return the strength of each edge in parts of the largest of its block."""
    top = np.zeros(int(block.max(initial=0)) + 1)
    np.maximum.at(top, block, strength)
    found: NDArray[Any] = strength / np.where(top > 0, top, 1.0)[block]
    return found


def _draw_nodes(
    ax: Axes, graph: Graph, places: NDArray[Any], values: ArrayLike | None, label: str
) -> None:
    import matplotlib as mpl

    size = float(np.clip(2000 / max(graph.n_nodes, 1), 3, 40))
    options: dict[str, Any] = {"s": size, "linewidths": 0.3, "edgecolors": "white", "zorder": 2}
    x, y = places[:, :2].T
    if values is None:
        depth = np.repeat(np.arange(graph.n_layers), [layer.n_nodes for layer in graph.layers])
        ax.scatter(x, y, c=depth, cmap=sequential_map(), **options)
        return
    shown = np.ma.masked_invalid(np.asarray(values, dtype=np.float64))
    if shown.shape != (graph.n_nodes,):
        raise CntGraphError(
            f"values: expected one a node, shape ({graph.n_nodes},); got {shown.shape}"
        )
    if shown.count() and shown.min() < 0 < shown.max():
        top = float(np.abs(shown).max())
        options |= {"cmap": mpl.colormaps["RdBu_r"].with_extremes(bad="0.85"),
                    "vmin": -top, "vmax": top, "edgecolors": "0.5"}  # fmt: skip
    else:
        options["cmap"] = sequential_map().with_extremes(bad="0.85")
    points = ax.scatter(x, y, c=shown, plotnonfinite=True, **options)
    match_sizes(ax.figure.colorbar(points, ax=ax, pad=0.02, shrink=0.7), ax, label)


def _name_layers(ax: Axes, graph: Graph, places: NDArray[Any]) -> str:
    """Write names of layers below them, none over another; return how many are left out."""
    filled = [layer for layer in graph.layers if layer.n_nodes]
    bottom = float(places[:, 1].min(initial=0.0))
    names = {}
    for layer in filled:
        own = places[layer.slice, 0]
        names[layer] = ax.annotate(
            _escaped(layer.name), ((own.min() + own.max()) / 2, bottom), xytext=(0, -6),
            textcoords="offset points", ha="center", va="top", size=tick_size(ax),
        )  # fmt: skip
    if len(_apart(ax, names)) < len(names):
        for layer, text in names.items():
            text.set(rotation=90, text=_escaped(short_name(layer.name, _LETTERS)))
        kept = _apart(ax, names)
        for layer, text in names.items():
            if layer not in kept:
                text.remove()
        return f"names of {len(kept)} of {len(names)} layers" * (len(kept) < len(names))
    return ""


def _escaped(name: str) -> str:
    """Return a name as matplotlib shows it, which takes what is between two $ for a formula."""
    return name.replace("$", r"\$")


def _apart(ax: Axes, names: dict[Layer, Annotation]) -> set[Layer]:
    """Return layers whose names are in the figure and not over each other.

    Those that only route values are the last to be chosen.
    """
    for text in names.values():
        text.set_in_layout(False)  # or axes would be gone beside a name that is too long
    ax.figure.figure.draw_without_rendering()  # also of axes in a part of a figure
    for text in names.values():
        text.set_in_layout(True)
    left, right = ax.figure.figure.bbox.intervalx
    order = sorted(names, key=lambda layer: (layer.kind in ROUTING, layer.start))
    kept: dict[Layer, tuple[float, float]] = {}
    for layer in order:
        box = names[layer].get_window_extent()
        apart = all(box.x0 >= end or box.x1 <= start for start, end in kept.values())
        if apart and left <= box.x0 and box.x1 <= right:
            kept[layer] = (box.x0, box.x1)
    return set(kept)
