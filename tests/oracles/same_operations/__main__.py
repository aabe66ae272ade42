"""Print the graph that each framework gives of the operations named, or of all."""

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

from oracles.same_operations import OPERATIONS
from oracles.same_operations.fingerprint import fingerprint
from oracles.same_operations.models import load


def show(operation, folder):
    """Print every graph once, under the frameworks that give it."""
    found = []
    for way in operation.frameworks():
        try:
            text, mark = fingerprint(load(operation, way, folder)), ""
        except Exception as error:
            text, mark = None, f"{type(error).__name__}: {error}"
        for same in found:
            if text is not None and same[1] is not None and not same[1].difference(text):
                same[0].append(way)
                break
        else:
            found.append(([way], text, mark))
    print(f"\n== {operation.name}" + ("" if len(found) == 1 else f"   {len(found)} graphs"))
    for ways, text, mark in found:
        print(f"-- {', '.join(ways)}\n{mark or text.text}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        for name in sys.argv[1:] or OPERATIONS:
            show(OPERATIONS[name], Path(made))
