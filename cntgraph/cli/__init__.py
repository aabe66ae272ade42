"""The command line: a thin skin over the Python API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cntgraph.cli.graph import export, profile
from cntgraph.cli.network import analyze, convert, describe
from cntgraph.cli.output import reports_errors
from cntgraph.cli.population import compare, report

app = typer.Typer(
    help="Trained neural networks as directed weighted graphs, measured by complex network theory.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@reports_errors
def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Where to save the figure.")
    ] = Path("cntgraph-demo.png"),
) -> None:
    """Analyse the trained networks that come with cntgraph, and save a figure."""
    from cntgraph.demo import run_demo

    run_demo(output)


for _command in (describe, analyze, profile, convert, export, compare, report, demo):
    app.command()(_command)
