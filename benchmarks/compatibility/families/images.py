"""Models of images: the smallest image that one takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from ..audit.of_torch import unlike_start
from ..case import Made


def smallest_image(
    model: nn.Module, sizes: Iterable[int] = (64, 96, 128, 224), channels: int = 3, **options: Any
) -> Made:
    """Return a model and the smallest square image on which it runs.

    Parameters
    ----------
    model : torch.nn.Module
    sizes : iterable of int
        What is tried.
    **options
        Of `Made`.

    Raises
    ------
    Exception
        What the model says of the last size.
    """
    unlike_start(model)
    failed: Exception | None = None
    for size in dict.fromkeys(sizes):
        image = torch.rand((1, channels, size, size), generator=torch.Generator().manual_seed(0))
        try:
            with torch.no_grad():
                model(image)
        except Exception as error:
            failed = error
        else:
            return Made(model, image, **options)
    assert failed is not None
    raise failed
