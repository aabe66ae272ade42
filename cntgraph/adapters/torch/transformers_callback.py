"""Transformers: a callback that records what a Trainer trains."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from cntgraph.adapters.callbacks import Pace, Per, Records, plain_numbers


class RecordCallback(TrainerCallback):
    """Records a model while a ``transformers.Trainer`` trains it.

    Parameters
    ----------
    per : {"step", "epoch"}
        Of which each ``record.every``-th is recorded. Steps are those of the optimizer.

    Notes
    -----
    Its labels are the numbers that the Trainer has logged last.
    """

    def __init__(self, record: Records, per: Per) -> None:
        self.record, self.per = record, per
        self._pace = Pace(record.every)
        self._logs: dict[str, float] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Begin to count where a training is resumed."""
        done = state.global_step if self.per == "step" else round(state.epoch or 0)
        self._pace = Pace(self.record.every, done)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Remember what was logged."""
        self._logs |= plain_numbers(logs)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Record after a step of the optimizer."""
        if self.per == "step" and self._pace.is_due(state.global_step):
            self.record(step=state.global_step, epoch=state.epoch, **self._logs)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Record at the end of an epoch."""
        if self.per == "epoch" and self._pace.is_due(round(state.epoch)):
            self.record(step=state.global_step, epoch=state.epoch, **self._logs)
