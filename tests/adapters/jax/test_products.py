"""Products and convolutions in JAX, whatever the order of their axes."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jax import lax
from oracles.propagate import propagate

import cntgraph as cg

QUICK = settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))


def check(function, shapes, x, *, strict=True):
    """What the graph yields is what the function yields, read out so that order matters."""
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        params = {name: rng.normal(size=shape) for name, shape in shapes.items()}
        size = jax.eval_shape(function, params, x).size
        params["out"] = rng.normal(size=(size, 3))
        expected = function(params, x).reshape(1, -1) @ params["out"]
        net = cg.load(lambda p, x: function(p, x).reshape(1, -1) @ p["out"], params=params,
                      example_input=x, strict=strict)  # fmt: skip
    first = net.layers[0].shape
    order = [x.shape[1:].index(n) for n in first] if len(set(x.shape[1:])) == x.ndim - 1 else None
    given = x[0].transpose(order) if order else x[0]
    _, after = propagate(net, given)
    np.testing.assert_allclose(after[net.layers[-1].name], expected[0], rtol=0, atol=1e-9)
    return net


@st.composite
def convolutions(draw):
    """Shapes, settings and axis orders of a convolution whose result is not empty."""
    rank = draw(st.integers(1, 2))
    small = st.integers(1, 3)
    groups, sizes = draw(st.integers(1, 2)), [5, 7][:rank]
    taps = [draw(small) for _ in range(rank)]
    options = {
        "window_strides": [draw(st.integers(1, 2)) for _ in range(rank)],
        "lhs_dilation": [draw(small) for _ in range(rank)],
        "rhs_dilation": [draw(st.integers(1, 2)) for _ in range(rank)],
        "padding": [(draw(st.integers(-1, 3)), draw(st.integers(-1, 3))) for _ in range(rank)],
        "feature_group_count": groups,
    }
    channels = groups * draw(st.sampled_from([1, 2]))
    features = groups * draw(small)
    # The batch is the first axis of what goes in; the others come in any order.
    image = [0, *draw(st.permutations(range(1, rank + 2)))]
    orders = (image, draw(st.permutations(range(rank + 2))), draw(st.permutations(range(rank + 2))))
    shape = np.empty(rank + 2, int)
    shape[image] = [1, channels, *sizes]
    kernel = np.empty(rank + 2, int)
    kernel[list(orders[1])] = [features, channels // groups, *taps]
    options["dimension_numbers"] = lax.ConvDimensionNumbers(*(tuple(order) for order in orders))
    return tuple(shape.tolist()), tuple(kernel.tolist()), options


@QUICK
@given(convolutions())
def test_convolutions_with_any_settings(case):
    shape, kernel, options = case

    def function(p, x):
        return lax.conv_general_dilated(x, p["k"], **options)

    result = jax.eval_shape(function, {"k": jnp.zeros(kernel)}, jnp.zeros(shape))
    if 0 in result.shape or len(set(shape[1:])) < len(shape) - 1:
        return
    net = check(function, {"k": kernel}, np.random.default_rng(1).normal(size=shape))
    lhs, _, out = options["dimension_numbers"]
    channels, *positions = net.layers[0].shape
    assert channels == shape[lhs[1]]
    assert sorted(positions) == sorted(shape[axis] for axis in lhs[2:])
    assert net.layers[1].shape == tuple(result.shape[axis] for axis in out[1:])


def test_a_dilated_input_is_a_transposed_convolution():
    for strides, transposed in (((1, 1), True), ((2, 1), False)):
        net = check(
            lambda p, x, s=strides: lax.conv_general_dilated(
                x, p["k"], s, [(1, 2), (0, 0)], lhs_dilation=(2, 3), feature_group_count=2,
                dimension_numbers=("NHWC", "HWIO", "NHWC")),
            {"k": (3, 2, 2, 6)}, np.random.default_rng(1).normal(size=(1, 5, 6, 4)),
        )  # fmt: skip
        assert net.blocks[0].kind == "conv"
        assert net.blocks[0].transposed == transposed


def test_flax_transposes_kernels_either_way():
    import flax.linen as fl

    for transpose_kernel in (False, True):
        model = fl.ConvTranspose(2, (3, 2), strides=(2, 1), transpose_kernel=transpose_kernel,
                                 use_bias=False)  # fmt: skip
        kernel = (3, 2, 2, 3) if transpose_kernel else (3, 2, 3, 2)
        x = np.random.default_rng(1).normal(size=(1, 5, 6, 3))
        check(lambda p, x, m=model: m.apply({"params": {"kernel": p["k"]}}, x), {"k": kernel}, x)


@st.composite
def products(draw):
    """Axes of a product of nodes with a weight: shared, summed and of their own."""
    shared, summed, own = (draw(st.integers(low, 2)) for low in (0, 0, 1))
    n_out = draw(st.integers(0, 2))
    sizes = [draw(st.integers(2, 3)) for _ in range(shared + summed)]
    x = [1, *sizes, *(draw(st.integers(2, 4)) for _ in range(own))]
    w = [*sizes, *(draw(st.integers(1, 3)) for _ in range(n_out))]
    x_order = [0, *draw(st.permutations(range(1, len(x))))]
    w_order = draw(st.permutations(range(len(w))))
    axes = [(x_order.index(k + 1), list(w_order).index(k)) for k in range(shared + summed)]
    left, right = (tuple(a[side] for a in axes) for side in (0, 1))
    numbers = ((left[shared:], right[shared:]), (left[:shared], right[:shared]))
    shape = tuple(x[k] for k in x_order)
    return shape, tuple(w[k] for k in w_order), numbers, draw(st.booleans())


@QUICK
@given(products())
def test_products_over_any_axes(case):
    shape, weight, numbers, swapped = case
    turned = tuple(pair[::-1] for pair in numbers)

    def function(p, x):
        if swapped:
            return lax.dot_general(p["w"], x, turned)
        return lax.dot_general(x, p["w"], numbers)

    if weight:
        check(function, {"w": weight}, np.random.default_rng(1).normal(size=shape))


def test_one_matrix_a_head():
    x = np.random.default_rng(1).normal(size=(1, 5, 2, 3))
    net = check(lambda p, x: jnp.einsum("bthi,hij->bthj", x, p["w"]), {"w": (2, 3, 4)}, x)
    assert [layer.shape for layer in net.layers[1:3]] == [(4, 5), (4, 5)]


def test_a_weight_that_is_repeated_is_read_once():
    x = np.random.default_rng(1).normal(size=(1, 5, 3))
    net = check(lambda p, x: jnp.matmul(x, jnp.broadcast_to(p["w"], (1, 3, 4))), {"w": (3, 4)}, x)
    assert [layer.shape for layer in net.layers[:2]] == [(5, 3), (4, 5)]
    assert [p.name for p in net.blocks[0].parameters()] == ["w"]


def test_vmap_is_followed():
    def one(p, x):
        return jnp.tanh(p["w"] @ x + p["b"]) @ p["v"]

    x = np.random.default_rng(1).normal(size=(2, 6))
    params = {"w": np.ones((4, 6)), "b": np.ones(4), "v": np.ones((4, 3))}
    net = cg.load(jax.vmap(one, (None, 0)), params=params, example_input=x, strict=True)
    assert [layer.shape for layer in net.layers] == [(6,), (4,), (3,)]
    tokens = np.random.default_rng(1).normal(size=(2, 5, 6))
    twice = jax.vmap(jax.vmap(one, (None, 0)), (None, 0))
    net = cg.load(twice, params=params, example_input=tokens, strict=True)
    assert [layer.shape for layer in net.layers] == [(5, 6), (4, 5), (3, 5)]
