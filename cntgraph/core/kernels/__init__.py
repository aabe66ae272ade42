"""Compiled loops (numba), and nothing else: raw arrays in, raw arrays out.

Kernels check nothing; blocks and measures do. They are compiled on first use and cached on
disk, hold no global state and release the GIL: `cntgraph.core.parallel` runs them on several
chunks at once. Every accumulation is float64. Import a kernel inside the function that calls
it, so that importing cntgraph does not import numba.
"""

from cntgraph.core.compiling import import_numba

import_numba()
