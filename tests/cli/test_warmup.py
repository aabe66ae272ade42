"""The warm-up leaves nothing to compile to what is usually called."""

import subprocess
import sys

import numpy as np
from oracles.nets import random_net

import cntgraph as cg

CODE = """
import sys
import numpy as np
import cntgraph as cg
from cntgraph.cli import app
from cntgraph.core.compiling import compiled_kernels
app(["warmup"], standalone_mode=False)
warm = compiled_kernels()
print(warm.n_compiled + warm.n_loaded, *warm.folders, sep="\\n")
for name in sys.argv[1:]:
    net = cg.load(name)
    cg.analyze(net, edges="all", boundary=1.0)
    for transform in ("signed", "absolute", "fourth", "count"):
        cg.node_strength(net, transform=transform)
    cg.layer_fluctuation(net), cg.link_weights(net, bias=True), cg.build_graph(net)
    cg.compare(net, net)
found = compiled_kernels()
print(found.n_compiled + found.n_loaded)
"""


def test_nothing_is_left_to_compile(tmp_path):
    cg.save(random_net(0), tmp_path / "net.h5")
    rng = np.random.default_rng(0)
    for dtype in (np.float16, np.float32, np.float64):
        weights = {"dense": rng.normal(size=(5, 300)), "conv": rng.normal(size=(4, 3, 3, 3))}
        np.savez(tmp_path / f"{dtype.__name__}.npz", **{k: dtype(w) for k, w in weights.items()})
    files = [cg.demo_file("training"), *tmp_path.iterdir()]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, files)], capture_output=True, text=True, check=True
    )
    said, kept, n_warm, *folders, n_found = done.stdout.splitlines()
    assert "kernels compiled" in said
    assert kept == "kept in " + ", ".join(folders)
    assert int(n_warm) == int(n_found) > 40
