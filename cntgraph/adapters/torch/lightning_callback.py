"""Lightning: a callback that records what a Trainer trains."""

from __future__ import annotations

import sys
from importlib import import_module
from math import isfinite
from typing import Any

from cntgraph.adapters.callbacks import Recording, plain_numbers

# The same under its two names, of which a Trainer knows its own only.
_of_old = "pytorch_lightning" in sys.modules and "lightning" not in sys.modules
Callback: Any = import_module("pytorch_lightning" if _of_old else "lightning.pytorch").Callback


class RecordCallback(Recording, Callback):
    """Records a model while a ``lightning.Trainer`` trains it."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to count where a training is resumed."""
        self.begin(step=trainer.global_step, epoch=trainer.current_epoch)

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record if the optimizer has taken its step."""
        if self.is_due("step", trainer.global_step):
            n_batches = trainer.num_training_batches
            done = (batch_idx + 1) / n_batches if isfinite(n_batches) and n_batches else 0.0
            self._record(trainer, trainer.current_epoch + done)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Record at the end of an epoch, its validation included."""
        epoch = trainer.current_epoch + 1
        if self.is_due("epoch", epoch):
            self._record(trainer, epoch)

    def _record(self, trainer: Any, epoch: float) -> None:
        metrics = plain_numbers(trainer.callback_metrics)
        self.record(step=trainer.global_step, epoch=epoch, **metrics)
