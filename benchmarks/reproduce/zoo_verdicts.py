"""The protocol's rules: what of scores and gains counts for a claim, and what against it."""

from __future__ import annotations

import numpy as np
import pandas as pd

GRAPH = ("b", "c", "d", "e")
EVERY, LAST, LATE = "all checkpoints", "600", ("100", "200", "400", "600")
LEVEL, LEAST_GAIN, LEAST_R2 = 0.05, 0.01, 0.1


def is_tested(row: pd.Series) -> bool:
    """Whether a gain is one of the sixteen that are tested."""
    added = row["set"] in {f"{row['over']} + {x}" for x in GRAPH}
    return added and row["over"] in ("a", "f") and row["stratum"] in (EVERY, LAST)


def verdicts(scores: pd.DataFrame, gains: pd.DataFrame) -> pd.DataFrame:
    """Return for, against or undecided: a row per claim, a column per measure."""
    r2 = scores.set_index(["stratum", "set"])
    by = gains.set_index(["stratum", "set", "over"])
    claims = {
        "it tells accuracy": _tells,
        "it is no mere clock": _no_clock,
        "it tells more than the initializer": _within_cells,
        "it tells more than weight statistics do": lambda r, g, x: _adds(g, x, "a"),
        "it tells more than hyperparameters do": lambda r, g, x: _adds(g, x, "f"),
        "statistics of weights are the better measure": lambda r, g, x: _weights_better(g, x),
    }
    found = {x: [rule(r2, by, x) for rule in claims.values()] for x in GRAPH}
    return pd.DataFrame(found, index=pd.Index(claims, name="claim"))


def _word(for_it: bool, against: bool) -> str:
    return "for" if for_it and not against else "against" if against else "undecided"


def _holds(row: pd.Series) -> bool:
    return bool(row["r2"] >= LEAST_R2 and row["r2_low"] > 0)


def _tells(scores: pd.DataFrame, gains: pd.DataFrame, x: str) -> str:
    if (LAST, x) not in scores.index:
        return "undecided"
    row = scores.loc[LAST, x]
    return _word(_holds(row), row["r2_high"] < LEAST_R2)


def _no_clock(scores: pd.DataFrame, gains: pd.DataFrame, x: str) -> str:
    holds = [_holds(scores.loc[late, x]) for late in LATE if (late, x) in scores.index]
    if not holds or (EVERY, x, "updates") not in gains.index:
        return "undecided"
    as_good = not gains.loc[(EVERY, x, "updates"), "gain_low"] > 0
    return _word(len(holds) == len(LATE) and all(holds), as_good or not any(holds))


def _within_cells(scores: pd.DataFrame, gains: pd.DataFrame, x: str) -> str:
    cells = [key for key in scores.index if key[1] == x and key[0].startswith("initializer")]
    holds = [_holds(scores.loc[key]) for key in cells]
    return _word(bool(holds) and np.mean(holds) > 0.5, bool(holds) and not any(holds))


def _adds(gains: pd.DataFrame, x: str, base: str) -> str:
    key = LAST, f"{base} + {x}", base
    if key not in gains.index:
        return "undecided"
    row = gains.loc[key]
    return _word(bool(row["counts"]), row["gain_high"] < LEAST_GAIN)


def _weights_better(gains: pd.DataFrame, x: str) -> str:
    if (LAST, "a", x) not in gains.index:
        return "undecided"
    row = gains.loc[LAST, "a", x]
    return _word(row["gain_low"] > 0, row["gain_high"] < 0)
