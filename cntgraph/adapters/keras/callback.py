"""Keras: a callback that records what ``fit`` trains."""

from __future__ import annotations

from typing import Any

import keras

from cntgraph.adapters.callbacks import Per, Recording, Records, plain_numbers


class RecordCallback(Recording, keras.callbacks.Callback):
    """Records a model while its ``fit`` trains it."""

    def __init__(self, record: Records, per: Per) -> None:
        super().__init__(record, per)
        self._epoch = self._before = self._batches = 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin to count where the optimizer stands."""
        steps = int(self.model.optimizer.iterations)
        self._before, self._batches = steps * self._accumulated, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember which epoch it is, and the batches of those before."""
        self._epoch = epoch
        self._before, self._batches = self._before + self._batches, 0
        self.begin(step=self._steps, epoch=epoch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Record if the optimizer has taken its step."""
        self._batches = batch + 1
        if self.is_due("step", self._steps):
            n_batches = self.params.get("steps")
            done = self._batches / n_batches if n_batches else 0.0
            self._record(self._epoch + done, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Record at the end of an epoch, its validation included."""
        if self.is_due("epoch", epoch + 1):
            self._record(epoch + 1, logs)

    @property
    def _accumulated(self) -> int:
        """Batches of one step of the optimizer."""
        # Not self.model: with JAX, that copies the weights back from the training at each batch.
        return self._model.optimizer.gradient_accumulation_steps or 1

    @property
    def _steps(self) -> int:
        return (self._before + self._batches) // self._accumulated

    def _record(self, epoch: float, logs: Any) -> None:
        _ = self.model  # with JAX, looking at it brings the weights back from the training
        self.record(step=self._steps, epoch=epoch, **plain_numbers(logs))
