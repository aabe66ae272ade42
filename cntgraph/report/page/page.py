"""The page: headings, texts, tables and charts as one HTML file that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from cntgraph.core.errors import require
from cntgraph.core.table_text import cell
from cntgraph.report.meanings import Meaning, meaning
from cntgraph.report.page.chart import Chart, as_script
from cntgraph.version import __version__

if TYPE_CHECKING:
    import pandas as pd

#: Rows of a table in the page; of longer ones, the first.
ROWS = 300
#: Letters beyond which a cell has several lines.
LONG = 60


@dataclass
class Table:
    """A table of the page.

    Parameters
    ----------
    table : pandas.DataFrame
        Its columns are named above it; the index is left out.
    caption : str
        What it says.
    """

    table: pd.DataFrame
    caption: str


@dataclass
class Section:
    """A part of the page.

    Parameters
    ----------
    title : str
        Its heading.
    text : str, default ""
        What stands below it: one paragraph per line.
    facts : dict of str to str, default {}
        Numbers to be seen first, by what they count.
    parts : list of Chart and Table, default []
        What it shows.
    """

    title: str
    text: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    parts: list[Chart | Table] = field(default_factory=list)


def render(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """Return the page.

    Parameters
    ----------
    title, subtitle : str
        Plain text, as everything that comes from data.
    sections : sequence of Section

    Returns
    -------
    str
        HTML. Its policy forbids it to ask the network for anything.
    """
    plotly = require("plotly.offline", "report", needed_for="A report").get_plotlyjs()
    charts = [p for section in sections for p in section.parts if isinstance(p, Chart)]
    own = files("cntgraph.report.page")
    return _TEMPLATE.format(
        title=escape(title),
        subtitle=escape(subtitle),
        style=own.joinpath("page.css").read_text(encoding="utf-8"),
        script=own.joinpath("page.js").read_text(encoding="utf-8"),
        plotly=plotly,
        charts=as_script(charts),
        links=" ".join(_link(k, section) for k, section in enumerate(sections)),
        sections="\n".join(_section(k, section) for k, section in enumerate(sections)),
        version=escape(__version__),
    )


#: An empty icon, as browsers ask for one otherwise.
_TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="cntgraph {version}">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p class="subtitle">{subtitle}</p>
<nav>{links}</nav>
</header>
<main>
<noscript><p class="empty">The charts of this page are drawn by its script, which is switched off
in this browser.</p></noscript>
{sections}
</main>
<footer><p>Written by cntgraph {version}. This file needs no network.</p></footer>
<script type="application/json" id="charts">{charts}</script>
<script>{plotly}</script>
<script>
{script}</script>
</body>
</html>
"""


def _link(number: int, section: Section) -> str:
    return f'<a href="#section-{number}">{escape(section.title)}</a>'


def _section(number: int, section: Section) -> str:
    texts = "".join(f"<p>{escape(line)}</p>\n" for line in section.text.splitlines())
    facts = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in section.facts.items()
    )
    parts = "\n".join(_part(part) for part in section.parts)
    return (
        f'<section id="section-{number}">\n<h2>{escape(section.title)}</h2>\n{texts}'
        + (f"<dl>{facts}</dl>\n" if facts else "")
        + f"{parts}\n</section>"
    )


def _part(part: Chart | Table) -> str:
    if isinstance(part, Table):
        return _table(part)
    kind = "plot square" if part.square else "plot"
    return (
        f'<figure id="{escape(part.name)}">\n<div class="controls"></div>\n'
        f'<div class="{kind}" role="img" aria-label="{escape(part.caption)}"></div>\n'
        f"<figcaption>{escape(part.caption)}</figcaption>\n{_meanings(part.measures)}</figure>"
    )


def _meanings(measures: Sequence[str]) -> str:
    """Return what measures mean, each text once; the page's script shows that of what is chosen."""
    options: dict[Meaning, list[int]] = {}
    for number, name in enumerate(measures):
        options.setdefault(meaning(name), []).append(number)
    return "".join(
        f'<p class="meaning"{_where(numbers) if len(options) > 1 else ""}>'
        f"<code>{escape(found.function)}</code> {_with_code(found.text)}</p>\n"
        for found, numbers in options.items()
        if found.text
    )


def _where(options: Sequence[int]) -> str:
    return f' data-options="{" ".join(map(str, options))}"'


def _with_code(text: str) -> str:
    """Return a sentence of a docstring, in which code stands between backticks.

    Examples
    --------
    >>> _with_code("``a < b``, or `c`")
    '<code>a &lt; b</code>, or <code>c</code>'
    """
    return re.sub(r"``?([^`]+)``?", r"<code>\1</code>", escape(text))


def _table(part: Table) -> str:
    table, caption = part.table, part.caption
    if len(table) > ROWS:
        caption += f" The first {ROWS:,} of {len(table):,} rows are shown."
        table = table.iloc[:ROWS]
    kinds = ["number" if table[name].dtype.kind in "iuf" else "text" for name in table.columns]
    names = "".join(
        f'<th scope="col" class="{kind}">{escape(str(name).replace("_", " "))}</th>'
        for name, kind in zip(table.columns, kinds, strict=True)
    )
    rows = "\n".join(
        "<tr>" + "".join(
            _cell(cell(value), kind)
            for value, kind in zip(row, kinds, strict=True)
        ) + "</tr>"
        for row in table.itertuples(index=False)
    )  # fmt: skip
    return (
        f'<figure class="table">\n<figcaption>{escape(caption)}</figcaption>\n'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(part.caption)}">'
        f"<table>\n<thead><tr>{names}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>\n"
        "</figure>"
    )


def _cell(text: str, kind: str) -> str:
    kind = "long" if len(text) > LONG else kind
    return f'<td class="{kind}">{escape(text)}</td>'
