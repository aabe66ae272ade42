"""The command line: a thin skin over the Python API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cntgraph.cli.comparison import compare
from cntgraph.cli.graph import export, profile
from cntgraph.cli.network import analyze, convert, describe, repack
from cntgraph.cli.neurons import neurons
from cntgraph.cli.options import Overwrite
from cntgraph.cli.output import reports_errors
from cntgraph.cli.population import report, separation
from cntgraph.version import __version__

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cntgraph {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Say which version this is."
        ),
    ] = False,
) -> None:
    """Trained neural networks as directed weighted graphs, measured by complex network theory."""


_FIGURE = Path("cntgraph-demo.png")


@reports_errors
def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Where to save the figure.")
    ] = _FIGURE,
    overwrite: Overwrite = False,
) -> None:
    """Analyze the trained networks that come with cntgraph, and save a figure."""
    from cntgraph.core.new_file import check_free
    from cntgraph.demo import run_demo

    # Nobody but the demo calls a figure so: it may be run again.
    overwrite = overwrite or output == _FIGURE
    check_free(output, overwrite=overwrite)
    run_demo(output, overwrite=overwrite)


@reports_errors
def warmup() -> None:
    """Compile what is compiled on first use, and keep it on disk for all later processes."""
    from cntgraph.warmup import warm_up

    seconds, (n_compiled, n_loaded, folders) = warm_up(show_progress=True)
    typer.echo(f"{n_compiled} kernels compiled, {n_loaded} found compiled, in {seconds:.1f} s")
    typer.echo("kept in " + ", ".join(map(str, folders)))


for _command in (
    describe, analyze, neurons, profile, convert, repack, export, compare, separation, report, demo,
    warmup
):  # fmt: skip
    app.command()(_command)
