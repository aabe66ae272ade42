"""Small ONNX files of many operations, and damage to what they mean rather than to their bytes."""

import contextlib

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from oracles import mutate
from oracles.onnx_models import I64, batch_norm_model, model, node, whole

_OPERATIONS = (
    "Add AveragePool BatchNormalization Cast Clip Concat Constant ConstantOfShape Conv "
    "ConvTranspose CumSum DequantizeLinear Div Einsum Expand Flatten GRU Gather GatherElements "
    "GatherND Gemm GlobalAveragePool Identity If LSTM LayerNormalization Loop MatMul MatMulInteger "
    "MaxPool Mul NonZero OneHot Pad Pow QLinearConv QuantizeLinear RNN Range ReduceMean ReduceSum "
    "Relu Reshape Resize ScatterND SequenceAt Shape Size Slice Softmax Split SplitToSequence "
    "Squeeze Sub Tile TopK Transpose Trilu Unsqueeze Upsample Where Attention RotaryEmbedding "
    "CenterCropPad DepthToSpace EyeLike Unique Compress Max Sum ReverseSequence"
).split()

_ATTRIBUTES = (
    "axis axes pads strides kernel_shape dilations group perm to keepdims num_heads blocksize "
    "output_shape block_size layout direction allowzero"
).split()


# -- sound models --------------------------------------------------------------------------------


def images():
    """Convolutions in several dimensions, pooling, normalization, a branch, a dense layer."""
    weights = {"c.weight": whole((4, 3, 3, 3)), "c.bias": whole(4, 1), "t": whole((4, 2, 2, 2), 2),
               "gain": whole(2, 3), "shift": whole(2, 4), "w": whole((5, 72), 5)}  # fmt: skip
    nodes = [
        node("Conv", "x c.weight c.bias", "a", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Relu", "a", "r"),
        node("ConvTranspose", "r t", "u", strides=[2, 2]),
        node("InstanceNormalization", "u gain shift", "n"),
        node("MaxPool", "n", "m", kernel_shape=[2, 2]),
        node("AveragePool", "n", "p", kernel_shape=[2, 2], ceil_mode=1),
        node("Concat", "m p", "j", axis=1),
        node("AveragePool", "j", "k", kernel_shape=[1, 1]),
        node("GlobalAveragePool", "k", "g"),
        node("Mul", "k g", "s"),
        node("Slice", "s from to ax", "l"),
        node("Flatten", "l", "f"),
        node("Gemm", "f w", transB=1, alpha=0.5),
    ]
    extra = {"from": np.array([0, 0]), "to": np.array([4, 3]), "ax": np.array([1, 2])}
    return model(nodes, weights | extra | {"w": whole((5, 4 * 3 * 5), 5)}, (1, 3, 6, 6))


def movements():
    """Sizes that are computed, and everything that makes a tensor larger."""
    weights = {
        "w": whole((3, 4)), "one": np.array([1], I64), "two": np.array(2, I64),
        "zero": np.array(0, I64), "pads": np.array([0, 0, 0, 0, 1, 1], I64),
        "scales": np.array([1, 2, 1], np.float32), "reps": np.array([1, 1, 2], I64),
        "index": np.array([0, 2, 1], I64), "all": np.array([1, -1], I64),
    }  # fmt: skip
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s two", "n"),
        node("Unsqueeze", "n axis", "m"),
        node("Concat", "one m", "t", axis=0),
        node("ConstantOfShape", "t", "c"),
        node("Range", "zero n step", "g"),
        node("Cast", "g", "gf", to=TensorProto.FLOAT),
        node("Expand", "gf t", "ge"),
        node("Pad", "x pads", "p"),
        node("Resize", ["p", "", "scales"], "r", mode="nearest"),
        node("Tile", "r reps", "q"),
        node("Gather", "q index", "i", axis=1),
        node("Transpose", "i", "tr", perm=[0, 2, 1]),
        node("Split", "tr", "a b", axis=1, num_outputs=2),
        node("Sub", "a b", "d"),
        node("SplitToSequence", "d step", "seq", axis=1),
        node("SequenceAt", "seq zero", "e"),
        node("MatMul", "e w", "h"),
        node("Where", "yes h zeros", "y0"),
        node("Identity", "y0"),
    ]
    extra = {
        "axis": np.array([0], I64), "step": np.array(1, I64), "zeros": np.zeros((), np.float32),
        "yes": np.array([[[True, False, True, True]]]),
    }  # fmt: skip
    return model(nodes, weights | extra, (1, 2, 4))


def recurrence():
    """Recurrent layers of each kind, one after another."""
    weights = {"w": whole((2, 8, 3)), "r": whole((2, 8, 2), 1), "b": whole((2, 16), 2),
               "gw": whole((1, 6, 4), 3), "gr": whole((1, 6, 2), 4), "rw": whole((1, 2, 2), 5),
               "rr": whole((1, 2, 2), 6), "f": np.array([0, 0, -1], I64)}  # fmt: skip
    nodes = [
        node("LSTM", "x w r b", "y1 h1 c1", direction="bidirectional", hidden_size=2),
        node("Transpose", "y1", "t1", perm=[0, 2, 1, 3]),
        node("Reshape", "t1 f", "z1"),
        node("GRU", "z1 gw gr", "y2", hidden_size=2, linear_before_reset=1),
        node("Squeeze", "y2 one", "z2"),
        node("RNN", "z2 rw rr", "y3 h3", hidden_size=2),
        node("Identity", "h3"),
    ]
    return model(nodes, weights | {"one": np.array([1], I64)}, (4, 1, 3))


def attention():
    """Tokens, positions, an attention with a mask, normalizations."""
    weights = {
        "table": whole((7, 4)), "places": whole((5, 4), 1), "gain": whole(4, 2),
        "shift": whole(4, 3), "wq": whole((4, 4), 4), "wk": whole((4, 4), 5),
        "wv": whole((4, 4), 6), "mask": np.tri(3, dtype=bool), "i": np.arange(3),
        "cos": np.ones((3, 2), np.float32), "sin": np.zeros((3, 2), np.float32),
        "wo": whole((4, 2), 7),
    }  # fmt: skip
    nodes = [
        node("Gather", "table x", "e"),
        node("Gather", "places i", "p"),
        node("Add", "e p", "h"),
        node("LayerNormalization", "h gain shift", "n"),
        node("MatMul", "n wq", "q"),
        node("MatMul", "n wk", "k"),
        node("MatMul", "n wv", "v"),
        node("RotaryEmbedding", "q cos sin", "qr", num_heads=1),
        node("Attention", "qr k v mask", "o", q_num_heads=2, kv_num_heads=2),
        node("Einsum", "o wo", equation="bti,io->bto"),
    ]
    proto = model(nodes, weights, (1, 3), opset=23)
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    return proto


def quantized():
    """Stored whole numbers, a function, a branch."""
    weights = {
        "xs": np.float32(0.5), "xz": np.int8(0), "w": whole((4, 3, 3), 1).astype(np.int8),
        "ws": np.array([0.5, 1, 2, 4], np.float32), "wz": np.zeros(4, np.int8),
        "b": np.array([3, -4, 5, 6], np.int32), "v": whole((4, 2), 2).astype(np.int8),
        "vs": np.float32(1), "s4": np.float32(1),
        "q4": helper.make_tensor("q4", TensorProto.INT4, (2, 2), [1, -2, 3, 4]),
    }  # fmt: skip
    branch = helper.make_graph(
        [node("Relu", "g", "then")],
        "b",
        [],
        [helper.make_tensor_value_info("then", TensorProto.FLOAT, None)],
    )
    nodes = [
        node("QuantizeLinear", "x xs xz", "q"),
        node("QLinearConv", "q xs xz w ws wz xs xz b", "c"),
        node("DequantizeLinear", "c xs xz", "d"),
        node("GlobalAveragePool", "d", "g0"), node("Flatten", "g0", "g"),
        node("Size", "g", "n"), node("Greater", "n n", "no"),
        node("If", "no", "i", then_branch=branch, else_branch=branch),
        helper.make_node("Twice", ["i"], ["t"], domain="own"),
        node("DequantizeLinear", "v vs", "vd"), node("MatMul", "t vd", "m"),
        node("DequantizeLinear", "q4 s4", "w4"), node("MatMul", "m w4"),
    ]  # fmt: skip
    twice = helper.make_function(
        "own", "Twice", ["a"], ["b"], [node("Add", "a a", "b")], [helper.make_opsetid("", 21)]
    )
    return model(nodes, weights, (1, 3, 8), opset=21, functions=[twice], domains=["own"])


def samples():
    """Return, by name: suffix, bytes, how to damage what they mean, options of `load`."""
    made = {
        "images": images(),
        "batch_norm": batch_norm_model(),
        "movements": movements(),
        "recurrence": recurrence(),
        "attention": attention(),
        "quantized": quantized(),
    }
    return {name: (".onnx", proto.SerializeToString(), damage, {}) for name, proto in made.items()}


# -- damage --------------------------------------------------------------------------------------


def damage(data, rng):
    """Return a model's bytes with one to four of its fields changed."""
    proto = onnx.ModelProto.FromString(data)
    for _ in range(int(rng.integers(1, 5))):
        mutate.pick(rng, _DAMAGES)(proto, rng)
    return proto.SerializeToString()


def number(rng, old=0):
    """A whole number that sizes trip over, as protobuf can hold it."""
    near = [old + 1, old - 1, 2 * old, -old, old + 1000, 0, 1, -1, 2, 3]
    value = mutate.pick(rng, near if rng.integers(2) else mutate.NUMBERS)
    return int(np.clip(value, -(2**63), 2**63 - 1))


def attribute(proto, rng):
    attributes = [a for n in proto.graph.node for a in n.attribute]
    if not attributes:
        return
    a = mutate.pick(rng, attributes)
    what = int(rng.integers(6))
    if what == 0:
        a.name = mutate.pick(rng, [b.name for b in attributes])
    elif a.type == AttributeProto.INT:
        a.i = number(rng, a.i)
    elif a.type == AttributeProto.INTS and a.ints:
        k = int(rng.integers(len(a.ints)))
        if what == 1:
            del a.ints[k]
        elif what == 2:
            a.ints.append(number(rng, a.ints[k]))
        else:
            a.ints[k] = number(rng, a.ints[k])
    elif a.type == AttributeProto.FLOAT:
        a.f = float(mutate.pick(rng, (0, -1, np.inf, np.nan, 1e30, 1e-30)))
    elif a.type == AttributeProto.STRING:
        a.s = mutate.pick(
            rng, (b"", b"\xff", b"NOTSET", b"SAME_UPPER", b"linear", b"reverse", b"a,b")
        )
    else:
        a.type = int(rng.integers(0, 15))


def new_attribute(proto, rng):
    n = mutate.pick(rng, proto.graph.node)
    name = mutate.pick(rng, _ATTRIBUTES)
    values = [number(rng) for _ in range(int(rng.integers(1, 5)))]
    value = mutate.pick(rng, (values, values[0], "x", 1.5))
    n.attribute.append(helper.make_attribute(name, value))


def operation(proto, rng):
    n = mutate.pick(rng, proto.graph.node)
    n.op_type = mutate.pick(rng, _OPERATIONS)


def wiring(proto, rng):
    """Let an operation read or make something else, once more or not at all."""
    n = mutate.pick(rng, proto.graph.node)
    names = [x for m in proto.graph.node for x in (*m.input, *m.output)] + ["", "nowhere"]
    side = n.input if rng.integers(3) else n.output
    if not side:
        side.append(mutate.pick(rng, names))
        return
    k, what = int(rng.integers(len(side))), int(rng.integers(4))
    if what == 0:
        del side[k]
    elif what == 1:
        side.append(mutate.pick(rng, names))
    else:
        side[k] = mutate.pick(rng, names)


def order(proto, rng):
    """Drop an operation, double it, or exchange two."""
    nodes = proto.graph.node
    k, j = (int(rng.integers(len(nodes))) for _ in range(2))
    what = int(rng.integers(3))
    if what == 0:
        del nodes[k]
        if not nodes:
            operation_again(proto)
    elif what == 1:
        nodes.append(nodes[k])
    else:
        one = onnx.NodeProto.FromString(nodes[k].SerializeToString())
        nodes[k].CopyFrom(nodes[j])
        nodes[j].CopyFrom(one)


def operation_again(proto):
    proto.graph.node.append(node("Relu", "x"))


def stored(proto, rng):
    """Change the shape, the type, the name or the numbers of a stored tensor."""
    if not proto.graph.initializer:
        return
    t = mutate.pick(rng, proto.graph.initializer)
    what = int(rng.integers(6))
    if what == 0 and t.dims:
        k = int(rng.integers(len(t.dims)))
        t.dims[k] = number(rng, t.dims[k])
    elif what == 1:
        t.data_type = int(rng.integers(0, 28))
    elif what == 2:
        t.name = mutate.pick(rng, proto.graph.initializer).name
    elif what == 3:
        t.dims.append(number(rng, 1))
    elif what == 4:
        t.data_location = TensorProto.EXTERNAL
        values = ("model.onnx", "../secret", "0", "-5", str(2**62), "x")
        for key in ("location", "offset", "length"):
            t.external_data.add(key=key, value=mutate.pick(rng, values))
    else:
        array = np.zeros(0)
        if t.HasField("raw_data") and t.data_location != TensorProto.EXTERNAL:
            with contextlib.suppress(Exception):  # another damage may have come before
                array = numpy_helper.to_array(t).copy()
        if array.size and array.dtype.kind in "if":
            flat = array.reshape(-1)
            info = np.iinfo(array.dtype) if array.dtype.kind == "i" else None
            value = number(rng, 1) if info is None else np.clip(number(rng, 1), info.min, info.max)
            flat[int(rng.integers(flat.size))] = value
            t.CopyFrom(numpy_helper.from_array(array, t.name))


def inputs(proto, rng):
    """Change the shape or the type of an input of the model, or put in another."""
    value = mutate.pick(rng, proto.graph.input)
    kind = value.type.tensor_type
    what = int(rng.integers(5))
    if what == 0:
        kind.elem_type = int(rng.integers(0, 28))
    elif what == 1:
        kind.shape.dim.add(dim_value=number(rng, 2))
    elif what == 2 and kind.shape.dim:
        del kind.shape.dim[int(rng.integers(len(kind.shape.dim)))]
    elif what == 3:
        name = mutate.pick(rng, [x for n in proto.graph.node for x in n.input] or ["x"])
        proto.graph.input.append(helper.make_tensor_value_info(name, 1, [1, number(rng, 2)]))
    elif kind.shape.dim:
        dim = mutate.pick(rng, kind.shape.dim)
        dim.dim_value = number(rng, dim.dim_value)


def versions(proto, rng):
    for opset in proto.opset_import:
        if rng.integers(2):
            opset.version = int(np.clip(number(rng, opset.version), -(2**31), 2**31))
    if not rng.integers(4):
        mutate.pick(rng, proto.graph.node).domain = mutate.pick(rng, ("com.microsoft", "own", "x"))


def outputs(proto, rng):
    names = [x for n in proto.graph.node for x in n.output]
    if names:
        proto.graph.output.add().name = mutate.pick(rng, names)
    if proto.graph.output and not rng.integers(3):
        del proto.graph.output[0]


_DAMAGES = (
    attribute,
    attribute,
    attribute,
    new_attribute,
    operation,
    operation,
    wiring,
    wiring,
    order,
    stored,
    stored,
    stored,
    inputs,
    inputs,
    versions,
    outputs,
)
