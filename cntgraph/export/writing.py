"""Text files that are written at once or not at all, and compressed where their name says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from cntgraph.core.new_file import new_file


@contextmanager
def new_text(path: Path, *, overwrite: bool = False) -> Iterator[TextIO]:
    """Write a text file, UTF-8 with line feeds; see `new_file`.

    Parameters
    ----------
    path : Path
        One that ends in ``.gz`` is compressed.
    overwrite : bool, default False
        Whether a file of that name is replaced.
    """
    with new_file(path, overwrite=overwrite) as temporary, ExitStack() as stack:
        yield _opened(temporary, stack, compressed=path.suffix == ".gz")


def _opened(path: Path, stack: ExitStack, *, compressed: bool) -> TextIO:
    if not compressed:
        return stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))
    import gzip

    raw = stack.enter_context(path.open("wb"))
    # No name and no time: the same graph gives the same bytes.
    packed = stack.enter_context(gzip.GzipFile("", "wb", 6, raw, mtime=0))
    return stack.enter_context(TextIOWrapper(packed, encoding="utf-8", newline="\n"))
