"""The Keras adapter, layer by layer, decided by Keras' own forward pass."""

import pytest
from keras import layers as kl
from oracles.keras_models import check, sequential

import cntgraph as cg

FLAT = (5,)
LINE, IMAGE, VOLUME = (9, 3), (7, 6, 3), (4, 5, 4, 2)

#: For each kind of layer, the shape of an input and the layers of a model.
LAYERS = {
    "dense": (FLAT, lambda: [kl.Dense(4, "tanh"), kl.Dense(3, use_bias=False)]),
    "dense on positions": ((4, 5), lambda: [kl.Dense(6, "relu"), kl.Dense(3)]),
    "dense on an image": (IMAGE, lambda: [kl.Dense(4, "relu"), kl.Flatten(), kl.Dense(2)]),
    "conv1d": (LINE, lambda: [
        kl.Conv1D(4, 3, strides=2, padding="same", activation="relu"),
        kl.Conv1D(4, 3, padding="causal", dilation_rate=2), kl.Flatten(), kl.Dense(2)]),
    "conv2d": (IMAGE, lambda: [
        kl.Conv2D(4, (3, 2), strides=(2, 1), activation="relu"),
        kl.Conv2D(6, 3, padding="same", groups=2, use_bias=False),
        kl.Flatten(), kl.Dense(2)]),
    "conv3d": (VOLUME, lambda: [kl.Conv3D(4, (3, 2, 2), padding="same", strides=2)]),
    "dilated": (IMAGE, lambda: [kl.Conv2D(2, 2, dilation_rate=(2, 3), padding="same")]),
    "depthwise 1d": (LINE, lambda: [kl.DepthwiseConv1D(3, depth_multiplier=2, padding="same")]),
    "depthwise 2d": (IMAGE, lambda: [
        kl.DepthwiseConv2D(3, depth_multiplier=2, strides=2, padding="same", activation="relu")]),
    "separable 1d": (LINE, lambda: [kl.SeparableConv1D(4, 3, strides=2)]),
    "separable 2d": (IMAGE, lambda: [
        kl.SeparableConv2D(4, 3, depth_multiplier=2, padding="same", activation="relu")]),
    "batch norm": (IMAGE, lambda: [
        kl.Conv2D(4, 3, use_bias=False), kl.BatchNormalization(), kl.ReLU(), kl.Conv2D(2, 1),
        kl.BatchNormalization(scale=False, center=False)]),
    "batch norm on positions": ((4, 5), lambda: [
        kl.Dense(3), kl.BatchNormalization(axis=1), kl.Dense(2)]),
    "up-sampling 1d": ((4, 2), lambda: [kl.UpSampling1D(3), kl.Conv1D(2, 2)]),
    "up-sampling 2d": ((4, 3, 2), lambda: [kl.UpSampling2D((2, 3)), kl.Conv2D(2, 2)]),
    "up-sampling, bilinear": ((4, 3, 2), lambda: [
        kl.UpSampling2D((2, 3), interpolation="bilinear"), kl.Conv2D(2, 2)]),
    "up-sampling 3d": ((2, 3, 2, 2), lambda: [kl.UpSampling3D(2), kl.Conv3D(2, 2)]),
    "padding and cropping 1d": ((6, 2), lambda: [
        kl.ZeroPadding1D(2), kl.Conv1D(3, 3), kl.Cropping1D(1), kl.Dense(2)]),
    "padding and cropping 2d": (IMAGE, lambda: [
        kl.ZeroPadding2D(((1, 2), (0, 1))), kl.Conv2D(3, 3), kl.Cropping2D(((1, 0), (0, 1))),
        kl.Conv2D(2, 2)]),
    "padding and cropping 3d": ((3, 3, 3, 2), lambda: [
        kl.ZeroPadding3D(1), kl.Conv3D(3, 3), kl.Cropping3D(1), kl.Dense(2)]),
    "movement": ((6, 4), lambda: [
        kl.Reshape((3, 8)), kl.Permute((2, 1)), kl.Dense(3), kl.Flatten(), kl.Dense(2),
        kl.RepeatVector(3), kl.Dense(2)]),
    "every step": ((4, 5), lambda: [
        kl.TimeDistributed(kl.Dense(3, "relu")), kl.Flatten(), kl.Dense(2)]),
    "frames": ((3, 4, 4, 2), lambda: [
        kl.TimeDistributed(kl.Conv2D(3, 2, activation="relu")), kl.Flatten(), kl.Dense(2)]),
    "a model on every frame": ((3, 4, 4, 2), lambda: [
        kl.TimeDistributed(sequential(
            (4, 4, 2), kl.Conv2D(3, 2), kl.BatchNormalization(), kl.ReLU(), kl.MaxPooling2D(2),
            kl.Flatten(), kl.Dense(3))),
        kl.Flatten(), kl.Dense(2)]),
    "spectral norm": (FLAT, lambda: [kl.SpectralNormalization(kl.Dense(4)), kl.Dense(2)]),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    shape, layers = LAYERS[name]
    check(sequential(shape, *layers()), shape)


def test_norms_are_folded_or_kept():
    shape, layers = LAYERS["batch norm"]
    folded, kept = (
        check(sequential(shape, *layers()), shape, load={"norm": norm}) for norm in ("fold", "keep")
    )
    assert [layer.kind for layer in folded.layers] == ["input", "conv", "conv"]
    assert [layer.kind for layer in kept.layers] == ["input", "conv", "norm", "conv", "norm"]


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["Max", "Average"])
def test_pooling(kind, rank, padding):
    # Keras on PyTorch repeats the border where a padding is uneven: here it never is.
    shape = (5, 7, 5)[:rank]
    layer = getattr(kl, f"{kind}Pooling{rank}D")(3, 2, padding=padding)
    net = check(sequential((*shape, 2), layer), (*shape, 2))
    sizes = [-(-n // 2) if padding == "same" else (n - 3) // 2 + 1 for n in shape]
    assert net.layers[-1].shape == (2, *sizes)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["Max", "Average"])
def test_pooling_of_everything(kind, rank):
    shape = (*(4, 5, 3)[:rank], 2)
    everything = getattr(kl, f"Global{kind}Pooling{rank}D")
    check(sequential(shape, everything()), shape)
    check(sequential(shape, everything(keepdims=True)), shape)
    check(sequential(shape, getattr(kl, f"Adaptive{kind}Pooling{rank}D")(2)), shape)


TRANSPOSED = [
    (1, "valid", None, 3, 1), (2, "valid", None, 3, 1), (2, "same", None, 3, 1),
    (3, "same", None, 2, 1), (3, "valid", None, 2, 1), (2, "same", 1, 3, 1),
    (2, "valid", 1, 3, 1), (1, "same", None, 4, 2), (2, "same", None, 4, 1), (3, "same", 2, 5, 1),
    (1, "valid", None, 3, 2),
]  # fmt: skip


@pytest.mark.parametrize(("stride", "padding", "extra", "kernel", "dilation"), TRANSPOSED)
def test_transposed_convolutions(stride, padding, extra, kernel, dilation):
    layer = kl.Conv2DTranspose(
        3, kernel, strides=stride, padding=padding, output_padding=extra, dilation_rate=dilation
    )
    check(sequential((4, 5, 2), layer), (4, 5, 2))


@pytest.mark.parametrize("rank", [1, 3])
def test_transposed_convolutions_of_other_ranks(rank):
    shape = (*(4, 3, 2)[:rank], 2)
    layer = getattr(kl, f"Conv{rank}DTranspose")(3, 3, strides=2, padding="same")
    check(sequential(shape, layer), shape)


ACTIVATIONS = (
    "elu exponential gelu hard_sigmoid leaky_relu linear mish relu relu6 selu sigmoid silu "
    "softmax softplus softsign tanh"
).split()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    check(sequential((5,), kl.Dense(4, name), kl.Dense(2)), (5,))


#: Layers that compute nothing but an elementwise function, a normalization, or nothing at all.
ELEMENTWISE = {
    "ReLU": kl.ReLU, "LeakyReLU": lambda: kl.LeakyReLU(0.2), "ELU": kl.ELU,
    "Softmax": kl.Softmax, "Activation": lambda: kl.Activation("tanh"),
    "Dropout": lambda: kl.Dropout(0.5), "SpatialDropout": lambda: kl.SpatialDropout1D(0.5),
    "GaussianNoise": lambda: kl.GaussianNoise(0.5),
    "GaussianDropout": lambda: kl.GaussianDropout(0.5),
    "AlphaDropout": lambda: kl.AlphaDropout(0.5), "Identity": kl.Identity,
    "ActivityRegularization": lambda: kl.ActivityRegularization(0.1),
    "LayerNormalization": kl.LayerNormalization,
    "RMSNormalization": kl.RMSNormalization, "UnitNormalization": kl.UnitNormalization,
    "Rescaling": lambda: kl.Rescaling(2.0, 1.0), "Normalization": kl.Normalization,
    "Normalization of its own": lambda: kl.Normalization(mean=[1.0, 2, 3, 4],
                                                        variance=[1.0, 2, 3, 4]),
    "Normalization, inverse": lambda: kl.Normalization(invert=True), "Masking": kl.Masking,
}  # fmt: skip


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_layers(name):
    model = sequential((3, 5), kl.Dense(4), ELEMENTWISE[name](), kl.Dense(2))
    net = check(model, (3, 5))
    assert not net.coverage.query("kind == 'parameter'")["status"].eq("skipped").any()


def test_the_slope_of_a_prelu_is_part_of_an_activation():
    net = cg.load(sequential((3, 4), kl.Dense(4), kl.PReLU(), kl.Dense(2)), strict=True)
    assert net.layers[1].activation == "prelu"
    assert net.coverage["status"].to_list().count("folded") == 1
