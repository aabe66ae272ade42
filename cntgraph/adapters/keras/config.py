"""The configuration of a saved model: checked before anything is built from it.

A configuration is data, but it names classes, sizes and, in a Lambda layer, may carry code. What
could run code, reads other files or makes a small file fill the memory is refused here, whatever
the version of Keras.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from cntgraph.core.errors import FormatError, UnsafeFileError

#: Layers that run code, or read files, that a configuration names.
_REFUSED = {
    "FlaxLayer": "it is built around a function",
    "HashedCrossing": "it needs TensorFlow",
    "JaxLayer": "it is built around a function",
    "TFSMLayer": "it runs a TensorFlow program from another file",
    "TorchModuleWrapper": "it holds a pickled PyTorch module",
    "__lambda__": "it is compiled Python code",
    "__typespec__": "it is a type of TensorFlow",
}
#: Where functions may come from that a configuration names.
_FUNCTIONS = ("builtins", "keras.activations", "keras.initializers", "keras.ops",
              "keras.src.activations", "keras.src.ops")  # fmt: skip
#: Calls of layers that a model may be made of, nested models counted as often as they are called.
_MAX_CALLS = 100_000


def parse_config(path: Path, text: str | bytes) -> dict[str, Any]:
    """Return a configuration from its JSON text.

    Raises
    ------
    FormatError
        If it is no JSON object.
    """
    try:
        found = json.loads(text, object_hook=_plain)
    except (ValueError, RecursionError, TypeError, KeyError) as error:
        raise FormatError(
            f"{path}: expected the configuration of a Keras model as JSON, found other or damaged "
            f"text ({type(error).__name__}: {error}); save the model again"
        ) from error
    if not isinstance(found, dict):
        raise FormatError(f"{path}: expected the configuration of a Keras model, found a list")
    return found


def _plain(found: dict[str, Any]) -> Any:
    """Return tuples as such; older files mark them."""
    if found.get("class_name") == "__tuple__":
        return tuple(found["items"])
    return found


def check_config(path: Path, config: dict[str, Any]) -> bool:
    """Refuse a configuration that could do harm, and say what to do instead.

    Parameters
    ----------
    path : Path
        The file, for messages.
    config : dict
        The configuration; how the model was compiled is dropped from it.

    Returns
    -------
    bool
        Whether it names classes of the user's own, which are registered.

    Raises
    ------
    UnsafeFileError
        If code of the file would run.
    FormatError
        If it names a class that is not known, or calls layers beyond measure.
    """
    custom = False
    for part in _dicts(path, config):
        if isinstance(part.get("compile_config"), dict):
            part["compile_config"] = None
        if "class_name" in part:
            custom |= _check_class(path, part)
    if _n_calls(config) > _MAX_CALLS:
        raise FormatError(
            f"{path}: the model calls layers more than {_MAX_CALLS:,} times, by way of models "
            "within models; such a file is refused"
        )
    return custom


def _dicts(path: Path, config: Any) -> Iterator[dict[str, Any]]:
    """Yield all nested dicts."""
    waiting, depth = [config], 0
    while waiting:
        depth += 1
        if depth > 500:
            raise FormatError(f"{path}: the configuration is nested too deeply")
        below: list[Any] = []
        for value in waiting:
            if isinstance(value, dict):
                yield value
                below += value.values()
            elif isinstance(value, list | tuple):
                below += value
        waiting = below


def _check_class(path: Path, part: dict[str, Any]) -> bool:
    """Check a class that a configuration names; return whether it is one of the user's own."""
    name, module, inner = part["class_name"], part.get("module"), part.get("config")
    if not isinstance(name, str):
        raise FormatError(f"{path}: expected the name of a class, found {name!r}; save it again")
    if name == "function":
        what, known_as = "function", part.get("registered_name") or inner
        own = not isinstance(module, str) or not module.startswith(_FUNCTIONS)
    else:
        what, known_as = "class", part.get("registered_name") or name
        own = "module" in part and f"{module}.".partition(".")[0] != "keras"
    reason = _REFUSED.get(name, "")
    if name == "Lambda" and _carries_code(inner):
        reason = "this Lambda layer is compiled Python code and would run"
    elif not own and isinstance(inner, dict) and isinstance(inner.get("vocabulary"), str):
        reason = f"it reads its table from the file {inner['vocabulary']!r}"
    if reason:
        raise UnsafeFileError(
            f"{path}: the model has {name!r}: {reason}, so it was not read; pass the live model, "
            "or put a class of your own in its place"
        )
    if own and not _is_registered(known_as):
        raise FormatError(
            f"{path}: the model has a {what} of its own, {known_as!r} of module {module!r}, that "
            "is not known here; import the code that defines it and registers it by "
            "@keras.saving.register_keras_serializable(), or pass the live model"
        )
    # Older files name classes of the user's own by what they are registered under.
    return own or (what == "class" and module is None and _is_registered(name))


def _is_registered(name: Any) -> bool:
    return isinstance(name, str) and keras.saving.get_registered_object(name) is not None


def _carries_code(config: Any) -> bool:
    """Whether a Lambda layer carries along what it calls, instead of naming it."""
    if not isinstance(config, dict) or not isinstance(config.get("function"), dict):
        return True
    called = [config.get(key) for key in ("function", "output_shape", "mask")]
    return any(isinstance(v, dict) and v.get("class_name") != "function" for v in called)


def _n_calls(part: Any) -> int:
    """Return how many calls of layers a model amounts to, models within models unfolded."""
    inner = part.get("config") if isinstance(part, dict) else None
    layers = inner.get("layers") if isinstance(inner, dict) else None
    if not isinstance(layers, list):
        return 1
    total = 0
    for layer in layers:
        nodes = layer.get("inbound_nodes") if isinstance(layer, dict) else None
        times = max(len(nodes), 1) if isinstance(nodes, list) else 1
        total += times * (_n_calls(layer) if total <= _MAX_CALLS else 1)
    return total
