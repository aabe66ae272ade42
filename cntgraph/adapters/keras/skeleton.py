"""Building a model from its configuration without its weights: variables that take no memory."""

from __future__ import annotations

import warnings
from math import prod
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras.src.saving.serialization_lib import ObjectSharingScope

from cntgraph.adapters.damage import damage
from cntgraph.adapters.keras.config import check_config
from cntgraph.adapters.keras.watch import patched
from cntgraph.core.errors import FormatError

#: Layers that look at the values of their variables when they are built.
_LOOKING = ("Normalization",)
#: Values that a model may want beyond those that the file has: states that need not be saved.
_SPARE = 1 << 16
_MODELS = {"Functional": "Model", "Model": "Model", "Sequential": "Sequential"}


def build_skeleton(path: Path, config: dict[str, Any], n_values: int) -> Any:
    """Build the model that a configuration describes; its weights are not to be looked at.

    Parameters
    ----------
    path : Path
        The file, for messages.
    config : dict
        The configuration, as Keras 3 or as older versions write it.
    n_values : int
        Number of values that the file holds; a model that wants more is refused.

    Raises
    ------
    FormatError
        If the model cannot be built.
    """
    custom = check_config(path, config)
    budget = _Budget(path, n_values, plain=custom)
    what = "the model cannot be built from its configuration"
    then = (
        "the file is damaged, or was saved by another version of Keras than "
        f"{keras.__version__}: load it there and save it again"
    )
    with (
        damage(path, what, then),
        warnings.catch_warnings(),
        ObjectSharingScope(),  # objects that are named twice have one identity
        patched(keras.Layer, "add_weight", budget.add),
    ):
        warnings.simplefilter("ignore")
        try:
            model = _from_config(config)
        finally:
            if budget.refused is not None:  # whatever Keras has made of it
                raise budget.refused
    if not isinstance(model, keras.Model):
        raise FormatError(f"{path}: expected a model, found {type(model).__name__}")
    return model


def _from_config(config: dict[str, Any]) -> Any:
    kind = config.get("class_name", "Model" if "input_layers" in config else "Sequential")
    if "module" in config or kind not in _MODELS:
        return keras.saving.deserialize_keras_object(config, safe_mode=True)
    # As older versions write it, or a model's own configuration alone.
    inner = config["config"] if "class_name" in config else config
    inner = {"layers": inner} if isinstance(inner, list) else inner
    return getattr(keras, _MODELS[kind]).from_config(inner)


class _Budget:
    """Makes variables, as many values as the file can fill and no more."""

    def __init__(self, path: Path, n_values: int, *, plain: bool) -> None:
        self.path, self.left, self.plain = path, n_values, plain
        self.refused: FormatError | None = None

    def add(self, own: Any, layer: Any, *args: Any, **kwargs: Any) -> Any:
        """Add a weight to a layer without memory for its values: one stands for all."""
        kwargs.update(zip(("shape", "initializer", "dtype"), args, strict=False))
        shape = tuple(int(n) for n in kwargs.pop("shape", None) or ())
        kwargs["initializer"] = _zeros
        self.left -= prod(shape)
        if self.left < -_SPARE or min(shape, default=1) < 0:
            self.refused = FormatError(
                f"{self.path}: the layer {layer.name!r} asks for a weight of shape {shape}, more "
                "than the file has values for; it is damaged, or made to fill the memory"
            )
            raise self.refused
        if self.plain or type(layer).__name__ in _LOOKING or not prod(shape):
            return own(layer, shape=shape, **kwargs)
        variable = own(layer, shape=(), **kwargs)
        variable._shape, variable._ndim = shape, len(shape)
        return variable


def _zeros(shape: Any, dtype: Any = None) -> Any:
    """Return zeros without asking the backend, which may compile a program for each shape."""
    return np.zeros(shape, "float32")
