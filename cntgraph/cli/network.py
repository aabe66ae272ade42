"""Commands on one network: describe, analyze, convert, repack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cntgraph.cli.options import (
    Aggregation,
    AggregationOption,
    Columns,
    ColumnsOption,
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
    Strict,
    Unroll,
    made_by,
    parse_shape,
)
from cntgraph.cli.output import check_output, emit, reports_errors, warnings_said
from cntgraph.core.errors import CntGraphError

if TYPE_CHECKING:
    from cntgraph.network.network import Network
    from cntgraph.training.trajectory import Trajectory


@reports_errors
def describe(
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
    tree: Annotated[
        bool, typer.Option("--tree", help="Show modules, one within the other, and their totals.")
    ] = False,
    columns: ColumnsOption = Columns.main,
    output: Output = None,
    overwrite: Overwrite = False,
    format: FormatOption = Format.table,
) -> None:
    """Show the layers and blocks of a network and what became of its parameters."""
    import cntgraph as cg
    from cntgraph.measures.module_tree import module_columns
    from cntgraph.measures.views import DESCRIPTION_VIEW, TREE_VIEW
    from cntgraph.network.block_columns import block_columns

    check_output(output, [model], overwrite=overwrite)
    coarse: dict[str, Any] = {"granularity": granularity.value, "aggregation": aggregation.value}
    measured = _of_measures(model)
    net = (
        load_network(
            model, input_shape, unroll, norm, strict, factory, separate=separate, download=download
        )
        if measured is None
        else measured.topology
    )
    net = cg.coarsen(net, **coarse)
    title = title_of(model, net, granularity)
    found, main = (
        (module_columns(net), TREE_VIEW) if tree else (block_columns(net), DESCRIPTION_VIEW)
    )
    view = main if columns is Columns.main else None
    emit(found, output, format, title=title, overwrite=overwrite, view=view)
    if format is Format.table and not output:
        emit(net.coverage_columns(), None, format, title="\nCoverage")


@reports_errors
def analyze(
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
    edges: Annotated[Edges, typer.Option(help="Which edges count.")] = Edges.parametric,
    bias: Annotated[bool, typer.Option(help="Add biases to in-strengths.")] = True,
    boundary: Annotated[
        float,
        typer.Option(help="Virtual edge of input and output nodes; 1 as in the papers' code."),
    ] = 0.0,
    snapshots: Annotated[
        bool, typer.Option("--snapshots", help="All snapshots of a .h5 file, not only the last.")
    ] = False,
    columns: ColumnsOption = Columns.main,
    output: Output = None,
    overwrite: Overwrite = False,
    format: FormatOption = Format.table,
) -> None:
    """Measure strengths, fluctuation and link weights of every layer."""
    import cntgraph as cg
    from cntgraph.measures.analyze import layer_columns
    from cntgraph.measures.views import ANALYSIS_VIEW
    from cntgraph.tables import columns_of

    check_output(output, [model], overwrite=overwrite)
    options: dict[str, Any] = {"edges": edges.value, "bias": bias, "boundary": boundary}
    coarse: dict[str, Any] = {"granularity": granularity.value, "aggregation": aggregation.value}
    measured = _of_measures(model)
    if snapshots:
        with cg.open(model) as trajectory:
            found = columns_of(trajectory.analyze(show_progress=True, **options, **coarse))
        title = title_of(model, None, granularity)
    elif measured is not None:
        table = measured[-1:].analyze(**options, **coarse)
        found = columns_of(table.loc[:, "layer":])  # type: ignore[misc]
        title = title_of(model, measured.topology, granularity)
    else:
        net = cg.coarsen(
            load_network(
                model,
                input_shape,
                unroll,
                norm,
                strict,
                factory,
                separate=separate,
                download=download,
            ),
            **coarse,
        )
        found = layer_columns(net, show_progress=True, **options)
        title = title_of(model, net, granularity)
    if not any(found["n_edges"]):
        raise CntGraphError(
            f"{model}: nothing was analyzed: no layer has {edges.value} edges; "
            "`cntgraph describe` shows why"
        )
    view = ANALYSIS_VIEW if columns is Columns.main else None
    emit(found, output, format, title=title, overwrite=overwrite, view=view)


@reports_errors
def convert(
    model: Model,
    output: Annotated[Path, typer.Option("-o", "--output", help="The .h5 file to write.")],
    factory: Factory = None,
    input_shape: InputShape = None,
    unroll: Unroll = None,
    norm: NormOption = Norm.fold,
    strict: Strict = False,
    separate: Separate = False,
    download: Download = False,
    compression: Annotated[
        int | None, typer.Option(min=1, max=9, help="Level of gzip; by default none.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a network and its parameters to a cntgraph file (HDF5)."""
    import cntgraph as cg

    if output.suffix.lower() not in (".h5", ".hdf5"):
        raise CntGraphError(f"{output}: expected a file that ends in .h5, got {output.suffix!r}")
    # Also in place: all is read and written before the file gets its name.
    check_output(output, [], overwrite=overwrite)
    net = load_network(
        model, input_shape, unroll, norm, strict, factory, separate=separate, download=download
    )
    cg.save(net, output, compression=compression, overwrite=overwrite)
    typer.echo(f"{output}: {net!r}")


@reports_errors
def repack(
    old: Annotated[Path, typer.Argument(help="A .h5 file by cntgraph, of any version.")],
    new: Annotated[Path, typer.Argument(help="The .h5 file to write.")],
    compression: Annotated[
        int | None, typer.Option(min=1, max=9, help="Level of gzip; by default none.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a cntgraph file anew in the newest form, in which trajectories are read fastest."""
    import cntgraph as cg

    cg.repack(old, new, compression=compression, overwrite=overwrite, show_progress=True)
    with cg.open(new) as trajectory:
        sizes = " to ".join(f"{path.stat().st_size:,}" for path in (old, new))
        typer.echo(f"{new}: {len(trajectory)} snapshots; {sizes} bytes")


def load_network(
    model: Path,
    input_shape: str | None,
    unroll: int | None,
    norm: Norm,
    strict: bool,
    factory: str | None = None,
    *,
    separate: bool = False,
    download: bool = False,
) -> Network:
    """Return the network of a file, as the options say; print what was left out."""
    import cntgraph as cg

    shape = None if input_shape is None else parse_shape(input_shape)
    into: dict[str, Any] = {} if factory is None else {"model": made_by(factory)}
    if separate:
        into["description"] = "separate"
    if download:
        into["download"] = True
    with warnings_said():
        return cg.load(
            model, input_shape=shape, unroll=unroll, norm=norm.value, strict=strict, **into
        )


def _of_measures(model: Path) -> Trajectory | None:
    """Return a file of cntgraph's own that has measures but no parameters."""
    import cntgraph as cg
    from cntgraph.loading import is_own_file

    if not (model.is_file() and is_own_file(model)):
        return None
    trajectory = cg.open(model)
    return None if trajectory.has_parameters else trajectory


def title_of(model: Path, net: Network | None, granularity: Granularity) -> str:
    """Return the line above a table."""
    what = "" if granularity is Granularity.neuron else f", one node per {granularity.value}"
    size = "" if net is None else ": " + repr(net).strip("<>").removeprefix("Network: ")
    alone = ""
    if net is not None and net.is_weights_alone:
        alone = "; weights only: no graph, each weight is a block of its own"
    return f"{model}{what}{size}{alone}"
