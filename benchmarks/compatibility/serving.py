"""The process that tries models, one name after another from standard input."""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
from typing import Any

from .families import cases_of
from .trial import attempt, resident


def serve(family: str, gibibytes: float) -> None:
    """Try the models whose names come in; say as lines of JSON how far each has come."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print does not mix with the answers

    def say(record: Any) -> None:
        print(json.dumps(record), file=out, flush=True)

    cases = {case.name: case for case in cases_of(family)}
    limit = resident("VmSize") + int(gibibytes * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    say(list(cases))
    for line in sys.stdin:
        attempt(cases[line.strip()], say)
        gc.collect()
