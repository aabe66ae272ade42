"""What the PyTorch adapter leaves out, and what it says about what is wrong."""

import numpy as np
import pytest
import torch
from oracles.torch_models import RandomNet
from torch import nn

import cntgraph as cg
from cntgraph.core.errors import (
    CntGraphError,
    CoverageError,
    CoverageWarning,
    GraphSizeError,
    InputShapeError,
    TraceError,
)

# -- coverage ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_coverage_is_complete(seed):
    model = RandomNet(seed)
    net = cg.load(model, input_shape=model.input_shape)
    assert set(net.coverage.index) == set(model.state_dict())
    read = {p.name for block in net.blocks for p in block.parameters()}
    for name, row in net.coverage.iterrows():
        tensor = model.state_dict()[name]
        assert row["shape"] == tuple(tensor.shape)
        trainable = name in dict(model.named_parameters())
        assert row["kind"] == ("parameter" if trainable else "buffer")
        assert (row["status"] == "skipped") == (name not in read)
        if name not in read:
            assert name.endswith("num_batches_tracked")
            assert row["reason"]


@pytest.mark.parametrize(
    "layer", [lambda: nn.LazyLinear(3), lambda: nn.Linear(4, 3, device="meta")]
)
def test_weights_without_values_are_refused(layer):
    with pytest.raises(CntGraphError, match="tensors with values"):
        cg.load(nn.Sequential(layer()), input_shape=(4,))


class Unknown(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.one, self.two, self.bilinear = nn.Linear(4, 4), nn.Linear(4, 3), nn.Bilinear(4, 4, 4)
        self.function = function

    def forward(self, x):
        return self.two(self.function(self, torch.relu(self.one(x))))


UNKNOWN = {
    "cumprod": lambda m, h: torch.cumprod(h, 1),
    "a product of two inputs is not an edge": lambda m, h: m.bilinear(h, h),
    "complex numbers": lambda m, h: torch.fft.fft(h).angle(),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_operations_are_named(name):
    model = Unknown(UNKNOWN[name])
    with pytest.warns(CoverageWarning, match=name):
        net = cg.load(model, input_shape=(4,))
    operations = net.coverage[net.coverage["kind"] == "operation"]
    assert name in " ".join(operations["reason"])
    assert set(operations["status"]) == {"skipped"}
    assert {"one", "two"} <= {layer.name for layer in net.layers}
    unknown = [layer for layer in net.layers if layer.kind.startswith("unknown")]
    assert unknown
    assert "no edges" in set(cg.analyze(net)["status"])
    with pytest.raises(CoverageError, match=name):
        cg.load(model, input_shape=(4,), strict=True)


def test_parameters_that_are_not_used_are_named():
    model = Unknown(lambda m, h: h)
    with pytest.warns(CoverageWarning, match=r"bilinear\.weight: not used"):
        net = cg.load(model, input_shape=(4,))
    assert net.coverage.loc["bilinear.weight", "status"] == "skipped"
    with pytest.raises(CoverageError, match=r"bilinear\.weight"):
        cg.load(model, input_shape=(4,), strict=True)


# -- what goes wrong -----------------------------------------------------------------------------


def test_a_missing_input_shape():
    with pytest.raises(InputShapeError, match=r"input_shape=\(channels, height, width\)"):
        cg.load(nn.Linear(3, 2))


def test_a_wrong_input_shape_has_the_message_of_torch():
    with pytest.raises(TraceError, match=r"\(1, 5\).*RuntimeError: .*input_shape"):
        cg.load(nn.Linear(3, 2), input_shape=(5,))
    with pytest.raises(TraceError, match=r"\(1, 3, 8, 8\).*RuntimeError: .*input_shape"):
        cg.load(nn.Conv2d(1, 2, 3), input_shape=(3, 8, 8))


@pytest.mark.parametrize("shape", [3.5, "abc", (0,), (-1, 3), (2.0,), (), [None], 0, {"a": 1}])
def test_an_impossible_input_shape(shape):
    with pytest.raises(CntGraphError):
        cg.load(nn.Linear(3, 2), input_shape=shape)


def test_an_input_shape_may_be_a_number_or_of_numpy():
    model = nn.Linear(3, 2)
    for shape in (3, [3], np.int64(3), (np.int32(3),), torch.Size([3])):
        assert cg.load(model, input_shape=shape).n_nodes == 5


class Failing(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        raise self.error


@pytest.mark.parametrize("error", [ValueError("no such mode"), KeyError("mode"), AssertionError()])
def test_a_model_that_raises(error):
    with pytest.raises(TraceError, match=type(error).__name__) as raised:
        cg.load(Failing(error), input_shape=(3,))
    assert raised.value.__cause__ is error


def test_control_is_given_back_to_whoever_interrupts():
    with pytest.raises(KeyboardInterrupt):
        cg.load(Failing(KeyboardInterrupt()), input_shape=(3,))


def test_a_bad_norm():
    with pytest.raises(CntGraphError, match="'fold' or 'keep'"):
        cg.load(nn.Linear(3, 2), input_shape=(3,), norm="merge")


# -- what is no plain module, tensor or argument ---------------------------------------------------


def small():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()


@pytest.mark.parametrize("as_source", [lambda p: p, lambda p: p.module()])
def test_an_exported_program_is_loaded_as_it_is(as_source):
    model, x = small(), torch.randn(1, 4)
    program = torch.export.export(model, (x,))
    net = cg.load(as_source(program), example_input=x, strict=True)
    assert np.array_equal(cg.node_strength(net), cg.node_strength(cg.load(model, example_input=x)))
    assert cg.load(program).n_nodes == 9


def test_a_frozen_module_is_refused():
    frozen = torch.jit.freeze(torch.jit.script(small()))
    with pytest.raises(TraceError, match=r"before torch\.jit\.freeze"):
        cg.load(frozen, input_shape=(4,))


class Detector(nn.Module):
    """Takes a list of images, as detectors do."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)

    def forward(self, images):
        return self.conv(torch.stack(images))


def test_a_list_of_one_image_is_an_input():
    net = cg.load(Detector(), example_input=([torch.randn(3, 5, 6)],), strict=True)
    assert [(layer.name, layer.shape) for layer in net.layers] == [
        ("images.0", (3, 5, 6)), ("conv", (2, 3, 4))]  # fmt: skip
    with pytest.raises(InputShapeError, match="expected tensors or arrays"):
        cg.load(Detector(), example_input=([torch.randn(3, 5, 6), "image"],))


class Packed(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is torch.Tensor.numpy:
            raise RuntimeError("its bits are packed")
        return super().__torch_function__(function, types, args, kwargs or {})


def test_tensors_of_a_kind_of_their_own_are_refused():
    model = small()
    model[0].weight = nn.Parameter(torch.randn(3, 4).as_subclass(Packed))
    with pytest.raises(CntGraphError, match="expected plain tensors, got Packed"):
        cg.load(model, input_shape=(4,))


def test_a_model_for_which_there_is_no_memory():
    class Huge(nn.Module):
        def forward(self, x):
            raise MemoryError("Unable to allocate 1 TiB")

    with pytest.raises(GraphSizeError, match=r"more memory than there is .*1 TiB"):
        cg.load(Huge(), input_shape=(4,))
