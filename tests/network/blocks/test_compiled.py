"""Kernels that are compiled now and kernels that are loaded from disk have the same bits."""

import os
import subprocess
import sys

CODE = """
import numpy as np, cntgraph as cg
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks.row_column_sums import row_column_sums
found = []
for k in range(40):
    rng = np.random.default_rng(k)
    for shape in [(5, 4), (700, 4), (60, 300), (6, 5, 3, 3)]:
        net = cg.load([rng.normal(size=shape).astype("f4")], description="separate")
        found.append(cg.analyze(net).select_dtypes("number").to_numpy().tobytes())
        found.append(cg.node_strength(net, transform="square").tobytes())
        if k == 0:
            found.append(cg.node_strength(cg.build_graph(net)).tobytes())
    weight = Recipe.of(cg.Parameter.from_array("w", rng.normal(size=(61, 300)).astype("f4")))
    folded = weight * Recipe.constant(rng.normal(size=(61, 1)))
    for statistics in (False, True):
        sums, tallied = row_column_sums(folded, ("signed",), statistics=statistics)
        found += [repr(tallied), *(side.tobytes() for side in sums["signed"])]
print(hash(tuple(found)))
"""


def test_the_cache_of_compiled_kernels_changes_no_bit(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-W", "ignore", "-c", CODE]
    first, second = (
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert first == second
    assert list(tmp_path.rglob("*.nbi")), "nothing was compiled"
