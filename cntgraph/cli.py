"""The command line: a thin skin over the Python API."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cntgraph.errors import CntGraphError

if TYPE_CHECKING:
    import pandas as pd

    from cntgraph.dynamics.population import Population
    from cntgraph.network import Network

app = typer.Typer(
    help="Trained neural networks as directed weighted graphs, measured by complex network theory.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Format(StrEnum):
    """How a table is printed."""

    table = "table"
    csv = "csv"
    json = "json"


class Norm(StrEnum):
    """What becomes of batch norms."""

    fold = "fold"
    keep = "keep"


class Edges(StrEnum):
    """Which edges count."""

    parametric = "parametric"
    all = "all"


class Granularity(StrEnum):
    """What a node is."""

    neuron = "neuron"
    channel = "channel"
    layer = "layer"


class Kernel(StrEnum):
    """What the weight of an edge is of those between two channels or layers."""

    sum = "sum"
    l1 = "l1"
    l2 = "l2"


Model = Annotated[
    Path,
    typer.Argument(
        help="A saved model: .pt2, .onnx, .keras, .h5; or weights: .safetensors (or a folder of "
        "shards), .pt, .ckpt, .npz."
    ),
]
InputShape = Annotated[
    str | None, typer.Option(help="Shape of one sample, such as 3,224,224, if the file lacks it.")
]
Unroll = Annotated[
    int | None,
    typer.Option(min=1, help="Unroll recurrent layers over so many steps; by default, loops."),
]
NormOption = Annotated[Norm, typer.Option(help="Fold batch norms, or keep them as layers.")]
Strict = Annotated[bool, typer.Option("--strict", help="Fail if anything is left out.")]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="Write the table: .csv, .json, .parquet or .h5."),
]
GranularityOption = Annotated[
    Granularity, typer.Option(help="A node a neuron, a channel or a layer.")
]
KernelOption = Annotated[
    Kernel, typer.Option(help="Of the weights between two channels: their sum, L1 or L2 norm.")
]
FormatOption = Annotated[Format, typer.Option("-f", "--format", help="How to print the table.")]


def _reports_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Print what cntgraph has to say about an error, without a traceback, and exit with 1."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except CntGraphError as error:
            typer.echo("error: " + " ".join(str(error).split()), err=True)
            raise typer.Exit(1) from error

    return wrapped


@app.command()
@_reports_errors
def describe(
    model: Model,
    input_shape: InputShape = None,
    unroll: Unroll = None,
    norm: NormOption = Norm.fold,
    strict: Strict = False,
    granularity: GranularityOption = Granularity.neuron,
    kernel: KernelOption = Kernel.sum,
    output: Output = None,
    format: FormatOption = Format.table,
) -> None:
    """Show the layers and blocks of a network and what became of its parameters."""
    import cntgraph as cg

    coarse: dict[str, Any] = {"granularity": granularity.value, "kernel": kernel.value}
    net = cg.coarsen(_load(model, input_shape, unroll, norm, strict), **coarse)
    _emit(cg.describe(net), output, format, title=_title(model, net, granularity))
    if format is Format.table and not output:
        _emit(_shortened_coverage(net), None, format, title="\nCoverage")


@app.command()
@_reports_errors
def analyze(
    model: Model,
    input_shape: InputShape = None,
    unroll: Unroll = None,
    norm: NormOption = Norm.fold,
    strict: Strict = False,
    granularity: GranularityOption = Granularity.neuron,
    kernel: KernelOption = Kernel.sum,
    edges: Annotated[Edges, typer.Option(help="Which edges count.")] = Edges.parametric,
    bias: Annotated[bool, typer.Option(help="Add biases to in-strengths.")] = True,
    boundary: Annotated[
        float,
        typer.Option(help="Virtual edge of input and output nodes; 1 as in the papers' code."),
    ] = 0.0,
    snapshots: Annotated[
        bool, typer.Option("--snapshots", help="All snapshots of a .h5 file, not only the last.")
    ] = False,
    output: Output = None,
    format: FormatOption = Format.table,
) -> None:
    """Measure strengths, fluctuation and link weights of every layer."""
    import cntgraph as cg

    options: dict[str, Any] = {"edges": edges.value, "bias": bias, "boundary": boundary}
    coarse: dict[str, Any] = {"granularity": granularity.value, "kernel": kernel.value}
    if snapshots:
        with cg.open(model) as trajectory:
            table = trajectory.analyze(show_progress=True, **options, **coarse)
        title = _title(model, None, granularity)
    else:
        net = cg.coarsen(_load(model, input_shape, unroll, norm, strict), **coarse)
        table = cg.analyze(net, show_progress=True, **options).reset_index()
        title = _title(model, net, granularity)
    if not len(table) or not table["n_edges"].any():
        raise CntGraphError(
            f"{model}: nothing was analysed: no layer has {edges.value} edges; "
            "`cntgraph describe` shows why"
        )
    people = format is Format.table and not output
    _emit(_shortened_analysis(table) if people else table, output, format, title=title)


@app.command()
@_reports_errors
def convert(
    model: Model,
    output: Annotated[Path, typer.Option("-o", "--output", help="The .h5 file to write.")],
    input_shape: InputShape = None,
    unroll: Unroll = None,
    norm: NormOption = Norm.fold,
    strict: Strict = False,
    compression: Annotated[
        int | None, typer.Option(min=1, max=9, help="Level of gzip; by default none.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
) -> None:
    """Write a network and its parameters to a cntgraph file (HDF5)."""
    import cntgraph as cg

    if output.suffix.lower() not in (".h5", ".hdf5"):
        raise CntGraphError(f"{output}: expected a file that ends in .h5, got {output.suffix!r}")
    net = _load(model, input_shape, unroll, norm, strict)
    cg.save(net, output, compression=compression, overwrite=overwrite)
    typer.echo(f"{output}: {net!r}")


class Snapshots(StrEnum):
    """Which snapshots of a file are networks of a population."""

    last = "last"
    all = "all"


@app.command()
@_reports_errors
def report(
    files: Annotated[
        list[str],
        typer.Argument(
            help="One .h5 file is a training; several, or a pattern such as 'runs/*.h5', are "
            "a population, a network each."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The page to write.")] = Path(
        "cntgraph-report.html"
    ),
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
    scheduler: Annotated[
        str | None,
        typer.Option(help="Where networks are measured: threads, processes, tcp://host:port."),
    ] = None,
) -> None:
    """Write an interactive page about a training, or about a population of networks."""
    from cntgraph.report import write_report

    options: dict[str, Any] = {}
    if snapshots is not None or population:
        one = population and len(files) == 1
        options["snapshots"] = (snapshots or (Snapshots.all if one else Snapshots.last)).value
    if labels is not None:
        options["labels"] = _read_labels(labels)
    with _warnings_said(ignore=".*population.failed"):  # they are all named in the page
        path = write_report(
            files, output, by=by, above=above, below=below, layers=layer or None, title=title,
            client=scheduler, show_progress=True, **options,
        )  # fmt: skip
    typer.echo(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")


@app.command()
@_reports_errors
def compare(
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
    scheduler: Annotated[
        str | None,
        typer.Option(help="Where networks are measured: threads, processes, tcp://host:port."),
    ] = None,
    input_shape: InputShape = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail if a network cannot be read, or not all of it.")
    ] = False,
    output: Output = None,
    format: FormatOption = Format.table,
) -> None:
    """Test which measures of which layers tell good networks from poor ones."""
    from cntgraph.dynamics.population import Population

    shape = {} if input_shape is None else {"input_shape": _parse_shape(input_shape)}
    chosen = None if measures is None else [name.strip() for name in measures.split(",")]
    with _warnings_said(ignore=".*population.failed"):  # they are all named below
        population = Population.from_files(
            files, labels=None if labels is None else _read_labels(labels),
            snapshots=snapshots.value, strict=strict, **shape,
        )  # fmt: skip
        table = population.separation(
            by=by, above=above, below=below, measures=chosen, client=scheduler, show_progress=True
        )
    clearest = (table["auc"] - 0.5).abs().sort_values(ascending=False, kind="stable").index
    table = table.loc[clearest].reset_index(drop=True)
    people = format is Format.table and not output
    title = _separation_title(table, by, above, below)
    _emit(_shortened_separation(table) if people else table, output, format, title=title)
    _name_left_out(population, people=people)


@app.command()
@_reports_errors
def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Where to save the figure.")
    ] = Path("cntgraph-demo.png"),
) -> None:
    """Analyse the trained networks that come with cntgraph, and save a figure."""
    from cntgraph.demo import run_demo

    run_demo(output)


def _load(
    model: Path, input_shape: str | None, unroll: int | None, norm: Norm, strict: bool
) -> Network:
    import cntgraph as cg

    shape = None if input_shape is None else _parse_shape(input_shape)
    with _warnings_said():
        return cg.load(model, input_shape=shape, unroll=unroll, norm=norm.value, strict=strict)


@contextmanager
def _warnings_said(ignore: str | None = None) -> Iterator[None]:
    """Print what was left out of a graph in a line, each once."""
    import warnings

    from cntgraph.errors import CoverageWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CoverageWarning)
        if ignore is not None:
            warnings.filterwarnings("ignore", message=ignore)
        yield
    for message in dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught):
        typer.echo(f"warning: {message}", err=True)


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


def _parse_shape(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        raise CntGraphError(
            f"expected --input-shape as numbers with commas, such as 3,224,224; got {text!r}"
        ) from None


def _title(model: Path, net: Network | None, granularity: Granularity) -> str:
    what = "" if granularity is Granularity.neuron else f", a node a {granularity.value}"
    size = "" if net is None else ": " + repr(net).strip("<>").removeprefix("Network: ")
    return f"{model}{what}{size}"


def _shortened_analysis(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that fit on a terminal."""
    columns = ["snapshot", "step", "layer", "kind", "shape", "activation", "n_nodes", "n_edges",
               "in_strength_mean", "out_strength_mean", "strength_mean", "fluctuation",
               "link_weight_mean", "link_weight_std", "status"]  # fmt: skip
    return table[[name for name in columns if name in table.columns]]


def _shortened_coverage(net: Network) -> pd.DataFrame:
    table = net.coverage.reset_index()
    return table[["name", "kind", "shape", "dtype", "status", "block", "reason"]]


def _emit(table: pd.DataFrame, output: Path | None, kind: Format, *, title: str) -> None:
    from cntgraph import tables

    if output is not None:
        tables.write(table, output)
        typer.echo(f"{output}: {len(table)} rows", err=True)
    elif kind is Format.table:
        tables.show(table, title)
    else:
        sys.stdout.write(tables.as_text(table, kind.value))


if __name__ == "__main__":
    app()
