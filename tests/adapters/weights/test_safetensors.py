import json
import os
import shutil
import warnings

import ml_dtypes
import numpy as np
import pytest
import torch
from oracles.weight_files import random_bits, safetensors_bytes
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file

import cntgraph as cg
from cntgraph.adapters.weights import safetensors, stored
from cntgraph.adapters.weights.safetensors import DTYPES
from cntgraph.core.errors import FormatError

RNG = np.random.default_rng(0)
#: Types of the format, as two other libraries know them.
TORCH = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "F8_E8M0": torch.float8_e8m0fnu,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz, "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16, "U8": torch.uint8,
    "BOOL": torch.bool,
}  # fmt: skip


@pytest.fixture
def write(tmp_path):
    def write(name="model.safetensors", **tensors):
        path = tmp_path / name
        path.write_bytes(safetensors_bytes({n.replace("__", "."): t for n, t in tensors.items()}))
        return path

    return write


def f32(*shape):
    return "F32", RNG.normal(size=shape).astype(np.float32)


# -- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_is_read_as_other_libraries_read_it(write, dtype):
    bits = random_bits(dtype, (5, 7), RNG)
    path = write(w=(dtype, bits))
    (parameter,) = safetensors.parameters(path).values()
    expected = torch.from_numpy(bits).view(TORCH[dtype]).double().numpy()
    assert np.array_equal(parameter.read().astype(np.float64), expected)
    assert np.array_equal(parameter.read(1, 2, 4).astype(np.float64), expected[:, 2:4])
    assert np.array_equal(parameter.raw(), bits)
    if dtype.startswith(("F8", "BF")):
        theirs = bits.view(getattr(ml_dtypes, parameter.dtype)).astype(np.float64)
        assert np.array_equal(expected, theirs)


def test_files_of_the_real_library(tmp_path):
    tensors = {
        "a.weight": torch.randn(6, 4).bfloat16(), "a.bias": torch.randn(6).bfloat16(),
        "b.weight": torch.randn(3, 2, 3, 3).to(torch.float8_e4m3fn),
        "c.weight": torch.randn(5, 5).half(), "empty.weight": torch.zeros(0, 3),
        "step": torch.tensor(3),
    }  # fmt: skip
    save_file(tensors, tmp_path / "t.safetensors", metadata={"format": "pt"})
    with pytest.warns(cg.CoverageWarning, match=r"empty\.weight: without values"):
        net = cg.load(tmp_path / "t.safetensors")
    found = net.split(cg.node_strength(net))
    a, b = (tensors[f"{n}.weight"].double().numpy() for n in "ab")
    assert found["a"] == pytest.approx(a.sum(axis=1) + tensors["a.bias"].double().numpy())
    assert found["a.in"] == pytest.approx(a.sum(axis=0))
    assert found["b"] == pytest.approx(b.sum(axis=(1, 2, 3)))
    assert found["b.in"] == pytest.approx(b.sum(axis=0))
    assert net.coverage.loc["b.weight", "dtype"] == "float8_e4m3fn"
    arrays = {name: RNG.normal(size=(3, k)) for k, name in enumerate("xyz", start=1)}
    save_arrays(arrays, tmp_path / "n.safetensors")
    for name, parameter in safetensors.parameters(tmp_path / "n.safetensors").items():
        assert np.array_equal(parameter.read(), arrays[name])


def test_tensors_are_in_the_order_in_which_they_lie(tmp_path):
    data = safetensors_bytes({"z": f32(2, 3), "a": f32(3, 2), "m": f32(2, 2)})
    length = int.from_bytes(data[:8], "little")
    header = dict(sorted(json.loads(data[8 : 8 + length]).items()))
    raw = json.dumps(header).encode()
    (tmp_path / "m.safetensors").write_bytes(
        len(raw).to_bytes(8, "little") + raw + data[8 + length :]
    )
    net = cg.load(tmp_path / "m.safetensors")
    assert [block.name for block in net.blocks] == ["z", "a", "m"]


def test_opening_reads_no_weight(write, monkeypatch):
    path = write(a__weight=f32(4, 3), a__bias=f32(4), b__weight=f32(2, 4))
    monkeypatch.setattr(stored.StoredArray, "__getitem__", None)
    net = cg.load(path)
    assert net.n_edges == 20
    assert len(cg.describe(net)) == 4
    assert net.n_parameters == 24


def test_block_wise_float8_as_large_models_have_it(write):
    bits, scale = random_bits("F8_E4M3", (300, 200), RNG), np.abs(f32(3, 2)[1])
    path = write(q__weight=("F8_E4M3", bits), q__weight_scale_inv=("F32", scale))
    net = cg.load(path)
    w = torch.from_numpy(bits).view(torch.float8_e4m3fn).double().numpy()
    w *= scale.astype(np.float64).repeat(128, 0).repeat(128, 1)[:300, :200]
    found = net.split(cg.node_strength(net))
    assert found["q"] == pytest.approx(w.sum(axis=1))
    assert found["q.in"] == pytest.approx(w.sum(axis=0))
    assert net.coverage.loc["q.weight_scale_inv", "status"] == "folded"


def test_types_that_are_no_plain_numbers_are_left_out(tmp_path):
    header = {"freqs": {"dtype": "C64", "shape": [2], "data_offsets": [0, 16]},
              "packed": {"dtype": "F4", "shape": [2, 4], "data_offsets": [16, 20]},
              "w": {"dtype": "U8", "shape": [2, 2], "data_offsets": [20, 24]}}  # fmt: skip
    raw = json.dumps(header).encode()
    path = tmp_path / "m.safetensors"
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(24))
    with pytest.warns(cg.CoverageWarning, match="freqs: of type C64"):
        net = cg.load(path)
    assert net.coverage.loc["packed", ["dtype", "status"]].tolist() == ["F4", "skipped"]
    assert [block.name for block in net.blocks] == ["w"]


# -- folders -------------------------------------------------------------------------------------


def sharded(folder, n=2, *, index=True):
    """A model in shards: tensor k.weight lies in shard k."""
    folder.mkdir(exist_ok=True)
    names = [f"model-{k:05}-of-{n:05}.safetensors" for k in range(1, n + 1)]
    for k, name in enumerate(names):
        (folder / name).write_bytes(safetensors_bytes({f"{k}.weight": f32(2, 3)}))
    if index:
        listed = {f"{k}.weight": name for k, name in enumerate(names)}
        write_index(folder, listed)
    return [folder / name for name in names]


def write_index(folder, listed):
    text = json.dumps({"metadata": {"total_size": 48}, "weight_map": listed})
    (folder / "model.safetensors.index.json").write_text(text)
    return folder / "model.safetensors.index.json"


def test_a_folder_of_shards(tmp_path):
    sharded(tmp_path / "m", 3)
    net = cg.load(tmp_path / "m")
    assert [block.name for block in net.blocks] == ["0", "1", "2"]
    again = cg.load(str(tmp_path / "m" / "model.safetensors.index.json"))
    assert np.array_equal(cg.node_strength(again), cg.node_strength(net))


def test_a_folder_with_one_file(tmp_path):
    (tmp_path / "adapter.safetensors").write_bytes(safetensors_bytes({"w": f32(2, 3)}))
    (tmp_path / "config.json").write_text("{}")
    assert cg.load(tmp_path).n_edges == 6


def test_a_model_saved_in_shards_by_transformers(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import GPT2Config, GPT2LMHeadModel

        config = GPT2Config(n_layer=2, n_embd=16, n_head=2, vocab_size=40, n_positions=8,
                            bos_token_id=0, eos_token_id=0)  # fmt: skip
        model, other = GPT2LMHeadModel(config), GPT2LMHeadModel(config)
        model.save_pretrained(tmp_path, max_shard_size="8KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    net = cg.load(tmp_path, strict=True, description="separate")
    assert set(net.coverage["status"]) == {"included"}
    found, state = net.split(cg.node_strength(net)), model.state_dict()
    # Its matrices are stored (n_in, n_out), the square ones, too.
    for name in ("h.0.attn.c_attn", "h.1.attn.c_proj", "h.0.mlp.c_fc", "h.1.mlp.c_proj"):
        w, b = (state[f"transformer.{name}.{k}"].double().numpy() for k in ("weight", "bias"))
        assert found[f"transformer.{name}"] == pytest.approx(w.sum(axis=0) + b)
        assert found[f"transformer.{name}.in"] == pytest.approx(w.sum(axis=1))
    table = state["transformer.wte.weight"].double().numpy()
    assert found["transformer.wte"] == pytest.approx(table.sum(axis=0))
    gain, shift = (state[f"transformer.ln_f.{k}"].double().numpy() for k in ("weight", "bias"))
    assert found["transformer.ln_f"] == pytest.approx(gain + shift)
    # In the graph of another model; the head is the table, which is stored once.
    ids = torch.arange(6)[None]
    bound = cg.load(tmp_path, model=other, example_input=ids)
    assert np.array_equal(
        cg.node_strength(bound), cg.node_strength(cg.load(model, example_input=ids))
    )


def test_links_as_a_cache_of_downloads_has_them(tmp_path):
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "1"
    sharded(blobs, 2)
    snapshot.mkdir(parents=True)
    for path in blobs.iterdir():
        path.rename(blobs / f"blob-{path.name}")
        os.symlink(f"../../blobs/blob-{path.name}", snapshot / path.name)
    assert len(cg.load(snapshot).blocks) == 2
    elsewhere = tmp_path / "elsewhere.safetensors"
    shutil.copy(blobs / "blob-model-00001-of-00002.safetensors", elsewhere)
    link = snapshot / "model-00001-of-00002.safetensors"
    link.unlink()
    os.symlink(elsewhere, link)
    with pytest.raises(FormatError, match="outside of its folder"):
        cg.load(snapshot)


@pytest.mark.parametrize(
    "name",
    ["../secret.safetensors", "/etc/hostname", "a/b.safetensors", "..", ".", "", "C:x", "a\\b",
     "a\0b", "\ud800", "\n"],
    ids=ascii,
)  # fmt: skip
def test_an_index_opens_no_file_outside_of_its_folder(tmp_path, name):
    folder = tmp_path / "m"
    sharded(folder, 1)
    (tmp_path / "secret.safetensors").write_bytes(safetensors_bytes({"0.weight": f32(2, 3)}))
    path = write_index(folder, {"0.weight": name})
    with pytest.raises(FormatError, match="outside of its folder"):
        cg.load(path)


def test_what_an_index_promises_is_checked(tmp_path):
    shards = sharded(tmp_path, 2)
    first, second = (path.name for path in shards)
    index = write_index(tmp_path, {"0.weight": first, "1.weight": first})
    with pytest.raises(FormatError, match=r"'1\.weight' should lie in model-00001"):
        cg.load(index)
    write_index(tmp_path, {"0.weight": first, "1.weight": "model-9.safetensors"})
    with pytest.raises(FormatError, match=r"'model-9\.safetensors' is missing"):
        cg.load(index)
    write_index(tmp_path, {"0.weight": first})
    assert len(cg.load(index).blocks) == 1
    shards[1].write_bytes(safetensors_bytes({"1.weight": f32(2, 3), "more.weight": f32(2, 2)}))
    write_index(tmp_path, {"0.weight": first, "1.weight": second})
    with pytest.warns(cg.CoverageWarning, match=r"more\.weight: the index does not list it"):
        cg.load(index)
    shards[1].write_bytes(safetensors_bytes({"1.weight": f32(2, 3), "0.weight": f32(2, 2)}))
    with pytest.raises(FormatError, match=r"'0\.weight' is in another file"):
        cg.load(index)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 1}}', "{" * 5000,
             '{"weight_map": {"a": "b", "a": "c"}}', "\ud800"],
    ids=lambda text: ascii(text)[:30],
)  # fmt: skip
def test_an_index_that_is_none(tmp_path, text):
    sharded(tmp_path, 1)
    path = tmp_path / "model.safetensors.index.json"
    path.write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(FormatError, match="index"):
        cg.load(path)


def test_folders_that_are_not_one_model(tmp_path):
    sharded(tmp_path, 3, index=False)
    with pytest.raises(FormatError, match=r"several files without an index.*copy the index"):
        cg.load(tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.safetensors.index.json").write_text("{}")
    with pytest.raises(FormatError, match=r"found several: a\.safetensors\.index\.json"):
        cg.load(tmp_path)


# -- damage --------------------------------------------------------------------------------------


def header_bytes(text, body=b""):
    raw = text if isinstance(text, bytes) else text.encode()
    return len(raw).to_bytes(8, "little") + raw + body


def one(dtype="F32", shape=(2,), place=(0, 8), **more):
    entry = {"dtype": dtype, "shape": shape, "data_offsets": place, **more}
    return json.dumps({"w": entry})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "bytes long"),
        (b"\0" * 7, "bytes long"),
        ((2**63).to_bytes(8, "little") + b"{}", "bytes long"),
        ((100).to_bytes(8, "little") + b"{}", "bytes long"),
        (header_bytes("[]"), "brace"),
        (header_bytes(" {}"), "brace"),
        (header_bytes("{]"), "JSON"),
        (header_bytes(b'{"\xff": 1}'), "JSON"),
        (header_bytes('{"a": ' + "[" * 20000), "JSON"),
        (header_bytes('{"w": 1, "w": 2}'), "twice"),
        (header_bytes('{"\\ud800": 1}'), "JSON"),
        (header_bytes('{"w": ' + "1" * 5000 + "}"), "JSON"),
        (header_bytes('{"__metadata__": {"a": 1}}'), "metadata"),
        (header_bytes('{"__metadata__": 1}'), "metadata"),
        (header_bytes('{"w": 1}', bytes(8)), "does not say where"),
        (header_bytes(one(place=(0,)), bytes(8)), "does not say where"),
        (header_bytes(one(place=(8, 0)), bytes(8)), "does not say where"),
        (header_bytes(one(place=(-8, 0)), bytes(8)), "does not say where"),
        (header_bytes(one(place=(0, 2**63)), bytes(8)), "does not say where"),
        (header_bytes(one(place=(0, True)), bytes(8)), "does not say where"),
        (header_bytes(one(place=(4, 12)), bytes(12)), "hole or an overlap"),
        (header_bytes(one(), bytes(12)), "bytes, 12 are there"),
        (header_bytes(one(), bytes(4)), "bytes, 4 are there"),
        (header_bytes(one(shape=(2**31, 2**31)), bytes(8)), "does not take"),
        (header_bytes(one(shape=(0,)), bytes(8)), "does not take"),
        (header_bytes(one(shape=(2.0,)), bytes(8)), "described wrongly"),
        (header_bytes(one(shape=(True, 2)), bytes(8)), "described wrongly"),
        (header_bytes(one(shape=(1,) * 40 + (2,)), bytes(8)), "described wrongly"),
        (header_bytes(one(shape=None), bytes(8)), "described wrongly"),
        (header_bytes(one(more=1), bytes(8)), "described wrongly"),
        (header_bytes(one(dtype="F128"), bytes(8)), "unknown type 'F128'"),
        (header_bytes(one(dtype=3), bytes(8)), "unknown type 3"),
        (header_bytes(one(dtype="F16"), bytes(8)), "does not take"),
        (header_bytes("{}"), "got none"),
        (header_bytes(one(shape=(0, 2**61), place=(0, 0))), "got none"),
    ],
)  # fmt: skip
def test_damaged_headers_are_refused(tmp_path, data, message):
    path = tmp_path / "m.safetensors"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=message):
        cg.load(path)


def test_tensors_that_overlap(tmp_path):
    entry = {"dtype": "U8", "shape": [2, 2]}
    header = {"a": {**entry, "data_offsets": [0, 4]}, "b": {**entry, "data_offsets": [2, 6]}}
    path = tmp_path / "m.safetensors"
    path.write_bytes(header_bytes(json.dumps(header), bytes(6)))
    with pytest.raises(FormatError, match="overlap"):
        cg.load(path)


def test_weights_that_were_cut_off_after_loading(write):
    path = write(w=f32(20, 3))
    net = cg.load(path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(FormatError, match="changed or removed"):
        cg.analyze(net)


# -- into a model ----------------------------------------------------------------------------------


def test_weights_in_the_graph_of_a_model(tmp_path):
    def made(seed):
        torch.manual_seed(seed)
        return torch.nn.Sequential(
            torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.ReLU(),
            torch.nn.Flatten(), torch.nn.Linear(48, 4),
        )  # fmt: skip

    model, other = made(0), made(1)
    save_file(model.state_dict(), tmp_path / "m.safetensors")
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    net = cg.load(tmp_path / "m.safetensors", model=other, input_shape=(2, 6, 6))
    live = cg.load(model, input_shape=(2, 6, 6))
    assert np.array_equal(cg.node_strength(net), cg.node_strength(live))
    assert all(torch.equal(tensor, before[n]) for n, tensor in other.state_dict().items())
    with pytest.raises(FormatError, match=r"expected model= as a torch\.nn\.Module, got builtins"):
        cg.load(tmp_path / "m.safetensors", model=3)
