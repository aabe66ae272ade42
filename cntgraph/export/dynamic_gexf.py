"""Snapshots of a network as a dynamic GEXF: weights and strengths with the time of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cntgraph.core.errors import CntGraphError
from cntgraph.export.appearance import Positions, appearance
from cntgraph.export.attributes import BLOCK, Attribute, node_values, typed
from cntgraph.export.frames import Frames, read_frames
from cntgraph.export.gexf_parts import HEAD, TAIL, declared, edge_blocks, edge_ends, node_pieces
from cntgraph.export.markup import escape
from cntgraph.export.numbers import number_texts
from cntgraph.export.times import Time, Times, snapshot_times
from cntgraph.export.writing import new_text
from cntgraph.graph.conversions.edges import Parallel
from cntgraph.graph.conversions.nodes import Measures, given_measures
from cntgraph.graph.graph import Graph
from cntgraph.network.network import Network
from cntgraph.training.trajectory import Trajectory

#: Values that are held as text at once.
VALUES = 200_000


def write_dynamic(
    snapshots: Sequence[Network | Graph],
    path: Path,
    *,
    measures: Measures | None,
    size: str | ArrayLike | None,
    color: str | ArrayLike,
    positions: Positions,
    parallel: Parallel,
    overwrite: bool,
    max_edges: int,
    time: Time,
    drawn: int,
    show_progress: bool,
    building: Mapping[str, Any],
) -> None:
    """Write snapshots of one network; see `write_gexf`, which this is a part of."""
    _check(snapshots)
    times = snapshot_times([dict(one.labels) for one in snapshots], time)
    with ExitStack() as stack:
        frames = read_frames(
            snapshots, building, stack, parallel=parallel, max_edges=max_edges, drawn=drawn,
            show_progress=show_progress,
        )  # fmt: skip
        still, moving = _sorted_out(frames, given_measures(measures), len(snapshots))
        own = frames.graph.nodes.columns  # which have the values that are drawn
        now = {name: values[drawn] for name, values in moving.items() if name not in own}
        values = node_values(frames.graph, {**still, **now})
        looks = appearance(frames.graph, values, size=size, color=color, positions=positions)
        labels, *others = (a for a in typed(values) if a.name not in moving)
        with new_text(path, overwrite=overwrite) as file:
            file.write(HEAD + _GRAPH.format(times.kind))
            file.write(declared(others, "node") + declared(typed(moving), "node", "dynamic"))
            file.write(declared([BLOCK], "edge") + declared([_WEIGHT], "edge", "dynamic"))
            file.writelines(
                node_pieces(labels, others, looks, _Changing(moving, times),
                            piece=max(VALUES // (4 * len(snapshots)), 1))
            )  # fmt: skip
            file.writelines(_edge_pieces(frames, times, show=show_progress))
            file.write(TAIL)


_GRAPH = (
    '<graph defaultedgetype="directed" idtype="integer" mode="dynamic" timeformat="{}"'
    ' timerepresentation="timestamp">\n'
)
#: Gephi takes the attribute of this name as the weight of edges.
_WEIGHT = Attribute("weight", "double", np.empty(0))


def _check(snapshots: Sequence[Network | Graph]) -> None:
    if not len(snapshots):
        raise CntGraphError("expected at least one snapshot to write, got none")
    if isinstance(snapshots, Trajectory):
        if not snapshots.has_parameters:
            raise CntGraphError(
                f"{snapshots} has measures alone, and no weights to write; record it with "
                "store='parameters'"
            )
        return
    others = {type(one).__name__ for one in snapshots if not isinstance(one, Network | Graph)}
    if others:
        raise CntGraphError(
            f"expected snapshots, each a Network or a Graph; got {', '.join(sorted(others))}"
        )


def _sorted_out(
    frames: Frames, measures: Measures, n_snapshots: int
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the measures that stay as they are, and all that changes."""
    still: dict[str, Any] = {}
    moving = dict(frames.changing)
    for name, given in measures.items():
        values = np.asarray(given)
        if values.ndim != 2:
            still[name] = given
            continue
        expected = (n_snapshots, frames.graph.n_nodes)
        if values.shape != expected or values.dtype.kind not in "biuf":
            raise CntGraphError(
                f"measure {name!r}: expected numbers of shape {expected}, one row per snapshot; "
                f"got {values.dtype} of shape {values.shape}"
            )
        moving[name] = values
    return still, moving


class _Changing:
    """What changes of some nodes, as the text of its values with their times."""

    def __init__(self, moving: Mapping[str, NDArray[Any]], times: Times) -> None:
        self.moving, self.times = moving, times

    def __call__(self, here: slice) -> list[str]:
        columns = []
        for name, values in self.moving.items():
            for time, row in zip(self.times.texts, values, strict=True):
                template = _value(escape(name), time)
                attribute = Attribute(name, "double", row)
                columns.append([template % text if text else "" for text in attribute.texts(here)])
        return list(map("".join, zip(*columns, strict=True)))


def _value(name: str, time: str) -> str:
    return f'<attvalue for="{name.replace("%", "%%")}" value="%s" timestamp="{time}"/>'


def _edge_pieces(frames: Frames, times: Times, *, show: bool) -> Iterator[str]:
    edges = frames.edges
    yield f'<edges count="{edges.n_edges}">\n'
    blocks = edge_blocks(edges.block_names, kinds=edges.has_parallel)
    weights = "".join(_value("weight", time) for time in times.texts)
    template = f'<edge id="%d" source="%d" target="%d"%s{weights}%s'
    for piece in edges.pieces("GEXF", size=max(VALUES // len(times.texts), 1), show=show):
        texts = [number_texts(row[piece.here]) for row in frames.weights]
        rows = zip(piece.ids, piece.source.tolist(), piece.target.tolist(),
                   blocks[piece.block].tolist(), *texts, edge_ends(piece.weight),
                   strict=True)  # fmt: skip
        yield "".join(map(template.__mod__, rows))
    yield "</edges>\n"
