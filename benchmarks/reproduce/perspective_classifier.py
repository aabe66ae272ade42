"""Do features of a network tell what it is? A forest's cross-validated accuracy."""

from __future__ import annotations

import numpy as np
import pandas as pd
from perspective_features import BASELINE, MEASURES
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

TARGETS = ("architecture", "depth", "activation", "dataset")
KIND = ["dataset", "architecture", "activation", "depth"]
FIVE = "all five"
N_FOLDS = 5

FOREST = RandomForestClassifier(n_estimators=200, random_state=0, n_jobs=1)


def sets() -> list[str]:
    """Return what is compared: every measure, the five together, and the baseline."""
    measures = [name for name in MEASURES if name != BASELINE]
    return [*measures, FIVE, BASELINE]


def columns(table: pd.DataFrame, name: str) -> list[str]:
    """Return the features of a measure, or those of all five."""
    measures = [x for x in MEASURES if x != BASELINE] if name == FIVE else [name]
    return [column for column in table.columns if column.partition("/")[0] in measures]


def predict(table: pd.DataFrame, *, unseen: bool = False) -> pd.DataFrame:
    """Return what is said of each network by a forest that was grown without it.

    Parameters
    ----------
    table : DataFrame
        A row per network, with its kind and its features.
    unseen : bool, default False
        Whether networks that differ in nothing but the seed are always in the same fold, so that
        the kind of network, this combination of the four targets, is unknown to the forest.

    Returns
    -------
    DataFrame
        A row per network, target and set of features: its kind, fold, what was said, and whether
        it is so.
    """
    groups = table.groupby(KIND).ngroup() if unseen else None
    found = []
    for target in TARGETS:
        y = table[target].astype(str)
        folds = (StratifiedGroupKFold if unseen else StratifiedKFold)(
            N_FOLDS, shuffle=True, random_state=0
        )
        for fold, (train, test) in enumerate(folds.split(table, y, groups)):
            for name in sets():
                x = np.nan_to_num(table[columns(table, name)].to_numpy(float))
                forest = clone(FOREST).fit(x[train], y.iloc[train])
                said = forest.predict(x[test])
                own = table.iloc[test][KIND].assign(target=target, set=name, fold=fold, said=said)
                found.append(own.assign(told=said == y.iloc[test]))
    return pd.concat(found, ignore_index=True)
