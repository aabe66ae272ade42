"""Which adapter reads what: by suffix for files, by type for live models.

Adapters are looked up without importing them: a live object can only belong to a framework that
is already imported, and a file is opened by the adapter of its suffix. A third party registers
one by an entry point in the group ``cntgraph.adapters``: a module (or object) with

* ``suffixes``: tuple of str, the files it reads,
* ``recognizes(source) -> bool``: whether a live object is its own,
* ``load(source, *, input_shape, example_input, norm, unroll, strict, batched, zeros) -> Network``:
  the keywords are the fields of `adapters.options.Options`,
* ``options``: tuple of str, further options of its ``load`` (may be missing),
* ``execution(source, **the same) -> Execution``: runs it on data (may be missing: data then run
  through the blocks of its network),
* ``module_effects(source, heads)``: what its modules do to each other (may be missing),
* ``holding(source, parameters)``: a context in which a live model holds other values of what
  ``parameters`` lists (may be missing; needed where ``module_effects`` is there),
* ``parameters(source) -> dict[str, Parameter]``: what `Recorder` reads at each snapshot.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import fields
from importlib.metadata import EntryPoint, entry_points
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from cntgraph.adapters.execution import Execution
from cntgraph.adapters.options import Options
from cntgraph.core.errors import (
    CntGraphError,
    FormatError,
    GraphSizeError,
    UnsafeFileError,
    require,
)
from cntgraph.core.parameter import Parameter
from cntgraph.network.network import Network

Result = TypeVar("Result")


class Adapter(Protocol):
    """What a framework's module offers."""

    suffixes: tuple[str, ...]

    def recognizes(self, source: object, /) -> bool: ...
    def load(self, source: Any, /, **options: Any) -> Network: ...
    def parameters(self, source: Any, /) -> dict[str, Parameter]: ...


#: The adapters of the package and the suffixes they read, in the order in which a live model is
#: offered to them: a Keras model may be a PyTorch module too, and any function may be one of JAX.
BUILTIN: dict[str, tuple[str, ...]] = {
    "keras": (".keras", ".h5", ".hdf5"),
    "torch": (".pt2", ".pt", ".pth", ".ckpt", ".bin", ".bin.index.json"),
    "onnx": (".onnx",),
    "huggingface": (),
    "safetensors": (".safetensors", ".safetensors.index.json"),
    "gguf": (".gguf",),
    "numpy": (".npz", ".npy"),
    "orbax": (),
    "nir": (".nir",),
    "sklearn": (),
    "jax": (),
}
#: Adapters that need no framework, and their modules.
_ALONE = {"huggingface": "huggingface", "safetensors": "weights.safetensors",
          "gguf": "weights.gguf", "numpy": "weights",
          "orbax": "weights.orbax", "nir": "nir",
          "sklearn": "weights.multilayer_perceptron"}  # fmt: skip
#: Those of them that are asked of any live object.
_WEIGHTS = ("numpy",)
#: Those that read files alone: no live object is theirs, and whether it is they are not asked.
_FILES = ("safetensors", "gguf", "huggingface", "orbax")
#: Adapters that read folders, and the files in them: the first that finds one reads the folder.
_FOLDERS = {
    "huggingface": ("config.json",),
    "safetensors": ("*.safetensors", "*.safetensors.index.json"),
    "torch": ("*.bin", "*.bin.index.json", ".metadata"),
    "orbax": ("_METADATA", "*/_METADATA", "*/*/_METADATA"),
}
#: What to do with files that no adapter reads.
_INSTEAD = {
    ".tflite": "convert it to ONNX (python -m tf2onnx.convert --tflite model.tflite --output "
    "model.onnx)",
    ".pb": "convert it to ONNX (python -m tf2onnx.convert --saved-model FOLDER --output "
    "model.onnx), or pass its weights: {v.name: v.numpy() for v in "
    "tf.saved_model.load(folder).variables}",
    ".ggml": "save the model it was made from as safetensors",
    ".mlmodel": "export the model it was made from to ONNX",
    ".mlpackage": "export the model it was made from to ONNX",
    ".engine": "pass the ONNX file that the engine was built from",
    ".plan": "pass the ONNX file that the engine was built from",
    ".msgpack": "read it with flax.serialization and pass the dict of arrays, or save it as .npz",
    ".pdparams": "convert the model to ONNX with paddle2onnx",
    ".mat": "read it with scipy.io.loadmat and pass the dict of arrays",
    ".gz": "unpack it",
    ".tar": "unpack it",
    ".zip": "unpack it",
}
#: The options that every adapter takes.
COMMON_OPTIONS = frozenset(option.name for option in fields(Options))
_PICKLES = (".pkl", ".pickle", ".joblib", ".dill")


def load(source: Any, **options: Any) -> Network:
    """Turn a live model, or a file of a framework, into a `Network`.

    Parameters
    ----------
    source : Path or model object
        A file that an adapter reads, or a live model.
    **options
        Those of `Options`, and those of the adapter alone: see `cntgraph.load`.

    Returns
    -------
    Network

    Raises
    ------
    FormatError
        If no adapter knows it.
    """
    return _by_adapter(source, options, lambda adapter: adapter.load)


def execution(source: Any, **options: Any) -> Execution | None:
    """Return what runs a model on data, and shows the values of its network's nodes.

    Parameters
    ----------
    source, **options
        As of `load`.

    Returns
    -------
    Execution or None
        Its network is the one that `load` returns. None where its framework does not run it.

    Raises
    ------
    FormatError
        If no adapter knows it.
    """

    def runner(adapter: Adapter) -> Callable[..., Execution | None]:
        found: Callable[..., Execution | None] = getattr(
            adapter, "execution", lambda *_, **__: None
        )
        return found

    return _by_adapter(source, options, runner)


def _by_adapter(
    source: Any, options: dict[str, Any], does: Callable[[Adapter], Callable[..., Result]]
) -> Result:
    """Return what a function of the adapter of a source makes of it."""
    options |= vars(Options(**{k: v for k, v in options.items() if k in COMMON_OPTIONS}))
    if not isinstance(source, str | Path):
        return _call(adapter_of(source), does, source, options)
    path = Path(source)
    try:
        return _call(_path_adapter(path), does, path, options)
    except OSError as error:
        if isinstance(error, CntGraphError):
            raise
        raise FormatError(f"{path}: the file cannot be read ({error})") from error


def called(adapter: Adapter, source: Any, options: dict[str, Any]) -> Network:
    """Return what an adapter makes of a source; an option that it does not know is an error."""
    return _call(adapter, lambda known: known.load, source, options)


def _call(
    adapter: Adapter, does: Callable[[Adapter], Callable[..., Result]], source: Any,
    options: dict[str, Any],
) -> Result:  # fmt: skip
    """Call an adapter with the options it knows; any other is an error, not ignored."""
    own = getattr(adapter, "options", ())
    unknown = sorted(options.keys() - COMMON_OPTIONS - set(own))
    if unknown:
        known = ", ".join([*sorted(COMMON_OPTIONS), *own])
        raise FormatError(f"unknown option {unknown[0]!r}; reading this takes {known}")
    try:
        return does(adapter)(source, **options)
    except MemoryError as error:
        if isinstance(error, CntGraphError):
            raise
        raise GraphSizeError(
            f"the graph of this model needs more memory than there is ({error or 'MemoryError'}); "
            "choose a smaller input, or a machine with more memory"
        ) from error


def adapter_of(source: Any) -> Adapter:
    """Return the adapter of a live model.

    Parameters
    ----------
    source : object
        The model.

    Returns
    -------
    Adapter

    Raises
    ------
    FormatError
        If no adapter knows it; the message lists those at hand.
    """
    asked = (name for name in BUILTIN if name not in _FILES)
    at_hand = (name for name in asked if name in _WEIGHTS or name in sys.modules)
    candidates = chain((builtin(name, "this model") for name in at_hand), _plugins())
    for adapter in candidates:
        if adapter.recognizes(source):
            return adapter
    raise FormatError(
        f"expected a path, a live model of a known framework, or its weights ({_at_hand()}), got "
        f"{type(source).__module__}.{type(source).__qualname__}"
    )


def _path_adapter(path: Path) -> Adapter:
    """Return the adapter of a file, or of a folder of shards, or what a third party reads."""
    if path.is_dir():
        if name := _folder_adapter(path, _FOLDERS):
            return builtin(name, f"reading a folder of {_FOLDERS[name][0]} files")
    elif not path.is_file():
        raise FormatError(f"{path}: expected a file, found something else (a device, a pipe)")
    else:
        for name, suffixes in BUILTIN.items():
            if suffix := _suffix(path, suffixes):
                return builtin(name, f"reading a {suffix} file")
    for plugin in _plugins():
        if _suffix(path, plugin.suffixes):
            return plugin
    raise _unknown(path)


def weights_adapter(folder: Path) -> Adapter:
    """Return the adapter of a folder's weights, whatever else is in it.

    Raises
    ------
    FormatError
        If there are none that an adapter reads.
    """
    name = _folder_adapter(folder, _FOLDERS.keys() - {"huggingface"})
    if not name:
        raise _unknown(folder)
    return builtin(name, f"reading a folder of {_FOLDERS[name][0]} files")


def _folder_adapter(folder: Path, among: Collection[str]) -> str:
    """Return which of some adapters reads a folder; nothing where none does."""
    return next(
        (adapter for adapter, files in _FOLDERS.items()
         if adapter in among and any(any(folder.glob(file)) for file in files)), "",
    )  # fmt: skip


def _suffix(path: Path, suffixes: tuple[str, ...]) -> str:
    """Return the suffix, of those given, with which a file is called anything before it."""
    name = path.name.lower()
    return next((s for s in suffixes if name.endswith(s) and name != s), "")


def _unknown(path: Path) -> FormatError:
    """Return what to raise for a file or folder that no adapter reads, with what to do instead."""
    suffix = ".pb" if (path / "saved_model.pb").is_file() else path.suffix.lower()
    advice = _INSTEAD.get(suffix, "")
    instead = f" Instead, {advice}." if advice else ""
    if path.is_dir():
        return FormatError(
            f"{path}: expected a file, or a folder of .safetensors or .bin, found one without any; "
            f"pass the path of the model's file.{instead}"
        )
    if suffix in _PICKLES:
        return UnsafeFileError(
            f"{path}: a {suffix} file is a pickle, which can run code when it is read; pass the "
            "live model, or save it as .pt2, .onnx, .keras, .safetensors or .npz"
        )
    known = sorted({s for suffixes in BUILTIN.values() for s in suffixes})
    return FormatError(
        f"{path}: expected a file that ends in {', '.join(known)}, got {suffix or 'no suffix'!r}."
        f"{instead} Adapters at hand: {_at_hand()}"
    )


def _at_hand() -> str:
    """Return the names of the adapters, and what to install for those that lack something."""
    names = [
        name if _is_installed(name) else f"{name} (needs pip install 'cntgraph[{name}]')"
        for name in BUILTIN
    ]
    return ", ".join([*names, *(point.name for point in _entry_points())])


def _is_installed(name: str) -> bool:
    """Whether an adapter's framework is there; it is not imported."""
    if name in sys.modules and name not in _ALONE:
        return sys.modules[name] is not None
    return name in _ALONE or importlib.util.find_spec(name) is not None


def builtin(name: str, doing: str) -> Adapter:
    """Return an adapter of the package.

    Parameters
    ----------
    name : str
        Its name, which is that of the framework and of the extra.
    doing : str
        What it is needed for, for the message.

    Returns
    -------
    Adapter

    Raises
    ------
    MissingExtraError
        If its framework is not installed.
    """
    module = f"cntgraph.adapters.{_ALONE.get(name, name)}"
    return cast(Adapter, require(module, name, needed_for=doing))


def _plugins() -> Iterator[Adapter]:
    """Yield the adapters of third parties; a broken one warns, and the others work."""
    for point in _entry_points():
        try:
            plugin: Adapter = point.load()
        except Exception as error:  # whatever a stranger's import raises
            warnings.warn(
                f"the adapter {point.name!r} ({point.value}) cannot be used: {error!r}",
                RuntimeWarning,
                stacklevel=2,
            )
            continue
        yield plugin


def _entry_points() -> list[EntryPoint]:
    return list(entry_points(group="cntgraph.adapters"))
