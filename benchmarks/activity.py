"""What neurons receive from data, against the framework's own plain inference.

    python benchmarks/activity.py --n 256 --batch 16 [--output FILE.md]

A residual network of the size of ResNet-18 runs on images of 3 × 224 × 224, made batch by batch.
Side by side in one run: PyTorch alone (`model(x)`), `neuron_strength`, and what a user would write
instead: hooks that keep every activation for NumPy, on as many images as there is memory for.
Needs pip install -e '.[test]'.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from timing import machine
from torch import nn

import cntgraph as cg


class Block(nn.Module):
    """Two convolutions and a skip."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(n_out), nn.BatchNorm2d(n_out)
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or n_in != n_out:
            conv = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
            self.skip = nn.Sequential(conv, nn.BatchNorm2d(n_out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(inner)) + self.skip(x))


def resnet18() -> nn.Sequential:
    """Return a network of the shape of ResNet-18, with random weights."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
                               nn.MaxPool2d(3, 2, 1)]  # fmt: skip
    n_in = 64
    for n_out, stride in (
        (64, 1),
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        (512, 1),
    ):
        layers.append(Block(n_in, n_out, stride))
        n_in = n_out
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)
    ).eval()


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
    """Keep every output of a convolution or a dense layer, and let NumPy summarise them."""
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


def peak() -> int:
    """Return the most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Time all, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=256, help="images")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    model, n, batch = resnet18(), options.n, options.batch
    few = min(n, 4 * batch)

    def strength(n: int) -> None:
        cg.neuron_strength(model, images(n, batch))

    strength(batch)  # compiles, and imports
    rows = []
    for count in (n // 4, n):
        alone = seconds(plain, model, count, batch)
        ours = seconds(strength, count)
        rows.append((f"`neuron_strength`, {count} images", alone, ours, peak()))
    alone = seconds(plain, model, few, batch)
    rows.append(
        (f"hooks and NumPy, {few} images", alone, seconds(by_hooks, model, few, batch), peak())
    )
    lines = [
        "# Neurons over data\n",
        f"`python benchmarks/activity.py --n {n} --batch {batch}` on {machine()}.\n",
        "A network of the shape of ResNet-18 (2,660,840 neurons) on images of 3 × 224 × 224,",
        "against the same model run by PyTorch alone in the same run, at the same batch size. The",
        "time to trace the model is in it.\n",
        "| what | PyTorch alone, s | s | ratio | most memory so far, MB |",
        "| --- | --- | --- | --- | --- |",
        *(f"| {what} | {alone:.1f} | {own:.1f} | {own / alone:.2f} | {memory:,} |"
          for what, alone, own, memory in rows),
    ]  # fmt: skip
    text = "\n".join(lines) + "\n"
    print(text)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
