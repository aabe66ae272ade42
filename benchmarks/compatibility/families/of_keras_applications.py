"""keras.applications: one architecture of every module, on the smallest image."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import partial

import keras
import numpy as np

from ..case import Case, Made

SIZES = (32, 64, 75, 96, 224, 331)


#: Words that small variants have in their names, the smallest first.
SMALL = ("Small", "Tiny", "B0", "Mobile", "X002", "Y002", "50", "121", "16")


def cases() -> Iterator[Case]:
    """Yield the smallest architecture of every module, by its name."""
    found: dict[str, list[str]] = {}
    for name, make in vars(keras.applications).items():
        if inspect.isfunction(make) and name[0].isupper():
            found.setdefault(make.__module__, []).append(name)
    for names in found.values():
        name = min(names, key=lambda n: (next((k for k, w in enumerate(SMALL) if w in n), 99), n))
        yield Case(name, partial(_made, name))


def _made(name: str) -> Made:
    keras.utils.set_random_seed(0)
    make, failed = getattr(keras.applications, name), None
    for size in SIZES:
        try:
            model = make(weights=None, input_shape=(size, size, 3), classes=10)
        except ValueError as error:
            failed = error
            continue
        rng = np.random.default_rng(0)
        for variable in model.weights:
            spread = 0.1 * float(np.abs(np.asarray(variable)).mean()) or 0.02
            if "seed" not in variable.path:
                noise = np.abs(rng.normal(size=variable.shape)) * spread
                variable.assign_add(noise.astype(variable.dtype))
        return Made(model, rng.random((1, size, size, 3), np.float32), audit="keras")
    raise failed or ValueError("no size of image is taken")
