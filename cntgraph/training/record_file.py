"""RecordFile: the file that a recorder adds snapshots to, of one network and of one kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cntgraph.core.errors import StoreError
from cntgraph.core.parameter import Parameter
from cntgraph.measures.survey import LayerSurvey, layer_bins
from cntgraph.network.blocks.histogram import LayerBins
from cntgraph.network.network import Network
from cntgraph.network.node_values import NEURON_MEASURES
from cntgraph.store.description import differences
from cntgraph.store.hdf5 import append
from cntgraph.store.journal import discard, recover
from cntgraph.store.measured import check_bins, write_measures, write_measures_head
from cntgraph.store.neurons import NeuronSummary, write_neurons, write_neurons_head
from cntgraph.store.reader import StoreFile
from cntgraph.store.stack_writer import begin_stack
from cntgraph.store.writer import write_snapshot, write_topology

if TYPE_CHECKING:
    import h5py

#: What a snapshot has.
Store = Literal["parameters", "measures", "both"]
#: What becomes of a file that is there already.
Mode = Literal["error", "resume", "overwrite"]


class RecordFile:
    """A file of snapshots, which another process may have begun.

    Parameters
    ----------
    path : Path
        It need not exist.
    net : Network
        What all snapshots are of.
    store : {"parameters", "measures", "both"}
        What each has.
    neurons : bool
        Whether each has summaries of its neurons, too.
    compression : int or None
        Level of gzip.
    """

    def __init__(
        self, path: Path, net: Network, store: Store, *, neurons: bool, compression: int | None
    ) -> None:
        self.path, self.net, self.store = path, net, store
        self.neurons, self.compression = neurons, compression
        self._bins: LayerBins | None = None

    def begin(self, mode: Mode) -> None:
        """Do with a file that is there already what `mode` says.

        Raises
        ------
        StoreError
            If `mode` is "error" and there is one, or if it is another network's or of another kind.
        """
        if mode == "overwrite":
            discard(self.path)
            return
        recover(self.path)
        if not self.path.exists():
            return
        if mode == "error":
            raise StoreError(
                f"{self.path} exists; mode='resume' adds to its snapshots, mode='overwrite' begins "
                "it anew"
            )
        self._resume()

    def bins(self, net: Network) -> LayerBins:
        """Return the bins of all histograms: those of the file, or such as fit the first snapshot.

        Parameters
        ----------
        net : Network
            The snapshot that is measured now.
        """
        if self._bins is None and self.path.exists():
            self._resume()  # another recorder has begun the file in the meantime
        if self._bins is None:
            self._bins = layer_bins(net)
        return self._bins

    def append(
        self,
        parameters: Mapping[str, Parameter],
        labels: Mapping[str, Any],
        survey: LayerSurvey | None,
        neurons: tuple[list[str], dict[str, NeuronSummary]] | None,
    ) -> int:
        """Append a snapshot, which then survives a killed process, and return its number.

        Parameters
        ----------
        parameters : mapping of str to Parameter
            Written unless measures alone are.
        labels : mapping
            As `check_labels` returns them.
        survey : LayerSurvey or None
            Written unless parameters alone are.
        neurons : tuple of list of str and dict, or None
            What `summarize` returned of them.
        """
        measured = None if self.store == "parameters" else survey
        kept = None if self.store == "measures" else parameters
        with append(self.path) as file:
            self._prepare(file, measured, neurons[0] if neurons else None)
            number = write_snapshot(file, kept, labels, compression=self.compression)
            if measured is not None:
                group = file.require_group(f"snapshots/{number}")
                write_measures(group, measured.rows, measured.counts)
            if neurons is not None:
                write_neurons(file.require_group(f"snapshots/{number}"), neurons[1])
        return number

    def last_step(self) -> int:
        """Return the label ``step`` of the last snapshot, 0 where there is none."""
        if not self.path.exists():
            return 0
        store = StoreFile(self.path)
        try:
            return int(store.labels(-1).get("step", 0))
        finally:
            store.close()

    def _prepare(
        self, file: h5py.File, survey: LayerSurvey | None, layers: list[str] | None
    ) -> None:
        """Write what all snapshots share, if this is the first one."""
        if "network" in file:
            if survey is not None:
                check_bins(file, self._bins or {})
            return
        write_topology(file, self.net, measures=survey is not None, neurons=layers is not None)
        kept = None if self.store == "measures" else self.net.parameters
        begin_stack(file, kept, compression=self.compression)
        if layers is not None:
            write_neurons_head(file, NEURON_MEASURES, layers)
        if survey is not None and self._bins is not None:
            parameters = self.store == "both"
            write_measures_head(file, self._bins, survey.rows, parameters=parameters)

    def _resume(self) -> None:
        """Check that the file is of this network, and take over the bins of its histograms."""
        store = StoreFile(self.path)
        try:
            self._check_kind(store)
            net = store.network() if store.has_parameters else store.topology
            different = differences(self.net, net)
            if store.measures is not None:
                self._bins = store.measures.bins
        finally:
            store.close()
        if different:
            raise StoreError(
                f"{self.path} holds another network (its {' and '.join(different)} differ); "
                "record into another file, or remove this one"
            )

    def _check_kind(self, store: StoreFile) -> None:
        """Raise if the snapshots of the file are of another kind."""
        if store.kind != self.store:
            raise StoreError(
                f"{self.path} was recorded with store={store.kind!r}, not {self.store!r}; "
                f"pass store={store.kind!r}, or record into another file"
            )
        if (store.neurons is None) == self.neurons:
            found = "without" if self.neurons else "with"
            raise StoreError(
                f"{self.path} was recorded {found} inputs=, and has summaries of neurons at "
                "all snapshots or at none; do likewise, or record into another file"
            )
