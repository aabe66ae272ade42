"""What can be loaded: a function with its parameters, or a module that has them.

Libraries are looked up among what is imported: a module of one can only be there if it is.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax

from cntgraph.adapters.jax.leaves import Leaf, is_array, leaves_of
from cntgraph.core.errors import FormatError


@dataclass(frozen=True)
class Model:
    """A function of arrays and inputs.

    Parameters
    ----------
    call : callable
        Takes the values of `leaves` as a list, then the inputs.
    leaves : list of Leaf
        The arrays it has.
    names : list of str
        Of its inputs, as far as they are known.
    batched : bool, default True
        Whether it takes several samples; modules of Equinox take one.
    closed_over : list of list of Leaf
        Arrays that it may have closed over, by the object they belong to.
    """

    call: Callable[..., Any]
    leaves: list[Leaf]
    names: list[str]
    batched: bool = True
    closed_over: list[list[Leaf]] = field(default_factory=list)


def is_function(source: Any) -> bool:
    """Return whether an object is a function, plain or wrapped, or a pytree that can be called.

    Any other object that can be called may belong to whatever library; pass its method.
    """
    if not callable(source) or isinstance(source, type):
        return False
    if inspect.isroutine(source) or isinstance(source, partial) or hasattr(source, "__wrapped__"):
        return True
    libraries = ("flax.linen", "flax.nnx", "equinox")
    return any(_is(source, name, "Module") for name in libraries) or not _is_leaf(source)


def model_of(source: Any, params: Any = None) -> Model:
    """Return a function with its parameters, or a module, as a model.

    Parameters
    ----------
    source : callable
        ``apply_fn`` with `params`; a module of Flax (linen, bound or with `params`; nnx) or of
        Equinox; a function that has closed over its parameters.

    Raises
    ------
    FormatError
        If parameters are missing, or given twice.
    """
    source = _unjitted(source)
    if _is(source, "flax.linen", "Module"):
        return _linen(source, params)
    if params is not None:
        return Model(_rebuilding(params, source), leaves_of(params), _names(source, 1),
                     closed_over=_closed_over(source))  # fmt: skip
    if _is(source, "flax.nnx", "Module"):
        return _nnx(source)
    arrays = leaves_of(source) if not _is_leaf(source) else []
    if arrays:
        call = _rebuilding(source, lambda module, *inputs: module(*inputs))
        mapped = _is_wrapper(source)
        arrays = (
            [replace(x, name=x.name.removeprefix("_fun.")) for x in arrays] if mapped else arrays
        )
        batched = mapped or not _is(source, "equinox", "Module")  # which take one sample
        return Model(call, arrays, _names(source, 0), batched)
    return Model(lambda _, *inputs: source(*inputs), [], _names(source, 0),
                 closed_over=_closed_over(source))  # fmt: skip


def _is(source: Any, library: str, kind: str) -> bool:
    """Whether an object is of a class of a library, which is not imported to find out."""
    found = getattr(sys.modules.get(library), kind, None)
    return isinstance(found, type) and isinstance(source, found)


def _unjitted(source: Any) -> Any:
    """Return what Equinox's `filter_jit` wraps, which keeps the names of its arrays."""
    while _is(source, "equinox", "Module") and "jit" in type(source).__name__.lower():
        inner = getattr(source, "__wrapped__", None)
        if inner is None:
            break
        source = inner
    return source


def _is_wrapper(source: Any) -> bool:
    """Whether a module of Equinox is what `filter_vmap` makes of a function."""
    return hasattr(source, "__wrapped__") and "vmap" in type(source).__name__.lower()


def _is_leaf(source: Any) -> bool:
    return bool(jax.tree_util.all_leaves([source]))


def _rebuilding(tree: Any, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return `call(tree, *inputs)` as a function of the tree's arrays."""
    values, structure = jax.tree_util.tree_flatten(tree)

    def rebuilt(arrays: Sequence[Any], *inputs: Any) -> Any:
        waiting = iter(arrays)
        filled = [next(waiting) if is_array(value) else value for value in values]
        return call(jax.tree_util.tree_unflatten(structure, filled), *inputs)

    return rebuilt


def changes(source: Any) -> bool:
    """Return whether training changes an object, rather than makes a new one."""
    return _is(source, "flax.nnx", "Module")


def _linen(source: Any, params: Any) -> Model:
    module, variables = source, params
    if source.scope is not None:
        if params is not None:
            raise FormatError("expected params or a bound module, got both; pass one of them")
        module, variables = source.unbind()
    if variables is None:
        raise FormatError(
            "expected the variables of a Flax module, got none; pass params=variables as "
            "module.init returned them, or module.bind(variables)"
        )
    names = _names(type(module).__call__, 1)
    return Model(_rebuilding(variables, module.apply), leaves_of(variables), names)


def _nnx(source: Any) -> Model:
    nnx = sys.modules["flax.nnx"]
    graph, trained, rest = nnx.split(source, nnx.Param, ...)
    leaves = [*leaves_of(trained), *(replace(x, trainable=False) for x in leaves_of(rest))]
    leaves = [replace(x, name=x.name.removesuffix(".value")) for x in leaves]

    def call(module_state: Any, *inputs: Any) -> Any:
        return nnx.merge(graph, *module_state)(*inputs)

    return Model(_rebuilding((trained, rest), call), leaves, _names(type(source).__call__, 1))


def _names(function: Any, skipped: int) -> list[str]:
    """Return the names of a function's positional arguments, the first ones left out."""
    owner = getattr(function, "__self__", None)
    if _is(owner, "flax.linen", "Module") and function.__name__ == "apply":
        function, skipped = type(owner).__call__, 1
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.kind in kinds][skipped:]


def _closed_over(function: Any) -> list[list[Leaf]]:
    """Return the arrays of every object that a function refers to."""
    found: list[list[Leaf]] = []
    for name, value in _references(function, set(), 0):
        if isinstance(value, type(sys)) or (_is_leaf(value) and not is_array(value)):
            continue
        try:
            leaves = _named_leaves(value, name)
        except Exception:  # whatever a stranger's pytree raises
            continue
        if leaves:
            found.append(leaves)
    return found


def _named_leaves(value: Any, name: str) -> list[Leaf]:
    """Return the arrays of an object that a function calls `name`."""
    trained = not _is(value, "equinox.nn", "State")
    # A path that begins with an index says nothing without the name of what it is in.
    return [
        replace(leaf, name=f"{name}.{leaf.name}" if leaf.name[:1].isdigit() else leaf.name,
                trainable=leaf.trainable and trained)
        for leaf in leaves_of(value, name=name)
    ]  # fmt: skip


def _references(function: Any, seen: set[int], depth: int) -> Iterator[tuple[str, Any]]:
    """Yield what a function refers to, by name, and what the functions do that it calls."""
    if id(function) in seen or depth > 8:
        return
    seen.add(id(function))
    named, functions = _referred_to(function)
    yield from named
    for other in functions:
        yield from _references(other, seen, depth + 1)


def _referred_to(function: Any) -> tuple[list[tuple[str, Any]], list[Any]]:
    """Return bound arguments, closures and globals by name, and the functions among them."""
    if isinstance(function, partial):
        return [*(("", x) for x in function.args), *function.keywords.items()], [function.func]
    wrapped, owner = (getattr(function, name, None) for name in ("__wrapped__", "__self__"))
    named, functions = [], [] if wrapped is None else [wrapped]
    if owner is not None and not inspect.ismodule(owner):
        named.append(("", vars(owner) if _is_leaf(owner) and hasattr(owner, "__dict__") else owner))
    try:
        found = inspect.getclosurevars(function)
    except (TypeError, ValueError):  # no function of Python's own, or a cell that is empty yet
        return named, functions
    here = [value for value in found.globals.values()
            if inspect.isfunction(value) and value.__module__ == function.__module__]  # fmt: skip
    functions += [*filter(callable, found.nonlocals.values()), *here]
    return [*named, *found.nonlocals.items(), *found.globals.items()], functions
