"""Which adapter reads what: by suffix for files, by type for live models.

Adapters are looked up without importing them: a live object can only belong to a framework that
is already imported, and a file is opened by the adapter of its suffix. A third party registers
one by an entry point in the group ``cntgraph.adapters``: a module (or object) with

* ``suffixes``: tuple of str, the files it reads,
* ``recognises(source) -> bool``: whether a live object is its own,
* ``load(source, *, input_shape, example_input, norm, strict) -> Network``,
* ``parameters(source) -> dict[str, Parameter]``: what `Recorder` reads at each snapshot.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from operator import index
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

from cntgraph.errors import FormatError, MissingExtraError, UnsafeFileError
from cntgraph.network import Network
from cntgraph.parameter import Parameter


class Adapter(Protocol):
    """What a framework's module offers."""

    suffixes: tuple[str, ...]

    def recognises(self, source: object, /) -> bool: ...
    def load(self, source: Any, /, **options: Any) -> Network: ...
    def parameters(self, source: Any, /) -> dict[str, Parameter]: ...


#: The adapters of the package: the framework they need, and the suffixes they read.
BUILTIN = {"torch": (".pt2",), "onnx": (".onnx",)}
_PICKLES = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin", ".joblib")


def load(source: Any, **options: Any) -> Network:
    """Turn a live model, or a file of a framework, into a `Network`.

    Parameters
    ----------
    source : Path or model object
        A file that an adapter reads, or a live model.
    **options
        ``input_shape``, ``example_input``, ``norm``, ``strict``: see `cntgraph.load`.

    Returns
    -------
    Network

    Raises
    ------
    FormatError
        If no adapter knows it.
    """
    options = checked_options(**options)
    if isinstance(source, str | Path):
        return _load_file(Path(source), options)
    return adapter_of(source).load(source, **options)


def checked_options(**options: Any) -> dict[str, Any]:
    """Return the options of `cntgraph.load`, checked before anything is read.

    Raises
    ------
    FormatError
        If `norm` or `input_shape` is not one.
    """
    norm = options.get("norm", "fold")
    if norm not in ("fold", "keep"):
        raise FormatError(f"expected norm to be 'fold' or 'keep', got {norm!r}")
    return {**options, "norm": norm, "input_shape": _checked_shape(options.get("input_shape"))}


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
    for name in BUILTIN:
        if name in sys.modules and (found := _builtin(name)).recognises(source):
            return found
    for plugin in _plugins():
        if plugin.recognises(source):
            return plugin
    raise FormatError(
        f"expected a path or a live model of a known framework ({', '.join(_names())}), got "
        f"{type(source).__module__}.{type(source).__qualname__}"
    )


def _load_file(path: Path, options: dict[str, Any]) -> Network:
    suffix = path.suffix.lower()
    for name, suffixes in BUILTIN.items():
        if suffix in suffixes:
            return _builtin(name).load(path, **options)
    for plugin in _plugins():
        if suffix in plugin.suffixes:
            return plugin.load(path, **options)
    raise _unknown_file(path, suffix)


def _unknown_file(path: Path, suffix: str) -> FormatError:
    if suffix in _PICKLES:
        return UnsafeFileError(
            f"{path}: a {suffix} file is a pickle, which can run code when it is read, and holds "
            "no graph; load it into its model, then pass the model, or save the model with "
            "torch.export.save (.pt2) or torch.onnx.export (.onnx)"
        )
    known = sorted({s for suffixes in BUILTIN.values() for s in suffixes} | {".h5", ".hdf5"})
    return FormatError(
        f"{path}: expected a file that ends in {', '.join(known)}, got {suffix or 'no suffix'!r}; "
        f"adapters at hand: {', '.join(_names())}"
    )


def _builtin(name: str) -> Adapter:
    try:
        return cast(Adapter, importlib.import_module(f"cntgraph.adapters.{name}"))
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "cntgraph"):
            raise
        raise MissingExtraError(
            f"reading {' or '.join(BUILTIN[name])} files needs {missing}: "
            f"pip install 'cntgraph[{name}]'"
        ) from error


def _plugins() -> Iterator[Adapter]:
    """Yield the adapters of third parties; a broken one warns, and the others work."""
    for point in _entry_points():
        try:
            plugin: Adapter | ModuleType = point.load()
        except Exception as error:  # whatever a stranger's import raises
            warnings.warn(
                f"the adapter {point.name!r} ({point.value}) cannot be used: {error!r}",
                RuntimeWarning,
                stacklevel=2,
            )
            continue
        yield plugin  # type: ignore[misc]


def _entry_points() -> list[EntryPoint]:
    return list(entry_points(group="cntgraph.adapters"))


def _names() -> list[str]:
    return [*BUILTIN, *(point.name for point in _entry_points())]


def _checked_shape(shape: Any) -> tuple[int, ...] | None:
    if shape is None:
        return None
    try:
        sizes = tuple(map(index, (shape,) if hasattr(shape, "__index__") else shape))
    except TypeError:
        sizes = (0,)
    if not sizes or min(sizes) < 1:
        raise FormatError(
            f"expected input_shape as positive integers without the batch, such as (1, 28, 28); "
            f"got {shape!r}"
        )
    return sizes
