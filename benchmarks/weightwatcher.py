"""Weight matrices beside WeightWatcher: the same trained networks, number by number.

    python -m benchmarks --only weightwatcher

A convolutional network is trained on scikit-learn's digits until it has learned them by heart, and
a GPT-2 of two layers on the characters of the license, so that their spectra are not those of their
initialization. Norms are kept apart (``norm="keep"``), as WeightWatcher reads weights as they are
stored, and convolutions are taken position by position (``per="tap"``).
Needs pip install -e '.[test-all]' -r benchmarks/alternatives-requirements.txt.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from torch import nn

import cntgraph as cg
from benchmarks.timing import compare, markdown

TITLE = "Weight matrices beside WeightWatcher's"

LICENSE = Path(__file__).parents[1] / "LICENSE"
#: Characters that the GPT-2 sees at once.
CONTEXT = 64

#: What is compared: what it is called in the table, how it is had of ours, and their column.
COLUMNS = {
    "α": (lambda own: own["alpha"], "alpha"),
    "xmin": (lambda own: own["xmin"], "xmin"),
    "KS distance": (lambda own: own["ks_distance"], "D"),
    "in the tail": (lambda own: own["n_tail"], "num_pl_spikes"),
    "stable rank": (lambda own: own["stable_rank"], "stable_rank"),
    "λ max": (lambda own: own["spectral_norm"] ** 2, "spectral_norm"),
    "log₁₀ Σ λ": (lambda own: 2 * np.log10(own["frobenius_norm"]), "log_norm"),
    "α log₁₀ λ max": (
        lambda own: own["alpha"] * 2 * np.log10(own["spectral_norm"]), "alpha_weighted",
    ),
    "edge of the noise": (lambda own: own["edge"], "bulk_max"),
    "spikes": (lambda own: own["n_spikes"], "num_spikes"),
    "traps": (lambda own: own["n_traps"], "num_traps"),
}  # fmt: skip
WHY = """
What differs, and why.

* **Convolutions**: WeightWatcher divides each eigenvalue of a kernel by two before all else
  (`conv2d_norm`), so `xmin`, `λ max`, `Σ λ` and the edge are half of ours; α and ranks do not read
  a scale. It takes a kernel tap by tap; the default here is the whole kernel as one matrix.
* **Few eigenvalues**: below 20, their exponents are corrected for bias, and have 8 in the tail at
  least; such fits mean little either way.
* **The noise**, and with it its edge and the spikes: they look for the deviation whose density is
  nearest to that of a smoothed histogram; here it is what is left when the spikes are taken out, so
  it is smaller where there are many, and the edge lies lower. Their margin at the edge is the root
  of the width of Tracy and Widom's distribution, here it is its 99 % quantile.
* **Traps**: both shuffle the weights once, in different orders.
* **Which layers**: theirs are modules, ours blocks of the graph. Position embeddings (`wpe`) are
  added to values and connect no nodes, so they are no block here. Without `norm="keep"`, the gain
  of a norm is folded into what it feeds, and then `c_attn`, `c_fc` and `lm_head` are measured as
  they act, not as they are stored.
* `spectral_norm` and `norm` are λ max and Σ λ there, their roots here (`spectral_norm`,
  `frobenius_norm`). `log_alpha_norm`, the entropy and the soft ranks are theirs only.
"""


def tables(size: str) -> Iterator[str]:
    """Yield the numbers of both for each network, why some differ, and the times."""
    digits = torch.zeros(1, 1, 8, 8)
    yield from side_by_side("A convolutional network", trained_on_digits(20), digits)
    tokens = torch.zeros(1, CONTEXT, dtype=torch.int64)
    gpt2 = trained_on_license(250)
    yield from side_by_side("GPT-2 of two layers", gpt2, tokens)
    yield WHY
    yield times(gpt2, tokens)


def side_by_side(title: str, model: nn.Module, example: torch.Tensor) -> Iterator[str]:
    """Yield the table of a network, and how far exponents and ranks are apart."""
    ours = cg.weight_spectra(cg.load(model, example_input=example, norm="keep"), per="tap")
    theirs = weightwatcher(model).set_index("longname")
    both = [name for name in ours.index if name in theirs.index]
    rows = []
    for name in both:
        own, other = ours.loc[name], theirs.loc[name]
        taps = f", {own['n_matrices']:.0f} taps" if own["n_matrices"] > 1 else ""
        shape = f"{own['n_rows']:.0f} × {own['n_columns']:.0f}{taps}"
        pairs = (f"{get(own):.4g} / {other[column]:.4g}" for get, column in COLUMNS.values())
        rows.append([str(name), shape, *pairs])
    yield markdown(f"{title}: ours / WeightWatcher's", ["block", "matrices", *COLUMNS], rows)
    many = [name for name in both if theirs.loc[name, "num_evals"] >= 20]
    worst = {column: float(np.max(np.abs(ours.loc[many, column] / theirs.loc[many, column] - 1)))
             for column in ("alpha", "stable_rank")}  # fmt: skip
    alone = sorted({*map(str, ours.index), *map(str, theirs.index)} - {*map(str, both)})
    said = (
        f"\nOf the {len(many)} with 20 eigenvalues or more, α differs by {worst['alpha']:.1e} of "
        f"itself at most, stable ranks by {worst['stable_rank']:.1e}."
    )
    yield said + f" Only one of both has {', '.join(alone)}." * bool(alone) + "\n"


def times(model: nn.Module, example: torch.Tensor) -> str:
    """Return how long both take."""
    net = cg.load(model, example_input=example, norm="keep")
    start = perf_counter()
    weightwatcher(model)
    seconds = perf_counter() - start
    (own,) = compare({"ours": lambda: cg.weight_spectra(net, per="tap")}).values()
    rows = [["cntgraph, weight_spectra", str(own), ""],
            ["WeightWatcher, once", f"{seconds:.1f} s", f"{seconds / own:,.0f}×"]]  # fmt: skip
    return markdown("Time, of the GPT-2", ["", "time", "of ours"], rows)


def trained_on_digits(epochs: int) -> nn.Sequential:
    """Return two convolutions and three dense layers that know the digits."""
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


def trained_on_license(steps: int) -> nn.Module:
    """Return a GPT-2 of two layers that has read the license, character by character."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    text = torch.tensor(list(LICENSE.read_bytes()))
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=128, n_positions=CONTEXT, n_embd=128, n_layer=2, n_head=4,
                   resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(steps):
        starts = torch.randint(0, len(text) - CONTEXT, (16,)).tolist()
        x = torch.stack([text[k : k + CONTEXT] for k in starts])
        optimizer.zero_grad()
        model(x, labels=x).loss.backward()
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
