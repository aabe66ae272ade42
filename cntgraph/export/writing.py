"""Files that are written at once or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from cntgraph.core.errors import CntGraphError


@contextmanager
def new_file(path: Path) -> Iterator[TextIO]:
    """Write a file under another name beside it, and give it its own when it is complete.

    Parameters
    ----------
    path : Path
        A file of that name is replaced; one that ends in ``.gz`` is compressed.

    Yields
    ------
    text file
        UTF-8, lines end in a line feed.

    Raises
    ------
    CntGraphError
        If it cannot be written; what was there before stays.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with new_file(Path(folder, "a.txt")) as file:
    ...         _ = file.write("text")
    ...     Path(folder, "a.txt").read_text()
    'text'
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with ExitStack() as stack:
            yield _opened(temporary, stack, compressed=path.suffix == ".gz")
        os.replace(temporary, path)
    except CntGraphError:
        raise
    except OSError as error:
        raise CntGraphError(f"{path} cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _opened(path: Path, stack: ExitStack, *, compressed: bool) -> TextIO:
    if not compressed:
        return stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))
    import gzip

    raw = stack.enter_context(path.open("wb"))
    # No name and no time: the same graph gives the same bytes.
    packed = stack.enter_context(gzip.GzipFile("", "wb", 6, raw, mtime=0))
    return stack.enter_context(TextIOWrapper(packed, encoding="utf-8", newline="\n"))
