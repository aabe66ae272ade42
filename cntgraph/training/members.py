"""Members of a population: which networks are in which files."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal

from cntgraph.core.errors import CntGraphError, FormatError, StoreError
from cntgraph.loading import is_own_file, load
from cntgraph.network.network import Network
from cntgraph.store.reader import StoreFile
from cntgraph.training.trajectory import open as open_file

Files = str | PathLike[str] | Iterable[str | PathLike[str]]
Snapshots = Literal["last", "all"]


@dataclass(frozen=True)
class Member:
    """One network: a file, and which of its snapshots; None where files have no snapshots."""

    path: Path
    snapshot: int | None


def find_files(files: Files) -> list[Path]:
    """Return the files that are meant, each once.

    Parameters
    ----------
    files : path-like, or iterable of path-like
        Files, or patterns such as ``runs/**/*.h5``; the files of a pattern are sorted.

    Returns
    -------
    list of Path

    Raises
    ------
    CntGraphError
        If a pattern matches no file, or nothing is given.
    """
    given = [files] if isinstance(files, str | PathLike) else list(files)
    found = dict.fromkeys(path for one in given for path in _matches(fspath(one)))
    if not found:
        raise CntGraphError("expected the files of at least one network, got none")
    return list(found)


def _matches(pattern: str) -> list[Path]:
    # A name may have brackets in it, and a file that is missing is named later like a damaged one.
    if Path(pattern).exists() or not glob.has_magic(pattern):
        return [Path(pattern)]
    found = [p for p in map(Path, sorted(glob.glob(pattern, recursive=True))) if p.is_file()]
    if not found:
        raise CntGraphError(f"expected files that match {pattern!r}, found none in {Path.cwd()}")
    return found


def read_headers(path: Path, snapshots: Snapshots) -> list[tuple[Member, dict[str, Any]]]:
    """Return the networks of a file with what was recorded of them; no tensor is read.

    Parameters
    ----------
    path : Path
    snapshots : {"last", "all"}
        Which of a cntgraph file; a file of another kind is one network without labels.

    Returns
    -------
    list of (Member, dict)

    Raises
    ------
    CntGraphError
        If it is missing, or a damaged cntgraph file.
    """
    if not path.exists():
        raise FormatError(f"{path}: expected a file, found nothing")
    if not is_own_file(path):
        return [(Member(path, None), {})]
    store = StoreFile(path)
    try:
        n = len(store)
        if not n:
            raise StoreError(f"{path}: expected a snapshot, found none: nothing was recorded yet")
        chosen = range(n) if snapshots == "all" else [n - 1]
        return [(Member(path, k), store.labels(k)) for k in chosen]
    finally:
        store.close()


def open_member(member: Member, options: Mapping[str, Any]) -> Network:
    """Return a network; its parameters are read when they are needed."""
    if member.snapshot is None:
        return load(member.path, **options)
    return open_file(member.path)[member.snapshot]
