"""What is measured of many networks, put together in one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Values
from cntgraph.training.labels import free_name

if TYPE_CHECKING:
    import pandas as pd

    from cntgraph.training.statistics.smoothing import Bandwidth


def layer_frame(found: Iterable[tuple[int, pd.DataFrame]], labels: pd.DataFrame) -> pd.DataFrame:
    """Return the layers of every network, one below the other, after its number and labels.

    Parameters
    ----------
    found : iterable of (int, pandas.DataFrame)
        The number of a network, and one row per layer.
    labels : pandas.DataFrame
        One row per network.

    Returns
    -------
    pandas.DataFrame
    """
    import pandas as pd

    numbers, tables = [], []
    for number, table in found:
        numbers.append(number)
        tables.append(table)
    layers = pd.concat(tables, ignore_index=True)
    rows = np.repeat(np.array(numbers, np.int64), [len(table) for table in tables])
    return labeled(layers, rows, labels)


def labeled(
    layers: pd.DataFrame,
    rows: NDArray[np.int64],
    labels: pd.DataFrame,
    *,
    number: str = "network",
) -> pd.DataFrame:
    """Return a table of layers after the number and the labels of each one's network.

    Parameters
    ----------
    layers : pandas.DataFrame
    rows : ndarray of int64
        The number of the network of each of its rows.
    labels : pandas.DataFrame
        One row per network.
    number : str, default "network"
        What its number is called.

    Returns
    -------
    pandas.DataFrame
    """
    import pandas as pd

    taken = {number, "diverged", *layers.columns}
    about = labels.iloc[rows].reset_index(drop=True)
    about = about.rename(columns={name: free_name(name, taken) for name in about.columns})
    about.insert(0, number, rows)
    return pd.concat([about, layers], axis=1)


@dataclass(frozen=True)
class Pooled:
    """The values of one layer in many networks, put together by a label."""

    measure: str
    layer: str
    values: dict[Any, list[Values]]
    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, measure: str, layer: str, bins: pd.Series, found: Iterable[tuple[int, Values | None]]
    ) -> Pooled:
        """Put values together, None being those of a network that has no such layer.

        Parameters
        ----------
        measure, layer : str
        bins : pandas.Series
            Categorical: the bin of a network, by its number.
        found : iterable of (int, ndarray or None)

        Returns
        -------
        Pooled
        """
        values: dict[Any, list[Values]] = {name: [] for name in bins.cat.categories}
        n_without = 0
        for number, one in found:
            if one is None:
                n_without += 1
            else:
                values[bins[number]].append(one)
        return cls(measure, layer, values, {"n_without_layer": n_without})

    @property
    def n_networks(self) -> int:
        """Number of networks whose values these are."""
        return sum(map(len, self.values.values()))

    def samples(self) -> dict[Any, Values]:
        """Return all values of each bin."""
        return {name: np.concatenate([np.empty(0), *own]) for name, own in self.values.items()}


def density_frame(pooled: Pooled, *, bandwidth: Bandwidth, n_points: int) -> pd.DataFrame:
    """Return the density of every bin, on one grid, as `Population.densities` has it.

    Parameters
    ----------
    pooled : Pooled
    bandwidth, n_points
        As in `kernel_density`.

    Returns
    -------
    pandas.DataFrame
    """
    import pandas as pd

    from cntgraph.training.statistics.density import common_grid, kernel_density

    pools = pooled.samples()
    x = common_grid(pools.values(), n_points, bandwidth=bandwidth)
    parts = []
    for name, values in pools.items():
        nothing = np.full(len(x), np.nan)
        curve = (
            kernel_density(values, grid=x, bandwidth=bandwidth).values if values.size else nothing
        )
        about = {"n_networks": len(pooled.values[name]), "n_samples": values.size}
        parts.append(pd.DataFrame({**about, "x": x, "density": curve}))
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "bin", pd.Index(list(pools), tupleize_cols=False).repeat(len(x)))
    table.insert(3, "layer", pooled.layer)
    table.insert(4, "measure", pooled.measure)
    table.attrs.update(pooled.counts)
    return table
