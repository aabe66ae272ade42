import pickle
import tracemalloc
import zipfile
from itertools import pairwise

import ml_dtypes
import numpy as np
import pytest
from oracles import mutate

import cntgraph as cg
from cntgraph.adapters import weights as adapter
from cntgraph.adapters.weights import files
from cntgraph.core.errors import FormatError, InputShapeError, UnsafeFileError
from cntgraph.core.parameter import Parameter

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


def dense_arrays(*sizes, bias=True):
    """Kernels and biases as Keras gives them."""
    arrays = []
    for n_in, n_out in pairwise(sizes):
        arrays += [normal(n_in, n_out), *([normal(n_out)] if bias else [])]
    return arrays


def same_network(left, right):
    assert [layer.shape for layer in left.layers] == [layer.shape for layer in right.layers]
    assert [layer.activation for layer in left.layers] == [
        layer.activation for layer in right.layers
    ]
    assert left.n_edges == right.n_edges
    assert cg.node_strength(left) == pytest.approx(cg.node_strength(right), rel=1e-12, abs=1e-12)
    for edges in ("all", "parametric"):
        ours, theirs = cg.build_graph(left, edges=edges), cg.build_graph(right, edges=edges)
        assert abs(ours.adjacency - theirs.adjacency).max() < 1e-12


# -- arrays by name ------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_an_archive_are_blocks_of_their_own(tmp_path, save):
    arrays = {"W1": normal(4, 3), "b1": normal(3), "conv.weight": normal(3, 2, 2, 2)}
    save(tmp_path / "w.npz", **arrays)
    net = cg.load(tmp_path / "w.npz", strict=True)
    found = net.split(cg.node_strength(net))
    assert found["W1"] == pytest.approx(arrays["W1"].sum(axis=0) + arrays["b1"])
    assert found["conv"] == pytest.approx(arrays["conv.weight"].sum(axis=(1, 2, 3)))


def test_a_single_array(tmp_path):
    w = np.asfortranarray(normal(4, 3).astype(">f4"))
    np.save(tmp_path / "layer.npy", w)
    for net in (cg.load(tmp_path / "layer.npy"), cg.load(w)):
        source, target = net.layers
        found = net.split(cg.node_strength(net))
        assert found[target.name] == pytest.approx(w.sum(axis=1, dtype=float))
        assert found[source.name] == pytest.approx(w.sum(axis=0, dtype=float))
    assert [layer.name for layer in cg.load(tmp_path / "layer.npy").layers] == ["layer.in", "layer"]


def test_dicts_nested_or_not_and_of_other_libraries():
    import jax.numpy as jnp

    kernel = jnp.asarray(normal(4, 3), dtype=jnp.bfloat16)
    tree = {"params": {"Dense_0": {"kernel": kernel, "bias": jnp.ones(3)}}, "step": 3}
    net = cg.load(tree)
    assert [block.name for block in net.blocks] == ["params.Dense_0"]
    assert net.coverage["dtype"].tolist() == ["bfloat16", "float32"]
    expected = np.asarray(kernel).astype(float).sum(axis=0) + 1
    assert net.split(cg.node_strength(net))["params.Dense_0"] == pytest.approx(expected)
    live = {"fc.weight": normal(2, 3)}
    net = cg.load(live)
    live["fc.weight"][:] = 1.0
    assert cg.node_strength(net).tolist() == [2.0] * 3 + [3.0] * 2


@pytest.mark.parametrize("source", [{}, {"a": 1}, [], [normal(2, 2), 3], {"a": {}}, np.float64(2)])
def test_what_holds_no_arrays_is_not_recognized(source):
    assert not adapter.recognizes(source)


def test_types_that_are_no_real_numbers_are_left_out(tmp_path):
    np.savez(tmp_path / "w.npz", w=normal(2, 3), names=np.array(["a", "b"]), z=normal(2, 2) * 1j,
             half=normal(2, 2).astype(ml_dtypes.bfloat16))  # fmt: skip
    with pytest.warns(cg.CoverageWarning, match="expected tensors of real numbers"):
        net = cg.load(tmp_path / "w.npz")
    assert [block.name for block in net.blocks] == ["w"]
    assert "convert the tensor" in net.coverage.loc["half", "reason"]


def test_values_are_read_when_needed(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", weight=normal(5, 4))
    monkeypatch.setattr(files.StoredArray, "__getitem__", None)
    assert cg.load(tmp_path / "a.npz").n_edges == 20


# -- compressed archives -------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["C", "F"])
def test_parts_of_compressed_arrays_in_any_order(tmp_path, order):
    arrays = {k: np.asarray(normal(60, 13), dtype=k, order=order) for k in ("<f8", ">f4")}
    small = {"scalar": np.float64(3), "empty": np.zeros((0, 3))}
    np.savez_compressed(tmp_path / "w.npz", **arrays, **small)
    found = adapter.parameters(tmp_path / "w.npz")
    assert found["scalar"].read() == 3
    assert found["empty"].read().shape == (0, 3)
    for _ in range(60):
        name = ("<f8", ">f4")[int(RNG.integers(2))]
        axis, (start, stop) = int(RNG.integers(2)), sorted(RNG.integers(0, 61, 2).tolist())
        part = found[name].read(axis, start, stop)
        assert np.array_equal(part, np.take(arrays[name], range(*slice(start, stop).indices(
            arrays[name].shape[axis])), axis))  # fmt: skip
        assert part.dtype.isnative


def test_damaged_compressed_weights(tmp_path):
    path = tmp_path / "w.npz"
    np.savez_compressed(path, weight=normal(100, 50))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(FormatError, match="cannot be read"):
        cg.load(path)


# -- chains --------------------------------------------------------------------------------------


def test_a_list_of_kernels_and_biases_is_the_mlp_of_pytorch(tmp_path):
    import torch
    from torch import nn

    arrays = dense_arrays(6, 5, 5, 3)
    model = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 5), nn.Linear(5, 3)).double()
    with torch.no_grad():
        for layer, kernel, bias in zip(model, arrays[::2], arrays[1::2], strict=True):
            layer.weight.copy_(torch.from_numpy(kernel.T))
            layer.bias.copy_(torch.from_numpy(bias))
    np.savez(tmp_path / "w.npz", *arrays)
    live = cg.load(model, input_shape=(6,))
    torch_order = [tensor.detach().numpy() for tensor in model.parameters()]
    sources = [
        (arrays, None), (tuple(arrays), None), (tmp_path / "w.npz", None), (arrays, ["dense"] * 3),
        (torch_order, [{"kind": "dense", "layout": "channels_first"}, "dense", "dense"]),
    ]  # fmt: skip
    for source, description in sources:
        net = cg.load(source, description=description)
        same_network(net, live)
        assert net.layers[0].is_input
        assert net.layers[-1].is_output


def test_more_than_ten_arrays_of_an_archive_stay_in_order(tmp_path):
    arrays = dense_arrays(*range(3, 12))
    np.savez(tmp_path / "w.npz", *arrays)
    net = cg.load(tmp_path / "w.npz")
    assert [layer.n_nodes for layer in net.layers] == [*range(3, 12)]


def convolutional(rank, padding, stride, groups, norm, pool):
    import torch
    from torch import nn

    conv = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[rank]
    bn = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[rank]
    pools = {"max": {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}[rank],
             "average": {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}[rank]}  # fmt: skip
    layers = [conv(4, 6, 3, stride=stride, padding=padding, groups=groups)]
    layers += [bn(6, eps=1e-2)] if norm else []
    layers += [nn.ReLU(), *([pools[pool](2)] if pool else []), nn.Flatten(), nn.LazyLinear(5)]
    model = nn.Sequential(*layers).double().eval()
    with torch.no_grad():
        model(torch.zeros((1, 4, *(7, 6, 5)[:rank]), dtype=torch.double))
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if tensor.is_floating_point():
                values = torch.from_numpy(normal(*tensor.shape))
                tensor.copy_(values.abs() + 0.5 if "var" in name else values)
    return model


def as_keras(model, rank, shape):
    """The weights as Keras has them: channels last in kernels and where a dense layer flattens."""
    import torch
    from torch import nn

    arrays = []
    for layer in model:
        if isinstance(layer, nn.Linear):
            w = layer.weight.detach().numpy()
            by_place = w.reshape(len(w), *shape)
            arrays += [np.moveaxis(by_place, 1, -1).reshape(len(w), -1).T, layer.bias]
        elif hasattr(layer, "kernel_size") and hasattr(layer, "weight"):
            w = layer.weight.detach().numpy()
            arrays += [w.transpose(*range(2, rank + 2), 1, 0), layer.bias]
        elif hasattr(layer, "running_mean"):
            arrays += [layer.weight, layer.bias, layer.running_mean, layer.running_var]
    return [a.detach().numpy() if isinstance(a, torch.Tensor) else a for a in arrays]


@pytest.mark.parametrize(
    ("rank", "padding", "stride", "groups", "norm", "pool"),
    [
        (2, 0, 1, 1, False, None), (2, 1, 1, 2, False, "max"), (2, 1, 2, 1, True, None),
        (1, 2, 1, 1, True, "average"), (3, 1, 1, 2, False, "max"),
        (2, "same", 1, 2, True, "max"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("keras", [True, False])
def test_a_described_list_is_the_cnn_of_pytorch(rank, padding, stride, groups, norm, pool, keras):
    model = convolutional(rank, padding, stride, groups, norm, pool)
    input_shape = (4, *(7, 6, 5)[:rank])
    live = cg.load(model, input_shape=input_shape)
    flat = next(layer for layer in live.layers[::-1] if len(layer.shape) > 1)
    last = {"activation": "relu", "pool": {"size": 2, "mode": pool} if pool else None}
    conv = {"kind": "conv", "stride": stride, "padding": padding, "groups": groups}
    description = [conv, {"kind": "batch_norm", "epsilon": 1e-2}] if norm else [conv]
    description[-1] = description[-1] | last
    description.append({"kind": "dense"})
    if keras:
        arrays = as_keras(model, rank, flat.shape)
    else:
        description[0]["layout"] = "channels_first"
        tensors = [t for n, t in model.state_dict().items() if "num_batches" not in n]
        arrays = [t.numpy() for t in tensors]
    net = cg.load(arrays, description=description, input_shape=input_shape)
    same_network(net, live)
    assert set(net.coverage["status"]) <= {"included", "folded"}


def test_same_padding_with_strides_is_that_of_keras():
    kernel = normal(3, 3, 1, 2)
    net = cg.load([kernel], description=[{"kind": "conv", "padding": "same", "stride": 2}],
                  input_shape=(1, 6, 5))  # fmt: skip
    (block,) = net.blocks
    # Three of six positions, one row of padding and that behind; three of five, one on either side.
    assert block.target.shape == (2, 3, 3)
    assert [window.before for window in block.windows] == [0, 1]


def test_global_pooling_and_a_norm_without_gain():
    arrays = [normal(3, 2, 4), normal(4), normal(4), np.full(4, 2.0), normal(4, 3)]
    description = [
        {"kind": "conv", "bias": False},
        {"kind": "batch_norm", "scale": False, "epsilon": 0.0,
         "pool": {"size": "global", "mode": "average"}},
        {"kind": "dense", "activation": "swish", "name": "head"},
    ]  # fmt: skip
    net = cg.load(arrays, description=description, input_shape=(2, 8))
    assert [layer.shape for layer in net.layers] == [(2, 8), (4, 6), (4, 1), (3,)]
    assert (net.layers[-1].name, net.layers[-1].activation) == ("head", "silu")
    conv = net.blocks[0]
    assert conv.weight.read() == pytest.approx(arrays[0].transpose(2, 1, 0) / np.sqrt(2))
    assert conv.bias.read().reshape(-1) == pytest.approx(arrays[1] - arrays[2] / np.sqrt(2))


def test_an_example_input_gives_the_size():
    net = cg.load([normal(3, 3, 2, 4)], description=["conv"], example_input=np.zeros((5, 2, 6, 6)))
    assert net.layers[0].shape == (2, 6, 6)


def test_separate_blocks_of_a_list():
    arrays = [normal(4, 3), normal(5), normal(3, 3, 2, 6)]
    with pytest.warns(cg.CoverageWarning, match="arr_1"):
        net = cg.load(arrays, description="separate")
    found = net.split(cg.node_strength(net))
    assert found["arr_0"] == pytest.approx(arrays[0].sum(axis=0))
    assert found["arr_2"] == pytest.approx(arrays[2].sum(axis=(0, 1, 2)))
    assert found["arr_2.in"].shape == (2, 3, 3)


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        (dense_arrays(4, 3) + dense_arrays(2, 5), {}, r"expected its kernel of shape \(3, 'any'\)"),
        ([a.T for a in dense_arrays(4, 3, 2)], {}, "'layout': 'channels_first'"),
        ([normal(3, 3, 1, 2), normal(2)], {}, r"description=\[\{'kind': 'conv'"),
        ([normal(3)], {}, "got no kernel"),
        ([normal(4, 3), normal(3), normal(3)], {}, "1 arrays are left"),
        ([normal(4, 3), normal(5), normal(3, 2)], {}, "arr_1 of shape"),
        (dense_arrays(4, 3), {"description": []}, "at least one layer"),
        (dense_arrays(4, 3), {"description": ["dense", "dense"]}, "no array is left"),
        (dense_arrays(4, 3), {"description": "dense"}, "'separate' or a list"),
        (dense_arrays(4, 3), {"description": {"kind": "dense"}}, "'separate' or a list"),
        (dense_arrays(4, 3), {"description": ["lstm"]}, "a kind of dense, conv, batch_norm"),
        (dense_arrays(4, 3), {"description": [3]}, "a kind of dense"),
        (dense_arrays(4, 3), {"description": [{"kind": "dense", "units": 3}]}, "with some of"),
        (dense_arrays(4, 3), {"description": [{"kind": "dense", "layout": "NHWC"}]}, "layout"),
        (dense_arrays(4, 3), {"description": [{"kind": "dense", "activation": 3}]}, "activation"),
        (dense_arrays(4, 3), {"description": [{"kind": "dense", "pool": {"size": 2}}]}, "to pool"),
        (dense_arrays(4, 3), {"description": [{"kind": "dense", "pool": 2}]}, "a dict with"),
        (dense_arrays(4, 3), {"input_shape": (5,)}, r"kernel of shape \(5, 'any'\)"),
        ([normal(3, 3, 1, 2)], {"description": ["conv"]}, r"pass input_shape=\(channels"),
        ([normal(3, 3, 1, 2)], {"description": ["conv"], "input_shape": (1, 2, 9)}, "does not fit"),
        ([normal(3, 3, 1, 2)], {"description": ["conv"], "input_shape": (3,)}, "pass input_shape"),
        ([normal(3, 1, 2)], {"description": [{"kind": "conv", "stride": 0}], "input_shape": (1, 9)},
         "stride: expected an integer"),
        ([normal(3, 1, 2)], {"description": [{"kind": "conv", "stride": (1, 2)}],
                             "input_shape": (1, 9)}, "expected a number, or 1"),
        ([normal(3, 1, 2)], {"description": [{"kind": "conv", "padding": "half"}],
                             "input_shape": (1, 9)}, "padding 'valid', 'same'"),
        ([normal(3, 1, 2)], {"description": [{"kind": "conv", "groups": 2}],
                             "input_shape": (1, 9)}, "that 2 groups divide"),
        ([normal(2, 3), normal(2, 3) * 1j], {}, "expected a list of weights"),
    ],
)  # fmt: skip
def test_lists_that_are_no_chain_say_what_to_pass(arrays, options, message):
    with pytest.raises((FormatError, InputShapeError), match=message):
        cg.load(arrays, **options)


# -- hostile files -------------------------------------------------------------------------------


class Payload:
    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return (open, (self.marker, "w"))


@pytest.mark.parametrize("suffix", ["npz", "npy"])
def test_python_objects_are_refused_and_not_run(tmp_path, suffix):
    marker, path = tmp_path / "ran", tmp_path / f"w.{suffix}"
    array = np.array([Payload(marker)], dtype=object)
    np.save(path, array) if suffix == "npy" else np.savez(path, w=array)
    with pytest.raises(UnsafeFileError, match="a pickle"):
        cg.load(path)
    path.write_bytes(pickle.dumps(Payload(marker)))
    with pytest.raises(FormatError):
        cg.load(path)
    assert not marker.exists()


def npy(header, body=b"", version=1):
    raw = header.encode("latin-1") + b"\n"
    length = len(raw).to_bytes(2 * min(version, 2), "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + raw + body


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff",
        npy("{"), npy("x" * 20_000), npy("(" * 9000),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}", bytes(16)),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", bytes(16)),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999999,)}", bytes(8)),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", bytes(8)),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (" + "1," * 40 + ")}", bytes(8)),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1.0,)}", bytes(8)),
        npy("{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,)}", bytes(8)),
        npy("{'descr': '<f99', 'fortran_order': False, 'shape': (1,)}", bytes(8)),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", bytes(8), version=3),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 99999999999)}"),
        npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}", bytes(8)),
    ],
    ids=range(17),
)  # fmt: skip
def test_damaged_arrays_are_refused(tmp_path, data):
    for name, content in (("w.npy", data), ("w.npz", None)):
        path = tmp_path / name
        if content is None:
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("w.npy", data)
        else:
            path.write_bytes(content)
        with pytest.raises(FormatError):
            cg.load(path)


def test_a_bomb_takes_no_memory(tmp_path):
    path = tmp_path / "w.npz"
    header = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (268435456, 1)}")
    bomb = bytearray(mutate.bomb("weight.npy", 1 << 28))
    assert len(bomb) < 1_000_000
    path.write_bytes(bomb)
    tracemalloc.start()
    with pytest.raises(FormatError, match="200 times as large"):
        cg.load(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weight.npy", header + bytes(10_000))
    with pytest.raises(FormatError, match="says that it has 268435456 bytes"):
        cg.load(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_archives_of_other_things(tmp_path):
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(FormatError, match=r"found 'notes\.txt'"):
        cg.load(path)


def test_a_list_can_be_recorded(tmp_path):
    arrays = dense_arrays(4, 3, 2)
    assert list(adapter.parameters(arrays)) == ["arr_0", "arr_1", "arr_2", "arr_3"]
    assert all(isinstance(p, Parameter) for p in adapter.parameters(arrays).values())
    with cg.Recorder(tmp_path / "run.h5", arrays) as record:
        record(step=0)
        arrays[0][:] = 0.0
        record(step=1)
    with cg.open(tmp_path / "run.h5") as trajectory:
        first, second = (cg.node_strength(net) for net in trajectory)
    assert second[:4].tolist() == [0.0] * 4
    assert first[:4].any()
