"""The configuration of a saved model: checked before anything is built from it.

A configuration is data, but it names classes, sizes and, in a Lambda layer, may carry code. What
could run code, reads other files or makes a small file fill the memory is refused here, whatever
the version of Keras.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import keras

from cntgraph.adapters.damage import damage
from cntgraph.core.errors import FormatError, UnsafeFileError

#: The layers that compute with nothing but their configuration and their weights.
_LAYERS = frozenset(
    "Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention AugMix "
    "AutoContrast Average BatchNormalization Bidirectional CategoryEncoding CenterCrop "
    "Concatenate ContrastLimitedAdaptiveHistogramEqualization Conv1DTranspose Conv2DTranspose "
    "Conv3DTranspose CutMix Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU "
    "EinsumDense Embedding Equalization Flatten Functional GRU GRUCell GaussianDropout "
    "GaussianNoise GroupNormalization GroupQueryAttention GroupedQueryAttention Hashing Identity "
    "InputLayer IntegerLookup LSTM LSTMCell Lambda LayerNormalization LeakyReLU Masking "
    "MaxNumBoundingBoxes Maximum MelSpectrogram Minimum MixUp Model MultiHeadAttention Multiply "
    "Normalization PReLU Permute Pipeline RMSNormalization RNN RandAugment RandomBrightness "
    "RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop RandomElasticTransform "
    "RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHeight RandomHue "
    "RandomInvert RandomPerspective RandomPosterization RandomRotation RandomSaturation "
    "RandomSharpness RandomShear RandomTranslation RandomWidth RandomZoom ReLU RepeatVector "
    "Rescaling Reshape Resizing ReversibleEmbedding STFTSpectrogram SeparableConv1D "
    "SeparableConv2D Sequential SimpleRNN SimpleRNNCell Softmax Solarization "
    "SpectralNormalization StackedRNNCells StringLookup Subtract TextVectorization "
    "ThresholdedReLU TimeDistributed UnitNormalization".split()
)
#: More of them, of images of one to three axes.
_OF_IMAGES = frozenset(
    f"{kind}{rank}D"
    for rank in (1, 2, 3)
    for kind in (
        "AdaptiveAveragePooling AdaptiveMaxPooling AveragePooling Conv ConvLSTM Cropping "
        "GlobalAveragePooling GlobalMaxPooling MaxPooling SpatialDropout UpSampling ZeroPadding"
    ).split()
)
#: Values that a configuration marks by the name of a class.
_VALUES = frozenset(
    "__bytes__ __ellipsis__ __keras_tensor__ __numpy__ __slice__ __tensor__ __tuple__ Policy "
    "TensorShape".split()
)
#: Where all classes are such as only settings make.
_SETTINGS = ("constraints", "dtype_policies", "initializers", "quantizers", "random",
             "regularizers")  # fmt: skip
#: Where the operations of a graph are.
_OPERATIONS = "keras.src.ops."
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
    what = "expected the configuration of a Keras model as JSON, found other or damaged text"
    with damage(path, what, "save the model again"):
        found = json.loads(text, object_hook=_plain)
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
        known_as = part.get("registered_name") or inner
        ours = isinstance(module, str) and module.startswith(_FUNCTIONS)
        if not ours or not str(inner).isidentifier():
            _check_registered(path, "function", known_as, module)
        return not ours
    _check_code(path, name, inner)
    known_as = part.get("registered_name") or name
    if _is_registered(known_as):
        return True  # older files name a class by what it is registered under
    if "module" in part and f"{module}.".partition(".")[0] != "keras":
        _check_registered(path, "class", known_as, module)
    if not _is_harmless(name):
        _refuse(path, name, "it is none of the classes of Keras that are known to run no code and "
                "to read no files")  # fmt: skip
    if isinstance(inner, dict) and isinstance(inner.get("vocabulary"), str):
        _refuse(path, name, f"it reads its table from the file {inner['vocabulary']!r}")
    return False


def _check_code(path: Path, name: str, config: Any) -> None:
    """Refuse code that a configuration carries along, registered or not."""
    if name == "__lambda__":
        _refuse(path, name, "it is compiled Python code")
    if name == "Lambda" and _carries_code(config):
        _refuse(path, name, "this Lambda layer is compiled Python code and would run")


def _is_harmless(name: str) -> bool:
    """Whether a class of Keras is known to be harmless, wherever a file says that it is.

    A name is looked up as it stands: one with a dot is none.
    """
    spaces = [vars(getattr(keras, space, object)) for space in _SETTINGS]
    if name in _LAYERS | _OF_IMAGES | _VALUES or any(
        isinstance(space.get(name), type) for space in spaces
    ):
        return True
    operations = [vars(m) for key, m in list(sys.modules.items()) if key.startswith(_OPERATIONS)]
    found = [space[name] for space in operations if isinstance(space.get(name), type)]
    return any(issubclass(c, keras.Operation) and c.__module__.startswith(_OPERATIONS)
               for c in found)  # fmt: skip


def _refuse(path: Path, name: str, reason: str) -> NoReturn:
    raise UnsafeFileError(
        f"{path}: the model has {name!r}: {reason}, so it was not read; pass the live model, or "
        "put a class of your own in its place"
    )


def _check_registered(path: Path, what: str, name: Any, module: Any) -> None:
    if not _is_registered(name):
        raise FormatError(
            f"{path}: the model has a {what} of its own, {name!r} of module {module!r}, that is "
            "not known here; import the code that defines it and registers it by "
            "@keras.saving.register_keras_serializable(), or pass the live model"
        )


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
