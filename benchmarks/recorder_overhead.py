"""What recording costs a training: a ResNet-18 on the CPU, its measures written every 10 steps.

    python benchmarks/recorder_overhead.py [--output benchmarks/results/recorder_overhead.md]

Training steps of batch 32 and calls of the recorder take turns in one process, round after round,
both on as many threads. They are given in processor time and in wall time. On a machine that is
busy with other work, only the processor time of one thread is to be trusted: wall times then say
how long others had the processor, and several threads spend their own waiting for each other. The
wall time of a call has its waits for the disk in it. Needs pip install -e '.[test]'.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from timing import machine, markdown
from torch import nn

import cntgraph as cg

#: Steps between two records, and the batch of a step.
EVERY, BATCH = 10, 32


class Residual(nn.Module):
    """Two convolutions, and a way around them."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(n_out), nn.BatchNorm2d(n_out)
        self.around: nn.Module = nn.Identity()
        if stride != 1 or n_in != n_out:
            shortcut = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
            self.around = nn.Sequential(shortcut, nn.BatchNorm2d(n_out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.around(x))


def resnet18() -> nn.Sequential:
    """ResNet-18 (He, Zhang, Ren and Sun 2016) of 1000 classes."""
    stem = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.MaxPool2d(3, 2, 1)]  # fmt: skip
    blocks, n_in = [], 64
    for n_out, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        blocks += [Residual(n_in, n_out, stride), Residual(n_out, n_out, 1)]
        n_in = n_out
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)]
    return nn.Sequential(*stem, *blocks, *head)


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


def main() -> None:
    """Measure, print, and write the table to a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 224], help="of images")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    os.environ["CNTGRAPH_NUM_THREADS"] = str(options.threads)
    rows, sizes = [], []
    for size in options.sizes:
        cells, nbytes = measure(size, options.rounds)
        rows.append(cells)
        sizes.append(nbytes)
        print(*cells, sep="  ", flush=True)
    header = ["input", "step, processor", "call, processor", "step, wall", "call, wall",
              f"call / {EVERY} steps, processor", f"call / {EVERY} steps, wall"]  # fmt: skip
    title = f'ResNet-18 (11,689,512 parameters), batch {BATCH}, `store="measures"`'
    command = (
        f"python benchmarks/recorder_overhead.py --threads {options.threads} "
        f"--rounds {options.rounds}"
    )
    text = (
        f"# Recorder overhead\n\n`{command}` on {machine()}; medians of {options.rounds} rounds of "
        f"three steps and a call.\n\n{markdown(title, header, rows)}\n"
        f"A snapshot takes {max(sizes) / 1024:.0f} KiB of the file; its parameters would take "
        "44.6 MiB.\n"
    )
    print(text)
    if options.output:
        options.output.write_text(text)


if __name__ == "__main__":
    main()
