"""Members of a population that are networks in the caller's hands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cntgraph.network.network import Network
from cntgraph.network.stack import FEWEST_TOGETHER, Stacked, n_together
from cntgraph.store.description import differences
from cntgraph.training.members import Batch, Key, Members


@dataclass(frozen=True)
class NetworkBatch(Batch):
    """Networks that are measured by one call."""

    nets: tuple[Network, ...]
    first: int

    def __str__(self) -> str:
        return f"networks {self.first} to {self.first + self.size - 1} of those given"

    @property
    def size(self) -> int:
        """Number of networks."""
        return len(self.nets)

    def sources(self, options: Mapping[str, Any]) -> Iterator[Network]:
        """Yield each network."""
        return iter(self.nets)

    def stacked(self) -> Stacked:
        """Return the parameters of all networks."""
        return Stacked.read(self.nets[0].parameters, lambda net: net.parameters, self.nets)


@dataclass(frozen=True)
class NetworkMembers(Members):
    """Networks as they are given.

    Parameters
    ----------
    of : tuple of Network
    numbers : tuple of int
        What each of them is called.
    """

    of: tuple[Network, ...]
    numbers: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of networks."""
        return len(self.of)

    def part(self, rows: slice) -> NetworkMembers:
        """Return some of them."""
        return NetworkMembers(self.of[rows], self.numbers[rows])

    def key(self, k: int) -> Key:
        """Return the number of network `k` among those given."""
        return "networks", self.numbers[k]

    def open(self, k: int, options: Mapping[str, Any]) -> Network:
        """Return a network."""
        return self.of[k]

    def batches(self, numbers: Sequence[int]) -> list[NetworkBatch]:
        """Return those of one topology some at a time, others one by one."""
        n = n_together(self.template) if self.template else 1
        found = []
        for start in range(0, len(numbers), n):
            some = numbers[start : start + n]
            nets = tuple(self.of[k] for k in some)
            found.append(NetworkBatch(nets, self.numbers[some[0]]))
        return found

    @property
    def where(self) -> str:
        """Where they are."""
        return "memory"

    @cached_property
    def template(self) -> Network | None:
        """The topology of all networks, if they have one and are worth being stacked."""
        if len(self.of) < FEWEST_TOGETHER:
            return None
        first, *others = self.of
        if not first.parameters or n_together(first) < FEWEST_TOGETHER:
            return None
        return None if any(differences(first, net) for net in others) else first
