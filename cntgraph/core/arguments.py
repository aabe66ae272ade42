"""What functions take: networks, graphs, and what to do with whatever else one has in hand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import wraps
from inspect import signature
from os import PathLike
from typing import Any, ParamSpec, TypeVar

from cntgraph.core.errors import ArgumentError, OutOfRangeError

P = ParamSpec("P")
R = TypeVar("R")

#: How a graph is made of one of another package.
_OF_PACKAGE = {
    "networkx": "cg.Graph.from_networkx(graph)",
    "igraph": "cg.Graph.from_igraph(graph)",
    "scipy": "cg.Graph.from_scipy(matrix)",
}
#: What is made of one thing where another is wanted.
_OF_OURS = {
    ("Network", "Graph"): "cg.build_graph(net) unrolls it",
    ("Graph", "Network"): "it needs the network that the graph was built of",
    ("Trajectory", "Network"): "trajectory[-1] is its last network, and it has methods of its own",
    ("Population", "Network"): "population[0] is its first network, and it has methods of its own",
}


def takes(*kinds: type) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function refuse a first argument of any other kind, and say how to make one.

    Where a graph is taken, so is what holds one as its ``graph``, such as the result of a
    reduction.

    Parameters
    ----------
    *kinds : type

    Raises
    ------
    ArgumentError
        By the function.

    Examples
    --------
    >>> @takes(list)
    ... def first(values):
    ...     return values[0]
    >>> first("net.pt2")
    Traceback (most recent call last):
    cntgraph.core.errors.ArgumentError: first: expected a list, got the path 'net.pt2'; \
cg.load('net.pt2') reads it
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        names = [*signature(function).parameters]
        name = names[0]

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            if kwargs and (unknown := kwargs.keys() - names):
                check_options(function.__name__, sorted(unknown), function)
            if args:
                return function(_one_of(kinds, args[0], function), *args[1:], **kwargs)  # type: ignore[arg-type]
            if name in kwargs:
                kwargs[name] = _one_of(kinds, kwargs[name], function)
            return function(*args, **kwargs)

        return checked

    return decorate


def check_options(
    called: str,
    options: Iterable[str],
    function: Callable[..., Any],
    *others: str,
    without: Collection[str] = (),
) -> None:
    """Refuse options that a function does not have.

    Parameters
    ----------
    called : str
        What was called with them.
    options : iterable of str
    function : callable
        What they are for.
    *others : str
        More that there are.
    without : collection of str, default ()
        Those of the function that are not to be given.

    Raises
    ------
    ArgumentError

    Examples
    --------
    >>> check_options("sorting", ["revers"], sorted)
    Traceback (most recent call last):
    cntgraph.core.errors.ArgumentError: sorting: there is no option 'revers'; did you mean \
'reverse'? there are: key, reverse
    """
    _, *parameters = signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return
    known = [p.name for p in parameters if p.name not in without]
    known += [name for name in others if name not in known]
    for name in options:
        if name not in known:
            near = ["client"] if name == "scheduler" else get_close_matches(name, known, 1)
            meant = f"did you mean {near[0]!r}? " if near else ""
            there_are = f"there are: {', '.join(known)}" if known else "there are none"
            raise ArgumentError(f"{called}: there is no option {name!r}; {meant}{there_are}")


def item(things: Sequence[R], index: int, what: str) -> R:
    """Return one of several things by its number, which may count from the end.

    Parameters
    ----------
    things : sequence
    index : int
    what : str
        What they are.

    Raises
    ------
    OutOfRangeError

    Examples
    --------
    >>> item(range(3), 3, "snapshots")
    Traceback (most recent call last):
    cntgraph.core.errors.OutOfRangeError: there are 3 snapshots, numbers 0 to 2 or -3 to -1; got 3
    """
    n = len(things)
    if not -n <= index < n:
        numbers = f", numbers 0 to {n - 1} or {-n} to -1" if n else ""
        raise OutOfRangeError(f"there are {n:,} {what}{numbers}; got {index}")
    return things[index]


def _one_of(kinds: tuple[type, ...], value: Any, function: Callable[..., Any]) -> Any:
    if isinstance(value, kinds):
        return value
    held = getattr(value, "graph", None)
    if isinstance(held, kinds):
        return held
    wanted = " or ".join(kind.__name__ for kind in kinds)
    what = f"the path {str(value)!r}" if isinstance(value, str | PathLike) else _said(value)
    advice = _advice(value, kinds[-1].__name__)
    raise ArgumentError(f"{function.__name__}: expected a {wanted}, got {what}; {advice}")


def _is_ours(values: Sequence[Any]) -> bool:
    return any(type(value).__module__.startswith("cntgraph.") for value in values)


def _said(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def _advice(value: object, wanted: str) -> str:
    """Return what to do with a value, that it becomes what is wanted."""
    package, name = type(value).__module__.partition(".")[0], type(value).__name__
    ours = _OF_OURS.get((name, wanted)) or _OF_OURS.get((name, "Network"))
    if ours and package == "cntgraph":
        return ours
    if isinstance(value, str | PathLike):
        return f"cg.load({str(value)!r}) reads it"
    if package in _OF_PACKAGE:
        return f"{_OF_PACKAGE[package]} makes a Graph of it"
    if isinstance(value, list | tuple) and _is_ours(value[:1]):
        return "pass one of them at a time"
    if isinstance(value, Mapping | list):
        return "cg.load(weights) makes a Network of arrays"
    return "cg.load(model, input_shape=…) makes a Network of a live model"
