"""Features: what a network's accuracy is predicted from, one row per network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from cntgraph.core.errors import CntGraphError

if TYPE_CHECKING:
    import pandas as pd

#: The sets that are made of columns of `analyze`, one feature per layer and column.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "strength": ("strength_mean", "in_strength_mean", "out_strength_mean"),
    "fluctuation": ("fluctuation",),
    "link_weights": tuple(
        f"link_weight_{name}" for name in ("mean", "std", "skew", "kurtosis", "min", "max")
    ),
}


def layer_features(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return columns of `analyze` as features: a row per network, a column per layer and measure.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per network and layer, as `Trajectory.analyze` and `Population.analyze` return it.
    columns : sequence of str
        Its columns.

    Returns
    -------
    pandas.DataFrame
        Columns ``<layer>/<measure>``, rows indexed by network (or snapshot, or both).

    Raises
    ------
    CntGraphError
        If a column is missing, or networks have different layers.

    Examples
    --------
    >>> import cntgraph as cg
    >>> with cg.open(cg.demo_file("training")) as training:
    ...     table = training[:2].analyze()
    >>> layer_features(table, ["fluctuation"]).columns[:2].tolist()
    ['input/fluctuation', 'conv1/fluctuation']
    """
    missing = [name for name in ("layer", *columns) if name not in table.columns]
    if missing:
        raise CntGraphError(f"expected columns {missing} in the table; it has {[*table.columns]}")
    networks = which_network(table)
    wide = table.set_index([*networks, "layer"])[list(columns)]
    if not wide.index.is_unique:
        raise CntGraphError(f"expected one row per network ({', '.join(networks)}) and layer")
    wide = wide.unstack("layer", sort=False)  # noqa: PD010
    sizes = table.groupby(networks, sort=False).size()
    layers = list(dict.fromkeys(table["layer"]))
    if (sizes != len(layers)).any():
        raise CntGraphError(
            f"expected networks of one architecture; of the layers {', '.join(map(str, layers))} "
            f"network {sizes[sizes != len(layers)].index[0]} has only some: predict within one "
            "architecture, or give features of your own"
        )
    wide.columns = [f"{layer}/{measure}" for measure, layer in wide.columns]
    return wide


def which_network(table: pd.DataFrame) -> list[str]:
    """Return the columns that tell networks apart: network, snapshot, or both.

    Raises
    ------
    CntGraphError
        If the table has neither.
    """
    found = [name for name in ("network", "snapshot") if name in table.columns]
    if not found:
        raise CntGraphError(
            f"expected a column 'network' or 'snapshot' in the table; it has {[*table.columns]}"
        )
    return found
