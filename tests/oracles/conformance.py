"""The conformance models that the onnx package ships: a model, its inputs, what it should yield."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import cntgraph as cg
from cntgraph.adapters import onnx as adapter

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"

#: Operations that are not linear in the one input they read.
BENDING = {
    "Abs", "Clip", "Elu", "Exp", "InstanceNormalization", "LeakyRelu", "LogSoftmax", "PRelu",
    "Pow", "Relu", "Selu", "Shrink", "Sigmoid", "Sign", "Softmax", "Softplus", "Softsign", "Sqrt",
    "Tanh",
}  # fmt: skip
#: Operations that are not linear in several inputs together: products, and choices.
MIXING = {"Gemm", "MatMul", "Max", "Min", "Mul", "Pow"}
#: Operations that yield no numbers that neurons could have.
NO_NEURONS = {"Gradient", "SequenceLength", "StringNormalizer"}


#: Of models that take one sample out of the batch, which.
TAKEN = {"test_sequence_model7": 1}


class Case(NamedTuple):
    name: str
    model: onnx.ModelProto
    inputs: dict
    outputs: list

    @property
    def operations(self):
        return [node.op_type for node in self.model.graph.node]

    @property
    def n_samples(self):
        first = next(iter(self.inputs.values()))
        return len(first) if first is not None and first.ndim > 1 else 1

    def obstacles(self):
        """The operations that are not linear, or that neurons have no part in."""
        found, constant = [], {tensor.name for tensor in self.model.graph.initializer}
        for node in self.model.graph.node:
            constant |= set(node.output) if set(node.input) <= constant else set()
            if node.op_type in MIXING and len({*node.input} - constant) > 1:
                found.append(f"{node.op_type} of what is not constant")
            elif node.op_type in BENDING | NO_NEURONS:
                found.append(node.op_type)
        return found

    def before(self):
        """The same model up to what its first bending operation reads, as ONNX computes it."""
        nodes = self.model.graph.node
        at = self.operations.index(next(op for op in self.operations if op in BENDING))
        model, node = onnx.ModelProto(), nodes[at]
        model.CopyFrom(self.model)
        del model.graph.output[:]
        del model.graph.node[at:]
        value = helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, None)
        model.graph.output.append(value)
        given = self.inputs.get(node.input[0])
        outputs = ReferenceEvaluator(model).run(None, self.inputs) if given is None else [given]
        return Case(self.name, model, self.inputs, outputs)


def cases(*folders):
    """All models of some folders, by name."""
    return {path.parent.name.removeprefix("test_"): path for folder in folders
            for path in sorted((DATA / folder).glob("*/model.onnx"))}  # fmt: skip


def read(path):
    model = onnx.load(path)
    folder = path.parent / "test_data_set_0"
    stored = {tensor.name for tensor in model.graph.initializer}
    names = [i.name for i in model.graph.input if i.name not in stored]
    inputs = {name: _value(folder / f"input_{k}.pb") for k, name in enumerate(names)}
    outputs = [_value(folder / f"output_{k}.pb") for k in range(len(model.graph.output))]
    return Case(path.parent.name, model, inputs, outputs)


def _value(path):
    """A stored tensor; None for a sequence of them."""
    tensor = TensorProto()
    try:
        tensor.ParseFromString(path.read_bytes())
        return numpy_helper.to_array(tensor)
    except Exception:
        return None


def read_out(case, k, n_samples):
    """The model with one output, seen value by value through a convolution of weight one."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    name = model.graph.output[k].name
    shape = np.array([n_samples, 1, -1], np.int64)
    model.graph.initializer.append(numpy_helper.from_array(shape, "read.shape"))
    model.graph.initializer.append(numpy_helper.from_array(np.ones((1, 1, 1), "f"), "read.weight"))
    model.graph.node.append(helper.make_node("Reshape", [name, "read.shape"], ["read.flat"]))
    model.graph.node.append(helper.make_node("Conv", ["read.flat", "read.weight"], ["read"]))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("read", TensorProto.FLOAT, None))
    return model


def results(case):
    """Yield what the graph gives and what is stored, by output, sample and way to compute it."""
    for k, output in enumerate(case.outputs):
        n = case.n_samples if output.ndim > 1 and len(output) == case.n_samples else 1
        net = adapter.load(read_out(case, k, n), strict=True, example_input=case.inputs)
        last = net.layers[-1]
        assert last.n_nodes == output.size // n
        wanted = [(TAKEN.get(case.name, s), own) for s, own in enumerate(output.reshape(n, -1))]
        for sample, own in wanted:
            yield by_blocks(net, case, sample)[last.slice], own
        # Not before the blocks are done: of a network of millions of edges, one of both is enough.
        columns = cg.build_graph(net).adjacency.T.tocsr()
        for sample, own in wanted:
            yield by_matrix(net, case, sample, columns)[last.slice], own


def by_blocks(net, case, sample):
    """Σ Aᵀz + b over the blocks that lead to each layer; the largest candidate of a maximum."""
    z = np.zeros(net.n_nodes)
    for layer in net.layers:
        if layer.is_input:
            z[layer.slice] = fed(layer, case, sample)
        for block in net.blocks_into(layer):
            values = block.source.gather(z)
            if getattr(block, "mode", "") == "max":
                z[block.target.as_ids()] += largest(block.to_csr().T.tocsr(), values)
            else:
                block.target.scatter_add(z, block.rmatvec(values) + block.bias_values())
    return z


def by_matrix(net, case, sample, columns):
    """The same, with the explicit matrix: its columns as rows."""
    z, bias = np.zeros(net.n_nodes), net.bias()
    for layer in net.layers:
        into = columns[layer.slice]
        modes = {getattr(block, "mode", "") for block in net.blocks_into(layer)}
        made = largest(into, z) if "max" in modes else into @ z
        z[layer.slice] = fed(layer, case, sample) if layer.is_input else made + bias[layer.slice]
    return z


def largest(rows, z):
    """The largest of the values that each row of a matrix reads."""
    return np.maximum.reduceat(z[rows.indices], rows.indptr[:-1])


def fed(layer, case, sample):
    """The values of an input layer for one sample; tokens as one-hot vectors."""
    x = case.inputs[layer.name]
    x = x[sample] if x.ndim > 1 and len(x) == case.n_samples else x
    if x.size == layer.n_nodes:
        return x.reshape(-1).astype(np.float64)
    one_hot = np.arange(layer.shape[0])[:, None] == x.reshape(-1)
    return one_hot.reshape(-1).astype(np.float64)
