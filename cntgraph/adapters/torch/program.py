"""Reading .pt2 files (``torch.export.save``) as data.

The archive holds the list of ATen operations as JSON and the tensors as raw bytes. Both are read
here without PyTorch's own loader, which unpickles what an archive asks it to: nothing in the
file is executed, tensors are mapped into memory and read when needed, and the operations that
are carried out on node ids are those that `AtenTracer` knows.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.torch.archive import DTYPES, Archive
from cntgraph.adapters.torch.aten import IDENTITY, MOVEMENT, AtenTracer, Derived, Nodes, Place
from cntgraph.adapters.torch.aten.values import leaves, map_leaves
from cntgraph.adapters.torch.tensors import NO_WEIGHT, is_weight
from cntgraph.adapters.torch.watch import taken_apart
from cntgraph.errors import CntGraphError, FormatError, InputShapeError, TraceError
from cntgraph.recipe import Recipe

#: Arithmetic on sizes.
_SIZES: dict[str, Callable[..., Any]] = {
    f"_operator.{name}": getattr(operator, name)
    for name in ("add", "sub", "mul", "floordiv", "truediv", "mod", "neg", "eq", "ne", "lt", "le",
                 "gt", "ge")
}  # fmt: skip
#: Operations that are carried out where only constants go in.
_ON_CONSTANTS = (
    MOVEMENT
    | IDENTITY
    | frozenset(
        "add sub mul div neg abs sqrt rsqrt exp pow arange full zeros ones zeros_like ones_like "
        "full_like new_zeros new_ones new_full empty scalar_tensor tril triu where eq ne lt le gt "
        "ge logical_and logical_not logical_or bitwise_and bitwise_not bitwise_or cumsum "
        "clamp maximum minimum floor_divide remainder eye linspace masked_fill fill_ zero_ "
        "copy_".split()
    )
)
#: Checks that PyTorch writes into a program; they compute nothing.
_CHECKS = frozenset("_assert_scalar sym_constrain_range sym_constrain_range_for_size".split())


def trace_program(
    path: Path, builder: Builder, *, input_shape: tuple[int, ...] | None = None
) -> None:
    """Build the network of a ``.pt2`` file.

    Parameters
    ----------
    path : Path
        The file.
    builder : Builder
        What the network is built with.
    input_shape : tuple of int, optional
        Shape of one sample; needed only where the program leaves it open.

    Raises
    ------
    FormatError
        If the file is damaged or is not a saved program.
    UnsafeFileError
        If its tensors are pickled.
    """
    try:
        archive = Archive(path)
        _Program(archive, builder, input_shape).run()
    except CntGraphError:
        raise
    except Exception as error:  # whatever damaged parts, or operations on them, raise
        raise FormatError(
            f"{path}: expected a program saved by torch.export.save, found one whose parts do not "
            f"fit together ({type(error).__name__}: {error}); save it again"
        ) from error


class _Program:
    """Walks through a saved program's operations."""

    def __init__(
        self, archive: Archive, builder: Builder, input_shape: tuple[int, ...] | None
    ) -> None:
        self.archive, self.builder, self.input_shape = archive, builder, input_shape
        module = archive.program["graph_module"]
        self.graph, self.signature = module["graph"], module["signature"]
        self.values: dict[str, Any] = {}
        self.symbols: dict[str, int] = {}
        self.tracer = AtenTracer(builder)

    def run(self) -> None:
        """Build the network."""
        inputs = [spec["user_input"]["arg"] for spec in self._specs("user_input")]
        shapes = {a["as_tensor"]["name"]: self._input_shape(a) for a in inputs if "as_tensor" in a}
        if not shapes:
            raise TraceError(f"{self.archive.path}: the program has no input tensor")
        self.tracer.batch = next((s[0] for s in shapes.values() if len(s) > 1), 1)
        for name, shape in shapes.items():
            self.values[name] = self.tracer.input(name, shape, self._dtype(name))
        self._read_tensors()
        for node in self.graph["nodes"]:
            self._step(node)
        for spec in self.signature["output_specs"]:
            if "user_output" in spec:
                self.tracer.output(self._argument(spec["user_output"]["arg"]))

    def _specs(self, kind: str) -> list[dict[str, Any]]:
        return [spec for spec in self.signature["input_specs"] if kind in spec]

    def _input_shape(self, argument: Mapping[str, Any]) -> tuple[int, ...]:
        """Return an input's shape; an open batch dimension is one, others are looked up."""
        sizes = self.graph["tensor_values"][argument["as_tensor"]["name"]]["sizes"]
        wanted = None if self.input_shape is None else (None, *self.input_shape)
        if wanted is not None and len(wanted) != len(sizes):
            raise InputShapeError(
                f"expected input_shape with {len(sizes) - 1} sizes, got {self.input_shape}"
            )
        return tuple(
            self._open_size(k, size, None if wanted is None else wanted[k])
            for k, size in enumerate(sizes)
        )

    def _open_size(self, axis: int, size: Mapping[str, Any], wanted: int | None) -> int:
        if "as_int" in size:
            if wanted not in (None, size["as_int"]):
                raise InputShapeError(
                    f"axis {axis} of the input: the program was saved for {size['as_int']}, "
                    f"input_shape says {wanted}"
                )
            return int(size["as_int"])
        expression = size["as_expr"]
        if wanted is None:
            hint = (expression.get("hint") or {}).get("as_int")
            wanted = 1 if axis == 0 else hint
        if wanted is None:
            raise InputShapeError(f"axis {axis} of the input has no fixed size; pass input_shape")
        self.symbols[expression["expr_str"]] = wanted
        return int(wanted)

    def _read_tensors(self) -> None:
        kinds = {
            "parameter": "parameter_name",
            "buffer": "buffer_name",
            "tensor_constant": "tensor_constant_name",
        }
        for spec in self.signature["input_specs"]:
            for kind, key in kinds.items():
                if kind in spec:
                    self._read_tensor(spec[kind]["arg"]["name"], spec[kind][key], kind)

    def _read_tensor(self, value: str, name: str, kind: str) -> None:
        parameter = self.archive.parameter(name, trainable=kind == "parameter")
        if kind != "tensor_constant":
            recipe = Recipe.of(self.builder.parameter(parameter))
            if is_weight(parameter):
                self.values[value] = recipe
                return
            self.builder.skip(recipe, NO_WEIGHT)
        tensor = torch.from_numpy(np.ascontiguousarray(parameter.raw()).copy())
        self.values[value] = (
            tensor.view(torch.bfloat16) if parameter.dtype == "bfloat16" else tensor
        )

    # -- operations -----------------------------------------------------------------------------

    def _step(self, node: Mapping[str, Any]) -> None:
        target = node["target"]
        arguments = [(a["name"], self._argument(a["arg"]), a["kind"]) for a in node["inputs"]]
        args = [value for _, value, kind in arguments if kind == 1]
        kwargs = {name: value for name, value, kind in arguments if kind != 1}
        if target in _SIZES:
            result: Any = _SIZES[target](*args)
        else:
            result = self._call(target, args, kwargs, node)
        self._assign(node["outputs"], result)

    def _call(self, target: str, args: list[Any], kwargs: dict[str, Any], node: Any) -> Any:
        place = _place(node.get("metadata", {}).get("nn_module_stack", ""))
        shapes = self._shapes(node["outputs"])
        namespace, _, name = target.removeprefix("torch.ops.").partition(".")
        operation = _operation(name) if namespace == "aten" else None
        if operation is None:
            return self._foreign(target, args, place, shapes)
        base = name.partition(".")[0]
        if base == "sym_size":
            return args[0].shape[args[1]]
        if base in _CHECKS:
            return None
        found = list(leaves([args, list(kwargs.values())]))
        if any(isinstance(value, Nodes | Recipe | Derived) for value in found):
            result = self._follow(operation, args, kwargs, place, shapes)
            if result is not None:
                return result
            # An operation on parameters for which there is no recipe: their values as they are.
            args, kwargs = map_leaves([args, kwargs], _as_tensor, of=Recipe)
        if base not in _ON_CONSTANTS:
            raise TraceError(
                f"{self.archive.path}: {target} is not one of the operations that are carried "
                "out on a file's constants; pass the live model instead"
            )
        return operation(*args, **{**kwargs, **({"device": "cpu"} if "device" in kwargs else {})})

    def _follow(self, operation: Any, args: Any, kwargs: Any, place: Place, shapes: Any) -> Any:
        """Follow an operation as it is, or as the smaller ones that PyTorch makes it of."""
        call = (operation, args, kwargs, place)
        result = self.tracer.attempt(*call, lambda: shapes)
        if result is None:
            result = taken_apart(self.tracer, *call)
        return self.tracer.give_up(*call, lambda: shapes) if result is None else result

    def _foreign(self, target: str, args: Any, place: Place, shapes: Any) -> Any:
        """Cut the graph at an operation that is not PyTorch's own."""
        for value in leaves(args):
            if isinstance(value, Recipe):
                self.builder.skip(value, f"read by {target}, which is not known")
        reason, many = f"{target} is not an operation of PyTorch", isinstance(shapes, list)
        made = [
            self.tracer.cut(place.name(target), shape, target, reason)
            for shape in (shapes if many else [shapes])
        ]
        return made if many else made[0]

    def _assign(self, outputs: Any, result: Any) -> None:
        results = list(result) if isinstance(result, list | tuple) else [result]
        for name, value in zip(_names(outputs), results, strict=False):
            self.values[name] = self._typed(name, value)

    def _typed(self, name: str, value: Any) -> Any:
        """Note the type of the tensor that nodes stand for."""
        if isinstance(value, Nodes) and name in self.graph["tensor_values"]:
            dtype = self._dtype(name)
            value = value if value.dtype in (None, dtype) else Nodes(value.ids.clone())
            value.dtype = dtype
        return value

    def _dtype(self, name: str) -> torch.dtype:
        return _torch_dtype(self.graph["tensor_values"][name]["dtype"])

    def _shapes(self, outputs: Any) -> Any:
        """Return the shape of what an operation yields, or those of several tensors."""
        found = [self._shape(name) for name in _names(outputs)]
        return found if len(found) != 1 or "as_tensors" in outputs[0] else found[0]

    def _shape(self, name: str) -> Any:
        meta = self.graph["tensor_values"].get(name)
        return () if meta is None else tuple(self._size(size) for size in meta["sizes"])

    def _size(self, size: Mapping[str, Any]) -> int:
        if "as_int" in size:
            return int(size["as_int"])
        expression = size["as_expr"]
        hint = (expression.get("hint") or {}).get("as_int", 1)
        return int(self.symbols.get(expression["expr_str"], hint))

    def _argument(self, argument: Mapping[str, Any]) -> Any:
        """Return the value of a serialised argument."""
        (kind, value), *_ = argument.items()
        if kind == "as_none":
            return None
        if kind == "as_tensor":
            return self.values[value["name"]]
        if kind == "as_tensors":
            return [self.values[item["name"]] for item in value]
        if kind == "as_optional_tensors":
            return [self._argument(item) for item in value]
        if kind in ("as_sym_int", "as_sym_bool", "as_sym_float"):
            return self._symbolic(value)
        if kind in ("as_sym_ints", "as_sym_bools", "as_sym_floats"):
            return [self._symbolic(item) for item in value]
        if kind == "as_device":
            return torch.device("cpu")
        if kind == "as_scalar_type":
            return _torch_dtype(value)
        if kind in ("as_layout", "as_memory_format"):
            return None
        if kind in ("as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools"):
            return value
        if kind in ("as_string", "as_strings"):
            return value
        raise TraceError(f"{self.archive.path}: arguments of kind {kind} are not known")

    def _symbolic(self, value: Mapping[str, Any]) -> Any:
        if "as_name" in value:
            return self.values[value["as_name"]]
        return next(iter(value.values()))


def _names(outputs: Any) -> list[str]:
    """Return the names of what an operation yields."""
    names: list[str] = []
    for out in outputs:
        (kind, value), *_ = out.items()
        if kind == "as_tensor":
            names.append(value["name"])
        elif kind == "as_tensors":
            names.extend(item["name"] for item in value)
        elif kind in ("as_sym_int", "as_sym_bool", "as_sym_float"):
            names.append(value["as_name"])
    return names


def _torch_dtype(number: int) -> torch.dtype:
    found: torch.dtype = getattr(torch, DTYPES.get(number, "float32"))
    return found


def _as_tensor(recipe: Recipe) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(recipe.read()))


def _operation(name: str) -> Any:
    """Return an ATen operation by its serialised name, or None if there is none."""
    packet, _, overload = name.partition(".")
    found = getattr(getattr(torch.ops.aten, packet, None), overload or "default", None)
    # Names like `add.__class__` are attributes, but no operations.
    return found if isinstance(found, torch._ops.OpOverload) else None


def _place(module_stack: str) -> Place:
    """Read ``key,path,class;key,path,class;…``: the modules an operation stands in."""
    if not module_stack:
        return Place()
    _, path, kind = module_stack.rpartition(";")[2].split(",", 2)
    leaf = kind.startswith("torch.nn.modules.") and ".container." not in kind
    return Place(path, leaf)
