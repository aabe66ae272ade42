"""Tables for people and for machines: on a terminal, as text, and as files."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

from cntgraph.core.errors import CntGraphError, require
from cntgraph.core.new_file import new_file
from cntgraph.core.table_text import cell, plain, table_text
from cntgraph.core.types import Columns

if TYPE_CHECKING:
    import pandas as pd


def columns_of(table: pd.DataFrame | Columns) -> Columns:
    """Return the columns of a table by name; where something is missing, NaN or None.

    Examples
    --------
    >>> import pandas as pd
    >>> columns_of(pd.DataFrame({"layer": ["fc", None], "n_nodes": [3, 2]}))
    {'layer': ['fc', None], 'n_nodes': [3, 2]}
    """
    if isinstance(table, dict):
        return table
    return {str(name): _values(table[name]) for name in table.columns}


def _values(column: pd.Series) -> list[Any]:
    if column.dtype.kind in "iufb":
        return list(column.tolist())
    whole = column.astype(object)
    return list(whole.where(column.notna(), None).tolist())


def show(table: pd.DataFrame | Columns, title: str = "", below: str = "") -> None:
    """Print a table for a person, on a terminal as wide as that, elsewhere as wide as it likes.

    Parameters
    ----------
    table : pandas.DataFrame, or dict of str to list
        The table, or its columns.
    title : str, default ""
    below : str, default ""
        A line below it.
    """
    terminal = sys.stdout.isatty()
    if title:
        print(f"\x1b[1m{title}\x1b[0m" if terminal else title)
    print(table_text(columns_of(table), get_terminal_size().columns if terminal else None))
    if below:
        print(below)


def as_text(table: pd.DataFrame | Columns, kind: str) -> str:
    """Return a table as CSV or JSON text, with all digits of its numbers.

    Parameters
    ----------
    table : pandas.DataFrame, or dict of str to list
        The table, or its columns.
    kind : {"csv", "json"}

    Returns
    -------
    str

    Examples
    --------
    >>> print(as_text({"layer": ["fc"], "shape": [(3,)], "mean": [0.1]}, "csv"), end="")
    layer,shape,mean
    fc,"(3,)",0.1
    """
    columns = columns_of(table)
    if kind == "csv":
        return _as_csv(columns)
    values = [[_json_value(value) for value in column] for column in columns.values()]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
    return json.dumps(rows, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _as_csv(columns: Columns) -> str:
    """Return columns as CSV; what is missing is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(
        ["" if value != value else value for value in map(plain, row)]
        for row in zip(*columns.values(), strict=True)
    )
    return text.getvalue()


def _json_value(value: Any) -> Any:
    """Return a cell as JSON has it: tuples as lists, null for what is no number."""
    value = plain(value)
    return None if isinstance(value, float) and not isfinite(value) else value


def write(table: pd.DataFrame | Columns, path: Path, *, overwrite: bool = False) -> None:
    """Write a table to a file whose suffix says how: .csv, .json, .parquet or .h5.

    Parameters
    ----------
    table : pandas.DataFrame, or dict of str to list
        The table, or its columns.
    path : Path
    overwrite : bool, default False
        Whether a file of that name is replaced.

    Raises
    ------
    CntGraphError
        If the suffix is another one, there is a file already, or it cannot be written.
    MissingExtraError
        If the suffix is .parquet and pyarrow is not installed.
    """
    writers: dict[str, Callable[[Any, Path], object]] = {
        ".csv": lambda t, p: p.write_text(as_text(t, "csv"), encoding="utf-8", newline=""),
        ".json": lambda t, p: p.write_text(as_text(t, "json"), encoding="utf-8"),
        ".parquet": lambda t, p: _write_parquet(_frame(t), p),
    }
    if path.suffix.lower() not in (*writers, ".h5"):
        raise CntGraphError(
            f"{path}: expected a file that ends in {', '.join(writers)}, .h5; got {path.suffix!r}"
        )
    if path.suffix.lower() == ".h5":
        _write_hdf5(_frame(table), path, overwrite=overwrite)
        return
    with new_file(path, overwrite=overwrite) as temporary:
        writers[path.suffix.lower()](table, temporary)


def _frame(table: pd.DataFrame | Columns) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(table) if isinstance(table, dict) else table


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    require("pyarrow", "parquet", needed_for="Writing .parquet files")
    table.assign(**{c: table[c].map(list) for c in _tuples(table)}).to_parquet(path, index=False)


def _write_hdf5(table: pd.DataFrame, path: Path, *, overwrite: bool) -> None:
    from cntgraph.store.columns import write_columns

    write_columns(
        table.assign(**{c: table[c].map(cell) for c in _tuples(table)}), path, overwrite=overwrite
    )


def _tuples(table: pd.DataFrame) -> list[str]:
    """Return the columns that hold tuples (shapes)."""
    return [str(c) for c in table.columns if len(table) and isinstance(table[c].iloc[0], tuple)]
