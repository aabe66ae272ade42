"""Initial weights of Keras, drawn by NumPy.

JAX compiles a program for every shape that it draws, and four for an orthogonal matrix: that was
a third of the time of a model whose weights nobody looks at.
"""

from types import SimpleNamespace

import numpy as np

LINEAR_ALGEBRA = SimpleNamespace(
    qr=np.linalg.qr, diag=np.diag, sign=np.sign, transpose=np.transpose, reshape=np.reshape
)


def draw_by_numpy():
    """Let Keras's initializers draw by NumPy from now on, from the seeds that they have."""
    from keras.src.initializers import random_initializers

    own = vars(random_initializers.random)
    ways = {"normal": normal, "truncated_normal": truncated_normal, "uniform": uniform}
    random_initializers.random = SimpleNamespace(**own | ways)
    random_initializers.ops = LINEAR_ALGEBRA


def rng(seed):
    return np.random.default_rng(getattr(seed, "initial_seed", seed))


def uniform(shape, minval=0.0, maxval=1.0, dtype="float32", seed=None):
    return rng(seed).uniform(minval, maxval, shape).astype(dtype)


def normal(shape, mean=0.0, stddev=1.0, dtype="float32", seed=None):
    return rng(seed).normal(mean, stddev, shape).astype(dtype)


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype="float32", seed=None):
    near = rng(seed).normal(size=shape).clip(-2, 2)
    return (mean + stddev * near).astype(dtype)
