"""A model's table of layers, beside the tools that people look at weights with.

    python -m benchmarks --only alternatives

WeightWatcher fits spectra, torchinfo counts, PyTorch convolves ones both ways: each in its own
words what `analyze` is asked for; all on the same model, in the same process, each again and again
by itself, as `timeit` does (WeightWatcher once).
Needs pip install -e '.[test-all]' -r benchmarks/alternatives-requirements.txt.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterator

import torch
from torch import nn

import cntgraph as cg
from benchmarks.models import gpt2, resnet50
from benchmarks.timing import compare, markdown

TITLE = "Beside other tools"


def tables(size: str) -> Iterator[str]:
    """Yield a table for each model."""
    torch.manual_seed(0)
    yield table("ResNet-50, 3 × 224 × 224", resnet50(), {"input_shape": (3, 224, 224)})
    tokens = torch.zeros(1, 64, dtype=torch.int64)
    yield table("GPT-2, 64 tokens", gpt2(), {"example_input": tokens})


def table(title: str, model: nn.Module, options: dict[str, object]) -> str:
    """Return times of `analyze` and of the others."""
    net = cg.load(model, **options)
    candidates: dict[str, Callable[[], object]] = {
        "cntgraph, analyze": lambda: cg.analyze(net),
        "cntgraph, load and analyze": lambda: cg.analyze(cg.load(model, **options)),
        "torchinfo, summary": lambda: _torchinfo(model, options),
    }
    times = {}
    for name, call in candidates.items():
        times |= compare({name: call})
    times |= compare({"WeightWatcher, analyze": lambda: _weightwatcher(model)}, rounds=1)
    ours = times["cntgraph, analyze"]
    rows = [[name, str(t), f"{t / ours:,.1f}×"] for name, t in times.items()]
    size = f"{net.n_parameters:,} parameters, {net.n_edges:,} unrolled edges"
    return markdown(f"{title}: {size}", ["", "time", "of analyze's"], rows)


def _torchinfo(model: nn.Module, options: dict[str, object]) -> object:
    from torchinfo import summary

    if "example_input" in options:
        return summary(model, input_data=options["example_input"], verbose=0)
    return summary(model, input_size=(1, *options["input_shape"]), verbose=0)


def _weightwatcher(model: nn.Module) -> object:
    import weightwatcher

    logging.getLogger("weightwatcher").setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return weightwatcher.WeightWatcher(model=model).analyze()
