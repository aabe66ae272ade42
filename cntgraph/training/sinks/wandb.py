"""Weights & Biases: a row of measures for each snapshot, in a run that is open or a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from cntgraph.core.errors import require
from cntgraph.training.sinks.logged_measures import GROUP, LoggedMeasures

#: The axis of all curves: the steps that wandb counts itself are the rows of whoever logs.
_STEP = f"{GROUP}/step"


class WandbSink:
    """Shows measures in Weights & Biases.

    Parameters
    ----------
    run : wandb.Run
    own : bool
        Whether it was begun here, and is to be finished.
    """

    def __init__(self, run: Any, *, own: bool) -> None:
        self._wandb = require("wandb", "wandb", needed_for="The sink 'wandb'")
        self._run, self._own = run, own
        run.define_metric(_STEP, hidden=True)
        run.define_metric(f"{GROUP}/*", step_metric=_STEP)

    @classmethod
    def begin(cls, path: Path, *, resume: bool) -> Self:
        """Take the run that is open, or begin one as wandb's own settings say (``WANDB_…``)."""
        wandb = require("wandb", "wandb", needed_for="The sink 'wandb'")
        own = wandb.run is None
        return cls(wandb.init() if own else wandb.run, own=own)

    @classmethod
    def around(cls, given: Any) -> Self | None:
        """Return a sink around a run, or None if it is something else."""
        methods = ("define_metric", "log", "finish")
        return cls(given, own=False) if all(hasattr(given, name) for name in methods) else None

    def log_measures(self, measures: LoggedMeasures) -> None:
        """Log a row: the step, the curves' points, and the histograms."""
        row: dict[str, Any] = {_STEP: measures.step, **measures.scalars}
        if measures.epoch is not None:
            row[f"{GROUP}/epoch"] = measures.epoch
        kind = self._wandb.Histogram
        for name, histogram in measures.histograms.items():
            edges, counts = histogram.of_bins(kind.MAX_LENGTH)
            row[name] = kind(np_histogram=(counts, edges))
        self._run.log(row)

    def close(self, *, failed: bool) -> None:
        """Finish the run, if it was begun here."""
        if self._own:
            self._run.finish(exit_code=int(failed))
