"""The measures of a population as three small tables, which are what is committed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from cntgraph.training.statistics.diverged import diverged

RESULTS = Path(__file__).parent.parent / "results" / "reproduction"

#: Enough to tell ranks, and half the size of all digits.
FLOAT_FORMAT = "%.6g"

#: Eigenvalues a layer must have for its alpha to count in `ww_alpha_large`.
MANY_EIGENVALUES = 50

PARTS = ("networks", "layers", "weights")


@dataclass(frozen=True)
class Tables:
    """What is known of a population.

    `networks` is one row per network: hyperparameters, accuracy, loss, WeightWatcher's alphas.
    `layers` is one row per network and layer: the columns of `cntgraph.analyze`.
    `weights` is one row per network: the baseline's statistics of weights and biases.
    """

    networks: pd.DataFrame
    layers: pd.DataFrame
    weights: pd.DataFrame

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Self:
        """Make tables of what `populations.py` wrote."""
        found = sorted(rows, key=lambda row: row["index"])
        networks = pd.DataFrame([_network(row) for row in found])
        layers = [{"network": r["index"], **layer} for r in found for layer in r["layers"]]
        weights = [{"network": r["index"], **r["weight_statistics"]} for r in found]
        return cls(networks, pd.DataFrame(layers), pd.DataFrame(weights))

    @classmethod
    def read(cls, folder: Path, name: str) -> Self:
        """Read tables of a population."""
        parts = {}
        for part in PARTS:
            path = folder / f"{name}_{part}.csv.gz"
            parts[part] = pd.read_csv(path, float_precision="round_trip")
        return cls(**parts)

    def write(self, folder: Path, name: str) -> None:
        """Write them as compressed CSV; the same tables give the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            table: pd.DataFrame = getattr(self, part)
            table.to_csv(
                folder / f"{name}_{part}.csv.gz",
                index=False,
                float_format=FLOAT_FORMAT,
                compression={"method": "gzip", "compresslevel": 9, "mtime": 0},
            )

    def without_diverged(self) -> tuple[Self, int]:
        """Return the tables without the networks that diverged, and how many those are."""
        gone = diverged(self.layers.assign(kind="", shape=""))["network"]
        kept = [part[~part["network"].isin(gone)] for part in self._parts()]
        return type(self)(*(part.reset_index(drop=True) for part in kept)), len(gone)

    def labeled_layers(self) -> pd.DataFrame:
        """Return the layers with what is known of their networks."""
        return self.networks.merge(self.layers, on="network")

    def _parts(self) -> list[pd.DataFrame]:
        return [getattr(self, part) for part in PARTS]


def _network(row: Mapping[str, Any]) -> dict[str, Any]:
    plain = {k: v for k, v in row.items() if not isinstance(v, list | dict) and k != "index"}
    judged = [layer for layer in row["weightwatcher"] if layer["status"] == "success"]
    large = [layer for layer in judged if layer["num_evals"] >= MANY_EIGENVALUES]
    return {
        "network": row["index"],
        **plain,
        "ww_layers": len(judged),
        "ww_alpha": _mean(layer["alpha"] for layer in judged),
        "ww_alpha_weighted": _mean(layer["alpha_weighted"] for layer in judged),
        "ww_alpha_large": _mean(layer["alpha"] for layer in large),
        **{f"alpha_{layer['layer']}": layer["alpha"] for layer in judged},
    }


def _mean(values: Iterable[float]) -> float:
    found = np.array([*values], dtype=float)
    found = found[np.isfinite(found)]
    return float(found.mean()) if found.size else float("nan")
