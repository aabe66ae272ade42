"""Saved Keras models: a live model, its archive, its HDF5 file and its weights are one network."""

import json
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor

import h5py
import keras
import numpy as np
import pytest
from keras import layers as kl
from oracles.keras_models import flat, functional, randomize, sequential, values

import cntgraph as cg
from cntgraph.core.errors import FormatError
from cntgraph.network.blocks import TRANSFORMS


def convolutional():
    def build(x):
        y = kl.ReLU()(kl.BatchNormalization(name="norm")(kl.Conv2D(4, 3, name="conv")(x)))
        inner = sequential((4, 3, 4), kl.Conv2D(4, 3, padding="same", name="conv"), kl.Dropout(0.5))
        inner.name = "inner"
        y = inner(kl.Add()([inner(y), y]))
        return kl.Dense(3, "softmax", name="out")(kl.Flatten()(y))

    return functional(build, (6, 5, 3))


def recurrent():
    cells = [kl.GRUCell(3), kl.LSTMCell(2)]
    layers = [
        kl.Bidirectional(kl.LSTM(3, return_sequences=True)),
        kl.TimeDistributed(kl.Dense(4, name="step")), kl.RNN(cells), kl.Dense(2, name="out"),
    ]  # fmt: skip
    return sequential((4, 5), *layers)


def attentive():
    i = keras.Input((4,), dtype="int32", name="tokens")
    x = kl.Embedding(7, 6, name="embed")(i)
    x = kl.LayerNormalization(name="norm")(x + kl.MultiHeadAttention(2, 3, name="mix")(x, x))
    return keras.Model(i, flat(keras.ops.relu(x * 2.0)))


def standardized():
    model = sequential((3, 5), kl.Normalization(name="scaled"), kl.Dense(2, name="out"))
    model.layers[0].adapt(np.random.default_rng(0).normal(size=(9, 3, 5)).astype("float32"))
    return model


def lazy():
    """Built by its first call, without an input layer."""
    model = keras.Sequential([kl.Dense(3, name="one"), kl.Dense(2, name="two")])
    model(np.zeros((1, 4), "float32"))
    return model


MODELS = {"convolutional": convolutional, "recurrent": recurrent, "attentive": attentive,
          "standardized": standardized, "lazy": lazy}  # fmt: skip
FORMATS = (".keras", ".h5", ".weights.h5")


def save(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras on NumPy's conventions
        if path.name.endswith(".weights.h5"):
            model.save_weights(path)
        else:
            model.save(path)
    return path


def same(one, other):
    """Names, shapes, coverage and strengths."""
    for key in ("name", "shape", "kind", "activation", "is_input", "is_output"):
        assert [getattr(x, key) for x in one.layers] == [getattr(x, key) for x in other.layers]
    assert one.coverage.equals(other.coverage)
    for transform in TRANSFORMS:
        found = (cg.node_strength(net, transform=transform, edges="all") for net in (one, other))
        np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("name", MODELS)
def test_saved_is_live(name, suffix, tmp_path):
    model = randomize(MODELS[name]())
    given = {}
    live = cg.load(model, strict=True)
    if name == "attentive" and suffix == ".h5":
        # Keras does not read a graph with operations back from such a file either.
        path = save(model, tmp_path / "model.h5")
        with pytest.raises(FormatError, match="cannot be built"):
            cg.load(path)
        return
    path = save(model, tmp_path / f"model{suffix}")
    if "weights" in suffix:
        given = {"config": model}
    net = cg.load(path, strict=True, **given)
    same(live, net)


@pytest.mark.parametrize("name", ["convolutional", "recurrent", "attentive"])
def test_weights_with_a_configuration_of_any_kind(name, tmp_path):
    model = randomize(MODELS[name]())
    live, path = cg.load(model), save(model, tmp_path / "model.weights.h5")
    text = tmp_path / "config.json"
    text.write_text(model.to_json())
    archive = save(model, tmp_path / "model.keras")
    for config in (text, str(text), archive, json.loads(model.to_json()), model.get_config()):
        same(live, cg.load(path, config=config))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = randomize(keras.models.clone_model(model), seed=1)
    found = (cg.node_strength(net) for net in (live, cg.load(path, config=other)))
    np.testing.assert_array_equal(*found)


def test_weights_alone_are_a_block_each(tmp_path):
    model = randomize(convolutional())
    net = cg.load(save(model, tmp_path / "model.weights.h5"))
    blocks = {block.name: block for block in net.blocks}
    assert {"conv", "out", "norm"} <= set(blocks)
    kernel = model.get_layer("out").kernel
    found = blocks["out"].weight.read()
    assert found.shape == (3, 48)
    assert np.allclose(found.sum(), values(kernel.value).sum(), atol=1e-4)
    assert net.coverage.loc["norm/moving_mean", "status"] == "skipped"


def test_open_sizes_of_a_saved_model(tmp_path):
    model = sequential((None, None, 3), kl.Conv2D(2, 3), kl.GlobalAveragePooling2D())
    path = save(model, tmp_path / "model.keras")
    assert cg.load(path, input_shape=(3, 8, 7)).layers[0].shape == (3, 8, 7)
    assert cg.load(path, example_input=np.zeros((1, 8, 7, 3))).layers[1].shape == (2, 6, 5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_types_that_are_stored_as_bits(dtype, suffix, tmp_path):
    model = randomize(sequential((3,), kl.Dense(4, dtype=dtype, name="fc")))
    path = save(model, tmp_path / f"model{suffix}")
    net = cg.load(path, **({"config": model} if "weights" in suffix else {}))
    assert net.parameters["fc/kernel"].dtype == dtype
    live = cg.load(model).parameters["fc/kernel"]
    assert np.array_equal(net.parameters["fc/kernel"].read(), live.read())
    assert np.array_equal(net.parameters["fc/kernel"].raw(), live.raw())


def test_tensors_stay_in_the_file_until_they_are_read(tmp_path):
    model = randomize(sequential((30,), kl.Dense(40, name="fc")))
    path = save(model, tmp_path / "model.keras")
    net = cg.load(path)
    assert cg.describe(net).loc[1, "n_edges"] == 1200
    path.unlink()
    with pytest.raises(FormatError, match="changed or removed"):
        cg.node_strength(net)


def test_compressed_archives_and_tensors(tmp_path):
    model = randomize(convolutional())
    live = cg.load(model)
    path = save(model, tmp_path / "model.keras")
    packed = tmp_path / "packed.keras"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    same(live, cg.load(packed))
    plain, chunked = save(model, tmp_path / "a.weights.h5"), tmp_path / "b.weights.h5"
    with h5py.File(plain) as old, h5py.File(chunked, "w") as new:

        def copy(name, item):
            if isinstance(item, h5py.Dataset) and item.shape:
                new.create_dataset(name, data=item[()], chunks=True, compression="gzip")

        old.visititems(copy)
    same(live, cg.load(chunked, config=model))


def test_big_endian_tensors(tmp_path):
    model = randomize(sequential((3,), kl.Dense(2, name="fc")))
    path = save(model, tmp_path / "model.weights.h5")
    with h5py.File(path, "r+") as file:
        group = file["layers/dense/vars"]
        for key in list(group):
            values = group[key][()]
            del group[key]
            group.create_dataset(key, data=values.astype(">f4"))
    same(cg.load(model), cg.load(path, config=model))


@keras.saving.register_keras_serializable("tests")
class Gain(kl.Layer):
    """A layer of one's own, with a layer in it."""

    def __init__(self, n, **options):
        super().__init__(**options)
        self.n, self.inner = n, kl.Dense(n, name="inner")

    def build(self, shape):
        self.inner.build(shape)
        self.gain = self.add_weight(shape=(self.n,), name="gain")
        self.built = True

    def call(self, x):
        return self.inner(x) * self.gain

    def get_config(self):
        return {**super().get_config(), "n": self.n}


def test_registered_classes_are_built(tmp_path):
    model = randomize(sequential((300,), Gain(400, name="own"), kl.Dense(2, name="out")))
    live = cg.load(model, strict=True)
    for suffix in (".keras", ".h5"):
        same(live, cg.load(save(model, tmp_path / f"model{suffix}"), strict=True))


def test_a_compiled_and_trained_model(tmp_path):
    model = randomize(sequential((3,), kl.Dense(2, name="fc")))
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    model.train_on_batch(np.ones((2, 3), "float32"), np.ones((2, 2), "float32"))
    live = cg.load(model)
    assert list(live.parameters) == ["fc/kernel", "fc/bias"]
    for suffix in (".keras", ".h5"):
        same(live, cg.load(save(model, tmp_path / f"model{suffix}")))
    same(live, cg.load(save(model, tmp_path / "model.weights.h5"), config=model))


def test_a_file_that_keras_2_has_written(tmp_path):
    """As TensorFlow 2 writes it: marked tuples, input shapes in the first layer, no modules."""
    path = tmp_path / "old.h5"
    layers = [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 6, 5, 3],
                                                "dtype": "float32", "name": "image"}},
        {"class_name": "Conv2D", "config": {
            "name": "conv", "filters": 2, "kernel_size": {"class_name": "__tuple__",
                                                          "items": [3, 3]},
            "activation": "relu", "use_bias": True,
            "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}}}},
        {"class_name": "Flatten", "config": {"name": "flatten"}},
        {"class_name": "Dense", "config": {"name": "out", "units": 2}},
    ]  # fmt: skip
    config = {"class_name": "Sequential", "config": {"name": "old", "layers": layers}}
    rng = np.random.default_rng(0)
    tensors = {"conv": [(3, 3, 3, 2), (2,)], "flatten": [], "out": [(24, 2), (2,)]}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = b"2.11.0", b"tensorflow"
        file.attrs["model_config"] = json.dumps(config).encode()
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = [name.encode() for name in tensors]
        for name, shapes in tensors.items():
            group, names = root.create_group(name), []
            for key, shape in zip(("kernel:0", "bias:0"), shapes, strict=False):
                names.append(f"{name}/{key}")
                group.create_dataset(names[-1], data=rng.normal(size=shape).astype("float32"))
            group.attrs["weight_names"] = [n.encode() for n in names]
        kernel = root["out/out/kernel:0"][()]
    net = cg.load(path, strict=True)
    assert [layer.shape for layer in net.layers] == [(3, 6, 5), (2, 4, 3), (2,)]
    assert np.array_equal(net.parameters["out/kernel"].read(), kernel)


def test_what_is_asked_for_wrongly(tmp_path):
    model = randomize(sequential((3,), kl.Dense(2, name="fc")))
    archive, weights = (save(model, tmp_path / f"model{s}") for s in (".keras", ".weights.h5"))
    with pytest.raises(FormatError, match="leave out config="):
        cg.load(archive, config=model)
    with pytest.raises(FormatError, match="got int"):
        cg.load(weights, config=3)
    with pytest.raises(FormatError, match="found nothing"):
        cg.load(weights, config=tmp_path / "missing.json")
    other = sequential((4,), kl.Dense(2, name="fc"))
    with pytest.raises(FormatError, match="do not fit the model"):
        cg.load(weights, config=other)
    more = sequential((3,), kl.Dense(2, name="fc"), kl.Dense(2))
    with pytest.raises(FormatError, match="belong to another model"):
        cg.load(weights, config=more)


@pytest.mark.filterwarnings("ignore")
def test_threads_that_load_files_leave_keras_to_others(tmp_path):
    """Files are read in several threads while another one builds and calls models of its own."""
    own = {name: getattr(keras.Layer, name) for name in ("add_weight", "__call__")}
    for k in range(6):
        keras.utils.set_random_seed(k)
        layers = [keras.Input((5,)), keras.layers.Dense(4 + k, "relu"), keras.layers.Dense(2)]
        keras.Sequential(layers).save(tmp_path / f"{k}.keras")
    files = sorted(tmp_path.glob("*.keras"))
    wanted = [cg.node_strength(cg.load(path)) for path in files]
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(lambda path: cg.node_strength(cg.load(path)), f) for f in files * 3]
        while not all(future.done() for future in found):
            layer = keras.layers.Dense(3)
            assert tuple(layer(np.ones((2, 5), "float32")).shape) == (2, 3)
            assert tuple(layer.kernel.shape) == (5, 3)
    for future, strength in zip(found, wanted * 3, strict=True):
        assert np.array_equal(future.result(), strength)
    assert {name: getattr(keras.Layer, name) for name in own} == own
