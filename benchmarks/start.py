"""The start: importing the package, and a command on a small file, in fresh processes.

python -m benchmarks --only start
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

import cntgraph as cg
from benchmarks.models import small_cnn
from benchmarks.timing import compare, markdown

TITLE = "The start"


def tables(size: str) -> Iterator[str]:
    """Yield the table."""
    with tempfile.TemporaryDirectory() as folder:
        commands = _commands(_files(Path(folder)))
        times = compare({name: lambda c=c: _run(c) for name, c in commands.items()}, rounds=5)
        numpy = times["import numpy"]
        rows = [
            [name, str(t), f"{t / numpy:.1f}×", f"{_peak(commands[name]):,.0f} MiB"]
            for name, t in times.items()
        ]
    yield markdown("Fresh processes", ["", "time", "of NumPy's import", "peak memory"], rows)


def _files(folder: Path) -> dict[str, str]:
    """Write a small network as ONNX and as cntgraph's own file."""
    model = small_cnn()
    paths = {"onnx": str(folder / "small.onnx"), "h5": str(folder / "small.h5")}
    torch.onnx.export(model, (torch.zeros(1, 1, 28, 28),), paths["onnx"], verbose=False)
    cg.save(cg.load(model, input_shape=(1, 28, 28)), paths["h5"])
    return paths


def _commands(files: dict[str, str]) -> dict[str, list[str]]:
    python = [sys.executable, "-c"]
    command = [sys.executable, "-m", "cntgraph.cli"]
    return {
        "import numpy": [*python, "import numpy"],
        "import cntgraph": [*python, "import cntgraph"],
        "import cntgraph, and open a file": [
            *python, f"import cntgraph as cg; cg.load({files['h5']!r})"
        ],
        "cntgraph analyze small.h5": [*command, "analyze", files["h5"]],
        "cntgraph analyze small.onnx": [*command, "analyze", files["onnx"]],
    }  # fmt: skip


#: Where an installed package's modules are compiled once, they are not compiled for each command.
_ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def _run(command: list[str]) -> None:
    subprocess.run(command, capture_output=True, check=True, env=_ENVIRONMENT)


def _peak(command: list[str]) -> float:
    """Return the peak memory of a command in MiB, as its parent is told."""
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], capture_output=True, check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=True,
        env=_ENVIRONMENT,
    )  # fmt: skip
    return int(done.stdout) / 1024
