"""Where a framework gives another graph than the one that is expected, and why.

`DRIFT` are faults: the entry goes when the fault does. `STATED` are differences that have a
reason. The test holds both to be true: an entry whose graph is the expected one fails, too.
A saved program is held against the live module, and named only where it is not the same.
"""

#: By operation and way to write it, what the graph has instead.
DRIFT = {
    ("linear", "onnx:MatMul and Add"): "the bias is folded, not included",
    ("linear", "keras:ops"): "the bias is folded, not included",
    ("linear at every position", "onnx"): "the bias is folded, not included",
    ("one matrix a head", "torch"): "a layer a head, and an axis of length one",
    ("one matrix a head", "onnx"): "a layer a head, and an axis of length one",
    ("one matrix a head", "jax"): "a layer a head",
    ("one matrix a head, einsum", "torch"): "a layer a head",
    ("one matrix a head, einsum", "onnx"): "a layer a head",
    ("one matrix a head, einsum", "jax"): "a layer a head",
    ("one matrix a head, one position", "torch"): "a layer a head",
    ("one matrix a head, one position", "torch:bmm"): "a layer a head",
    ("one matrix a head, one position", "onnx"): "a layer a head",
    ("one matrix a head, one position", "jax"): "a layer a head",
    ("bilinear", "onnx"): "cut for another reason than that it is a product of two inputs",
    ("bilinear", "keras"): "cut for another reason than that it is a product of two inputs",
    ("bilinear", "jax"): "scores of all pairs, and a dense layer that reads them",
    ("maximum(x, 0)", "torch"): "clamp, not relu",
    ("maximum(x, 0)", "torch:clamp"): "clamp, not relu",
    ("maximum(x, 0)", "torch:clamp_min"): "clamp_min, not relu",
    ("maximum(x, 0)", "onnx"): "clamp, not relu",
    ("maximum(x, 0)", "onnx:Clip"): "clamp, not relu",
    ("relu6", "torch:clamp"): "clamp, not hardtanh",
    ("relu6", "onnx"): "clamp, not hardtanh",
    ("hard tanh", "onnx"): "clamp, not hardtanh",
    ("hard tanh", "keras:clip"): "clamp, not hardtanh",
    ("softsign", "torch"): "abs+reciprocal",
    ("sign", "torch"): "the graph is cut at what reads it",
    ("rsqrt", "torch:1 / sqrt"): "sqrt+reciprocal, and a scaling by one",
    ("rsqrt", "onnx"): "sqrt+reciprocal",
    ("square", "torch:x**2"): "pow",
    ("square", "torch:x*x"): "mul",
    ("square", "onnx"): "mul",
    ("square", "onnx:Pow"): "pow",
    ("square", "keras:x**2"): "pow",
    ("square", "keras:x*x"): "mul",
    ("square", "jax"): "pow",
    ("square", "jax:x*x"): "pow",
    ("hard sigmoid", "onnx:written out"): "clamp, and a scaling by 1/6",
    ("hard swish", "onnx:written out"): "hardsigmoid+mul",
    ("log sigmoid", "onnx"): "sigmoid+log",
    ("prelu", "keras"): "the graph is cut",
    ("maximum(x, parameter)", "torch"): "the graph is cut",
    ("maximum(x, parameter)", "onnx"): "the parameter is no row of the coverage",
    ("scaling of the input", "torch"): "two layers, a shift and a factor",
    ("scaling of the input", "onnx"): "two layers, a shift and a factor",
    ("scaling of the input", "keras"): "two layers, a shift and a factor",
    ("a + 2 b", "torch:alpha"): "the factor is not folded",
    ("sigmoid(a) / b", "torch"): "1/b is handed on, gated by the numerator",
    ("sigmoid(a) / b", "keras"): "1/b is handed on, gated by the numerator",
    ("sigmoid(a) / b", "jax"): "1/b is handed on, gated by the numerator",
    ("maximum(a, b)", "keras"): "a pooling of a layer with an axis of length one",
    ("maximum(a, b)", "keras:layer"): "a pooling of a layer with an axis of length one",
    ("minimum(a, b)", "torch"): "a layer of kind max",
    ("minimum(a, b)", "onnx"): "a layer of kind max",
    ("minimum(a, b)", "jax"): "a layer of kind max",
    ("minimum(a, b)", "keras"): "a pooling of a layer with an axis of length one",
    ("minimum(a, b)", "keras:layer"): "a pooling of a layer with an axis of length one",
    ("where(a > 0, a, b)", "keras"): "the graph is cut",
    ("a sort cuts", "torch"): "a row of the coverage for each of its outputs",
    ("a sort cuts", "onnx"): "a row of the coverage for each of its outputs",
}

_ORDER = "the same in another order: Keras runs the branches in an order of its own"

#: The same, with the reason why that is right.
STATED = {
    ("relu(a) + tanh(b)", "keras"): _ORDER,
    ("sigmoid(a) · tanh(b)", "keras"): _ORDER,
    ("relu(a) / exp(b)", "keras"): _ORDER,
}
