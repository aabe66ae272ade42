"""Numba's start: what is imported before the first kernel, without what no kernel needs."""

from __future__ import annotations

import sys


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
