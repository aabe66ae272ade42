"""Operations of ``keras.ops`` in models, decided by Keras' own forward pass."""

import numpy as np
import pytest
from keras import activations, ops
from keras import layers as kl
from oracles.keras_models import check, flat, functional

import cntgraph as cg
from cntgraph.core.errors import CoverageWarning

ROWS, IMAGE = (3, 5), (6, 5, 3)

#: By name: the shape of an input, and what is made of what a dense layer gives for it.
MOVEMENT = {
    "slices and transpose": lambda y: ops.transpose(y[:, 1:, ::2], (0, 2, 1)),
    "reshape": lambda y: ops.reshape(y, (-1, 2, 6)),
    "concatenate": lambda y: ops.concatenate([y, ops.flip(y, axis=1)], axis=-1),
    "stack and swap": lambda y: ops.swapaxes(ops.stack([y, y * 2.0], axis=1), 1, 3),
    "split": lambda y: ops.split(y, 2, axis=-1)[1],
    "array split": lambda y: ops.array_split(y, 2, axis=1)[0],
    "expand and squeeze": lambda y: ops.squeeze(ops.expand_dims(y, 1), 1),
    "roll and tile": lambda y: ops.tile(ops.roll(y, 1, axis=1), (1, 2, 1)),
    "repeat": lambda y: ops.repeat(y, 2, axis=1),
    "rot90": lambda y: ops.rot90(y, axes=(1, 2)),
    "take": lambda y: ops.take(y, [2, 0], axis=1),
    "take along axis": lambda y: ops.take_along_axis(y, np.array([[[0, 1, 1, 2]]]), axis=1),
    "moveaxis": lambda y: ops.moveaxis(y, 1, -1),
    "unstack": lambda y: ops.unstack(y, axis=1)[1],
    "broadcast": lambda y: ops.broadcast_to(y[:, :1], (1, 3, 4)),
    "reflected padding": lambda y: ops.pad(y, ((0, 0), (1, 1), (0, 0)), mode="reflect"),
    "padding": lambda y: ops.pad(y, ((0, 0), (1, 0), (0, 2))),
    "triangle": lambda y: ops.tril(y, 1),
    "where": lambda y: ops.where(np.array([[True], [False], [True]]), y, 0.0),
    "einsum of one": lambda y: ops.einsum("bij->bji", y),
    "cast": lambda y: ops.cast(y, "float32"),
    "stop gradient": ops.stop_gradient,
}

ELEMENTWISE = {
    "scale and shift": lambda y: y * 2.0 + 1.0,
    "reverse subtract and divide": lambda y: (1.0 - y) / 4.0,
    "negative": lambda y: -y,
    "vectors": lambda y: y * np.arange(1.0, 5.0, dtype="float32") - np.ones((3, 1), "float32"),
    "branches": lambda y: y + ops.relu(kl.Dense(4)(y)) - ops.flip(y, axis=1),
    "gate": lambda y: kl.Dense(4)(y) * ops.sigmoid(kl.Dense(4)(y)),
    "gate, the other way round": lambda y: ops.sigmoid(kl.Dense(4)(y)) * kl.Dense(4)(y),
    "a square": lambda y: ops.square(y) / 2.0,
    "a product with itself": lambda y: kl.Dense(3)(y * y),
    "maximum": lambda y: ops.maximum(y, 0.0),
    "maximum of branches": lambda y: ops.maximum(kl.Dense(4)(y), kl.Dense(4)(y)),
    "minimum of branches": lambda y: ops.minimum(kl.Dense(4)(y), kl.Dense(4)(y)),
    "product with an inverse": lambda y: kl.Dense(4)(y) / ops.exp(kl.Dense(4)(y)),
    "one over": lambda y: 2.0 / ops.exp(y),
}

REDUCTION = {
    "mean": lambda y: ops.mean(y, axis=1),
    "mean, kept": lambda y: ops.mean(y, axis=-1, keepdims=True),
    "sum of two axes": lambda y: ops.sum(y, axis=(1, 2)),
    "max": lambda y: ops.max(y, axis=1),
    "min": lambda y: ops.min(y, axis=(1,), keepdims=True),
    "variance": lambda y: ops.var(y, axis=1),
    "deviation": lambda y: ops.std(y, axis=-1),
}

PRODUCTS = {
    "matmul": lambda y: ops.matmul(y, np.arange(8.0, dtype="float32").reshape(4, 2)),
    "matmul from the left": lambda y: ops.matmul(np.ones((2, 3), "float32") * 0.5, y),
    "matmul with a vector": lambda y: ops.matmul(y, np.arange(4.0, dtype="float32")),
    "einsum": lambda y: ops.einsum("bij,jk->bki", y, np.ones((4, 2), "float32") / 3),
    "einsum, grouped": lambda y: ops.einsum("bij,ijk->bik", y, np.ones((3, 4, 2), "float32")),
    "tensordot": lambda y: ops.tensordot(y, np.ones((4, 2), "float32"), axes=1),
    "dot": lambda y: ops.dot(y, np.ones((4, 2), "float32")),
}

KINDS = {"movement": MOVEMENT, "elementwise": ELEMENTWISE, "reduction": REDUCTION,
         "products": PRODUCTS}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, table in KINDS.items() for name in table]
)
def test_operations(kind, name):
    check(functional(lambda x: flat(KINDS[kind][name](kl.Dense(4)(x))), ROWS), ROWS)


class Upwards(kl.Layer):
    """Keras does not carry this operation out as a node of a graph."""

    def call(self, x):
        return ops.conv_transpose(x, np.ones((2, 2, 4, 3), "float32"), 2)


IMAGES = {
    "pools": lambda x: ops.average_pool(ops.max_pool(x, 2, 1), (3, 1), (2, 1), padding="same"),
    "patches": lambda x: ops.image.extract_patches(x, 2),
    "overlapping patches": lambda x: ops.image.extract_patches(x, 3, strides=2, padding="same"),
    "depth to space": lambda x: ops.depth_to_space(kl.Conv2D(8, 2)(x), 2),
    "convolution": lambda x: ops.conv(x, np.ones((2, 2, 3, 4), "float32"), 1, "same"),
    "depthwise": lambda x: ops.depthwise_conv(x, np.ones((2, 2, 3, 2), "float32")),
    "separable": lambda x: ops.separable_conv(
        x, np.ones((2, 2, 3, 2), "float32"), np.ones((1, 1, 6, 4), "float32")),
    "transposed": lambda x: Upwards()(x),
    "nearest": lambda x: ops.image.resize(x, (9, 5), interpolation="nearest"),
    "bilinear": lambda x: ops.image.resize(x, (9, 7)),
}  # fmt: skip


@pytest.mark.parametrize("name", IMAGES)
def test_operations_on_images(name):
    check(functional(lambda x: flat(IMAGES[name](x)), IMAGE), IMAGE)


def test_a_gated_linear_unit():
    net = cg.load(functional(lambda x: flat(activations.glu(kl.Dense(8)(x))), ROWS), strict=True)
    (gated,) = (layer for layer in net.layers if layer.kind == "multiply")
    assert [block.modulatory for block in net.blocks_into(gated)] == [False, True]


def test_what_the_data_decides_leads_from_both_sides():
    def build(x):
        y, z = kl.Dense(4, name="one")(x), kl.Dense(4, name="two")(x)
        return ops.where(ops.logical_and(y > 0, ops.cast(z, "bool")), y, z)

    net = cg.load(functional(build, (5,)), strict=True)
    assert net.layers[-1].kind == "where"
    assert [block.n_edges for block in net.blocks_into(net.layers[-1])] == [4, 4]


def test_a_product_of_two_inputs_is_cut():
    def build(x):
        return ops.einsum("bi,ij,bj->b", x, np.ones((4, 4), "float32"), x)[:, None]

    with pytest.warns(CoverageWarning, match="a product of two inputs is not an edge"):
        cg.load(functional(build, (4,)))


def test_what_mixes_the_samples_of_a_batch_is_cut():
    with pytest.warns(CoverageWarning, match="mixes the samples"):
        cg.load(functional(lambda x: x - ops.mean(x, axis=0, keepdims=True), (4,)))
