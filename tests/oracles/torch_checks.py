"""What decides the PyTorch adapter: the forward pass of PyTorch against that of the graph."""

import numpy as np
import torch
from oracles.propagate import propagate
from oracles.torch_models import randomize, record
from torch import nn

import cntgraph as cg
from cntgraph.network.blocks import TRANSFORMS


def sample(shape, seed=0, dtype=torch.double):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((1, *shape), generator=generator, dtype=torch.double).to(dtype)


def outputs_of(net, values):
    return np.concatenate(
        [values[layer.name].reshape(-1) for layer in net.layers if layer.is_output]
    )


def check(model, *shapes, atol=1e-9, norms=None, **options):
    """The values that the graph gives are those of the model; return the network."""
    inputs = [sample(shape, k) for k, shape in enumerate(shapes)]
    options |= {"input_shape": shapes[0]} if len(shapes) == 1 else {"example_input": tuple(inputs)}
    expected, calls = record(model, *inputs)
    net = cg.load(model, strict=True, **options)
    before, after = propagate(net, *(x[0].numpy() for x in inputs))
    assert np.allclose(outputs_of(net, after), expected.numpy().reshape(-1), rtol=0, atol=atol)
    check_inside(net, before, calls, atol, norms or {})
    return net


def check_inside(net, before, calls, atol, norms):
    """What layers named after a module receive is what the module, or the norm after it, gives."""
    names, compared = {layer.name for layer in net.layers}, 0
    for name in names & set(calls):
        norm = norms.get(name, name.removesuffix("affine") + "norm")
        if not net.layer(name).activation and norm not in names:
            continue  # a constant that follows may be folded into it
        seen = calls[norm if norm in calls and norm not in names else name][0]
        assert before[name].size == seen.size
        assert np.allclose(before[name].reshape(-1), seen.reshape(-1), rtol=0, atol=atol), name
        compared += 1
    assert compared


class Function(nn.Module):
    """A few modules and how they are called."""

    def __init__(self, forward, **modules):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self.function = forward
        randomize(self, 7)

    def forward(self, *inputs):
        return self.function(self, *inputs)


def same_networks(one, other, *, names=True):
    """Layer by layer: shapes, activations, strengths under every transform, and every edge."""
    if names:
        assert [layer.name for layer in one.layers] == [layer.name for layer in other.layers]
    # Positions of a linear layer may have been flattened before the matrix product.
    assert [layer.n_nodes for layer in one.layers] == [layer.n_nodes for layer in other.layers]
    for key in ("kind", "activation", "is_output"):
        found = [[getattr(layer, key) for layer in net.layers] for net in (one, other)]
        assert found[0] == found[1], key
    for transform in TRANSFORMS:
        for edges in ("parametric", "all"):
            options = {"transform": transform, "edges": edges}
            found = cg.node_strength(one, **options), cg.node_strength(other, **options)
            assert np.allclose(*found, rtol=1e-12, atol=1e-12), (transform, edges)
    matrices = [cg.build_graph(net).adjacency for net in (one, other)]
    assert np.array_equal(matrices[0].indptr, matrices[1].indptr)
    assert np.array_equal(matrices[0].indices, matrices[1].indices)
    assert np.allclose(matrices[0].data, matrices[1].data, rtol=1e-12, atol=1e-12)


def exported(model, *, batch=1, dynamic=False):
    """A model as a program, for a batch of this size or of any."""
    x = sample(model.input_shape).expand(batch, *(-1,) * len(model.input_shape)).contiguous()
    shapes = ({0: torch.export.Dim("batch", min=1, max=64)},) if dynamic else None
    return torch.export.export(model, (x,), dynamic_shapes=shapes)


def saved(model, path, *, decompose=False, **how):
    """Save a model as a program, which may be taken apart into simpler operations."""
    program = exported(model, **how)
    torch.export.save(program.run_decompositions() if decompose else program, path)
    return path


def saved_whole_and_apart(program, folder):
    """Yield the file of a program, then that of the same program taken apart."""
    for decompose in (False, True):
        path = folder / f"{decompose}.pt2"
        torch.export.save(program.run_decompositions() if decompose else program, path)
        yield path
