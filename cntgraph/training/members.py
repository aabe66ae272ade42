"""Members of a population: where its networks are, and how they are read, some at a time."""

from __future__ import annotations

import glob
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Self

from cntgraph.core.errors import CntGraphError, FormatError, StoreError
from cntgraph.loading import is_own_file, load
from cntgraph.network.network import Network
from cntgraph.network.stack import Stacked, n_together
from cntgraph.store.reader import StoreFile
from cntgraph.store.stacked_snapshots import are_stackable, stacked_snapshots

Files = str | PathLike[str] | Iterable[str | PathLike[str]]
Snapshots = Literal["last", "all"]
#: What a network is called: where it is, and the number it has there, if there are several.
Key = tuple[str, int | None]

#: Snapshots of one file that are measured by one call, which opens the file once for them.
_TOGETHER: Final = 16


class Snapshot(NamedTuple):
    """A network of a cntgraph file, which may have measures only, and no parameters."""

    store: StoreFile
    number: int


#: What a task is called with.
Source = Snapshot | Network


class Batch(ABC):
    """Networks that are measured by one call, wherever that is: what a worker is sent."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of networks."""

    @abstractmethod
    def sources(self, options: Mapping[str, Any]) -> Iterator[Source]:
        """Yield what each network is measured from; a file is open meanwhile."""

    @abstractmethod
    def stacked(self) -> Stacked:
        """Return the parameters of all networks; asked where `Members.template` is a network."""


class Members(ABC):
    """Where the networks of a population are."""

    @abstractmethod
    def __len__(self) -> int: ...
    @abstractmethod
    def part(self, rows: slice) -> Self:
        """Return some of them."""

    @abstractmethod
    def key(self, k: int) -> Key:
        """Return what network number `k` is called."""

    @abstractmethod
    def open(self, k: int, options: Mapping[str, Any]) -> Network:
        """Return a network; its parameters are read when they are needed."""

    @abstractmethod
    def batches(self, numbers: Sequence[int]) -> list[Any]:
        """Return networks in their order, those together that are best read together."""

    @property
    @abstractmethod
    def where(self) -> str:
        """Where they are, in words."""

    @property
    def template(self) -> Network | None:
        """The topology of all networks, if they have one that is known before they are read."""
        return None


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


@dataclass(frozen=True)
class FileBatch(Batch):
    """Networks of one file, by an absolute path: a worker may be in another folder."""

    path: Path
    snapshots: tuple[int | None, ...]

    def __str__(self) -> str:
        return str(self.path)

    @property
    def size(self) -> int:
        """Number of networks."""
        return len(self.snapshots)

    def sources(self, options: Mapping[str, Any]) -> Iterator[Source]:
        """Yield what each network is measured from; the file is open meanwhile."""
        numbers = [number for number in self.snapshots if number is not None]
        if not numbers:
            yield load(self.path, **options)
            return
        store = StoreFile(self.path)
        try:
            yield from (Snapshot(store, number) for number in numbers)
        finally:
            store.close()

    def stacked(self) -> Stacked:
        """Return the parameters of all snapshots."""
        store = StoreFile(self.path)
        try:
            return stacked_snapshots(store, [k for k in self.snapshots if k is not None])
        finally:
            store.close()


@dataclass(frozen=True)
class FileMembers(Members):
    """Networks in files.

    Parameters
    ----------
    of : tuple of Member
    """

    of: tuple[Member, ...]

    def __len__(self) -> int:
        """Return the number of networks."""
        return len(self.of)

    def part(self, rows: slice) -> FileMembers:
        """Return some of them."""
        return FileMembers(self.of[rows])

    def key(self, k: int) -> Key:
        """Return the path of network number `k`, and its snapshot."""
        return str(self.of[k].path), self.of[k].snapshot

    def open(self, k: int, options: Mapping[str, Any]) -> Network:
        """Return a network; its parameters are read when they are needed."""
        member = self.of[k]
        if member.snapshot is None:
            return load(member.path, **options)
        return StoreFile(member.path).network(member.snapshot)

    def batches(self, numbers: Sequence[int]) -> list[FileBatch]:
        """Put members of one file that follow each other together, a few at a time."""
        batches = list[FileBatch]()
        together = n_together(self.template) if self.template else _TOGETHER
        for path, group in groupby((self.of[k] for k in numbers), key=lambda member: member.path):
            snapshots = [member.snapshot for member in group]
            for start in range(0, len(snapshots), together):
                some = tuple(snapshots[start : start + together])
                batches.append(FileBatch(path.absolute(), some))
        return batches

    @property
    def where(self) -> str:
        """In how many files they are."""
        return f"{len({member.path for member in self.of})} files"

    @cached_property
    def template(self) -> Network | None:
        """The topology of the snapshots of one file, where their parameters tell the measures."""
        first = self.of[0] if self.of else None
        if first is None or first.snapshot is None:
            return None
        if any(member.path != first.path for member in self.of):
            return None
        store = StoreFile(first.path)
        try:
            return store.topology if are_stackable(store, len(self.of)) else None
        finally:
            store.close()
