"""Saved models: a configuration and tensors, from whichever file they are in."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import keras

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.damage import damage
from cntgraph.adapters.keras.config import parse_config
from cntgraph.adapters.keras.hdf5 import Contents, contents
from cntgraph.adapters.keras.live import trace_model
from cntgraph.adapters.keras.names import named_tensors
from cntgraph.adapters.keras.skeleton import build_skeleton
from cntgraph.adapters.keras.weights import stored_parameters
from cntgraph.adapters.options import Options
from cntgraph.adapters.weights.hdf5_source import Source
from cntgraph.adapters.weights.separate import network_of
from cntgraph.adapters.weights.zip_archive import ZipArchive
from cntgraph.core.errors import FormatError, GraphSizeError
from cntgraph.network.network import Network

#: Nodes of one layer of a saved model, whose sizes are those that the file declares.
MAX_LAYER = 1 << 26
#: The members of an archive, and how many times its packed size one may have.
_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MAX_PACKED = 100


class FileBuilder(Builder):
    """A builder that refuses layers that only a damaged file asks for."""

    def add_layer(self, name: str, shape: tuple[int, ...], kind: str, **options: Any) -> Any:
        """Add a layer of nodes, unless it is too large."""
        if prod(shape) > MAX_LAYER:
            raise GraphSizeError(
                f"{name}: expected a layer of at most {MAX_LAYER:,} nodes, the file asks for "
                f"{tuple(shape)}; pass the live model if that is meant"
            )
        return super().add_layer(name, shape, kind, **options)


def load_file(path: Path, config: Any, given: Options) -> Network:
    """Return the network of a file.

    Parameters
    ----------
    path : Path
        A ``.keras`` archive, or an HDF5 file of a model or of weights.
    config : path, dict, keras.Model or None
        What the model is, where the file does not say.

    Raises
    ------
    FormatError
        If the file is damaged.
    UnsafeFileError
        If it could only be read by running code that it contains.
    """
    what = "the model that it describes cannot be followed"
    with damage(path, what, "the file is damaged, save the model again"):
        own, source = None, Source.of(path)
        if path.suffix.lower() == ".keras":
            text, source = _read_archive(path)
            own = parse_config(path, text)
        found = contents(source, names=own is None and config is None)
        if own is None and (inside := found.text("model_config")) is not None:
            own = parse_config(path, inside)
        if own is not None and config is not None:
            raise FormatError(f"{path}: the file says what the model is; leave out config=")
        if own is None and config is None:
            return network_of(named_tensors(found), given)
        model = _model(path, own if own is not None else config, found)
        builder = FileBuilder(unroll=given.unroll)
        trace_model(model, builder, stored_parameters(path, model, found), max_size=MAX_LAYER,
                    input_shape=given.input_shape, example_input=given.example_input)  # fmt: skip
        return given.finish(builder)


def _model(path: Path, config: Any, found: Contents) -> Any:
    """Return the model that a configuration describes, or the live one that is given."""
    if isinstance(config, keras.Model):
        return config
    if isinstance(config, dict):
        return build_skeleton(path, config, found.n_values)
    if isinstance(config, str | Path):
        place = Path(config)
        if not place.is_file():
            raise FormatError(f"{place}: expected the configuration of {path}, found nothing")
        text = _read_archive(place)[0] if place.suffix == ".keras" else place.read_bytes()
        return build_skeleton(place, parse_config(place, text), found.n_values)
    raise FormatError(
        f"expected config= to be a path, a dict or a Keras model, got {type(config).__name__}"
    )


# -- archives: nothing is unpacked --------------------------------------------------------------


def _read_archive(path: Path) -> tuple[bytes, Source]:
    """Return the configuration of an archive, and where its tensors are.

    Raises
    ------
    FormatError
        If it is damaged, or declares more than it holds.
    """
    archive = ZipArchive(path, "a .keras archive")
    for name in (_CONFIG, _WEIGHTS):
        if name not in archive.members:
            raise FormatError(
                f"{path}: expected a .keras archive with {name}, found "
                f"{', '.join(sorted(archive.members)[:5]) or 'nothing'}; only weights in HDF5 are "
                "read, save the model by model.save('model.keras')"
            )
    config = archive.read(_CONFIG, _MAX_PACKED)
    if archive.is_packed(_WEIGHTS):
        return config, Source(path, memory=archive.read(_WEIGHTS, _MAX_PACKED))
    return config, Source(path, archive.offset(_WEIGHTS), archive.members[_WEIGHTS].file_size)
