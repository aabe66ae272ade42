"""Prediction: how well a network's accuracy is told from its features, cross-validated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cntgraph.core.errors import CntGraphError, require
from cntgraph.core.types import Values
from cntgraph.training.statistics.comparison import numbers_of
from cntgraph.training.statistics.features import COLUMNS, layer_features, which_network

if TYPE_CHECKING:
    import pandas as pd


#: The regularization among which a ridge regression chooses.
ALPHAS: Final = np.logspace(-3, 4, 15)
#: Networks in a leaf of a boosted tree, at least; scikit-learn's 20 leaves few splits to hundreds.
MIN_SAMPLES_LEAF: Final = 10


def predict_accuracy(
    table: pd.DataFrame,
    by: str = "accuracy",
    features: Sequence[str] | Mapping[str, Any] = ("strength", "fluctuation", "link_weights"),
    *,
    weights: pd.DataFrame | None = None,
    model: Any = "ridge",
    n_splits: int = 5,
    n_repeats: int = 5,
    rng: int | np.random.Generator = 0,
) -> pd.DataFrame:
    """Return how well each of several sets of features predicts the accuracy of networks.

    An R² near 1 predicts well, one of 0 no better than the mean of all; what a measure adds is what
    its set has above that of plain statistics.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per network and layer, as `Trajectory.analyze` and `Population.analyze` return it;
        or, without a column ``layer``, one row per network. Rows whose ``diverged`` is true, and
        those without a finite label, are left out.
    by : str, default "accuracy"
        The column to predict.
    features : sequence of str, or mapping of str
        Names of sets: ``"strength"``, ``"fluctuation"`` and ``"link_weights"`` (see
        `features.COLUMNS`), one feature per layer and column, and ``"weight_statistics"``. Or a
        mapping of names to sets of your own: columns of the table, or a DataFrame with a row
        a network, indexed as the networks are.
    weights : pandas.DataFrame, optional
        `weight_statistics` of the networks, a row each, for the set of that name.
    model : {"ridge", "gradient_boosting"} or estimator, default "ridge"
        Ridge regression (its strength chosen within the training part, by leave-one-out),
        scikit-learn's histogram gradient boosting, or any regressor of scikit-learn.
    n_splits : int, default 5
        In how many parts networks are split; each is predicted from the others.
    n_repeats : int, default 5
        How many times they are split anew. All sets see the same splits.
    rng : int or numpy.random.Generator, default 0
        What is random, or its seed.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``features``: ``r2`` and ``kendall`` (τ) of the predicted against the true
        label over all networks, their mean over the repeats; ``r2_std`` and ``kendall_std``,
        their deviation; ``n`` networks, ``n_features``. ``.attrs["n_diverged"]`` is the number
        of networks left out as diverged.

    Raises
    ------
    CntGraphError
        If a column is missing, networks have different layers, or there are too few.
    MissingExtraError
        If scikit-learn is not installed.

    Notes
    -----
    Features that are missing in all networks are left out. Elsewhere, within each training
    part, a value that is missing or infinite is replaced by its feature's median, then features
    are brought to mean 0 and deviation 1. ``r2`` compares with the mean of all labels: below 0,
    a prediction is worse than that. The deviation over repeats is that of the splits, not of
    drawing other networks.

    References
    ----------
    .. [1] T. Unterthiner, D. Keysers, S. Gelly, O. Bousquet, I. Tolstikhin, "Predicting Neural
       Network Accuracy from Weights", 2020, arXiv:2002.11448.

    Examples
    --------
    >>> import cntgraph as cg
    >>> with cg.open(cg.demo_file("population")) as population:
    ...     table = population.analyze()
    >>> found = predict_accuracy(table, features=["fluctuation"])
    >>> found[["n", "n_features"]]
                  n  n_features
    features
    fluctuation  64           6
    """
    import pandas as pd

    require("sklearn", "sklearn", needed_for="Predicting accuracy")
    networks, kept, n_diverged = _networks(table, by)
    labels = networks[by].to_numpy(np.float64)
    _check(labels, n_splits, n_repeats, by)
    seed = int(np.random.default_rng(rng).integers(2**31))
    rows = {}
    for name, matrix in _sets(kept, networks, features, weights).items():
        numbers = matrix.to_numpy(np.float64)
        scores = _scores(numbers, labels, model, n_splits, n_repeats, seed)
        rows[name] = {**scores, "n": labels.size, "n_features": numbers.shape[1]}
    found = pd.DataFrame.from_dict(rows, orient="index")
    found.index.name = "features"
    found.attrs["n_diverged"] = n_diverged
    return found


def _networks(table: pd.DataFrame, by: str) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Return one row per network, the rows of the table that are used, and how many diverged."""
    if by not in table.columns:
        raise CntGraphError(f"expected a column {by!r} in the table; it has {[*table.columns]}")
    gone, labeled = np.zeros(len(table), dtype=bool), np.isfinite(numbers_of(table[by], by))
    if "diverged" in table.columns:
        gone = table["diverged"].to_numpy(dtype=bool)
    if "layer" not in table.columns:
        kept = table[~gone & labeled]
        return kept, kept, int(gone.sum())
    which = which_network(table)
    kept = table[~gone & labeled]
    networks = kept.drop_duplicates(which).set_index(which)
    return networks, kept, len(table[gone].drop_duplicates(which))


def _sets(
    kept: pd.DataFrame,
    networks: pd.DataFrame,
    features: Sequence[str] | Mapping[str, Any],
    weights: pd.DataFrame | None,
) -> dict[str, pd.DataFrame]:
    """Return the features of each set, one row per network, in the order of the networks."""
    import pandas as pd

    named = features if isinstance(features, Mapping) else {x: _known(x, weights) for x in features}
    found = {}
    for name, given in named.items():
        if isinstance(given, pd.DataFrame):
            matrix = given
        elif "layer" in kept.columns:
            matrix = layer_features(kept, list(given))
        else:
            matrix = networks[list(given)]
        lost = networks.index.difference(matrix.index)
        if len(lost):
            raise CntGraphError(
                f"features {name!r}: expected one row per network; there is none for {lost[0]!r}"
            )
        matrix = matrix.loc[networks.index].replace([np.inf, -np.inf], np.nan)
        found[name] = matrix.dropna(axis="columns", how="all")
        if not found[name].shape[1]:
            raise CntGraphError(f"features {name!r}: no network has a value of any of them")
    return found


def _known(name: str, weights: pd.DataFrame | None) -> Any:
    if name == "weight_statistics" and weights is not None:
        return weights
    if name in COLUMNS:
        return COLUMNS[name]
    raise CntGraphError(
        f"expected features of {', '.join(COLUMNS)} or weight_statistics (which needs weights=), "
        f"or a mapping of names to features; got {name!r}"
    )


def _check(labels: Values, n_splits: int, n_repeats: int, by: str) -> None:
    if not 2 <= n_splits <= labels.size or n_repeats < 1:
        raise CntGraphError(
            f"expected n_splits from 2 to the number of networks, {labels.size}, and n_repeats "
            f"from 1; got {n_splits} and {n_repeats}"
        )
    if labels.min() == labels.max():
        raise CntGraphError(f"all {labels.size} networks have one {by}; there is nothing to tell")


def _scores(
    numbers: Values, labels: Values, model: Any, n_splits: int, n_repeats: int, seed: int
) -> dict[str, float]:
    from scipy.stats import kendalltau
    from sklearn.metrics import r2_score
    from sklearn.model_selection import KFold, cross_val_predict
    from threadpoolctl import threadpool_limits

    scores = []
    # Threads that wait for each other cost more than they bring to tables of this size.
    with threadpool_limits(1):
        for repeat in range(n_repeats):
            splits = KFold(n_splits, shuffle=True, random_state=(seed + repeat) % 2**32)
            told = cross_val_predict(_pipeline(model, seed), numbers, labels, cv=splits)
            scores.append((r2_score(labels, told), kendalltau(labels, told).statistic))
    (r2, kendall), (r2_std, kendall_std) = np.mean(scores, axis=0), np.std(scores, axis=0)
    return {"r2": r2, "r2_std": r2_std, "kendall": kendall, "kendall_std": kendall_std}


def _pipeline(model: Any, seed: int) -> Any:
    """Return what is fitted to a training part, and to nothing else."""
    from sklearn.base import clone
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if isinstance(model, str) and model == "ridge":
        regressor = RidgeCV(ALPHAS)
    elif isinstance(model, str) and model == "gradient_boosting":
        regressor = HistGradientBoostingRegressor(
            min_samples_leaf=MIN_SAMPLES_LEAF, random_state=seed
        )
    elif hasattr(model, "fit") and hasattr(model, "predict") and not isinstance(model, type):
        regressor = clone(model)
    else:
        raise CntGraphError(
            "expected a model of 'ridge' or 'gradient_boosting', or a regressor of scikit-learn; "
            f"got {model!r}"
        )
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    return make_pipeline(imputer, StandardScaler(), regressor)
