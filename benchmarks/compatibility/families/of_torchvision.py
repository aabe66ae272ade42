"""torchvision: one architecture of every module, the one with the fewest parameters."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torchvision import models

from ..audit.of_torch import unlike_start
from ..case import Case, Made
from .images import smallest_image

#: Architectures whose size is an argument.
SIZES = {"vit": {"image_size": 64}, "maxvit": {"input_size": (224, 224)}}


def cases() -> Iterator[Case]:
    """Yield one architecture of every module."""
    smallest: dict[str, str] = {}
    for name in models.list_models():
        module = models.get_model_builder(name).__module__
        known = smallest.setdefault(module, name)
        smallest[module] = min(known, name, key=_n_parameters)
    for module, name in smallest.items():
        kind = module.removeprefix("torchvision.models.")
        yield Case(name, partial(_made, name, kind))


def _n_parameters(name: str) -> int:
    metas = [weights.meta for weights in models.get_model_weights(name)]
    return min((int(meta["num_params"]) for meta in metas), default=1 << 40)


def _made(name: str, kind: str) -> Made:
    torch.manual_seed(0)
    options: dict[str, Any] = dict(SIZES.get(kind, {}))
    if kind.startswith("quantization"):
        options["quantize"] = False
    if kind.startswith(("detection", "segmentation")):
        options["weights_backbone"] = None
    if kind in ("inception", "googlenet"):
        options["init_weights"] = False
    if kind == "detection.faster_rcnn" or kind == "detection.mask_rcnn":
        options |= {"min_size": 96, "max_size": 96}
    model = models.get_model(name, weights=None, **options)
    rng = torch.Generator().manual_seed(0)
    if kind.startswith("detection"):
        return Made(unlike_start(model), ([torch.rand((3, 96, 96), generator=rng)],))
    if kind.startswith("video"):
        shape = {"video.mvit": (16, 224, 224), "video.s3d": (16, 224, 224)}.get(kind, (4, 32, 32))
        return Made(unlike_start(model), torch.rand((1, 3, *shape), generator=rng))
    if kind.startswith("optical_flow"):
        pair = tuple(torch.rand((1, 3, 128, 128), generator=rng) for _ in range(2))
        return Made(unlike_start(model), (*pair, 2))
    return smallest_image(model)
