"""MLflow: measures as metrics of a run that is open or a new one, histograms as its artifacts."""

from __future__ import annotations

from pathlib import Path
from time import time
from typing import Any, Self

from cntgraph.core.errors import require
from cntgraph.training.sinks.logged_measures import GROUP, LoggedMeasures

#: As many metrics as MLflow takes at once.
_BATCH = 1000


class MLflowSink:
    """Shows measures in MLflow.

    Parameters
    ----------
    client : mlflow.MlflowClient or None
        By default one of the tracking server that is set.
    run_id : str
    own : bool
        Whether the run was begun here, and is to be ended.
    """

    def __init__(self, client: Any, run_id: str, *, own: bool) -> None:
        self._mlflow = _imported()
        self._client = self._mlflow.MlflowClient() if client is None else client
        self._run_id, self._own = run_id, own

    @classmethod
    def begin(cls, path: Path, *, resume: bool) -> Self:
        """Take the run that is active, or begin one as MLflow's own settings say."""
        active = _imported().active_run()
        run = _imported().start_run() if active is None else active
        return cls(None, run.info.run_id, own=active is None)

    @classmethod
    def around(cls, given: Any) -> Self | None:
        """Return a sink of a run, or of a client and the id of a run; None of something else."""
        if isinstance(run_id := getattr(getattr(given, "info", None), "run_id", None), str):
            return cls(None, run_id, own=False)
        match given:
            case (client, str() as run_id) if hasattr(client, "log_batch"):
                return cls(client, run_id, own=False)
        return None

    def log_measures(self, measures: LoggedMeasures) -> None:
        """Log a metric of each curve, and one file with the histograms."""
        epoch = {} if measures.epoch is None else {f"{GROUP}/epoch": measures.epoch}
        now, kind = int(1000 * time()), self._mlflow.entities.Metric
        metrics = [kind(name, value, now, measures.step)
                   for name, value in (measures.scalars | epoch).items()]  # fmt: skip
        for start in range(0, len(metrics), _BATCH):
            self._client.log_batch(self._run_id, metrics=metrics[start : start + _BATCH])
        found = {name: {"edges": own.edges.tolist(), "counts": own.counts.tolist()}
                 for name, own in measures.histograms.items()}  # fmt: skip
        place = f"{GROUP}/histograms/{measures.step:09}.json"
        self._client.log_dict(self._run_id, found, place)

    def close(self, *, failed: bool) -> None:
        """End the run, if it was begun here."""
        if not self._own:
            return
        status, active = "FAILED" if failed else "FINISHED", self._mlflow.active_run()
        if active is not None and active.info.run_id == self._run_id:
            self._mlflow.end_run(status)
        else:
            self._client.set_terminated(self._run_id, status)


def _imported() -> Any:
    return require("mlflow", "mlflow", needed_for="The sink 'mlflow'")
