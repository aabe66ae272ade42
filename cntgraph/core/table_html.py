"""Tables as HTML, for notebooks: what is long unfolds when it is clicked, without a script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import chain
from typing import Any, Final

from cntgraph.core.table_text import cell, is_numbers
from cntgraph.core.types import Columns

#: Of more rows, the first and the last half are shown.
_MAX_ROWS: Final = 200
_LEFT: Final = ' style="text-align:left"'


def table_html(columns: Columns) -> str:
    """Return a table as HTML.

    Parameters
    ----------
    columns : dict of str to list
        The table; of very many rows the first and the last are shown.

    Returns
    -------
    str

    Examples
    --------
    >>> print(table_html({"layer": ["<fc>"], "n_nodes": [1000]}))
    <table><thead><tr><th style="text-align:left">layer</th><th>n_nodes</th></tr></thead>
    <tbody><tr><td style="text-align:left">&lt;fc&gt;</td><td>1,000</td></tr></tbody></table>
    """
    sides = ["" if is_numbers(values) else _LEFT for values in columns.values()]
    head = _row("th", columns, sides)
    rows = [*zip(*columns.values(), strict=True)]
    body = "\n".join(chain.from_iterable(_rows(rows, sides)))
    return f"<table><thead>{head}</thead>\n<tbody>{body}</tbody></table>"


def _rows(rows: list[tuple[Any, ...]], sides: Sequence[str]) -> Iterable[list[str]]:
    half = _MAX_ROWS // 2 if len(rows) > _MAX_ROWS else len(rows)
    yield [_row("td", map(cell, row), sides) for row in rows[:half]]
    if rows[half:]:
        left_out = f"{len(rows) - 2 * half:,} rows"
        yield [f'<tr><td colspan="{len(sides)}"{_LEFT}>{left_out} …</td></tr>']
        yield [_row("td", map(cell, row), sides) for row in rows[-half:]]


def _row(tag: str, texts: Iterable[str], sides: Sequence[str]) -> str:
    cells = zip(texts, sides, strict=True)
    return (
        "<tr>" + "".join(f"<{tag}{side}>{_escaped(text)}</{tag}>" for text, side in cells) + "</tr>"
    )


def _escaped(text: str) -> str:
    """Return a text as it stands in HTML, where spaces before it are to be seen."""
    return "&nbsp;" * (len(text) - len(text.lstrip(" "))) + escape(text.lstrip(" "))


def unfolding(summary: str, body: str) -> str:
    """Return a line of HTML that shows what is behind it when it is clicked.

    Examples
    --------
    >>> unfolding("2 layers", "<p>…</p>")
    '<details><summary>2 layers</summary><p>…</p></details>'
    """
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"


def unfolding_table(shown: str, columns: Columns) -> str:
    """Return what something is in a line, ``<Graph: …>``, and a table that unfolds below it.

    Examples
    --------
    >>> unfolding_table("<Graph: 2 layers>", {"n": [1]})[:60]
    '<details><summary>Graph: 2 layers</summary><table><thead><tr'
    """
    return unfolding(shown.strip("<>"), table_html(columns))
