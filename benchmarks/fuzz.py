"""Damaged and hostile files by the thousand: what is read, what is refused, what goes wrong.

    python benchmarks/fuzz.py --format h5 --n 5000 --seed 0 [--keep FOLDER] [--output FILE.md]

Every file follows from its format, seed and number. It is read in a process of its own kind, whose
memory is limited and that is stopped after some seconds: a file may be refused with an error of
cntgraph, and nothing else. Files that do anything else are kept. Needs
pip install -e '.[test-all]'.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import select
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent.parent / "tests"


def main() -> None:
    """Run all files of the formats asked for, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--format", action="append", dest="formats", help="by default all")
    parser.add_argument("--n", type=int, default=5000, help="files of each format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="the number of one file")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds a file")
    parser.add_argument("--memory", type=float, default=5.0, help="GiB beyond those of the start")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--keep", type=Path, help="folder for files that go wrong")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        from fuzz_worker import serve

        serve(options.formats[0], options.seed, options.memory, options.keep)
        return
    from fuzz_worker import FORMATS

    tallies = [_run(name, options) for name in options.formats or FORMATS]
    text = _table(tallies)
    print(text)
    if options.output is not None:
        options.output.write_text(text)
    if any(tally.failures for tally in tallies):
        sys.exit(1)


#: Megabytes of growth that are worth a word.
_LARGE = 1000.0

# -- one format ---------------------------------------------------------------------------------


@dataclass
class Tally:
    """What became of the files of one format."""

    name: str
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: dict[int, str] = field(default_factory=dict)
    growth: float = 0.0
    large: list[int] = field(default_factory=list)
    largest: int = -1
    slowest: float = 0.0

    def add(self, k: int, found: dict[str, Any]) -> None:
        self.outcomes[found["outcome"]] += 1
        if found["failed"]:
            self.failures[k] = f"{found['outcome']}: {found['message']}"
        if found.get("growth", 0.0) > _LARGE:
            self.large.append(k)
            print(
                f"{self.name} {k}: {found['growth']:.0f} MB: {found['message'][:200]}", flush=True
            )
        if found.get("growth", 0.0) > self.growth:
            self.growth, self.largest = found["growth"], k
        self.slowest = max(self.slowest, found.get("seconds", 0.0))


def _run(name: str, options: Any) -> Tally:
    """Let workers read the files of a format."""
    tally, waiting, lock = Tally(name), queue.SimpleQueue[int](), threading.Lock()
    for k in range(options.n) if options.only is None else [options.only]:
        waiting.put(k)

    def work() -> None:
        worker = None
        while not waiting.empty():
            try:
                k = waiting.get_nowait()
            except queue.Empty:
                break
            worker = worker if worker is not None and worker.alive else _Worker(name, options)
            found = worker.read(k)
            with lock:
                tally.add(k, found)
                if found["failed"]:
                    print(f"{name} {k}: {tally.failures[k]}", flush=True)
        if worker is not None:
            worker.stop()

    threads = [threading.Thread(target=work) for _ in range(options.workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{name}: {dict(tally.outcomes)}", flush=True)
    return tally


class _Worker:
    """A process that reads one file after another."""

    def __init__(self, name: str, options: Any) -> None:
        self.timeout = options.timeout
        command = [sys.executable, __file__, "--worker", "--format", name, "--seed",
                   str(options.seed), "--memory", str(options.memory)]  # fmt: skip
        command += [] if options.keep is None else ["--keep", str(options.keep)]
        environment = {**os.environ, "CNTGRAPH_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
                       "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2",
                       "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "torch")}  # fmt: skip
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, env=environment)  # fmt: skip
        if not self._line(300.0):
            raise SystemExit(f"the worker of {name} did not start:\n{self._last_words()}")

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def read(self, k: int) -> dict[str, Any]:
        """Return what became of a file."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{k}\n".encode())
        self.process.stdin.flush()
        line = self._line(self.timeout)
        if line:
            return dict(json.loads(line))
        if line is None:
            self.stop()
            return {"outcome": "timeout", "failed": True, "message": f"{self.timeout} s"}
        code = self.process.wait()
        return {"outcome": f"crash ({code})", "failed": True, "message": self._last_words()}

    def _line(self, timeout: float) -> bytes | None:
        """Return what the worker says; None after the time, nothing at its end.

        The time is the processor's: a busy machine does not count. Who waits for nothing is slow.
        """
        assert self.process.stdout is not None
        before = self._processor_time()
        for _ in range(6):
            if select.select([self.process.stdout], [], [], timeout)[0]:
                return self.process.stdout.readline()
            if self._processor_time() - before > timeout:
                break
        return None

    def _processor_time(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _last_words(self) -> str:
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")[-2000:]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


# -- the table ----------------------------------------------------------------------------------


_COLUMNS = (
    "format", "files", "loaded", "refused", "other errors", "crashes", "timeouts",
    "largest growth, MB", "above 1 GB", "slowest, s",
)  # fmt: skip


def _table(tallies: list[Tally]) -> str:
    rows = [_COLUMNS, ("---",) * len(_COLUMNS), *map(_row, tallies)]
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)


def _row(tally: Tally) -> tuple[Any, ...]:
    found = tally.outcomes
    refused = [(n, kind) for kind, n in found.items() if kind != "loaded" and not _is_wrong(kind)]
    by_class = ", ".join(f"{kind} {n}" for n, kind in sorted(refused, reverse=True))
    crashes = sum(n for kind, n in found.items() if kind.startswith("crash"))
    wrong = sum(n for kind, n in found.items() if _is_wrong(kind))
    other = wrong - crashes - found["timeout"]
    return (tally.name, found.total(), found["loaded"], by_class, other, crashes, found["timeout"],
            f"{tally.growth:.0f} (file {tally.largest})", len(tally.large),
            f"{tally.slowest:.1f}")  # fmt: skip


def _is_wrong(outcome: str) -> bool:
    return outcome.startswith(("crash", "timeout", "other", "unsafe"))


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    main()
