"""How nodes are drawn: where, how large, in which color."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cntgraph.core.errors import CntGraphError
from cntgraph.export.colors import Colors, sequence_colors, value_colors
from cntgraph.graph.graph import Graph
from cntgraph.graph.node_positions import node_positions

#: Diameter of a node, where nodes are at least 20 apart; and of the one with the least measure.
SIZE, SMALLEST = 12.0, 3.0

Positions = Literal["layers"] | ArrayLike | None


class Appearance(NamedTuple):
    """How nodes are drawn, in node order.

    Attributes
    ----------
    positions : ndarray of float64, shape (n_nodes, 3), or None
    sizes : ndarray of float64, shape (n_nodes,)
    colors : ndarray of uint8, shape (n_nodes, 3)
    """

    positions: NDArray[np.float64] | None
    sizes: NDArray[np.float64]
    colors: Colors


def appearance(
    graph: Graph,
    known: Mapping[str, NDArray[Any]],
    *,
    size: str | ArrayLike | None = None,
    color: str | ArrayLike = "layer",
    positions: Positions = "layers",
) -> Appearance:
    """Return how the nodes of a graph are drawn.

    Parameters
    ----------
    graph : Graph
    known : mapping of str to ndarray of shape (n_nodes,)
        Attributes that `size` and `color` may name.
    size : str or array-like of shape (n_nodes,), optional
        What the area of a node stands for, without its sign; by default all are of one size.
    color : str or array-like of shape (n_nodes,) or (n_nodes, 3), default "layer"
        Values, or red, green and blue between 0 and 255.
    positions : "layers", array-like of shape (n_nodes, 2) or (n_nodes, 3), or None
        ``"layers"``: as `node_positions`. None: none are written, the program finds its own.

    Returns
    -------
    Appearance

    Raises
    ------
    CntGraphError
        If there is no such attribute, or an array has another shape.
    """
    places = _positions(graph, positions)
    return Appearance(places, _sizes(graph, known, size), _colors(graph, known, color))


def _positions(graph: Graph, positions: Positions) -> NDArray[np.float64] | None:
    if positions is None:
        return None
    if isinstance(positions, str):
        if positions != "layers":
            raise CntGraphError(f"expected positions='layers', an array or None; got {positions!r}")
        return node_positions(graph)
    places = np.asarray(positions, dtype=np.float64)
    n = graph.n_nodes
    if places.shape not in ((n, 2), (n, 3)) or not np.isfinite(places).all():
        raise CntGraphError(
            f"expected finite positions of shape ({n}, 2) or ({n}, 3), got {places.shape}"
        )
    return np.pad(places, ((0, 0), (0, 3 - places.shape[1])))


def _sizes(
    graph: Graph, known: Mapping[str, NDArray[Any]], size: str | ArrayLike | None
) -> NDArray[np.float64]:
    if size is None:
        return np.full(graph.n_nodes, SIZE)
    values = np.abs(_numbers(graph, known, size, "size").astype(np.float64))
    finite = np.isfinite(values)
    top = float(values[finite].max(initial=0.0))
    share = np.where(finite, values, 0.0) / (top or 1.0)
    # The area of a node, not its diameter, is what the eye compares.
    return SMALLEST + (2 * SIZE - SMALLEST) * np.sqrt(share)


def _colors(graph: Graph, known: Mapping[str, NDArray[Any]], color: str | ArrayLike) -> Colors:
    if isinstance(color, str) and color == "layer":
        sizes = [layer.n_nodes for layer in graph.layers]
        return np.repeat(sequence_colors(len(sizes)), sizes, axis=0)
    if not isinstance(color, str):
        given = np.asarray(color)
        if given.shape == (graph.n_nodes, 3):
            return _given(given)
    return value_colors(_numbers(graph, known, color, "color"))


def _given(colors: NDArray[Any]) -> Colors:
    whole = colors.dtype.kind in "iu"
    if not whole or colors.min(initial=0) < 0 or colors.max(initial=0) > 255:
        raise CntGraphError(
            f"expected red, green and blue as whole numbers from 0 to 255; got {colors.dtype}"
        )
    return colors.astype(np.uint8)


def _numbers(
    graph: Graph, known: Mapping[str, NDArray[Any]], chosen: str | ArrayLike, what: str
) -> NDArray[Any]:
    """Return one value per node: of an attribute by its name, or an array as it is."""
    if isinstance(chosen, str):
        numbers = [name for name, values in known.items() if values.dtype.kind in "biuf"]
        if chosen not in numbers:
            raise CntGraphError(
                f"{what}: no attribute of nodes that is a number is called {chosen!r}; there are "
                f"{', '.join(numbers)}; measures= adds others"
            )
        return known[chosen]
    values = np.asarray(chosen)
    if values.shape != (graph.n_nodes,) or values.dtype.kind not in "biuf":
        raise CntGraphError(
            f"{what}: expected one number per node, shape ({graph.n_nodes},); got "
            f"{values.dtype} of shape {values.shape}"
        )
    return values
