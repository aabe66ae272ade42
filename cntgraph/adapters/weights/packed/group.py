"""Group: the tensors that one packed weight is stored in, and what each of them is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cntgraph.adapters.weights.json_object import read_settings
from cntgraph.adapters.weights.packed.packed_array import PackedArray
from cntgraph.core.parameter import Parameter

Tensors = Mapping[str, Parameter]
#: Files beside the weights in which a format says what the tensors do not.
_SETTINGS = ("config.json", "quantize_config.json", "quant_config.json")


@dataclass(frozen=True)
class Group:
    """A packed weight that was found.

    Parameters
    ----------
    name : str
        What the weight is called.
    parts : mapping of str to str
        The names of its tensors, and what each is to it.
    array : PackedArray or None
        What unpacks it; None where it is not known how.
    note : str
        How it is packed; or why it is not unpacked.
    """

    name: str
    parts: Mapping[str, str]
    array: PackedArray | None
    note: str


@dataclass(frozen=True)
class Settings:
    """What the files beside the weights say of how they are packed.

    Parameters
    ----------
    folder : Path, optional
        Where they lie; without one, nothing is said.
    """

    folder: Path | None = None

    @cached_property
    def all(self) -> dict[str, Any]:
        """The first that says anything of packing: of GPTQ and AWQ, or of MLX."""
        if self.folder is None:
            return {}
        for name in _SETTINGS:
            found = read_settings(self.folder / name) or {}
            inner = [found.get(key) for key in ("quantization", "quantization_config")]
            for value in (*inner, found if name != _SETTINGS[0] else None):
                if isinstance(value, dict) and value:
                    return value
        return {}


#: Returns the group that a tensor is the first of; None, where it is none of this format.
Layout = Callable[[str, Tensors, Settings], Group | None]


def matrices(*parameters: Parameter | None) -> bool:
    """Whether those that are there have two axes, and values."""
    return all(p is None or (len(p.shape) == 2 and p.size) for p in parameters)
