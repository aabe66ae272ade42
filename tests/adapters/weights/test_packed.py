"""Packed weights: as their libraries unpack them, some at a time, or left out with a reason."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import mutate
from oracles.packed_files import cases, joined, samples, split
from oracles.reading import outcome
from oracles.weight_files import safetensors_bytes

import cntgraph as cg
from cntgraph.adapters.weights.packed.fields import Fields
from cntgraph.adapters.weights.safetensors import parameters, read_tensors
from cntgraph.adapters.weights.stored import StoredArray
from cntgraph.core.errors import FormatError
from cntgraph.core.parameter import Parameter

CASES = cases()
PACKED = [name for name in CASES if name != "bnb_int8"]
#: What a library itself rounds by: it computes in 16 bits.
ROUNDED = {"ct_nvfp4": 2**-7}
RNG = np.random.default_rng(0)


def write(folder, name, settings=None):
    """Write a case, with the settings that lie beside it."""
    data, config, _ = CASES[name]
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_bytes(data)
    if settings or config:
        (folder / "config.json").write_text(settings or config)
    return folder / "model.safetensors"


def weight_of(path):
    (found,) = parameters(path).values()
    return found


# -- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_the_library_of_the_format(tmp_path, name):
    path, expected = write(tmp_path, name), CASES[name][2]
    net = cg.load(path, strict=True)
    found = np.stack([block.weight.read() for block in net.blocks])
    expected = expected if expected.ndim == 3 else expected[None]
    assert found == pytest.approx(expected, rel=ROUNDED.get(name, 1e-6), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), name=st.sampled_from(PACKED))
def test_parts_are_those_of_the_whole(tmp_path_factory, data, name):
    weight = weight_of(write(tmp_path_factory.getbasetemp() / name, name))
    whole = weight.read()
    key = tuple(slice(*sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))))
                for n in whole.shape)  # fmt: skip
    assert np.array_equal(weight.data[key], whole[key])
    axis = data.draw(st.integers(0, whole.ndim - 1))
    assert np.array_equal(weight.read(axis, 1, 3), np.take(whole, [1, 2], axis))
    for other in (0, -1, (slice(None, None, 2), 3), (Ellipsis, 1), ([0, 2],)):
        assert np.array_equal(weight.data[other], whole[other])


@pytest.mark.parametrize("bits", range(1, 9))
def test_numbers_of_any_bits_lie_one_after_another(bits):
    numbers = RNG.integers(0, 1 << bits, (3, 64))
    streams = [sum(int(v) << (bits * k) for k, v in enumerate(row)) for row in numbers]
    words = [[(s >> (32 * k)) & 0xFFFFFFFF for k in range(2 * bits)] for s in streams]
    words = np.array(words, np.uint32).view(np.int32)
    for axis, stored in ((1, words), (0, words.T)):
        fields = Fields(Parameter.from_array("w", stored), bits, axis)
        found = fields.box(*(range(1, 3), range(5, 60))[:: 1 if axis else -1])
        assert np.array_equal(found if axis else found.T, numbers[1:3, 5:60])


def test_zero_points_of_gptq_v2_are_stored_as_they_are(tmp_path):
    first = weight_of(write(tmp_path, "gptq_4")).read()
    said = json.dumps({"quantization_config": {"checkpoint_format": "gptq_v2"}})
    second = weight_of(write(tmp_path, "gptq_4", said)).read()
    tensors = read_scales(CASES["gptq_4"][0])
    belongs = tensors["fc.g_idx"].astype(int)
    assert second - first == pytest.approx(tensors["fc.scales"][belongs].T, rel=1e-4)


def read_scales(data):
    header, body = split(data)
    kinds = {"I32": np.int32, "F32": np.float32}
    return {name: np.frombuffer(body[slice(*e["data_offsets"])], kinds[e["dtype"]])
            .reshape(e["shape"]) for name, e in header.items()}  # fmt: skip


def test_blocks_of_bitsandbytes_may_end_within_a_row(tmp_path):
    table, scales = RNG.normal(size=16).astype(np.float32), np.array([2.0, 3.0, 5.0], np.float32)
    said = {"quant_type": "nf4", "blocksize": 8, "shape": [3, 7]}
    codes = RNG.integers(0, 16, 22).astype(np.uint8)
    expected = (table[codes[:21]] * scales.repeat(8)[:21]).reshape(3, 7)
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors_bytes({
        "fc.weight": ("U8", (codes[::2] << 4 | codes[1::2])[:, None]),
        "fc.weight.absmax": ("F32", scales), "fc.weight.quant_map": ("F32", table),
        "fc.weight.quant_state.bitsandbytes__nf4":
            ("U8", np.frombuffer(json.dumps(said).encode(), np.uint8)),
    }))  # fmt: skip
    found = weight_of(path)
    assert np.array_equal(found.read(), expected)
    assert np.array_equal(found.read(0, 1, 3), expected[1:])


def test_live_arrays_and_checkpoints_are_unpacked_too(tmp_path):
    import torch

    tensors, expected = read_scales(CASES["gptq_3"][0]), CASES["gptq_3"][2]
    state = {name: torch.from_numpy(array.copy()) for name, array in tensors.items()}
    torch.save(state, tmp_path / "model.bin")
    for source in (tensors, state, tmp_path / "model.bin"):
        assert np.array_equal(cg.load(source, strict=True).blocks[0].weight.read(), expected)
    model = torch.nn.Sequential()
    model.fc = torch.nn.Linear(64, 32, bias=False)
    net = cg.load(tmp_path / "model.bin", model=model, input_shape=(64,))
    assert np.array_equal(net.blocks[0].weight.read(), expected)


# -- what is said --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "note", "parts"),
    [
        ("gptq_4", "GPTQ of 4 bits in groups of 32",
         {"qweight": "packed numbers", "qzeros": "packed zero points", "scales": "scales",
          "g_idx": "groups of the inputs"}),
        ("awq", "AWQ of 4 bits in groups of 32",
         {"qweight": "packed numbers", "qzeros": "packed zero points", "scales": "scales"}),
        ("ct_4_zeros", "compressed-tensors, 4 bits in groups of 32",
         {"weight_packed": "packed numbers", "weight_scale": "scales", "weight_shape": "shape",
          "weight_zero_point": "packed zero points"}),
        ("ct_nvfp4", "compressed-tensors, NVFP4 in groups of 16",
         {"weight_packed": "packed numbers", "weight_scale": "scales",
          "weight_global_scale": "scale of all"}),
        ("bnb_nf4_nested", "bitsandbytes, NF4 in blocks of 64, doubly packed",
         {"weight.absmax": "largest values of blocks", "weight.quant_map": "values of the codes",
          "weight.nested_absmax": "scales of the largest values",
          "weight.nested_quant_map": "values of the packed largest values",
          "weight.quant_state.bitsandbytes__nf4": "description"}),
        ("mlx_5", "MLX, 5 bits in groups of 32", {"scales": "scales", "biases": "shifts"}),
        ("mlx_nvfp4", "MLX, NVFP4 in groups of 16", {"scales": "scales"}),
    ],
)  # fmt: skip
def test_the_coverage_table_says_what_each_tensor_is(tmp_path, name, note, parts):
    net = cg.load(write(tmp_path, name))
    table = net.coverage
    assert table.loc["fc.weight", ["status", "reason"]].tolist() == [
        "included", f"unpacked: {note}"
    ]  # fmt: skip
    assert len(table) == len(parts) + 1
    for leaf, role in parts.items():
        row = table.loc[f"fc.{leaf}", ["kind", "status", "block", "reason"]].tolist()
        assert row == ["buffer", "folded", "fc", f"the {role} of fc.weight"]
    assert net.n_parameters == CASES[name][2].size


def test_experts_of_mxfp4_are_a_matrix_each(tmp_path):
    net = cg.load(write(tmp_path, "mxfp4"))
    assert [block.name for block in net.blocks] == [f"experts.up_proj.{k}" for k in range(3)]


def test_it_can_be_saved_and_opened_again(tmp_path):
    net = cg.load(write(tmp_path, "awq"))
    cg.save(net, tmp_path / "net.h5")
    again = cg.load(tmp_path / "net.h5")
    assert np.array_equal(again.blocks[0].weight.read(), CASES["awq"][2])
    assert again.coverage.equals(net.coverage)


@pytest.mark.parametrize(
    ("name", "changed", "shape", "reason"),
    [
        ("gptq_4", "fc.g_idx", [1, 64], "groups of inputs do not fit"),
        ("gptq_4", "fc.qzeros", [2, 2, 2], "packed values"),
        ("ct_4", "fc.weight_shape", [1, 1, 2], None),
        ("ct_4", "fc.weight_packed", [16, 16], "whose shape is not said"),
        ("ct_4_zeros", "fc.weight_zero_point", [2, 4], "zero points do not fit"),
        ("ct_8_channel", "fc.weight_scale", [1, 32], "number of bits that does not fit"),
        ("ct_mxfp4", "fc.weight_scale", [2, 32], "scales do not fit"),
        ("bnb_nf4", "fc.weight.quant_map", [4, 4], "codes do not fit"),
        ("bnb_nf4", "fc.weight.absmax", [2, 12], "blocks do not fit"),
        ("mxfp4", "experts.up_proj_scales", [32, 3, 2], "scales do not fit"),
        ("mlx_4", "fc.biases", [2, 32], "is said in the config.json"),
        ("mlx_mxfp4", "fc.scales", [2, 32], "is said in the config.json"),
    ],
)
def test_tensors_that_do_not_fit_are_left_out(tmp_path, name, changed, shape, reason):
    path = write(tmp_path, name)
    header, body = split(path.read_bytes())
    header[changed]["shape"] = shape
    header["ok.weight"] = {"dtype": "F32", "shape": [1, 1],
                           "data_offsets": [len(body), len(body) + 4]}  # fmt: skip
    path.write_bytes(joined(header, body + b"\0\0\0\0"))
    if reason is None:
        assert np.array_equal(parameters(path)["fc.weight"].read(), CASES[name][2])
        return
    with pytest.warns(cg.CoverageWarning):
        net = cg.load(path)
    assert [block.name for block in net.blocks] == ["ok"]
    assert reason in net.coverage.loc[changed, "reason"]


@pytest.mark.parametrize("said", [None, "{", "[]", '{"quantization": {"bits": 3}}'])
def test_mlx_needs_to_be_told_how_many_bits(tmp_path, said):
    path = write(tmp_path, "mlx_4", said or "{}")
    with pytest.raises(FormatError, match="two or more dimensions"):
        cg.load(path)
    assert "config.json" in read_tensors(path).reasons["fc.weight"]


def test_mlx_may_pack_one_layer_otherwise(tmp_path):
    said = {"quantization": {"bits": 4, "group_size": 32, "fc": {"bits": 6}}}
    path = write(tmp_path, "mlx_6", json.dumps(said))
    assert np.array_equal(weight_of(path).read(), CASES["mlx_6"][2])


def test_a_description_that_is_damaged(tmp_path):
    path = write(tmp_path, "bnb_nf4")
    header, body = split(path.read_bytes())
    path.write_bytes(joined(header, body.replace(b'"shape": [', b'"shaqe": [')))
    assert "description is damaged" in read_tensors(path).reasons["fc.weight"]


# -- some at a time ------------------------------------------------------------------------------


def test_a_part_of_a_large_weight_is_read_and_unpacked_alone(tmp_path, monkeypatch):
    outputs, inputs = 4096, 2048
    words = RNG.integers(0, 1 << 31, (outputs, inputs // 8), dtype=np.int32)
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors_bytes({
        "fc.weight_packed": ("I32", words), "fc.weight_shape": ("I64", np.array([outputs, inputs])),
        "fc.weight_scale": ("F32", np.ones((outputs, inputs // 128), np.float32)),
    }))  # fmt: skip
    weight, taken = weight_of(path), []
    whole = StoredArray.__getitem__
    monkeypatch.setattr(
        StoredArray, "__getitem__", lambda a, key: taken.append(found := whole(a, key)) or found
    )
    weight.read(0, 100, 110)
    assert sum(array.nbytes for array in taken) == 10 * (inputs // 2 + inputs // 128 * 4)
    taken.clear()
    tracemalloc.start()
    weight.read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    taken.clear()
    assert peak < 4 * outputs * inputs + Path(path).stat().st_size + (8 << 20)


def test_damaged_files_load_or_are_refused(tmp_path):
    seen = set()
    for name, (suffix, data, structured, options) in samples(tmp_path).items():
        for damage in mutate.mutations(data, 4, seed=len(name), structured=structured):
            path = tmp_path / f"model{suffix}"
            path.write_bytes(damage)
            seen.add(outcome(path, **options))
    assert seen == {"FormatError", "loaded"}
