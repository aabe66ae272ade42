"""Families of architectures: a module each, whose `cases` yields what is tried.

A case is made in the process that tries it; so a list of cases costs no more than an import of the
library. Sizes are the smallest that an architecture takes: it is structure that matters.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from ..case import Case

#: In order of users; each the name of a module here.
FAMILIES = ("torchvision", "timm", "transformers", "onnx", "keras_applications", "torch_geometric",
            "diffusers", "segmentation", "jax", "spiking", "monai")  # fmt: skip


def cases_of(family: str) -> Iterable[Case]:
    """Return what is tried of a family."""
    cases: Iterable[Case] = import_module(f"{__name__}.of_{family}").cases()
    return cases
