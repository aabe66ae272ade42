import importlib.util
import os
import pickle
import sys

import numpy as np
import pytest
from needs import needs
from safetensors.numpy import save_file

import cntgraph as cg
from cntgraph.adapters import registry
from cntgraph.core.errors import CntGraphError, FormatError, MissingExtraError, UnsafeFileError


class Point:
    """An entry point of a third party."""

    def __init__(self, name, plugin):
        self.name, self.value, self.plugin = name, f"{name}_package", plugin

    def load(self):
        if isinstance(self.plugin, Exception):
            raise self.plugin
        return self.plugin


class Plugin:
    suffixes = (".net",)

    def __init__(self, kind=int):
        self.kind, self.calls = kind, []

    def recognizes(self, source):
        return isinstance(source, self.kind)

    def load(self, source, **options):
        self.calls.append((source, options))
        return cg.toy("mlp")

    def parameters(self, source):
        return {}


@pytest.fixture
def install(monkeypatch):
    def install(*points):
        monkeypatch.setattr(registry, "_entry_points", lambda: list(points))

    install()
    return install


ADAPTERS = "keras, torch, onnx, huggingface, safetensors, gguf, numpy, orbax, nir, sklearn, jax"


@pytest.fixture
def all_at_hand():
    for framework in ("keras", "torch", "jax"):
        needs(framework)


@pytest.mark.parametrize("name", ["model.xyz", "model", "model.onnx.txt", ".onnx", "model.json"])
def test_unknown_suffixes_list_the_known_ones(tmp_path, install, name, all_at_hand):
    path = tmp_path / name
    path.write_bytes(b"x")
    with pytest.raises(FormatError, match=rf"\.onnx, \.pt, \.pt2.*Adapters at hand: {ADAPTERS}$"):
        cg.load(path)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("m.tflite", "--tflite"), ("m.pb", "--saved-model"),
        ("m.mlmodel", "ONNX"), ("m.msgpack", r"flax\.serialization"), ("m.tar.gz", "unpack"),
        ("m.PDPARAMS", "paddle2onnx"), ("m.mat", "loadmat"), ("m.engine", "ONNX"),
    ],
)  # fmt: skip
def test_files_of_other_programs_say_what_to_do(tmp_path, name, advice):
    path = tmp_path / name
    path.write_bytes(b"x")
    with pytest.raises(FormatError, match=rf"Instead, .*{advice}.*Adapters at hand"):
        cg.load(path)


def test_frameworks_that_are_not_installed_are_named_with_their_extra(
    tmp_path, monkeypatch, all_at_hand
):
    path = tmp_path / "model.xyz"
    path.write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "keras" else find(name)
    )
    with pytest.raises(FormatError) as caught:
        cg.load(path)
    shown = str(caught.value)
    for name in ("torch", "keras"):
        assert f"{name} (needs pip install 'cntgraph[{name}]')" in shown
    assert "onnx, huggingface, safetensors, gguf, numpy, orbax, nir, sklearn, jax" in shown
    assert "jax" not in sys.modules


def test_a_missing_file_a_folder_and_what_is_neither(tmp_path):
    with pytest.raises(FormatError, match="expected a file, found nothing"):
        cg.load(tmp_path / "model.pt2")
    (tmp_path / "folder.pt2").mkdir()
    with pytest.raises(FormatError, match="found one without any"):
        cg.load(str(tmp_path / "folder.pt2"))
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"x")
    with pytest.raises(FormatError, match=r"found one without any.*--saved-model"):
        cg.load(tmp_path / "saved")
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(FormatError, match="found something else"):
        cg.load(tmp_path / "pipe.onnx")


def test_a_folder_of_safetensors(tmp_path):
    save_file({"fc.weight": np.ones((2, 3))}, tmp_path / "model.safetensors")
    assert cg.load(tmp_path).n_edges == 6
    assert cg.load(str(tmp_path), strict=True).n_edges == 6


def test_a_third_party_may_read_folders(tmp_path, install):
    folder = tmp_path / "a.net"
    folder.mkdir()
    install(Point("mine", Plugin()))
    assert cg.load(folder).n_nodes == 20


@pytest.mark.parametrize("name", ["m.npz", "m.npy", "m.safetensors", "m.pt", "m.onnx", "m.pt2"])
def test_files_that_cannot_be_read(tmp_path, name):
    if name.endswith((".pt", ".pt2")):
        needs("torch")
    path = tmp_path / name
    path.write_bytes(b"x")

    def refused(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pathlib.Path.open", refused)
        patch.setattr("zipfile.ZipFile", refused)
        with pytest.raises(FormatError):
            cg.load(path)


@pytest.mark.parametrize(
    "suffix", ["pt", "pth", "ckpt", "pkl", "pickle", "bin", "joblib", "dill", "PT"]
)
def test_pickles_are_refused_and_not_run(tmp_path, suffix):
    if suffix.lower() in ("pt", "pth", "ckpt", "bin"):
        needs("torch")
    marker, path = tmp_path / "ran", tmp_path / f"model.{suffix}"

    class Payload:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    path.write_bytes(pickle.dumps(Payload()))
    with pytest.raises(UnsafeFileError, match=r"pickle.*(torch\.export\.save|\.safetensors)"):
        cg.load(path)
    assert not marker.exists()


@pytest.mark.parametrize("source", [object(), None, 3.0, {}, [1], b"model.pt2", np.float64(3), cg])
def test_unknown_live_objects(install, source, all_at_hand):
    with pytest.raises(FormatError, match=rf"expected a path, a live model.*{ADAPTERS}\), got"):
        cg.load(source)


def test_a_third_party_reads_its_files_and_its_models(tmp_path, install, all_at_hand):
    plugin, path = Plugin(), tmp_path / "a.net"
    path.write_bytes(b"x")
    install(Point("mine", plugin))
    assert cg.load(path, input_shape=(3, 4), norm="keep", strict=True).n_nodes == 20
    assert cg.load(7, example_input=1).n_nodes == 20
    (file, options), (live, _) = plugin.calls
    assert (file, live) == (path, 7)
    assert options == {
        "input_shape": (3, 4), "norm": "keep", "strict": True, "example_input": None,
        "unroll": None, "batched": True, "zeros": "pruned",
    }  # fmt: skip
    with pytest.raises(FormatError, match=f"{ADAPTERS}, mine"):
        cg.load(b"x")


def test_a_broken_third_party_warns_and_the_others_work(tmp_path, install):
    path = tmp_path / "a.net"
    path.write_bytes(b"x")
    install(Point("broken", ImportError("no such thing")), Point("mine", Plugin()))
    with pytest.warns(RuntimeWarning, match=r"'broken' \(broken_package\).*no such thing"):
        assert cg.load(path).n_nodes == 20
    with pytest.warns(RuntimeWarning, match="'broken'"):
        assert cg.load(7).n_nodes == 20


def test_the_package_comes_first(tmp_path, install):
    needs("torch")

    class Greedy(Plugin):
        suffixes = (".pt2", ".onnx")

    greedy = Greedy(object)
    install(Point("greedy", greedy))
    path = tmp_path / "model.pt2"
    path.write_bytes(b"x")
    with pytest.raises(FormatError, match="pt2 archive"):
        cg.load(path)
    assert greedy.calls == []


@pytest.mark.parametrize(
    ("adapter", "file"),
    [
        ("torch", "model.pt2"), ("torch", "model.ckpt"), ("onnx", "model.onnx"),
        ("keras", "model.keras"), ("keras", "model.weights.h5"),
    ],
)  # fmt: skip
def test_a_missing_framework_names_the_extra(tmp_path, monkeypatch, adapter, file):
    monkeypatch.setitem(sys.modules, adapter, None)
    for name in [m for m in sys.modules if m.startswith(f"cntgraph.adapters.{adapter}")]:
        monkeypatch.delitem(sys.modules, name)
    path = tmp_path / file
    path.write_bytes(b"x")
    suffix = ".h5" if file.endswith(".h5") else path.suffix
    with pytest.raises(
        MissingExtraError,
        match=rf"reading a \{suffix} file needs {adapter}: pip install 'cntgraph\[{adapter}\]'",
    ):
        cg.load(path)


def test_a_broken_framework_is_not_our_bug(tmp_path, monkeypatch):
    def broken(name):
        raise ImportError("libtorch_cpu.so: cannot open shared object file")

    load = cg.load  # which is imported when it is first asked for
    monkeypatch.setattr(registry.importlib, "import_module", broken)
    path = tmp_path / "model.pt2"
    path.write_bytes(b"x")
    with pytest.raises(MissingExtraError, match=r"needs torch.*libtorch_cpu\.so"):
        load(path)


def test_weights_into_a_model_without_its_framework(tmp_path, monkeypatch):
    save_file({"fc.weight": np.ones((2, 3))}, tmp_path / "model.safetensors")
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [m for m in sys.modules if m.startswith("cntgraph.adapters.torch")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtraError, match="putting weights into a model needs torch"):
        cg.load(tmp_path, model=object())


@pytest.mark.parametrize("file", ["m.npz", "m.safetensors", "m.onnx", "m.pt2", "m.pt"])
def test_options_of_other_adapters_are_refused(tmp_path, file):
    if file.endswith((".pt", ".pt2")):
        needs("torch")
    path = tmp_path / file
    path.write_bytes(b"x")
    with pytest.raises(FormatError, match="unknown option 'params'; reading this takes"):
        cg.load(path, params={})


def test_a_framework_is_only_looked_at_where_it_is_loaded(monkeypatch, install):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    asked = []
    for name in ("keras", "onnx", "jax", "sklearn"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    builtin = registry.builtin
    monkeypatch.setattr(
        registry, "builtin", lambda name, doing: asked.append(name) or builtin(name, doing)
    )
    with pytest.raises(FormatError):
        registry.adapter_of(object())
    assert asked == ["numpy"]


@pytest.mark.parametrize("norm", ["none", None, True, "FOLD"])
def test_bad_norms(norm):
    with pytest.raises(CntGraphError, match="'fold' or 'keep'"):
        cg.load("model.pt2", norm=norm)


@pytest.mark.parametrize("shape", [(0,), (1, -2), (1.5,), "3", [], 2.5, {"x": 1}])
def test_bad_input_shapes(shape):
    with pytest.raises(CntGraphError, match=r"positive integers.*got"):
        cg.load("model.pt2", input_shape=shape)
