"""What a format of weights owes: the numbers of its own library, and of a part no more than that.

A row is noted of each, for a table that is printed at the end of a run.
"""

import tracemalloc
from contextlib import contextmanager

import numpy as np

import cntgraph as cg
from cntgraph.adapters.weights.stored import StoredArray

TABLE = "table: formats of weights"
#: The rows that are read: where they begin, and how many.
FIRST, ROWS = 8, 4
#: Bytes that are read besides the share of the rows: small tables of scales, read as a whole.
BESIDES = 1100
#: Bytes of memory beyond those of the rows' values, in which they are unpacked.
UNPACKED = 150_000


def check_format(name, maker, source, expected, record_property, *, rounding=0.0):
    """Compare the weight of a file or a folder with what its library makes of it."""
    parameters = cg.load(source).parameters
    weight = parameters["fc.weight"] if len(parameters) > 1 else next(iter(parameters.values()))
    assert weight.shape == expected.shape
    with np.errstate(all="ignore"):
        apart = np.nanmax(np.abs(weight.read() - expected)) / np.nanmax(np.abs(expected))
    assert apart <= rounding

    n_rows, files = weight.shape[-2], [source, *source.glob("*")]
    size = sum(path.stat().st_size for path in files if path.is_file())
    read, peak = cost_of_rows(weight)
    assert 0 < read <= size * ROWS / n_rows + BESIDES
    assert peak <= 8 * weight.size * ROWS / n_rows + UNPACKED
    record_property(
        TABLE,
        f"{name}, written by {maker}: largest difference {apart:.0e}; for {ROWS} of {n_rows} rows "
        f"{read:,} of {size:,} bytes are read, {peak / 1000:.0f} kB of memory needed",
    )


def cost_of_rows(weight):
    """Return the bytes that are read for a few rows, of each matrix, and the memory, in bytes."""
    axis = len(weight.shape) - 2
    with _counted() as taken:
        tracemalloc.start()
        try:
            weight.read(axis, FIRST, FIRST + ROWS)
            return sum(taken), tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


@contextmanager
def _counted():
    """Note the bytes of every part that is read of a file."""
    taken, whole = [], StoredArray.__getitem__

    def counted(array, key):
        found = whole(array, key)
        taken.append(found.nbytes)
        return found

    StoredArray.__getitem__ = counted
    try:
        yield taken
    finally:
        StoredArray.__getitem__ = whole
