import json
import os
import pickle
import struct
import warnings
import zipfile
from collections import OrderedDict

import ml_dtypes
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

import cntgraph as cg
from cntgraph.adapters.torch.checkpoint import read_tensors
from cntgraph.adapters.weights.zip_archive import ZipArchive
from cntgraph.core.errors import CoverageError, FormatError, UnsafeFileError


def made(seed=0, width=4):
    """A small convolutional network with random weights and statistics."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(2, 3, 3), bn=nn.BatchNorm2d(3), relu=nn.ReLU(), flat=nn.Flatten(),
            fc=nn.Linear(48, width),
        )
    )  # fmt: skip
    with torch.no_grad():
        model.bn.running_mean.normal_()
        model.bn.running_var.uniform_(0.5, 2.0)
        model.bn.weight.normal_()
    return model


def array(tensor):
    return tensor.detach().double().numpy()


def strengths(net):
    return net.split(cg.node_strength(net))


def check_separate(net, model, prefix=""):
    found = strengths(net)
    for name, layer in (("conv", model.conv), ("fc", model.fc)):
        w, b = array(layer.weight), array(layer.bias)
        axes = tuple(range(1, w.ndim))
        assert found[f"{prefix}{name}"] == pytest.approx(w.sum(axis=axes) + b)
        assert found[f"{prefix}{name}.in"] == pytest.approx(w.sum(axis=0))
    assert found[f"{prefix}bn"] == pytest.approx(array(model.bn.weight) + array(model.bn.bias))
    assert set(net.coverage["status"]) == {"included", "skipped"}
    assert set(net.coverage.loc[net.coverage["status"] == "skipped", "kind"]) == {"buffer"}


# -- weights alone -------------------------------------------------------------------------------


def test_a_live_state_dict_follows_the_training():
    model = made()
    net = cg.load(model.state_dict(), strict=True)
    check_separate(net, model)
    with torch.no_grad():
        model.fc.weight.mul_(2.0)
    check_separate(net, model)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".bin", ".PT"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_saved_state_dict(tmp_path, suffix, dtype):
    model = made().to(dtype)
    torch.save(model.state_dict(), tmp_path / f"m{suffix}")
    net = cg.load(tmp_path / f"m{suffix}", strict=True)
    check_separate(net, model)
    assert net.coverage.loc["fc.weight", "dtype"] == str(dtype).removeprefix("torch.")


@pytest.mark.parametrize(
    ("wrap", "prefix", "labels"),
    [
        (lambda s: {"state_dict": s, "epoch": 3, "global_step": 50}, "", {"epoch": 3, "step": 50}),
        (lambda s: {"model_state_dict": s, "optimizer_state_dict": {"state": {}}}, "", {}),
        (lambda s: {"model": s, "epoch": 2, "optimizer": {"state": {0: {"m": torch.ones(3)}}}}, "",
         {"epoch": 2}),
        (lambda s: {"model": {"state_dict": s}}, "", {}),
        (lambda s: {"encoder": s, "epoch": "last"}, "", {}),
        (lambda s: {f"module.{k}": v for k, v in s.items()}, "module.", {}),
        (lambda s: {k: nn.Parameter(v, False) for k, v in s.items()}, "", {}),
    ],
)  # fmt: skip
def test_where_checkpoints_keep_their_weights(tmp_path, wrap, prefix, labels):
    model = made()
    torch.save(wrap(model.state_dict()), tmp_path / "m.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cg.CoverageWarning)
        net = cg.load(tmp_path / "m.pt")
    found = strengths(net)
    w, b = array(model.fc.weight), array(model.fc.bias)
    assert found[f"{prefix}fc"] == pytest.approx(w.sum(axis=1) + b)
    assert net.labels == labels


def test_what_else_a_checkpoint_holds_is_said(tmp_path):
    other = {"state": {0: {"m": torch.ones(3)}}}
    state = made().state_dict()
    torch.save({"model": state, "ema": state, "optimizer": other, "lr": 0.1}, tmp_path / "m.pt")
    with pytest.warns(cg.CoverageWarning, match="ema: not of the weights in 'model'"):
        net = cg.load(tmp_path / "m.pt")
    assert net.coverage.loc["optimizer", "reason"] == "not of the weights in 'model'"
    assert net.coverage["kind"][["ema", "optimizer"]].tolist() == ["parameter", "buffer"]
    assert "lr" not in net.coverage.index


def test_a_checkpoint_of_several_models_says_how_to_choose(tmp_path):
    state = made().state_dict()
    torch.save({"generator": state, "critic": state}, tmp_path / "m.pt")
    with pytest.raises(FormatError, match=r"several models \(generator, critic\)"):
        cg.load(tmp_path / "m.pt")


@pytest.mark.parametrize("saved", [[torch.ones(2)], {"a": 1}, {}, 3, {"x": {"y": {"z": 1}}}])
def test_files_without_weights(tmp_path, saved):
    torch.save(saved, tmp_path / "m.pt")
    with pytest.raises(FormatError, match="expected weights by name"):
        cg.load(tmp_path / "m.pt")


def test_a_single_tensor(tmp_path):
    w = torch.randn(3, 4)
    torch.save(w, tmp_path / "weight.pt")
    assert strengths(cg.load(tmp_path / "weight.pt"))["weight"] == pytest.approx(array(w).sum(1))


def test_tied_tensors_are_one(tmp_path):
    table = torch.randn(7, 3)
    state = {"wte.weight": table, "head.weight": table, "copy.weight": table.clone(),
             "part.weight": table[:4]}  # fmt: skip
    torch.save(state, tmp_path / "m.pt")
    for net in (cg.load(tmp_path / "m.pt"), cg.load(state)):
        assert [block.name for block in net.blocks] == ["wte", "copy", "part"]
        assert net.coverage.loc["head.weight", "reason"] == "the same tensor as wte.weight"
        assert net.n_parameters == 21 + 21 + 12


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2", "uint16"])
def test_types_that_numpy_lacks(tmp_path, dtype):
    w = torch.arange(12).reshape(3, 4).to(getattr(torch, dtype))
    torch.save({"fc.weight": w}, tmp_path / "m.pt")
    net = cg.load(tmp_path / "m.pt")
    assert net.coverage.loc["fc.weight", "dtype"] == dtype
    assert strengths(net)["fc"].tolist() == w.double().sum(1).tolist()


def test_tensors_that_are_no_plain_numbers_are_left_out(tmp_path):
    state = {"fc.weight": torch.randn(3, 4), "z": torch.ones(2, 2) * 1j,
             "sparse": (1j * torch.eye(3)).to_sparse(), "meta": torch.ones(2, 2, device="meta"),
             "extra_state": 3}  # fmt: skip
    with pytest.warns(cg.CoverageWarning, match="z: complex numbers"):
        net = cg.load(state)
    reasons = net.coverage["reason"]
    assert reasons["sparse"] == "no plain numbers: a sparse_coo tensor of type complex64"
    assert reasons["meta"] == "no plain numbers: a meta tensor of type float32"
    with pytest.raises(CoverageError):
        cg.load(state, strict=True)


def test_strides_are_followed(tmp_path):
    base = torch.randn(6, 8)
    torch.save({"t.weight": base.T, "s.weight": base[::2, 1:5]}, tmp_path / "m.pt")
    found = strengths(cg.load(tmp_path / "m.pt"))
    assert found["t"] == pytest.approx(array(base).sum(axis=0))
    assert found["s"] == pytest.approx(array(base[::2, 1:5]).sum(axis=1))


def test_files_are_read_without_a_loader_that_could_run_code(tmp_path, monkeypatch):
    torch.save(made().state_dict(), tmp_path / "m.pt")
    monkeypatch.setattr(torch, "load", None)
    monkeypatch.setattr(pickle, "Unpickler", None)
    check_separate(cg.load(tmp_path / "m.pt"), made())


DTYPES = ["float64", "float32", "float16", "bfloat16", "float8_e5m2", "int64", "int32", "int16",
          "int8", "uint8", "uint16", "uint32", "bool"]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_values_are_those_that_torch_loads(tmp_path, dtype, protocol):
    base = torch.arange(120).reshape(4, 5, 6).to(getattr(torch, dtype))
    state = {
        "whole": base, "turned": base.permute(2, 0, 1), "part": base[1:3, ::2],
        "one": base[2, 3, 1], "wide": base[:1].expand(3, 5, 6),
        "parameter": nn.Parameter(base, False), "empty": base[:0],
    }  # fmt: skip
    torch.save(state, tmp_path / "m.pt", pickle_protocol=protocol)
    tensors = read_tensors(tmp_path / "m.pt")
    found = {p.name: p for p in tensors.parameters}
    assert tensors.same == {"parameter": "whole"}
    assert not tensors.left_out
    for name, tensor in state.items():
        if name not in tensors.same:
            assert found[name].dtype == dtype
            assert found[name].read().tolist() == tensor.double().tolist()


def test_what_is_no_plain_tensor_is_left_out_of_a_file_by_name(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.quantize_per_tensor(torch.ones(2, 2), 0.1, 0, torch.qint8)
        compressed = (1j * torch.eye(3)).to_sparse_csr()
    state = {"fc.weight": torch.randn(3, 4), "z": torch.ones(2, 2) * 1j,
             "sparse": (1j * torch.eye(3)).to_sparse(), "meta": torch.ones(2, 2, device="meta"),
             "quantized": quantized, "csr": compressed,
             "count": 3, "dicts": {"inner": torch.ones(2, 2)}}  # fmt: skip
    torch.save(state, tmp_path / "m.pt")
    with pytest.warns(cg.CoverageWarning):
        net = cg.load(tmp_path / "m.pt")
    reasons = net.coverage["reason"]
    assert reasons["z"].startswith("complex numbers")
    assert reasons["sparse"] == "no plain numbers: a sparse_coo tensor of type complex64"
    assert reasons["csr"] == "no plain numbers: a sparse_csr tensor of type complex64"
    assert reasons["meta"] == "no plain numbers: a meta tensor of type float32"
    assert reasons["quantized"] == "no plain numbers: a quantized tensor of type qint8"
    assert reasons["count"] == "no tensor: a value of type int"
    assert net.coverage["shape"]["sparse"] == (3, 3)
    with pytest.raises(CoverageError):
        cg.load(tmp_path / "m.pt", strict=True)


def test_values_of_a_state_dict_that_are_no_tensors_are_said():
    weight = np.arange(6.0).reshape(2, 3)
    state = {"fc.weight": torch.ones(2, 3), "array": weight, "scale": 2.0}
    net = cg.load(state, strict=True)
    assert strengths(net)["array"] == pytest.approx(weight.sum(axis=1))
    assert net.coverage["reason"]["scale"] == "no tensor: a value of type float"
    for nested in ({"w": torch.ones(2, 2)}, [torch.ones(2, 2)]):
        with pytest.raises(CoverageError, match="hidden: no tensor: a value of type"):
            cg.load({**state, "hidden": nested}, strict=True)


def test_no_more_of_an_archive_is_read_for_many_tensors_than_for_one(tmp_path, monkeypatch):
    torch.save({f"w{k}": torch.ones(2, 3) for k in range(20)}, tmp_path / "m.pt")
    read, names = ZipArchive.read, []
    monkeypatch.setattr(
        ZipArchive, "read", lambda a, name, largest: names.append(name) or read(a, name, largest)
    )
    assert len(read_tensors(tmp_path / "m.pt").parameters) == 20
    assert sorted(name.rpartition("/")[2] for name in names) == ["byteorder", "data.pkl"]


def test_an_array_of_a_state_dict_may_be_of_a_type_that_numpy_lacks():
    weight = np.arange(6.0).reshape(2, 3).astype(ml_dtypes.bfloat16)
    net = cg.load({"fc.weight": torch.ones(2, 3), "array": weight}, strict=True)
    assert strengths(net)["array"].tolist() == [3.0, 12.0]
    assert net.coverage["dtype"]["array"] == "bfloat16"


def test_a_tensor_beside_the_weights_is_not_taken_for_them(tmp_path):
    state = made().state_dict()
    torch.save({"state_dict": state, "centers": torch.ones(4, 4)}, tmp_path / "m.pt")
    with pytest.warns(cg.CoverageWarning, match="centers: not of the weights in 'state_dict'"):
        net = cg.load(tmp_path / "m.pt")
    w = array(made().fc.weight)
    assert strengths(net)["fc.in"] == pytest.approx(w.sum(axis=0))
    with pytest.raises(CoverageError):
        cg.load(tmp_path / "m.pt", strict=True)


@pytest.mark.parametrize("how", ["cut", "overwritten", "removed"])
def test_a_file_that_changes_after_it_was_loaded_is_noticed(tmp_path, how):
    path = tmp_path / "last.ckpt"
    torch.save({"fc.weight": torch.randn(400, 300)}, path)
    net = cg.load(path)
    if how == "cut":
        os.truncate(path, 5000)
    elif how == "overwritten":
        torch.save({"fc.weight": torch.randn(400, 301)}, path)
    else:
        path.unlink()
    with pytest.raises(FormatError, match="changed or removed"):
        cg.node_strength(net)


# -- weights that take several tensors -----------------------------------------------------------


def test_pruned_and_normalized_modules():
    torch.manual_seed(0)
    pruned, old, new = nn.Linear(6, 5), nn.Linear(5, 4), nn.Conv1d(4, 3, 2)
    prune.l1_unstructured(pruned, "weight", 0.5)
    prune.random_unstructured(pruned, "bias", 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nn.utils.weight_norm(old)
    parametrizations.weight_norm(new)
    model = nn.Sequential(OrderedDict(pruned=pruned, old=old, new=new))
    with torch.no_grad():
        old.weight_g.mul_(3.0)
    net = cg.load(model.state_dict(), strict=True)
    found = strengths(net)
    with torch.no_grad():
        old(torch.zeros(1, 5))  # computes its weight anew
    for name, layer in model.named_children():
        w, b = array(layer.weight), array(layer.bias)
        assert found[name] == pytest.approx(w.reshape(len(w), -1).sum(axis=1) + b, rel=1e-6)
    assert {"the mask of pruned.weight", "the gain of old.weight", "the gain of new.weight"} < set(
        net.coverage["reason"]
    )


class Doubled(nn.Module):
    def forward(self, w):
        return 2 * w


@pytest.mark.parametrize("kind", ["spectral", "own"])
def test_parametrizations_that_only_the_code_knows_are_left_out(kind):
    layer = nn.Linear(3, 4)
    if kind == "own":
        parametrize.register_parametrization(layer, "weight", Doubled())
    else:
        parametrizations.spectral_norm(layer)
    model = nn.Sequential(layer, nn.Linear(4, 2))
    with pytest.warns(cg.CoverageWarning, match="computed by the model's code"):
        net = cg.load(model.state_dict())
    assert [block.name for block in net.blocks] == ["1"]


# -- Lightning -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lightning_run(tmp_path_factory):
    """A checkpoint that Lightning's trainer has written, and the module it is of."""
    folder = tmp_path_factory.mktemp("lightning")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lightning

        class Module(lightning.LightningModule):
            def __init__(self, width=8):
                super().__init__()
                self.save_hyperparameters()
                self.net = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 3))

            def forward(self, x):
                return self.net(x)

            def training_step(self, batch, _):
                return nn.functional.cross_entropy(self(batch[0]), batch[1])

            def configure_optimizers(self):
                return torch.optim.Adam(self.parameters(), lr=0.1)

        torch.manual_seed(0)
        data = torch.utils.data.TensorDataset(torch.randn(8, 4), torch.randint(0, 3, (8,)))
        trainer = lightning.Trainer(
            max_epochs=2, accelerator="cpu", logger=False, enable_progress_bar=False,
            enable_model_summary=False, enable_checkpointing=False, default_root_dir=folder,
        )  # fmt: skip
        module = Module()
        trainer.fit(module, torch.utils.data.DataLoader(data, batch_size=4))
        trainer.save_checkpoint(folder / "last.ckpt")
    return folder / "last.ckpt", module, Module


def test_a_checkpoint_of_lightning(lightning_run):
    path, module, kind = lightning_run
    net = cg.load(path)
    assert net.labels == {"epoch": 2, "step": 4}
    found = strengths(net)
    for k in (0, 2):
        w, b = array(module.net[k].weight), array(module.net[k].bias)
        assert found[f"net.{k}"] == pytest.approx(w.sum(axis=1) + b)
    bound = cg.load(path, model=kind(), input_shape=(4,))
    live = cg.load(module, input_shape=(4,))
    assert np.array_equal(cg.node_strength(bound), cg.node_strength(live))
    assert bound.labels == {"epoch": 2, "step": 4}


# -- into a model --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rename",
    [
        lambda n: n, lambda n: f"module.{n}", lambda n: f"_orig_mod.{n}", lambda n: f"model.{n}",
        lambda n: f"module._orig_mod.model.{n}", lambda n: n.replace(".", "._orig_mod."),
    ],
)  # fmt: skip
def test_weights_in_the_graph_of_a_model(tmp_path, rename):
    model, other = made(0), made(1)
    state = {rename(name): tensor for name, tensor in model.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "m.ckpt")
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    other.train()
    live = cg.load(model, input_shape=(2, 6, 6))
    for source in (tmp_path / "m.ckpt", state):
        net = cg.load(source, model=other, input_shape=(2, 6, 6))
        assert np.array_equal(cg.node_strength(net), cg.node_strength(live))
        assert [layer.name for layer in net.layers] == [layer.name for layer in live.layers]
    assert other.training
    assert all(torch.equal(tensor, before[n]) for n, tensor in other.state_dict().items())
    assert not np.array_equal(
        cg.node_strength(cg.load(other, input_shape=(2, 6, 6))), cg.node_strength(live)
    )


def test_the_stored_type_is_that_of_the_file(tmp_path):
    model = made(0)
    torch.save(model.to(torch.float16).state_dict(), tmp_path / "m.pt")
    net = cg.load(tmp_path / "m.pt", model=made(1), input_shape=(2, 6, 6), norm="keep")
    assert net.coverage.loc["fc.weight", "dtype"] == "float16"
    w, b = array(model.fc.weight), array(model.fc.bias)
    assert strengths(net)["fc"] == pytest.approx(w.sum(axis=1) + b)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode, self.decode = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
        self.decode.weight = self.encode.weight

    def forward(self, x):
        return self.decode(torch.relu(self.encode(x)))


@pytest.mark.parametrize("names", [("encode",), ("decode",), ("encode", "decode")])
def test_tied_tensors_may_be_stored_under_any_of_their_names(names):
    w = torch.randn(3, 3)
    state = {f"{name}.weight": w.clone() for name in names}
    net = cg.load(state, model=Tied(), input_shape=(3,))
    source, hidden, _ = strengths(net).values()
    assert source == pytest.approx(array(w).sum(axis=0))
    assert hidden == pytest.approx(array(w).sum(axis=0) + array(w).sum(axis=1))


def test_tied_tensors_that_differ_are_refused():
    state = {"encode.weight": torch.randn(3, 3), "decode.weight": torch.randn(3, 3)}
    with pytest.raises(FormatError, match=r"'encode\.weight' and 'decode\.weight' are one tensor"):
        cg.load(state, model=Tied(), input_shape=(3,))


def test_weights_of_another_model_are_refused():
    state = made().state_dict()
    del state["fc.bias"]
    state["head.weight"] = torch.ones(2, 2)
    with pytest.raises(FormatError, match=r"missing fc\.bias; not in the model head\.weight"):
        cg.load(state, model=made(), input_shape=(2, 6, 6))
    with pytest.raises(FormatError, match=r"the model has shape \(5, 48\), the file \(4, 48\)"):
        cg.load(made().state_dict(), model=made(width=5), input_shape=(2, 6, 6))


def test_counters_may_be_missing_or_left_over():
    state = made().state_dict()
    del state["bn.num_batches_tracked"]
    state["position_ids"] = torch.arange(3)
    net = cg.load(state, model=made(1), input_shape=(2, 6, 6))
    assert net.coverage.loc["position_ids", "reason"] == "the model has no such tensor"


def test_model_is_for_weights_only(tmp_path):
    with pytest.raises(FormatError, match="leave it out"):
        cg.load(made(), model=made(), input_shape=(2, 6, 6))
    with pytest.raises(FormatError, match=r"as a torch\.nn\.Module, got builtins\.str"):
        cg.load(made().state_dict(), model="made")


# -- hostile files -------------------------------------------------------------------------------


class Payload:
    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return (open, (self.marker, "w"))


class Makes:
    """Calls what it is told to when it is unpickled."""

    def __init__(self, function, *args):
        self.made = (function, args)

    def __reduce__(self):
        return self.made


def test_what_would_run_code_is_refused_and_not_run(tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "m.pt"
    for wrapped in (Payload(marker), {"state_dict": {"w": Payload(marker)}}, [Payload(marker)]):
        torch.save(wrapped, path)
        with pytest.raises(UnsafeFileError, match=r"open.*torch\.save\(model\.state_dict"):
            cg.load(path)
    path.write_bytes(pickle.dumps(Payload(marker)))
    with pytest.raises(UnsafeFileError, match="a plain pickle"):
        cg.load(path)
    assert not marker.exists()


def test_a_pickled_module_is_refused(tmp_path):
    torch.save(made(), tmp_path / "m.pt")
    with pytest.raises(UnsafeFileError, match=r"torch\.nn\.modules\.container\.Sequential"):
        cg.load(tmp_path / "m.pt")


def test_the_old_format_is_refused_with_what_to_do(tmp_path):
    torch.save(made().state_dict(), tmp_path / "m.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(UnsafeFileError, match=r"PyTorch 1\.5 or older.*torch\.load"):
        cg.load(tmp_path / "m.pth")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*torch.jit:FutureWarning")
def test_torchscript_is_refused_with_what_to_do(tmp_path):
    torch.jit.trace(made().eval(), torch.zeros(1, 2, 6, 6)).save(tmp_path / "m.pt")
    with pytest.raises(UnsafeFileError, match=r"TorchScript.*torch\.export\.save"):
        cg.load(tmp_path / "m.pt")


def test_a_program_with_another_suffix(tmp_path):
    program = torch.export.export(nn.Linear(3, 2), (torch.zeros(1, 3),))
    torch.export.save(program, tmp_path / "m.pt2")
    (tmp_path / "m.pt2").rename(tmp_path / "m.pt")
    with pytest.raises(FormatError, match=r"give the file the suffix \.pt2"):
        cg.load(tmp_path / "m.pt")


def test_memory_that_a_file_only_asks_for_is_not_given(tmp_path):
    torch.save({"w": Makes(bytearray, 1 << 40)}, tmp_path / "m.pt")
    with pytest.raises(UnsafeFileError, match="bytearray"):
        cg.load(tmp_path / "m.pt")
    torch.save({"w": torch.zeros(1).expand(1 << 30, 1 << 20)}, tmp_path / "m.pt")
    with pytest.raises(FormatError, match="more values than the file"):
        cg.load(tmp_path / "m.pt")
    base = torch.zeros(200_000)
    torch.save({f"{k}": base[k:] for k in range(200)}, tmp_path / "m.pt")
    with pytest.raises(FormatError, match="more values than the file"):
        cg.load(tmp_path / "m.pt")
    torch.save({"w": torch.zeros(0, 1 << 40)}, tmp_path / "m.pt")
    with pytest.raises(FormatError, match="got none"):
        cg.load(tmp_path / "m.pt")


def rewritten(path, change):
    """Write an archive again, each member's content changed."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in change(members).items():
            archive.writestr(name, content)


def test_storages_that_are_shorter_than_they_should_be(tmp_path):
    path = tmp_path / "m.pt"
    torch.save({"w": torch.zeros(100, 100)}, path)
    rewritten(path, lambda m: {n: c[:64] if "/data/" in n else c for n, c in m.items()})
    with pytest.raises(FormatError, match="damaged"):
        cg.load(path)


def test_archives_that_torch_does_not_write(tmp_path):
    path = tmp_path / "m.pt"
    torch.save({"w": torch.zeros(10, 10)}, path)
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(FormatError, match="a compressed one"):
        cg.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(FormatError, match=r"one data\.pkl, found 0"):
        cg.load(path)


@pytest.mark.parametrize("data", [b"", b"x" * 100, b"PK\3\4" + b"\0" * 40, struct.pack("<Q", 9)])
def test_other_bytes(tmp_path, data):
    (tmp_path / "m.bin").write_bytes(data)
    with pytest.raises(FormatError, match=r"expected a checkpoint saved by torch\.save"):
        cg.load(tmp_path / "m.bin")


# -- in several files ----------------------------------------------------------------------------


def sharded(folder):
    """Write a model as transformers did before safetensors: two files, and an index."""
    state = made().state_dict()
    names = sorted(state)
    places = {name: f"pytorch_model-0000{1 + k % 2}-of-00002.bin" for k, name in enumerate(names)}
    for file in sorted(set(places.values())):
        torch.save({n: state[n] for n in names if places[n] == file}, folder / file)
    index = folder / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return index


def test_shards_with_an_index_are_one_model(tmp_path):
    index, model = sharded(tmp_path), made()
    torch.save({"lr": 3}, tmp_path / "training_args.bin")
    for source in (tmp_path, index):
        check_separate(cg.load(source, strict=True), model)
    net = cg.load(tmp_path, model=made(seed=1), input_shape=(2, 6, 6))
    assert np.array_equal(net.parameters["fc.weight"].read(), model.fc.weight.detach())
    (tmp_path / "pytorch_model-00002-of-00002.bin").unlink()
    with pytest.raises(FormatError, match=r"00002-of-00002\.bin' is missing"):
        cg.load(tmp_path)


def test_a_folder_with_one_checkpoint(tmp_path):
    model = made()
    torch.save({"lr": 3}, tmp_path / "optimizer.bin")
    with pytest.raises(FormatError, match="expected weights by name"):
        cg.load(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    check_separate(cg.load(tmp_path, strict=True), model)
    (tmp_path / "pytorch_model.bin").rename(tmp_path / "adapter_model.bin")
    with pytest.raises(FormatError, match="several files without an index"):
        cg.load(tmp_path)
