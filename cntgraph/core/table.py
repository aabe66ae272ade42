"""Table: a DataFrame that shows what people compare, and holds all that there is."""

from __future__ import annotations

from shutil import get_terminal_size
from textwrap import wrap
from typing import Any, Final

import pandas as pd

from cntgraph.core.table_html import table_html, unfolding
from cntgraph.core.table_text import table_text
from cntgraph.core.table_view import Shown, TableView, not_shown
from cntgraph.core.types import Columns

#: How wide a table is where nothing says how wide it may be.
_WIDTH: Final = 100
_HOW: Final = 'columns="all"'


class _LikeAnyFrame(type):
    """Lets every DataFrame pass for a Table: they differ in what is printed alone.

    `pandas.testing.assert_frame_equal` asks whether the one is of the other's type.
    """

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, pd.DataFrame)


class Table(pd.DataFrame, metaclass=_LikeAnyFrame):  # type: ignore[misc]
    """A table that holds everything there is, and when it is printed shows what people compare.

    Rows that are taken from it show themselves alike; other columns are those of any DataFrame.
    """

    # What pandas hands on to the tables that its methods make of this one.
    _metadata = ["_view", "_names"]  # noqa: RUF012
    _view: TableView | None = None
    _names: tuple[str, ...] = ()

    @property
    def _constructor(self) -> type[Table]:
        return Table

    def __finalize__(self, other: Any, method: str | None = None, **options: Any) -> pd.DataFrame:
        """Return what pandas has made of this table: plain where its columns are others."""
        made: pd.DataFrame = super().__finalize__(other, method, **options)
        return made if _names_of(made) == self._names else pd.DataFrame(made)

    def __repr__(self) -> str:
        if self._view is None or _names_of(self) != self._names:
            return str(super().__repr__())
        columns, said = self._view.of(frame_columns(self))
        width, n_rows = get_terminal_size((_WIDTH, 24)).columns, len(next(iter(columns.values())))
        half = (pd.get_option("display.max_rows") or n_rows) // 2
        if n_rows > 2 * half:
            columns = {name: [*v[:half], *v[n_rows - half :]] for name, v in columns.items()}
            said = [f"{n_rows - 2 * half:,} rows after the first {half}", *said]
        return "\n".join([table_text(columns, width), *wrap(not_shown(said, _HOW), width)])

    def _repr_html_(self) -> str:
        if self._view is None or _names_of(self) != self._names:
            return str(super()._repr_html_())
        everything = frame_columns(self)
        columns, said = self._view.of(everything)
        whole = unfolding(", ".join(said) + " more", table_html(everything)) if said else ""
        return f"<div>{table_html(columns)}{whole}</div>"


def frame_columns(table: pd.DataFrame) -> Columns:
    """Return the columns of a table by name, that of its index first if it has a name.

    Examples
    --------
    >>> frame_columns(pd.DataFrame({"n": [3]}, index=pd.Index(["fc"], name="layer")))
    {'layer': ['fc'], 'n': [3]}
    """
    whole = table if table.index.name is None else table.reset_index()
    return {str(name): whole[name].tolist() for name in whole.columns}


def _names_of(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the names of the columns of a table, its index among them if it has a name."""
    index = [] if table.index.name is None else [table.index.name]
    return tuple(map(str, [*index, *table.columns]))


def table_of(table: pd.DataFrame, view: TableView, columns: Shown) -> pd.DataFrame:
    """Return a table that shows itself as it is wanted.

    Parameters
    ----------
    table : pandas.DataFrame
    view : TableView
        What is shown of it.
    columns : {"main", "all"}
        Whether only that is.

    Examples
    --------
    >>> full = pd.DataFrame({"layer": ["fc"], "mean": [0.5], "skew": [0.1]})
    >>> table_of(full, TableView(("layer", "mean")), "main")
    layer  mean
    fc      0.5
    not shown: 1 column (columns="all")
    """
    if columns == "all":
        return table
    made = Table(table)
    made._view, made._names = view, _names_of(table)
    return made
