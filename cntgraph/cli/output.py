"""What commands say: tables, warnings, errors without a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cntgraph.cli.options import Format
from cntgraph.core.errors import CntGraphError

if TYPE_CHECKING:
    import pandas as pd

    from cntgraph.core.table_view import TableView
    from cntgraph.core.types import Columns


def reports_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Print what cntgraph has to say about an error, without a traceback, and exit with 1."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except CntGraphError as error:
            typer.echo("error: " + " ".join(str(error).split()), err=True)
            raise typer.Exit(1) from error

    return wrapped


@contextmanager
def warnings_said(ignore: str | None = None) -> Iterator[None]:
    """Print what was left out of a graph in a line, each once."""
    import warnings

    from cntgraph.core.errors import CoverageWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CoverageWarning)
        if ignore is not None:
            warnings.filterwarnings("ignore", message=ignore)
        yield
    for message in dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught):
        typer.echo(f"warning: {message}", err=True)


def check_output(output: Path | None, sources: Iterable[str | Path], *, overwrite: bool) -> None:
    """Refuse, before anything is read, an output that is an input, or that exists."""
    from glob import glob

    from cntgraph.core.new_file import check_free

    if output is not None:
        known = [Path(found) for name in sources
                 for found in (glob(str(name), recursive=True) or [str(name)])]  # fmt: skip
        check_free(output, known, overwrite=overwrite)


def emit(
    table: pd.DataFrame | Columns,
    output: Path | None,
    kind: Format,
    *,
    title: str,
    overwrite: bool = False,
    view: TableView | None = None,
) -> None:
    """Write a table to a file, or print it; for people, what a view shows of it."""
    from cntgraph import tables
    from cntgraph.core.table_view import not_shown

    if output is not None:
        tables.write(table, output, overwrite=overwrite)
        n_rows = len(next(iter(tables.columns_of(table).values()), ()))
        typer.echo(f"{output}: {n_rows} rows", err=True)
    elif kind is not Format.table:
        sys.stdout.write(tables.as_text(table, kind.value))
    elif view is None:
        tables.show(table, title)
    else:
        shown, said = view.of(tables.columns_of(table))
        tables.show(shown, title, not_shown(said, "--columns all"))
