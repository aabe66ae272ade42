"""How a model of each framework is made from one operation, loaded, and run.

An operation is written once a framework, as a function of ``m`` and its inputs. ``m`` is the
framework's own view of the weights: ``m["g"]`` is one of them, ``m.dense("a", x)`` and
``m.conv("a", x)`` apply those called ``a.w`` and ``a.b``. In the table, weights have PyTorch's
layout; a framework that keeps kernels the other way round gets them so.
"""

import warnings
from dataclasses import dataclass, field

import numpy as np

import cntgraph as cg

FRAMEWORKS = ("torch", "pt2", "onnx", "keras", "jax")
CHANNELS_LAST = ("keras", "jax")


class Image(tuple):
    """The shape (channels, *positions) of an input, whose channels are last in Keras and JAX."""


class Tokens(tuple):
    """The shape of an input of whole numbers below ``ENTRIES``."""


ENTRIES = 5


@dataclass
class Operation:
    """One operation in all frameworks.

    Parameters
    ----------
    name : str
        As the table has it.
    inputs : tuple of tuple of int
        The shapes of one sample.
    weights : dict of str to shape or array
        Random numbers of these shapes, or these values.
    written : dict of str to callable
        By framework, or ``framework: another way to write it``: a function of (m, *inputs).
    buffers : set of str
        The weights that are not trained.
    flat : tuple of int, optional
        (channels, *positions) of what weights ``….f`` read after a flatten.
    unroll : int, optional
        As in `cg.load`.
    """

    name: str
    inputs: tuple
    weights: dict
    written: dict
    buffers: frozenset = frozenset()
    flat: tuple = ()
    unroll: int | None = None
    values: dict = field(init=False)

    def __post_init__(self):
        # The seed is the operation's own: the table may grow in any order.
        seed = sum(ord(c) * (k + 1) for k, c in enumerate(self.name))
        rng = np.random.default_rng(seed)
        self.values = {
            name: short(rng, shape) if isinstance(shape, tuple) else np.asarray(shape, np.float32)
            for name, shape in self.weights.items()
        }
        self.samples = [
            rng.integers(0, ENTRIES, (1, *shape)) if isinstance(shape, Tokens)
            else short(rng, (1, *shape)) for shape in self.inputs
        ]  # fmt: skip

    def stored(self, framework):
        """The weights in the layout of a framework."""
        return {name: self._laid_out(name, value, framework) for name, value in self.values.items()}

    def _laid_out(self, name, value, framework):
        if framework in ("torch", "pt2"):
            return value
        if name.endswith(".f"):
            return self._rows(value, framework)
        if not name.endswith(".w"):
            return value
        if value.ndim == 2:
            return np.ascontiguousarray(value.T)
        if framework in CHANNELS_LAST:
            return np.ascontiguousarray(value.transpose(*range(2, value.ndim), 1, 0))
        return value

    def _rows(self, value, framework):
        """A matrix that reads (channels, *positions), for another order of what it reads."""
        wide = value.reshape(-1, *(self.flat or value.shape[1:]))
        wide = np.moveaxis(wide, 1, -1) if self.flat and framework in CHANNELS_LAST else wide
        return np.ascontiguousarray(wide.reshape(len(value), -1).T)

    def given(self, framework):
        """The samples in the order of a framework's axes."""
        return [
            np.ascontiguousarray(np.moveaxis(x, 1, -1))
            if isinstance(shape, Image) and framework in CHANNELS_LAST else x
            for shape, x in zip(self.inputs, self.samples, strict=True)
        ]  # fmt: skip

    def options(self, framework=None):
        """What `load` is told; of tokens the values, where a framework is given shapes else."""
        options = {"unroll": self.unroll} if self.unroll else {}
        if framework and any(isinstance(shape, Tokens) for shape in self.inputs):
            options["example_input"] = tuple(self.given(framework))
        return options

    def frameworks(self):
        """All ways in which it is written; a saved program is that of the live module."""
        for way in self.written:
            yield way
            if way.partition(":")[0] == "torch":
                yield way.replace("torch", "pt2", 1)

    def channels_first(self, y, framework):
        """An output of one sample, channels first."""
        y = np.asarray(y)[0]
        images = [len(shape) for shape in self.inputs if isinstance(shape, Image)]
        last = framework in CHANNELS_LAST and y.ndim in images
        return np.moveaxis(y, -1, 0) if last else y


def short(rng, shape):
    """Random numbers with few digits, none of them zero: sums are exact in any order."""
    found = np.round(rng.normal(size=shape) * 8) / 8
    return np.where(found == 0, 0.5, found).astype(np.float32)


def load(operation, way, folder):
    """Return the network of an operation in one framework."""
    framework = way.partition(":")[0]
    written = operation.written[way.replace("pt2", "torch", 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return LOADS[framework](operation, written, folder)


def run(operation, way):
    """Return what the framework itself computes, channels first, its outputs as a list."""
    framework = way.partition(":")[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = RUNS[framework](operation, operation.written[way])
    found = found if isinstance(found, tuple | list) else [found]
    return [operation.channels_first(y, framework) for y in found]


class Weights:
    """What the views of all frameworks have in common."""

    def __getitem__(self, name):
        return self.values[name]

    def get(self, name):
        return self.values.get(name)

    def __contains__(self, name):
        return name in self.values


# -- PyTorch --------------------------------------------------------------------------------------


def torch_model(operation, written):
    import torch

    class TorchWeights(Weights):
        """The weights of a module while it runs."""

        def __init__(self, module):
            self.module = module

        def __getitem__(self, name):
            return getattr(self.module, name.replace(".", "_"))

        def __contains__(self, name):
            return hasattr(self.module, name.replace(".", "_"))

        def get(self, name):
            return getattr(self.module, name.replace(".", "_"), None)

        def dense(self, key, x):
            return torch.nn.functional.linear(x, self[f"{key}.w"], self.get(f"{key}.b"))

        def flat(self, key, x):
            return x.flatten(1) @ self[f"{key}.f"].T

        def conv(self, key, x, stride=1, pad=0, dilation=1, groups=1):
            rank = x.ndim - 2
            function = getattr(torch.nn.functional, f"conv{rank}d")
            weight, bias = self[f"{key}.w"], self.get(f"{key}.b")
            return function(x, weight, bias, stride, pad, dilation, groups)

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name, value in operation.stored("torch").items():
                tensor = torch.from_numpy(value.copy())
                if name in operation.buffers:
                    self.register_buffer(name.replace(".", "_"), tensor)
                else:
                    self.register_parameter(name.replace(".", "_"), torch.nn.Parameter(tensor))

        def forward(self, *inputs):
            return written(TorchWeights(self), *inputs)

    if getattr(written, "makes_a_module", False):
        return written(operation.stored("torch")).eval()
    return Model().eval()


def torch_inputs(operation):
    import torch

    return tuple(torch.from_numpy(x.copy()) for x in operation.given("torch"))


def load_torch(operation, written, folder):
    model = torch_model(operation, written)
    return cg.load(model, example_input=torch_inputs(operation), **operation.options())


def load_pt2(operation, written, folder):
    import torch

    path = folder / "model.pt2"
    program = torch.export.export(torch_model(operation, written), torch_inputs(operation))
    torch.export.save(program, path)
    return cg.load(path, **operation.options("torch"))


def run_torch(operation, written):
    import torch

    with torch.no_grad():
        found = torch_model(operation, written)(*torch_inputs(operation))
    found = found if isinstance(found, tuple | list) else [found]
    return [y.numpy() for y in found]


# -- ONNX -----------------------------------------------------------------------------------------


class OnnxWeights(Weights):
    """The names of stored tensors, and the nodes that are made of them."""

    def __init__(self, operation):
        self.values = {name: name for name in operation.values}
        self.arrays = dict(operation.stored("onnx"))
        self.shapes = {name: value.shape for name, value in operation.values.items()}
        self.nodes = []
        self.positions = any(len(shape) > 1 for shape in operation.inputs)

    def __call__(self, op, *inputs, outputs=1, **attributes):
        """Append an operation, and return the name of its output, or of its outputs."""
        from onnx import helper

        names = [f"{op}_{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def const(self, value, dtype=np.float32):
        """A constant of the graph, not a weight."""
        from onnx import numpy_helper

        return self("Constant", value=numpy_helper.from_array(np.asarray(value, dtype)))

    def ints(self, *values):
        return self.const(values, np.int64)

    def dense(self, key, x):
        """What exporters make of a linear layer on vectors, and on several positions."""
        bias = [self[name] for name in (f"{key}.b",) if name in self]
        if bias and not self.positions:
            return self("Gemm", x, self[f"{key}.w"], *bias)
        y = self("MatMul", x, self[f"{key}.w"])
        return self("Add", y, *bias) if bias else y

    def flat(self, key, x):
        return self("MatMul", self("Flatten", x), self[f"{key}.f"])

    def conv(self, key, x, stride=1, pad=0, dilation=1, groups=1):
        rank = len(self.shapes[f"{key}.w"]) - 2
        inputs = [x, *(self[name] for name in (f"{key}.w", f"{key}.b") if name in self)]
        return self("Conv", *inputs, strides=[stride] * rank, pads=[pad] * 2 * rank,
                    dilations=[dilation] * rank, group=groups)  # fmt: skip


def onnx_model(operation, written):
    from onnx import TensorProto, helper, numpy_helper

    m = OnnxWeights(operation)
    names = [f"x{k}" for k in range(len(operation.inputs))]
    found = written(m, *names)
    found = list(found) if isinstance(found, tuple | list) else [found]
    inputs = [
        helper.make_tensor_value_info(
            name, TensorProto.INT64 if isinstance(shape, Tokens) else TensorProto.FLOAT, (1, *shape)
        )
        for name, shape in zip(names, operation.inputs, strict=True)
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in found]
    stored = [numpy_helper.from_array(value, name) for name, value in m.arrays.items()]
    graph = helper.make_graph(m.nodes, "g", inputs, outputs, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def load_onnx(operation, written, folder):
    return cg.load(onnx_model(operation, written), **operation.options("onnx"))


def run_onnx(operation, written):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    model = onnx_model(operation, written).SerializeToString()
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = (entry.name for entry in session.get_inputs())
    return session.run(None, dict(zip(names, operation.given("onnx"), strict=True)))


# -- Keras ----------------------------------------------------------------------------------------


class KerasWeights(Weights):
    """Layers of Keras, and the values that they will be given."""

    def __init__(self, operation):
        self.values = operation.stored("keras")
        self.buffers = operation.buffers
        self.waiting = []

    def put(self, layer, *names):
        """Have a layer, with these weights once it is built."""
        self.waiting.append((layer, [self[name] for name in names if name in self]))
        return layer

    def finish(self):
        for layer, values in self.waiting:
            layer.set_weights(values)

    def dense(self, key, x):
        from keras import layers as kl

        units = self[f"{key}.w"].shape[-1]
        layer = kl.Dense(units, use_bias=f"{key}.b" in self)
        return self.put(layer, f"{key}.w", f"{key}.b")(x)

    def flat(self, key, x):
        from keras import layers as kl

        layer = kl.Dense(self[f"{key}.f"].shape[-1], use_bias=False)
        return self.put(layer, f"{key}.f")(kl.Flatten()(x))

    def conv(self, key, x, stride=1, pad=0, dilation=1, groups=1):
        from keras import layers as kl

        kernel = self[f"{key}.w"]
        rank = kernel.ndim - 2
        if pad:
            x = getattr(kl, f"ZeroPadding{rank}D")(pad)(x)
        layer = getattr(kl, f"Conv{rank}D")(
            kernel.shape[-1], kernel.shape[:rank], strides=stride, dilation_rate=dilation,
            groups=groups, use_bias=f"{key}.b" in self,
        )  # fmt: skip
        return self.put(layer, f"{key}.w", f"{key}.b")(x)

    def own(self, function, *names):
        """A layer of one's own, that has these weights and calls a function of (weights, *x)."""
        import keras

        values, buffers = {name: self[name] for name in names}, self.buffers

        class Own(keras.layers.Layer):
            def build(self, *shapes):
                self.made = {
                    name: self.add_weight(shape=value.shape, name=name.replace(".", "_"),
                                          trainable=name not in buffers)
                    for name, value in values.items()
                }  # fmt: skip

            def call(self, *inputs):
                return function(self.made, *inputs)

        return self.put(Own(), *names)


def keras_model(operation, written):
    import keras

    m = KerasWeights(operation)
    inputs = [
        keras.Input(x.shape[1:], dtype="int32" if isinstance(shape, Tokens) else "float32")
        for shape, x in zip(operation.inputs, operation.given("keras"), strict=True)
    ]
    found = written(m, *inputs)
    model = keras.Model(inputs[0] if len(inputs) == 1 else inputs, found)
    m.finish()
    return model


def load_keras(operation, written, folder):
    return cg.load(keras_model(operation, written), **operation.options("keras"))


def run_keras(operation, written):
    import keras

    model, given = keras_model(operation, written), operation.given("keras")

    def call(*inputs):
        return model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)

    if keras.backend.backend() == "jax":
        import jax

        call = jax.jit(call)
    found = call(*given)
    found = found if isinstance(found, tuple | list) else [found]
    return [np.asarray(y.detach() if hasattr(y, "detach") else y) for y in found]


# -- JAX ------------------------------------------------------------------------------------------


class JaxWeights(Weights):
    """The parameters of a function, while it is traced."""

    def __init__(self, values):
        self.values = values

    def dense(self, key, x):
        y = x @ self[f"{key}.w"]
        return y + self[f"{key}.b"] if f"{key}.b" in self else y

    def flat(self, key, x):
        return x.reshape(len(x), -1) @ self[f"{key}.f"]

    def conv(self, key, x, stride=1, pad=0, dilation=1, groups=1):
        from jax import lax

        rank = x.ndim - 2
        letters = "DHW"[3 - rank :]
        y = lax.conv_general_dilated(
            x, self[f"{key}.w"], [stride] * rank, [(pad, pad)] * rank,
            rhs_dilation=[dilation] * rank, feature_group_count=groups,
            dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
        )  # fmt: skip
        return y + self[f"{key}.b"] if f"{key}.b" in self else y


def jax_model(operation, written):
    def apply(params, *inputs):
        return written(JaxWeights(params), *inputs)

    return apply, operation.stored("jax")


def load_jax(operation, written, folder):
    apply, params = jax_model(operation, written)
    given = tuple(operation.given("jax"))
    return cg.load(apply, params=params, example_input=given, **operation.options())


def run_jax(operation, written):
    import jax

    apply, params = jax_model(operation, written)
    found = jax.jit(apply)(params, *operation.given("jax"))
    found = found if isinstance(found, tuple | list) else [found]
    return [np.asarray(y) for y in found]


LOADS = {"torch": load_torch, "pt2": load_pt2, "onnx": load_onnx, "keras": load_keras,
         "jax": load_jax}  # fmt: skip
RUNS = {"torch": run_torch, "onnx": run_onnx, "keras": run_keras, "jax": run_jax}
