"""apart: a function of a benchmark in a process of its own, whose memory and first call are its."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def apart(function: Callable[..., Any], *args: Any) -> Any:
    """Return what a function of a module returns, as JSON values, from a fresh interpreter."""
    module, name = function.__module__, function.__qualname__
    code = f"import json, {module}\nprint(json.dumps({module}.{name}(*{args!r})))"
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise RuntimeError(f"{module}.{name} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])
