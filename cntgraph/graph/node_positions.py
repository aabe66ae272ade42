"""Where nodes are drawn: layers from left to right, each a column of units or a sheet of pixels."""

from __future__ import annotations

from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.memory import check_memory
from cntgraph.graph.graph import Graph
from cntgraph.network.layer import Layer
from cntgraph.network.network import Network

Places = NDArray[np.float64]

#: Units up to which a layer without pixels is one column; more become a square sheet.
COLUMN = 64
#: How far a small layer is spread, in spacings, so that it is not lost beside a large one.
SPREAD = 6.0
#: What the depth of a sheet adds to x and y: sheets are seen from the side also where z is not.
OBLIQUE = (0.5, 0.25)
#: Held at once for a node: its place in its sheet, and both before and after it is moved.
_BYTES_PER_NODE = 80


@takes(Network, Graph)
def node_positions(net_or_graph: Network | Graph, *, spacing: float = 20.0) -> Places:
    """Return where each node is drawn, as networks are usually drawn.

    Parameters
    ----------
    net_or_graph : Network or Graph
        Weights are not read.
    spacing : float, default 20.0
        Least distance between two nodes of a layer.

    Returns
    -------
    ndarray of float64, shape (n_nodes, 3)
        x, y, z. Layers follow along x in their order and are centered on y = z = 0.

    Notes
    -----
    A layer of up to 64 units is a column; one of more units is a square sheet; an image or a
    feature map keeps its pixels, and the channels of a layer are tiles of its sheet. Sheets lie
    along y and z, and are sheared by z into x and y: what shows x and y alone (Gephi, a page)
    sees them from the side.

    Raises
    ------
    GraphSizeError
        If the places do not fit into memory.

    Examples
    --------
    >>> import cntgraph as cg
    >>> node_positions(cg.toy("mlp")).shape
    (20, 3)
    """
    n = net_or_graph.n_nodes
    check_memory(_BYTES_PER_NODE * n, f"placing {n:,} nodes")
    sheets = [_sheet(layer) for layer in net_or_graph.layers]
    tallest = max((_extent(sheet[:, 0]) for sheet in sheets), default=0.0)
    parts, x = [], 0.0
    for sheet in sheets:
        place = _placed(sheet, tallest)
        x -= place[:, 0].min(initial=0.0)
        place[:, 0] += x
        parts.append(place)
        x = place[:, 0].max(initial=x) + max(tallest / 3, 4.0)
    return spacing * np.concatenate([*parts, np.empty((0, 3))])


def _extent(values: Places) -> float:
    return float(np.ptp(values)) if len(values) else 0.0


def _placed(sheet: Places, tallest: float) -> Places:
    """Return x, y, z of a layer around the origin; the first row and channel are on top."""
    own = max(_extent(sheet[:, 0]), _extent(sheet[:, 1]))
    # A layer of few nodes takes more room than they need, but less than the largest layer.
    spread = min(max(0.6 * tallest / own, 1.0), SPREAD) if own else 1.0
    y, z = (spread * (sheet - sheet.mean(axis=0))).T if len(sheet) else np.empty((2, 0))
    return np.column_stack([OBLIQUE[0] * z, -y + OBLIQUE[1] * z, z])


def _sheet(layer: Layer) -> Places:
    """Return row and column of each node of a layer on its sheet, one a node apart."""
    channels, *spatial = layer.shape or (1,)
    pixels = int(np.prod(spatial)) if spatial else 1
    if not layer.n_nodes:
        return np.empty((0, 2))
    if pixels == 1:
        return _grid(channels, 1 if channels <= COLUMN else ceil(sqrt(channels)))
    height, width = (1, pixels) if len(spatial) == 1 else (spatial[-2], spatial[-1])
    # Axes before the last two (frames of a volume) are further tiles.
    n_tiles = channels * (pixels // (height * width))
    across = min(ceil(sqrt(n_tiles * (height + 1) / (width + 1))), n_tiles)
    corners = _grid(n_tiles, across) * (height + 1, width + 1)
    return (corners[:, np.newaxis] + _grid(height * width, width)).reshape(-1, 2)


def _grid(n: int, across: int) -> Places:
    """Return row and column of n places, row by row."""
    return np.column_stack(np.divmod(np.arange(n), across)).astype(np.float64)
