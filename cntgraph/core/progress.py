"""Progress bars on long work: after a second, and silent off a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import TypeVar

Item = TypeVar("Item")

#: Seconds after which a bar is shown: what is done sooner needs none.
_DELAY = 1.0


def say(text: str, *, show: bool) -> None:
    """Print a line before long work, if a person can see it.

    Parameters
    ----------
    text : str
    show : bool
        Whether it is wanted.

    Examples
    --------
    >>> say("motifs: about 2e+10 operations", show=True)
    """
    if show and sys.stderr.isatty():
        print(text, file=sys.stderr)


def progress(items: Iterable[Item], what: str, *, show: bool) -> Iterator[Item]:
    """Iterate over `items`, showing a bar if it takes a while and a person can see it.

    Parameters
    ----------
    items : iterable
        What to iterate over.
    what : str
        Shown before the bar.
    show : bool
        Whether a bar is wanted.

    Yields
    ------
    object
        The items.

    Examples
    --------
    >>> list(progress([1, 2], "counting", show=False))
    [1, 2]
    """
    if not show:
        yield from items
        return
    # A notebook has bars of its own; without their package tqdm would warn that it is not there.
    if "IPython" in sys.modules and find_spec("ipywidgets") is not None:
        from tqdm.auto import tqdm
    else:
        from tqdm import tqdm

    # disable=None: tqdm itself stays silent where standard error is no terminal.
    yield from tqdm(items, desc=what, disable=None, leave=False, delay=_DELAY)
