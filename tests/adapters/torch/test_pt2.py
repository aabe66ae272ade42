"""Saved programs as data: damaged, hostile and foreign files raise errors of the package only."""

import io
import json
import os
import pickle
import warnings
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

import cntgraph as cg
from cntgraph.adapters.weights.stored import StoredArray
from cntgraph.core.errors import (
    CntGraphError,
    CoverageWarning,
    FormatError,
    InputShapeError,
    TraceError,
    UnsafeFileError,
)


def build():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(18, 3),
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The bytes of a saved program."""
    path = tmp_path_factory.mktemp("pt2") / "model.pt2"
    torch.export.save(torch.export.export(build(), (torch.zeros(1, 1, 6, 6),)), path)
    return path.read_bytes()


def members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {name: file.read(name) for name in file.namelist()}


def packed(found, path, *, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in found.items():
            file.writestr(name, data)
    return path


def edited(archive, path, change, member="models/model.json"):
    """Write the archive again after a change to one JSON member."""
    found = members(archive)
    (name,) = [n for n in found if n.endswith(member)]
    data = json.loads(found[name])
    change(data)
    return packed({**found, name: json.dumps(data).encode()}, path)


def load_or_refuse(path, **options):
    """Load a file that may be damaged; whatever is raised is an error of the package."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CoverageWarning)
        try:
            net = cg.load(path, **options)
            cg.node_strength(net)
        except CntGraphError as error:
            return error
    return net


def test_the_whole_file_is_read(archive, tmp_path):
    path = tmp_path / "model.pt2"
    path.write_bytes(archive)
    live = cg.load(build(), input_shape=(1, 6, 6))
    assert np.allclose(cg.node_strength(cg.load(path)), cg.node_strength(live), atol=1e-12)
    again = packed(members(archive), tmp_path / "small.pt2", compression=zipfile.ZIP_DEFLATED)
    assert np.allclose(cg.node_strength(cg.load(again)), cg.node_strength(live), atol=1e-12)


@pytest.mark.parametrize("how", ["cut", "overwritten", "removed"])
def test_weights_are_read_when_needed_and_a_changed_file_is_noticed(archive, tmp_path, how):
    path = tmp_path / "model.pt2"
    path.write_bytes(archive)
    net = cg.load(path)
    assert isinstance(net.parameters["0.weight"].data, StoredArray)
    if how == "cut":
        os.truncate(path, 1000)
    elif how == "overwritten":
        path.write_bytes(archive + b" ")
    else:
        path.unlink()
    with pytest.raises(FormatError, match="changed or removed"):
        cg.node_strength(net)


def test_every_truncation_is_refused(archive, tmp_path):
    path = tmp_path / "model.pt2"
    for length in np.linspace(0, len(archive) - 1, 40).astype(int):
        path.write_bytes(archive[:length])
        with pytest.raises(FormatError, match="pt2"):
            cg.load(path)


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bits_anywhere(archive, tmp_path, seed):
    rng, path = np.random.default_rng(seed), tmp_path / "model.pt2"
    for _ in range(40):
        damaged = bytearray(archive)
        damaged[int(rng.integers(len(damaged)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(damaged))
        load_or_refuse(path)


@pytest.mark.parametrize("seed", range(6))
def test_flipped_bits_in_the_description(archive, tmp_path, seed):
    """The checksums are right, so that the damage gets through to the reader."""
    rng, found = np.random.default_rng(seed), members(archive)
    names = [n for n in found if n.endswith(".json")]
    refused = 0
    for _ in range(40):
        name = names[int(rng.integers(len(names)))]
        damaged = bytearray(found[name])
        damaged[int(rng.integers(len(damaged)))] ^= 1 << int(rng.integers(7))
        path = packed({**found, name: bytes(damaged)}, tmp_path / "model.pt2")
        refused += isinstance(load_or_refuse(path), CntGraphError)
    assert refused


WRONG = (None, True, -1, 77, 1.5, "", "x", [], {}, [1], {"a": 1})


def places(value, path=()):
    """Every place in nested JSON."""
    yield path
    pairs = enumerate(value) if isinstance(value, list) else ()
    for key, item in value.items() if isinstance(value, dict) else pairs:
        yield from places(item, (*path, key))


@pytest.mark.parametrize("member", ["models/model.json", "model_weights_config.json"])
@pytest.mark.parametrize("seed", range(3))
def test_values_of_another_kind(archive, tmp_path, member, seed):
    """Any value of the description replaced by something else."""
    rng, found = np.random.default_rng(seed), members(archive)
    (name,) = [n for n in found if n.endswith(member)]
    whole = list(places(json.loads(found[name])))[1:]
    refused = 0
    for _ in range(60):
        data = json.loads(found[name])
        *route, last = whole[int(rng.integers(len(whole)))]
        inner = data
        for key in route:
            inner = inner[key]
        inner[last] = WRONG[int(rng.integers(len(WRONG)))]
        path = packed({**found, name: json.dumps(data).encode()}, tmp_path / "model.pt2")
        refused += isinstance(load_or_refuse(path), CntGraphError)
    assert refused


def test_missing_members(archive, tmp_path):
    found = members(archive)
    needed = 0
    for name in found:
        rest = {k: v for k, v in found.items() if k != name}
        needed += isinstance(load_or_refuse(packed(rest, tmp_path / "m.pt2")), FormatError)
    assert needed >= 4
    with pytest.raises(FormatError, match=r"models/model\.json"):
        cg.load(packed({"a": b""}, tmp_path / "m.pt2"))
    with pytest.raises(FormatError):
        cg.load(packed({}, tmp_path / "m.pt2"))


def weights_config(change):
    def apply(data):
        change(data["config"]["0.weight"])

    return apply


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e["tensor_meta"].update(sizes=[{"as_int": n} for n in (200, 1, 3, 3)]),
        lambda e: e["tensor_meta"].update(strides=[{"as_int": 10**9}] * 4),
        lambda e: e["tensor_meta"].update(strides=[{"as_int": -1}] * 4),
        lambda e: e["tensor_meta"].update(sizes=[{"as_int": -2}] * 4),
        lambda e: e["tensor_meta"].update(storage_offset={"as_int": 10**6}),
        lambda e: e["tensor_meta"].update(storage_offset={"as_int": -1}),
        lambda e: e["tensor_meta"].update(strides=[{"as_int": 1}]),
        lambda e: e["tensor_meta"].update(dtype=8),
        lambda e: e["tensor_meta"].update(dtype=10),
        lambda e: e["tensor_meta"].update(dtype=99),
        lambda e: e.update(path_name="weight_99"),
        lambda e: e.update(path_name="../../models/model.json"),
    ],
)
def test_tensors_that_do_not_fit_their_bytes(archive, tmp_path, change):
    path = edited(archive, tmp_path / "m.pt2", weights_config(change), "model_weights_config.json")
    with pytest.raises(CntGraphError):
        cg.node_strength(cg.load(path))


def test_sizes_that_were_swapped(archive, tmp_path):
    def change(entry):
        meta = entry["tensor_meta"]
        meta["sizes"] = meta["sizes"][1:2] + meta["sizes"][:1] + meta["sizes"][2:]

    path = edited(archive, tmp_path / "m.pt2", weights_config(change), "model_weights_config.json")
    with pytest.raises(CntGraphError):
        cg.load(path)


def test_an_archive_of_another_version(archive, tmp_path):
    def change(data):
        data["schema_version"]["major"] = 99

    with pytest.raises(FormatError, match="schema version 8, found 99"):
        cg.load(edited(archive, tmp_path / "m.pt2", change))


# -- nothing is executed -------------------------------------------------------------------------


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (str(self.marker), "w"))


def test_pickled_tensors_are_refused_and_not_run(archive, tmp_path):
    marker = tmp_path / "ran"
    found = members(archive)
    config = next(n for n in found if n.endswith("model_weights_config.json"))
    data = json.loads(found[config])
    entry = data["config"]["0.weight"]
    entry.update(use_pickle=True, tensor_meta=None)
    found[config] = json.dumps(data).encode()
    member = config.rpartition("/")[0] + "/" + entry["path_name"]
    found[member] = pickle.dumps(Payload(marker))
    with pytest.raises(UnsafeFileError, match=r"'0\.weight' is pickled"):
        cg.load(packed(found, tmp_path / "m.pt2"))
    entry.update(use_pickle=True)
    assert not marker.exists()


@pytest.mark.parametrize("suffix", ["pt2", "pt"])
@pytest.mark.parametrize("legacy", [False, True])
def test_checkpoints_are_refused_and_not_run(tmp_path, suffix, legacy):
    marker, path = tmp_path / "ran", tmp_path / f"model.{suffix}"
    state = {**build().state_dict(), "payload": Payload(marker)}
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(FormatError) as error:
        cg.load(path)
    assert (legacy and suffix == "pt2") or isinstance(error.value, UnsafeFileError)
    assert not marker.exists()


def test_pickles_beside_the_program_are_not_looked_at(archive, tmp_path):
    marker, found = tmp_path / "ran", members(archive)
    root = next(n for n in found if n.endswith("models/model.json")).partition("/")[0]
    for name in ("data.pkl", "data/sample_inputs/model.pt", "extra/x.pkl"):
        found[f"{root}/{name}"] = pickle.dumps(Payload(marker))
    cg.analyze(cg.load(packed(found, tmp_path / "m.pt2")))
    assert not marker.exists()


def first_call(change):
    def apply(data):
        change(data["graph_module"]["graph"]["nodes"][0])

    return apply


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.mylib.linear.default", "os.system", "torch.ops.aten.no_such_operation.default",
        "builtins.eval", "math.sqrt", "torch.ops.aten.relu.no_such_overload", "",
        "torch.ops.aten.relu.__class__", "torch.ops.aten.add.__setattr__",
        "torch.ops.aten.__class__.default", "torch.ops.aten.name.upper",
    ],
)  # fmt: skip
def test_operations_outside_aten_cut_the_graph(archive, tmp_path, target):
    path = edited(archive, tmp_path / "m.pt2", first_call(lambda node: node.update(target=target)))
    with pytest.warns(CoverageWarning, match="the graph is cut"):
        net = cg.load(path)
    assert any(layer.kind.startswith("unknown") for layer in net.layers)
    with pytest.raises(CntGraphError):
        cg.load(path, strict=True)


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.resize_.default",
        "torch.ops.aten._linalg_det.default",
    ],
)
def test_operations_on_constants_are_a_closed_list(archive, tmp_path, target):
    def change(data):
        nodes = data["graph_module"]["graph"]["nodes"]
        node = {"target": target, "inputs": [], "outputs": [], "metadata": {}}
        nodes.insert(0, node)

    with pytest.raises(TraceError, match="not one of the operations"):
        cg.load(edited(archive, tmp_path / "m.pt2", change))


# -- what is asked of the input ------------------------------------------------------------------


def export(path, model, *example, **options):
    torch.export.save(torch.export.export(model, example, **options), path)
    return path


def test_the_input_shape_is_in_the_file(archive, tmp_path):
    path = tmp_path / "m.pt2"
    path.write_bytes(archive)
    assert cg.load(path, input_shape=(1, 6, 6)).layers[0].shape == (1, 6, 6)
    with pytest.raises(InputShapeError, match="saved for 6, input_shape says 7"):
        cg.load(path, input_shape=(1, 7, 7))
    with pytest.raises(InputShapeError, match="3 sizes"):
        cg.load(path, input_shape=(36,))


def test_sizes_that_are_left_open(tmp_path):
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)
    )
    size = torch.export.Dim("size", min=4, max=64)
    path = export(
        tmp_path / "m.pt2", model.eval(), torch.zeros(1, 1, 8, 8),
        dynamic_shapes=({2: size, 3: size},),
    )  # fmt: skip
    for n in (5, 12):
        live = cg.load(model, input_shape=(1, n, n))
        file = cg.load(path, input_shape=(1, n, n))
        assert file.layers[0].shape == (1, n, n)
        assert np.allclose(cg.node_strength(file), cg.node_strength(live))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_stored_types(tmp_path, dtype):
    model = build().to(dtype)
    path = export(tmp_path / "m.pt2", model, torch.zeros(1, 1, 6, 6, dtype=dtype))
    file, live = cg.load(path), cg.load(model, input_shape=(1, 6, 6))
    assert file.parameters["0.weight"].dtype == str(dtype).removeprefix("torch.")
    assert np.allclose(cg.node_strength(file), cg.node_strength(live), rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings("ignore:No complete tensor found in the group")
def test_transposed_and_shared_storage(tmp_path):
    model = nn.Linear(4, 3, bias=False)
    storage = torch.randn(5, 3)
    model.weight = nn.Parameter(storage[1:].T)
    file = cg.load(export(tmp_path / "m.pt2", model, torch.zeros(1, 4)))
    assert np.array_equal(cg.build_graph(file).adjacency.toarray()[:4, 4:], storage[1:].numpy())
