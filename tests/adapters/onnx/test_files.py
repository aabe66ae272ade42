"""ONNX files: what is read when, external data, damaged files."""

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles.onnx_models import I64, check_linear, gemm_model, model, node, read_by, whole

import cntgraph as cg
from cntgraph.adapters import onnx as adapter
from cntgraph.adapters.weights.stored import StoredArray
from cntgraph.core.errors import FormatError, TraceError


def big_model():
    weights = {"a.weight": whole((64, 41)), "b.weight": whole((3, 64), 1)}
    nodes = [node("Gemm", "x a.weight", "h", transB=1), node("Gemm", "h b.weight", transB=1)]
    return model(nodes, weights, (1, 41))


def test_a_file_gives_the_same_as_the_live_model(tmp_path):
    proto, path = big_model(), tmp_path / "m.onnx"
    onnx.save(proto, path)
    net = cg.load(path, strict=True)
    np.testing.assert_array_equal(cg.node_strength(net), cg.node_strength(cg.load(proto)))
    check_linear(proto, (1, 41))


def test_long_weights_stay_in_the_file(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(big_model(), path)
    net = cg.load(path)
    data = net.parameters["a.weight"].data
    assert isinstance(data, StoredArray)
    assert not isinstance(net.parameters["b.weight"].data, StoredArray)
    assert data[2:4].shape == (2, 41)
    np.testing.assert_array_equal(data[2:4], whole((64, 41))[2:4])
    np.testing.assert_array_equal(data[:, 3:5], whole((64, 41))[:, 3:5])
    # Other values than those of the model are never read.
    raw = whole((64, 41)).tobytes()
    at = path.read_bytes().index(raw)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(np.full((64, 41), 3, np.float32).tobytes())
    with pytest.raises(FormatError, match=r"m\.onnx: the file was changed"):
        net.parameters["a.weight"].read(0, 5, 7)


@pytest.mark.parametrize("shift", range(4))
def test_what_is_read_is_aligned_wherever_it_lies(tmp_path, shift):
    proto = big_model()
    proto.graph.name = "g" * (shift + 1)
    onnx.save(proto, tmp_path / "m.onnx")
    net = cg.load(tmp_path / "m.onnx")
    assert net.parameters["a.weight"].read(0, 2, 4).flags.aligned
    expected = cg.node_strength(cg.load(proto))
    np.testing.assert_array_equal(cg.node_strength(net), expected)


def test_not_a_number_weights_load(tmp_path):
    weight = whole((64, 41))
    weight[3, 4], weight[5, 6] = np.nan, np.inf
    proto = model([node("Gemm", "x fc.weight", transB=1)], {"fc.weight": weight}, (1, 41))
    onnx.save(proto, tmp_path / "m.onnx")
    net = cg.load(tmp_path / "m.onnx", strict=True)
    statistics = net.blocks[0].statistics()
    assert (statistics.n_nan, statistics.n_inf) == (1, 1)


def test_every_beginning_of_a_file_is_refused(tmp_path):
    path = tmp_path / "m.onnx"
    whole_file = big_model().SerializeToString()
    lengths = {*range(0, 400, 3), *range(400, len(whole_file), 397), len(whole_file) - 1,
               len(whole_file) - 4, len(whole_file) - 6}  # fmt: skip
    for length in sorted(lengths):
        path.write_bytes(whole_file[:length])
        with pytest.raises(FormatError, match=r"m\.onnx"):
            cg.load(path)
    path.write_bytes(whole_file)
    assert cg.load(path).n_nodes == 41 + 64 + 3


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused(tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(FormatError):
        cg.load(path)


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04zip", b"\x80\x02pickle.", b"{}", b"\n" * 100, b"\0"]
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="expected an ONNX model"):
        cg.load(path)


def test_a_model_without_operations_is_refused():
    with pytest.raises(FormatError, match="with operations"):
        adapter.load(onnx.ModelProto())
    proto = gemm_model((1, 5))
    del proto.opset_import[:]
    with pytest.raises(FormatError, match="operator set"):
        adapter.load(proto)


def test_a_name_that_is_no_text(tmp_path):
    content = gemm_model((1, 5)).SerializeToString().replace(b"fc.weight", b"fc\xffweight")
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(FormatError, match=r"m\.onnx"):
        cg.load(tmp_path / "m.onnx")


def test_tensors_of_another_size_than_they_say():
    proto = gemm_model((1, 5))
    proto.graph.initializer[0].raw_data = b"\0" * 12
    with pytest.raises(FormatError, match=r"'fc\.weight' of shape \(5, 4\).*needs 80 bytes, 12"):
        adapter.load(proto)
    proto.graph.initializer[0].ClearField("raw_data")
    with pytest.raises(FormatError, match="no data of that size"):
        adapter.load(proto)
    proto.graph.initializer[0].dims[0] = -5
    with pytest.raises(FormatError, match="described wrongly"):
        adapter.load(proto)


def test_an_operation_that_cannot_be_carried_out():
    proto = read_by(
        [node("Reshape", "x s", "m")], (24,), (1, 2, 3, 4), {"s": np.array([7, 7], I64)}
    )
    with pytest.raises(TraceError, match="Reshape"):
        adapter.load(proto)
    proto = model([node("MatMul", "x nowhere")], {}, (1, 5))
    with pytest.raises(FormatError, match="'nowhere', which nothing before it makes"):
        adapter.load(proto)


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        ([node("Tile", "x n", "m")], {"n": np.array([1, 1 << 40], I64)}),
        ([node("Expand", "x n", "m")], {"n": np.array([1 << 20, 1 << 20, 1, 24], I64)}),
        ([node("Range", "a b c", "r"), node("Add", "x r", "m")],
         {"a": np.array(0, I64), "b": np.array(1 << 50, I64), "c": np.array(1, I64)}),
        ([node("ConstantOfShape", "n", "r"), node("Add", "x r", "m")],
         {"n": np.array([1 << 31, 1 << 20], I64)}),
        ([node("Pad", "x n", "m")], {"n": np.array([0, 1 << 40, 0, 0], I64)}),
    ],
)  # fmt: skip
def test_a_few_bytes_cannot_ask_for_all_memory(nodes, weights):
    with pytest.raises(TraceError, match="values, more than"):
        adapter.load(model([*nodes, node("Relu", "m")], weights, (1, 24)))


@pytest.fixture
def external(tmp_path):
    """A model whose weights lie in w.bin, as a path."""
    folder = tmp_path / "model"
    folder.mkdir()
    onnx.save_model(big_model(), folder / "m.onnx", save_as_external_data=True, location="w.bin",
                    size_threshold=0)  # fmt: skip
    return folder / "m.onnx"


def edit(path, **changes):
    proto = onnx.load(path, load_external_data=False)
    for entry in proto.graph.initializer[0].external_data:
        entry.value = str(changes.get(entry.key, entry.value))
    path.write_bytes(proto.SerializeToString())


def test_external_data(external):
    net = cg.load(external, strict=True)
    np.testing.assert_array_equal(cg.node_strength(net), cg.node_strength(cg.load(big_model())))
    assert isinstance(net.parameters["a.weight"].data, StoredArray)


def test_external_data_that_are_missing(external):
    (external.parent / "w.bin").unlink()
    with pytest.raises(FormatError, match=r"w\.bin.*is missing"):
        cg.load(external)


def test_external_data_that_are_cut_off(external):
    data = external.parent / "w.bin"
    data.write_bytes(data.read_bytes()[:-8])
    with pytest.raises(FormatError, match="the file is cut off"):
        cg.load(external)
    data.write_bytes(b"")
    with pytest.raises(FormatError, match="the file is cut off"):
        cg.load(external)


@pytest.mark.parametrize(
    "location",
    [
        "../w.bin",
        "/etc/passwd",
        "sub/../../w.bin",
        "",
        "..\\w.bin",
        "link.bin",
        "C:\\w.bin",
        "a\0b",
    ],
)
def test_external_data_outside_of_the_folder_are_not_opened(external, location):
    outside = external.parent.parent / "w.bin"
    outside.write_bytes((external.parent / "w.bin").read_bytes())
    (external.parent / "link.bin").symlink_to(outside)
    (external.parent / "sub").mkdir()
    edit(external, location=location)
    with pytest.raises(FormatError, match="outside of the model's folder"):
        cg.load(external)


@pytest.mark.parametrize(
    "place",
    [{"offset": -4}, {"offset": 1 << 62}, {"length": 1 << 62}, {"length": 8}, {"offset": "x"}],
)
def test_external_data_at_a_wrong_place(external, place):
    edit(external, **place)
    with pytest.raises(FormatError, match=r"a\.weight"):
        cg.load(external)


def test_a_live_model_has_no_folder(external):
    with pytest.raises(FormatError, match="a live model has no folder"):
        cg.load(onnx.load(external, load_external_data=False))


def test_a_folder_in_the_place_of_data(external):
    (external.parent / "w.bin").unlink()
    (external.parent / "w.bin").mkdir()
    with pytest.raises(FormatError, match="is missing"):
        cg.load(external)
