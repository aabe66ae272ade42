"""Transformers: a callback that records what a Trainer trains."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from cntgraph.adapters.callbacks import Per, Recording, Records, plain_numbers


class RecordCallback(Recording, TrainerCallback):
    """Records a model while a ``transformers.Trainer`` trains it.

    Its labels are the numbers that the Trainer has logged last.
    """

    def __init__(self, record: Records, per: Per) -> None:
        super().__init__(record, per)
        self._logs: dict[str, float] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Begin to count where a training is resumed."""
        self.begin(step=state.global_step, epoch=round(state.epoch or 0))

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Remember what was logged."""
        self._logs |= plain_numbers(logs)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Record after a step of the optimizer."""
        if self.is_due("step", state.global_step):
            self.record(step=state.global_step, epoch=state.epoch, **self._logs)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Record at the end of an epoch."""
        if self.is_due("epoch", round(state.epoch)):
            self.record(step=state.global_step, epoch=state.epoch, **self._logs)
