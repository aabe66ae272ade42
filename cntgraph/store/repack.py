"""Files of any version, written anew in the newest form."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from cntgraph.core.errors import StoreError
from cntgraph.core.new_file import check_free
from cntgraph.core.progress import progress
from cntgraph.network.stack import n_together
from cntgraph.store.labels import check_labels
from cntgraph.store.neurons import write_neurons, write_neurons_head
from cntgraph.store.reader import StoreFile
from cntgraph.store.stack_writer import Moment, begin_stack
from cntgraph.store.writer import new_hdf5, write_snapshots, write_topology

if TYPE_CHECKING:
    import h5py


def repack(
    path: str | PathLike[str],
    out: str | PathLike[str],
    *,
    compression: int | None = None,
    overwrite: bool = False,
    show_progress: bool = True,
) -> None:
    """Write a cntgraph file of any version anew, in the newest form.

    Trajectories of files of before version 5 are then read many times as fast. All that was
    recorded is kept, bit by bit: parameters, labels, measures and summaries of neurons.

    Parameters
    ----------
    path : path-like
        The file, which stays as it is.
    out : path-like
        The new file; it is there when it is complete.
    compression : int, optional
        Level of gzip, 1 to 9; by default tensors are not compressed.
    overwrite : bool, default False
        Whether an existing file is replaced; never the one that is read.
    show_progress : bool, default True
        Whether to show a progress bar on a terminal.

    Raises
    ------
    FormatError
        If it is not a cntgraph file.
    StoreError
        If it is damaged or newer, or the new one exists or cannot be written.

    Examples
    --------
    >>> import tempfile, cntgraph as cg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cg.repack(cg.demo_file("training"), f"{folder}/training.h5")
    ...     with cg.open(f"{folder}/training.h5") as trajectory:
    ...         len(trajectory)
    16
    """
    source, target = Path(path), Path(out)
    check_free(target, [source], overwrite=overwrite, error=StoreError)
    store = StoreFile(source)
    try:
        with new_hdf5(target, overwrite=overwrite) as file:
            _write_heads(store, file, compression)
            moments = _moments(store, file, show_progress)
            write_snapshots(file, moments, n=n_together(store.topology), compression=compression)
    finally:
        store.close()


def _write_heads(store: StoreFile, file: h5py.File, compression: int | None) -> None:
    """Write what all snapshots share."""
    measures, neurons = store.measures, store.neurons
    has = {"measures": measures is not None, "neurons": neurons is not None}
    write_topology(file, store.topology, **has)
    begin_stack(file, store.described if store.has_parameters else None, compression=compression)
    if measures is not None:
        measures.copy_head(file)
    if neurons is not None:
        write_neurons_head(file, neurons.measures, neurons.layer_names)


def _moments(store: StoreFile, file: h5py.File, show_progress: bool) -> Iterator[Moment]:
    """Yield parameters and labels of each snapshot; what else it has is written meanwhile."""
    layers, measures, neurons = store.topology.layers, store.measures, store.neurons
    for k in progress(range(len(store)), "repack", show=show_progress):
        if measures is not None:
            measures.copy(k, file.require_group(f"snapshots/{k}"), len(layers))
        if neurons is not None:
            found = {name: neurons.summary(k, name, layers) for name in neurons.measures}
            write_neurons(file.require_group(f"snapshots/{k}"), found)
        parameters = store.parameters(k) if store.has_parameters else None
        yield parameters, check_labels(store.labels(k))
