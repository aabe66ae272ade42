"""What a Keras model is loaded with: sizes, orders of axes, names, parameters, recordings."""

import keras
import numpy as np
import pytest
from keras import layers as kl
from oracles.keras_models import check, functional, randomize, sequential, values

import cntgraph as cg
from cntgraph.adapters.registry import adapter_of
from cntgraph.core.errors import FormatError, InputShapeError


def test_a_keras_model_is_one_of_keras_on_every_backend():
    model = sequential((3,), kl.Dense(2))
    assert adapter_of(model).__name__ == "cntgraph.adapters.keras"
    assert cg.load(model).n_edges == 6


def test_a_single_layer_is_a_model():
    layer = kl.Dense(2, "relu", name="fc")
    layer.build((None, 3))
    net = cg.load(layer, input_shape=(3,))
    assert [layer.name for layer in net.layers] == ["input", "fc"]
    assert net.layers[-1].activation == "relu"


# -- sizes and orders -----------------------------------------------------------------------------


def conv(shape):
    return sequential(shape, kl.Conv2D(2, 3, padding="same"), kl.GlobalMaxPooling2D())


@pytest.mark.parametrize("given", [(3, 6, 5), (6, 5, 3)])
def test_open_sizes_are_given_in_either_order(given):
    net = cg.load(conv((None, None, 3)), input_shape=given)
    assert net.layers[0].shape == (3, 6, 5)


def test_channels_first_wins_where_both_orders_fit():
    assert cg.load(conv((None, None, 3)), input_shape=(3, 4, 3)).layers[0].shape == (3, 4, 3)


def test_sizes_are_told_from_an_example():
    net = cg.load(conv((None, None, 3)), example_input=np.zeros((2, 6, 5, 3)))
    assert net.layers[0].shape == (3, 6, 5)


def test_sizes_that_are_missing_or_do_not_fit():
    with pytest.raises(InputShapeError, match=r"open, \(None, None, 3\)"):
        cg.load(conv((None, None, 3)))
    with pytest.raises(InputShapeError, match=r"expected an input of shape \(None, None, 3\)"):
        cg.load(conv((None, None, 3)), input_shape=(4, 6, 5))
    with pytest.raises(InputShapeError, match=r"expected an input of shape \(6, 5, 3\)"):
        cg.load(conv((6, 5, 3)), input_shape=(8, 8, 3))
    two = functional(lambda x, y: kl.Add()([x, y]), (None, 3), (None, 3))
    with pytest.raises(InputShapeError, match="model of 2 inputs"):
        cg.load(two, input_shape=(4, 3))
    with pytest.raises(InputShapeError, match="2 arrays"):
        cg.load(two, example_input=np.zeros((1, 4, 3)))
    arrays = [np.zeros((1, 4, 3)), np.zeros((1, 4, 3))]
    assert cg.load(two, example_input=arrays).n_nodes == 36
    with pytest.raises(FormatError, match="unknown option 'color'"):
        cg.load(two, color="red")


class Late(keras.Model):
    """A model that is not built before it is called, on two arguments."""

    def __init__(self):
        super().__init__()
        self.one, self.two = kl.Dense(3, name="one"), kl.Dense(3, name="two")

    def call(self, x, y, training=None):
        return self.one(x) + self.two(y)


def test_models_of_several_arguments():
    example = (np.zeros((1, 4)), np.zeros((1, 5)))
    net = cg.load(Late(), example_input=example, strict=True)
    assert [layer.name for layer in net.layers] == ["input_0", "input_1", "add"]
    with pytest.raises(InputShapeError, match="expected the size"):
        cg.load(Late())


def test_named_inputs():
    inputs = {"left": keras.Input((3,), name="left"), "right": keras.Input((2,), name="right")}
    model = keras.Model(inputs, kl.Dense(4)(kl.Concatenate()([inputs["left"], inputs["right"]])))
    net = cg.load(model, strict=True)
    assert [layer.name for layer in net.layers][:2] == ["left", "right"]


@pytest.mark.parametrize(
    ("shape", "layers", "seen"),
    [
        ((7, 2), [kl.Dropout, lambda: kl.Conv1D(3, 3)], (2, 7)),
        ((7, 2), [lambda: kl.LSTM(3)], (7, 2)),
        ((7, 2), [lambda: kl.Dense(3)], (7, 2)),
        ((7, 2), [lambda: kl.Rescaling(0.5), kl.GlobalAveragePooling1D], (2, 7)),
        ((2, 7), [lambda: kl.Conv1D(3, 3, data_format="channels_first")], (2, 7)),
        ((4, 4, 1), [kl.Flatten, lambda: kl.Dense(3)], (1, 4, 4)),
        ((4, 4), [kl.Flatten, lambda: kl.Dense(3)], (4, 4)),
    ],
)
def test_what_reads_an_input_first_says_where_its_channels_are(shape, layers, seen):
    def make(layer):
        return layer(0.5) if layer is kl.Dropout else layer()

    net = cg.load(sequential(shape, *(make(layer) for layer in layers)))
    assert net.layers[0].shape == seen


def test_channels_first_models():
    first = {"data_format": "channels_first"}
    layers = [
        kl.Conv2D(4, 3, strides=2, padding="same", **first), kl.BatchNormalization(axis=1),
        kl.ReLU(), kl.DepthwiseConv2D(2, **first), kl.MaxPooling2D(2, **first),
        kl.GlobalAveragePooling2D(**first), kl.Dense(2),
    ]  # fmt: skip
    net = check(sequential((3, 9, 8), *layers), (3, 9, 8))
    assert [layer.shape for layer in net.layers][:3] == [(3, 9, 8), (4, 5, 4), (4, 4, 3)]


# -- parameters -----------------------------------------------------------------------------------


def test_parameters_follow_the_model():
    model = randomize(sequential((3,), kl.Dense(2, name="fc"), kl.BatchNormalization(name="bn")))
    net = cg.load(model)
    kernel = net.parameters["fc/kernel"]
    assert np.array_equal(kernel.read(), values(model.get_layer("fc").kernel.value))
    model.get_layer("fc").kernel.assign(np.ones((3, 2)))
    assert np.array_equal(kernel.read(axis=1, start=1), np.ones((3, 1)))
    assert [p.trainable for p in net.parameters.values()] == [True] * 4 + [False] * 2
    assert list(net.parameters) == [
        "fc/kernel", "fc/bias", "bn/gamma", "bn/beta", "bn/moving_mean", "bn/moving_variance"
    ]  # fmt: skip


def test_frozen_layers_have_parameters_all_the_same():
    model = sequential((3,), kl.Dense(2))
    model.trainable = False
    assert cg.load(model).n_parameters == 8


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_weights_stay_in_their_type(dtype):
    if dtype == "float64" and keras.backend.backend() == "jax":
        dtype = "float32"
    model = sequential((3,), kl.Dense(2, dtype=dtype, name="fc"))
    net = cg.load(model)
    kernel = net.parameters["fc/kernel"]
    assert kernel.dtype == dtype
    wide = "float64" if dtype == "float64" else "float32"
    assert np.array_equal(kernel.read(), values(keras.ops.cast(model.layers[0].kernel, wide)))
    assert kernel.raw().itemsize == {"float64": 8, "float32": 4}.get(dtype, 2)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Keras, while it quantizes
def test_an_8_bit_kernel_is_read_with_its_scale():
    model = randomize(sequential((6,), kl.Dense(4, name="fc")))
    before = values(model.layers[0].kernel.value)
    model.layers[0].quantize("int8")
    net = cg.load(model, strict=True)
    assert net.parameters["fc/kernel"].dtype == "int8"
    assert np.allclose(net.blocks[0].weight.read(), before.T, atol=0.02)


def test_names_that_two_variables_have_get_a_number():
    def inner():
        return sequential((3,), kl.Dense(3, name="fc"))

    one, two = inner(), inner()
    one.name = two.name = "inner"

    class Both(keras.Model):
        def __init__(self):
            super().__init__()
            self.one, self.two = one, two

        def call(self, x):
            return self.two(self.one(x))

    net = cg.load(Both(), input_shape=(3,))
    assert [name for name in net.parameters if "kernel" in name] == [
        "inner/fc/kernel", "inner/fc/kernel_2"
    ]  # fmt: skip


def test_a_training_is_recorded(tmp_path):
    model = randomize(sequential((4, 4, 1), kl.Conv2D(2, 3), kl.Flatten(), kl.Dense(2)))
    model.compile(optimizer="sgd", loss="mse")
    with cg.Recorder(tmp_path / "run.h5", model) as record:
        record(step=0)
        model.train_on_batch(np.ones((2, 4, 4, 1), "float32"), np.ones((2, 2), "float32"))
        record(step=1)
    trajectory = cg.open(tmp_path / "run.h5")
    assert len(trajectory) == 2
    now = cg.node_strength(cg.load(model))
    assert np.allclose(cg.node_strength(trajectory[1]), now)
    assert not np.allclose(cg.node_strength(trajectory[0]), now)
    trajectory.close()
