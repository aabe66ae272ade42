"""Tables of layers of many networks, written to a folder one after the other, as Parquet."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from cntgraph.core.errors import require
from cntgraph.core.new_folder import new_folder

if TYPE_CHECKING:
    import pandas as pd


def write_tables(tables: Iterable[pd.DataFrame], folder: Path, *, overwrite: bool) -> Path:
    """Write tables of the same columns, of which one is held at a time.

    Parameters
    ----------
    tables : iterable of pandas.DataFrame
    folder : Path
        A new folder, in which each becomes a file.
    overwrite : bool
        Whether what an earlier call wrote there is replaced.

    Returns
    -------
    Path
        The folder.
    """
    require("pyarrow", "parquet", needed_for="Writing Parquet")
    with new_folder(folder, overwrite=overwrite, own=_is_own, what="tables of layers") as made:
        for k, table in enumerate(tables):
            table.to_parquet(made / f"part-{k:06}.parquet", index=False)
    return folder


def _is_own(name: str) -> bool:
    return name.startswith("part-") and name.endswith(".parquet")
