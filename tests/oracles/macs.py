"""Multiply-accumulates of an ONNX model, those on padding left out: counted from the graph itself.

Slow on purpose: for every axis of a window, every output position and every tap are looked at.
Shapes are those that onnx infers; nothing is shared with the package.
"""

from math import prod

import onnx
from onnx import numpy_helper


def count(model):
    """Return the number of multiply-accumulates of one sample that learned numbers take part in.

    A scaling by learned numbers is one a value, unless it directly follows an operation that
    nothing else reads: then it can be done once, on the weights.
    """
    shapes = shapes_of(model)
    readers, made_by = {}, {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
        for name in node.output:
            made_by[name] = node
    total = 0
    for node in model.graph.node:
        if node.op_type == "Conv":
            total += of_conv(node, shapes)
        elif node.op_type == "Gemm":
            total += prod(shapes[node.output[0]][1:]) * inner(node, shapes)
        elif node.op_type == "BatchNormalization":
            before = made_by.get(node.input[0])
            taken_over = (
                before is not None
                and before.op_type in ("Conv", "Gemm")
                and len(readers[node.input[0]]) == 1
            )
            total += 0 if taken_over else prod(shapes[node.output[0]][1:])
    return total


def shapes_of(model):
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    values = (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output)
    found = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}
    found |= {t.name: tuple(t.dims) for t in model.graph.initializer}
    stored = {t.name: t for t in model.graph.initializer}
    for node in model.graph.node:  # constants whose shape is a stored number
        if node.op_type == "ConstantOfShape" and node.input[0] in stored:
            shape = numpy_helper.to_array(stored[node.input[0]])
            found[node.output[0]] = tuple(int(n) for n in shape)
    return found


def inner(node, shapes):
    attributes = {a.name: a for a in node.attribute}
    transposed = "transB" in attributes and attributes["transB"].i
    return shapes[node.input[1]][1 if transposed else 0]


def of_conv(node, shapes):
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    image, kernel = shapes[node.input[0]], shapes[node.input[1]]
    made = shapes[node.output[0]]
    rank = len(kernel) - 2
    assert attributes.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
    pads = attributes.get("pads", [0] * 2 * rank)
    strides, dilations = (attributes.get(k, [1] * rank) for k in ("strides", "dilations"))
    pairs = 1
    for axis in range(rank):
        on_image = 0
        for position in range(made[2 + axis]):
            for tap in range(kernel[2 + axis]):
                at = position * strides[axis] - pads[axis] + tap * dilations[axis]
                on_image += 0 <= at < image[2 + axis]
        pairs *= on_image
    return kernel[0] * kernel[1] * pairs
