"""Small models saved by Keras, and what may be wrong in them on purpose."""

import base64
import io
import json
import marshal
import warnings
import zipfile
from contextlib import suppress

import h5py
from keras import layers as kl
from oracles import hdf5_files, mutate
from oracles.keras_models import functional, randomize, sequential
from oracles.mutate import pick
from oracles.program_files import MARKER


def samples(folder):
    """Return, by name: suffix, bytes, how to damage what they mean, options of `load`."""
    found = {}
    for name, build in _MODELS.items():
        model = randomize(build())
        for kind, suffix in (("keras", ".keras"), ("whole", ".h5"), ("weights", ".weights.h5")):
            damage = _archive if kind == "keras" else _hdf5
            path = folder / f"{name}{suffix}"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Keras on NumPy's conventions
                model.save_weights(path) if kind == "weights" else model.save(path)
            found[f"{kind}.{name}"] = (suffix, path.read_bytes(), damage, {})
            if kind == "weights":
                options = {"config": json.loads(model.to_json())}
                found[f"{kind}.{name}.config"] = (suffix, path.read_bytes(), damage, options)
    return found


def _convolutional():
    def build(x):
        y = kl.ReLU()(kl.BatchNormalization()(kl.Conv2D(4, 3, strides=2, padding="same")(x)))
        y = kl.Add()([kl.DepthwiseConv2D(3, padding="same")(y), y])
        y = kl.Conv2DTranspose(2, 2, strides=2)(kl.ZeroPadding2D(1)(y))
        return kl.Dense(3, "softmax")(kl.Flatten()(kl.AveragePooling2D(2)(kl.UpSampling2D()(y))))

    return functional(build, (6, 5, 3))


def _recurrent():
    layers = [kl.Bidirectional(kl.LSTM(3, return_sequences=True)), kl.GRU(2), kl.Dense(2)]
    return sequential((4, 5), *layers)


def _attentive():
    def build(x):
        x = kl.LayerNormalization()(x)
        return kl.GlobalAveragePooling1D()(kl.MultiHeadAttention(2, 3)(x, x))

    return functional(build, (4, 6))


_MODELS = {"convolutional": _convolutional, "recurrent": _recurrent, "attentive": _attentive}


# -- damage ----------------------------------------------------------------------------------------


def _archive(data, rng):
    """Damage the configuration or the weights in an archive, or the archive."""
    what = int(rng.integers(6))
    if what == 0:
        return mutate.zipped()(data, rng)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    if what == 1:
        members["model.weights.h5"] = _hdf5(members["model.weights.h5"], rng)
    else:
        members["config.json"] = _configuration(members["config.json"], rng)
    if rng.integers(20) == 0:
        members[pick(rng, list(members))] += bytes(2**26)
    out = io.BytesIO()
    large = max(map(len, members.values())) > 2**20
    with zipfile.ZipFile(out, "w", pick(rng, (0, 8)) if not large else 8) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def _hdf5(data, rng):
    """Damage the objects of a file, the headers of the objects, or the configuration in it."""
    if rng.integers(5) == 0:
        return hdf5_files.damage_headers(data, rng)
    file = io.BytesIO(data)
    with h5py.File(file, "r+") as opened:
        if "model_config" in opened.attrs and rng.integers(3):
            changed = _configuration(opened.attrs["model_config"], rng)
            with suppress(ValueError, OSError, RuntimeError):  # larger than an attribute may be
                opened.attrs["model_config"] = changed.decode()
        else:
            hdf5_files.damage_objects(opened, rng)
    return file.getvalue()


def _configuration(text, rng):
    """Change what a model is said to be."""
    value = json.loads(text)
    for _ in range(pick(rng, (1, 1, 2, 3))):
        what = int(rng.integers(6))
        layers = _layers_of(value)
        with suppress(TypeError, KeyError, ValueError, IndexError, AttributeError):
            if what == 0 or not layers:
                value = mutate.json_value(value, rng)
            elif what == 1:
                k = int(rng.integers(len(layers)))
                layers[k] = mutate.json_value(layers[k], rng)
            elif what == 2:
                pick(rng, layers).update(pick(rng, _FOREIGN))
            elif what == 3:
                layers.insert(int(rng.integers(len(layers) + 1)), dict(pick(rng, layers)))
            else:
                _setting(pick(rng, layers)["config"], rng)
    return json.dumps(value).encode()


def _layers_of(value):
    """What stands where a model's layers are listed, if anything."""
    for key in ("config", "layers"):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _setting(config, rng):
    """Set a number of a layer, such as its units, its kernel or its input's shape."""
    key = pick(rng, [key for key in config if key not in ("name", "dtype")])
    new = pick(rng, (*mutate.NUMBERS, -1, 3, 2**20, 1.5, None, "valid", "softmax", [], [2**31, 2]))
    if isinstance(config[key], list) and config[key]:
        config[key][int(rng.integers(len(config[key])))] = new
    elif isinstance(config[key], dict) and rng.integers(3):
        config[key] = mutate.json_value(config[key], rng)
    else:
        config[key] = new


_CODE = compile(f"open({str(MARKER)!r}, 'w')", "file", "exec")
_LAMBDA = {"class_name": "__lambda__", "config": {"closure": None, "defaults": None,
           "code": base64.b64encode(marshal.dumps(_CODE)).decode()}}  # fmt: skip
#: What a file may ask a loader to call.
_FOREIGN = (
    {"class_name": "Lambda", "config": {"name": "x", "function": _LAMBDA}},
    {"class_name": "Lambda", "config": {"name": "x", "function": ["code", None, None]}},
    {"class_name": "system", "module": "os", "config": {"command": f"touch {MARKER}"}},
    {"class_name": "open", "module": "builtins", "config": {"file": str(MARKER), "mode": "w"}},
    {"class_name": "get_file", "module": "keras.utils", "config": {"origin": "file:///etc/passwd"}},
    {"class_name": "TorchModuleWrapper", "config": {"name": "x", "module": "gASVAA=="}},
    {"class_name": "TFSMLayer", "config": {"name": "x", "filepath": "/tmp"}},
    {"class_name": "Functional"}, {"class_name": "Sequential"}, {"class_name": "RNN"},
    {"class_name": "Bidirectional"}, {"class_name": "Conv3D"}, {"class_name": "Reshape"},
    {"class_name": "Embedding"}, {"class_name": "NoSuch"}, {"module": "subprocess"},
    {"registered_name": "my>Layer"}, {"class_name": "MelSpectrogram"}, {"class_name": "Hashing"},
)  # fmt: skip
