"""Tables as text, for people: cells as they are read aloud, as wide as a terminal and no wider."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any, Final, NamedTuple

from cntgraph.core.types import Columns

#: What stands between two columns.
_GAP: Final = "  "
#: Text is not broken into lines shorter than this; rather, the table is into two.
_NARROWEST: Final = 24
#: From which number on which unit is counted: what would be 1,000 of one is 1 of the next.
_UNITS: Final = ((999.5e12, ""), (999.5e9, "T"), (999.5e6, "G"), (1e6, "M"))
_SIZES: Final = {"": 1, "M": 1e6, "G": 1e9, "T": 1e12}


def cell(value: Any, *, brief: bool = False) -> str:
    """Return a value as people write it: sizes as 8×8, counts with commas, four digits.

    Parameters
    ----------
    value : object
    brief : bool, default False
        Whether three digits do, also of millions.

    Examples
    --------
    >>> cell((8, 5, 5)), cell(1234567), cell(0.123456), cell(float("nan"))
    ('8×5×5', '1,234,567', '0.1235', '')
    >>> cell(1234567, brief=True), cell(0.123456, brief=True)
    ('1.23M', '0.123')
    >>> [cell(value, brief=True) for value in (1234.5, 0.00012345, 0.0)]
    ['1,234', '1.23e-4', '0']
    """
    value = plain(value)
    if isinstance(value, tuple):
        return "×".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return _count(value) if brief else f"{value:,}"
    if isinstance(value, float):
        return "" if value != value else _number(value) if brief else f"{value:.4g}"
    return "" if value is None else str(value)


def _count(value: int) -> str:
    """Return a count, of millions the first three digits."""
    for least, letter in _UNITS:
        if abs(value) >= least:
            return f"{value / _SIZES[letter]:.3g}{letter}"
    return f"{value:,}"


def _number(value: float) -> str:
    """Return three digits of a number in few letters: 0.123, 1,234, 1.23e-4."""
    size = abs(value)
    if 1e3 <= size < 999_999.5:
        return f"{value:,.0f}"
    if size < 1e-3:
        digits, _, power = f"{value:.2e}".partition("e")
        return f"{float(digits):g}e{int(power)}" if value else "0"
    digits, _, power = f"{value:.3g}".partition("e")
    return f"{digits}e{int(power)}" if power else digits


def plain(value: Any) -> Any:
    """Return a number of NumPy as one of Python."""
    return value.item() if hasattr(value, "item") else value


class _Column(NamedTuple):
    """A column as text: the lines of its head, those of each cell, and whether it is numbers."""

    head: list[str]
    cells: list[list[str]]
    right: bool

    @property
    def width(self) -> int:
        lines = [line for lines in (self.head, *self.cells) for line in lines]
        return max(map(len, lines), default=0)


def table_text(columns: Columns, width: int | None = None) -> str:
    """Return a table as text.

    What is too wide becomes narrower by degrees, and nothing is cut: heads on several lines;
    three digits and millions; columns that say one word in every row, said below; long text on
    several lines; columns below each other, each time beside the first one.

    Parameters
    ----------
    columns : dict of str to list
        The table.
    width : int, optional
        How wide it may be; by default as it likes.

    Returns
    -------
    str
        Without a newline at its end.

    Examples
    --------
    >>> columns = {"layer": ["conv1", "fc"], "link_weight_std": [0.123456, 12.0]}
    >>> print(table_text(columns))
    layer  link_weight_std
    conv1           0.1235
    fc                  12
    >>> print(table_text(columns, 20))
             link_
           weight_
    layer      std
    conv1   0.1235
    fc          12
    """
    for stacked, brief in ((False, False), (True, False), (True, True)):
        made = [_column(name, values, stacked, brief) for name, values in columns.items()]
        if width is None or _width(made) <= width:
            return "\n".join(_lines(made))
    assert width is not None
    said = {name: _said_once(values) for name, values in columns.items()}
    lines = [f"{name}: {text} in every row" for name, text in said.items() if text]
    below = "".join("\n" + part for line in lines for part in wrap(line, width))
    made = [column for column, text in zip(made, said.values(), strict=True) if not text]
    parts = ["\n".join(_lines(part)) for part in _parts(_wrapped(made, width), width)]
    return "\n\n".join(parts) + below


def _column(name: str, values: Sequence[Any], stacked: bool, brief: bool) -> _Column:
    cells = [cell(value, brief=brief) for value in values]
    content = max(map(len, cells), default=0)
    head = _head(name, content) if stacked else [name]
    return _Column(head, [[text] for text in cells], is_numbers(values))


def _head(name: str, content: int) -> list[str]:
    """Return a name on several lines, broken behind ``_``, where its column would be wider."""
    words = [word + "_" for word in name.split("_")]
    words[-1] = words[-1][:-1]
    limit, lines = max(content, *map(len, words)), [""]
    for word in words:
        if len(lines[-1]) + len(word) > limit:
            lines.append("")
        lines[-1] += word
    return [line for line in lines if line]


def _said_once(values: Sequence[Any]) -> str:
    """Return the word that all rows say, if it is one, and there are several rows."""
    first = values[0] if len(values) > 1 else None
    return first if isinstance(first, str) and all(value == first for value in values) else ""


def _wrapped(made: list[_Column], width: int) -> list[_Column]:
    """Return columns whose text is on several lines, if that makes them fit or they must."""
    longest = max((c.width for c in made if not c.right), default=0)
    most = max(_NARROWEST, width // 2)
    for limit in range(longest, _NARROWEST - 1, -1):
        tried = [_broken(column, limit) for column in made]
        if _width(tried) <= width:
            return tried
    return [_broken(column, most) for column in made]


def _broken(column: _Column, limit: int) -> _Column:
    """Return a column of text with its long cells broken behind spaces and dots."""
    if column.right or column.width <= limit:
        return column
    cells = [[line for text in lines for line in _pieces(text, limit)] for lines in column.cells]
    return column._replace(cells=cells)


def _pieces(text: str, limit: int) -> list[str]:
    pieces = []
    while len(text) > limit:
        end = max(text.rfind(mark, 0, limit) for mark in " .,/") + 1 or limit
        pieces.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return [*pieces, text]


def _parts(made: list[_Column], width: int) -> Iterator[list[_Column]]:
    """Yield columns that fit beside each other, each time with the first one before them."""
    first, part = made[0], made[:1]
    for column in made[1:]:
        if _width([*part, column]) > width and len(part) > 1:
            yield part
            part = [first]
        part = [*part, column]
    yield part


def _width(made: Sequence[_Column]) -> int:
    return sum(column.width + len(_GAP) for column in made) - len(_GAP)


def _lines(made: Sequence[_Column]) -> Iterator[str]:
    """Yield the lines of columns side by side: their heads end on one line, cells begin on one."""
    depth = max((len(column.head) for column in made), default=0)
    heads = [[""] * (depth - len(column.head)) + column.head for column in made]
    rows = [heads, *(list(row) for row in zip(*(column.cells for column in made), strict=True))]
    for row in rows:
        for k in range(max(map(len, row), default=0)):
            texts = [lines[k] if k < len(lines) else "" for lines in row]
            places = zip(texts, made, strict=True)
            yield _GAP.join(
                text.rjust(column.width) if column.right else text.ljust(column.width)
                for text, column in places
            ).rstrip()


def is_numbers(values: Sequence[Any]) -> bool:
    """Whether a column is one of numbers, which stand on its right."""
    found = [plain(value) for value in values]
    return bool(found) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in found
    )
