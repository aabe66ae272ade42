"""What is kept of a trained network: its measures, not its weights."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor, nn

import cntgraph as cg

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def measure(model: nn.Module, example: Tensor) -> dict[str, Any]:
    """Return a network's layers by `cntgraph.analyze`, weight statistics and alphas."""
    table = cg.analyze(cg.load(model, example_input=example))
    numbers = table.drop(columns=["kind", "shape", "activation", "strength_std"]).reset_index()
    finite = bool((table["status"] == "ok").all())
    return {
        "finite": finite,
        "layers": numbers.to_dict(orient="records"),
        "weight_statistics": weight_statistics(model),
        "weightwatcher": alphas(model) if finite else [],
    }


def weight_statistics(model: nn.Module) -> dict[str, float]:
    """Return mean, variance and quantiles of every weight and bias.

    The features of Unterthiner et al., "Predicting Neural Network Accuracy from Weights", 2020.
    """
    found = {}
    for name, value in model.named_parameters():
        values = value.detach().numpy().astype(np.float64).reshape(-1)
        with np.errstate(invalid="ignore", over="ignore"):
            found[f"{name}:mean"], found[f"{name}:var"] = float(values.mean()), float(values.var())
            for q, level in zip(QUANTILES, np.quantile(values, QUANTILES), strict=True):
                found[f"{name}:q{round(100 * q)}"] = float(level)
    return found


def alphas(model: nn.Module) -> list[dict[str, Any]]:
    """Return WeightWatcher's power-law exponent of each layer that it can judge.

    At its own default a layer needs 8 eigenvalues; the fit of so few means little, so how many
    there were is kept beside it.
    """
    with _silence():
        import weightwatcher

        table: pd.DataFrame = weightwatcher.WeightWatcher(model=model).analyze(min_evals=8)
    columns = ["longname", "num_evals", "alpha", "alpha_weighted", "status"]
    rows = table.reindex(columns=columns).rename(columns={"longname": "layer"})
    return rows.to_dict(orient="records")


@contextlib.contextmanager
def _silence() -> Any:
    """Keep quiet what WeightWatcher says by print, logging and warnings."""
    logging.disable(logging.CRITICAL)
    quiet = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(quiet):
            warnings.simplefilter("ignore")
            with np.errstate(all="ignore"):
                yield
    finally:
        logging.disable(logging.NOTSET)
