"""Which measures are compared, and a population's features as a column each."""

from __future__ import annotations

import numpy as np
import pandas as pd
from tables import Tables

#: The columns of `cntgraph.analyze` that are compared, by what the papers call them.
FAMILIES = {
    "link weights": tuple(
        f"link_weight_{name}" for name in ("mean", "std", "skew", "kurtosis", "min", "max")
    ),
    "strength": ("strength_mean", "in_strength_mean", "out_strength_mean"),
    "fluctuation": ("fluctuation",),
    "fluctuation over i.i.d.": ("fluctuation_over_iid",),
}
MEASURES = tuple(name for family in FAMILIES.values() for name in family)


def with_iid(layers: pd.DataFrame) -> pd.DataFrame:
    """Add each layer's fluctuation as a multiple of what independent weights would give.

    That is `cntgraph.relative_fluctuation`, which `measures.py` keeps. The tables of populations
    that were trained before it did have what follows from their columns: between dense blocks in
    a chain √(σ_in² n_in + σ_out² n_out), which is the same but for biases and a factor
    √(1 - 1/N) of all networks; else NaN.
    """
    if "fluctuation_over_iid" in layers:
        return layers
    dense = (layers["n_edges"] == layers["n_weights"]).astype(float)
    fan_in = layers["n_weights"] / layers["n_nodes"]
    into = (fan_in * layers["link_weight_std"] ** 2).fillna(0)
    following = layers.assign(dense=dense).groupby("network")[
        ["n_nodes", "link_weight_std", "dense"]
    ]
    after = following.shift(-1)
    out = (after["n_nodes"] * after["link_weight_std"] ** 2).fillna(0)
    ratio = layers["fluctuation"] / np.sqrt(into + out)
    known = (dense > 0) & (after["dense"].fillna(1) > 0)
    # A recurrent layer leads to itself, too.
    loops = layers["layer"].str.startswith("rnn").groupby(layers["network"]).transform("any")
    return layers.assign(fluctuation_over_iid=ratio.where(known & ~loops))


def wide(layers: pd.DataFrame) -> pd.DataFrame:
    """Return one row per network, one column per layer and measure; constant ones are left out."""
    table = layers.pivot_table(list(MEASURES), "network", "layer", dropna=False, sort=False)
    table.columns = table.columns.swaplevel()
    varies = table.max() > table.min()
    return table.loc[:, table.notna().all() & varies].sort_index()


def columns_of(table: pd.DataFrame, family: str) -> list[tuple[str, str]]:
    """Return the columns of a family."""
    return [name for name in table.columns if name[1] in FAMILIES[family]]


def feature_sets(tables: Tables) -> dict[str, pd.DataFrame]:
    """Return the features from which accuracy is predicted, one row per network."""
    networks, measured = tables.networks.set_index("network").sort_index(), wide(tables.layers)
    alphas = networks.filter(regex="^(ww_alpha|alpha_)")
    recipe = pd.get_dummies(networks[["init", "scale", "optimizer"]].astype(str), dtype=float)
    cells = pd.get_dummies(networks["init"] + " " + networks["scale"].astype(str), dtype=float)
    updates = np.log10(networks[["updates"]])
    known = pd.concat([recipe, cells, updates], axis=1)
    sets = {name: measured[columns_of(measured, name)] for name in FAMILIES}
    sets["strength and fluctuation"] = pd.concat([sets["strength"], sets["fluctuation"]], axis=1)
    sets["weight statistics (baseline)"] = tables.weights.set_index("network").sort_index()
    sets["WeightWatcher alpha"] = alphas.loc[:, alphas.notna().any()]
    sets["initializer and scale alone"] = cells
    sets["updates alone"] = updates
    sets["hyperparameters"] = known
    for name in ("link weights", "fluctuation"):
        sets[f"hyperparameters and {name}"] = pd.concat([known, sets[name]], axis=1)
    return {name: _flat(features) for name, features in sets.items() if features.shape[1]}


def _flat(features: pd.DataFrame) -> pd.DataFrame:
    """Return features with plain names, in a scale on which far outliers do not rule."""
    names = ["/".join(c) if isinstance(c, tuple) else str(c) for c in features.columns]
    values = np.arcsinh(features.to_numpy(dtype=float) * 10)
    return pd.DataFrame(values, index=features.index, columns=names)
