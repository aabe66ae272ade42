"""GGUF: what the package of the format has written is read, part by part, as it unpacks it."""

import shutil
import sys
import tracemalloc

import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.gguf_files import HEADS, KINDS, KV_HEADS, paired, random_bytes, values, write
from oracles.weight_files import outcome

import cntgraph as cg
from cntgraph.adapters.weights.gguf import parameters
from cntgraph.adapters.weights.gguf.head_rows import HeadRows
from cntgraph.adapters.weights.stored import StoredArray
from cntgraph.core.errors import FormatError, MissingExtraError

RNG = np.random.default_rng(0)


def normal(*shape, dtype=np.float32):
    return RNG.normal(size=shape).astype(dtype)


# -- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_type_is_unpacked_as_its_package_does(tmp_path, kind):
    raw = random_bytes(kind, (6, 1024), RNG)
    path = write(tmp_path / "m.gguf", {"a.weight": (kind, raw), "b.weight": (kind, raw[:3])})
    with np.errstate(all="ignore"):
        expected = values(kind, raw)
    found = parameters(path)["a.weight"]
    assert found.shape == expected.shape == (6, 1024)
    assert np.array_equal(found.read(), expected, equal_nan=True)
    assert np.array_equal(found.read(1, 300, 777), expected[:, 300:777], equal_nan=True)
    assert np.array_equal(found.data[2:4, 1:2], expected[2:4, 1:2], equal_nan=True)
    assert np.array_equal(parameters(path)["b.weight"].read(), expected[:3], equal_nan=True)


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int8", "int16", "int32"])
def test_plain_types_are_read_as_they_are(tmp_path, dtype):
    array = (10 * normal(3, 5)).astype(dtype)
    found = parameters(write(tmp_path / "m.gguf", {"a.weight": array}))["a.weight"]
    assert found.dtype == dtype
    assert np.array_equal(found.raw(), array)


def test_bfloat16_is_a_plain_type(tmp_path):
    bits = (normal(3, 5).view(np.uint32) >> 16).astype(np.uint16)
    tensor = Kind.BF16, bits.view(np.uint8)
    found = parameters(write(tmp_path / "m.gguf", {"a.weight": tensor}))["a.weight"]
    assert found.dtype == "bfloat16"
    assert np.array_equal(found.raw(), bits)


@pytest.mark.parametrize("model", ["llama", "qwen2"])
def test_rows_of_queries_and_keys_are_put_back(tmp_path, model):
    q, k, v, bias = normal(16, 6), normal(8, 6, dtype=np.float16), normal(8, 6), normal(16)
    laid_out = model == "llama"
    tensors = {
        "blk.0.attn_q.weight": paired(q, HEADS) if laid_out else q,
        "blk.0.attn_q.bias": paired(bias, HEADS) if laid_out else bias,
        "blk.0.attn_k.weight": paired(k, KV_HEADS) if laid_out else k,
        "blk.0.attn_v.weight": v,
    }
    net = cg.load(write(tmp_path / "m.gguf", tensors, model=model), strict=True)
    found = {name.split(".", 2)[2]: p for name, p in net.parameters.items()}
    for name, expected in (("attn_q.weight", q), ("attn_k.weight", k), ("attn_q.bias", bias)):
        assert np.array_equal(found[name].raw(), expected)
    assert np.array_equal(found["attn_q.weight"].read(0, 3, 7), q[3:7])
    assert np.array_equal(found["attn_v.weight"].raw(), v)
    said = net.coverage.loc["blk.0.attn_q.weight", "reason"]
    assert said.startswith("GGUF, float32, its axes in reverse")
    assert ("put back" in said) is laid_out


@settings(max_examples=50)
@given(heads=st.integers(1, 4), half=st.integers(1, 5), data=st.data())
def test_any_rows_of_heads(heads, half, data):
    whole = np.arange(heads * half * 2 * 3).reshape(-1, 3)
    rows = HeadRows(paired(whole, heads), heads)
    first, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
    for key in (slice(first, stop), (slice(first, stop), slice(1, 2)), (), 0, (slice(None), 1)):
        assert np.array_equal(rows[key], whole[key])


def test_layers_lie_as_in_other_formats(tmp_path):
    tensors = {"token_embd.weight": normal(7, 4), "output.weight": normal(7, 4),
               "blk.0.ffn_up_exps.weight": normal(2, 3, 4), "blk.0.attn_norm.weight": normal(4),
               "rope_freqs.weight": normal(8)}  # fmt: skip
    net = cg.load(write(tmp_path / "m.gguf", tensors), strict=True)
    shapes = {layer.name: layer.shape for layer in net.layers if not layer.name.endswith(".in")}
    experts = {f"blk.0.ffn_up_exps.{k}": (3,) for k in range(2)}
    assert shapes == {"token_embd": (4,), "output": (7,), "blk.0.attn_norm": (4,)} | experts
    assert net.coverage.loc["rope_freqs.weight", ["kind", "status"]].tolist() == [
        "buffer", "skipped"
    ]  # fmt: skip


def test_several_files_are_one_model(tmp_path):
    w = normal(8, 4)
    write(tmp_path / "m-00001-of-00002.gguf", {"a.weight": normal(3, 2)})
    write(tmp_path / "m-00002-of-00002.gguf", {"blk.1.attn_k.weight": paired(w, KV_HEADS)})
    for k in (1, 2):
        net = cg.load(tmp_path / f"m-0000{k}-of-00002.gguf")
        assert np.array_equal(net.parameters["blk.1.attn_k.weight"].raw(), w)
    shutil.copy(tmp_path / "m-00001-of-00002.gguf", tmp_path / "m-00002-of-00002.gguf")
    with pytest.raises(FormatError, match="in another file of the model"):
        cg.load(tmp_path / "m-00001-of-00002.gguf")
    (tmp_path / "m-00002-of-00002.gguf").unlink()
    with pytest.raises(FormatError, match=r"'m-00002-of-00002.gguf' is not beside"):
        cg.load(tmp_path / "m-00001-of-00002.gguf")


# -- some at a time, or not at all ---------------------------------------------------------------


def test_a_part_of_a_large_tensor_is_read_and_unpacked_alone(tmp_path, monkeypatch):
    kind, rows, columns = Kind.Q4_0, 2048, 2048
    path = write(
        tmp_path / "m.gguf", {"a.weight": (kind, random_bytes(kind, (rows, columns), RNG))}
    )
    weight, taken = parameters(path)["a.weight"], []
    whole = StoredArray.__getitem__
    monkeypatch.setattr(
        StoredArray, "__getitem__", lambda a, key: taken.append(found := whole(a, key)) or found
    )
    weight.read(0, 7, 11)
    assert sum(array.nbytes for array in taken) == 4 * columns // 32 * 18
    monkeypatch.undo()
    tracemalloc.start()
    weight.read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * rows * columns + (8 << 20)


def test_packed_types_need_the_package(tmp_path, monkeypatch):
    kind = KINDS[1]
    plain = write(tmp_path / "plain.gguf", {"a.weight": normal(2, 3)})
    packed = write(tmp_path / "m.gguf", {"a.weight": (kind, random_bytes(kind, (2, 256), RNG))})
    for name in [name for name in sys.modules if name.partition(".")[0] == "gguf"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gguf", None)
    assert len(cg.load(plain).blocks) == 1
    with pytest.raises(MissingExtraError, match=r"cntgraph\[gguf\]"):
        cg.load(packed)


def test_types_that_are_not_known_are_left_out(tmp_path):
    path = write(tmp_path / "m.gguf", {"a.weight": normal(2, 3), "b.weight": normal(4, 5)})
    data = bytearray(path.read_bytes())
    at = data.index(b"b.weight") + 8 + 4 + 16
    data[at : at + 4] = (199).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.warns(cg.CoverageWarning, match="of the type 199"):
        assert [block.name for block in cg.load(path).blocks] == ["a"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"GGUF\3\0\0\0", b"GGUX\3\0\0\0", "does not begin with GGUF"),
        (b"GGUF\3\0\0\0", b"GGUF\1\0\0\0", "of version 2 or 3"),
        (b"GGUF\3\0\0\0", b"GGUF\0\0\0\3", "big-endian"),
        (b"GGUF\3\0\0\0\2\0\0\0", b"GGUF\3\0\0\0\2\0\0\x7f", "things follow"),
        (b"b.weight", b"a.weight", "there twice"),
        (b"b.weight\2\0\0\0", b"b.weight\x99\0\0\0", "153 axes"),
        (b"b.weight\2\0\0\0\5\0\0\0", b"b.weight\2\0\0\0\5\0\0\1", "not where the file says"),
        (b"b.weight\2\0\0\0\5\0\0\0\0\0\0\0", b"b.weight\2\0\0\0\5\0\0\0\0\0\0\xff",
         "impossible shape"),
        (b"alignment\2\0\0\0\x20", b"alignment\2\0\0\0\0", "aligned to 0"),
        (b"numbers\x09\0\0\0", b"numbers\x33\0\0\0", "unknown type 51"),
    ],
)  # fmt: skip
def test_damage_is_said(tmp_path, old, new, message):
    tensors = {"a.weight": normal(2, 3), "b.weight": normal(4, 5)}
    path = write(tmp_path / "m.gguf", tensors, settings=[("general.alignment", 32)])
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    with pytest.raises(FormatError, match=message):
        cg.load(path)


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    path = write(tmp_path / "m.gguf", {"a.weight": normal(2, 3)})
    data = path.read_bytes()
    for n in (0, 3, 10, 30, 200, len(data) // 2, len(data) - 40):
        path.write_bytes(data[:n])
        assert outcome(path) == "FormatError"
