"""Random Flax architectures, small, channels last, with random batch norm statistics."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

SIZES = {1: (11,), 2: (6, 5), 3: (4, 3, 4)}
ACTIVATIONS = (
    nn.relu, nn.tanh, nn.sigmoid, nn.leaky_relu, nn.silu, nn.softplus, nn.hard_tanh,
    lambda x: nn.gelu(x, approximate=False), lambda x: jnp.where(x > 0, x, 0.0),
    lambda x: jnp.maximum(x, 0) - 0.01 * jnp.maximum(-x, 0), lambda x: jnp.clip(x, -1, 1),
    lambda x: x / (1 + jnp.exp(-x)), lambda x: jnp.logaddexp(x, 0),
)  # fmt: skip


class RandomNet(nn.Module):
    """A chain of random steps; the same seed takes the same steps at every call."""

    seed: int

    @nn.compact
    def __call__(self, x):
        return Steps(self, x.ndim - 2).run(x)


class Gain(nn.Module):
    """A learned number a channel."""

    @nn.compact
    def __call__(self, x):
        return self.param("gain", nn.initializers.normal(), (x.shape[-1],))


class Steps:
    """What a random network is made of."""

    def __init__(self, module, rank):
        self.module, self.rank = module, rank
        self.rng = np.random.default_rng(module.seed)
        self.padded = False

    def run(self, x):
        x = self.convolution(x)
        for _ in range(int(self.rng.integers(3, 7))):
            x = self.choose(x)
        return self.head(x)

    def pick(self, *options):
        return options[int(self.rng.integers(len(options)))]

    def some(self):
        return bool(self.rng.integers(2))

    def sizes(self, *options):
        return tuple(self.pick(*options) for _ in range(self.rank))

    def activate(self, x, *, none=True):
        return x if none and self.rng.integers(3) == 0 else self.pick(*ACTIVATIONS)(x)

    def norm(self, x):
        if not self.some():
            return x
        return nn.BatchNorm(True, use_bias=self.some(), use_scale=self.some(), epsilon=1e-3)(x)

    def unit(self, x, n_out, *, strides=None, groups=1):
        """A convolution that keeps the size where its stride is one."""
        self.padded = False
        x = nn.Conv(
            n_out, self.sizes(1, 2, 3), strides=strides, padding=self.pick("SAME", "CIRCULAR"),
            kernel_dilation=self.sizes(1, 2), feature_group_count=groups, use_bias=self.some(),
        )(x)  # fmt: skip
        return self.norm(x)

    def choose(self, x):
        names = [
            "convolution", "transposed", "depthwise", "pool", "residual", "concatenate", "chunk",
            "movement", "shared", "scale", "positions", "heads", "padding", "dropout", "squeeze",
        ]  # fmt: skip
        return getattr(self, self.pick(*names))(x)

    def convolution(self, x):
        groups = self.pick(1, x.shape[-1])
        n_out = groups * self.pick(1, 2, 3)
        return self.activate(self.unit(x, n_out, strides=self.sizes(1, 2), groups=groups))

    def depthwise(self, x):
        n = x.shape[-1]
        return self.activate(self.unit(x, n * self.pick(1, 2), groups=n))

    def transposed(self, x):
        if x[0, ..., 0].size > 60 or min(x.shape[1:-1]) < 2:
            return self.convolution(x)
        self.padded = False
        x = nn.ConvTranspose(
            self.pick(1, 2), self.sizes(1, 2, 3), strides=self.sizes(1, 2, 3),
            padding=self.pick("SAME", "VALID", [(1, 2)] * self.rank),
            kernel_dilation=self.sizes(1, 2), use_bias=self.some(),
        )(x)  # fmt: skip
        return self.activate(self.norm(x))

    def pool(self, x):
        window, strides = self.sizes(1, 2, 3), self.sizes(1, 2)
        padding = self.pick("SAME", "VALID", [(1, 0)] * self.rank)
        if min(x.shape[1:-1]) < 3:
            padding = "SAME"
        if self.some() and not self.padded and padding != [(1, 0)] * self.rank:
            return nn.max_pool(x, window, strides, padding)
        include = self.some() if padding == "SAME" else True
        return nn.avg_pool(x, window, strides, padding, count_include_pad=include)

    def residual(self, x):
        y = self.unit(x, x.shape[-1])
        return self.activate(x - y if self.some() else y + x)

    def concatenate(self, x):
        kept = [x] if self.some() or self.padded else []
        return jnp.concatenate([self.unit(x, self.pick(1, 2)) for _ in range(2)] + kept, axis=-1)

    def chunk(self, x):
        if x.shape[-1] < 2:
            return self.convolution(x)
        left, right = jnp.split(x, [x.shape[-1] // 2], axis=-1)
        return jnp.concatenate([right, self.unit(left, self.pick(1, 2))], axis=-1)

    def movement(self, x):
        last = x.shape[-1]
        moves = [
            lambda x: x[..., ::-1],
            lambda x: x[:, : max(x.shape[1] - 1, 1)],
            lambda x: x[:, ::2],
            lambda x: jnp.swapaxes(x, 1, 2) if x.ndim > 3 else jnp.roll(x, 1, axis=1),
            lambda x: x[..., np.array([last - 1, *range(last)])],
            lambda x: jnp.repeat(x, 2, axis=1) if x.shape[1] < 5 else x,
            lambda x: jnp.take(x, np.array([0, 0]), axis=-1),
            lambda x: jax.lax.dynamic_slice_in_dim(x, 0, 1, axis=1),
        ]
        return self.pick(*moves)(x)

    def padding(self, x):
        if self.some():
            self.padded = True
            return jnp.pad(x, [(0, 0), *[(1, 0)] * self.rank, (0, 0)])
        return jnp.pad(x, [(0, 0), *[(1, 1)] * self.rank, (0, 0)], mode=self.pick("edge", "wrap"))

    def shared(self, x):
        self.padded = False
        conv, n = nn.Conv(x.shape[-1], self.sizes(1, 3)), self.activate
        return n(conv(n(conv(x))))

    def scale(self, x):
        factor, shift = float(self.rng.normal()), float(self.rng.normal())
        wide = self.rng.normal(size=x.shape[-1])
        scaled = [
            lambda x: x * factor, lambda x: x + shift, lambda x: shift - x / (1 + abs(factor)),
            lambda x: -(x * factor + shift), lambda x: x * wide,
            lambda x: x * Gain()(x),
        ]  # fmt: skip
        return self.pick(*scaled)(x)

    def positions(self, x):
        """A dense layer on the channels of every position."""
        self.padded = False
        return self.activate(self.norm(nn.Dense(self.pick(2, 3), use_bias=self.some())(x)))

    def heads(self, x):
        """A dense layer whose features have two axes, and one that takes both away."""
        self.padded = False
        x = nn.DenseGeneral((2, self.pick(1, 2)), use_bias=self.some())(x)
        x = self.activate(x)
        return nn.DenseGeneral(self.pick(1, 3), axis=(-2, -1), use_bias=self.some())(x)

    def dropout(self, x):
        return nn.Dropout(0.5, deterministic=True)(x)

    def squeeze(self, x):
        """A mean over some of the positions, which stay as one."""
        return x if self.padded else x.mean(axis=1, keepdims=True)

    def head(self, x):
        pooled = self.some() and not self.padded
        x = x.mean(axis=tuple(range(1, x.ndim - 1))) if pooled else x.reshape(len(x), -1)
        x = self.activate(self.norm(nn.Dense(5)(x)), none=False)
        return nn.Dense(3)(x)


def random_flax(seed):
    """Return a random model, its variables, and one sample with a batch of one."""
    rng = np.random.default_rng(seed)
    rank = int(rng.integers(1, 4))
    x = rng.normal(size=(1, *SIZES[rank], int(rng.integers(1, 4))))
    model = RandomNet(seed)
    variables = jax.eval_shape(model.init, jax.random.key(0), x)
    return model, randomize(variables, seed), x


def randomize(variables, seed=0):
    """Give every parameter and statistic a random value, in float64 where JAX has it."""
    rng = np.random.default_rng(seed)

    def value(path, leaf):
        if path[-1].key == "var":
            return rng.uniform(0.5, 1.5, size=leaf.shape)
        scale = 1.0 if leaf.ndim < 2 else np.prod(leaf.shape[:-1]) ** -0.5
        return scale * rng.normal(size=leaf.shape)

    return jax.tree_util.tree_map_with_path(value, variables)


def record(model, variables, *inputs):
    """Run a Flax model; return its output and that of every call of a module, channels first."""
    quickly = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    run = jax.jit(lambda *args: model.apply(*args, capture_intermediates=True),
                  compiler_options=quickly)  # fmt: skip
    result, state = run(variables, *inputs)
    calls = {}
    for path, value in jax.tree_util.tree_leaves_with_path(state["intermediates"]):
        *names, last, _ = (key.key if hasattr(key, "key") else key.idx for key in path)
        if last == "__call__" and names and value.ndim > 1:
            # Heads are features, too.
            value = np.asarray(value).reshape(*value.shape[: inputs[0].ndim - 1], -1)
            calls.setdefault(".".join(names), []).append(np.moveaxis(value, -1, 1))
    return result, calls
