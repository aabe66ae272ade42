"""Networks: what is known of many of them, as a list that is read when needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, overload

from cntgraph.core.arguments import item
from cntgraph.core.names import unknown_name
from cntgraph.network.network import Network
from cntgraph.training.measuring import Measuring
from cntgraph.training.members import FileMembers, Member, Members

if TYPE_CHECKING:
    import pandas as pd


class Networks(Sequence[Network]):
    """Networks with their labels: the list that a `Population` is.

    Parameters
    ----------
    members : Members or sequence of Member
        Where each network is.
    labels : pandas.DataFrame
        One row per member.
    options : mapping, default {}
        For `load`.
    strict : bool, default False
        Raise where a network cannot be read.
    """

    def __init__(
        self,
        members: Members | Sequence[Member],
        labels: pd.DataFrame,
        *,
        options: Mapping[str, Any] | None = None,
        strict: bool = False,
    ) -> None:
        found = members if isinstance(members, Members) else FileMembers(tuple(members))
        self._measuring = Measuring(found, options or {}, strict=strict)
        self._labels = labels

    def __len__(self) -> int:
        """Return the number of networks, without files that could not be opened."""
        return len(self._measuring.members)

    @overload
    def __getitem__(self, index: int) -> Network: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Network | Self:
        """Return a network with its labels, or several as a population."""
        if not isinstance(index, slice):
            number = item(range(len(self)), index, "networks")
            net = self._measuring.members.open(number, self._measuring.options)
            known = self._labels.iloc[index].dropna().to_dict()
            return replace(net, labels={**net.labels, **known})
        labels = self._labels.iloc[index].reset_index(drop=True).rename_axis("network")
        return type(self)(
            self._measuring.members.part(index),
            labels,
            options=self._measuring.options,
            strict=self._measuring.strict,
        )

    def __iter__(self) -> Iterator[Network]:
        return (self[k] for k in range(len(self)))

    @property
    def labels(self) -> pd.DataFrame:
        """One row per network: its path, its snapshot (if all are networks), and its labels."""
        return self._labels.copy()

    @property
    def failed(self) -> pd.DataFrame:
        """One row per network that could not be read, so far: ``path``, ``snapshot``, ``error``."""
        import pandas as pd

        rows = [
            (path, snapshot, error) for (path, snapshot), error in self._measuring.failed.items()
        ]
        table = pd.DataFrame(rows, columns=["path", "snapshot", "error"])
        return table.astype({"snapshot": "Int64"})

    def _label(self, by: str) -> pd.Series:
        if by not in self._labels.columns:
            raise unknown_name(by, self._labels.columns, "label")
        return self._labels[by]
