"""What a profile shows of the results that have several parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cntgraph.graph.signs import Split

if TYPE_CHECKING:
    import pandas as pd


def parts(*names: str) -> Callable[[Any], dict[str, Any]]:
    """Return a function that picks parts of a result by name: fields of a record, or columns.

    Parameters
    ----------
    *names : str

    Returns
    -------
    callable

    Examples
    --------
    >>> from collections import namedtuple
    >>> result = namedtuple("Result", "partition modularity")([0, 1], 0.5)
    >>> parts("modularity")(result)
    {'modularity': 0.5}
    """

    def read(result: Any) -> dict[str, Any]:
        if isinstance(result, Split):
            return {sign: read(part) for sign, part in result._asdict().items()}
        if hasattr(result, "columns"):
            return {name: result[name] for name in names}
        return {name: getattr(result, name) for name in names}

    return read


def count_by_motif(table: pd.DataFrame) -> dict[str, int]:
    """Return the number of each motif, by its name."""
    return dict(zip(table["motif"], table["count"], strict=True))
