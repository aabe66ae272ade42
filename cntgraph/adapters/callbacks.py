"""Callbacks by which frameworks that train a model record it; what they have in common."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, Literal, Protocol, get_args

from cntgraph.core.errors import CntGraphError, require

Framework = Literal["lightning", "keras", "transformers"]
Per = Literal["step", "epoch"]

#: Where each framework's callback is, and the extra that brings what it needs of cntgraph.
_MODULES: dict[str, tuple[str, str]] = {
    "lightning": ("cntgraph.adapters.torch.lightning_callback", "torch"),
    "keras": ("cntgraph.adapters.keras.callback", "keras"),
    "transformers": ("cntgraph.adapters.torch.transformers_callback", "torch"),
}


class Records(Protocol):
    """What a callback calls: a `Recorder`."""

    every: int

    def __call__(
        self, step: int | None = None, epoch: float | None = None, **labels: Any
    ) -> int | None:
        """Record a snapshot with these labels."""


class Recording:
    """Says when it is time to record: after each so many steps or epochs.

    What a framework calls is in a subclass, which is a callback of the framework, too.

    Parameters
    ----------
    per : {"step", "epoch"}
        Of which each ``record.every``-th is recorded. Steps are those of the optimizer.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> recording = Recording(SimpleNamespace(every=3), "step")
    >>> [n for n in (1, 2, 3, 4, 7, 8) if recording.is_due("step", n)]  # 5 to 7 at once
    [3, 7]
    """

    def __init__(self, record: Records, per: Per) -> None:
        super().__init__()
        self.record, self.per, self._done = record, per, 0

    def begin(self, *, step: int, epoch: int) -> None:
        """Begin to count where a training is resumed: at what is done by then."""
        self._done = step if self.per == "step" else epoch

    def is_due(self, per: Per, done: int) -> bool:
        """Return whether a multiple of `every` was reached since the last call.

        Parameters
        ----------
        per : {"step", "epoch"}
            What has ended.
        done : int
            How many of them there are now.
        """
        if per != self.per:
            return False
        before, self._done = self._done, done
        return done // self.record.every > before // self.record.every


def callback_for(framework: Framework, record: Records, *, per: Per = "step") -> Any:
    """Return a callback of a framework that records.

    Parameters
    ----------
    framework : {"lightning", "keras", "transformers"}
    record : Recorder
    per : {"step", "epoch"}, default "step"

    Returns
    -------
    object

    Raises
    ------
    CntGraphError
        If there is no such callback.
    MissingExtraError
        If the framework is not installed.
    """
    if framework not in _MODULES:
        raise CntGraphError(
            f"expected the framework of a callback as one of {', '.join(_MODULES)}, got "
            f"{framework!r}; call the recorder itself in any other loop"
        )
    if per not in get_args(Per):
        raise CntGraphError(f"expected per to be 'step' or 'epoch', got {per!r}")
    module, extra = _MODULES[framework]
    needed_for = f"a callback for {framework}"
    return require(module, extra, needed_for=needed_for, package=framework).RecordCallback(
        record, per
    )


def plain_numbers(logs: Mapping[str, Any] | None) -> dict[str, float]:
    """Return what of a framework's logs can be the label of a snapshot: single numbers.

    Parameters
    ----------
    logs : mapping of str to anything, or None

    Returns
    -------
    dict of str to int, float or bool
        Without ``step`` and ``epoch``, which a recorder takes apart.

    Examples
    --------
    >>> import numpy as np
    >>> plain_numbers({"loss": np.float32(0.5), "epoch": 3, "name": "a", "grid": np.ones(2)})
    {'loss': 0.5}
    """
    found = {}
    for name, value in (logs or {}).items():
        if hasattr(value, "item") and prod(getattr(value, "shape", (0,))) == 1:
            value = value.item()
        if isinstance(value, int | float) and name and name not in ("step", "epoch"):
            found[str(name)] = value
    return found
