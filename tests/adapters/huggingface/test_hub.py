"""hf://: folders in a cache laid out as that of huggingface_hub; nothing is fetched unasked."""

from pathlib import Path

import huggingface_hub
import pytest
from oracles.commands import fails, run
from oracles.hf_folders import TOKEN, llama, randomized, saved
from oracles.nets import random_net

import cntgraph as cg
from cntgraph.adapters.huggingface import hub
from cntgraph.core.errors import FormatError

COMMIT, OTHER = "a" * 40, "b" * 40


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A local cache with one model at two revisions, its files links into a store of blobs."""
    root = tmp_path / "hub" / "models--org--tiny"
    (root / "refs").mkdir(parents=True)
    (root / "blobs").mkdir()
    (root / "refs" / "main").write_text(COMMIT)
    (root / "refs" / "v1").write_text(OTHER)
    models = {COMMIT: llama(), OTHER: llama(num_hidden_layers=1)}
    for commit, model in models.items():
        source = saved(randomized(model), tmp_path / commit)
        snapshot = root / "snapshots" / commit
        snapshot.mkdir(parents=True)
        for file in source.iterdir():
            blob = root / "blobs" / f"{commit[0]}-{file.name}"
            file.rename(blob)
            (snapshot / file.name).symlink_to(blob)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return models


@pytest.mark.parametrize(
    ("address", "commit"),
    [
        ("hf://org/tiny", COMMIT),
        (Path("hf://org/tiny"), COMMIT),
        ("hf://org/tiny/", COMMIT),
        ("hf://org/tiny@v1", OTHER),
        (f"hf://org/tiny@{OTHER}", OTHER),
    ],
)
def test_an_address_is_its_folder_in_the_cache(cache, address, commit):
    net = cg.load(address, strict=True)
    live = cg.load(cache[commit], example_input=TOKEN)
    assert cg.node_strength(net) == pytest.approx(cg.node_strength(live), rel=1e-12)
    assert cg.load(address, description="separate").is_weights_alone


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("hf://org/other", r"hf://org/other is not in the local cache.*hf download org/other;"),
        ("hf://org/tiny@v2", r"tiny@v2 is not in .*download=True.*--revision v2.*HF_HOME"),
        ("hf://org/tiny/unet", r"the folder 'unet' is not in the local cache"),
        ("hf://tiny", "expected hf://org/name"),
        ("hf://org/tiny/../..", "expected hf://org/name"),
        ("hf://org/tiny@", "expected hf://org/name"),
    ],
)
def test_what_is_not_there(cache, address, said):
    with pytest.raises(FormatError, match=said):
        cg.load(address)


def test_the_network_is_asked_only_on_demand(cache, monkeypatch):
    asked = []

    class Api:
        def list_repo_files(self, repo, revision):
            asked.append((repo, revision))
            return ["config.json", "model.safetensors", "model.onnx", "pytorch_model.bin",
                    "README.md", "unet/config.json", "unet/m.bin"]  # fmt: skip

    def fetched(repo, **options):
        asked.append(options)
        raise ConnectionError("no way out")

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetched)
    for inside, wanted in (("", ["config.json", "model.safetensors"]),
                           ("/unet", ["unet/config.json", "unet/m.bin"])):  # fmt: skip
        with pytest.raises(FormatError, match=r"could not be fetched \(ConnectionError: no way"):
            cg.load(f"hf://org/tiny@v1{inside}", download=True)
        options = {"revision": "v1", "local_files_only": False, "allow_patterns": wanted}
        assert asked == [("org/tiny", "v1"), options]
        asked.clear()
    with pytest.raises(FormatError, match="is not in the local cache"):
        cg.load("hf://org/tiny")
    assert [call["local_files_only"] for call in asked] == [True]


def test_only_addresses_are_fetched(tmp_path):
    with pytest.raises(FormatError, match="download=True is for addresses"):
        cg.load(tmp_path, download=True)
    with pytest.raises(FormatError, match="download=True is for addresses"):
        cg.load(random_net(0), download=True)


def test_the_library_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(cg.MissingExtraError, match=r"huggingface_hub: pip install 'cntgraph\[hf\]"):
        hub.local_folder("hf://org/tiny")


def test_commands_take_addresses(cache):
    table = run("analyze", "hf://org/tiny", "-f", "csv").stdout
    assert "model.layers.0.mlp.gate_proj" in table
    assert "weights only" in run("describe", "hf://org/tiny", "--separate").stdout
    assert "--download" in fails("analyze", "hf://org/other")
