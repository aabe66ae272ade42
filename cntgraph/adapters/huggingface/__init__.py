"""Folders of Hugging Face: weights whose graph a ``config.json`` beside them describes.

The configuration names an architecture of `transformers`, `timm` or `diffusers`. That library
builds it without memory for the weights (`torch.hollow`), it is traced as any live module is, and
the weights stay in their files. No code of a folder is run (``auto_map``), and nothing is fetched
(`hub` finds what is in the local cache). Without the library, the folder is its weights alone.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

from cntgraph.adapters import registry
from cntgraph.adapters.huggingface.description import Description, description_of
from cntgraph.adapters.options import Options
from cntgraph.adapters.weights.separate import check_separate
from cntgraph.core.errors import CoverageWarning, FormatError, MissingExtraError, require
from cntgraph.core.parameter import Parameter
from cntgraph.network.network import Network

suffixes: tuple[str, ...] = ()
options = ("model", "layout", "base", "description")
#: The extra of cntgraph that brings each library.
_EXTRAS = {"transformers": "hf", "timm": "timm", "diffusers": "diffusers"}


def load(source: str | Path, *, description: str | None = None, **options: Any) -> Network:
    """Return the network of a folder with a ``config.json``.

    Parameters
    ----------
    source : str or Path
        The folder.
    description : {None, "separate"}, optional
        By default the configuration is the description of the graph; ``"separate"`` leaves it
        aside and makes each weight a block of its own.
    **options
        Those of the adapter that reads the weights: of `model`, `layout` and `base`, any leaves the
        configuration aside, too. Of the fields of `Options`, `input_shape` is that of the main
        input: the number of tokens, or the size of an image.

    Raises
    ------
    FormatError
        If the folder is damaged, or its weights are not those of the configuration.
    InputShapeError
        If no input is given, and the configuration does not tell one.
    TraceError
        If the model cannot be followed.

    Examples
    --------
    >>> import tempfile
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> sizes = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 32}
    >>> config = LlamaConfig(**sizes, num_hidden_layers=2, num_attention_heads=4)
    >>> folder = tempfile.mkdtemp()
    >>> LlamaForCausalLM(config).save_pretrained(folder)
    >>> load(folder)
    <Network: 35 layers, 48 blocks, 696 nodes, 7,712 edges, 7,248 parameters>
    """
    folder = Path(source)
    check_separate(description, folder)
    own = {name: options.pop(name) for name in ("model", "layout", "base") if name in options}
    own = {name: value for name, value in own.items() if value is not None}
    alone = description == "separate" or bool(own)
    found = None if alone else description_of(folder)
    weights: Any = registry.weights_adapter(folder)
    if [*own] == ["model"] and _is_of_transformers(own["model"]):
        building: Any = require(f"{__name__}.building", "hf", needed_for="a graph")
        into: Network = building.put_into(own["model"], weights.read_tensors(folder), options)
        return into
    if found is None:
        return registry.called(weights, folder, own | options)
    given = Options(**options)
    try:
        library = _library(found)
    except MissingExtraError as error:
        if given.strict:
            raise
        return _weights_alone(weights, found, given, str(error))
    reason = library.unknown(found)
    if reason:
        return _weights_alone(weights, found, given, reason)
    building = require(f"{__name__}.building", "hf", needed_for="a graph")
    net: Network = building.network_of(found, library, weights.read_tensors(folder), given)
    return net


def parameters(source: str | Path) -> dict[str, Parameter]:
    """Return the tensors of a folder by name; they are read when needed."""
    found: dict[str, Parameter] = registry.weights_adapter(Path(source)).parameters(source)
    return found


def _library(found: Description) -> Any:
    """Return the module that builds what a library has; the library is imported only here."""
    extra, doing = _EXTRAS[found.library], f"the graph of {found.name}"
    require(found.library, extra, needed_for=doing)
    return require(f"{__name__}.of_{found.library}", extra, needed_for=doing)


def _is_of_transformers(model: Any) -> bool:
    """Whether a module is of `transformers`, which keeps other names in files than its own."""
    library = sys.modules.get("transformers.modeling_utils")
    return library is not None and isinstance(model, library.PreTrainedModel)


def _weights_alone(weights: Any, found: Description, given: Options, reason: str) -> Network:
    """Return a folder's weights alone, and say why."""
    if given.input_shape is not None or given.example_input is not None:
        raise FormatError(
            f"{found.folder}: an input needs a graph, and there is none: {reason}. Leave out "
            "input_shape and example_input for the weights alone, or pass model=, the module that "
            "they belong to"
        )
    warnings.warn(
        f"{found.folder}: weights alone, each a block of its own: {reason}. "
        "description='separate' asks for that without this warning",
        CoverageWarning,
        stacklevel=2,
    )
    return registry.called(weights, found.folder, dict(vars(given)))
