"""The nine architectures that the onnx package ships without their weights."""

import onnx
import pytest
from oracles import conformance, macs

import cntgraph as cg

NAMES = ("bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet",
         "squeezenet", "vgg19", "zfnet512")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_edges_are_the_multiply_accumulates_that_are_not_on_padding(name, record_property):
    path = conformance.DATA / "light" / f"light_{name}.onnx"
    model, net = onnx.load(path), cg.load(path, strict=True)
    read = {name for node in model.graph.node for name in node.input}
    skipped = net.coverage[net.coverage.status == "skipped"]
    assert not read & set(skipped.index)
    edges = sum(block.n_edges for block in net.blocks if block.parametric)
    assert edges == macs.count(model)
    record_property(
        "table: onnx light architectures",
        f"{name}: {net.n_layers} layers, {net.n_nodes:,} nodes, {edges:,} learned edges",
    )
