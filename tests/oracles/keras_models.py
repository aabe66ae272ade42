"""Keras models, small and random, and a forward pass through the graph to hold against theirs."""

import math
import warnings

import keras
import numpy as np
from keras import layers as kl

import cntgraph as cg

#: Keras computes in float32.
TOLERANCE = {"rtol": 2e-4, "atol": 2e-4}


def channelwise(x, eps, center=True):
    """Normalize over the channels, position by position."""
    x = x - x.mean(0, keepdims=True) if center else x
    return x / np.sqrt((x * x).mean(0, keepdims=True) + eps)


ACTIVATIONS = {
    "": lambda x: x,
    "relu": lambda x: np.maximum(x, 0.0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "hardtanh": lambda x: np.clip(x, 0.0, 6.0),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "hardsigmoid": lambda x: np.clip(x / 6.0 + 0.5, 0.0, 1.0),
    "silu": lambda x: x / (1.0 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(0.0, x),
    "softsign": lambda x: x / (1.0 + np.abs(x)),
    "exp": np.exp,
    "gelu": lambda x: 0.5 * x * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0))),
    "mish": lambda x: x * np.tanh(np.logaddexp(0.0, x)),
    "pow": np.square,
    "mul": np.square,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1.0 / np.sqrt(x),
    "reciprocal": lambda x: 1.0 / x,
    "abs": np.abs,
    "softmax": lambda x: np.exp(x - x.max(0)) / np.exp(x - x.max(0)).sum(0),
    "layer_norm": lambda x: channelwise(x, 1e-3),
    "rms_norm": lambda x: channelwise(x, 1e-6, center=False),
    "unit_norm": lambda x: x / np.sqrt((x * x).sum(0, keepdims=True)),
}


def evaluate(net, *inputs, sweeps=1, scale=1.0, **functions):
    """Return the values of all nodes after their activation, gates and attention included.

    `inputs` are channels first, in the order of the input layers. An unrolled network is swept
    as many times as it has steps, so that every step finds the one before it.
    """
    z, raw = np.zeros(net.n_nodes), np.zeros(net.n_nodes)
    functions = {**ACTIVATIONS, **functions}
    waiting = list(inputs)
    for layer in net.layers:
        if layer.is_input:
            z[layer.slice] = raw[layer.slice] = np.asarray(waiting.pop(0), np.float64).reshape(-1)
    assert not waiting
    for _ in range(sweeps):
        for layer in net.layers:
            blocks = net.blocks_into(layer)
            if layer.is_input and not blocks:
                continue
            names = [] if layer.kind == "scores" else layer.activation.split("+")
            applied = [functions[name] for name in names]
            inner = applied if layer.kind == "hidden" else []
            total = receive(net, layer, blocks, z, raw, scale, inner)
            raw[layer.slice] = total
            value = total.reshape(layer.shape)
            for function in applied if layer.kind != "hidden" else []:
                value = function(value)
            z[layer.slice] = value.reshape(-1)
    return z


def receive(net, layer, blocks, z, raw, scale, inner):
    """What arrives at the nodes of a layer, by way of functions of what is handed on."""
    total = net.bias()
    if layer.kind == "scores":
        left, right = (
            next(b for b in blocks if f".{side}" in b.name) for side in ("left", "right")
        )
        keys = right.source.gather(z).reshape(right.source.shape)
        queries = left.source.gather(z).reshape(len(keys), -1, keys.shape[1])
        left.target.scatter_add(total, (queries @ keys * scale).reshape(-1))
    elif layer.kind == "attention":
        (values,) = (b for b in blocks if not b.modulatory)
        (left,) = (b for b in blocks if b.modulatory)
        steps = values.target.shape[-1]
        scores = left.source.gather(raw).reshape(-1, steps, left.source.shape[-1])
        kept = left.source.as_ids().reshape(scores.shape) >= 0
        scores = np.where(kept, np.exp(np.where(kept, scores, 0.0)), 0.0)
        scores /= scores.sum(-1, keepdims=True)
        n_heads = len(scores)
        passed = values.source.gather(z).reshape(n_heads, -1, scores.shape[-1])
        left.target.scatter_add(total, np.einsum("hts,hes->hte", scores, passed).reshape(-1))
    elif layer.kind in ("max", "min"):
        branches = []
        for block in blocks:
            branches.append(np.zeros_like(z))
            block.target.scatter_add(branches[-1], block.rmatvec(block.source.gather(z)))
        total += (np.max if layer.kind == "max" else np.min)(branches, axis=0)
    else:
        _gated(layer, blocks, z, total, inner)
    return total[layer.slice]


def _gated(layer, blocks, z, total, inner):
    """Sum what is handed on, each times the gate that follows it among the blocks."""
    parts = []
    for block in blocks:
        part = np.zeros_like(z)
        values = block.source.gather(z)
        for function in inner if not block.modulatory else []:
            values = function(values)
        if getattr(block, "mode", "") in ("max", "min"):
            part[block.target.as_ids()] += extreme(block, values)
        else:
            block.target.scatter_add(part, block.rmatvec(values))
        if block.modulatory:
            reached = np.zeros(len(z), dtype=bool)
            reached[block.target.as_ids()] = True
            parts[-1] = np.where(reached, parts[-1] * part, parts[-1])
            gate, at = part, reached
        else:
            parts.append(part)
    if layer.kind == "hidden" and len(parts) > 1 and not layer.name.endswith("reset_hidden"):
        # A GRU: (1 - z) · candidate + z · hidden; the gate is noted on the candidate.
        candidate = next(b for b in blocks if not b.modulatory)
        new = np.zeros_like(z)
        candidate.target.scatter_add(new, candidate.source.gather(z))
        parts[0] = np.where(at, (1.0 - gate) * new, parts[0])
        parts[1:] = [np.where(at, gate * part, part) for part in parts[1:]]
    for part in parts:
        total += part


def extreme(block, values):
    """The largest (smallest) of the values that lead to each target position."""
    into = block.to_csr().tocsc()
    ends = zip(into.indptr[:-1], into.indptr[1:], strict=True)
    pick = np.max if block.mode == "max" else np.min
    return np.array([pick(values[into.indices[a:b]]) for a, b in ends])


def outputs_of(net, z):
    return np.concatenate([z[layer.slice] for layer in net.layers if layer.is_output])


# -- models ---------------------------------------------------------------------------------------


def randomize(model, seed=0):
    """Give every weight a random value, statistics a sensible one."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        values = rng.normal(size=variable.shape) * (np.prod(variable.shape[:-1]) or 1.0) ** -0.5
        if variable.name.endswith(("variance", "count")):
            values = 0.5 + rng.random(variable.shape)
        variable.assign(values.astype("float32"))
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    return model


def sample(shape, seed=0):
    """One input of a batch of one."""
    return np.random.default_rng(seed).normal(size=(1, *shape)).astype("float32")


def predict(model, *inputs):
    """The outputs of a model, flattened into one array, in the order of Keras."""

    def run(*given):
        return model(list(given) if len(given) > 1 else given[0], training=False)

    if keras.backend.backend() == "jax":
        import jax

        run = jax.jit(run)  # compiled as a whole, not operation by operation
    return [values(y) for y in keras.tree.flatten(run(*inputs))]


def values(tensor):
    """The values of a tensor of either backend."""
    return np.asarray(tensor.detach().numpy() if hasattr(tensor, "detach") else tensor)


def channels_first(x):
    """An output or input of one sample with its channels first, as layers are laid out."""
    x = np.asarray(x)[0]
    return np.moveaxis(x, -1, 0) if x.ndim > 1 else x


def sequential(shape, *layers):
    return keras.Sequential([kl.Input(shape), *layers])


def functional(build, *shapes):
    """A model of one input a shape, built by a function of them."""
    inputs = [keras.Input(shape) for shape in shapes]
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], build(*inputs))


def flat(y, n=2):
    """A dense layer on everything there is, so that an output does not depend on a layout."""
    return kl.Dense(n)(kl.Flatten()(y))


def check(model, *shapes, load=None, **how):
    """The outputs that the graph gives are those of the model; return the network."""
    randomize(model)
    inputs = [sample(shape, k) for k, shape in enumerate(shapes)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = predict(model, *inputs)
    net = cg.load(model, strict=True, **(load or {}))
    first = [layer for layer in net.layers if layer.is_input]
    given = [channels_first(x) if channels_first(x).shape == layer.shape else x[0]
             for x, layer in zip(inputs, first, strict=True)]  # fmt: skip
    found = outputs_of(net, evaluate(net, *given, **how))
    wanted = np.concatenate([channels_first(y).reshape(-1) for y in expected])
    np.testing.assert_allclose(found, wanted, **TOLERANCE)
    return net
