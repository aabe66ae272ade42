"""Commands on the graph of a network: export, profile."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cntgraph.cli.network import load_network, title_of
from cntgraph.cli.options import (
    Aggregation,
    AggregationOption,
    Download,
    Edges,
    Factory,
    Format,
    FormatOption,
    Granularity,
    GranularityOption,
    InputShape,
    Model,
    Norm,
    NormOption,
    Output,
    Overwrite,
    Separate,
    Sign,
    SignOption,
    Strict,
    Unroll,
)
from cntgraph.cli.output import check_output, emit, reports_errors
from cntgraph.core.errors import CntGraphError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from cntgraph.graph.graph import Graph
    from cntgraph.network.network import Network


#: What is drawn, and the function that writes it.
_DRAWINGS = {"gexf": "write_gexf", "graphml": "write_graphml", "cx2": "write_cx2",
             "json": "write_graphology"}  # fmt: skip
#: What is written as tables, not drawn.
_TABLES = ("csv", "parquet")


class Backbone(StrEnum):
    """Which filter keeps the edges that stand out."""

    disparity = "disparity"
    noise_corrected = "noise-corrected"


@reports_errors
def export(
    model: Model,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="What to write: a file .gexf, .graphml, .cx2 (Cytoscape), .json (graphology), or "
            "one of these and .gz; .csv, which gives one of nodes and one of edges; or .parquet, "
            "a folder with both, of any size.",
        ),
    ],
    factory: Factory = None,
    input_shape: InputShape = None,
    unroll: Unroll = None,
    norm: NormOption = Norm.fold,
    strict: Strict = False,
    separate: Separate = False,
    download: Download = False,
    granularity: GranularityOption = Granularity.neuron,
    aggregation: AggregationOption = Aggregation.sum,
    edges: Annotated[Edges, typer.Option(help="Which edges the graph has.")] = Edges.all,
    layer: Annotated[
        list[str] | None, typer.Option(help="Keep this layer only; may be given several times.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Keep edges with |weight| of at least this.")
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, help="Keep so many edges out of each node, the largest.")
    ] = None,
    backbone: Annotated[
        Backbone | None, typer.Option(help="Keep the edges that stand out; needs --sign.")
    ] = None,
    sign: SignOption = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(help="Measure the nodes, such as pagerank; may be given several times."),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="What the size of a node shows; not in .csv.")
    ] = None,
    color: Annotated[
        str, typer.Option(help="What the color of a node shows; not in .csv.")
    ] = "layer",
    snapshots: Annotated[
        bool, typer.Option("--snapshots", help="All snapshots of a .h5 file: a dynamic .gexf.")
    ] = False,
    max_edges: Annotated[
        int, typer.Option(help="Refuse to write more edges; .parquet takes any number.")
    ] = 200_000,
    overwrite: Overwrite = False,
) -> None:
    """Write the graph of a network for Gephi and other programs."""
    import cntgraph as cg

    kind = _kind(output)
    check_output(None if kind in _TABLES else output, [model], overwrite=overwrite)
    looks: dict[str, Any] = {} if kind in _TABLES else {"size": size, "color": color}
    writing: dict[str, Any] = {"overwrite": overwrite, "show_progress": True}
    if kind != "parquet":
        writing["max_edges"] = max_edges
    building: dict[str, Any] = {
        "granularity": granularity.value, "aggregation": aggregation.value, "edges": edges.value,
        "layers": layer or None, "threshold": threshold,
    }  # fmt: skip
    if snapshots:
        if top or backbone or measure or kind != "gexf":
            raise CntGraphError(
                "--snapshots writes .gexf, and does not go with --top, --backbone and --measure"
            )
        with cg.open(model) as trajectory:
            written = cg.write_gexf(trajectory, output, **looks, **building, **writing)
        typer.echo(str(written))
        return
    net = load_network(
        model, input_shape, unroll, norm, strict, factory, separate=separate, download=download
    )
    if measure:
        coarse = cg.coarsen(net, granularity.value, aggregation=aggregation.value)
        writing["measures"] = _measured(coarse, measure, sign, layer)
    cut = layer or threshold is not None  # which needs the whole graph; Parquet alone does not
    if top or backbone or (kind == "parquet" and cut):
        graph = _reduced(cg.build_graph(net, **building), top, backbone, sign)
        typer.echo(_write(graph, output, kind, looks | writing))
    elif kind == "parquet":
        whole = {name: building[name] for name in ("granularity", "aggregation", "edges")}
        typer.echo(_write(net, output, kind, whole | writing))
    else:
        typer.echo(_write(net, output, kind, building | looks | writing))


def _kind(output: Path) -> str:
    """Return the kind of a file, by its name; it may be compressed."""
    kind = output.name.lower().removesuffix(".gz").rpartition(".")[2]
    if kind not in (*_DRAWINGS, *_TABLES):
        raise CntGraphError(
            f"{output}: expected a file that ends in .{', .'.join(_DRAWINGS)} or .csv, or in one "
            f"of these and .gz, or a folder that ends in .parquet; got {output.suffix!r}"
        )
    return kind


def _write(source: Network | Graph, output: Path, kind: str, options: dict[str, Any]) -> str:
    import cntgraph as cg

    if kind in _TABLES:
        write_tables = cg.write_csv if kind == "csv" else cg.write_parquet
        return "\n".join(str(path) for path in write_tables(source, output, **options))
    return str(getattr(cg, _DRAWINGS[kind])(source, output, **options))


def _measured(
    net: Network, names: list[str], sign: Sign | None, layers: list[str] | None
) -> dict[str, Any]:
    """Return measures of the nodes of the layers that are written."""
    import numpy as np

    import cntgraph as cg

    table = cg.node_measures(net, names, sign=sign.value if sign else None)
    kept = [layer.slice for layer in net.layers if not layers or layer.name in layers]
    nodes = np.concatenate([np.arange(part.start, part.stop) for part in kept])
    return {str(name): column.to_numpy()[nodes] for name, column in table.items()}


def _reduced(graph: Graph, top: int | None, backbone: Backbone | None, sign: Sign | None) -> Graph:
    """Return fewer edges of a graph, and print what they are of all."""
    import cntgraph as cg

    policy: Any = sign.value if sign else None
    steps: list[Callable[[Graph], Any]] = []
    if backbone is Backbone.disparity:
        steps.append(lambda g: cg.disparity_filter(g, sign=policy))
    if backbone is Backbone.noise_corrected:
        steps.append(lambda g: cg.noise_corrected_backbone(g, sign=policy))
    if top:
        steps.append(lambda g: cg.keep_top_edges(g, top, within="source"))
    for step in steps:
        reduced = step(graph)
        typer.echo(repr(reduced).strip("<>"), err=True)
        graph = reduced.graph
    return graph


@reports_errors
def profile(
    model: Model,
    factory: Factory = None,
    input_shape: InputShape = None,
    unroll: Unroll = None,
    norm: NormOption = Norm.fold,
    strict: Strict = False,
    separate: Separate = False,
    download: Download = False,
    granularity: GranularityOption = Granularity.neuron,
    aggregation: AggregationOption = Aggregation.sum,
    sign: SignOption = None,
    measure: Annotated[
        list[str] | None, typer.Option(help="Only this measure; may be given several times.")
    ] = None,
    budget: Annotated[
        float, typer.Option(help="Leave out what is estimated to take more seconds.")
    ] = 30.0,
    max_edges: Annotated[int, typer.Option(help="Unroll no more edges.")] = 5_000_000,
    output: Output = None,
    overwrite: Overwrite = False,
    format: FormatOption = Format.table,
) -> None:
    """Take every affordable measure of a network, and show what each cost."""
    import cntgraph as cg

    check_output(output, [model], overwrite=overwrite)
    net = load_network(
        model, input_shape, unroll, norm, strict, factory, separate=separate, download=download
    )
    net = cg.coarsen(net, granularity.value, aggregation=aggregation.value)
    table = cg.cnt_profile(
        net, sign=sign.value if sign else None, measures=measure, budget=budget,
        max_edges=max_edges, show_progress=True,
    )  # fmt: skip
    people = format is Format.table and not output
    emit(_shortened(table) if people else table, output, format,
         title=title_of(model, net, granularity), overwrite=overwrite)  # fmt: skip


def _shortened(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that fit on a terminal, with the beginning of every reason."""
    columns = ["measure", "part", "level", "n", "mean", "std", "min", "max", "seconds", "status"]
    reason = table["reason"].str.partition(":")[0].str.partition("; ")[0]
    return table[columns].assign(reason=reason)
