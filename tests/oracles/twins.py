"""The same five networks, with the same weights, in PyTorch, in Keras and in Flax.

`torch_model(name)` is the original, with random weights; `keras_twin` and `flax_twin` are built
from its weights. Images are channels first in PyTorch and channels last in the others, so that
the dense layer after a flatten has its rows in another order.
"""

import numpy as np
import torch
from torch import nn

NAMES = ("mlp", "cnn", "autoencoder", "lstm", "transformer")
SHAPES = {"mlp": (12,), "cnn": (3, 12, 12), "autoencoder": (1, 9, 9), "lstm": (4, 5),
          "transformer": (5,)}  # fmt: skip
ENTRIES, WIDTH, HEADS = 11, 8, 2


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv3, self.norm3 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8 * 3 * 3, 4)

    def forward(self, x):
        x = torch.relu(self.norm1(self.conv1(x)))
        y = torch.relu(self.norm2(self.conv2(x)))
        x = torch.relu(self.norm3(self.conv3(y)) + x)
        return self.fc(torch.max_pool2d(x, 2).flatten(1))


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Conv2d(1, 4, 3, stride=2)
        self.squeeze, self.widen = nn.Linear(4 * 4 * 4, 6), nn.Linear(6, 4 * 4 * 4)
        self.decode = nn.ConvTranspose2d(4, 1, 3, stride=2)

    def forward(self, x):
        x = self.squeeze(torch.relu(self.encode(x)).flatten(1))
        x = torch.relu(self.widen(x)).unflatten(1, (4, 4, 4))
        return torch.sigmoid(self.decode(x))


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.fc = nn.LSTM(5, 6, batch_first=True), nn.Linear(6, 3)

    def forward(self, x):
        return self.fc(self.lstm(x)[0][:, -1])


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(ENTRIES, WIDTH)
        self.position = nn.Parameter(torch.randn(SHAPES["transformer"][0], WIDTH))
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(WIDTH) for _ in range(3))
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, 16), nn.Linear(16, WIDTH)
        self.head = nn.Linear(WIDTH, ENTRIES)

    def forward(self, tokens):
        x = self.embed(tokens) + self.position
        y = self.norm1(x)
        q, k, v = (f(y).unflatten(-1, (HEADS, -1)).transpose(1, 2)
                   for f in (self.query, self.key, self.value))  # fmt: skip
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        x = x + self.down(nn.functional.gelu(self.up(self.norm2(x))))
        return self.head(self.norm3(x))


def torch_model(name, seed=0):
    torch.manual_seed(seed)
    if name == "mlp":
        model = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 8), nn.Tanh(),
                              nn.Linear(8, 4))  # fmt: skip
    else:
        kinds = {"cnn": Cnn, "autoencoder": Autoencoder, "lstm": Lstm, "transformer": Transformer}
        model = kinds[name]()
    for key, tensor in model.state_dict().items():
        if "running_var" in key:
            tensor.uniform_(0.5, 2.0)
        elif tensor.is_floating_point():
            # Short numbers: sums of two biases are exact in any order.
            tensor.normal_(0.0, 0.5).mul_(256).round_().div_(256)
    return model.eval()


def weights_of(model):
    return {key: tensor.numpy().copy() for key, tensor in model.state_dict().items()}


def example(name):
    """A batch of one, as PyTorch takes it."""
    rng = np.random.default_rng(0)
    if name == "transformer":
        return rng.integers(0, ENTRIES, size=(1, *SHAPES[name]))
    return rng.normal(size=(1, *SHAPES[name])).astype(np.float32)


def channels_last(x):
    return np.moveaxis(x, 1, -1) if x.ndim == 4 else x


def rows_last(weight, shape):
    """The kernel of a dense layer that reads (C, H, W) flattened, for (H, W, C): (in, out)."""
    wide = weight.reshape(-1, *shape).transpose(0, 2, 3, 1)
    return wide.reshape(len(weight), -1).T


def hwio(kernel):
    return kernel.transpose(2, 3, 1, 0)


# -- Keras ----------------------------------------------------------------------------------------


def keras_twin(name, weights):
    import keras
    from keras import layers as kl

    w = weights
    given = []

    def put(layer, *values):
        given.append((layer, values))
        return layer

    def dense(key, n, **kw):
        return put(kl.Dense(n, name=key, **kw), w[f"{key}.weight"].T, w[f"{key}.bias"])

    def norm(key):
        keys = ("weight", "bias", "running_mean", "running_var")
        layer = kl.BatchNormalization(epsilon=1e-5, name=key)
        return put(layer, *(w[f"{key}.{k}"] for k in keys))

    def conv(key, n, **kw):
        values = [hwio(w[f"{key}.weight"]), *([w[f"{key}.bias"]] if kw["use_bias"] else [])]
        return put(kl.Conv2D(n, 3, name=key, **kw), *values)

    if name == "mlp":
        x = i = keras.Input((12,))
        for k, n, activation in ((0, 16, "relu"), (2, 8, "tanh"), (4, 4, None)):
            layer = put(kl.Dense(n, activation=activation), w[f"{k}.weight"].T, w[f"{k}.bias"])
            x = layer(x)
    elif name == "cnn":
        i = keras.Input((12, 12, 3))
        x = kl.ZeroPadding2D(1)(i)
        x = kl.ReLU()(norm("norm1")(conv("conv1", 8, strides=2, use_bias=True)(x)))
        y = kl.ReLU()(norm("norm2")(conv("conv2", 8, padding="same", use_bias=False)(x)))
        y = norm("norm3")(conv("conv3", 8, padding="same", use_bias=False)(y))
        x = kl.MaxPooling2D(2)(kl.ReLU()(kl.Add()([y, x])))
        fc = put(kl.Dense(4), rows_last(w["fc.weight"], (8, 3, 3)), w["fc.bias"])
        x = fc(kl.Flatten()(x))
    elif name == "autoencoder":
        i = keras.Input((9, 9, 1))
        x = kl.Flatten()(conv("encode", 4, strides=2, use_bias=True, activation="relu")(i))
        x = put(kl.Dense(6), rows_last(w["squeeze.weight"], (4, 4, 4)), w["squeeze.bias"])(x)
        x = kl.Reshape((4, 4, 4))(dense("widen", 64, activation="relu")(x))
        x = kl.Permute((2, 3, 1))(x)
        decode = kl.Conv2DTranspose(1, 3, strides=2, activation="sigmoid")
        x = put(decode, w["decode.weight"].transpose(2, 3, 1, 0), w["decode.bias"])(x)
    elif name == "lstm":
        i = keras.Input((4, 5))
        bias = w["lstm.bias_ih_l0"] + w["lstm.bias_hh_l0"]
        lstm = put(kl.LSTM(6), w["lstm.weight_ih_l0"].T, w["lstm.weight_hh_l0"].T, bias)
        x = dense("fc", 3)(lstm(i))
    else:
        i, x = _keras_transformer(keras, kl, w, put, dense)
    model = keras.Model(i, x)
    for layer, values in given:
        layer.set_weights(list(values))
    return model


def _keras_transformer(keras, kl, w, put, dense):
    n, per_head = SHAPES["transformer"][0], WIDTH // HEADS

    def norm(key):
        layer = kl.LayerNormalization(epsilon=1e-5, name=key)
        return put(layer, w[f"{key}.weight"], w[f"{key}.bias"])

    i = keras.Input((n,), dtype="int32")
    x = put(kl.Embedding(ENTRIES, WIDTH), w["embed.weight"])(i)

    class Position(kl.Layer):
        def build(self, shape):
            self.table = self.add_weight(shape=shape[1:], name="table")

        def call(self, x):
            return x + self.table

    x = put(Position(), w["position"])(x)
    attention = kl.MultiHeadAttention(HEADS, per_head)
    values = []
    for key in ("query", "key", "value"):
        values.append(w[f"{key}.weight"].T.reshape(WIDTH, HEADS, per_head))
        values.append(w[f"{key}.bias"].reshape(HEADS, per_head))
    values += [w["out.weight"].T.reshape(HEADS, per_head, WIDTH), w["out.bias"]]
    y = norm("norm1")(x)
    x = kl.Add()([x, put(attention, *values)(y, y, use_causal_mask=True)])
    y = dense("down", WIDTH)(dense("up", 16, activation="gelu")(norm("norm2")(x)))
    x = kl.Add()([x, y])
    return i, dense("head", ENTRIES)(norm("norm3")(x))


# -- Flax -----------------------------------------------------------------------------------------


def flax_twin(name, weights):
    """Return a function of (params, x), and the params."""
    import flax.linen as fl
    import jax.numpy as jnp

    w = weights

    def dense(key):
        return {"kernel": w[f"{key}.weight"].T, "bias": w[f"{key}.bias"]}

    def conv(key):
        bias = {"bias": w[f"{key}.bias"]} if f"{key}.bias" in w else {}
        return {"kernel": hwio(w[f"{key}.weight"]), **bias}

    def norm(key):
        return {"scale": w[f"{key}.weight"], "bias": w[f"{key}.bias"]}

    if name == "mlp":

        class Model(fl.Module):
            @fl.compact
            def __call__(self, x):
                x = fl.relu(fl.Dense(16, name="a")(x))
                return fl.Dense(4, name="c")(fl.tanh(fl.Dense(8, name="b")(x)))

        params = {"a": dense("0"), "b": dense("2"), "c": dense("4")}
        return Model().apply, {"params": params}
    if name == "cnn":

        class Model(fl.Module):
            @fl.compact
            def __call__(self, x):
                def normed(key, x):
                    return fl.BatchNorm(True, epsilon=1e-5, name=key)(x)

                pad = ((1, 1), (1, 1))
                x = fl.Conv(8, (3, 3), strides=2, padding=pad, name="conv1")(x)
                x = fl.relu(normed("norm1", x))
                y = fl.Conv(8, (3, 3), padding=pad, use_bias=False, name="conv2")(x)
                y = fl.relu(normed("norm2", y))
                y = fl.Conv(8, (3, 3), padding=pad, use_bias=False, name="conv3")(y)
                x = fl.relu(normed("norm3", y) + x)
                x = fl.max_pool(x, (2, 2), (2, 2))
                return fl.Dense(4, name="fc")(x.reshape(x.shape[0], -1))

        keys = ("norm1", "norm2", "norm3")
        params = {k: conv(k) for k in ("conv1", "conv2", "conv3")} | {k: norm(k) for k in keys}
        params["fc"] = {"kernel": rows_last(w["fc.weight"], (8, 3, 3)), "bias": w["fc.bias"]}
        stats = {k: {"mean": w[f"{k}.running_mean"], "var": w[f"{k}.running_var"]} for k in keys}
        return Model().apply, {"params": params, "batch_stats": stats}
    if name == "autoencoder":

        class Model(fl.Module):
            @fl.compact
            def __call__(self, x):
                x = fl.relu(fl.Conv(4, (3, 3), strides=2, padding="VALID", name="encode")(x))
                x = fl.Dense(6, name="squeeze")(x.reshape(x.shape[0], -1))
                x = fl.relu(fl.Dense(64, name="widen")(x)).reshape(-1, 4, 4, 4)
                x = x.transpose(0, 2, 3, 1)
                decode = fl.ConvTranspose(1, (3, 3), strides=(2, 2), padding="VALID", name="decode")
                return fl.sigmoid(decode(x))

        squeeze = {"kernel": rows_last(w["squeeze.weight"], (4, 4, 4)), "bias": w["squeeze.bias"]}
        # Flax correlates with the kernel as it is; PyTorch's transposed convolution flips it.
        kernel = w["decode.weight"].transpose(2, 3, 0, 1)[::-1, ::-1]
        params = {"encode": conv("encode"), "squeeze": squeeze,
                  "widen": dense("widen"),
                  "decode": {"kernel": kernel.copy(), "bias": w["decode.bias"]}}  # fmt: skip
        return Model().apply, {"params": params}
    if name == "lstm":

        class Model(fl.Module):
            @fl.compact
            def __call__(self, x):
                x = fl.RNN(fl.OptimizedLSTMCell(6), name="lstm")(x)
                return fl.Dense(3, name="fc")(x[:, -1])

        wi, wh = w["lstm.weight_ih_l0"], w["lstm.weight_hh_l0"]
        bias = w["lstm.bias_ih_l0"] + w["lstm.bias_hh_l0"]
        cell = {}
        for k, gate in enumerate("ifgo"):
            rows = slice(6 * k, 6 * k + 6)
            cell[f"i{gate}"] = {"kernel": wi[rows].T}
            cell[f"h{gate}"] = {"kernel": wh[rows].T, "bias": bias[rows]}
        return Model().apply, {"params": {"OptimizedLSTMCell_0": cell, "fc": dense("fc")}}

    class Model(fl.Module):
        @fl.compact
        def __call__(self, tokens):
            n = tokens.shape[1]

            def normed(key, x):
                return fl.LayerNorm(epsilon=1e-5, name=key)(x)

            x = fl.Embed(ENTRIES, WIDTH, name="embed")(tokens)
            x = x + self.param("position", fl.initializers.zeros, (n, WIDTH))
            y = normed("norm1", x)
            mask = fl.make_causal_mask(jnp.ones((1, n)))
            x = x + fl.MultiHeadDotProductAttention(HEADS, name="attention")(y, mask=mask)
            y = fl.Dense(16, name="up")(normed("norm2", x))
            x = x + fl.Dense(WIDTH, name="down")(fl.gelu(y, approximate=False))
            return fl.Dense(ENTRIES, name="head")(normed("norm3", x))

    per_head = WIDTH // HEADS
    attention = {
        key: {"kernel": w[f"{key}.weight"].T.reshape(WIDTH, HEADS, per_head),
              "bias": w[f"{key}.bias"].reshape(HEADS, per_head)}
        for key in ("query", "key", "value")
    }  # fmt: skip
    attention["out"] = {"kernel": w["out.weight"].T.reshape(HEADS, per_head, WIDTH),
                        "bias": w["out.bias"]}  # fmt: skip
    params = {"embed": {"embedding": w["embed.weight"]}, "position": w["position"],
              "attention": attention, **{k: dense(k) for k in ("up", "down", "head")},
              **{k: norm(k) for k in ("norm1", "norm2", "norm3")}}  # fmt: skip
    return Model().apply, {"params": params}
