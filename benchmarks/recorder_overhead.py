"""What recording costs a training: a ResNet-18 on the CPU, its measures written every 10 steps.

    python -m benchmarks --only recorder_overhead

Training steps of batch 32 and calls of the recorder take turns in one process, round after round,
both on as many threads. They are given in processor time and in wall time. On a machine that is
busy with other work, only the processor time of one thread is to be trusted: wall times then say
how long others had the processor, and several threads spend their own waiting for each other. The
wall time of a call has its waits for the disk in it. What a sink adds to a call is timed by itself,
with the tool's own local files. Needs pip install -e '.[test-all]'.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn

import cntgraph as cg
from benchmarks.models import resnet18
from benchmarks.timing import markdown
from cntgraph.core.parallel import limited_threads
from cntgraph.training.sinks.mlflow import MLflowSink
from cntgraph.training.sinks.tensorboard import TensorBoardSink
from cntgraph.training.sinks.wandb import WandbSink

#: Steps between two records, and the batch of a step.
EVERY, BATCH = 10, 32


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Return the wall and the processor time of a call, in seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - processor


def measure(size: int, rounds: int) -> tuple[list[str], float]:
    """Return a row of the table for images of a size, and the bytes of a snapshot."""
    torch.manual_seed(0)
    model = resnet18()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    images, labels = torch.randn(BATCH, 3, size, size), torch.randint(0, 1000, (BATCH,))

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        record = cg.Recorder(path, model, input_shape=(3, size, size), store="measures")
        for warm_up in (step, record, record):
            warm_up()
        before, times = os.path.getsize(path), []
        for _ in range(rounds):
            steps = [timed(step) for _ in range(3)]
            times.append((*map(statistics.median, zip(*steps, strict=True)), *timed(record)))
        nbytes = (os.path.getsize(path) - before) / rounds
    step_wall, step_cpu, call_wall, call_cpu = (
        statistics.median(column) for column in zip(*times, strict=True)
    )
    cells = [f"3 × {size} × {size}"]
    cells += [f"{1e3 * t:.0f} ms" for t in (step_cpu, call_cpu, step_wall, call_wall)]
    cells += [f"{call_cpu / (EVERY * step_cpu):.2%}", f"{call_wall / (EVERY * step_wall):.2%}"]
    return cells, nbytes


class Timed:
    """A sink around another, which notes how long each snapshot takes it."""

    def __init__(self, sink: cg.Sink) -> None:
        self._sink, self.times, self.measures = sink, [], None

    def log_measures(self, measures: cg.LoggedMeasures) -> None:
        """Show the measures, and note the time."""
        self.measures = measures
        self.times.append(timed(lambda: self._sink.log_measures(measures)))

    def close(self, *, failed: bool) -> None:
        """Close the sink."""
        self._sink.close(failed=failed)


def sinks_table() -> str:
    """Return what each sink adds to a call, once it is warm."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        os.environ |= {"WANDB_MODE": "offline", "WANDB_DIR": folder, "WANDB_SILENT": "true",
                       "MLFLOW_ALLOW_FILE_STORE": "true",
                       "MLFLOW_TRACKING_URI": (Path(folder) / "store").as_uri()}  # fmt: skip
        kinds = {"tensorboard": TensorBoardSink, "wandb": WandbSink, "mlflow": MLflowSink}
        sinks = {name: Timed(kind.begin(path, resume=False)) for name, kind in kinds.items()}
        options = {"store": "measures", "sinks": sinks.values()}
        with cg.Recorder(path, resnet18(), input_shape=(3, 32, 32), **options) as record:
            for step in range(ROUNDS + 2):
                record(step=step)
    rows = []
    for name, sink in sinks.items():
        wall, processor = map(statistics.median, zip(*sink.times[2:], strict=True))
        rows.append([name, f"{1e3 * processor:.1f} ms", f"{1e3 * wall:.1f} ms"])
    shown = sinks["mlflow"].measures
    title = (f"What a sink adds to a call: {len(shown.scalars)} curves, {len(shown.histograms)} "
             "histograms")  # fmt: skip
    return markdown(title, ["sink, with local files", "processor", "wall"], rows)


TITLE = "Recorder overhead"
#: Rounds of three steps and a call, and the sides of images.
ROUNDS, SIDES = 15, (32, 64, 224)
SINKS = """
Medians of as many calls. A run of Weights & Biases is written by a process of its own, whose time
is not in the table; a server of MLflow takes as long as its answers. With `store="parameters"`,
sinks cost one pass over the weights besides, which `store="measures"` makes anyway.
"""


def tables(size: str) -> Iterator[str]:
    """Yield the table, of one thread."""
    torch.set_num_threads(1)
    with limited_threads(1):
        measured = [measure(side, ROUNDS) for side in SIDES]
        sinks = sinks_table()
    header = ["input", "step, processor", "call, processor", "step, wall", "call, wall",
              f"call / {EVERY} steps, processor", f"call / {EVERY} steps, wall"]  # fmt: skip
    title = f'ResNet-18 (11,689,512 parameters), batch {BATCH}, `store="measures"`, one thread'
    note = (
        f"\nMedians of {ROUNDS} rounds of three steps and a call. A snapshot takes "
        f"{max(n for _, n in measured) / 1024:.0f} KiB of the file; its parameters would take "
        "44.6 MiB.\n"
    )
    yield markdown(title, header, [cells for cells, _ in measured]) + note
    yield sinks + SINKS
