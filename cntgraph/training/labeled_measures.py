"""The measures of a trajectory as an array with named axes, for xarray."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.core.errors import require

if TYPE_CHECKING:
    import pandas as pd

_DIMENSIONS = ("snapshot", "layer", "measure")


def labeled_measures(table: pd.DataFrame, labels: pd.DataFrame) -> Any:
    """Return the numbers of a table of snapshots and layers (see `Trajectory.to_xarray`).

    Parameters
    ----------
    table : pandas.DataFrame
        What `Trajectory.analyze` returns: a row a snapshot and layer, all layers of each snapshot.
    labels : pandas.DataFrame
        A row a snapshot.
    """
    xarray = require("xarray", "xarray", needed_for="Measures with named axes")
    n_snapshots = len(labels)
    layers = [] if table.empty else list(dict.fromkeys(table["layer"]))
    given = {"snapshot", "layer", *labels.columns}
    names = [c for c in table if c not in given and table[c].dtype.kind in "biuf"]
    shape = n_snapshots, len(layers), len(names)
    values = np.asarray(table[names], dtype=np.float64).reshape(shape)
    coordinates: dict[str, Any] = {
        "snapshot": np.arange(n_snapshots), "layer": np.array(layers, dtype=object),
        "measure": np.array(names, dtype=object),
    }  # fmt: skip
    if layers:
        coordinates["kind"] = "layer", np.array(table["kind"][: len(layers)], dtype=object)
    for name in labels.columns:
        free = name if name not in coordinates else f"label_{name}"
        coordinates[free] = "snapshot", labels[name].to_numpy()
    return xarray.DataArray(values, coordinates, _DIMENSIONS)
