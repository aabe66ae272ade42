"""Networks that changed, and what NumPy says of it, on whole matrices."""

import numpy as np
from scipy.stats import entropy

import cntgraph as cg


def changed(net, seed=0, size=0.3):
    """The same network with noise on all its parameters."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, parameter in net.parameters.items():
        values = parameter.read()
        noisy = (values + size * rng.normal(size=values.shape)).astype(values.dtype)
        found[name] = cg.Parameter.from_array(name, noisy)
    return net.bind(found, net.labels)


def weights_of(net, block):
    """The weights of a block as they are stored, in float64."""
    found = next(own for own in net.blocks if own.name == block)
    return found.weight.read().astype(np.float64)


def numbers(before, after):
    """Relative change, cosine, share of signs that flipped, effective rank."""
    change = after - before
    singular = np.linalg.svd(change.reshape(len(change), -1), compute_uv=False)
    return {
        "change": np.linalg.norm(change) / np.linalg.norm(before),
        "cosine": np.dot(before.ravel(), after.ravel())
        / (np.linalg.norm(before) * np.linalg.norm(after)),
        "sign_flips": np.mean(np.sign(before) * np.sign(after) == -1),
        "effective_rank": np.exp(entropy(singular)),
    }
