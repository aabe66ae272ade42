"""Model zoos: a folder a training, with its options, its results, and its checkpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cntgraph.adapters import registry
from cntgraph.core.errors import CntGraphError, FormatError
from cntgraph.network.network import Network
from cntgraph.network.stack import Stacked, n_together
from cntgraph.training.members import Batch, Key, Members

if TYPE_CHECKING:
    import pandas as pd

Epochs = Literal["last", "all"] | Sequence[int]

#: What is in the folder of a training.
OPTIONS, RESULTS, CHECKPOINT = "params.json", "result.json", "checkpoints"


def open_model_zoo(
    folder: str | PathLike[str], template: Network, epochs: Epochs
) -> tuple[CheckpointMembers, pd.DataFrame]:
    """Return the networks of a zoo and what is known of them (see `Population.from_model_zoo`)."""
    import pandas as pd

    registry.builtin("torch", "reading checkpoints of PyTorch")  # else says what to install
    found = Path(folder)
    trainings = sorted(path.parent for path in found.glob(f"*/{OPTIONS}"))
    if not trainings:
        raise FormatError(
            f"{found}: expected folders with {OPTIONS}, {RESULTS} and checkpoint_*/{CHECKPOINT}; "
            "found none"
        )
    paths, rows = list[Path](), list[dict[str, Any]]()
    for training in trainings:
        options, results = _json_lines(training / OPTIONS), _json_lines(training / RESULTS)
        by_epoch = {int(line.get("training_iteration", -1)): line for line in results}
        for epoch, path in _chosen(_checkpoints(training), epochs):
            paths.append(path)
            known = _scalars(by_epoch.get(epoch, {})) | _scalars(dict(*options[:1]))
            rows.append({"path": str(path), "training": training.name, "epoch": epoch} | known)
    if not paths:
        raise CntGraphError(f"{found}: expected checkpoints of epochs {epochs!r}, found none")
    labels = pd.DataFrame(rows, index=pd.RangeIndex(len(rows), name="network"))
    return CheckpointMembers(tuple(paths), template), labels


def _json_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON, one in all or one a line."""
    try:
        text = path.read_text(encoding="utf-8")
        try:
            found = [json.loads(text)]
        except json.JSONDecodeError:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"{path}: expected JSON; it cannot be read ({error})") from error
    if not all(isinstance(one, dict) for one in found):
        raise FormatError(f"{path}: expected JSON objects, found something else")
    return found


def _scalars(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers and words among values."""
    return {k: v for k, v in values.items() if isinstance(v, int | float | str)}


def _checkpoints(training: Path) -> list[tuple[int, Path]]:
    """Return the checkpoints of a training and their epochs, in order."""
    found = []
    for path in training.glob(f"checkpoint_*/{CHECKPOINT}"):
        number = path.parent.name.rpartition("_")[2]
        if number.isdecimal():
            found.append((int(number), path))
    return sorted(found)


def _chosen(found: list[tuple[int, Path]], epochs: Epochs) -> list[tuple[int, Path]]:
    if epochs == "last":
        return found[-1:]
    if epochs == "all":
        return found
    if isinstance(epochs, str):
        raise CntGraphError(f"expected epochs to be 'last', 'all' or numbers, got {epochs!r}")
    return [(epoch, path) for epoch, path in found if epoch in set(epochs)]


@dataclass(frozen=True)
class CheckpointBatch(Batch):
    """Checkpoints of one topology."""

    paths: tuple[Path, ...]
    template: Network

    def __str__(self) -> str:
        return str(self.paths[0])

    @property
    def size(self) -> int:
        """Number of networks."""
        return len(self.paths)

    def sources(self, options: Mapping[str, Any]) -> Iterator[Network]:
        """Yield each network."""
        return (_read(path, self.template) for path in self.paths)

    def stacked(self) -> Stacked:
        """Return the parameters of all checkpoints that can be read."""
        like = self.template.parameters
        return Stacked.read(like, lambda path: _read(path, self.template).parameters, self.paths)


def _read(path: Path, template: Network) -> Network:
    """Return the network of a checkpoint; what is not in it is the template's, if not learned."""
    from cntgraph.adapters.torch.checkpoint import read_tensors

    found = read_tensors(path).by_name()
    own = {
        name: replace(found[name], trainable=p.trainable) if name in found else p
        for name, p in template.parameters.items()
    }
    missing = [name for name, p in template.parameters.items() if p.trainable and name not in found]
    if missing:
        raise FormatError(
            f"{path}: expected the parameters of the template, found no {', '.join(missing[:3])}; "
            f"it has {', '.join(list(found)[:3])}, …"
        )
    return template.bind(own, template.labels)


@dataclass(frozen=True)
class CheckpointMembers(Members):
    """Networks of one topology, a checkpoint of PyTorch each.

    Parameters
    ----------
    of : tuple of Path
    topology : Network
        Of all of them.
    """

    of: tuple[Path, ...]
    topology: Network

    def __len__(self) -> int:
        """Return the number of networks."""
        return len(self.of)

    def part(self, rows: slice) -> CheckpointMembers:
        """Return some of them."""
        return CheckpointMembers(self.of[rows], self.topology)

    def key(self, k: int) -> Key:
        """Return the path of network number `k`."""
        return str(self.of[k]), None

    def open(self, k: int, options: Mapping[str, Any]) -> Network:
        """Return a network; its parameters are read when they are needed."""
        return _read(self.of[k], self.topology)

    def batches(self, numbers: Sequence[int]) -> list[CheckpointBatch]:
        """Return networks in their order, some at a time."""
        paths, n = [self.of[k].absolute() for k in numbers], n_together(self.topology)
        starts = range(0, len(paths), n)
        return [CheckpointBatch(tuple(paths[k : k + n]), self.topology) for k in starts]

    @property
    def where(self) -> str:
        """In how many trainings they are."""
        return f"{len({path.parent.parent for path in self.of})} trainings"

    @property
    def template(self) -> Network:
        """The topology of all networks."""
        return self.topology
