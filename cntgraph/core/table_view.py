"""What is shown of a table: the columns that people compare, and the rows that they look for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

from cntgraph.core.errors import ArgumentError
from cntgraph.core.types import Columns

#: Which columns of a table are shown.
Shown = Literal["main", "all"]


class TableView(NamedTuple):
    """What is shown of a table.

    Parameters
    ----------
    columns : tuple of str
        Those that people compare.
    if_any : tuple of str, default ()
        Those that are shown where some row has anything in them but 0.
    folded : callable, optional
        Takes the columns, and returns which rows are left out.
    what : str, default ""
        What these rows are.
    """

    columns: tuple[str, ...]
    if_any: tuple[str, ...] = ()
    folded: Callable[[Columns], list[bool]] | None = None
    what: str = ""

    def of(self, columns: Columns) -> tuple[Columns, list[str]]:
        """Return the columns and rows that are shown, and what is said of those that are not."""
        wanted = {*self.columns, *(name for name in self.if_any if any(columns.get(name, ())))}
        n_rows = len(next(iter(columns.values()), []))
        hidden = self.folded(columns) if self.folded else [False] * n_rows
        shown = {
            name: [value for value, hide in zip(values, hidden, strict=True) if not hide]
            for name, values in columns.items()
            if name in wanted
        }
        n_more = len(columns) - len(shown)
        said = [f"{sum(hidden):,} {self.what}"] * any(hidden)
        return shown, said + [f"{n_more} {'columns' if n_more > 1 else 'column'}"] * bool(n_more)


def not_shown(said: list[str], how: str) -> str:
    """Return the line below a table on what it does not show.

    Examples
    --------
    >>> not_shown(["2 structural rows", "13 columns"], "--columns all")
    'not shown: 2 structural rows, 13 columns (--columns all)'
    """
    return f"not shown: {', '.join(said)} ({how})" if said else ""


def check_shown(columns: Shown) -> None:
    """Refuse what is no choice of columns.

    Raises
    ------
    ArgumentError
    """
    if columns not in get_args(Shown):
        known = " or ".join(map(repr, get_args(Shown)))
        raise ArgumentError(
            f"expected columns= to be {known}, got {columns!r}; "
            "the table has all columns either way"
        )
