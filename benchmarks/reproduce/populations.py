"""Train a population of networks as the papers do, and keep the measures of each.

    python benchmarks/reproduce/populations.py --data FOLDER --task mnist --arch cnn [--n 320]

What differs between the networks -- seed, initialization, its scale, optimizer, epochs, share of
the training set -- is drawn at random from ``GRID``, every value of every entry being equally
likely. Every network drawn is kept, whatever its accuracy. The first n of the draw are
trained, on ``--workers`` processes of one thread each; a run that was stopped goes on where it
was, and a larger ``--n`` adds to a smaller one. Each network becomes a line of
``OUT/TASK_ARCH.jsonl``; `report.py` makes tables of them.

The protocol follows La Malfa et al., arXiv:2110.02628 and arXiv:2209.05488, and their published
code, with smaller networks and batches. Needs benchmarks/reproduce/requirements.txt.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from architectures import ARCHITECTURES, build, example_input
from data import TASKS, Images, add_arguments, check_folder, load_images
from measures import measure
from tqdm import tqdm
from training import Member, evaluate, train_group

SEED = 2021
"""Seed of the draw from ``GRID``."""

GRID: dict[str, Sequence[Any]] = {
    "init": ("normal", "uniform", "truncated_normal", "variance_scaling"),
    "scale": (0.05, 0.5),
    "optimizer": ("sgd", "adam"),
    "epochs": (1, 2, 4),
    "fraction": (0.002, 0.01, 0.05, 0.1, 0.25),
}
"""What the networks of a population may differ in, besides their seed."""

ROUND = 160
"""Networks are grouped within rounds of so many, so that a run cut short is a fair sample."""

GROUP = {"fc": 16, "cnn": 16, "ae": 8, "rnn": 4}
"""At most so many networks are trained side by side."""


def draw_members(n: int, seed: int = SEED) -> list[Member]:
    """Draw the first n members of the population."""
    rng = np.random.default_rng(seed)
    return [
        Member(
            index=k, **{key: choices[rng.integers(len(choices))] for key, choices in GRID.items()}
        )
        for k in range(n)
    ]


def make_groups(members: Sequence[Member], size: int, n_train: int) -> list[list[Member]]:
    """Put members together that share their optimizer and have about as many updates."""

    def order(member: Member) -> tuple[int, str, int]:
        return member.index // ROUND, member.optimizer, -member.n_updates(n_train)

    groups = []
    for _, found in groupby(sorted(members, key=order), key=lambda m: order(m)[:2]):
        part = list(found)
        groups.extend(part[k : k + size] for k in range(0, len(part), size))
    return groups


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the networks in a file; a line that was cut off is left out."""
    if path.is_file():
        for line in path.read_text().splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue


_images: Images


def _prepare(folder: Path, task: str, cache: Path) -> None:
    """Make a worker ready: one thread, and the images in memory."""
    global _images
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    _images = load_images(folder, task, cache)


def _work(arch: str, members: list[Member]) -> list[dict[str, Any]]:
    """Train and measure a group."""
    start, rows = time.perf_counter(), []
    model, example = build(arch, _images.shape), example_input(arch, _images.shape)
    states = train_group(arch, model, members, _images)
    for member, state in zip(members, states, strict=True):
        model.load_state_dict(state)
        about = {**asdict(member), "updates": member.n_updates(_images.n_train)}
        rows.append({**about, **evaluate(arch, model, _images), **measure(model, example)})
    seconds = (time.perf_counter() - start) / len(members)
    return [{**row, "seconds": round(seconds, 3)} for row in rows]


def run(options: argparse.Namespace) -> None:
    """Train what is missing, and append it to the file as it comes."""
    path: Path = options.out / f"{options.task}_{options.arch}.jsonl"
    options.out.mkdir(parents=True, exist_ok=True)
    images = load_images(options.data, options.task, options.out)  # decodes once, for all workers
    done = {row["index"] for row in read_rows(path)}
    members = [m for m in draw_members(options.n, options.seed) if m.index not in done]
    groups = make_groups(members, GROUP[options.arch], images.n_train)
    arguments = (options.data, options.task, options.out)
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(options.workers, context, _prepare, arguments) as pool,
        path.open("a") as file,
        tqdm(total=len(members), desc=path.stem, unit="network") as bar,
    ):
        if path.stat().st_size and not path.read_text().endswith("\n"):
            file.write("\n")  # after a line that was cut off
        for future in as_completed([pool.submit(_work, options.arch, group) for group in groups]):
            for row in future.result():
                file.write(json.dumps(row) + "\n")
                bar.update()
            file.flush()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--task", choices=TASKS, required=True)
    parser.add_argument("--arch", choices=ARCHITECTURES, required=True)
    parser.add_argument("--n", type=int, default=320, help="networks (default: 320)")
    parser.add_argument("--out", type=Path, default=Path("reproduction"), help="folder to write to")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the draw")
    options = parser.parse_args()
    options.data = check_folder(parser, options.data, options.task)
    run(options)


if __name__ == "__main__":
    main()
