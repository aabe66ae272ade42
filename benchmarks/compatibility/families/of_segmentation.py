"""segmentation-models-pytorch: every decoder, on the smallest encoder that it takes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import segmentation_models_pytorch as smp
import torch

from ..case import Case, Made
from .images import smallest_image

DECODERS = ("Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN", "PSPNet", "DeepLabV3",
            "DeepLabV3Plus", "PAN", "UPerNet", "Segformer", "DPT")  # fmt: skip
ENCODERS = ("resnet18", "mobilenet_v2", "efficientnet-b0", "mit_b0", "timm-regnetx_002", "vgg11_bn")


def cases() -> Iterator[Case]:
    """Yield every decoder, and a Unet on every encoder."""
    for kind in DECODERS:
        yield Case(kind, partial(_made, kind, ENCODERS[0]))
    for encoder in ENCODERS[1:]:
        yield Case(f"Unet {encoder}", partial(_made, "Unet", encoder))


def _made(name: str, encoder: str) -> Made:
    torch.manual_seed(0)
    options = {"encoder_name": encoder, "encoder_weights": None, "classes": 2}
    if name == "DPT":
        options["encoder_name"] = "tu-vit_tiny_patch16_224"
        model = smp.DPT(**options, dynamic_img_size=True)
    else:
        model = getattr(smp, name)(**options)
    return smallest_image(model, (64, 128, 224))
