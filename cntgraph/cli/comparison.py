"""Commands on two networks: compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cntgraph.cli.network import load_network
from cntgraph.cli.options import (
    Download,
    Factory,
    Format,
    FormatOption,
    InputShape,
    Norm,
    NormOption,
    Output,
    Overwrite,
    Separate,
    Strict,
    Unroll,
)
from cntgraph.cli.output import check_output, emit, reports_errors

_HELP = "A saved model or weights, as for analyze; of a .h5 file with snapshots, the last."


@reports_errors
def compare(
    before: Annotated[Path, typer.Argument(help=_HELP)],
    after: Annotated[Path, typer.Argument(help="What it became, as a file of any kind.")],
    factory: Factory = None,
    input_shape: InputShape = None,
    unroll: Unroll = None,
    norm: NormOption = Norm.fold,
    strict: Strict = False,
    separate: Separate = False,
    download: Download = False,
    max_rank_side: Annotated[
        int | None,
        typer.Option(min=0, help="No effective rank of matrices with more rows and columns."),
    ] = None,
    output: Output = None,
    overwrite: Overwrite = False,
    format: FormatOption = Format.table,
) -> None:
    """Show what changed between two networks: a row for each learned block."""
    import cntgraph as cg

    check_output(output, [before, after], overwrite=overwrite)
    nets = [
        load_network(
            path, input_shape, unroll, norm, strict, factory, separate=separate, download=download
        )
        for path in (before, after)
    ]
    options = {} if max_rank_side is None else {"max_rank_side": max_rank_side}
    table = cg.compare(*nets, **options, show_progress=True).reset_index()
    # Ids of nodes are no shape, as which tuples are written.
    nodes = [", ".join(map(str, own)) for own in table["largest_nodes"]]
    table = table.assign(largest_nodes=nodes)
    people = format is Format.table and not output
    shown = table.drop(columns=[*_LONG]) if people else table
    emit(shown, output, format, title=f"{before} → {after}", overwrite=overwrite)


#: Columns that do not fit on a terminal.
_LONG = ("layer", "kind", "n_weights", "largest_nodes")
