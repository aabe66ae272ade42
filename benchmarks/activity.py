"""What neurons receive from data, against the framework's own plain inference.

    python -m benchmarks --only activity [--size full]

A residual network of the size of ResNet-18 runs on images of 3 × 224 × 224, made batch by batch.
Side by side in one run: PyTorch alone (`model(x)`), `neuron_strength`, and what a user would write
instead: hooks that keep every activation for NumPy, on as many images as there is memory for.
Needs pip install -e '.[test-all]'.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

import cntgraph as cg
from benchmarks.memory import peak
from benchmarks.models import resnet18
from benchmarks.timing import markdown


def images(n: int, batch: int) -> Iterator[torch.Tensor]:
    """Yield batches of random images."""
    generator = torch.Generator().manual_seed(0)
    for start in range(0, n, batch):
        yield torch.randn(min(batch, n - start), 3, 224, 224, generator=generator)


def plain(model: nn.Module, n: int, batch: int) -> None:
    """Run a model, and keep nothing."""
    with torch.no_grad():
        for x in images(n, batch):
            model(x)


def by_hooks(model: nn.Module, n: int, batch: int) -> None:
    """Keep every output of a convolution or a dense layer, and let NumPy summarize them."""
    kept: dict[str, list[np.ndarray]] = {}
    kinds = nn.Conv2d | nn.Linear
    handles = [
        module.register_forward_hook(
            lambda _, __, result, name=name: kept.setdefault(name, []).append(result.numpy())
        )
        for name, module in model.named_modules()
        if isinstance(module, kinds)
    ]
    plain(model, n, batch)
    for parts in kept.values():
        values = np.concatenate(parts)
        values.mean(0), values.std(0), values.min(0), values.max(0), (values > 0).mean(0)
    for handle in handles:
        handle.remove()


def seconds(work: object, *arguments: object) -> float:
    start = time.perf_counter()
    work(*arguments)  # type: ignore[operator]
    return time.perf_counter() - start


TITLE = "Neurons over data"
#: Images that are run at once.
BATCH = 16


def tables(size: str) -> Iterator[str]:
    """Yield the table: 64 images, or 1,000."""
    torch.manual_seed(0)
    model, n = resnet18(), 1000 if size == "full" else 64

    def strength(n: int) -> None:
        cg.neuron_strength(model, images(n, BATCH))

    strength(BATCH)  # compiles, and imports
    rows = []
    for count in (n // 4, n):
        alone = seconds(plain, model, count, BATCH)
        rows.append(_row(f"`neuron_strength`, {count} images", alone, seconds(strength, count)))
    few = min(n, 4 * BATCH)
    alone = seconds(plain, model, few, BATCH)
    ours = seconds(by_hooks, model, few, BATCH)
    rows.append(_row(f"hooks and NumPy, {few} images", alone, ours))
    header = ["what", "PyTorch alone", "time", "ratio", "most memory so far"]
    title = "ResNet-18, images of 3 × 224 × 224, the tracing of the model included"
    yield markdown(title, header, rows)


def _row(what: str, alone: float, own: float) -> list[str]:
    return [what, f"{alone:.1f} s", f"{own:.1f} s", f"{own / alone:.2f}", f"{peak():,.0f} MiB"]
