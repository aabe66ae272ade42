"""Architectures that nobody here wrote: which load, what is cut and why, which numbers are right.

    python -m benchmarks.compatibility [--families torchvision,timm] [--jobs 1] [--limit 20]
        [--records compatibility.jsonl] [--output benchmarks/results/compatibility.md]

Every model has random weights and is tried in a watched process. What is found goes into a file of
lines of JSON; models that stand there are not tried again, so that a run can be resumed.
Needs pip install -r benchmarks/compatibility-requirements.txt, in an environment of its own.
"""

from __future__ import annotations

import argparse
import json
import queue
import threading
from pathlib import Path
from typing import Any

from .families import FAMILIES
from .serving import serve
from .table import is_fine, write
from .watching import Worker

RESULTS = Path(__file__).parents[1] / "results"


def main() -> None:
    """Try all models that were not tried yet, and write the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compatibility", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--families", default=",".join(FAMILIES), help="by default all")
    parser.add_argument("--only", help="the models whose names contain this, tried (again)")
    parser.add_argument(
        "--again", action="store_true", help="also those that were not whole, or not right"
    )
    parser.add_argument("--limit", type=int, help="so many models of each family")
    parser.add_argument("--jobs", type=int, default=1, help="models at the same time")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds to load a model")
    parser.add_argument("--memory", type=float, default=8.0, help="GiB beyond those of the start")
    parser.add_argument("--records", type=Path, default=Path("compatibility.jsonl"))
    parser.add_argument("--output", type=Path, default=RESULTS / "compatibility.md")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.memory)
        return
    for family in options.families.split(","):
        _try_family(family, options)
    write(read(options.records), options.output)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the records of a file, the last one of each model."""
    lines = path.read_text().splitlines() if path.exists() else []
    records = [json.loads(line) for line in lines]
    return list({(r["family"], r["name"]): r for r in records}.values())


def _try_family(family: str, options: Any) -> None:
    """Let processes try what is left of a family."""
    first = Worker(family, options.timeout, options.memory)
    made = [r for r in read(options.records) if r["outcome"] != "not made"]
    made = [r for r in made if not options.again or is_fine(r)]
    known = {r["name"] for r in made if r["family"] == family}
    if options.only:
        left = [name for name in first.names if options.only in name]
    else:
        left = [name for name in first.names[: options.limit] if name not in known]
    waiting, lock = queue.SimpleQueue[str](), threading.Lock()
    for name in left:
        waiting.put(name)

    def work(worker: Worker | None = None) -> None:
        while not waiting.empty():
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                break
            if worker is None or not worker.fresh:
                if worker is not None:
                    worker.stop()
                worker = Worker(family, options.timeout, options.memory)
            record = {"family": family, **worker.attempt(name)}
            with lock, options.records.open("a") as file:
                file.write(json.dumps(record) + "\n")
                print(family, in_a_line(record), flush=True)
        if worker is not None:
            worker.stop()

    threads = [threading.Thread(target=work, args=(first,) if k == 0 else ())
               for k in range(options.jobs)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_a_line(record: dict[str, Any]) -> str:
    """Return what came of a model, for who looks on."""
    audit = record.get("audit") or {}
    parts = [record["name"], record["outcome"], f"{record.get('seconds', 0):.1f} s"]
    parts += [f"{len(record['cuts'])} cuts"] if record.get("cuts") else []
    parts += [f"{len(record['skipped'])} skipped"] if record.get("skipped") else []
    parts += [f"{key}: {audit[key]}" for key in ("right", "failed") if key in audit]
    parts += [f"WRONG {key}: {audit[key][:3]}" for key in ("wrong", "edges") if audit.get(key)]
    return "; ".join([*parts, record.get("message", "")[:300]])


if __name__ == "__main__":
    main()
