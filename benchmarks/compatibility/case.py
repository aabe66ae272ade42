"""Case: one architecture that is tried, made in the process that tries it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

#: Why parameters are left out that are no part of what the model computes.
UNREAD = "not used on the way from the input to the output"


@dataclass
class Made:
    """A model, and what it is called with.

    Parameters
    ----------
    model : object
        What `cntgraph.load` is given: a live model, a function, or the path of a file.
    example : object
        Passed as `example_input`.
    options : dict
        What else `cntgraph.load` is told.
    audit : str
        How the numbers are checked: a name in `trial.AUDITS`, or "" for none.
    context : object
        What the audit needs besides the model.
    """

    model: Any
    example: Any
    options: dict[str, Any] = field(default_factory=dict)
    audit: str = "torch"
    context: Any = None


@dataclass(frozen=True)
class Case:
    """A name, and a function that makes the model."""

    name: str
    make: Callable[[], Made]
