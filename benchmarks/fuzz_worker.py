"""The process of `fuzz.py` that reads files: its memory is limited, and what it does is watched."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

Sample = tuple[str, bytes, Any, dict[str, Any]]
#: Where the sound files of each format are made: a module of the tests, and which of its samples.
FORMATS: dict[str, tuple[str, str]] = {
    "h5": ("oracles.store_files", ""),
    "pt2": ("oracles.program_files", ""),
    "keras": ("oracles.keras_files", "keras"),
    "keras_h5": ("oracles.keras_files", "whole"),
    "weights_h5": ("oracles.keras_files", "weights"),
    "safetensors": ("oracles.weight_files", "safetensors"),
    "packed": ("oracles.packed_files", ""),
    "gguf": ("oracles.gguf_files", ""),
    "index": ("oracles.shard_files", ""),
    "lora": ("oracles.folder_files", "lora"),
    "dcp": ("oracles.folder_files", "dcp"),
    "orbax": ("oracles.folder_files", "orbax"),
    "npz": ("oracles.weight_files", "npz"),
    "npy": ("oracles.weight_files", "npy"),
    "pt": ("oracles.weight_files", "pt"),
    "ckpt": ("oracles.weight_files", "ckpt"),
    "onnx": ("oracles.onnx_files", ""),
    "nir": ("oracles.nir_files", ""),
}
#: What reading a file never does.
_FORBIDDEN = ("pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn",
              "os.fork", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "shutil.", "socket.",
              "ctypes.dlopen", "webbrowser.", "urllib.")  # fmt: skip


def serve(name: str, seed: int, gibibytes: float, keep: Path | None) -> None:
    """Read the numbers of files from standard input, and say what became of each."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print does not mix with the answers
    with tempfile.TemporaryDirectory() as folder:
        files = samples(name, Path(folder))
        reader = _Reader(name, files, seed, Path(folder), keep)
        reader.warm_up()
        limit = _status("VmSize") + int(gibibytes * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        print("ready", file=out, flush=True)
        for line in sys.stdin:
            print(json.dumps(reader.read(int(line))), file=out, flush=True)


def samples(name: str, folder: Path) -> dict[str, Sample]:
    """Return the sound files of a format."""
    module, prefix = FORMATS[name]
    made: Callable[..., dict[str, Sample]] = import_module(module).samples
    found = made(folder) if made.__code__.co_argcount else made()
    return {key: value for key, value in found.items() if key.startswith(prefix)}


class _Reader:
    """Makes files of a format, and reads them."""

    def __init__(
        self, name: str, files: dict[str, Sample], seed: int, folder: Path, keep: Path | None
    ) -> None:
        self.name, self.files, self.seed, self.folder, self.keep = name, files, seed, folder, keep
        self.forbidden: list[str] = []
        self.watching = False
        sys.addaudithook(self._audit)

    def warm_up(self) -> None:
        """Read the sound files: what is compiled and imported then takes no time later."""
        for suffix, data, _, options in self.files.values():
            outcome, message = self._outcome(self._write(suffix, data), options)
            if outcome != "loaded":
                raise SystemExit(f"a sound file was refused: {outcome}: {message}")

    def read(self, k: int) -> dict[str, Any]:
        """Return what becomes of the file of a number."""
        suffix, data, options = self.made(k)
        path = self._write(suffix, data)
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before, start = _status("VmRSS"), time.perf_counter()
        with self._watched():
            outcome, message = self._outcome(path, options)
        seconds, growth = time.perf_counter() - start, (_status("VmHWM") - before) / 1e6
        if self.forbidden:
            outcome, message = "unsafe", "; ".join(self.forbidden)
        failed = outcome.startswith(("other", "unsafe"))
        if failed and self.keep is not None:
            self.keep.mkdir(exist_ok=True, parents=True)
            name = f"{self.name}-{self.seed}-{k}{suffix}".replace("/", "-")
            (self.keep / name).write_bytes(data)
        return {"outcome": outcome, "message": message, "failed": failed, "growth": growth,
                "seconds": seconds}  # fmt: skip

    def made(self, k: int) -> tuple[str, bytes, dict[str, Any]]:
        """Return the file of a number."""
        import numpy as np
        from oracles import mutate

        rng = np.random.default_rng([self.seed, k])
        suffix, data, structured, options = list(self.files.values())[k % len(self.files)]
        if structured is not None and rng.integers(3):
            return suffix, bytes(structured(data, rng)), options
        return suffix, mutate.damaged(data, rng), options

    def _write(self, suffix: str, data: bytes) -> Path:
        """Write a file, and return what is to be loaded: it, or the folder that it is a part of."""
        folder, _, name = suffix.rpartition("/")
        path = self.folder / folder / (name if folder else f"file{suffix}")
        path.write_bytes(data)
        return path.parent if folder else path

    def _outcome(self, path: Path, options: dict[str, Any]) -> tuple[str, str]:
        from oracles.reading import use

        import cntgraph as cg

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                use(path, trajectory=self.name == "h5", **options)
        except cg.CntGraphError as error:
            return type(error).__name__, str(error)
        except BaseException as error:
            where = "".join(traceback.format_exception(error)[-3:])
            return f"other ({type(error).__name__})", f"{str(error)[:200]}\n{where[-1200:]}"
        return "loaded", ""

    @contextmanager
    def _watched(self) -> Iterator[None]:
        self.forbidden, self.watching = [], True
        try:
            yield
        finally:
            self.watching = False

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.watching:
            return
        writes = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
        if (writes or event.startswith(_FORBIDDEN)) and not _by_numba():
            self.forbidden.append(f"{event} {str(args)[:100]}")


def _by_numba() -> bool:
    """Whether numba is at work, which keeps what it has compiled in files."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        if f"{os.sep}numba{os.sep}" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def _status(key: str) -> int:
    """Return a number of bytes that the system counts for this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(key)
