"""Spiking networks of ``.nir`` files: layers, populations, circles, graphs within graphs."""

import h5py
import numpy as np
import pytest
from oracles.nir_files import chain, graph, node, population, write
from oracles.propagate import propagate

import cntgraph as cg
from cntgraph.core.errors import (
    CoverageWarning,
    FormatError,
    InputShapeError,
    TraceError,
    UnsafeFileError,
)

RNG = np.random.default_rng(0)


def values(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def inputs(*shape):
    return node("Input", shape=np.array(shape))


def outputs(*shape):
    return node("Output", shape=np.array(shape))


def affine(n_out, n_in):
    return node("Affine", weight=values(n_out, n_in), bias=values(n_out))


def conv(n_out, n_in, *, stride=1, padding=0, groups=1, dilation=1):
    return node("Conv2d", weight=values(n_out, n_in // groups, 3, 3), bias=values(n_out),
                stride=np.array([stride] * 2), padding=padding if isinstance(padding, str)
                else np.array([padding] * 2), dilation=np.array([dilation] * 2),
                groups=groups)  # fmt: skip


def loaded(found, tmp_path, **options):
    return cg.load(write(tmp_path / "m.nir", found), strict=True, **options)


def test_a_chain_has_the_weights_of_its_layers(tmp_path):
    first, last = affine(5, 4), node("Linear", weight=values(3, 5))
    net = loaded(chain(inputs(4), first, population("LIF", 5), last, population("LI", 3),
                       outputs(3)), tmp_path)  # fmt: skip
    assert [(x.name, x.activation) for x in net.layers] == [
        ("0", ""), ("1", "leaky_integrate_and_fire"), ("3", "leaky_integrator")]  # fmt: skip
    assert net.layers[-1].is_output
    for block, layer in zip(net.blocks, (first, last), strict=True):
        np.testing.assert_array_equal(block.to_csr().toarray(), layer["weight"].T)
        assert block.parametric
    np.testing.assert_array_equal(net.bias()[net.layer("1").slice], first["bias"])
    status = net.coverage["status"]
    assert set(status[["1.weight", "1.bias", "3.weight"]]) == {"included"}
    assert set(status.drop(["1.weight", "1.bias", "3.weight"])) == {"folded"}


@pytest.mark.parametrize("options", [
    {}, {"stride": 2}, {"padding": 1, "dilation": 2}, {"groups": 2}, {"padding": "same"},
    {"padding": "valid"},
], ids=str)  # fmt: skip
def test_convolutions_and_poolings_are_those_of_pytorch(options, tmp_path):
    import torch
    from torch import nn

    layer = conv(4, 2, **options)
    reference = nn.Conv2d(2, 4, 3, **options).double()
    reference.load_state_dict({k: torch.from_numpy(layer[k]) for k in ("weight", "bias")})
    x = torch.from_numpy(values(2, 9, 9)).double()
    expected = nn.functional.avg_pool2d(reference(x[None]), 3, 2, 1)
    expected = 4 * nn.functional.avg_pool2d(expected, 2)
    pools = [node("AvgPool2d", kernel_size=np.array([3, 3]), stride=np.array([2, 2]),
                  padding=np.array([1, 1])),
             node("SumPool2d", kernel_size=np.array([2, 2]), stride=np.array([2, 2]),
                  padding=np.array([0, 0]))]  # fmt: skip
    net = loaded(chain(inputs(2, 9, 9), layer, *pools, outputs(4, 2, 2)), tmp_path)
    _, after = propagate(net, x.numpy())
    found = after[net.layers[-1].name]
    np.testing.assert_allclose(found, expected[0].detach().numpy(), rtol=0, atol=1e-12)


def test_scales_flattening_and_delays(tmp_path):
    scale, weight = values(2, 3), values(4, 6)
    net = loaded(
        chain(inputs(2, 3), node("Scale", scale=scale),
              node("Flatten", start_dim=0, end_dim=-1, input_type=np.array([2, 3])),
              node("Delay", delay=np.ones(6)), node("Linear", weight=weight),
              node("Threshold", threshold=np.ones(4)), outputs(4)), tmp_path)  # fmt: skip
    x = values(2, 3)
    before, _ = propagate_until_step(net, x)
    expected = weight.astype(float) @ (x.astype(float) * scale).reshape(-1)
    np.testing.assert_allclose(before, expected, rtol=1e-6, atol=1e-12)
    assert [layer.activation for layer in net.layers] == ["", "delay", "step"]


def propagate_until_step(net, x):
    """What the last layer receives; its step is no function that can be carried out here."""
    z = np.zeros(net.n_nodes)
    z[net.layers[0].slice] = x.reshape(-1)
    for layer in net.layers[1:]:
        total = net.bias()
        for block in net.blocks_into(layer):
            block.target.scatter_add(total, block.rmatvec(block.source.gather(z)))
        z[layer.slice] = total[layer.slice]
    return z[net.layers[-1].slice], z


def test_neurons_that_lead_back_to_themselves(tmp_path):
    enter, back, leave = affine(5, 4), node("Linear", weight=values(5, 5)), affine(3, 5)
    found = graph(
        {"x": inputs(4), "enter": enter, "cells": population("CubaLIF", 5), "back": back,
         "leave": leave, "y": outputs(3)},
        [("x", "enter"), ("enter", "cells"), ("cells", "back"), ("back", "cells"),
         ("cells", "leave"), ("leave", "y")])  # fmt: skip
    net = loaded(found, tmp_path)
    assert [layer.name for layer in net.layers] == ["x", "cells", "leave"]
    adjacency = cg.build_graph(net).adjacency.toarray()
    x, cells, y = (net.layer(name).slice for name in ("x", "cells", "leave"))
    np.testing.assert_array_equal(adjacency[x, cells], enter["weight"].T)
    np.testing.assert_array_equal(adjacency[cells, cells], back["weight"].T)
    np.testing.assert_array_equal(adjacency[cells, y], leave["weight"].T)
    assert np.count_nonzero(adjacency) == 5 * (4 + 5 + 3)


@pytest.mark.parametrize("through", [None, node("Delay", delay=np.ones(5))], ids=["", "delay"])
def test_neurons_that_lead_straight_back(through, tmp_path):
    nodes = {"x": inputs(4), "a": affine(5, 4), "cells": population("LIF", 5), "y": outputs(5)}
    edges = [("x", "a"), ("a", "cells"), ("cells", "y")]
    back = [("cells", "cells")]
    if through is not None:
        nodes["through"], back = through, [("cells", "through"), ("through", "cells")]
    net = loaded(graph(nodes, edges + back), tmp_path)
    cells = net.layer("cells").slice
    matrix = cg.build_graph(net).to_scipy().toarray()
    reached = matrix[cells, cells] if through is None else matrix[cells] @ matrix[:, cells]
    assert (reached == np.eye(5)).all()


def test_several_edges_are_added_up(tmp_path):
    a, b = affine(3, 4), affine(3, 4)
    found = graph(
        {"x": inputs(4), "a": a, "b": b, "sum": population("IF", 3), "y": outputs(3)},
        [("x", "a"), ("x", "b"), ("a", "sum"), ("b", "sum"), ("sum", "y")])  # fmt: skip
    net = loaded(found, tmp_path)
    matrix = cg.build_graph(net).to_scipy().toarray()
    np.testing.assert_allclose(matrix[:4, 4:], (a["weight"] + b["weight"]).T, rtol=1e-6)


def test_graphs_within_graphs(tmp_path):
    inner = graph({"in": inputs(4), "fc": affine(3, 4), "out": outputs(3)},
                  [("in", "fc"), ("fc", "out")])  # fmt: skip
    found = graph({"x": inputs(4), "part": inner, "last": affine(2, 3), "y": outputs(2)},
                  [("x", "part"), ("part", "last"), ("last", "y")])  # fmt: skip
    net = loaded(found, tmp_path)
    assert [layer.name for layer in net.layers] == ["x", "part.fc", "last"]
    assert net.n_edges == 12 + 6


def test_measures_and_the_file_take_it(tmp_path):
    net = loaded(chain(inputs(4), affine(5, 4), population("LIF", 5), affine(3, 5), outputs(3)),
                 tmp_path)  # fmt: skip
    cg.save(net, tmp_path / "m.h5")
    again = cg.open(tmp_path / "m.h5")[0]
    np.testing.assert_array_equal(cg.node_strength(net), cg.node_strength(again))
    assert again.layer("1").activation == "leaky_integrate_and_fire"


def test_what_is_not_known_is_cut_and_named(tmp_path):
    found = chain(inputs(4), affine(4, 4), node("Izhikevich", r=np.ones(4)), affine(3, 4),
                  outputs(3))  # fmt: skip
    path = write(tmp_path / "m.nir", found)
    with pytest.warns(CoverageWarning, match="2.r"):
        net = cg.load(path)
    assert "Izhikevich: it is not a known layer" in " ".join(net.coverage["reason"])
    assert net.n_edges == 16 + 12


# -- what is wrong --------------------------------------------------------------------------------

WRONG = {
    "no graph": (lambda: node("Affine", weight=values(2, 2)), "expected a graph of the format"),
    "an edge to nowhere": (lambda: graph({"x": inputs(4)}, [("x", "y")]), "'y' is no node"),
    "no type": (lambda: graph({"x": {"shape": np.array([4])}}, []), "has no type"),
    "weights of another size": (
        lambda: chain(inputs(5), affine(3, 4), outputs(3)), "the node '1': it does not fit"),
    "a convolution of a vector": (
        lambda: chain(inputs(5), conv(3, 2), outputs(3)), "the node '1': it does not fit"),
    "nothing leads there": (
        lambda: graph({"x": inputs(4), "a": affine(3, 4)}, []), "nothing leads"),
    "no stride": (
        lambda: chain(inputs(1, 4, 4), node("Conv2d", weight=values(1, 1, 3, 3)), outputs(1)),
        "whole numbers as padding"),
    "neurons of another number": (
        lambda: graph({"x": inputs(4), "a": affine(3, 4), "s": population("LIF", 5),
                       "b": node("Linear", weight=values(5, 5)), "y": outputs(5)},
                      [("x", "a"), ("a", "s"), ("s", "b"), ("b", "s"), ("s", "y")]),
        "leads to 's'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_files_that_are_wrong_are_refused(kind, tmp_path):
    make, message = WRONG[kind]
    with pytest.raises(FormatError, match=message):
        loaded(make(), tmp_path)


def test_circles_without_a_state_and_inputs_without_a_size(tmp_path):
    circle = graph({"x": inputs(4), "a": affine(4, 4), "b": affine(4, 4), "y": outputs(4)},
                   [("x", "a"), ("a", "b"), ("b", "a"), ("b", "y")])  # fmt: skip
    with pytest.raises(TraceError, match="circle without a neuron's state"):
        loaded(circle, tmp_path)
    found = chain(node("Input"), affine(3, 4), outputs(3))
    with pytest.raises(InputShapeError, match="pass input_shape"):
        loaded(found, tmp_path)
    assert loaded(found, tmp_path, input_shape=(4,)).n_edges == 12
    with pytest.raises(FormatError, match="leave unroll out"):
        loaded(found, tmp_path, input_shape=(4,), unroll=3)


def test_damaged_files_and_files_that_refer_to_others(tmp_path):
    path = write(tmp_path / "m.nir", chain(inputs(4), affine(3, 4), outputs(3)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError):
        cg.load(path)
    path.write_bytes(b"no HDF5")
    with pytest.raises(FormatError, match="expected an HDF5 file"):
        cg.load(path)
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        file["node/nodes/1/more"] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(UnsafeFileError, match="is a link to elsewhere"):
        cg.load(path)
