"""Tables in HDF5: one dataset per column, to be read by anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cntgraph.store.parameter_key import parameter_key
from cntgraph.store.writer import new_hdf5

if TYPE_CHECKING:
    import pandas as pd


def write_columns(table: pd.DataFrame, path: Path, *, overwrite: bool = False) -> None:
    """Write a table to a new HDF5 file as ``/table/<column>``.

    Parameters
    ----------
    table : pandas.DataFrame
        Numbers and booleans are stored as they are, everything else as text. Columns are named
        like parameters in a cntgraph file: a ``/`` is written ``%2F``.
    path : Path
    overwrite : bool, default False
        Whether a file of that name is replaced.

    Raises
    ------
    CntGraphError
        If there is a file already, or it cannot be written.
    """
    with new_hdf5(path, overwrite=overwrite) as file:
        group = file.create_group("table", track_order=True)
        for name, column in table.items():
            plain = column.dtype.kind in "iufb"
            values = column.to_numpy() if plain else [str(value) for value in column]
            group.create_dataset(parameter_key(str(name)), data=values)
