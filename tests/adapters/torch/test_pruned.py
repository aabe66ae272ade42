"""Pruned and sparse networks of PyTorch, live and from files, against SciPy's sparse matrices."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from scipy.sparse import block_array, csr_array
from torch import nn
from torch.nn.utils import prune

import cntgraph as cg
from cntgraph import FormatError

# PyTorch says once that they are new, and that it trusts what they are made of.
pytestmark = pytest.mark.filterwarnings("ignore:Sparse:UserWarning")

LAYOUTS = {
    "coo": lambda w: w.to_sparse_coo(),
    "csr": lambda w: w.to_sparse_csr(),
    "csc": lambda w: w.to_sparse_csc(),
    "bsr": lambda w: w.to_sparse_bsr((2, 2)),
    "bsc": lambda w: w.to_sparse_bsc((2, 2)),
}


def perceptron(*sizes):
    torch.manual_seed(0)
    return nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(sizes))).eval()


@pytest.fixture(scope="module")
def model():
    found = perceptron(8, 6, 4)
    prune.l1_unstructured(found[0], "weight", 0.6)
    with torch.no_grad():
        kept = found[0].weight_mask.nonzero()[0]
        found[0].weight_orig[*kept] = 0.0  # a weight that happens to be zero is an edge
    prune.ln_structured(found[1], "weight", 2, 2, dim=1)
    prune.random_unstructured(found[1], "bias", 1)
    return found


@pytest.fixture(scope="module")
def masked(model):
    """The masked matrices as SciPy holds them, from sources to targets."""
    matrices = []
    for layer in model:
        mask = layer.weight_mask.numpy().T
        rows, columns = np.nonzero(mask)
        values = (layer.weight_orig.detach().numpy().T * mask).astype(np.float64)
        matrices.append(csr_array((values[rows, columns], (rows, columns)), shape=mask.shape))
    return matrices


@pytest.fixture(scope="module")
def sources(model, tmp_path_factory):
    """The model, live and in files: with its graph, and as weights alone."""
    folder = tmp_path_factory.mktemp("pruned")
    torch.save(model.state_dict(), folder / "weights.pt")
    save_file(model.state_dict(), folder / "weights.safetensors")
    with pytest.warns(UserWarning, match="were assigned during export"):
        program = torch.export.export(model, (torch.zeros(1, 8),))
    torch.export.save(program, folder / "model.pt2")
    cg.save(cg.load(model, input_shape=(8,)), folder / "own.h5")
    return {
        "live": lambda **o: cg.load(model, input_shape=(8,), **o),
        ".pt2": lambda **o: cg.load(folder / "model.pt2", **o),
        "own file": lambda **_: cg.load(folder / "own.h5"),
        "state dict": lambda **o: cg.load(model.state_dict(), **o),
        ".pt": lambda **o: cg.load(folder / "weights.pt", **o),
        ".safetensors": lambda **o: cg.load(folder / "weights.safetensors", **o),
        ".safetensors, model=": lambda **o: cg.load(
            folder / "weights.safetensors", model=model, input_shape=(8,), **o
        ),
    }


@pytest.mark.parametrize("name", ["live", ".pt2", "own file", ".safetensors, model="])
def test_degrees_strengths_and_density_are_those_of_the_masked_matrices(name, sources, masked):
    net = sources[name]()
    whole = block_array([[None, masked[0], None], [None, None, masked[1]], [csr_array((4, 8)), None,
                        csr_array((4, 4))]]).tocsr()  # fmt: skip
    counts = csr_array((np.ones(whole.nnz), whole.indices, whole.indptr), shape=whole.shape)
    assert net.n_edges == whole.nnz == cg.build_graph(net).n_edges
    for way, axis in (("in", 0), ("out", 1)):
        degree = cg.degree(net, direction=way)
        np.testing.assert_array_equal(degree, counts.sum(axis=axis))
        strength = cg.node_strength(net, direction=way, bias=False)
        np.testing.assert_allclose(strength, whole.sum(axis=axis), rtol=1e-6)
        np.testing.assert_array_equal(cg.degree(cg.build_graph(net), direction=way), degree)
    assert net.n_edges == (48 - 29) + (24 - 8)


@pytest.mark.parametrize("name", ["live", ".pt2", "state dict", ".pt", ".safetensors"])
def test_edges_are_those_that_are_left_whatever_the_source(name, sources, masked):
    blocks = sources[name]().blocks
    for block, expected in zip(blocks, masked, strict=True):
        found = block.to_csr()
        assert found.nnz == block.n_edges == expected.nnz
        np.testing.assert_array_equal(found.indptr, expected.indptr)
        np.testing.assert_allclose(found.toarray(), expected.toarray(), rtol=1e-6)
    assert sources[name](zeros="edges").n_edges == 8 * 6 + 6 * 4


def test_zeros_of_another_name_are_refused(model):
    with pytest.raises(FormatError, match="expected zeros to be 'pruned' or 'edges', got 'no'"):
        cg.load(model, input_shape=(8,), zeros="no")


@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(1, 2))
@settings(max_examples=12)
def test_pruned_convolutions_explicit_and_implicit(seed, transposed, groups):
    torch.manual_seed(seed)
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    layer = kind(2, 4, 3, stride=2, padding=1, groups=groups)
    prune.random_unstructured(layer, "weight", 0.5)
    net = cg.load(layer.eval(), input_shape=(2, 5, 4))
    graph = cg.build_graph(net)
    ones = kind(2, 4, 3, stride=2, padding=1, groups=groups, bias=False)
    with torch.no_grad():
        ones.weight.copy_(layer.weight_mask)
        into = ones(torch.ones(1, 2, 5, 4)).numpy().reshape(-1)
    np.testing.assert_allclose(cg.degree(net, direction="in")[40:], into)
    for way in ("in", "out"):
        both = [cg.degree(each, direction=way) for each in (net, graph)]
        np.testing.assert_array_equal(*both)
        both = [cg.node_strength(each, direction=way) for each in (net, graph)]
        np.testing.assert_allclose(*both, atol=1e-12)
    assert net.n_edges == graph.n_edges == into.sum()


def test_a_mask_of_the_models_own_is_one():
    """As in masked autoregressive networks."""

    class Masked(nn.Linear):
        def __init__(self):
            super().__init__(5, 5)
            self.register_buffer("mask", torch.tril(torch.ones(5, 5)))

        def forward(self, x):
            return nn.functional.linear(x, self.weight * self.mask, self.bias)

    net = cg.load(Masked(), input_shape=(5,))
    assert net.n_edges == 15
    assert cg.degree(net, direction="in")[5:].tolist() == [1, 2, 3, 4, 5]


# -- sparse tensors --------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_sparse_tensor_has_the_edges_that_it_stores(layout, tmp_path):
    model = perceptron(8, 6, 3)
    weight = model[0].weight.detach() * (torch.rand(6, 8) < 0.4)
    weight[:2, :2] = 0.0
    sparse = LAYOUTS[layout](weight)
    ones = torch.ones_like(sparse.values())
    stored = torch.sparse_coo_tensor(sparse.indices(), ones, (6, 8)) if layout == "coo" else None
    if stored is None:
        made = {"csr": torch.sparse_csr_tensor, "csc": torch.sparse_csc_tensor,
                "bsr": torch.sparse_bsr_tensor, "bsc": torch.sparse_bsc_tensor}[layout]  # fmt: skip
        ends = (("crow_indices", "col_indices") if layout in ("csr", "bsr")
                else ("ccol_indices", "row_indices"))  # fmt: skip
        stored = made(*(getattr(sparse, end)() for end in ends), ones, (6, 8))
    expected = stored.to_dense().T.numpy()
    model[0].weight = nn.Parameter(sparse)
    path = tmp_path / "sparse.pt"
    torch.save(model.state_dict(), path)
    nets = {
        "live": cg.load(model, input_shape=(8,)),
        "state dict": cg.load(model.state_dict()),
        "file": cg.load(path),
        "file and a dense model": cg.load(path, model=perceptron(8, 6, 3), input_shape=(8,)),
        "file and the sparse model": cg.load(path, model=model, input_shape=(8,)),
    }
    for net in nets.values():
        block = net.blocks[0]
        found = block.to_csr()
        np.testing.assert_array_equal(found.toarray(), weight.T.numpy())
        np.testing.assert_array_equal(np.diff(found.indptr), expected.sum(axis=1))
        np.testing.assert_array_equal(cg.degree(net, direction="out")[:8], expected.sum(axis=1))
    for given_ in ({"model": perceptron(8, 6, 3), "input_shape": (8,)}, {}):
        assert cg.load(path, zeros="edges", **given_).n_edges == 8 * 6 + 6 * 3
    assert model[0].weight.layout == sparse.layout
    saved = cg.save(nets["live"], tmp_path / "own.h5")
    assert cg.load(saved or tmp_path / "own.h5").n_edges == nets["live"].n_edges


def test_a_sparse_kernel_and_entries_that_are_stored_twice(tmp_path):
    places = torch.tensor([[0, 1, 1], [1, 0, 0], [2, 2, 2], [0, 1, 1]])
    kernel = torch.sparse_coo_tensor(places, torch.tensor([1.0, 2.0, 3.0]), (2, 2, 3, 3))
    path = tmp_path / "kernel.pt"
    torch.save({"conv.weight": kernel}, path)
    for net in (cg.load({"conv.weight": kernel}), cg.load(path)):
        assert net.n_edges == 2
        assert sorted(net.blocks[0].to_csr().data.tolist()) == [1.0, 5.0]


def test_a_live_sparse_tensor_is_followed():
    weight = torch.eye(3).to_sparse_csr()
    net = cg.load({"fc.weight": weight})
    with torch.no_grad():
        weight.values().mul_(4.0)
    assert cg.node_strength(net, direction="out")[:3].tolist() == [4.0, 4.0, 4.0]


def test_a_batch_of_sparse_matrices_is_refused():
    batch = torch.eye(3).expand(2, 3, 3).to_sparse_csr()
    with pytest.raises(FormatError, match=r"w: expected a sparse tensor, or a sparse matrix"):
        cg.load({"w": batch})
