"""Watching ATen operations as they are carried out, as they were called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import (
    TorchDispatchMode,
    _len_torch_dispatch_stack,
    _pop_mode,
    _push_mode,
)

from cntgraph.adapters.torch.aten.complex_numbers import as_typed
from cntgraph.adapters.torch.aten.operations import handler_of, writes_over
from cntgraph.adapters.torch.aten.random import is_random
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import (
    TRACED,
    Call,
    Nodes,
    Place,
    are_neurons_written,
    leaves,
    map_leaves,
    name_of_operation,
)
from cntgraph.adapters.torch.higher_order import (
    carry_out_parts,
    has_parts,
    is_of_functions,
    is_of_python,
)
from cntgraph.adapters.torch.known import Known
from cntgraph.adapters.torch.script import Script, see_results
from cntgraph.adapters.torch.tensor_memory import as_memory, as_written, base_of, strided
from cntgraph.adapters.torch.untouched import Kept, Mode
from cntgraph.adapters.torch.without_values import without_values
from cntgraph.adapters.tracing.complex_numbers import Complex
from cntgraph.adapters.tracing.values import Data, is_tokens
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.movement import moved


@contextmanager
def watching(mode: TorchDispatchMode) -> Iterator[None]:
    """Let operations be seen as they are called, not as automatic differentiation needs them.

    PyTorch would otherwise take a recurrent layer or an attention apart before it is seen.
    """
    with torch.no_grad(), torch._C._AutoDispatchBelowAutograd(), mode:
        yield


@contextmanager
def alone() -> Iterator[None]:
    """Set aside the modes that are open: they are told of nothing that is done meanwhile.

    While a model is traced, most of what is done is done to node ids, and a mode takes ten times as
    long to be told of a small operation as that takes.
    """
    modes = [_pop_mode() for _ in range(_len_torch_dispatch_stack())]
    try:
        yield
    finally:
        for mode in reversed(modes):
            _push_mode(mode)


def taken_apart(tracer: AtenTracer, call: Call) -> Any:
    """Follow an operation as the smaller ones that PyTorch makes it of, on tensors of zeros."""
    watch = Watch(tracer, lambda: call.place, shapes_only=True, stand_ins=True)

    def stand_in(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            kind = torch.complex64 if value.is_complex() else torch.float32
            return value.to(kind) if value.is_complex() or value.is_floating_point() else value
        known = value.value if isinstance(value, Data) else None
        if is_tokens(value):
            known = tracer.look(value)
        kind = torch.complex64 if isinstance(value, Complex) else torch.float32
        zero = torch.zeros((), dtype=torch.int64 if is_tokens(value) else kind)
        tensor = zero.expand(value.shape) if known is None else known.clone()  # zeros: no memory
        watch.known[tensor] = value
        return tensor

    parts = call.of(stand_in, torch.Tensor | TRACED)
    try:
        with watching(watch):
            result = call.operation.decompose(*parts.args, **parts.kwargs)
    except RuntimeError:  # stand-ins of types or sizes that it does not take
        return None
    return None if result is NotImplemented else watch.lookup(result)


class Watch(Mode):
    """Sees every ATen operation that is carried out, and what each tensor stands for.

    Parameters
    ----------
    place : callable
        Returns where in the model the present operation stands.
    shapes_only : bool
        Whether values do not matter, so that products need not be computed.
    stand_ins : bool, default False
        Whether weights have other values than their own, so that none can be taken as constants.
    kept : Kept, optional
        Keeps what operations write over.

    Attributes
    ----------
    known : Known
        What tensors stand for: `Nodes`, `Recipe` or `Data`; any other is a constant.
    script : Script or None
        What is carried out, written down where the model is to be run again.
    """

    def __init__(
        self, tracer: AtenTracer, place: Callable[[], Place], *, shapes_only: bool,
        stand_ins: bool = False, kept: Kept | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.stand_ins, self.kept = stand_ins, kept
        self.tracer, self.place, self.shapes_only = tracer, place, shapes_only
        self.known = Known()
        self.script: Script | None = None

    #: They are seen, too, and taken apart.
    supports_higher_order_operators = True

    def lookup(self, value: Any) -> Any:
        """Return what a tensor stands for (itself, for a constant), in any nesting."""
        return map_leaves(value, self._known, of=torch.Tensor)

    def _known(self, tensor: torch.Tensor) -> Any:
        whole = None if tensor._base is None else self.known.get(tensor._base)
        if isinstance(whole, Recipe) and tensor not in self.known:
            # A part of a constant that weights were written into since.
            shape, strides, start = tensor.size(), tensor.stride(), tensor.storage_offset()
            if tensor._base.is_contiguous():
                self.known[tensor] = moved(
                    whole, lambda x: torch.from_numpy(x).as_strided(shape, strides, start).numpy()
                )
        return self.known.get(tensor, tensor)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        number = None if self.script is None else self.script.enter(func)
        if is_of_functions(func):
            return self._taken_apart(func, args, kwargs, number)
        traced, named = self.lookup([args, kwargs])
        values = [v for v in leaves([traced, [*named.values()]]) if isinstance(v, TRACED)]
        if not values and not is_random(func):
            return self._carried_out(func, args, kwargs)
        name = name_of_operation(func)
        if is_of_python(func) or (handler_of(name) is None and name != "one_hot"):
            parts = self._taken_apart(func, args, kwargs, number)
            if parts is not NotImplemented:
                return parts
        written = self._about_to_write(func, args, traced, values)
        # What is computed from weights alone may be a weight itself: it is computed for real.
        thin = self.shapes_only and any(isinstance(v, Nodes | Data) for v in values)
        result = self._carried_out(func, args, kwargs, thin=thin)
        if name == "one_hot" and traced[0].source == "neurons":
            return self._open_choice(traced[0], result)
        call = Call(func, traced, named, self.place(), _shapes(result), result)
        yielded = strided(call, args[0]) if call.name == "as_strided" else None
        yielded = self.tracer.attempt(call) if yielded is None else yielded
        if yielded is None:
            parts = self._taken_apart(func, args, kwargs, number)
            if parts is not NotImplemented:
                return parts
            yielded = self._given_up(call)
        self._remember(result, yielded)
        if number is not None:
            see_results(self.tracer, number, self.lookup(result))
        if written is not None:
            self._write_back(func, args[0], *written)
        return result

    def _carried_out(self, func: Any, args: Any, kwargs: Any, *, thin: bool = False) -> Any:
        """Carry out an operation of the model; memory that holds anything is zeros."""
        if self.kept is not None:
            self.kept.before_writing(func, args, kwargs)
        made = without_values(func, args, kwargs) if thin else func(*args, **kwargs)
        return made.zero_() if "empty" in name_of_operation(func) else made

    def _given_up(self, call: Call) -> Any:
        """Return what stands for the result of an operation that is not followed."""
        if self.stand_ins and not call.has(Nodes | Data):
            raise RuntimeError("weights without their values have no constant in their place")
        return self.tracer.give_up(call)

    def _open_choice(self, choice: Data, one_hot: torch.Tensor) -> torch.Tensor:
        """Let everything be chosen that the data may choose (every expert), once."""
        self.tracer.note(self.place().name("one_hot"), "what the data choose: all that they may")
        one_hot.fill_(1)
        if choice.several is not None:
            axis = choice.several % len(choice.shape)
            one_hot.narrow(axis, 1, one_hot.shape[axis] - 1).zero_()
        return one_hot

    def _taken_apart(self, func: Any, args: Any, kwargs: Any, number: int | None) -> Any:
        """Carry out an operation that PyTorch makes of smaller ones, and see those."""
        if not has_parts(func):
            return NotImplemented
        with self:
            made = carry_out_parts(func, args, kwargs)
        if self.script is not None and number is not None and made is not NotImplemented:
            self.script.apart.add(number)
        return NotImplemented if is_of_python(func) and not self._sees(made) else made

    def _sees(self, made: Any) -> bool:
        """Whether all numbers that a function of Python yields come from operations seen.

        It may have computed with something else than PyTorch.
        """
        found = [x for x in leaves([made]) if isinstance(x, torch.Tensor) and x.is_floating_point()]
        return bool(found) and all(x in self.known for x in found)

    def _about_to_write(
        self, operation: Any, args: Any, traced: list[Any], values: list[Any]
    ) -> tuple[Any, list[torch.Tensor]] | None:
        """Let `traced` say what a tensor is that is written over.

        Where weights alone are written, return what it is, and what shares its memory.
        """
        if not writes_over(operation) or not isinstance(args[0], torch.Tensor):
            return None
        tensor = args[0]
        traced[0] = self._before_writing(tensor, traced)
        of_weights = not any(isinstance(v, Nodes | Data) for v in values)
        beside = self._seen_beside(tensor) if of_weights else []
        if traced[0] is tensor:  # a constant, as it is before it is written over
            traced[0] = tensor.clone()
        before = self._values_before(tensor) if beside else None
        return None if before is None else (before, beside)

    def _before_writing(self, tensor: torch.Tensor, traced: list[Any]) -> Any:
        """Return what a tensor stands for that is written over, if it is no neurons by then.

        If neurons are written, it is nodes, and so is all that shares its memory.
        """
        if any(isinstance(part, Nodes | Data) for part in leaves(traced[:1])):
            return traced[0]
        if not are_neurons_written(traced[1:]):
            return traced[0]
        self.tracer.place = self.place()
        nodes_of = as_memory(self.tracer, tensor, self.lookup)
        for seen in (tensor, *self._seen_beside(tensor)):
            self.known[seen] = nodes_of(seen)
        return self.known[tensor]

    def _seen_beside(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """Return what shares the memory of a tensor: what it is a view of, and what is known."""
        base = [] if tensor._base is None else [tensor._base]
        return base + [x for x in self.known.beside(tensor) if x is not tensor._base]

    def _values_before(self, tensor: torch.Tensor) -> Any:
        """Return what all that shares a tensor's memory is before weights are written into it."""
        base = base_of(tensor)
        found = self.known.get(base)
        return base.clone() if found is None else None if isinstance(found, Nodes) else found

    def _write_back(
        self, operation: Any, tensor: torch.Tensor, before: Any, beside: list[torch.Tensor]
    ) -> None:
        """Let what shares a tensor's memory be the weights that were written into it."""
        made = self.known.get(tensor)
        if isinstance(made, Recipe):
            weights_of = as_written(tensor, self.tracer.recipe(before), made)
            for seen in beside:
                self.known[seen] = weights_of(seen)
        for seen in beside:
            if self.known.get(seen) is None or not isinstance(made, Recipe):
                gone = leaves([self.known.pop(seen, None), made])
                self.tracer.freeze(gone, operation._schema.name)

    def _remember(self, result: Any, yielded: Any) -> None:
        if isinstance(result, torch.Tensor):
            if isinstance(yielded, Nodes):
                self.known[result] = as_typed(yielded, result.dtype)
            elif isinstance(yielded, TRACED):
                self.known[result] = yielded
            else:
                self.known.pop(result, None)
        elif isinstance(result, list | tuple) and isinstance(yielded, list | tuple):
            for part, value in zip(result, yielded, strict=False):
                self._remember(part, value)


def _shapes(result: Any) -> Any:
    """Return the shape of a result, or the shapes of several; None for what is no tensor."""
    if isinstance(result, torch.Tensor):
        return tuple(result.shape)
    if isinstance(result, list | tuple):
        return [_shapes(part) if isinstance(part, torch.Tensor) else None for part in result]
    return None
