"""Writing the stack: one dataset a parameter, to which each snapshot adds a row (see FORMAT.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import StoreError
from cntgraph.core.parameter import Parameter, storage_dtype
from cntgraph.store.parameter_key import parameter_key

if TYPE_CHECKING:
    import h5py

#: The parameters of a snapshot, None where only measures are kept; and its labels, as
#: `check_labels` returned them.
Moment = tuple[Mapping[str, Parameter] | None, Mapping[str, Any]]

#: The first format version that has stacks.
STACK_VERSION: Final = 5
#: Axes of a dataset, at most; one of them is that of snapshots.
_MOST_AXES: Final = 32
#: Bytes of the rows that lie together, about, and how many these are at most: little is taken
#: for snapshots yet to come, and many rows are read at once.
_CHUNK, _MOST_ROWS = 1 << 14, 64
#: Bytes of a chunk, at most: of one that is packed, and of others, which HDF5 limits to 4 GiB.
_MOST_PACKED, _MOST_PLAIN = 1 << 20, 1 << 30
#: Bytes of the labels that are made room for at a time.
_LABELS: Final = 1 << 12
#: Bytes of a tensor that is worth being packed.
WORTH_PACKING: Final = 512


def begin_stack(
    file: h5py.File, parameters: Mapping[str, Parameter] | None, *, compression: int | None = None
) -> None:
    """Let a file with a topology and without snapshots have its snapshots in a stack.

    Where a tensor has as many axes as HDF5 knows, snapshots stay groups.

    Parameters
    ----------
    file : h5py.File
    parameters : mapping of str to Parameter or None
        The network's, whose values do not count; None where only measures are kept.
    compression : int, optional
        Level of gzip.
    """
    known = parameters or {}
    if any(len(parameter.shape) >= _MOST_AXES for parameter in known.values()):
        return
    file.attrs["format_version"] = STACK_VERSION
    stack = file.create_group("stack")
    for name in ("n_snapshots", "n_label_bytes"):
        stack.attrs[name] = np.int64(0)
    stack.create_dataset("labels", (0,), np.uint8, chunks=(_LABELS,), maxshape=(None,))
    if parameters is None:
        return
    group = stack.create_group("parameters")
    for name, parameter in known.items():
        if parameter.size:
            _begin_rows(group, name, parameter, compression)


def _begin_rows(
    group: h5py.Group, name: str, parameter: Parameter, compression: int | None
) -> None:
    level = compression if parameter.nbytes > WORTH_PACKING else None
    group.create_dataset(
        parameter_key(name),
        (0, *parameter.shape),
        storage_dtype(parameter.dtype),
        chunks=_chunks(parameter, packed=level is not None),
        maxshape=(None, *parameter.shape),
        compression=level,
    )


def _chunks(parameter: Parameter, *, packed: bool) -> tuple[int, ...]:
    """Return the shape of a chunk: some rows, one, or a part of one that is large.

    A packed chunk is written anew whenever a row of it is, so it has one.
    """
    size, part = parameter.nbytes // parameter.size, [*parameter.shape]
    most = _MOST_PACKED if packed else _MOST_PLAIN
    for axis in range(len(part)):
        rest = prod(part[axis + 1 :]) * size
        part[axis] = max(1, min(part[axis], most // rest))
    rows = 1 if packed else max(1, min(_MOST_ROWS, _CHUNK // parameter.nbytes))
    return rows, *part


def append_to_stack(file: h5py.File, moments: Sequence[Moment]) -> int:
    """Write the labels and the tensors of some moments, and return the number of the first.

    Parameters
    ----------
    file : h5py.File
        A file with a stack.
    moments : sequence of Moment

    Returns
    -------
    int

    Raises
    ------
    StoreError
        If these are not the parameters that the stack has.
    """
    from h5py import h5d

    stack = file["stack"]
    number = int(stack.attrs["n_snapshots"])
    group = stack.get("parameters", {})
    for key, values in _rows(moments, {*group}, file.filename).items():
        _put(h5d.open(group.id, key.encode()), number, values)
    lines = "".join(
        json.dumps(labels, ensure_ascii=False, sort_keys=True) + "\n" for _, labels in moments
    )
    data = np.frombuffer(lines.encode(), np.uint8)
    start = int(stack.attrs["n_label_bytes"])
    _put(stack["labels"].id, start, data)
    # Last: before, nothing that was written is a snapshot.
    stack.attrs.modify("n_label_bytes", np.int64(start + len(data)))
    stack.attrs.modify("n_snapshots", np.int64(number + len(moments)))
    return number


def _rows(
    moments: Sequence[Moment], expected: set[str], filename: str
) -> dict[str, list[NDArray[Any]]]:
    """Return the tensors of each parameter that has values, by its key."""
    found: dict[str, list[NDArray[Any]]] = {key: [] for key in expected}
    for parameters, _ in moments:
        own = {parameter_key(n): p for n, p in (parameters or {}).items() if p.size}
        if own.keys() != expected:
            raise StoreError(
                f"{filename}: expected the parameters {sorted(expected)}, got {sorted(own)}; "
                "record another network into another file"
            )
        for key, parameter in own.items():
            found[key].append(parameter.raw())
    return found


def _put(dataset: h5py.h5d.DatasetID, start: int, values: Sequence[Any] | NDArray[Any]) -> None:
    """Write rows from a place on; there is room for whole chunks, which are there when read.

    On h5py's lower level: the upper one takes three times as long for a small row.
    """
    from h5py import h5i, h5s

    rows = np.ascontiguousarray(values)
    (n, *own), dtype, stop = dataset.shape, dataset.dtype, start + len(rows)
    if (rows.shape[1:], rows.dtype) != ((*own,), dtype):
        raise StoreError(
            f"{h5i.get_name(dataset).decode()}: expected {dtype} of shape {(*own,)}, got "
            f"{rows.dtype} of shape {rows.shape[1:]}; record another network into another file"
        )
    if n < stop:
        step = dataset.get_create_plist().get_chunk()[0]
        dataset.set_extent((-(-stop // step) * step, *own))
    place = dataset.get_space()
    place.select_hyperslab((start, *(0 for _ in own)), rows.shape)
    dataset.write(h5s.create_simple(rows.shape), place, rows)
