"""Which of several processes that train one model this is."""

from __future__ import annotations

import os
import sys


def is_first_process() -> bool:
    """Return whether this process is the one that writes: rank 0, or the only one.

    The rank is that of ``torch.distributed`` if it is initialized, and else that of the
    environment variable ``RANK``, which launchers such as torchrun set. PyTorch is not imported.

    Examples
    --------
    >>> is_first_process()
    True
    """
    torch = sys.modules.get("torch")
    distributed = getattr(torch, "distributed", None)
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return bool(distributed.get_rank() == 0)
    rank = os.environ.get("RANK", "")
    return not rank.isdecimal() or int(rank) == 0
