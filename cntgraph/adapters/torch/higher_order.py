"""Operations whose arguments are functions: conditions, loops, attention by functions of scores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import RLock
from typing import Any

import torch
from torch.utils._pytree import tree_map

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
    """Whether PyTorch makes an operation of smaller ones."""
    own: bool = operation.has_kernel_for_dispatch_key(_OF_OTHERS)
    return own or is_of_functions(operation)


def carry_out_parts(operation: Any, args: Any, kwargs: Any) -> Any:
    """Carry out the operations that one is made of; NotImplemented where it is one by itself."""
    if is_of_functions(operation):
        return _carry_out_functions(operation, args, kwargs)
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
