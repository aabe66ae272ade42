"""What a list of arrays is: the layers in order, each a dict, or a string that is its kind.

* ``{"kind": "dense"}``: a kernel and perhaps a bias;
* ``{"kind": "conv", "stride": 1, "padding": "valid", "dilation": 1, "groups": 1}``: the same of a
  convolution, over as many axes as its input has; padding is ``"valid"``, ``"same"`` or a number;
* ``{"kind": "batch_norm", "epsilon": 1e-3}``: gamma, beta, moving mean and variance; without gamma
  if ``"scale"`` is False, without beta if ``"center"`` is False.

Each may have

* ``"bias"``: True or False; by default an array of the right size that follows is the bias;
* ``"activation"``: ``"relu"`` or any other name;
* ``"pool"``: ``{"size": 2, "stride": 2, "padding": "valid", "mode": "max"}`` or ``"average"``,
  after the activation; ``"size": "global"`` leaves one position; an average does not count padding;
* ``"name"``;
* ``"layout"``: ``"channels_last"``, as Keras stores kernels (taps, n_in, n_out) and flattens
  (height, width, channels), or ``"channels_first"``, as PyTorch has them, (n_out, n_in, taps) and
  (channels, height, width). It holds for the layers that follow, too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from inspect import signature
from operator import index
from typing import Any

from cntgraph.adapters.tracing.windows import Sliding
from cntgraph.core.errors import FormatError
from cntgraph.core.parameter import Parameter

Description = Sequence[str | Mapping[str, Any]]


def layers_of(description: Any, kinds: Collection[str]) -> list[dict[str, Any]]:
    """Return the layers of a description, each with its kind.

    Raises
    ------
    FormatError
        If it is none; the message says what it should be.
    """
    if isinstance(description, str | Mapping) or not isinstance(description, Sequence):
        raise FormatError(
            "expected description as 'separate' or a list of layers, such as [{'kind': 'conv', "
            f"'activation': 'relu'}}, 'dense']; got {description!r:.80}"
        )
    layers = []
    for k, said in enumerate(description, start=1):
        layer = {"kind": said} if isinstance(said, str) else said
        kind = layer.get("kind") if isinstance(layer, Mapping) else None
        if not isinstance(kind, str) or kind not in kinds:
            raise FormatError(
                f"layer {k} of the description: expected a kind of {', '.join(kinds)}; "
                f"got {said!r:.80}"
            )
        layers.append(dict(layer))
    return layers


def keywords(said: Any, where: str, *functions: Callable[..., Any]) -> dict[str, Any]:
    """Return what a dict says, after checking that it is something that the functions take."""
    known = [name for function in functions
             for name, taken in signature(function).parameters.items()
             if taken.kind is taken.KEYWORD_ONLY]  # fmt: skip
    if not isinstance(said, Mapping) or set(said) - set(known):
        raise FormatError(
            f"{where}: expected a dict with some of {', '.join(known)}; got {said!r:.120}"
        )
    return dict(said)


def describe_dense(arrays: Sequence[Parameter]) -> list[str]:
    """Return the description of arrays that are a chain of dense layers.

    Raises
    ------
    FormatError
        If they are not; the message says what to pass.
    """
    kernels = [p for p in arrays if len(p.shape) == 2]
    odd = next((p for p in arrays if not 1 <= len(p.shape) <= 2), None)
    if odd is not None or not kernels:
        found = "no kernel" if odd is None else shown(odd)
        raise FormatError(
            f"expected kernels of two dimensions, each perhaps with a bias, got {found}; describe "
            "the layers: description=[{'kind': 'conv', 'activation': 'relu'}, 'dense'] with "
            "input_shape=(channels, height, width), or description='separate' for one block per "
            "weight"
        )
    return ["dense"] * len(kernels)


def shown(parameter: Parameter) -> str:
    """Return the name and shape of an array, for a message."""
    return f"{parameter.name} of shape {parameter.shape}"


# -- sizes ------------------------------------------------------------------------------------


def sliding_of(
    name: str, kernel: Sequence[int], stride: Any, padding: Any, dilation: Any = 1
) -> Sliding:
    """Return how windows slide, after checking what a description says of them."""
    rank = len(kernel)
    if isinstance(padding, str) and padding not in ("valid", "same"):
        raise FormatError(f"{name}: expected padding 'valid', 'same' or numbers, got {padding!r}")
    if not isinstance(padding, str):
        sizes = sizes_of(padding, rank, f"{name}: padding", least=0)
        padding = [(size, size) for size in sizes]
    stride, dilation = (
        sizes_of(value, rank, f"{name}: {what}")
        for value, what in ((stride, "stride"), (dilation, "dilation"))
    )
    return Sliding(kernel, stride, padding, dilation)


def sizes_of(value: Any, rank: int, what: str, least: int = 1) -> tuple[int, ...]:
    """Return integers, one per axis, from one number or one per axis."""
    values = value if isinstance(value, list | tuple) else (value,) * rank
    if len(values) != rank:
        raise FormatError(f"{what}: expected a number, or {rank}, got {value!r}")
    try:
        found = tuple(map(index, values))
    except TypeError:
        found = (least - 1,)
    if min(found) < least:
        raise FormatError(f"{what}: expected an integer of at least {least}, got {value!r}")
    return found
