"""OpenSinks: those that a user asked for, of which none may end a training."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from cntgraph.core.errors import (
    ArgumentError,
    CntGraphError,
    MissingExtraError,
    SinkWarning,
    UnknownNameError,
)
from cntgraph.training.sinks.logged_measures import LoggedMeasures
from cntgraph.training.sinks.mlflow import MLflowSink
from cntgraph.training.sinks.sink import Sink
from cntgraph.training.sinks.tensorboard import TensorBoardSink
from cntgraph.training.sinks.wandb import WandbSink

_Kind = type[TensorBoardSink] | type[WandbSink] | type[MLflowSink]
_KINDS: dict[str, _Kind] = {
    "tensorboard": TensorBoardSink,
    "wandb": WandbSink,
    "mlflow": MLflowSink,
}


class OpenSinks:
    """The sinks of a recorder.

    Parameters
    ----------
    given : iterable of str or object
        Names, and what a user has open already: a ``SummaryWriter``, a run of wandb or MLflow, a
        pair of an MLflow client and a run's id, or a `Sink`.
    path : Path
        The recorder's file.
    resume : bool
        Whether the training goes on in a file that is there already.

    Raises
    ------
    UnknownNameError, ArgumentError
        If there is no such sink; then none is opened.
    MissingExtraError
        If what a sink needs is not installed.
    CntGraphError
        If a tool refuses.
    """

    def __init__(self, given: Iterable[Any], path: Path, *, resume: bool) -> None:
        opened = [_opener(one, path, resume=resume) for one in _listed(given)]
        self._sinks: list[tuple[str, Sink]] = []
        for name, begin in opened:
            try:
                self._sinks.append((name, begin()))
            except Exception as error:
                self.close(failed=True)
                if isinstance(error, MissingExtraError):
                    raise
                raise CntGraphError(f"the sink {name} could not be begun, got: {error}") from error

    def __bool__(self) -> bool:
        return bool(self._sinks)

    def log_measures(self, measures: LoggedMeasures) -> None:
        """Show the measures of a snapshot in all of them."""
        for name, sink in self._sinks:
            kept = f"the measures of step {measures.step} are in the recorder's file only"
            with _failure_said(name, kept):
                sink.log_measures(measures)

    def close(self, *, failed: bool) -> None:
        """End what was begun here; a second time, there is nothing to end."""
        sinks, self._sinks = self._sinks, []
        for name, sink in sinks:
            with _failure_said(name, "it was not closed"):
                sink.close(failed=failed)


@contextmanager
def _failure_said(name: str, so: str) -> Iterator[None]:
    """Warn of what a sink raises, and go on: a full disk or a network down ends no training."""
    try:
        yield
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        warnings.warn(f"the sink {name} failed ({said}); {so}", SinkWarning, stacklevel=5)


def _listed(given: Any) -> list[Any]:
    """Return what was given as a list, also if it is only one."""
    return list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]


def _opener(given: Any, path: Path, *, resume: bool) -> tuple[str, Callable[[], Sink]]:
    """Return what a sink is called, and what opens it."""
    if isinstance(given, str):
        if given not in _KINDS:
            raise UnknownNameError(f"expected sinks of {', '.join(_KINDS)}, got {given!r}")
        return given, partial(_KINDS[given].begin, path, resume=resume)
    for name, kind in _KINDS.items():
        if (found := kind.around(given)) is not None:
            return name, lambda: found
    if isinstance(given, Sink) and not isinstance(given, type):
        return type(given).__name__, lambda: given
    raise ArgumentError(
        f"expected a sink: one of {', '.join(_KINDS)}; a SummaryWriter, a run of wandb or of "
        "MLflow, a pair (MlflowClient, run_id); or an object with the methods of "
        f"cntgraph.training.sinks.Sink; got {type(given).__name__}"
    )
