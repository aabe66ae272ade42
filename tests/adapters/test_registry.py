import pickle
import sys
import types

import numpy as np
import pytest

import cntgraph as cg
from cntgraph.adapters import registry
from cntgraph.errors import CntGraphError, FormatError, MissingExtraError, UnsafeFileError


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

    def recognises(self, source):
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


@pytest.mark.parametrize("name", ["model.xyz", "model", "model.onnx.txt", ".onnx"])
def test_unknown_suffixes_list_the_known_ones(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"x")
    with pytest.raises(FormatError, match=r"\.onnx, \.pt2.*adapters at hand: torch, onnx"):
        cg.load(path)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(FormatError, match="expected a file, found nothing"):
        cg.load(tmp_path / "model.pt2")
    (tmp_path / "folder.pt2").mkdir()
    with pytest.raises(FormatError, match="found a folder"):
        cg.load(str(tmp_path / "folder.pt2"))


@pytest.mark.parametrize("suffix", ["pt", "pth", "ckpt", "pkl", "pickle", "bin", "joblib", "PT"])
def test_pickles_are_refused_and_not_run(tmp_path, suffix):
    marker, path = tmp_path / "ran", tmp_path / f"model.{suffix}"

    class Payload:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    path.write_bytes(pickle.dumps(Payload()))
    with pytest.raises(UnsafeFileError, match=r"pickle.*torch\.export\.save"):
        cg.load(path)
    assert not marker.exists()


@pytest.mark.parametrize("source", [object(), None, 3.0, {}, [1], b"model.pt2", np.zeros(3), cg])
def test_unknown_live_objects(install, source):
    with pytest.raises(FormatError, match=r"expected a path or a live model.*torch, onnx"):
        cg.load(source)


def test_a_third_party_reads_its_files_and_its_models(tmp_path, install):
    plugin, path = Plugin(), tmp_path / "a.net"
    path.write_bytes(b"x")
    install(Point("mine", plugin))
    assert cg.load(path, input_shape=(3, 4), norm="keep", strict=True).n_nodes == 20
    assert cg.load(7, example_input=1).n_nodes == 20
    (file, options), (live, _) = plugin.calls
    assert (file, live) == (path, 7)
    assert options == {
        "input_shape": (3, 4), "norm": "keep", "strict": True, "example_input": None
    }  # fmt: skip
    with pytest.raises(FormatError, match="torch, onnx, mine"):
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
    class Greedy(Plugin):
        suffixes = (".pt2", ".onnx")

    greedy = Greedy(object)
    install(Point("greedy", greedy))
    path = tmp_path / "model.pt2"
    path.write_bytes(b"x")
    with pytest.raises(FormatError, match="pt2 archive"):
        cg.load(path)
    assert greedy.calls == []


def test_a_missing_framework_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [m for m in sys.modules if m.startswith("cntgraph.adapters.")]:
        if name.split(".")[2] in ("torch", "aten", "pt2", "tensors"):
            monkeypatch.delitem(sys.modules, name)
    path = tmp_path / "model.pt2"
    path.write_bytes(b"x")
    with pytest.raises(
        MissingExtraError, match=r"\.pt2 files needs torch: pip install 'cntgraph\[torch\]'"
    ):
        cg.load(path)


def test_a_framework_is_only_looked_at_where_it_is_loaded(monkeypatch, install):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    asked = []
    monkeypatch.setattr(registry, "_builtin", lambda name: asked.append(name))
    monkeypatch.setitem(sys.modules, "onnx", types.SimpleNamespace())
    monkeypatch.delitem(sys.modules, "onnx")
    with pytest.raises(FormatError):
        registry.adapter_of(object())
    assert asked == []


@pytest.mark.parametrize("norm", ["none", None, True, "FOLD"])
def test_bad_norms(norm):
    with pytest.raises(CntGraphError, match="'fold' or 'keep'"):
        cg.load("model.pt2", norm=norm)


@pytest.mark.parametrize("shape", [(0,), (1, -2), (1.5,), "3", [], 2.5, {"x": 1}])
def test_bad_input_shapes(shape):
    with pytest.raises(CntGraphError, match=r"positive integers.*got"):
        cg.load("model.pt2", input_shape=shape)
