"""Watched processes: what a model did, also where it ended or hung its process."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
#: A process has tried that many models and is replaced, or is larger than that many bytes.
MOST_MODELS, MOST_BYTES = 60, 3 << 30
#: Of what is not the package's own work (a model is made, an audit computed), how long it may take.
LONGEST = {"make": 300.0, "audit": 240.0}


class Worker:
    """A process that tries models of a family.

    Parameters
    ----------
    family : str
    timeout : float
        Seconds of the processor that loading a model may take.
    gibibytes : float
        Memory beyond that of the start.
    """

    def __init__(self, family: str, timeout: float, gibibytes: float) -> None:
        self.longest = LONGEST | {"load": timeout}
        self.n_models = 0
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", __package__, "--serve", family, "--memory", str(gibibytes)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, cwd=ROOT,
            env=os.environ | QUIET | {"PYTHONPATH": _path()}, bufsize=0,
        )  # fmt: skip
        names = self._line(600.0)
        if not names:
            raise SystemExit(f"the process of {family} did not start:\n{self._last_words()}")
        self.names: list[str] = json.loads(names)

    def attempt(self, name: str) -> dict[str, Any]:
        """Return what came of a model."""
        assert self.process.stdin is not None
        self.n_models += 1
        self.process.stdin.write(f"{name}\n".encode())
        record: dict[str, Any] = {"name": name, "phase": "make", "outcome": "not made"}
        while record["phase"] != "done":
            line = self._line(self.longest[record["phase"]])
            if line:
                record = json.loads(line)
                continue
            record = self._broken_off(record, hangs=line is None)
        return record

    def _broken_off(self, record: dict[str, Any], *, hangs: bool) -> dict[str, Any]:
        """Return the record of a model that ended its process, or took too long."""
        if hangs:
            what = f"timeout ({self.longest[record['phase']]:.0f} s)"
            self.stop()
        else:
            what = f"crash ({self.process.wait()})"
        if record["phase"] == "load":
            record |= {"outcome": what, "message": self._last_words()[-300:]}
        elif record["phase"] == "make":
            record |= {"message": what}
        else:
            record |= {"audit": {"failed": what}}
        return record | {"phase": "done"}

    @property
    def fresh(self) -> bool:
        """Whether it lives, and has neither tried many models nor become large."""
        if self.process.poll() is not None or self.n_models >= MOST_MODELS:
            return False
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") < MOST_BYTES

    def _line(self, timeout: float) -> bytes | None:
        """Return what the process says; None when its time is over, nothing at its end.

        The time is the processor's: a busy machine does not count. Who waits for nothing is slow.
        """
        assert self.process.stdout is not None
        before, start = self._processor_time(), time.monotonic()
        while time.monotonic() - start < 6 * timeout:
            if select.select([self.process.stdout], [], [], 1.0)[0]:
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
        """End the process."""
        self.process.kill()
        self.process.wait()
        self.errors.close()


def _path() -> str:
    """Return where a process finds the package, the tests' oracles and this one."""
    return os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])


#: One thread, no network, no word that is not asked for.
QUIET = {
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CNTGRAPH_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false", "KERAS_BACKEND": "torch", "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "PYTHONWARNINGS": "ignore",
}  # fmt: skip
