"""Names: what patterns such as ``layer1.*`` stand for, and how names are written in messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from cntgraph.core.errors import UnknownNameError


def matching(patterns: Iterable[str], names: Sequence[str], what: str) -> list[str]:
    """Return the names that some of the patterns stand for, in the order of the names.

    Parameters
    ----------
    patterns : iterable of str
        Names, or patterns in which ``*`` stands for any letters, dots among them. What is a name
        is no pattern, whatever it is made of.
    names : sequence of str
    what : str
        What has these names, in one word: for the error.

    Returns
    -------
    list of str

    Raises
    ------
    UnknownNameError
        If a pattern stands for none; the message lists the names.

    Examples
    --------
    >>> matching(["fc", "conv*"], ["conv1", "conv2", "fc", "fc[0]"], "layer")
    ['conv1', 'conv2', 'fc']
    """
    found: set[str] = set()
    for pattern in patterns:
        own = {name for name in names if fnmatchcase(name, pattern)}
        own = {pattern} if pattern in names else own
        if not own:
            raise unknown_name(pattern, names, what)
        found |= own
    return [name for name in names if name in found]


def in_snake_case(name: str) -> str:
    """Return a name in lower case, with underscores between its words.

    Examples
    --------
    >>> in_snake_case("GlobalMaxPool"), in_snake_case("RMSNorm")
    ('global_max_pool', 'rms_norm')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def some_of(names: Iterable[object], most: int = 4) -> str:
    """Return the first of some names, for a message, and how many more there are.

    Examples
    --------
    >>> some_of(["fc1", "fc2", "fc3"], 2), some_of([])
    ('fc1, fc2 and 1 more', 'none')
    """
    texts = [*map(str, names)]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more if texts else "none"


def unknown_name(name: object, names: Iterable[str], what: str) -> UnknownNameError:
    """Return the error that nothing is called so.

    Parameters
    ----------
    name : object
    names : iterable of str
        Those that there are.
    what : str
        What has these names, in one word.

    Examples
    --------
    >>> print(unknown_name("fc9", ["fc1", "fc2"], "layer"))
    no layer is called 'fc9'; the layers are: fc1, fc2
    """
    return UnknownNameError(f"no {what} is called {name!r}; the {what}s are: {', '.join(names)}")
