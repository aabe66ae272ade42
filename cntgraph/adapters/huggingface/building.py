"""The network of a description: a hollow module of its library, with the weights of the folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import torch

from cntgraph.adapters.huggingface.description import Description
from cntgraph.adapters.huggingface.placing import check_places, dequantized
from cntgraph.adapters.options import Options
from cntgraph.adapters.torch import load_weighted
from cntgraph.adapters.torch.hollow import hollow, load_hollow
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import CntGraphError, FormatError, require
from cntgraph.network.network import Network

#: The way that is always left.
ALONE = "description='separate' gives the weights alone, each a block of its own"


def network_of(
    found: Description, library: ModuleType, tensors: Tensors, given: Options
) -> Network:
    """Return the network of a folder.

    Parameters
    ----------
    found : Description
        What its configuration says.
    library : module
        One of this package, ``of_transformers`` and the like: ``build(found)`` returns the module,
        ``example(module, found, given)`` what it is called with and, where it stores tensors by
        other names than the module's, ``placed(module, tensors)`` those by the module's.
    tensors : Tensors
        The folder's weights.
    given : Options
        What was asked for.

    Raises
    ------
    FormatError
        If the library cannot build it, or the weights are others.
    InputShapeError
        If no input is given, and none is told by the configuration.
    TraceError
        If it cannot be followed.
    """
    with _quiet(found.library):
        module = _built(found, library, tensors)
        tensors = dequantized(tensors)
        if hasattr(library, "placed"):
            tensors = library.placed(module, tensors)
        unneeded = check_places(found, module, tensors, strict=given.strict)
        example = given.example_input
        if example is None:
            example = library.example(module, found, given)
        given = replace(given, input_shape=None, example_input=example)
        return load_hollow(module, tensors, given, unneeded)


def put_into(model: Any, tensors: Tensors, options: dict[str, Any]) -> Network:
    """Return the network of a live model of `transformers` with the weights of a folder.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        It is not changed.
    tensors : Tensors
        As they are stored, which is by other names than the model's.
    options : dict
        The fields of `Options`.
    """
    from cntgraph.adapters.huggingface.conversion import converted

    return load_weighted(converted(model, dequantized(tensors)), model, Options(**options))


def _built(found: Description, library: ModuleType, tensors: Tensors) -> torch.nn.Module:
    """Return the module that a library builds; it may fail in any way."""
    try:
        with hollow(tensors), offline():
            module = library.build(found)
    except CntGraphError as error:
        raise type(error)(f"{found.folder}: {error}. {ALONE}") from error
    except Exception as error:
        raise FormatError(
            f"{found.folder}: {found.library} cannot build {found.name} from config.json "
            f"({type(error).__name__}: {str(error)[:300]}); a newer version of {found.library} may "
            f"know it, or pass model=, the module. {ALONE}"
        ) from error
    assert isinstance(module, torch.nn.Module)
    return module.eval()


@contextmanager
def offline() -> Iterator[None]:
    """Let huggingface_hub fetch nothing, whatever a configuration asks a library for."""
    constants: Any = require("huggingface_hub.constants", "hf", needed_for="the graph of a folder")
    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@contextmanager
def _quiet(library: str) -> Iterator[None]:
    """Let a library not log what is no concern of those who measure."""
    logger = logging.getLogger(library)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def zeros(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return a sample of which only the shape matters."""
    return torch.zeros((1, *shape), dtype=dtype)


def sizes_of(value: Any) -> tuple[int, ...]:
    """Return a size, or several, that a configuration says; nothing where it says none.

    Examples
    --------
    >>> sizes_of(32), sizes_of([8, 16]), sizes_of(None)
    ((32,), (8, 16), ())
    """
    many = value if isinstance(value, list | tuple) else (value,)
    whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) and n > 0 for n in many)
    return tuple(int(n) for n in many) if whole else ()


def image_sizes(value: Any) -> tuple[int, ...]:
    """Return height and width that a configuration says by a number, two, or names.

    Examples
    --------
    >>> image_sizes(32), image_sizes([8, 16]), image_sizes({"height": 4, "width": 2})
    ((32, 32), (8, 16), (4, 2))
    """
    if isinstance(value, Mapping):
        both = [value.get("height"), value.get("width")]
        value = both if None not in both else value.get("shortest_edge")
    found = sizes_of(value)
    return found * 2 if len(found) == 1 else found[-2:]
