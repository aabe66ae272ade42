"""Along what a training is drawn: its steps, its epochs, or the numbers of its snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def training_axis(table: pd.DataFrame) -> str:
    """Return the column that tells snapshots apart, the same in all pictures of a training.

    Parameters
    ----------
    table : pandas.DataFrame
        Any rows of snapshots: ``snapshot``, and ``step`` and ``epoch`` if they are known.

    Returns
    -------
    str
        ``step`` or ``epoch``, the first that every snapshot has, each its own; else ``snapshot``.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"snapshot": [0, 0, 1, 1], "step": [5] * 4, "epoch": [0, 0, 1, 1]})
    >>> training_axis(table), training_axis(table[["snapshot"]])
    ('epoch', 'snapshot')
    """
    told = "snapshot" in table.columns
    each = table.drop_duplicates("snapshot") if told else table
    for name in ("step", "epoch"):
        if name in each.columns and each[name].notna().all() and (each[name].is_unique or not told):
            return name
    return "snapshot"
