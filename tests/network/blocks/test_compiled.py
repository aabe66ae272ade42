"""Kernels that are compiled now and kernels that are loaded from disk have the same bits."""

import os
import subprocess
import sys

CODE = """
import numpy as np, cntgraph as cg
found = []
for k in range(40):
    rng = np.random.default_rng(k)
    for shape in [(5, 4), (700, 4), (60, 300), (6, 5, 3, 3)]:
        net = cg.load([rng.normal(size=shape).astype("f4")], description="separate")
        found.append(cg.analyze(net).select_dtypes("number").to_numpy().tobytes())
        found.append(cg.node_strength(net, transform="square").tobytes())
        if k == 0:
            found.append(cg.node_strength(cg.build_graph(net)).tobytes())
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
