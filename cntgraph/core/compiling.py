"""Compiling: numba's start, without what no kernel needs, and which kernels it has compiled."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Number = TypeVar("Number", bound="np.generic")


class Compiled(NamedTuple):
    """What became of the kernels that this process has called.

    Parameters
    ----------
    n_compiled, n_loaded : int
        How many were compiled, and how many had been before: each once for every combination of
        types that it was called with.
    folders : tuple of Path
        Where they are kept for the next process.
    """

    n_compiled: int
    n_loaded: int
    folders: tuple[Path, ...]


def import_numba() -> None:
    """Import numba's implementation of NumPy without the linear algebra of scipy.

    Numba looks whether there is a BLAS by importing the whole of ``scipy.linalg``, which takes as
    long as all else of it. There is one, as scipy comes with cntgraph: that is noted instead, and
    what multiplies matrices in compiled code, which no kernel does, imports it when it is compiled.

    Examples
    --------
    >>> import_numba()
    >>> from numba.np import arraymath
    >>> arraymath._HAVE_BLAS
    True
    """
    from numba.np import linalg

    looks = getattr(linalg, "ensure_blas", None)
    if looks is None or "numba.np.arraymath" in sys.modules:
        return
    linalg.ensure_blas = lambda: None
    try:
        from numba.np import arraymath
    finally:
        linalg.ensure_blas = looks
    arraymath.ensure_blas = looks


def read_only(values: NDArray[Number]) -> NDArray[Number]:
    """Return an array as kernels take what they only read: a view that cannot be written to.

    Numba compiles a kernel for arrays that may be written to, and once more for those of frameworks
    and files, which often may not: so it is compiled once.

    Examples
    --------
    >>> import numpy as np
    >>> weights = np.ones(2)
    >>> read_only(weights).flags.writeable, weights.flags.writeable
    (False, True)
    """
    view = values.view()
    view.flags.writeable = False
    return view


def compiled_kernels() -> Compiled:
    """Return what numba has done about the kernels that have been called so far.

    Returns
    -------
    Compiled

    Examples
    --------
    >>> import cntgraph as cg
    >>> strength = cg.node_strength(cg.toy("mlp"))
    >>> found = compiled_kernels()
    >>> found.n_compiled + found.n_loaded > 0, len(found.folders)
    (True, 1)
    """
    from numba.core.dispatcher import Dispatcher

    modules = [m for name, m in sys.modules.items() if name.startswith("cntgraph.core.kernels.")]
    members = [kernel for module in modules for kernel in vars(module).values()]
    kernels = {id(kernel): kernel.stats for kernel in members if isinstance(kernel, Dispatcher)}
    used = [stats for stats in kernels.values() if stats.cache_hits or stats.cache_misses]
    return Compiled(
        sum(sum(stats.cache_misses.values()) for stats in used),
        sum(sum(stats.cache_hits.values()) for stats in used),
        tuple(sorted({Path(str(stats.cache_path)) for stats in used})),
    )
