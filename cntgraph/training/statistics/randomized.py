"""Randomized networks: their weights in another order, drawn anew, or of other signs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.core.parameter import Parameter
from cntgraph.network.blocks.base import Block
from cntgraph.network.network import Network
from cntgraph.training.statistics.stored import as_stored, negated

if TYPE_CHECKING:  # NumPy imports its random numbers when they are asked for
    Seed: TypeAlias = int | np.random.Generator
    Change: TypeAlias = Callable[[Parameter, np.random.Generator], NDArray[Any]]


@takes(Network)
def shuffle_weights(net: Network, rng: Seed = 0, *, biases: bool = False) -> Network:
    """Return the network with the values of every weight tensor in a random order.

    What it keeps is each tensor's distribution; what it destroys is which weight is where.

    Parameters
    ----------
    net : Network
        The network; it is not changed.
    rng : int or numpy.random.Generator, default 0
        What is random, or its seed.
    biases : bool, default False
        Whether biases are shuffled, too, each tensor within itself.

    Returns
    -------
    Network
        With the same layers, blocks and labels, and the label ``null="shuffle"``.

    Raises
    ------
    CntGraphError
        If no learned block reads a stored tensor.

    Notes
    -----
    A tensor is shuffled as it is stored, whatever is made of it: one that two blocks read (tied
    weights) stays tied, and stored types and bits are kept. Parameters of normalizations, also
    folded ones, and scales of quantized weights are left as they are.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> null = shuffle_weights(net)
    >>> columns = ["mean", "std"]
    >>> bool(np.allclose(cg.link_weights(net)[columns], cg.link_weights(null)[columns]))
    True
    >>> bool(np.allclose(cg.node_strength(net), cg.node_strength(null)))
    False
    """

    def shuffled(parameter: Parameter, rng: np.random.Generator) -> NDArray[Any]:
        return rng.permutation(parameter.raw().reshape(-1))

    return _changed(net, shuffled, "shuffle", rng, biases=biases)


@takes(Network)
def redraw_weights(
    net: Network,
    like: Literal["normal"] | Network = "normal",
    rng: Seed = 0,
    *,
    biases: bool = False,
) -> Network:
    """Return the network with every weight drawn anew, independently of the others.

    What it keeps is each tensor's scale; what it destroys is all that weights have to do with each
    other, and the shape of their distribution.

    Parameters
    ----------
    net : Network
        The network; it is not changed.
    like : "normal" or Network, default "normal"
        Each tensor from the normal distribution with its mean and standard deviation; or, given
        the network before training, from the values that the tensor had there, with
        replacement.
    rng, biases
        As in `shuffle_weights`.

    Returns
    -------
    Network
        With the same layers, blocks and labels, and the label ``null="redraw"``. Tensors keep
        their stored types, to which draws are rounded.

    Raises
    ------
    CntGraphError
        If no learned block reads a stored tensor, a tensor that is fitted is not finite, or the
        other network has no tensor of its name.

    Examples
    --------
    >>> import cntgraph as cg
    >>> with cg.open(cg.demo_file("training")) as training:
    ...     initial, trained = training[0], training[-1]
    ...     null = redraw_weights(trained, like=initial)
    ...     found = [x.parameters["fc1.weight"].read().std() for x in (initial, null, trained)]
    >>> [round(float(x), 2) for x in found]
    [0.07, 0.07, 0.16]
    """
    if isinstance(like, Network):
        origin = like.parameters

        def drawn(parameter: Parameter, rng: np.random.Generator) -> NDArray[Any]:
            pool = origin.get(parameter.name)
            if pool is None or not pool.size or pool.dtype != parameter.dtype:
                raise CntGraphError(
                    f"expected a tensor {parameter.name!r} of type {parameter.dtype} in the "
                    "network to draw from; give an earlier state of the same network"
                )
            return rng.choice(pool.raw().reshape(-1), parameter.size)
    elif like == "normal":
        drawn = _normal
    else:
        raise CntGraphError(f"expected like to be 'normal' or a Network, got {like!r}")
    return _changed(net, drawn, "redraw", rng, biases=biases)


@takes(Network)
def flip_signs(net: Network, rng: Seed = 0, *, biases: bool = False) -> Network:
    """Return the network with the sign of every weight chosen by a coin.

    What it keeps is every weight's size and place; what it destroys is that signs go together.

    Parameters
    ----------
    net, rng, biases
        As in `shuffle_weights`.

    Returns
    -------
    Network
        With the same layers, blocks and labels, and the label ``null="flip"``.

    Raises
    ------
    CntGraphError
        If no learned block reads a stored tensor.
    ParameterError
        If weights are stored in a type without signs.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> sizes = [cg.node_strength(x, transform="absolute") for x in (net, flip_signs(net))]
    >>> bool(np.allclose(*sizes))
    True
    """

    def flipped(parameter: Parameter, rng: np.random.Generator) -> NDArray[Any]:
        coins = rng.integers(0, 2, parameter.shape, dtype=np.int8).astype(bool)
        return negated(parameter.raw(), parameter.dtype, coins)

    return _changed(net, flipped, "flip", rng, biases=biases)


def weight_tensors(net: Network, *, biases: bool = False) -> tuple[str, ...]:
    """Return the names of the stored tensors that nulls change.

    Parameters
    ----------
    net : Network
    biases : bool, default False
        Whether biases are among them.

    Returns
    -------
    tuple of str
        Of every learned block but those that scale nodes one by one (normalizations), the
        tensors that its weights are made of: with two axes or more that are longer than 1, or
        the largest if none has. Not those that were folded in (normalizations, scales).

    Examples
    --------
    >>> import cntgraph as cg
    >>> weight_tensors(cg.toy("cnn"))
    ('conv1.weight', 'fc.weight')
    """
    folded = {entry.name for entry in net.entries if entry.status == "folded"}
    found: dict[str, None] = {}
    for block in net.select_blocks("parametric"):
        if block.kind != "diagonal" and block.weight is not None:
            found |= dict.fromkeys(_matrices(block.weight.parameters(), folded))
    if biases:
        found |= dict.fromkeys(_biases(net.select_blocks("parametric"), folded | set(found)))
    return tuple(found)


def _matrices(read: Iterable[Parameter], folded: set[str]) -> list[str]:
    own = [p for p in read if p.name not in folded and p.size]
    wide = [p.name for p in own if sum(length > 1 for length in p.shape) > 1]
    return wide or [max(own, key=lambda p: p.size).name] if own else []


def _biases(blocks: Iterable[Block], other: set[str]) -> list[str]:
    read = (
        p
        for b in blocks
        if b.bias is not None and b.kind != "diagonal"
        for p in b.bias.parameters()
    )
    return [p.name for p in read if p.name not in other and p.size]


def _changed(net: Network, change: Change, null: str, rng: Seed, *, biases: bool) -> Network:
    """Return the network with the values that `change` gives for each of its weight tensors."""
    random = np.random.default_rng(rng)
    names = weight_tensors(net, biases=biases)
    if not names:
        raise CntGraphError("expected a network with learned weights; no block of it reads any")
    read = {p.name: p for block in net.blocks for p in block.parameters()} | dict(net.parameters)
    for name in names:
        old = read[name]
        bits = change(old, random).reshape(old.shape)
        read[name] = Parameter.from_array(name, bits, dtype=old.dtype, trainable=old.trainable)
    return net.bind(read, {**net.labels, "null": null})


def _normal(parameter: Parameter, rng: np.random.Generator) -> NDArray[Any]:
    values = np.asarray(parameter.read(), dtype=np.float64)
    if not np.isfinite(values).all():
        raise CntGraphError(
            f"tensor {parameter.name!r}: expected finite weights to fit a normal distribution to; "
            "the network has diverged"
        )
    return as_stored(rng.normal(values.mean(), values.std(), values.shape), parameter.dtype)
