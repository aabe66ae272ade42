"""Spectra of weight matrices beside WeightWatcher's of the same trained network.

    python -m benchmarks --only spectra

A small network is trained on scikit-learn's digits until it has learned them by heart, so that its
spectra are not those of its initialization. WeightWatcher takes a convolution's kernel position by
position, as ``per="tap"`` does.
Needs pip install -e '.[test-all]' -r benchmarks/alternatives-requirements.txt.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from torch import nn

import cntgraph as cg
from benchmarks.timing import compare, markdown

TITLE = "Spectra of weight matrices beside WeightWatcher's"

#: What is compared, by our name and by theirs.
COLUMNS = {
    "stable_rank": "stable_rank", "alpha": "alpha", "ks_distance": "D", "n_tail": "num_pl_spikes",
    "xmin": "xmin", "n_spikes": "num_spikes", "n_traps": "num_traps",
}  # fmt: skip
WHY = """
What differs, and why. `xmin` of a convolution is twice theirs, who divide each eigenvalue of a
kernel by two before all else (`conv2d_norm`); exponents and ranks do not read a scale. The noise is
fitted in another way: they look for the deviation whose density is nearest to that of a smoothed
histogram, here it is what is left when the spikes are taken out; and their margin at the edge is
the root of the width of Tracy and Widom's distribution, here it is its 99 % quantile. Of fewer than
20 eigenvalues their exponents are corrected for bias, and have 8 in the tail at least; such fits
mean little either way.
"""


def tables(size: str) -> Iterator[str]:
    """Yield the numbers of both, why some differ, and the times."""
    model = trained_on_digits(epochs=100 if size == "full" else 20)
    net = cg.load(model, example_input=torch.zeros(1, 1, 8, 8))
    ours, start = cg.weight_spectra(net, per="tap"), perf_counter()
    theirs, seconds = weightwatcher(model), perf_counter() - start
    rows = []
    for (name, own), (_, other) in zip(ours.iterrows(), theirs.iterrows(), strict=True):
        shape = f"{own['n_rows']:.0f} × {own['n_columns']:.0f}" + (
            f", {own['n_matrices']:.0f} taps" if own["n_matrices"] > 1 else ""
        )
        both = (f"{own[a]:.4g} / {other[b]:.4g}" for a, b in COLUMNS.items())
        rows.append([str(name), shape, *both])
    yield markdown("Ours / WeightWatcher's", ["block", "matrices", *COLUMNS], rows)
    yield WHY
    (own,) = compare({"ours": lambda: cg.weight_spectra(net, per="tap")}).values()
    rows = [["cntgraph, weight_spectra", str(own), ""],
            ["WeightWatcher, once", f"{seconds:.1f} s", f"{seconds / own:,.0f}×"]]  # fmt: skip
    yield markdown("Time", ["", "time", "of ours"], rows)


def trained_on_digits(epochs: int) -> nn.Sequential:
    """Return a convolution and three dense layers that know the digits."""
    from sklearn.datasets import load_digits

    torch.manual_seed(0)
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images / 16.0, dtype=torch.float32).reshape(-1, 1, 8, 8)
    y = torch.tensor(labels)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1024, 512), nn.ReLU(), nn.Linear(512, 256),
        nn.ReLU(), nn.Linear(256, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[part]), y[part]).backward()
            optimizer.step()
    return model.eval()


def weightwatcher(model: nn.Module) -> pd.DataFrame:
    """Return WeightWatcher's table, with its fit of noise; it draws from NumPy's global state."""
    import weightwatcher

    logging.disable(logging.CRITICAL)
    np.random.seed(0)  # noqa: NPY002
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        return weightwatcher.WeightWatcher(model=model).analyze(
            mp_fit=True, randomize=True, min_evals=8
        )
