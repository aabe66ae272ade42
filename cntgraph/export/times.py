"""When the snapshots of a network were taken, as a file says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple

import numpy as np

from cntgraph.core.errors import CntGraphError
from cntgraph.export.numbers import number_texts

#: ``"auto"``, ``"index"``, or the name of a label.
Time = Literal["auto", "step", "epoch", "index"] | str


class Times(NamedTuple):
    """The time of every snapshot.

    Attributes
    ----------
    kind : {"integer", "double"}
        GEXF's time format.
    texts : list of str
        Ascending.
    """

    kind: Literal["integer", "double"]
    texts: list[str]


def snapshot_times(labels: Sequence[Mapping[str, Any]], time: Time = "auto") -> Times:
    """Return when snapshots were taken.

    Parameters
    ----------
    labels : sequence of mapping
        What is known of each snapshot.
    time : {"auto", "step", "epoch", "index"} or str, default "auto"
        The label that is the time; ``"index"`` counts snapshots; ``"auto"`` is the step if all
        have one and it ascends, else the index.

    Returns
    -------
    Times

    Raises
    ------
    CntGraphError
        If a snapshot has no such label, or it is no number or does not ascend.

    Examples
    --------
    >>> snapshot_times([{"epoch": 0.5}, {"epoch": 1.0}], "epoch")
    Times(kind='double', texts=['0.5', '1.0'])
    >>> snapshot_times([{"epoch": 0.5}, {"epoch": 1.0}]).texts
    ['0', '1']
    """
    if time == "auto":
        time = "step" if _ascend([one.get("step") for one in labels]) else "index"
    if time == "index":
        return Times("integer", [str(k) for k in range(len(labels))])
    values = [one.get(time) for one in labels]
    if not _ascend(values):
        names = sorted({name for one in labels for name in one})
        raise CntGraphError(
            f"expected time to be a label that is a number and ascends from snapshot to snapshot; "
            f"{time!r} is {_short(values)}. Pass 'index', or another of {', '.join(names)}"
        )
    whole = [int(value) for value in values if isinstance(value, Integral)]
    if len(whole) == len(values):
        return Times("integer", [str(value) for value in whole])
    return Times("double", number_texts(np.array(values, dtype=np.float64)))


def _ascend(values: Sequence[Any]) -> bool:
    numbers = all(isinstance(v, Real) and not isinstance(v, bool | np.bool_) for v in values)
    return numbers and all(np.isfinite(values)) and bool((np.diff(values) > 0).all())


def _short(values: Sequence[Any]) -> str:
    shown = ", ".join(str(value) for value in values[:5])
    return shown + (", …" if len(values) > 5 else "")
