"""timm: one architecture of every module, one of its smallest by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import timm
import torch

from ..case import Case, Made
from .images import smallest_image

#: Words that small variants have in their names, the smallest first.
SMALL = ("zepto", "femto", "atto", "pico", "nano", "xxs", "xxtiny", "mobile", "xtiny", "tiny",
         "lite0", "_xs", "_ti_", "micro", "_mini", "050", "m0", "s0", "_s_", "small", "_b0", "b0",
         "_0", "t0", "18", "26", "50")  # fmt: skip


#: Parameters of a model that is tried with few layers.
LARGE = 100_000_000


def cases() -> Iterator[Case]:
    """Yield one architecture of every module."""
    for module in sorted(set(timm.list_modules())):
        names = timm.list_models(module=module)
        names = [name for name in names if not name.startswith("test_")] or names
        if names:
            name = min(names, key=_rank)
            yield Case(name, partial(_made, name))


def _rank(name: str) -> tuple[int, int, int, str]:
    """Return what sorts small variants and small images first."""
    word = next((k for k, word in enumerate(SMALL) if word in name), len(SMALL))
    sizes = [int(x) for x in re.findall(r"_(\d{3})$", name)]
    return word, sizes[0] if sizes else 224, len(name), name


def _made(name: str) -> Made:
    with torch.device("meta"):
        n_parameters = sum(p.numel() for p in timm.create_model(name).parameters())
    few = {"depth": 2} if n_parameters > LARGE else {}
    torch.manual_seed(0)
    try:
        model = timm.create_model(name, img_size=64, **few)
        return smallest_image(model, (64,))
    except Exception:  # its images have one size, or any
        model = timm.create_model(name, **few)
        size = model.default_cfg["input_size"][-1]
        fixed = model.default_cfg.get("fixed_input_size")
        return smallest_image(model, (size,) if fixed else (64, 96, 128, size))
