"""Hollow modules: built without memory for their weights, which stay in the files they are in.

While a library builds a module, every parameter that is registered moves to the device ``meta``,
where it has a shape and no values. Before the module is traced, a stand-in takes its place: one
zero, shown in the shape of the weight, with which operations run and which takes no memory. What
is small, and every buffer, has its own values, so that constants made of them are right.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode

from cntgraph.adapters.options import Options
from cntgraph.adapters.torch.binding import bind_weights
from cntgraph.adapters.torch.live import trace_live
from cntgraph.adapters.torch.tensors import parameter_of
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import FormatError
from cntgraph.core.parameter import Parameter
from cntgraph.network.network import Network

#: Parameters of more values have stand-ins; the others are read.
_SMALL = 1 << 12
#: Tensors of more values are made on the device ``meta`` from the start.
_LARGE = 1 << 24
#: What makes a tensor of a shape alone.
_MAKERS = {getattr(torch, name) for name in ("empty", "zeros", "ones", "rand", "randn")}
#: What gives a tensor other values and does nothing else, by name: of PyTorch's functions, and of
#: those that libraries put in their place.
_FILLERS = frozenset("normal_ uniform_ constant_ kaiming_uniform_ zero_ fill_".split())


class _Room:
    """How much a module may have, going by the file that its weights are in.

    A configuration of a few bytes can ask for any number of layers of any size. A module may have
    more than its file (weights that are tied), and fewer tensors (experts that are stacked).
    """

    def __init__(self, tensors: Tensors) -> None:
        self.n_tensors = 4 * len(tensors.names()) + 256
        self.n_values = 8 * sum(p.size for p in tensors.parameters) + (1 << 24)

    def take(self, parameter: torch.Tensor) -> None:
        """Note one more parameter.

        Raises
        ------
        FormatError
            If there are more than the weights can be.
        """
        self.n_tensors -= 1
        self.n_values -= parameter.numel()
        if min(self.n_tensors, self.n_values) < 0:
            raise FormatError(
                "the configuration describes a model many times as large as the weights beside "
                "it; they are not of one model, or the configuration is damaged"
            )


class _WithoutValues(TorchFunctionMode):
    """Makes large tensors without values, before they become parameters; gives none to those."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _FILLERS:
            filled = next(iter((*args, *kwargs.values())), None)
            if isinstance(filled, torch.Tensor) and filled.is_meta:  # there is nothing to fill
                return filled
        if func in _MAKERS and kwargs.get("device") is None and _n_values(args, kwargs) > _LARGE:
            kwargs = {**kwargs, "device": "meta"}
        return func(*args, **kwargs)


def _n_values(args: Any, kwargs: Any) -> int:
    """Return how many values a function that makes a tensor is asked for."""
    dtype = kwargs.get("dtype") or torch.get_default_dtype()
    sizes = kwargs.get("size") or (args[0] if args and isinstance(args[0], tuple | list) else args)
    whole = isinstance(sizes, tuple | list) and all(isinstance(n, int) for n in sizes)
    return prod(sizes) if whole and dtype.is_floating_point else 0


@contextmanager
def hollow(tensors: Tensors) -> Iterator[None]:
    """Let modules be built whose parameters have no values; random numbers stay as they are.

    Parameters
    ----------
    tensors : Tensors
        The weights that are to be theirs; a module may not be much larger.
    """
    room, seen = _Room(tensors), set[int]()

    def without_values(module: Any, name: str, parameter: Any) -> Any:
        if parameter is None or id(parameter) in seen:
            return None
        room.take(parameter)
        made = torch.nn.Parameter(parameter.data.to("meta"), requires_grad=parameter.requires_grad)
        seen.add(id(made))
        kept.append(made)  # an id is told from others as long as it lives
        return made

    kept: list[torch.nn.Parameter] = []
    handle = register_module_parameter_registration_hook(without_values)
    try:
        with torch.random.fork_rng(devices=[]), _WithoutValues():
            yield
    finally:
        handle.remove()


def load_hollow(
    module: torch.nn.Module, tensors: Tensors, given: Options, unneeded: frozenset[str]
) -> Network:
    """Return the network of a hollow module with the weights of a file.

    Parameters
    ----------
    module : torch.nn.Module
        As `hollow` let it be built; it is changed.
    tensors : Tensors
        Its weights, by the module's names.
    given : Options
        What it is run on.
    unneeded : frozenset of str
        Tensors that the module has no place for, which are left out with a row in the coverage
        table.

    Raises
    ------
    FormatError
        If the weights are not the module's.
    TraceError
        If it cannot be run on such an input.
    """
    stored = tensors.by_every_name()
    _fill(module, stored)
    own = [parameter_of(name, buffer, trainable=False)
           for name, buffer in module.state_dict(keep_vars=True).items()
           if name not in stored and not isinstance(buffer, torch.nn.Parameter)]  # fmt: skip
    tensors.parameters += own
    with _one_thread():
        builder = trace_live(module, given, shapes_only=True)
    return bind_weights(given.finish(builder), module, tensors, zeros=given.zeros,
                        unneeded=unneeded)  # fmt: skip


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let PyTorch work on one thread: with stand-ins, sharing takes longer than the work."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


#: By its id, a tensor, which is kept so that no other gets the id, and what takes its place.
_Filled = dict[int, tuple[torch.Tensor, torch.Tensor]]


def _fill(module: torch.nn.Module, stored: dict[str, Parameter]) -> None:
    """Give a hollow module what it is run with; a tensor of several names stays one."""
    made = _Filled()
    parts = dict(module.named_modules())
    for path, part in parts.items():
        _fill_table(part._parameters, path, stored, made)
    for part in parts.values():
        remake = getattr(part, "init_non_persistent_buffers", None)
        if remake is not None and any(b is not None and b.is_meta for b in part._buffers.values()):
            remake()  # timm makes them where the weights are, on the device meta at first
    for path, part in parts.items():
        _fill_table(part._buffers, path, stored, made)


def _fill_table(
    table: dict[str, Any], path: str, stored: dict[str, Parameter], made: _Filled
) -> None:
    """Fill in the tensors of one module."""
    prefix = f"{path}." if path else ""
    for name, tensor in table.items():
        if tensor is None:
            continue
        if id(tensor) not in made:
            filled = _filled(prefix + name, tensor, stored.get(prefix + name))
            made[id(tensor)] = tensor, filled
        table[name] = made[id(tensor)][1]


def _filled(name: str, tensor: torch.Tensor, stored: Parameter | None) -> torch.Tensor:
    """Return a tensor with values: those stored, where they are few, or one zero many times."""
    learned, values = isinstance(tensor, torch.nn.Parameter), tensor
    fits = stored is not None and stored.shape == tuple(tensor.shape)
    if stored is not None and fits and tensor.numel() <= (_SMALL if learned else _LARGE):
        values = torch.from_numpy(stored.read().copy()).to(tensor.dtype)
    elif tensor.is_meta and learned:
        values = torch.zeros((), dtype=tensor.dtype).expand(tensor.shape)
    elif tensor.is_meta:
        raise FormatError(
            f"the buffer {name!r} of the model, of shape {tuple(tensor.shape)}, has no values: it "
            "is very large, or made of the weights'; build the model yourself and pass it: model="
        )
    if learned and values is not tensor:
        return torch.nn.Parameter(values, requires_grad=tensor.requires_grad)
    return values
