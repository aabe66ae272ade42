"""Checks of JSON values: what each must be, and where it stands, for the message."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from math import prod
from typing import Any

from cntgraph.core.errors import StoreError

#: Raises a `StoreError` that names the place if a value is not what is expected there.
Check = Callable[[Any, str], None]

#: Axes that a shape may have, as in HDF5.
_MAX_RANK = 32
#: What the sizes of a shape that holds nothing may multiply to: (0, 5) is one, (0, 2**40) is none.
_MAX_EMPTY = 1 << 24


def refuse(where: str, expected: str, value: Any) -> None:
    """Raise an error that says what stands there instead of what was expected."""
    found = reprlib.repr(value)
    raise StoreError(f"{where}: expected {expected}, got {found[:40]}{'…' * (len(found) > 40)}")


def text(value: Any, where: str) -> None:
    """Check that a value is a text that can be encoded."""
    if not isinstance(value, str):
        refuse(where, "a text", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        refuse(where, "a text of whole characters", value)


def flag(value: Any, where: str) -> None:
    """Check that a value is true or false."""
    if not isinstance(value, bool):
        refuse(where, "true or false", value)


def whole(value: Any, where: str) -> None:
    """Check that a value is a whole number that 64 bits hold."""
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        refuse(where, "a whole number of at most 64 bits", value)


def size(value: Any, where: str) -> None:
    """Check that a value is a whole number that is not negative."""
    whole(value, where)
    if value < 0:
        refuse(where, "a number that is not negative", value)


def number(value: Any, where: str) -> None:
    """Check that a value is a number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        refuse(where, "a number", value)


def list_of(item: Check) -> Check:
    """Return the check of a list, of which each entry is checked."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, list):
            refuse(where, "a list", value)
        for k, found in enumerate(value):
            item(found, f"{where}[{k}]")

    return check


def shape(largest: int) -> Check:
    """Return the check of a shape: how many entries it may have."""

    def check(value: Any, where: str) -> None:
        list_of(size)(value, where)
        # Of a shape without entries, the other sizes may still be those of something in memory.
        limit = largest if all(value) else _MAX_EMPTY
        if len(value) > _MAX_RANK or prod(n for n in value if n) > limit:
            refuse(where, f"a shape of at most {_MAX_RANK} axes and {limit:,} entries", value)

    return check


def object_with(**required: Check) -> Check:
    """Return the check of an object that has at least these entries."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict) or not required.keys() <= value.keys():
            refuse(where, f"an object with {', '.join(required)}", value)
        for name, found in required.items():
            found(value[name], f"{where}.{name}")

    return check


def array_of(item: Check) -> Check:
    """Return the check of an ARRAY: a list of numbers, or a reference to a dataset."""
    listed, reference = list_of(item), object_with(array=size)

    def check(value: Any, where: str) -> None:
        (reference if isinstance(value, dict) else listed)(value, where)

    return check


def nested(item: Check, depth: int = _MAX_RANK) -> Check:
    """Return the check of a value, or of lists of such one in another."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, list):
            item(value, where)
        elif depth:
            list_of(nested(item, depth - 1))(value, where)
        else:
            refuse(where, f"at most {_MAX_RANK} lists one in another", value)

    return check
