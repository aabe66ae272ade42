"""Trajectory: the snapshots of one network in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Self, overload

from cntgraph.measures.summary import analyze
from cntgraph.network import Network
from cntgraph.progress import progress
from cntgraph.store.reader import StoreFile

if TYPE_CHECKING:
    import pandas as pd


def open(path: str | PathLike[str]) -> Trajectory:
    """Open a cntgraph file as the list of its snapshots.

    Parameters
    ----------
    path : path-like
        A file written by `save` or by a `Recorder`.

    Returns
    -------
    Trajectory

    Raises
    ------
    FormatError
        If it is not a cntgraph file.
    StoreError
        If it is damaged or newer.
    """
    store = StoreFile(path)
    return Trajectory(store, range(len(store)))


class Trajectory(Sequence[Network]):
    """The snapshots of one network: a list of networks that share their topology.

    Parameters are read when a measure needs them. Close it, or use it in a ``with`` statement,
    to let go of the file early.

    Parameters
    ----------
    store : StoreFile
        The file.
    snapshots : sequence of int
        Which of its snapshots, in order.

    Examples
    --------
    >>> import cntgraph as cg
    >>> with cg.open(cg.demo_file("training")) as trajectory:
    ...     first, last = trajectory[0], trajectory[-1]
    ...     bool(last.labels["accuracy"] > first.labels["accuracy"])
    True
    """

    def __init__(self, store: StoreFile, snapshots: Sequence[int]) -> None:
        self._store, self._snapshots = store, snapshots

    def __len__(self) -> int:
        """Return the number of snapshots."""
        return len(self._snapshots)

    @overload
    def __getitem__(self, index: int) -> Network: ...
    @overload
    def __getitem__(self, index: slice) -> Trajectory: ...
    def __getitem__(self, index: int | slice) -> Network | Trajectory:
        """Return one snapshot as a network, or several as a trajectory."""
        if isinstance(index, slice):
            return Trajectory(self._store, self._snapshots[index])
        return self._store.network(self._snapshots[index])

    def __iter__(self) -> Iterator[Network]:
        return (self[k] for k in range(len(self)))

    def __repr__(self) -> str:
        return f"<Trajectory: {len(self)} snapshots of {self._store.path.name}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; its networks can no longer read their parameters."""
        self._store.close()

    @property
    def labels(self) -> pd.DataFrame:
        """A row a snapshot: step, epoch and whatever labels were recorded."""
        import pandas as pd

        rows = [self._store.labels(k) for k in self._snapshots]
        index = pd.RangeIndex(len(rows), name="snapshot")
        return pd.DataFrame(rows, index=index)

    def analyze(self, *, show_progress: bool = False, **options: Any) -> pd.DataFrame:
        """Return `analyze` of every snapshot, one below the other.

        Parameters
        ----------
        show_progress : bool, default False
            Whether to show a progress bar on a terminal.
        **options
            As for `analyze`.

        Returns
        -------
        pandas.DataFrame
            A row a snapshot and layer: ``snapshot``, the labels, ``layer``, and the columns of
            `analyze`. A label that is called like one of them is called ``label_<name>``.
        """
        import pandas as pd

        labels = self.labels
        tables = []
        for k in progress(range(len(self)), "analyze", show=show_progress):
            table = analyze(self[k], **options).reset_index()
            for position, name in enumerate(labels.columns):
                column = name
                while column == "snapshot" or column in table.columns:
                    column = f"label_{column}"
                table.insert(position, column, labels[name].iloc[k])
            table.insert(0, "snapshot", k)
            tables.append(table)
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def table(self, *, show_progress: bool = False, **options: Any) -> pd.DataFrame:
        """Return every layer measure of every snapshot in long form, ready to be plotted.

        Parameters
        ----------
        show_progress, **options
            As in `analyze`.

        Returns
        -------
        pandas.DataFrame
            ``snapshot``, the labels, ``layer``, ``measure``, ``value``.
        """
        wide = self.analyze(show_progress=show_progress, **options)
        if wide.empty:
            return wide
        about = [*wide.columns[: list(wide.columns).index("layer") + 1]]
        measures = [c for c in wide.select_dtypes("number").columns if c not in about]
        long = wide.melt(about, measures, var_name="measure", value_name="value")
        return long.sort_values(["snapshot", "measure"], kind="stable", ignore_index=True)
