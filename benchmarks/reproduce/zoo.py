"""Train a zoo of small convolutional networks, and write it in the form of the Small CNN Zoo.

    python benchmarks/reproduce/zoo.py --data FOLDER --out FOLDER [--task mnist] [--networks 3000]

What is trained is in zoo_protocol.md. Networks are trained in groups, on ``--workers`` processes
of one thread each. A group is written when it is complete, as a file in ``OUT/TASK/groups``, so
that a run that was stopped, or whose ``--hours`` were over, loses at most those that were in
work; the next one goes on, and a larger ``--networks`` adds to a smaller one. At the end
``OUT/TASK`` has weights.npy, layout.csv and metrics.csv.gz of what is complete, for
`cntgraph.Population.from_cnn_zoo`: 140 kB a network, and as much again for its group.
A group takes some 22 s of a core that is its own: 3,000 networks on two, 35 minutes a task.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

import numpy as np
import pandas as pd
from data import TASKS, add_arguments, check_folder, load_images
from threadpoolctl import threadpool_limits
from tqdm import tqdm
from zoo_networks import GROUP, SIZE, layout
from zoo_training import CHECKPOINTS, Gray, load, train_group


def path_of(folder: Path, group: int) -> Path:
    """Return the file of a group."""
    return folder / "groups" / f"{group:05d}.npz"


def put(path: Path, content: bytes) -> None:
    """Write a file that is complete if it is there."""
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)


# -- in a worker -----------------------------------------------------------------------------------

_images: Gray


def _prepare(data: Path, task: str, cache: Path) -> None:
    """Make a worker ready: one thread, and the images in memory."""
    global _images
    threadpool_limits(1)
    _images = load(data, task, cache)


def _work(task: str, group: int, folder: Path) -> float:
    """Train a group, write it, and return the seconds that it took."""
    start = time.perf_counter()
    trained = train_group(task, group, _images)
    buffer = io.BytesIO()
    np.savez(buffer, weights=trained.weights, table=json.dumps(trained.table))
    put(path_of(folder, group), buffer.getvalue())
    return time.perf_counter() - start


# -- all groups ------------------------------------------------------------------------------------


def run(options: argparse.Namespace, folder: Path) -> None:
    """Train the groups that are missing, in order, as long as there is time."""
    (folder / "groups").mkdir(parents=True, exist_ok=True)
    load_images(options.data, options.task, folder)  # decodes once, for all workers
    groups = range(-(-options.networks // GROUP))
    missing = [group for group in groups if not path_of(folder, group).exists()]
    end = time.monotonic() + 3600 * options.hours
    context = multiprocessing.get_context("spawn")
    arguments = (options.data, options.task, folder)
    with (
        ProcessPoolExecutor(options.workers, context, _prepare, arguments) as pool,
        tqdm(total=len(missing), desc=options.task, unit="group") as bar,
    ):
        going: set[Future[float]] = set()
        for group in missing:
            if len(going) == options.workers:
                going = _some_done(going, bar)
            if time.monotonic() > end:
                break
            going.add(pool.submit(_work, options.task, group, folder))
        while going:
            going = _some_done(going, bar)


def _some_done(going: set[Future[float]], bar: tqdm) -> set[Future[float]]:
    done, left = wait(going, return_when=FIRST_COMPLETED)
    for future in done:
        bar.set_postfix(seconds=f"{future.result():.0f}")
        bar.update()
    return left


def write_zoo(folder: Path) -> int:
    """Put the groups that are complete together as a zoo; return how many networks it has."""
    paths = sorted((folder / "groups").glob("*.npz"))
    if not paths:
        raise SystemExit(f"{folder}: no group is complete; give it more --hours")
    tables = [pd.DataFrame(table) for _, table in _read(paths, weights=False)]
    table = pd.concat(tables, ignore_index=True)
    part = folder / "weights.part"
    rows = np.lib.format.open_memmap(part, "w+", np.float32, (len(table), SIZE))
    at = 0
    for weights, _ in _read(paths):
        rows[at : at + len(weights)] = weights
        at += len(weights)
    rows.flush()
    put(folder / "layout.csv", layout().to_csv(index=False).encode())
    buffer = io.BytesIO()
    table.to_csv(buffer, index=False, compression={"method": "gzip", "mtime": 0})
    put(folder / "metrics.csv.gz", buffer.getvalue())
    part.replace(folder / "weights.npy")
    return len(table) // len(CHECKPOINTS)


def _read(
    paths: Sequence[Path], *, weights: bool = True
) -> Iterator[tuple[np.ndarray, list[dict]]]:
    for path in paths:
        with np.load(path, allow_pickle=False) as file:
            table = json.loads(str(file["table"]))
            yield file["weights"] if weights else np.empty(0), table


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--task", choices=TASKS, help="default: both, one after the other")
    parser.add_argument(
        "--networks", type=int, default=3000, help=f"rounded up to whole groups of {GROUP}"
    )
    parser.add_argument("--hours", type=float, default=float("inf"), help="of each task, at most")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    options = parser.parse_args()
    if options.networks < 1 or options.workers < 1:
        parser.error("expected --networks and --workers of 1 or more")
    for task in TASKS if options.task is None else (options.task,):
        options.task, options.data = task, check_folder(parser, options.data, task)
        folder = options.out / task
        run(options, folder)
        print(f"{write_zoo(folder):,} networks of {len(CHECKPOINTS)} checkpoints in {folder}")


if __name__ == "__main__":
    main()
