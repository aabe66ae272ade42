"""Keras models of several branches and kinds: Functional, nested, shared, subclassed, custom."""

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras import ops
from oracles.keras_models import check, flat, functional, predict, randomize, sequential, values

import cntgraph as cg
from cntgraph.core.errors import CoverageWarning, TraceError

IMAGE = (7, 6, 3)


def two(x):
    return [kl.Conv2D(4, 3, padding="same")(x) for _ in range(2)]


def squeezed(x):
    y = kl.Conv2D(4, 3)(x)
    gate = kl.Dense(2, "relu")(kl.GlobalAveragePooling2D()(y))
    gate = kl.Reshape((1, 1, 4))(kl.Dense(4, "sigmoid")(gate))
    return flat(kl.Multiply()([y, gate]))


BRANCHES = {
    "Add": lambda x: flat(kl.Add()([*two(x), kl.Conv2D(4, 1)(x)])),
    "Subtract": lambda x: flat(kl.Subtract()(two(x))),
    "Average": lambda x: flat(kl.Average()(two(x))),
    "Maximum": lambda x: flat(kl.Maximum()(two(x))),
    "Minimum": lambda x: flat(kl.Minimum()(two(x))),
    "Concatenate": lambda x: flat(kl.Concatenate()(two(x))),
    "Concatenate, rows": lambda x: flat(kl.Concatenate(axis=1)(two(x))),
    "Multiply": lambda x: flat(kl.Multiply()(two(x))),
    "squeeze and excite": squeezed,
}


@pytest.mark.parametrize("name", BRANCHES)
def test_branches(name):
    check(functional(BRANCHES[name], IMAGE), IMAGE)


def test_a_dot_product_of_branches():
    model = functional(lambda x, y: kl.Dot(axes=1)([kl.Dense(3)(x), kl.Dense(3)(y)]), (4,), (5,))
    net = check(model, (4,), (5,))
    assert all(block.modulatory for block in net.blocks_into(net.layers[-1]))


def test_a_group_norm_is_noted_and_its_gain_kept_channel_by_channel():
    def groups(x):
        parts = x.reshape(2, -1)
        parts = parts - parts.mean(1, keepdims=True)
        return (parts / (parts.var(1, keepdims=True) + 1e-3) ** 0.5).reshape(x.shape)

    model = functional(lambda x: flat(kl.GroupNormalization(2)(kl.Conv2D(4, 2)(x))), IMAGE)
    for norm in ("fold", "keep"):
        net = check(model, IMAGE, load={"norm": norm}, group_norm=groups)
        assert "group_norm" in [layer.activation for layer in net.layers]


def test_shared_layers_are_read_by_several_blocks():
    def build(x, y):
        dense = kl.Dense(4, "relu", name="shared")
        return kl.Dense(2)(kl.Add()([dense(x), dense(y)]))

    net = check(functional(build, (5,), (5,)), (5,), (5,))
    assert net.coverage.loc["shared/kernel", "block"] == "shared, shared_2"


def test_models_within_models():
    i = keras.Input((4,))
    y = kl.Dense(4, "tanh", name="b")(kl.Dense(3, "relu", name="a")(i))
    inner = keras.Model(i, y, name="inner")
    outer = keras.Sequential([keras.Input((4,)), inner, kl.Dense(4, name="c")], name="outer")
    model = functional(
        lambda x: kl.Dense(2, name="d")(outer(kl.Dense(4, name="e")(outer(x)))), (4,)
    )
    net = check(model, (4,))
    names = ["outer/inner/a", "outer/inner/b", "outer/c"]
    made = [layer.name for layer in net.layers[1:]]
    assert made == [*names, "e", *(f"{name}_2" for name in names), "d"]


def test_several_inputs_and_outputs():
    def build(x, y):
        first = kl.Dense(3)(kl.Concatenate()([kl.Dense(3)(x), y]))
        return [kl.Dense(2)(first), kl.Dense(4)(kl.Dense(4, "relu")(first))]

    model = functional(build, (4,), (5,))
    one = keras.Model(model.inputs, model.outputs[0])
    check(one, (4,), (5,))
    net = cg.load(model, strict=True)
    assert [layer.is_input for layer in net.layers][:2] == [True, True]
    assert {layer.shape for layer in net.layers if layer.is_output} == {(2,), (4,)}


def test_a_flatten_of_a_channels_last_image_is_followed_exactly():
    model = sequential((4, 3, 2), kl.Conv2D(3, 2), kl.Flatten(), kl.Dense(2))
    net = check(model, (4, 3, 2))
    assert [layer.shape for layer in net.layers] == [(2, 4, 3), (3, 3, 2), (2,)]
    kernel = net.blocks[1].weight.read()
    # The rows of the kernel lie in the order (height, width, channel).
    strength = cg.node_strength(net, direction="out")[net.layers[1].slice].reshape(3, 3, 2)
    assert strength == pytest.approx(kernel.sum(0).reshape(3, 2, 3).transpose(2, 0, 1), rel=1e-6)


# -- models and layers written in Python ----------------------------------------------------------


class Residual(keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [kl.Dense(4, "relu", name=f"block{k}") for k in range(3)]
        self.drop, self.head = kl.Dropout(0.3), kl.Dense(2, name="head")

    def call(self, x, training=None):
        for block in self.blocks:
            x = block(x) + x
        return self.head(self.drop(x, training=training))


class Tied(keras.Model):
    """An autoencoder whose decoder is the transpose of its encoder."""

    def __init__(self):
        super().__init__()
        self.encoder = kl.Dense(3, "tanh", name="encoder")

    def build(self, shape):
        self.encoder.build(shape)
        self.shift = self.add_weight(shape=(shape[-1],), name="shift")
        self.built = True

    def call(self, x):
        return ops.matmul(self.encoder(x), ops.transpose(self.encoder.kernel)) + self.shift


class Block(kl.Layer):
    """A layer of layers, with weights of its own that it computes with."""

    def __init__(self, n, **options):
        super().__init__(**options)
        self.one, self.two = kl.Dense(n, "relu", name="one"), kl.Dense(n, name="two")

    def build(self, shape):
        self.one.build(shape)
        self.two.build((*shape[:-1], self.one.units))
        self.gain = self.add_weight(shape=(self.one.units,), name="gain")
        self.mix = {"in": [self.add_weight(shape=(self.one.units, 6), name="mix")]}
        self.built = True

    def call(self, x):
        y = self.two(self.one(x)) + x * self.gain
        return ops.matmul(y, self.mix["in"][0][:, 1:4] * 2.0)

    def compute_output_shape(self, shape):
        return (*shape[:-1], 3)


def test_a_subclassed_model():
    model = Residual()
    net = check(_built(model, (4,)), (4,), load={"input_shape": (4,)})
    assert [layer.name for layer in net.layers] == [
        "input",
        "block0",
        "add",
        "block1",
        "add_2",
        "block2",
        "add_3",
        "head",
    ]
    assert net.coverage.loc["block1/kernel", "block"] == "block1"


def test_a_subclassed_model_that_was_never_called_is_built():
    net = cg.load(Residual(), input_shape=(4,), strict=True)
    assert net.n_parameters == 3 * 20 + 10


def test_tied_weights():
    net = check(_built(Tied(), (6,)), (6,), load={"input_shape": (6,)})
    assert net.coverage.loc["encoder/kernel", "block"] == "encoder, matmul"
    assert net.coverage.loc["shift", "block"] == "matmul"


def test_a_layer_that_computes_with_weights_of_its_own():
    model = functional(lambda x: kl.Dense(2)(Block(5, name="block")(x)), (3, 5))
    before = [id(v) for v in model.variables]
    net = check(model, (3, 5))
    assert net.coverage.loc["block/mix", "block"] == "block/matmul"
    assert [id(v) for v in model.variables] == before
    assert isinstance(model.get_layer("block").gain, keras.Variable)


def test_lambda_layers_of_live_models_are_followed():
    model = functional(lambda x: kl.Dense(2)(kl.Lambda(lambda y: ops.relu(y) * 2)(kl.Dense(4)(x))),
                       (3, 5))  # fmt: skip
    check(model, (3, 5))


def _built(model, shape):
    model(np.zeros((1, *shape), "float32"))
    return model


# -- what cannot be followed ----------------------------------------------------------------------


class Multiplied(kl.Layer):
    def build(self, shape):
        self.gain = self.add_weight(shape=(shape[-1],), name="gain")

    def call(self, x):
        return ops.cumprod(x * self.gain, axis=-1)


class Raw(kl.Layer):
    """Computes with arrays, which symbolic tensors are not."""

    def build(self, shape):
        self.gain = self.add_weight(shape=(shape[-1],), name="gain")

    def call(self, x):
        return ops.convert_to_tensor(ops.convert_to_numpy(x) * values(self.gain.value))

    def compute_output_shape(self, shape):
        return shape


class Noisy(kl.Layer):
    def __init__(self):
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(0)

    def call(self, x):
        return x + keras.random.normal(x.shape[1:], seed=self.seed_generator)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (Multiplied, "keras.ops.Cumprod cannot be followed"),
        (Raw, "the layer Raw cannot be followed"),
        (Noisy, "draws random numbers"),
        (lambda: kl.ConvLSTM1D(3, 2), "convolutional recurrent"),
        (lambda: kl.Discretization(bin_boundaries=[0.0, 1.0]), "Discretization"),
    ],
)
def test_the_graph_is_cut_where_a_layer_cannot_be_followed(layer, reason):
    shape = (5, 4, 3) if "recurrent" in reason else (4,)
    first = (lambda x: x) if "recurrent" in reason else kl.Dense(4, name="first")
    model = functional(lambda x: flat(layer()(first(x))), shape)
    with pytest.warns(CoverageWarning, match=reason):
        net = cg.load(model)
    assert net.layers[-1].is_output
    assert net.coverage["reason"].str.contains(reason).any()
    if "Raw" in reason:
        assert net.coverage.loc["raw/gain", "status"] == "skipped"


def test_a_model_of_unknown_kind_says_why_it_cannot_be_followed():
    class Broken(keras.Model):
        def call(self, x):
            raise KeyError("no such thing")

    model = Broken()
    model.built = True
    with pytest.raises(TraceError, match=r"could not be followed.*no such thing"):
        cg.load(model, input_shape=(3,))


def test_the_model_is_left_as_it_was():
    model = randomize(sequential((6, 5, 3), kl.Conv2D(2, 3), kl.Flatten(), kl.Dense(2)))
    weights = [values(v.value) for v in model.weights]
    nodes = [len(layer._inbound_nodes) for layer in model.layers]
    attributes = [dict(vars(layer)) for layer in model.layers]
    cg.load(model)
    assert [len(layer._inbound_nodes) for layer in model.layers] == nodes
    for layer, before in zip(model.layers, attributes, strict=True):
        assert all(vars(layer)[key] is value for key, value in before.items())
    for now, then in zip([values(v.value) for v in model.weights], weights, strict=True):
        assert np.array_equal(now, then)
    assert predict(model, np.zeros((1, 6, 5, 3), "float32"))[0].shape == (1, 2)
