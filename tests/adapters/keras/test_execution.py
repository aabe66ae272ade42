"""Keras models that run on data: what Keras computes, by the nodes of the network."""

import keras
import numpy as np
import pytest
import torch
from keras import layers as kl

import cntgraph as cg
from cntgraph.adapters.registry import execution
from cntgraph.core.errors import InputShapeError
from tests.oracles.executed import assert_alike, check_batches, check_strengths, in_order, unknown
from tests.oracles.executed_models import options as module_options

#: Of NumPy, where Keras reads arrays of JAX.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")


def image_classifier():
    x = keras.Input((8, 8, 3))
    y = kl.Conv2D(4, 3, padding="same", use_bias=False, name="first")(x)
    y = kl.ReLU()(kl.BatchNormalization(name="norm")(y))
    z = kl.DepthwiseConv2D(3, padding="same", activation="tanh", name="depth")(y)
    y = kl.Conv2D(4, 1, activation="gelu", name="second")(z) + y
    y = kl.Flatten()(kl.MaxPooling2D()(y))
    return keras.Model(x, kl.Dense(3, activation="softmax", name="head")(y))


def autoencoder():
    return keras.Sequential([
        keras.Input((8, 8, 1)), kl.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
        kl.Conv2DTranspose(1, 4, strides=2, padding="same", activation="sigmoid"),
    ])  # fmt: skip


def recurrent():
    return keras.Sequential(
        [keras.Input((5, 3)), kl.LSTM(4, return_sequences=True), kl.Flatten(), kl.Dense(2)]
    )


class ByHand(keras.Model):
    """A subclassed model: an embedding, a layer norm, attention operation by operation."""

    def __init__(self):
        super().__init__()
        self.embed, self.norm = kl.Embedding(10, 8), kl.LayerNormalization()
        self.q, self.k, self.v, self.head = (kl.Dense(8) for _ in range(4))

    def call(self, x):
        x = self.embed(x)
        y = self.norm(x)
        scores = keras.ops.matmul(self.q(y), keras.ops.transpose(self.k(y), (0, 2, 1))) * 0.3
        y = keras.ops.matmul(keras.ops.softmax(scores), self.v(y))
        return self.head(keras.ops.tanh(keras.ops.mean(x + y, axis=1)))


MODELS = {"images": image_classifier, "autoencoder": autoencoder, "recurrent": recurrent,
          "by hand": ByHand}  # fmt: skip


def made(name, n):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    model = MODELS[name]()
    if name == "by hand":
        x = rng.integers(0, 10, (n, 6))
        model(x)
    else:
        x = rng.normal(size=(n, *model.input_shape[1:])).astype(np.float32)
    for variable in model.variables:
        if not variable.dtype.startswith(("int", "uint")):
            variable.assign(rng.uniform(0.3, 1.0, variable.shape) * rng.choice([1.0, -1.0]) ** (
                "variance" not in variable.path))  # fmt: skip
    options = {"example_input": x[:1]} if name == "by hand" else {}
    return model, options | ({"unroll": 5} if name == "recurrent" else {}), x


@pytest.mark.parametrize("name", MODELS)
def test_what_layers_receive_is_what_their_edges_hand_on(name):
    model, options, x = made(name, 4)
    run = execution(model, **options)
    assert [*run.net.layers] == [*cg.load(model, **options).layers]
    values = check_batches(run, (x,))
    assert check_strengths(run.net, values) >= (1 if name == "recurrent" else 2)
    assert name == "recurrent" or not unknown(run, values)
    wanted = np.asarray(model(x, training=False)).reshape(len(x), -1)
    last = values[next(layer.name for layer in run.net.layers if layer.is_output)]
    assert np.allclose(last.activation, wanted, atol=1e-5)


def test_layers_show_the_same_by_themselves():
    model, options, x = made("images", 3)
    run = execution(model, **options)
    values = run.run((x,))
    for name, of in (("norm", "strength"), ("depth", "activation")):
        inner = keras.Model(model.inputs, model.get_layer(name).output)
        wanted = np.moveaxis(np.asarray(inner([x], training=False)), -1, 1).reshape(3, -1)
        layer = {"norm": "first", "depth": "depth"}[name]
        assert np.allclose(getattr(values[layer], of), wanted, atol=1e-5)


def test_a_model_is_left_as_it_was():
    model, options, x = made("images", 2)
    before = [np.array(w) for w in model.get_weights()]
    functions = [getattr(layer, "activation", None) for layer in model.layers]
    execution(model, **options).run((x,))
    assert model.get_layer("depth").output.shape == (None, 8, 8, 4)
    assert functions == [getattr(layer, "activation", None) for layer in model.layers]
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_a_model_for_a_number_of_samples_is_run_one_by_one():
    class Fixed(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = kl.Dense(4)

        def call(self, x):
            if x.shape[0] is None:
                raise ValueError("how many?")
            return keras.ops.reshape(keras.ops.tanh(self.dense(x)), (x.shape[0], 2, 2))

    model, x = Fixed(), np.ones((3, 3), np.float32)
    model(x)
    run = execution(model, example_input=x)
    assert check_strengths(run.net, check_batches(run, (x,))) == 1


def test_files_and_inputs_that_do_not_fit_are_errors(tmp_path):
    model, options, x = made("images", 2)
    model.save(tmp_path / "model.keras")
    assert execution(tmp_path / "model.keras") is None
    with pytest.raises(InputShapeError, match="input 0"):
        execution(model, **options).run((x[:, :4],))


def test_the_same_network_shows_the_same_as_a_module():
    """Channels last here, channels first there; the nodes are in one order."""
    torch.manual_seed(0)
    other, given, x = module_options("residual", 3)
    image = keras.Input((6, 6, 3))
    y = kl.ReLU()(kl.BatchNormalization(epsilon=1e-5)(
        kl.Conv2D(4, 3, padding="same", use_bias=False)(image)))  # fmt: skip
    z = kl.BatchNormalization(epsilon=1e-5)(kl.Conv2D(4, 3, padding="same", groups=2)(y))
    y = kl.MaxPooling2D(2)(kl.ReLU()(kl.add([y, z])))
    y = kl.Flatten()(kl.Permute((3, 1, 2))(y))
    model = keras.Model(image, kl.Dense(3)(y))
    of_module = iter([other.first, other.norm, other.second, other.other, other.head])
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(weights_of(next(of_module)))
    here, there = execution(model), execution(other, **given)
    values = in_order(here, here.run((np.moveaxis(x, 1, -1),)))
    assert assert_alike(values, in_order(there, there.run((x,)))) == 2 * len(there.net.layers)


def weights_of(module):
    """Return the arrays of a module in the order and the layout of Keras."""
    arrays = [v.detach().numpy() for k, v in module.state_dict().items() if "num_" not in k]
    kernels = {2: (1, 0), 4: (2, 3, 1, 0)}
    return [a.transpose(kernels[a.ndim]) if a.ndim in kernels else a for a in arrays]


def test_a_layer_that_is_called_whole_is_seen_from_outside():
    model = keras.Sequential([keras.Input((4,)), kl.Dense(3), kl.PReLU(), kl.Dense(2)])
    run, x = execution(model), np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    values = check_batches(run, (x,))
    last = run.net.layers[-1].name
    assert np.allclose(values[last].strength, model(x), atol=1e-5)
