"""Description: what a folder's ``config.json`` says of the architecture; nothing is imported."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cntgraph.adapters.weights.json_object import read_settings
from cntgraph.adapters.weights.lora import is_adapter
from cntgraph.core.errors import CoverageWarning

CONFIG = "config.json"


@dataclass(frozen=True)
class Description:
    """An architecture, and the library that has it.

    Parameters
    ----------
    folder : Path
        Where the configuration lies.
    library : {"transformers", "timm", "diffusers"}
        What builds it.
    name : str
        Its name there.
    settings : dict
        The configuration.
    """

    folder: Path
    library: str
    name: str
    settings: dict[str, Any]


def description_of(folder: Path) -> Description | None:
    """Return what a folder's configuration describes.

    Parameters
    ----------
    folder : Path
        With a ``config.json`` or without.

    Returns
    -------
    Description or None
        None where there is no architecture in it: it is of weights alone, or of an adapter.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "config.json").write_text('{"architecture": "resnet18", "num_classes": 10}')
    >>> found = description_of(folder)
    >>> found.library, found.name
    ('timm', 'resnet18')
    """
    path = folder / CONFIG
    if is_adapter(folder) or not path.is_file():
        return None
    settings = read_settings(path)
    if settings is None:
        warnings.warn(
            f"{path}: expected a JSON object, found a damaged file; the folder's weights are read "
            "alone, each a block of its own. Copy the file again for the graph",
            CoverageWarning,
            stacklevel=2,
        )
        return None
    found = _named(settings)
    return None if found is None else Description(folder, *found, settings)


def _named(settings: dict[str, Any]) -> tuple[str, str] | None:
    """Return the library and the name of an architecture."""
    architectures = settings.get("architectures")
    first = architectures[0] if isinstance(architectures, list) and architectures else None
    places = (
        ("diffusers", settings.get("_class_name")),
        ("timm", settings.get("architecture")),
        ("transformers", first),
        ("transformers", settings.get("model_type")),
    )
    return next(((library, name) for library, name in places if isinstance(name, str)), None)
