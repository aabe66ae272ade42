"""Tables for people and for machines: on a terminal, as text, and as files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cntgraph.core.errors import CntGraphError, require
from cntgraph.core.new_file import new_file

if TYPE_CHECKING:
    import pandas as pd


def show(table: pd.DataFrame, title: str = "") -> None:
    """Print a table for a person: ruled on a terminal, in plain columns elsewhere.

    Parameters
    ----------
    table : pandas.DataFrame
    title : str, default ""
    """
    from rich.console import Console
    from rich.table import Table

    # Off a terminal nothing is cut to its width. Names are not markup: "fc[bias]" is a name.
    width = None if sys.stdout.isatty() else 100_000
    console = Console(width=width, markup=False, emoji=False)
    ruled = Table(box=None, pad_edge=False)
    for name in table.columns:
        numeric = table[name].dtype.kind in "iuf"
        ruled.add_column(str(name).replace("_", " "), justify="right" if numeric else "left")
    for row in table.itertuples(index=False):
        ruled.add_row(*(cell(value) for value in row))
    if title:
        console.print(title, style="bold", highlight=False, soft_wrap=True)
    console.print(ruled)


def cell(value: Any) -> str:
    """Return a value as people write it: sizes as 8×8, counts with commas, four digits.

    Examples
    --------
    >>> cell((8, 5, 5)), cell(1234567), cell(0.123456), cell(float("nan"))
    ('8×5×5', '1,234,567', '0.1235', '')
    """
    value = _plain(value)
    if isinstance(value, tuple):
        return "×".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return "" if value is None else str(value)


def _plain(value: Any) -> Any:
    """Return a number of NumPy as one of Python."""
    return value.item() if hasattr(value, "item") else value


def as_text(table: pd.DataFrame, kind: str) -> str:
    """Return a table as CSV or JSON text.

    Parameters
    ----------
    table : pandas.DataFrame
    kind : {"csv", "json"}

    Returns
    -------
    str
    """
    if kind == "csv":
        return str(table.to_csv(index=False))
    # pandas' own writer keeps ten decimals.
    columns = [[_json_value(value) for value in table[name]] for name in table.columns]
    names = [str(name) for name in table.columns]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return json.dumps(rows, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _json_value(value: Any) -> Any:
    """Return a cell as JSON has it: tuples as lists, null for what is no number."""
    value = _plain(value)
    return None if isinstance(value, float) and not isfinite(value) else value


def write(table: pd.DataFrame, path: Path, *, overwrite: bool = False) -> None:
    """Write a table to a file whose suffix says how: .csv, .json, .parquet or .h5.

    Parameters
    ----------
    table : pandas.DataFrame
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
    writers: dict[str, Callable[[pd.DataFrame, Path], object]] = {
        ".csv": lambda t, p: t.to_csv(p, index=False),
        ".json": lambda t, p: p.write_text(as_text(t, "json"), encoding="utf-8"),
        ".parquet": _write_parquet,
    }
    if path.suffix.lower() not in (*writers, ".h5"):
        raise CntGraphError(
            f"{path}: expected a file that ends in {', '.join(writers)}, .h5; got {path.suffix!r}"
        )
    if path.suffix.lower() == ".h5":
        _write_hdf5(table, path, overwrite=overwrite)
        return
    with new_file(path, overwrite=overwrite) as temporary:
        writers[path.suffix.lower()](table, temporary)


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
