"""Damage: what is said of a file that leads to an error of another kind than cntgraph's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cntgraph.core.errors import CntGraphError, FormatError


@contextmanager
def damage(place: object, what: str, then: str) -> Iterator[None]:
    """Say what is wrong and what to do then, whatever a damaged file leads to.

    A plain `ValueError` within says in its own words what is damaged.

    Parameters
    ----------
    place : object
        The file, or a part of it.
    """
    try:
        yield
    except CntGraphError:
        raise
    except Exception as error:  # what libraries raise on damaged values is endless
        text = " ".join(str(error).split())
        text = text if len(text) <= 300 else f"{text[:300]}…"
        kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
        raise FormatError(f"{place}: {what} ({kind}{text}); {then}") from error
