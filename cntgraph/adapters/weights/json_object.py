"""JSON objects of files that are not trusted: of a bounded size, and with every name once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

#: Bytes of a file of settings.
_MAX_SETTINGS = 1 << 24


def json_object(raw: bytes) -> dict[str, Any]:
    """Return a JSON object whose keys are all different.

    Raises
    ------
    ValueError
        If it is none.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name stands twice")
        "".join(found).encode()  # raises where half a character is escaped
        return found

    try:
        found: Any = json.loads(raw.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError("it is no object of JSON")
    return found


def read_json(path: Path, largest: int = _MAX_SETTINGS) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises
    ------
    OSError, ValueError
        If there is no such file, or it is damaged or larger than `largest` bytes.
    """
    if not path.is_file() or path.stat().st_size > largest:
        raise ValueError(f"no file of at most {largest:,} bytes")
    return json_object(path.read_bytes())


def read_settings(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file; None where it is damaged, or there is none."""
    try:
        return read_json(path)
    except (OSError, ValueError):
        return None
