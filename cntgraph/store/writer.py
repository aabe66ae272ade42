"""Writing cntgraph files: the topology once, and one snapshot after another."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import StoreError
from cntgraph.core.new_file import new_file
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import needs_version_3
from cntgraph.network.network import Network
from cntgraph.network.stack import n_together
from cntgraph.store.description import describe_coverage, describe_network, differences
from cntgraph.store.disk import Paths
from cntgraph.store.hdf5 import LIBVER
from cntgraph.store.journal import recover_locked
from cntgraph.store.labels import EachLabels, check_labels
from cntgraph.store.locks import WriterLock
from cntgraph.store.parameter_key import parameter_key
from cntgraph.store.schema import check_description
from cntgraph.store.stack_writer import (
    STACK_VERSION,
    WORTH_PACKING,
    Moment,
    append_to_stack,
    begin_stack,
)
from cntgraph.version import __version__

if TYPE_CHECKING:
    import h5py

#: What files of networks, and of explicit graphs, say that they are.
FORMAT, GRAPH_FORMAT = "cntgraph", "cntgraph graph"
#: The newest version; a file is written in the oldest that has what it needs.
FORMAT_VERSION = STACK_VERSION


def save(
    net: Network | Iterable[Network],
    path: str | PathLike[str],
    *,
    compression: int | None = None,
    overwrite: bool = False,
    **labels: Any,
) -> None:
    """Write a network, or the snapshots of one, to a new cntgraph file (HDF5).

    Parameters
    ----------
    net : Network or iterable of Network
        What is written; parameters keep the type they are stored in. Several networks, such as
        a part of a `Trajectory`, become snapshots and must share their topology.
    path : path-like
        The file.
    compression : int, optional
        Level of gzip, 1 to 9; by default tensors are not compressed.
    overwrite : bool, default False
        Whether an existing file is replaced.
    **labels : int, float, str or bool, or sequence of them
        What is known of it: ``step``, ``epoch``, ``accuracy``, …; added to ``net.labels``. Of
        several networks, a value for all, or a list with one for each.

    Raises
    ------
    StoreError
        If the file exists and `overwrite` is false, a label is of another type, a list of labels
        does not have one for each network, the snapshots are not of one network, or the file cannot
        be written.

    Examples
    --------
    >>> import tempfile, cntgraph as cg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cg.save(cg.toy("mlp"), f"{folder}/net.h5", accuracy=0.97)
    ...     cg.open(f"{folder}/net.h5").labels["accuracy"].tolist()
    [0.97]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cg.save([cg.toy("mlp")] * 2, f"{folder}/run.h5", epoch=[0, 1], seed=7)
    ...     cg.open(f"{folder}/run.h5").labels.to_dict("list")
    {'epoch': [0, 1], 'seed': [7, 7]}
    """
    target = Path(path)
    each = EachLabels(labels, alone=isinstance(net, Network))
    with new_hdf5(target, overwrite=overwrite) as file:
        networks = iter([net] if isinstance(net, Network) else net)
        ahead = [*islice(networks, 2)]
        if not ahead:
            raise StoreError(f"{target}: expected at least one network to save, got none")
        first = ahead[0]
        write_topology(file, first)
        if len(ahead) > 1:
            begin_stack(file, first.parameters, compression=compression)
        moments = _moments(chain(ahead, networks), first, each, target)
        write_snapshots(file, moments, n=n_together(first), compression=compression)


def _moments(
    networks: Iterable[Network], first: Network, each: EachLabels, target: Path
) -> Iterator[Moment]:
    """Yield what is written of each network, which must be like the first."""
    count = 0
    for count, net in enumerate(networks, 1):
        if net is not first and differences(first, net):
            raise StoreError(f"{target}: the snapshots are not of one network; save each alone")
        yield net.parameters, check_labels({**net.labels, **each.of(count - 1)})
    each.check(count)


@contextmanager
def new_hdf5(path: Path, *, overwrite: bool, alignment: int = 1) -> Iterator[h5py.File]:
    """Write a file under another name, and give it its own when it is complete; see `new_file`.

    Datasets begin at multiples of `alignment` bytes.
    """
    import h5py

    paths = Paths.of(path)
    if paths.journal.exists() and not overwrite:  # of a recording, whose file may be yet to come
        raise StoreError(f"{path} exists; pass overwrite=True to replace it")

    def put(temporary: Path, _: Path) -> None:
        _put_in_place(temporary, paths)

    with (
        new_file(paths.main, overwrite=overwrite, put=put, error=StoreError) as temporary,
        h5py.File(
            temporary,
            "w",
            libver=LIBVER,
            rdcc_nbytes=0,
            alignment_threshold=alignment,
            alignment_interval=alignment,
        ) as file,
    ):
        yield file


def _put_in_place(temporary: Path, paths: Paths) -> None:
    """Replace a file between two appends; a journal that stood beside it must not outlive it."""
    lock = WriterLock(paths)
    try:
        recover_locked(paths)
        os.replace(temporary, paths.main)
    finally:
        lock.release()


def write_topology(
    file: h5py.File, net: Network, *, measures: bool = False, neurons: bool = False
) -> None:
    """Write a network's description and coverage into an empty file.

    Parameters
    ----------
    file : h5py.File
    net : Network
    measures : bool, default False
        Whether the file will have measures of its layers, which readers of version 1 do not know.
    neurons : bool, default False
        Whether it will have summaries of its neurons, which those of version 3 do not know.
    """
    file.attrs["format"] = fixed_text(FORMAT)
    file.attrs["writer"] = fixed_text(f"cntgraph {__version__}")
    description, arrays = describe_network(net)
    recipes = (block[key] for block in description["blocks"] for key in ("weight", "bias"))
    newest = any(map(needs_version_3, recipes))
    oldest = 3 if newest else 2 if measures else 1
    file.attrs["format_version"] = 4 if neurons else oldest
    coverage = describe_coverage(net)
    check_description(description, coverage)  # a file that cannot be read again is not written
    file["network/description"] = fixed_text(json.dumps(description))
    for k, array in enumerate(arrays):
        file.create_dataset(f"network/arrays/{k}", data=array, compression=4)
    file["coverage"] = fixed_text(json.dumps(coverage))
    file.create_group("snapshots")


def write_snapshot(
    file: h5py.File,
    parameters: Mapping[str, Parameter] | None,
    labels: Mapping[str, Any],
    *,
    compression: int | None = None,
) -> int:
    """Write the labels and the tensors of one moment, and return its number.

    Into the stack of a file that has one, else as a group.

    Parameters
    ----------
    file : h5py.File
        A file with a topology.
    parameters : mapping of str to Parameter or None
        The tensors; None where only measures are kept.
    labels : mapping
        As `check_labels` returned them.
    compression : int, optional
        Level of gzip; a stack keeps that with which it was begun.

    Returns
    -------
    int
    """
    if "stack" in file:
        return append_to_stack(file, [(parameters, labels)])
    number = len(file["snapshots"])
    group = file.create_group(f"snapshots/{number}")
    for name, value in labels.items():
        group.attrs[name] = fixed_text(value) if isinstance(value, str) else value
    if parameters is None:
        return number
    tensors = group.create_group("parameters")
    for name, parameter in parameters.items():
        # Scalars cannot be compressed, and nothing is gained on the smallest tensors.
        level = compression if parameter.nbytes > WORTH_PACKING else None
        tensors.create_dataset(parameter_key(name), data=parameter.raw(), compression=level)
    return number


def write_snapshots(
    file: h5py.File, moments: Iterable[Moment], *, n: int, compression: int | None = None
) -> None:
    """Write any number of moments, n of them at a time where they become a stack.

    Parameters
    ----------
    file : h5py.File
        A file with a topology.
    moments : iterable of (mapping or None, mapping)
        Parameters and labels, as `write_snapshot` takes them.
    n : int
        How many are held at a time, at most.
    compression : int, optional
        Level of gzip.
    """
    rest = iter(moments)
    while some := [*islice(rest, n if "stack" in file else 1)]:
        if "stack" in file:
            append_to_stack(file, some)
        else:
            write_snapshot(file, *some[0], compression=compression)


def fixed_text(text: str) -> NDArray[Any]:
    """Return a text as HDF5 stores it in place, in UTF-8.

    Texts of variable length lie in a heap without a checksum, in which HDF5 can loop for ever
    where a bit is wrong; readers refuse them.

    Parameters
    ----------
    text : str

    Returns
    -------
    ndarray of bytes, shape ()
    """
    import h5py

    data = text.encode()
    return np.array(data, dtype=h5py.string_dtype("utf-8", max(len(data), 1)))
