"""One model in this process: loaded, measured, and held against its framework.

The record grows phase by phase and is handed to `say` after each, so that whoever watches knows
how far a process came that ends or hangs.
"""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import cntgraph as cg

from .audit import AUDITS
from .case import Case, Made

Record = dict[str, Any]


def attempt(case: Case, say: Callable[[Record], None]) -> None:
    """Make, load and audit a model, and say what came of it.

    Parameters
    ----------
    case : Case
    say : callable
        Is given the record so far: its `phase` is "make", "load", "audit" or "done".
    """
    record: Record = {"name": case.name, "phase": "make", "outcome": "not made", "message": ""}
    say(record)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = case.make()
        except BaseException as error:
            say(record | {"message": told(error), "phase": "done"})
            return
        say(record := record | {"phase": "load"})
        net = _load(made, record)
        if net is None:
            say(record | {"phase": "done"})
            return
        record |= size_of(net) | coverage_of(net)
        say(record := record | {"phase": "audit"})
        handed, net = [net], None
        record["audit"] = audited(made, handed)
    say(record | {"phase": "done"})


def _load(made: Made, record: Record) -> cg.Network | None:
    """Load the model; note in the record how long that took, how much memory, or what was wrong."""
    forget_peak()
    before, start = resident("VmRSS"), time.perf_counter()
    net = None
    try:
        net = cg.load(made.model, example_input=made.example, **made.options)
        record["outcome"] = "loaded"
    except cg.CntGraphError as error:
        record |= {"outcome": f"refused ({type(error).__name__})", "message": told(error, 0)}
    except BaseException as error:
        record |= {"outcome": f"other ({type(error).__name__})", "message": told(error)}
    record["seconds"] = round(time.perf_counter() - start, 2)
    record["megabytes"] = round(max(resident("VmHWM") - before, 0) / 1e6)
    return net


def audited(made: Made, handed: list[cg.Network]) -> Record:
    """Return how many layers agree with the framework, and which do not.

    Parameters
    ----------
    handed : list of Network
        What was loaded, and nobody else has: an audit that needs the memory lets go of it.
    """
    if not made.audit:
        return {}
    try:
        return AUDITS[made.audit](made, handed)
    except BaseException as error:
        return {"failed": told(error)}


def told(error: BaseException, n_frames: int = 3) -> str:
    """Return an error in words, with the last places it passed."""
    frames = traceback.extract_tb(error.__traceback__)[-n_frames:] if n_frames else []
    where = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))
    return f"{type(error).__name__}: {str(error)[:400]}{f' [{where}]' if where else ''}"


# -- what was loaded ----------------------------------------------------------------------------


def size_of(net: cg.Network) -> Record:
    """Return how large a network is."""
    return {"layers": net.n_layers, "nodes": net.n_nodes, "edges": net.n_edges}


def coverage_of(net: cg.Network) -> Record:
    """Return how many learned values are in the graph, and what is cut and why."""
    values: dict[str, int] = {"included": 0, "folded": 0, "skipped": 0}
    cuts: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for row in net.entries:
        if row.kind == "parameter":
            values[row.status] += prod(row.shape)
            if row.status == "skipped":
                skipped[row.name] = row.reason
        elif row.kind == "operation" and row.status == "skipped":
            cuts[row.name] = row.reason
    return {"values": values, "cuts": cuts, "skipped": skipped}


# -- memory -------------------------------------------------------------------------------------


def resident(key: str) -> int:
    """Return a number of bytes that Linux counts for this process; 0 elsewhere."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(x.split()[1]) * 1024 for x in lines if x.startswith(f"{key}:")), 0)


def forget_peak() -> None:
    """Let the peak of this process's memory begin anew."""
    refs = Path("/proc/self/clear_refs")
    if refs.exists():
        refs.write_text("5")
