"""WeightRows: the weights of many networks, a flat row for each."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters import weights as arrays
from cntgraph.adapters.weights import safetensors
from cntgraph.adapters.weights.hdf5_source import Source
from cntgraph.adapters.weights.hdf5_tensors import tensor_of, walk
from cntgraph.core.errors import CntGraphError, FormatError, require
from cntgraph.core.parameter import ArrayHandle, Parameter

RowsLike: TypeAlias = ArrayHandle | str | PathLike[str]

#: What reads the headers of a file's tensors.
_READERS = {
    ".npy": arrays.parameters, ".npz": arrays.parameters, ".safetensors": safetensors.parameters,
}  # fmt: skip


def open_rows(weights: RowsLike) -> Parameter:
    """Return weights of many networks, of which none is read.

    Parameters
    ----------
    weights : array-like or path-like
        A two-dimensional array, in memory or of a library that reads its slices (an HDF5 dataset,
        a zarr array); a file whose only matrix it is (``.npy``, ``.npz``, ``.h5``,
        ``.safetensors``); a ``.parquet`` file whose only column of lists it is.

    Returns
    -------
    Parameter
        Of shape (networks, values of a network).

    Raises
    ------
    CntGraphError
        If there is no such matrix, or it does not hold numbers.

    Examples
    --------
    >>> open_rows(np.zeros((3, 5), np.float32)).shape
    (3, 5)
    """
    if isinstance(weights, str | PathLike):
        return _of_file(Path(weights))
    shape, kind = getattr(weights, "shape", None), getattr(weights, "dtype", None)
    if shape is None or kind is None:
        raise CntGraphError(f"expected an array or a file of weights, got {weights!r}")
    found = Parameter("weights", tuple(shape), np.dtype(kind).name, _native(weights))
    return _checked(found, "the array")


def _native(array: Any) -> Any:
    """Return an array of NumPy in the machine's order of bytes; others see to that themselves."""
    if isinstance(array, np.ndarray) and not array.dtype.isnative:
        return array.astype(array.dtype.newbyteorder("="))
    return array


def _of_file(path: Path) -> Parameter:
    if not path.exists():
        raise FormatError(f"{path}: expected a file of weights, found nothing")
    if path.suffix == ".parquet":
        return _checked(_of_parquet(path), str(path))
    found = [p for p in _tensors(path) if len(p.shape) == 2]
    if len(found) != 1:
        names = ", ".join(p.name for p in found) or "none"
        raise FormatError(
            f"{path}: expected one matrix, a row for each network; found {names}; open the file "
            "and pass the array"
        )
    return found[0]


def _tensors(path: Path) -> Iterator[Parameter]:
    """Return the tensors of a file, without their values."""
    if path.suffix in (".h5", ".hdf5"):
        return _of_hdf5(path)
    if path.suffix not in _READERS:
        raise FormatError(
            f"{path}: expected a file of weights, {', '.join((*_READERS, '.h5', '.parquet'))}; "
            "open it and pass the array"
        )
    return iter(_READERS[path.suffix](path).values())


def _of_hdf5(path: Path) -> Iterator[Parameter]:
    source = Source.of(path)
    with source.open() as file:
        for name, dataset in walk(source, file):
            if getattr(dataset, "ndim", 0) == 2:  # no group
                found = tensor_of(source, name, dataset)
                yield Parameter(name, found.shape, found.dtype, found.data)


def _checked(rows: Parameter, what: str) -> Parameter:
    if len(rows.shape) != 2:
        raise CntGraphError(
            f"{what}: expected a matrix, a row for each network; got shape {rows.shape}"
        )
    return rows


def _of_parquet(path: Path) -> Parameter:
    parquet = require("pyarrow.parquet", "parquet", needed_for="Reading Parquet")
    arrow = require("pyarrow", "parquet", needed_for="Reading Parquet")
    try:
        file = parquet.ParquetFile(path)
    except (OSError, arrow.ArrowException) as error:
        raise FormatError(f"{path}: not a Parquet file, or a damaged one ({error})") from error
    lists = [f for f in file.schema_arrow if arrow.types.is_fixed_size_list(f.type)]
    if len(lists) != 1:
        raise FormatError(
            f"{path}: expected one column of lists of a fixed size, found {len(lists)} in "
            f"{file.schema_arrow.names}"
        )
    kind = np.dtype(lists[0].type.value_type.to_pandas_dtype())
    shape = (file.metadata.num_rows, lists[0].type.list_size)
    return Parameter("weights", shape, kind.name, _ParquetRows(path, lists[0].name, shape))


class _ParquetRows:
    """Rows of a column of lists, read group by group of rows as the file has them."""

    def __init__(self, path: Path, column: str, shape: tuple[int, int]) -> None:
        self.path, self.column, self.shape = path, column, shape

    def __getitem__(self, key: Any) -> NDArray[Any]:
        parquet = require("pyarrow.parquet", "parquet", needed_for="Reading Parquet")
        rows = key[0] if isinstance(key, tuple) and key else slice(None)
        start, stop, _ = rows.indices(self.shape[0])
        with parquet.ParquetFile(self.path) as file:
            sizes = [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
            ends = np.cumsum(sizes)
            first, last = np.searchsorted(ends, [start, stop - 1], side="right")
            groups = [*range(first, min(last, len(sizes) - 1) + 1)]
            values = file.read_row_groups(groups, columns=[self.column])[self.column]
        flat = np.concatenate([part.flatten().to_numpy() for part in values.chunks])
        before = int(ends[first]) - sizes[first]
        return flat.reshape(-1, self.shape[1])[start - before : stop - before]
