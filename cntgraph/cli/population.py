"""Commands on many networks: separation, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cntgraph.cli.options import (
    Format,
    FormatOption,
    InputShape,
    Output,
    Overwrite,
    Snapshots,
    parse_shape,
)
from cntgraph.cli.output import check_output, emit, reports_errors, warnings_said
from cntgraph.core.errors import CntGraphError

if TYPE_CHECKING:
    import pandas as pd

    from cntgraph.training.population import Population


@reports_errors
def report(
    files: Annotated[
        list[str],
        typer.Argument(
            help="One .h5 file is a trained network, or a training; several, or a pattern such as "
            "'runs/*.h5', are a population, a network each."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The page to write.")] = Path(
        "cntgraph-report.html"
    ),
    overwrite: Overwrite = False,
    population: Annotated[
        bool, typer.Option("--population", help="Also one file is a population.")
    ] = False,
    snapshots: Annotated[
        Snapshots | None,
        typer.Option(
            help="Which snapshots of a file are networks of a population; by default the last, "
            "of one file with --population all."
        ),
    ] = None,
    by: Annotated[str, typer.Option(help="The label that networks are compared by.")] = "accuracy",
    above: Annotated[float, typer.Option(help="Networks above are good.")] = 0.8,
    below: Annotated[float, typer.Option(help="Networks below are poor.")] = 0.3,
    layer: Annotated[
        list[str] | None, typer.Option(help="Only these layers have curves; may be repeated.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="A .csv file of labels; its first column has paths, names or stems."),
    ] = None,
    client: Annotated[
        str | None,
        typer.Option(help="Where networks are measured: threads, processes, tcp://host:port."),
    ] = None,
) -> None:
    """Write an interactive page about a training, or about a population of networks."""
    from cntgraph.report import write_report

    check_output(output, files, overwrite=overwrite)
    options: dict[str, Any] = {"overwrite": overwrite}
    if snapshots is not None or population:
        one = population and len(files) == 1
        options["snapshots"] = (snapshots or (Snapshots.all if one else Snapshots.last)).value
    if labels is not None:
        options["labels"] = _read_labels(labels)
    with warnings_said(ignore=".*population.failed"):  # they are all named in the page
        path = write_report(
            files, output, by=by, above=above, below=below, layers=layer or None, title=title,
            client=client, show_progress=True, **options,
        )  # fmt: skip
    typer.echo(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")


@reports_errors
def separation(
    files: Annotated[
        list[str], typer.Argument(help="Saved models, or patterns such as 'runs/**/*.h5'.")
    ],
    by: Annotated[str, typer.Option(help="The label that networks are compared by.")] = "accuracy",
    above: Annotated[float, typer.Option(help="Networks above are good.")] = 0.8,
    below: Annotated[float, typer.Option(help="Networks below are poor.")] = 0.3,
    measures: Annotated[
        str | None, typer.Option(help="Columns of analyze, with commas; by default the main ones.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="A .csv file of labels; its first column has paths, names or stems."),
    ] = None,
    snapshots: Annotated[
        Snapshots, typer.Option(help="Which snapshots of a .h5 file are networks.")
    ] = Snapshots.last,
    client: Annotated[
        str | None,
        typer.Option(help="Where networks are measured: threads, processes, tcp://host:port."),
    ] = None,
    input_shape: InputShape = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail if a network cannot be read, or not all of it.")
    ] = False,
    output: Output = None,
    overwrite: Overwrite = False,
    format: FormatOption = Format.table,
) -> None:
    """Test which measures of which layers tell good networks from poor ones."""
    from cntgraph.training.population import Population

    check_output(output, files, overwrite=overwrite)
    shape = {} if input_shape is None else {"input_shape": parse_shape(input_shape)}
    chosen = None if measures is None else [name.strip() for name in measures.split(",")]
    with warnings_said(ignore=".*population.failed"):  # they are all named below
        population = Population.from_files(
            files, labels=None if labels is None else _read_labels(labels),
            snapshots=snapshots.value, strict=strict, **shape,
        )  # fmt: skip
        table = population.separation(
            by=by, above=above, below=below, measures=chosen, client=client, show_progress=True
        )
    clearest = (table["auc"] - 0.5).abs().sort_values(ascending=False, kind="stable").index
    table = table.loc[clearest].reset_index(drop=True)
    people = format is Format.table and not output
    title = _separation_title(table, by, above, below)
    shown = _shortened_separation(table) if people else table
    emit(shown, output, format, title=title, overwrite=overwrite)
    _name_left_out(population, people=people)


def _read_labels(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        # Names of files may be numbers, with zeros before them.
        return pd.read_csv(path, converters={0: str}).pipe(lambda t: t.set_index(t.columns[0]))
    except (OSError, ValueError, IndexError) as error:
        raise CntGraphError(
            f"{path}: expected labels as .csv, a file's path, name or stem in the first column: "
            f"{error}"
        ) from error


def _separation_title(table: pd.DataFrame, by: str, above: float, below: float) -> str:
    n_good, n_poor = int(table["n_above"].max()), int(table["n_below"].max())
    counts = table.attrs
    return (
        f"{counts['n_networks']:,} networks: {n_good:,} with {by} above {above:g}, {n_poor:,} "
        f"below {below:g}; {counts['n_diverged']:,} diverged, {counts['n_failed']:,} cannot be read"
    )


def _shortened_separation(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that fit on a terminal."""
    return table[["layer", "measure", "n_above", "n_below", "auc", "auc_low", "auc_high",
                  "cliffs_delta", "spearman", "kendall", "p_adjusted"]]  # fmt: skip


def _name_left_out(population: Population, *, people: bool) -> None:
    """Say which networks diverged and which cannot be read: on standard output to people."""
    for found, what, why in (
        (population.diverged, "diverged", "reason"),
        (population.failed, "cannot be read", "error"),
    ):
        if people and len(found):
            typer.echo(f"\n{len(found):,} {what}, and are left out:")
        for path, reason in zip(found["path"], found[why], strict=True):
            said = " ".join(str(reason).split()).removeprefix(f"{path}: ")
            typer.echo(f"{path}: {'' if people else f'{what}: '}{said}", err=not people)
