"""The real trained networks that come with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from cntgraph.core.errors import CntGraphError

_FILES = {"training": "training.h5", "population": "population.h5"}


def demo_file(name: str) -> Path:
    """Return the path of a cntgraph file that comes with the package.

    Parameters
    ----------
    name : {"training", "population"}
        ``"training"``: a small CNN at 16 moments of its training on scikit-learn's handwritten
        digits. ``"population"``: 64 small CNNs of one architecture, each at the end of a
        training of its own; its snapshots are networks, their ``accuracy`` between 10 and 96 %.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    CntGraphError
        If there is no such file; the message lists them.

    Notes
    -----
    ``benchmarks/make_demo.py`` made them.

    Examples
    --------
    >>> import cntgraph as cg
    >>> len(cg.open(cg.demo_file("population")))
    64
    """
    if name not in _FILES:
        raise CntGraphError(f"expected {' or '.join(map(repr, _FILES))}, got {name!r}")
    return Path(str(files("cntgraph.data") / _FILES[name]))
