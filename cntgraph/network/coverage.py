"""CoverageEntry: what became of one parameter or operation of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["included", "folded", "skipped"]


@dataclass(frozen=True)
class CoverageEntry:
    """What became of one parameter or operation of the model.

    Parameters
    ----------
    name : str
        Name of the parameter or operation.
    kind : str
        ``"parameter"``, ``"buffer"`` or ``"operation"``.
    status : str
        ``"included"``, ``"folded"`` or ``"skipped"``.
    block : str, default ""
        The blocks it is included in or folded into, joined by a comma.
    reason : str, default ""
        Why it is skipped, or how it is folded.
    shape : tuple of int, default ()
        Shape of the parameter.
    dtype : str, default ""
        Stored type of the parameter.
    """

    name: str
    kind: str
    status: Status
    block: str = ""
    reason: str = ""
    shape: tuple[int, ...] = ()
    dtype: str = ""
