"""What a profile estimates beside what the measures take: how far the estimates can be trusted.

    python -m benchmarks --only profile_estimates

Networks of random weights, from the demo's small CNN to some hundred thousand unrolled edges; each
measure is taken twice, and the second counts (the first loads compiled code).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

import cntgraph as cg
from benchmarks.timing import markdown


def mlp(*sizes: int) -> cg.Network:
    """Return a fully connected network."""
    rng = np.random.default_rng(0)
    shapes = zip(sizes[1:], sizes[:-1], strict=True)
    return cg.load([rng.normal(size=(n_in, n_out)) for n_out, n_in in shapes])


def lenet() -> cg.Network:
    """Return a LeNet-5 for images of 28 × 28."""
    rng = np.random.default_rng(0)
    shapes = [(5, 5, 1, 6), (5, 5, 6, 16), (256, 120), (120, 84), (84, 10)]  # as Keras has them
    pool = {"kind": "conv", "pool": {"size": 2}}
    return cg.load(
        [rng.normal(size=shape) for shape in shapes],
        description=[pool, pool, "dense", "dense", "dense"],
        input_shape=(1, 28, 28),
    )


def networks() -> dict[str, cg.Network]:
    """Return what is measured, by name."""
    trained = cg.open(cg.demo_file("training"))[-1]
    return {"the demo's CNN": trained, "MLP 784–300–100–10": mlp(784, 300, 100, 10),
            "LeNet-5": lenet()}  # fmt: skip


def held(net: cg.Network, budget: float) -> pd.DataFrame:
    """Return estimate and time of every measure, one row per measure."""
    cg.cnt_profile(net, sign="absolute", budget=budget)
    table = cg.cnt_profile(net, sign="absolute", budget=budget)
    return table.drop_duplicates("measure").set_index("measure")


TITLE = "Estimates of a profile"
#: Seconds beyond which a measure is left out.
BUDGET = 60.0


def tables(size: str) -> Iterator[str]:
    """Yield the table of each network."""
    for name, net in networks().items():
        rows = [
            [measure, row.complexity, f"{row.estimate:.3g}", f"{row.seconds:.3g}",
             f"{row.seconds / row.estimate:.2g}", row.status]
            for measure, row in held(net, BUDGET).iterrows()
        ]  # fmt: skip
        title = f"{name}: {net.n_nodes:,} nodes, {net.n_edges:,} edges"
        header = ["measure", "complexity", "estimate, s", "taken, s", "taken / estimate", "status"]
        yield markdown(title, header, rows)
