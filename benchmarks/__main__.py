"""Run benchmarks, print their tables, and write them to ``benchmarks/results/``.

    python -m benchmarks                    # what takes minutes: every ratio of one run
    python -m benchmarks --only dense vgg   # some
    python -m benchmarks --size full        # the larger sizes, and what takes hours

A benchmark is a module with a TITLE and a function ``tables(size)`` that yields tables in Markdown;
all needs pip install -e '.[test-all]'.
"""

from __future__ import annotations

import argparse
import warnings
from importlib import import_module
from pathlib import Path
from time import perf_counter

from benchmarks.memory import rates
from benchmarks.timing import machine

RESULTS = Path(__file__).parent / "results"

#: What runs when nothing is named: minutes in all.
QUICK = ("dense", "vgg", "small", "explicit", "start", "alternatives", "growth", "reduction",
         "engines")  # fmt: skip
#: What runs only when it is named, or with ``--size full``.
LONG = ("matrix_free", "gexf_writer", "profile_estimates", "population_speed", "auc_interval",
        "divergence", "larger_than_memory", "language_models", "backed_graph", "parquet",
        "activity", "zoo", "recorder_overhead", "trajectory_speed", "weightwatcher")  # fmt: skip


def main() -> None:
    """Run the benchmarks that are asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=QUICK + LONG, metavar="NAME",
                        help=", ".join(QUICK + LONG))  # fmt: skip
    parser.add_argument("--size", choices=["small", "full"], default="small")
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    names = options.only or (QUICK if options.size == "small" else QUICK + LONG)
    for name in names:
        run(name, options.size, write=not options.dry)


def run(name: str, size: str, *, write: bool) -> None:
    """Run one benchmark."""
    start, module = perf_counter(), import_module(f"benchmarks.{name}")
    command = f"python -m benchmarks --only {name}" + " --size full" * (size == "full")
    speed = ", ".join(f"{what} {rate / 1e9:.1f} GB/s" for what, rate in rates().items())
    parts = [f"# {module.TITLE}\n\n`{command}` on {machine()}; memory: {speed}.\n"]
    print(parts[0], flush=True)
    for table in module.tables(size):
        parts.append(table)
        print(table, flush=True)
    print(f"{name}: {perf_counter() - start:.0f} s\n", flush=True)
    if write:
        (RESULTS / f"{name}.md").write_text("\n".join(parts))


if __name__ == "__main__":
    main()
