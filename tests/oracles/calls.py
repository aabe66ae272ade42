"""What tests call on other processes, which find it here."""

import os
import signal
import threading
import time
from pathlib import Path

from cntgraph.core.parallel import n_threads


def late_first(k):
    """The first are ready last."""
    time.sleep(0.002 * max(0, 10 - k))
    return k * k


def inverse(k):
    return 1 / k


def where(_):
    """Who computes this, and on how many threads."""
    return os.getpid(), threading.get_ident(), n_threads()


def deadly(item):
    """Kill the own process where a path is given: once, if there is a file of that path."""
    k, path = item
    if path is not None:
        marker = Path(path)
        for_ever = marker.is_dir()
        if for_ever or marker.exists():
            if not for_ever:
                marker.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
    return k * k


def unless(source, path):
    """Kill the own process where the network of a file is measured."""
    if source.store.path == Path(path):
        os.kill(os.getpid(), signal.SIGKILL)
    return len(source.store.topology.layers)
