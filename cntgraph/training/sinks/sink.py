"""Sink: what a Recorder needs of a tool that shows a training."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from cntgraph.training.sinks.logged_measures import LoggedMeasures


@runtime_checkable
class Sink(Protocol):
    """Shows the measures of snapshots; a `Recorder` takes any object that has both methods.

    Examples
    --------
    >>> import tempfile, torch, cntgraph as cg
    >>> class Printed:
    ...     def log_measures(self, measures):
    ...         print(measures.step, sorted(measures.scalars)[:2])
    ...
    ...     def close(self, *, failed):
    ...         print("failed" if failed else "finished")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = torch.nn.Linear(3, 2)
    ...     with cg.Recorder(
    ...         f"{folder}/run.h5", model, input_shape=(3,), sinks=[Printed()]
    ...     ) as record:
    ...         _ = record(step=10)
    10 ['cntgraph/fluctuation/input', 'cntgraph/fluctuation/linear']
    finished
    """

    def log_measures(self, measures: LoggedMeasures) -> None:
        """Show the measures of a snapshot, which the recorder's file has by now.

        What is raised here becomes a `SinkWarning`.
        """

    def close(self, *, failed: bool) -> None:
        """End what was begun: the recording has ended, by an exception if it `failed`."""
