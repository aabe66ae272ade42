"""Operations that are made of others: conditions, loops, attention by functions, own ones.

An operation of a library's own may be a function of Python (`torch.library`): what that carries
out is followed, as it is in a module.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from threading import RLock
from typing import Any

import torch
from torch._library.custom_ops import OPDEFS
from torch.utils._pytree import tree_leaves, tree_map

#: The compiler is switched off for all threads: one after another does so.
_SWITCH = RLock()
#: The key of what makes an operation of others, and of what carries it out as one.
_OF_OTHERS = torch._C.DispatchKey.CompositeImplicitAutograd
_PLAIN = torch._C.DispatchKey.CompositeExplicitAutograd


def is_of_functions(operation: Any) -> bool:
    """Whether an operation takes functions (`torch.cond`, `flex_attention`)."""
    return isinstance(operation, torch._ops.HigherOrderOperator)


@cache
def has_parts(operation: Any) -> bool:
    """Whether PyTorch makes an operation of smaller ones, or Python does."""
    own: bool = operation.has_kernel_for_dispatch_key(_OF_OTHERS)
    return own or is_of_functions(operation) or is_of_python(operation)


@cache
def is_of_python(operation: Any) -> bool:
    """Whether an operation is a function of Python that somebody has registered."""
    return _function_of(operation) is not None


@cache
def _function_of(operation: Any) -> Callable[..., Any] | None:
    """Return the function of Python that an operation is on a processor; None if it is none.

    PyTorch says of every kernel in which file it was registered, and calls it by the key that it
    was registered for; of `torch.library.custom_op` it has the function.
    """
    if is_of_functions(operation) or operation.namespace in ("aten", "prim", "prims"):
        return None
    defined = OPDEFS.get(operation._schema.name)
    kernel = re.search(
        r"^CPU: registered at (.*):\d+ ", torch._C._dispatch_dump(operation.name()), re.M
    )
    if kernel and not (defined and kernel[1].endswith("custom_ops.py")):
        ours = kernel[1].endswith(".py")
        return partial(operation._op_dk, torch._C.DispatchKey.CPU) if ours else None
    functions = {} if defined is None else defined._backend_fns
    function: Callable[..., Any] | None = functions.get("cpu") or functions.get(None)
    return function


def carry_out_parts(operation: Any, args: Any, kwargs: Any) -> Any:
    """Carry out the operations that one is made of; NotImplemented where it is one by itself."""
    if is_of_functions(operation):
        return _carry_out_functions(operation, args, kwargs)
    function = _function_of(operation)
    if function is not None:
        tensors = (x for x in tree_leaves([args, kwargs]) if isinstance(x, torch.Tensor))
        on_processor = all(x.device.type == "cpu" for x in tensors)
        return function(*args, **kwargs) if on_processor else NotImplemented
    return operation.decompose(*args, **kwargs)


def _carry_out_functions(operation: Any, args: Any, kwargs: Any) -> Any:
    """Carry out the operations that such an operation is made of, one by one.

    Of a condition both sides are carried out, and the result is chosen value by value: which of
    them it is depends on the data.

    Raises
    ------
    NotImplementedError
        If PyTorch has no plain form of it.
    """
    if operation.name() == "cond":
        condition, if_true, if_false, operands = args
        chosen, other = if_true(*operands), if_false(*operands)
        return tree_map(lambda a, b: torch.where(torch.as_tensor(condition), a, b), chosen, other)
    if _PLAIN not in operation.py_kernels:
        raise NotImplementedError(f"{operation.name()} is not made of operations on tensors")
    return operation.py_kernels[_PLAIN](*args, **kwargs)


def is_of_compiler(error: BaseException | None) -> bool:
    """Whether PyTorch's compiler has failed, which such operations are handed to."""
    return type(error).__module__.startswith("torch._dynamo")


@contextmanager
def without_compiler() -> Iterator[None]:
    """Carry out what a model compiles while it runs, operation by operation."""
    with _SWITCH:
        # What it has noted of functions while it failed would keep it from compiling them later.
        torch._dynamo.reset()
        with torch.compiler.set_stance("force_eager"):
            yield
