"""A recording process is killed with SIGKILL at random moments; nothing it acknowledged is lost.

    python -m benchmarks.recorder_kills --n 100

For each kind of snapshots, a process records a model whose parameters are the number of the
snapshot, says so after each call, and is killed. Then every snapshot in the file must be that of
its number, all that were acknowledged must be there, and the next process resumes the file. A
file is begun anew after every 25 kills. Needs pip install -e '.[test-all]', Linux or macOS.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

import cntgraph as cg
from benchmarks.timing import machine

#: What is recorded; "neurons" are parameters, and what neurons receive from data.
KINDS = ("parameters", "measures", "both", "neurons")
#: Kills of one file.
PER_FILE = 25


def make() -> nn.Sequential:
    """Return a model large enough for a snapshot to take several writes."""
    return nn.Sequential(nn.Linear(40, 200), nn.ReLU(), nn.Linear(200, 3))


def fill(model: nn.Module, number: int) -> None:
    """Make all parameters the number of a snapshot."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(number)


def record(path: Path, kind: str, first: int, pipe: int) -> None:
    """Record from a number on, and acknowledge each snapshot, until killed."""
    model = make()
    data = {"inputs": np.ones((3, 40), np.float32)} if kind == "neurons" else {"store": kind}
    recorder = cg.Recorder(path, model, input_shape=(40,), mode="resume", **data)
    number = first
    while True:
        fill(model, number)
        found = recorder(step=number)
        os.write(pipe, f"{number} {found}\n".encode())
        number += 1


def kill_one(path: Path, kind: str, first: int, delay: float) -> int:
    """Start a process, kill it some time after its first snapshot; return what was acknowledged."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        try:
            record(path, kind, first, writing)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as lines:
        told = [lines.readline()]
        time.sleep(delay)
        os.kill(process, signal.SIGKILL)
        told += lines.readlines()
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
    # Each line is written in one system call: none is cut.
    numbers = [tuple(map(int, line.split())) for line in told]
    assert numbers == [(k, k) for k in range(first, first + len(numbers))], numbers
    return first + len(numbers)


def check(path: Path, kind: str, acknowledged: int) -> int:
    """Read the whole file, and return how many snapshots it holds."""
    with cg.open(path) as trajectory:
        n = len(trajectory)
        # One more may be complete whose acknowledgement the kill has cut off.
        assert acknowledged <= n <= acknowledged + 1, (acknowledged, n)
        assert trajectory.labels["step"].tolist() == list(range(n))
        if kind != "measures":
            for number, net in enumerate(trajectory):
                assert all((p.raw() == number).all() for p in net.parameters.values())
        if kind == "neurons":
            for number, own in enumerate(trajectory.neuron_statistics()):
                assert own.n_samples == 3
                assert (own.split(own.mean)["0"] == 41 * number).all()
        elif kind != "parameters":
            table = trajectory.analyze().query("n_weights > 0")
            for name in ("link_weight_mean", "link_weight_min", "link_weight_max"):
                assert (table[name] == table["snapshot"]).all()
            measures = trajectory._store.measures
            for number in range(n):
                for (measure, layer), bins in measures.bins.items():
                    if measure == "link_weights":
                        counts = measures.counts(number, measure, layer)
                        one = bins.count(np.array([number], np.float64))
                        assert (counts == counts.sum() * one).all()
        return n


def kills(kind: str, n: int, rng: random.Random) -> tuple[int, int]:
    """Kill so many processes; return how many snapshots were acknowledged, and recovered."""
    acknowledged = unheard = 0
    with tempfile.TemporaryDirectory() as folder:
        count, path = 0, Path(folder) / "0.h5"
        for k in range(n):
            if k % PER_FILE == 0:
                count, path = 0, Path(folder) / f"{k}.h5"
            told = kill_one(path, kind, count, rng.uniform(0, 0.2))
            found = check(path, kind, told)
            acknowledged, unheard = acknowledged + told - count, unheard + found - told
            count = found
    return acknowledged, unheard


def main() -> None:
    """Kill, check, and tell; an AssertionError ends it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=100, help="kills of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    # Threads do not survive a fork; what tracing imports takes longer than the rest.
    torch.set_num_threads(1)
    os.environ["CNTGRAPH_NUM_THREADS"] = "1"
    cg.analyze(cg.load(make(), input_shape=(40,)))
    print(f"on {machine()}")
    for kind in options.kinds:
        start = time.perf_counter()
        acknowledged, unheard = kills(kind, options.n, random.Random(options.seed))
        print(
            f"{kind}: {options.n} kills, {acknowledged} snapshots acknowledged, all read "
            f"back equal; {unheard} more complete without their acknowledgement "
            f"({time.perf_counter() - start:.0f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
