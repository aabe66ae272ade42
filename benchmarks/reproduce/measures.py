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
from cntgraph.training.statistics.weight_statistics import weight_statistics


def measure(model: nn.Module, example: Tensor) -> dict[str, Any]:
    """Return a network's layers by `cntgraph.analyze`, weight statistics and alphas.

    Each layer's fluctuation is also kept as a multiple of what independent weights would give.
    """
    net = cg.load(model, example_input=example)
    table = cg.analyze(net)
    numbers = table.drop(columns=["kind", "shape", "activation", "strength_std"])
    numbers = numbers.assign(fluctuation_over_iid=cg.relative_fluctuation(net)).reset_index()
    finite = bool((table["status"] == "ok").all())
    return {
        "finite": finite,
        "layers": numbers.to_dict(orient="records"),
        "weight_statistics": weight_statistics(net).to_dict(),
        "weightwatcher": alphas(model) if finite else [],
    }


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
