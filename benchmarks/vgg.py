"""VGG-16's 15 billion unrolled edges in closed form, as multiples of what cannot be avoided.

    python -m benchmarks --only vgg

What must be read are the parameters, once; what must be written is a number for each node, where
nodes are asked for. Beside it, the same sums by PyTorch, which convolves ones both ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

import numpy as np
import torch
from torch import nn

import cntgraph as cg
from benchmarks.apart import apart
from benchmarks.memory import peak, read, write
from benchmarks.models import vgg16
from benchmarks.timing import compare, markdown

TITLE = "VGG-16 at 224 × 224"
SHAPE = (3, 224, 224)


def tables(size: str) -> Iterator[str]:
    """Yield the table."""
    model = vgg16()
    net = cg.load(model, input_shape=SHAPE)
    weights = [parameter.raw().reshape(-1) for parameter in net.parameters.values()]
    times = compare(
        {
            "reading the parameters once": lambda: [read(w) for w in weights],
            "writing a number for each node": lambda: write(np.empty(net.n_nodes)),
            "layer_fluctuation": lambda: cg.layer_fluctuation(net),
            "node_strength": lambda: cg.node_strength(net),
            "analyze": lambda: cg.analyze(net),
            "load": lambda: cg.load(model, input_shape=SHAPE),
            "PyTorch, convolving ones both ways": lambda: _convolve_ones(model),
        },
    )
    reading, writing = list(times.values())[:2]
    floors = {
        "node_strength": reading + writing, "layer_fluctuation": reading, "analyze": reading
    }  # fmt: skip
    rows = [
        [name, str(t), f"{t / floors[name]:.1f}×" if name in floors else ""]
        for name, t in times.items()
    ]
    seconds, mebibytes = apart(first_call)
    rows.append(["load and analyze, first call in a fresh process", f"{1e3 * seconds:,.0f} ms", ""])
    rows.append(["its peak memory beyond the model", f"{mebibytes:,.0f} MiB", ""])
    title = f"{net.n_edges:,} unrolled edges, {net.n_nodes:,} nodes"
    yield markdown(title, ["", "", "of reading (and writing) once"], rows)


def first_call() -> list[float]:
    """Return the seconds and the memory in MiB of a first call; to be called in a process apart."""
    model = vgg16()
    before, start = peak(), perf_counter()
    cg.analyze(cg.load(model, input_shape=SHAPE))
    return [perf_counter() - start, peak() - before]


@torch.no_grad()
def _convolve_ones(model: nn.Sequential) -> list[torch.Tensor]:
    """Signed in- and out-strengths of every layer, the way one would get them from PyTorch."""
    sums, shape = [], (1, *SHAPE)
    for layer in model:
        ones = torch.ones(shape)
        if isinstance(layer, nn.Conv2d):
            out = nn.functional.conv2d(ones, layer.weight, padding=1)
            back = nn.functional.conv_transpose2d(torch.ones_like(out), layer.weight, padding=1)
            sums += [out, back]
            shape = out.shape
        elif isinstance(layer, nn.Linear):
            sums += [layer.weight.sum(1), layer.weight.sum(0)]
        elif isinstance(layer, nn.MaxPool2d):
            shape = (*shape[:2], shape[2] // 2, shape[3] // 2)
    return sums
