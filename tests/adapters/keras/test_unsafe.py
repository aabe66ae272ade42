"""Keras files that would run code, read other files, or fill the memory: refused, unread."""

import io
import json
import struct
import tracemalloc
import warnings
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers as kl
from oracles.keras_models import functional, sequential

import cntgraph as cg
from cntgraph.adapters.keras import config
from cntgraph.core.errors import CntGraphError, CoverageWarning, FormatError, UnsafeFileError


@pytest.fixture(autouse=True)
def _little_memory():
    """Whatever a test reads, it takes less than 100 MB."""
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6


def saved(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_weights(path) if ".weights." in path.name else model.save(path)
    return path


def small():
    return sequential((4, 5), kl.Dense(3, name="one"), kl.Flatten(), kl.Dense(2, name="two"))


def archive(tmp_path, change, model=None):
    """A .keras archive whose configuration is another."""
    path = saved(small() if model is None else model, tmp_path / "plain.keras")
    made = tmp_path / "model.keras"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name == "config.json":
                config = json.loads(text)
                text = json.dumps(change(config) or config).encode()
            new.writestr(name, text)
    return made


def older(tmp_path, change, model=None):
    """An HDF5 file of a whole model whose configuration is another."""
    path = saved(small() if model is None else model, tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps(change(config) or config).encode()
    return path


def layer_of(config, name):
    return next(layer for layer in config["config"]["layers"] if layer["config"]["name"] == name)


# -- code -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_s_code_does_not_run(suffix, tmp_path):
    ran = tmp_path / "ran"
    payload = eval(f"lambda x: (open({str(ran)!r}, 'w').close(), x)[1]")
    model = sequential((3,), kl.Lambda(payload, (3,)))
    path = saved(model, tmp_path / f"model{suffix}")
    payload(0)
    assert ran.exists()
    ran.unlink()
    with pytest.raises(UnsafeFileError, match=r"Lambda layer.*was not read"):
        cg.load(path)
    assert not ran.exists()


def code():
    return {"class_name": "__lambda__", "config": {"value": "4wEAAAA=", "code": "4wEAAAA="}}


@pytest.mark.parametrize("make", [archive, older])
@pytest.mark.parametrize("key", ["activation", "kernel_initializer", "kernel_regularizer"])
def test_code_in_any_place_is_refused(make, key, tmp_path):
    def change(config):
        layer_of(config, "one")["config"][key] = code()

    with pytest.raises(UnsafeFileError, match="compiled Python code"):
        cg.load(make(tmp_path, change))


def lambda_layer(config):
    """As older versions write it: a list of code, defaults and closure."""
    layer = layer_of(config, "one")
    layer["class_name"] = "Lambda"
    layer["config"] = {"name": "one", "function": ["4wEAAAA=", None, None],
                       "function_type": "lambda"}  # fmt: skip


@pytest.mark.parametrize("make", [archive, older])
@pytest.mark.parametrize(
    "kind", ["TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "__typespec__"]
)
def test_layers_that_run_code_or_read_files_are_refused(make, kind, tmp_path):
    def change(config):
        layer_of(config, "one").update(class_name=kind, config={"name": "one", "filepath": "x"})

    with pytest.raises(UnsafeFileError, match=f"{kind}.*was not read"):
        cg.load(make(tmp_path, change))


@pytest.mark.parametrize("make", [archive, older])
@pytest.mark.parametrize(
    ("module", "name"),
    [("keras", "layers.TorchModuleWrapper"), ("keras", "layers.Dense"),
     ("keras.src", "utils.torch_utils.TorchModuleWrapper"), ("keras.utils", "TorchModuleWrapper"),
     ("keras.src.ops.numpy", "Operation.Add"), ("keras.src.ops.numpy", "np"),
     ("keras.saving", "KerasFileEditor"), ("keras.layers", "NeverSeenBefore"), (None, "Layer")],
)  # fmt: skip
def test_only_classes_that_are_known_by_name_are_let_in(make, module, name, tmp_path):
    def change(config):
        layer_of(config, "one").update(module=module, class_name=name, registered_name=None)
        if module is None:
            del layer_of(config, "one")["module"]

    with pytest.raises(UnsafeFileError, match=f"{name}.*was not read"):
        cg.load(make(tmp_path, change))


def test_the_classes_that_are_let_in_are_there():
    spaces = [kl, keras.src.layers, keras, keras.src.models, keras.src.legacy.layers]
    for name in config._LAYERS | config._OF_IMAGES:
        assert any(issubclass(getattr(space, name, int), kl.Layer) for space in spaces), name


@pytest.mark.parametrize("make", [archive, older])
def test_an_older_lambda_is_refused(make, tmp_path):
    with pytest.raises(UnsafeFileError, match="Lambda layer"):
        cg.load(make(tmp_path, lambda_layer))


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("builtins", "eval"), ("keras.utils", "get_file"),
     ("keras.saving", "load_model"), ("subprocess", "run"), (None, "mine"),
     ("keras.activations", "activations.relu")],
)  # fmt: skip
def test_functions_from_elsewhere_are_refused(module, name, tmp_path):
    def change(config):
        layer_of(config, "one")["config"]["activation"] = {
            "class_name": "function", "module": module, "config": name, "registered_name": name
        }  # fmt: skip

    with pytest.raises(FormatError, match=f"function of its own, '{name}'|cannot be built"):
        cg.load(archive(tmp_path, change))


def test_classes_that_are_not_known_say_what_to_import(tmp_path):
    def change(config):
        layer_of(config, "one").update(
            module="mine.layers", class_name="Mine", registered_name="package>Mine"
        )

    with pytest.raises(FormatError, match=r"'package>Mine'.*import the code that defines it"):
        cg.load(archive(tmp_path, change))


def test_a_table_in_another_file_is_not_read(tmp_path):
    def change(config):
        layer_of(config, "one").update(
            class_name="IntegerLookup", config={"name": "one", "vocabulary": "/etc/passwd"}
        )

    with pytest.raises(UnsafeFileError, match="/etc/passwd"):
        cg.load(archive(tmp_path, change))


def test_unsafe_deserialization_does_not_open_the_door(tmp_path):
    model = sequential((3,), kl.Lambda(lambda x: x * 2))
    path = saved(model, tmp_path / "model.keras")
    keras.config.enable_unsafe_deserialization()
    try:
        with pytest.raises(UnsafeFileError):
            cg.load(path)
    finally:
        from keras.src.backend.common import global_state

        global_state.set_global_attribute("safe_mode_saving", None)


# -- sizes ----------------------------------------------------------------------------------------

HUGE = 10**9


def declare(name, **settings):
    return lambda config: layer_of(config, name)["config"].update(settings)


def other_input(shape):
    def change(config):
        layer_of(config, config["config"]["layers"][0]["config"]["name"])["config"].update(
            batch_shape=[None, *shape]
        )
        for layer in config["config"]["layers"]:
            layer.pop("build_config", None)

    return change


@pytest.mark.parametrize("make", [archive, older])
@pytest.mark.parametrize("units", [HUGE, 10**30, -3, 0, 2.5, "many", None, [3]])
def test_a_dense_layer_of_any_width(make, units, tmp_path):
    with pytest.raises(FormatError, match=r"asks for a weight|cannot be built|do not fit"):
        cg.load(make(tmp_path, declare("one", units=units)))


@pytest.mark.parametrize("shape", [(HUGE, 5), (HUGE, HUGE), (4, HUGE), (10**20, 5)])
@pytest.mark.parametrize("make", [archive, older])
def test_an_input_of_any_size(make, shape, tmp_path):
    with pytest.raises(CntGraphError):
        cg.load(make(tmp_path, other_input(shape)))


@pytest.mark.parametrize(
    "layer",
    [
        lambda: kl.RepeatVector(HUGE), lambda: kl.Reshape((-1, 1, 1)),
        lambda: kl.CategoryEncoding(HUGE, "multi_hot"),
    ],
)  # fmt: skip
def test_layers_without_weights_that_ask_for_much(layer, tmp_path):
    model = functional(lambda x: layer()(kl.Dense(3)(x)), (4,))
    path = saved(model, tmp_path / "model.keras")
    if type(layer()).__name__ == "Reshape":
        assert cg.load(path).n_nodes == 7
        return
    with pytest.raises(CntGraphError, match=r"67,108,864|GiB are free"):
        cg.load(path, strict=True)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: kl.UpSampling2D(HUGE), lambda: kl.ZeroPadding2D(HUGE),
        lambda: kl.UpSampling2D(20_000, interpolation="bilinear"),
        lambda: kl.MaxPooling2D(HUGE, 1, padding="same"),
        lambda: kl.AveragePooling2D(60_000, 1, padding="same"),
        lambda: kl.Conv2DTranspose(1, 1, strides=10**7),
    ],
)  # fmt: skip
def test_images_that_are_asked_to_be_large(layer, tmp_path):
    model = functional(lambda x: layer()(kl.Conv2D(2, 1)(x)), (4, 4, 1))
    path = saved(model, tmp_path / "model.keras")
    try:
        net = cg.load(path, strict=True)
    except CntGraphError:
        return
    assert net.n_edges < 10**7


def test_models_within_models_within_models(tmp_path):
    """Forty models, each of which calls the next one twice: 2⁴⁰ calls in a small file."""
    model = sequential((3,), kl.Dense(3))
    for depth in range(3):
        inner, i = model, keras.Input((3,))
        model = keras.Model(i, inner(inner(i)), name=f"twice_{depth}")

    def change(config):
        for _ in range(40):
            outer = json.loads(json.dumps(template))
            place = next(x for x in outer["config"]["layers"] if x["class_name"] == "Functional")
            nodes = place["inbound_nodes"]
            place["config"] = config["config"]
            place["inbound_nodes"] = nodes
            config = outer
        return config

    with zipfile.ZipFile(saved(model, tmp_path / "t.keras")) as file:
        template = json.loads(file.read("config.json"))
    with pytest.raises(FormatError, match=r"models within models|nested too deeply"):
        cg.load(archive(tmp_path, change, model))


@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b'{"a":' * 100_000, b"{", b"[]", b"null", b"\xff"]
)
def test_configurations_that_are_no_json(text, tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(saved(small(), tmp_path / "a.keras")) as old:
        weights = old.read("model.weights.h5")
    with zipfile.ZipFile(path, "w") as new:
        new.writestr("config.json", text)
        new.writestr("model.weights.h5", weights)
    with pytest.raises(FormatError, match=r"model\.keras"):
        cg.load(path)


# -- archives -------------------------------------------------------------------------------------


def test_archives_that_lack_a_part_or_have_more(tmp_path):
    whole = saved(small(), tmp_path / "model.keras")
    with zipfile.ZipFile(whole) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    for missing in ("config.json", "model.weights.h5"):
        path = tmp_path / "part.keras"
        with zipfile.ZipFile(path, "w") as file:
            for name, text in parts.items():
                if name != missing:
                    file.writestr(name, text)
        with pytest.raises(FormatError, match=missing):
            cg.load(path)
    path = tmp_path / "more.keras"
    with zipfile.ZipFile(path, "w") as file:
        for name, text in parts.items():
            file.writestr(name, text)
        file.writestr("../../outside", b"no")
        file.writestr("assets/../../../outside", b"no")
    assert cg.load(path).n_parameters == 18 + 26
    assert not (tmp_path.parent / "outside").exists()


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_a_member_that_unpacks_to_much_more(member, tmp_path):
    with zipfile.ZipFile(saved(small(), tmp_path / "a.keras")) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, text in parts.items():
            if name != member:
                new.writestr(name, text)
        with new.open(member, "w", force_zip64=True) as file:
            for _ in range(80):
                file.write(bytes(1 << 20))
    with pytest.raises(FormatError, match="made to fill the memory"):
        cg.load(path)


def test_weights_of_another_kind_are_refused(tmp_path):
    with zipfile.ZipFile(saved(small(), tmp_path / "a.keras")) as old:
        config = old.read("config.json")
    path, npz = tmp_path / "model.keras", io.BytesIO()
    np.savez(npz, a=np.array([{}], dtype=object))
    with zipfile.ZipFile(path, "w") as new:
        new.writestr("config.json", config)
        new.writestr("model.weights.npz", npz.getvalue())
    with pytest.raises(FormatError, match="only weights in HDF5"):
        cg.load(path)


# -- HDF5 -----------------------------------------------------------------------------------------


def external_link(file, path):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = h5py.ExternalLink("other.h5", "/x")


def soft_link(file, path):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = h5py.SoftLink("/layers/dense_1/vars/0")


def external_storage(file, path):
    del file["layers/dense/vars/0"]
    outside = path.parent / "secret"
    outside.write_bytes(bytes(60))
    group = file["layers/dense/vars"]
    group.create_dataset("0", (5, 3), "f4", external=[(str(outside), 0, 60)])


def virtual(file, path):
    del file["layers/dense/vars/0"]
    layout = h5py.VirtualLayout((5, 3), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (5, 3))
    file["layers/dense/vars"].create_virtual_dataset("0", layout)


def circle(file, path):
    file["layers/dense/again"] = file["layers"]


def declared(shape, **options):
    def change(file, path):
        del file["layers/dense/vars/0"]
        file["layers/dense/vars"].create_dataset("0", shape, "f4", **options)

    return change


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        (external_link, UnsafeFileError, "link to elsewhere"),
        (soft_link, UnsafeFileError, "link to elsewhere"),
        (external_storage, UnsafeFileError, "in other files"),
        (virtual, UnsafeFileError, "in other files"),
        (circle, FormatError, "leads in circles"),
        (declared((HUGE, 3)), FormatError, "it declares"),
        (declared((HUGE, 3), chunks=(1000, 3), compression="gzip"), FormatError, "it declares"),
        (declared((5, 4)), FormatError, "it declares"),
        (declared((5, 4), data=np.ones((5, 4))), FormatError, "do not fit the model"),
        (declared((5,), data=np.ones(5)), FormatError, "do not fit the model"),
    ],
)
def test_hdf5_files_that_lead_elsewhere_or_lie(change, error, reason, tmp_path):
    model = small()
    path = saved(model, tmp_path / "model.weights.h5")
    with h5py.File(path, "r+") as file:
        change(file, path)
    for options in ({"config": model}, {"config": model.get_config()}, {}):
        if not options and reason == "do not fit the model":
            continue
        with pytest.raises(error, match=reason):
            cg.load(path, **options)


@pytest.mark.parametrize("length", [0, 8])
def test_texts_that_go_in_circles(length, tmp_path):
    """HDF5 walks a heap of texts by the lengths that it finds there, and never comes back."""
    path = saved(small(), tmp_path / "model.weights.h5")
    data = bytearray(path.read_bytes())
    heap = data.index(b"GCOL")
    (size,), place = struct.unpack_from("<Q", data, heap + 8), heap + 16
    while data[place : place + 2] != b"\0\0":  # up to what is free
        place += 16 + (struct.unpack_from("<Q", data, place + 8)[0] + 7) // 8 * 8
    assert place < heap + size
    struct.pack_into("<Q", data, place + 8, length)
    path.write_bytes(data)
    with pytest.raises(FormatError, match="the texts of the HDF5 file are damaged"):
        cg.load(path)


def test_a_text_that_claims_a_gigabyte(tmp_path):
    """HDF5 would take the memory before it looks how long the text is."""
    path = saved(small(), tmp_path / "model.h5")
    with h5py.File(path) as file:
        length = len(file.attrs["model_config"])
    data = bytearray(path.read_bytes())
    reference = data.index(struct.pack("<IQ", length, data.index(b"GCOL")))
    struct.pack_into("<I", data, reference, 1 << 30)
    path.write_bytes(data)
    with pytest.raises(FormatError, match="a text of the attribute 'model_config' of / is damaged"):
        cg.load(path)


def test_texts_and_objects_among_the_tensors(tmp_path):
    model = small()
    path = saved(model, tmp_path / "model.weights.h5")
    with h5py.File(path, "r+") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = ["text"]
    with pytest.raises(CntGraphError):
        cg.load(path, config=model)
    with pytest.warns(CoverageWarning, match="expected tensors of real numbers"):
        net = cg.load(path)
    assert net.coverage.loc["two/kernel", "status"] == "included"
