"""The parameters of several snapshots of a file, stacked."""

from __future__ import annotations

from collections.abc import Sequence

from cntgraph.core.errors import CntGraphError, StoreError
from cntgraph.network.stack import FEWEST_TOGETHER, Stacked, n_together
from cntgraph.store.reader import StoreFile
from cntgraph.store.snapshot_groups import SnapshotGroups


def are_stackable(store: StoreFile, n: int) -> bool:
    """Whether measures of n snapshots are computed, and are worth being computed together.

    Those of a few, or of large networks, which are read part by part, are computed one by one.
    """
    if n < FEWEST_TOGETHER or store.measures is not None or store.neurons is not None:
        return False
    net = store.topology
    return bool(net.parameters) and n_together(net) >= FEWEST_TOGETHER


def stacked_snapshots(store: StoreFile, numbers: Sequence[int]) -> Stacked:
    """Return the values of each parameter in several snapshots; what is damaged is named.

    Parameters
    ----------
    store : StoreFile
        In which parameters were recorded.
    numbers : sequence of int
        Which snapshots.

    Returns
    -------
    Stacked
    """
    if isinstance(store.snapshots, SnapshotGroups):
        return Stacked.read(store.topology.parameters, store.parameters, numbers)
    places, failed = list[int](), dict[int, str]()
    for place, number in enumerate(numbers):
        try:
            store.number(number)
            places.append(place)
        except StoreError as error:
            failed[place] = str(error)
    try:
        found = store.snapshots.rows([numbers[k] for k in places], store.described)
    except CntGraphError as error:  # all of them lie in the same datasets
        return Stacked({}, [], failed | dict.fromkeys(places, str(error)))
    return Stacked(found if places else {}, places, failed)
