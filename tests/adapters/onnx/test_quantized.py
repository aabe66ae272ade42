"""Quantized ONNX models: weights stay as they are stored, and stand for (q - zero) · scale."""

import logging
import warnings

import numpy as np
import onnx
import onnxruntime.quantization as quantization
import pytest
from onnx import TensorProto, helper, numpy_helper
from oracles.onnx_models import I64, check_linear, model, node, oracle, propagate, whole

import cntgraph as cg
from cntgraph.adapters import onnx as adapter
from cntgraph.adapters.onnx.tensors import PackedTensor

RNG = np.random.default_rng(0)


def network():
    """A convolution, a residual addition, poolings and a dense layer."""
    rng = np.random.default_rng(0)

    def random(*shape):
        return rng.normal(size=shape).astype(np.float32)

    weights = {"c1.weight": random(6, 3, 3, 3), "c1.bias": random(6),
               "c2.weight": random(6, 6, 3, 3), "c2.bias": random(6),
               "fc.weight": random(54, 4), "fc.bias": random(4)}  # fmt: skip
    same = {"pads": [1, 1, 1, 1]}
    nodes = [
        node("Conv", "x c1.weight c1.bias", "a", **same), node("Relu", "a", "r"),
        node("Conv", "r c2.weight c2.bias", "b", **same), node("Add", "b r", "s"),
        node("AveragePool", "s", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", "p", "f"), node("MatMul", "f fc.weight", "m"), node("Add", "m fc.bias"),
    ]  # fmt: skip
    proto = model(nodes, weights, (1, 3, 6, 6))
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 4)))
    return proto, weights


class Reader(quantization.CalibrationDataReader):
    def __init__(self):
        rng = np.random.default_rng(1)
        self.samples = iter([{"x": rng.normal(size=(1, 3, 6, 6)).astype(np.float32)}
                             for _ in range(8)])  # fmt: skip

    def get_next(self):
        return next(self.samples, None)


def quantized(folder, how, **options):
    """A network, and the same with its weights quantized by onnxruntime."""
    logging.disable(logging.WARNING)
    proto, weights = network()
    onnx.save(proto, folder / "float.onnx")
    paths = folder / "float.onnx", folder / "quantized.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if how == "dynamic":
            quantization.quantize_dynamic(*paths, **options)
        else:
            form = quantization.QuantFormat[how]
            quantization.quantize_static(*paths, Reader(), quant_format=form, **options)
    logging.disable(logging.NOTSET)
    return paths, weights


def dequantized(path):
    """The stored weights of a quantized model, by NumPy: name -> (q - zero) · scale."""
    stored = {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    found = {}
    for name, q in stored.items():
        if name.endswith("_quantized") and q.ndim > 1:
            base = name.removesuffix("_quantized")
            scale, zero = stored[f"{base}_scale"], stored[f"{base}_zero_point"]
            axis = 0 if q.ndim == 4 else 1
            by = [-1 if k == axis and scale.size > 1 else 1 for k in range(q.ndim)]
            found[base] = (q.astype(float) - zero.reshape(by)) * scale.reshape(by)
    return found


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("how", ["QDQ", "QOperator", "dynamic"])
def test_quantized_by_onnxruntime(tmp_path, how, per_channel):
    (plain, path), weights = quantized(tmp_path, how, per_channel=per_channel)
    net, expected = cg.load(path, strict=True), cg.load(plain, strict=True)
    assert [layer.shape for layer in net.layers] == [layer.shape for layer in expected.layers]
    assert net.n_edges == expected.n_edges
    wanted = dequantized(path)
    assert len(wanted) == 3
    for block in net.blocks:
        if block.kind in ("conv", "dense"):
            (name,) = [p.name for p in block.weight.parameters() if p.name.endswith("quantized")]
            base = name.removesuffix("_quantized")
            assert net.parameters[name].dtype in ("int8", "uint8")
            ours = block.weight.read()
            exact = wanted[base].T if block.kind == "dense" else wanted[base]
            np.testing.assert_allclose(ours, exact, rtol=1e-6)
            original = weights[base].T if block.kind == "dense" else weights[base]
            step = np.abs(original).max() / 127
            assert np.abs(ours - original).max() <= 1.01 * step
    check_strengths(net, expected, weights)


def check_strengths(net, expected, weights):
    """Each strength is off by no more than half one step per edge."""
    step = max(np.abs(w).max() for w in weights.values()) / 100
    for direction in ("in", "out"):
        options = {"direction": direction, "bias": False}
        ours, theirs = (cg.node_strength(n, **options) for n in (net, expected))
        edges = cg.node_strength(expected, transform="count", **options)
        assert (np.abs(ours - theirs) <= step * edges + 1e-6).all()


@pytest.mark.parametrize("how", ["QDQ", "QOperator"])
def test_biases_are_quantized_by_the_product_of_the_steps(tmp_path, how):
    (plain, path), _ = quantized(tmp_path, how, per_channel=True)
    net, expected = cg.load(path), cg.load(plain)
    np.testing.assert_allclose(net.bias(), expected.bias(), atol=0.01)


# -- operations by hand ------------------------------------------------------------------------


def as_initializers(**arrays):
    return {name: np.asarray(value) for name, value in arrays.items()}


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("per_channel", [False, True])
def test_q_linear_conv(dtype, per_channel):
    w = RNG.integers(0, 100, (4, 3, 3)).astype(dtype)
    n = 4 if per_channel else 1
    scale = np.array([0.5, 2.0, 1.0, 0.25], np.float32)[:n]
    zero = np.array([3, 7, 0, 9], dtype)[:n]
    shape = (-1,) if per_channel else ()
    weights = as_initializers(
        xs=np.float32(0.5), xz=dtype(0), w=w, ws=scale.reshape(shape), wz=zero.reshape(shape),
        ys=np.float32(1), yz=dtype(0), b=np.array([4, -8, 12, 16], np.int32),
    )  # fmt: skip
    nodes = [node("QuantizeLinear", "x xs xz", "q"),
             node("QLinearConv", "q xs xz w ws wz ys yz b", "c", pads=[1, 1]),
             node("DequantizeLinear", "c ys yz")]  # fmt: skip
    net = adapter.load(model(nodes, weights, (1, 3, 8)), strict=True)
    by = (-1, 1, 1)
    exact = (w.astype(float) - zero.reshape(by)) * scale.reshape(by)
    np.testing.assert_allclose(net.blocks[0].weight.read(), exact)
    np.testing.assert_allclose(net.bias()[24:].reshape(4, 8)[:, 0],
                               weights["b"] * 0.5 * np.broadcast_to(scale, 4))  # fmt: skip
    assert set(net.coverage.index) == {"w", "ws", "wz", "b"}


def test_q_linear_mat_mul():
    w = RNG.integers(-100, 100, (5, 4)).astype(np.int8)
    weights = as_initializers(
        xs=np.float32(0.5), xz=np.int8(0), w=w, ws=np.array([0.5, 2, 1, 0.25], np.float32),
        wz=np.array([3, -7, 0, 9], np.int8), ys=np.float32(1), yz=np.int8(0),
    )  # fmt: skip
    nodes = [node("QuantizeLinear", "x xs xz", "q"),
             node("QLinearMatMul", "q xs xz w ws wz ys yz", "c"),
             node("DequantizeLinear", "c ys yz")]  # fmt: skip
    net = adapter.load(model(nodes, weights, (1, 5)), strict=True)
    exact = (w.astype(float) - weights["wz"]) * weights["ws"]
    np.testing.assert_allclose(net.blocks[0].weight.read(), exact.T)


@pytest.mark.parametrize("op", ["MatMulInteger", "ConvInteger"])
def test_products_of_whole_numbers(op):
    """The input itself holds whole numbers, with a zero point of its own."""
    shape = (5, 4) if op == "MatMulInteger" else (4, 3, 3)
    w = RNG.integers(-9, 9, shape).astype(np.int8)
    weights = as_initializers(w=w, xz=np.uint8(3), wz=np.int8(-2))
    proto = model([node(op, "x w xz wz", "i"), node("Cast", "i", to=TensorProto.FLOAT)], weights,
                  (1, 5) if op == "MatMulInteger" else (1, 3, 8))  # fmt: skip
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    x = RNG.integers(0, 20, (1, *proto_shape(proto))).astype(np.uint8)
    net = adapter.load(proto, strict=True)
    z = propagate(net, x[0])[net.layers[-1].slice]
    np.testing.assert_allclose(z, run(proto, x).reshape(-1))


def proto_shape(proto):
    return [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim][1:]


def run(proto, x):
    import onnxruntime

    session = onnxruntime.InferenceSession(proto.SerializeToString())
    return session.run(None, {"x": x})[0]


def test_whole_numbers_of_a_static_step():
    w = RNG.integers(-9, 9, (5, 4)).astype(np.int8)
    weights = as_initializers(s=np.float32(0.5), z=np.uint8(8), w=w, wz=np.int8(1),
                              both=np.float32(0.5 * 0.25))  # fmt: skip
    nodes = [node("QuantizeLinear", "x s z", "q"), node("MatMulInteger", "q w z wz", "i"),
             node("Cast", "i", "f", to=TensorProto.FLOAT), node("Mul", "f both")]  # fmt: skip
    proto = model(nodes, weights, (1, 5))
    net = adapter.load(proto, strict=True)
    x = np.array([[0.5, -1, 1.5, 2, -0.5]], np.float32)  # multiples of the step
    z = propagate(net, x[0])[net.layers[-1].slice]
    np.testing.assert_allclose(z, oracle(proto, x)[0], rtol=1e-6)
    np.testing.assert_allclose(net.blocks[-1].weight.read(), (w.astype(float) - 1).T * 0.25)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("block", [0, 2])
def test_dequantized_along_an_axis_or_in_blocks(axis, block):
    q = RNG.integers(-100, 100, (6, 4)).astype(np.int8)
    sizes = [6, 4] if block else [q.shape[axis]]
    if block:
        sizes[axis] //= block
    scale = RNG.choice([0.25, 0.5, 1, 2], sizes).astype(np.float32)
    zero = RNG.integers(-5, 5, sizes).astype(np.int8)
    options = {"axis": axis} | ({"block_size": block} if block else {})
    nodes = [node("DequantizeLinear", "q s z", "w", **options), node("MatMul", "x w")]
    proto = model(nodes, {"q": q, "s": scale, "z": zero}, (1, 6), opset=21)
    net = check_linear(proto, (1, 6), tol=1e-5)
    assert net.parameters["q"].dtype == "int8"


PACKED = [name for name in ("INT4", "UINT4", "INT2", "UINT2", "FLOAT4E2M1")
          if hasattr(TensorProto, name)]  # fmt: skip


@pytest.mark.parametrize("shape", [(5, 4), (3, 3), (7,), (1, 1), (0, 4)])
@pytest.mark.parametrize("name", PACKED)
def test_several_values_in_a_byte(name, shape):
    kind = getattr(TensorProto, name)
    values = RNG.integers(0, 2, shape).astype(np.float32).reshape(-1)
    if name != "FLOAT4E2M1":
        low, high = {"INT4": (-8, 8), "UINT4": (0, 16), "INT2": (-2, 2), "UINT2": (0, 4)}[name]
        values = RNG.integers(low, high, values.size)
    tensor = helper.make_tensor("q", kind, shape, values.tolist())
    raw = TensorProto(name="q", dims=shape, data_type=kind)
    packed = numpy_helper.from_array(numpy_helper.to_array(tensor), "q")
    raw.raw_data = packed.raw_data
    tensors = adapter.Tensors()
    for stored in (tensor, raw):
        parameter = tensors.parameter(stored, "q", trainable=True)
        expected = numpy_helper.to_array(tensor).astype(np.float64)
        np.testing.assert_array_equal(parameter.read(), expected)
        np.testing.assert_array_equal(parameter.raw(), expected)
        if len(shape) > 1 and shape[0] > 1:
            np.testing.assert_array_equal(parameter.read(0, 1, 3), expected[1:3])
            np.testing.assert_array_equal(parameter.read(1, 1, 3), expected[:, 1:3])
    assert isinstance(tensors.parameter(raw, "q", trainable=True).data, PackedTensor)


def test_four_bits_in_blocks_as_language_models_have_them():
    q = RNG.integers(-8, 8, (8, 4))
    tensor = helper.make_tensor("q", TensorProto.INT4, q.shape, q.reshape(-1).tolist())
    scale = RNG.choice([0.25, 0.5, 1], (2, 4)).astype(np.float32)
    nodes = [node("DequantizeLinear", "q s", "w", axis=0, block_size=4), node("MatMul", "x w")]
    net = adapter.load(model(nodes, {"q": tensor, "s": scale}, (1, 8), opset=21), strict=True)
    np.testing.assert_array_equal(net.blocks[0].weight.read(), (q * scale.repeat(4, axis=0)).T)


@pytest.mark.parametrize("name", ["FLOAT8E4M3FN", "FLOAT8E5M2"])
def test_eight_bit_floats_stay_eight_bits(name):
    kind = getattr(TensorProto, name)
    values = np.array([[0.5, -1, 2], [0, 3, -4]], np.float32)
    tensor = helper.make_tensor("q", kind, values.shape, values.reshape(-1).tolist())
    nodes = [node("DequantizeLinear", "q s", "w"), node("MatMul", "x w")]
    net = adapter.load(
        model(nodes, {"q": tensor, "s": np.float32(2)}, (1, 2), opset=20), strict=True
    )
    assert net.parameters["q"].dtype.startswith("float8")
    np.testing.assert_array_equal(net.blocks[0].weight.read(), 2 * values.T)


def test_quantized_weights_that_are_moved_first():
    """A weight that is transposed or taken apart before it stands for numbers."""
    q = RNG.integers(-100, 100, (4, 6)).astype(np.int8)
    nodes = [node("Transpose", "q", "t"), node("DequantizeLinear", "t s", "w", axis=1),
             node("MatMul", "x w")]  # fmt: skip
    scale = np.array([0.5, 1, 2, 4], np.float32)
    check_linear(model(nodes, {"q": q, "s": scale}, (1, 6)), (1, 6), tol=1e-5)


def test_other_operations_of_onnxruntime(tmp_path):
    w = whole((6, 4)).astype(np.int8)
    weights = as_initializers(s=np.float32(1), z=np.int8(0), w=w, ws=np.float32(0.5),
                              wz=np.int8(0), c=np.array([2, 4, 6, 8], np.int32),
                              k=np.array([0, 1], I64))  # fmt: skip
    own = {"domain": "com.microsoft"}
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("QGemm", "q s z w ws wz c s z", "g", **own),
        node("QLinearSigmoid", "g s z s z", "a", **own),
        node("QLinearMul", "a s z g s z s z", "m", **own),
        node("QLinearConcat", "s z m s z g s z", "j", axis=1, **own),
        node("DequantizeLinear", "j s z"),
    ]
    net = adapter.load(model(nodes, weights, (1, 6), domains=["com.microsoft"]), strict=True)
    assert not net.layer("q_gemm").activation  # which is read as it is, too
    assert net.layer("q_gemm.silu").kind == "activation"
    np.testing.assert_array_equal(net.blocks[0].weight.read(), w.T * 0.5)
    np.testing.assert_array_equal(net.bias()[6:10], [1, 2, 3, 4])


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("n_in", [32, 40])
def test_a_few_bits_in_blocks_as_onnxruntime_has_them(tmp_path, symmetric, bits, n_in):
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    weight = np.random.default_rng(0).normal(size=(n_in, 6)).astype(np.float32)
    plain = model([node("MatMul", "x w")], {"w": weight}, (1, 3, n_in), opset=21)
    logging.disable(logging.WARNING)
    quantizer = MatMulNBitsQuantizer(plain, bits=bits, block_size=16, is_symmetric=symmetric)
    quantizer.process()
    logging.disable(logging.NOTSET)
    quantizer.model.save_model_to_file(str(tmp_path / "m.onnx"))
    assert quantizer.model.model.graph.node[0].op_type == "MatMulNBits"
    net = cg.load(tmp_path / "m.onnx", strict=True)
    x = np.eye(n_in, dtype=np.float32)[None, :3]
    read = net.blocks[0].weight.read()[..., 0].T
    np.testing.assert_allclose(oracle(quantizer.model.model, x)[0], read[:3], atol=1e-2)
    step = np.abs(weight).max() / (1 << (bits - 1))
    assert np.abs(read - weight).max() <= 1.01 * step
    stored = [p for p in net.parameters.values() if p.trainable]
    assert [p.dtype for p in stored] == ["uint8"]
    assert net.coverage.loc[stored[0].name, "status"] == "included"
