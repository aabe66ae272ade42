"""Reading .pt2 files (``torch.export.save``) as data.

The archive holds the list of ATen operations as JSON and the tensors as raw bytes. Both are read
here without PyTorch's own loader, which unpickles what an archive asks it to: nothing in the
file is executed, tensors are mapped into memory and read when needed, and the operations that
are carried out on node ids are those that `AtenTracer` knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.damage import damage
from cntgraph.adapters.options import Options
from cntgraph.adapters.torch.archive import Archive
from cntgraph.adapters.torch.aten.complex_numbers import as_typed
from cntgraph.adapters.torch.aten.operations import writes_over
from cntgraph.adapters.torch.aten.random import is_random
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import TRACED, Call, Nodes, are_neurons_written, leaves
from cntgraph.adapters.torch.constants import carry_out, refuse_large, refuse_unfit
from cntgraph.adapters.torch.inputs import Inputs
from cntgraph.adapters.torch.known import NamedValues
from cntgraph.adapters.torch.serialized import (
    CHECKS,
    LISTS,
    NUMBERS,
    OF_PARTS,
    PLAIN_ARGUMENTS,
    Modules,
    compute_size,
    last_reads,
    names_of,
    operation_of,
    torch_dtype,
)
from cntgraph.adapters.torch.stand_ins import StandIns
from cntgraph.adapters.torch.tensor_memory import as_memory, as_written, base_of, strided
from cntgraph.adapters.torch.tensors import NO_WEIGHT, is_weight, tensor_of
from cntgraph.adapters.torch.watch import taken_apart
from cntgraph.adapters.tracing.complex_numbers import Complex, of_pairs
from cntgraph.adapters.tracing.values import Data
from cntgraph.core.errors import TraceError
from cntgraph.core.recipe import Recipe


def trace_program(path: Path, builder: Builder, given: Options) -> None:
    """Build the network of a ``.pt2`` file.

    Parameters
    ----------
    given : Options
        Its `input_shape` is needed only where the program leaves it open, its `example_input` for
        the values of whole numbers that are constants.

    Raises
    ------
    FormatError
        If the file is damaged or is not a saved program.
    UnsafeFileError
        If its tensors are pickled.
    """
    what = (
        "expected a program saved by torch.export.save, found one whose parts do not fit together"
    )
    with damage(path, what, "save it again"):
        _Program(Archive(path), builder, given).run()


class _Program:
    """Walks through a saved program's operations."""

    def __init__(self, archive: Archive, builder: Builder, given: Options) -> None:
        self.archive, self.builder, self.given = archive, builder, given
        module = archive.program["graph_module"]
        self.graph, self.signature = module["graph"], module["signature"]
        self.values = NamedValues()
        self.symbols: dict[str, int] = {}
        self.parts: set[str] = set()
        self.tracer = AtenTracer(builder)
        self.tracer.has_example = given.example_input is not None
        self.modules = Modules(self.graph["nodes"], archive.tensors)

    def run(self) -> None:
        """Build the network."""
        inputs = [spec["arg"] for spec in self._specs("user_input")]
        names = [a["as_tensor"]["name"] for a in inputs if "as_tensor" in a]
        if not names:
            raise TraceError(f"{self.archive.path}: the program has no input tensor")
        self._add_inputs(names)
        self._read_tensors()
        nodes, outputs = self.graph["nodes"], self.signature["output_specs"]
        for node, done in zip(nodes, last_reads(nodes, outputs), strict=True):
            self._step(node)
            for name in done:  # ids take as much memory as activations
                self.values.pop(name)
        for spec in (spec["user_output"] for spec in outputs if "user_output" in spec):
            self.tracer.output(self._argument(spec["arg"]))

    def _specs(self, kind: str) -> list[dict[str, Any]]:
        return [spec[kind] for spec in self.signature["input_specs"] if kind in spec]

    def _add_inputs(self, names: list[str]) -> None:
        """Add the inputs; their values, or a stand-in for these, give masks and positions."""
        inputs = Inputs(self.graph, names, self.given)
        shapes = {name: inputs.shape(name) for name in names}
        self.symbols = inputs.symbols
        sizes = (shape[inputs.batch_axis] for shape in shapes.values() if len(shape) > 1)
        self.tracer.n_samples = next(sizes, 1) if self.given.batched else 0
        constants = inputs.constants()
        for name, shape in shapes.items():
            dtype = self._dtype(name)
            if name in constants:
                self.values[name] = torch.as_tensor(constants[name])
                continue
            self.values[name] = self.tracer.input(name, shape, dtype, inputs.batch_axis)
        self.stand_ins = StandIns(self.builder, inputs)
        self.tracer.look = self.stand_ins.look

    def _read_tensors(self) -> None:
        for kind in ("parameter", "buffer", "tensor_constant"):
            for spec in self._specs(kind):
                self._read_tensor(spec["arg"]["name"], spec[f"{kind}_name"], kind)

    def _read_tensor(self, value: str, name: str, kind: str) -> None:
        name = self.archive.first_names.get(name, name)
        parameter = self.archive.parameter(name, trainable=kind == "parameter")
        if kind != "tensor_constant":
            recipe = Recipe.of(self.builder.parameter(parameter))
            if is_weight(parameter):
                is_complex = self.archive.is_complex(name)
                self.values[value] = of_pairs(self.tracer, recipe) if is_complex else recipe
                return
            self.builder.skip(recipe, NO_WEIGHT)
        bits, is_complex = np.array(parameter.raw(), order="C"), self.archive.is_complex(name)
        self.values[value] = tensor_of(bits, parameter.dtype, is_complex=is_complex)

    # -- operations -----------------------------------------------------------------------------

    def _step(self, node: Mapping[str, Any]) -> None:
        target = node["target"]
        if target in OF_PARTS:
            self._assign(node["outputs"], self._of_parts(node))
            return
        arguments = [(a["name"], self._argument(a["arg"]), a["kind"]) for a in node["inputs"]]
        args = [value for _, value, kind in arguments if kind == 1]
        kwargs = {name: value for name, value, kind in arguments if kind != 1}
        result = compute_size(target, args)
        if result is NotImplemented:
            result = self._call(target, args, kwargs, node)
        self._assign(node["outputs"], result)

    def _of_parts(self, node: Mapping[str, Any]) -> list[Any]:
        """Carry out the parts of an operation; of a condition all, and choose value by value."""
        inputs = [argument["arg"] for argument in node["inputs"]]
        at = [k for k, argument in enumerate(inputs) if "as_graph" in argument]
        given = list(leaves(self._argument(argument) for argument in inputs[at[-1] + 1 :]))
        results = [self._carry_out(inputs[k]["as_graph"]["graph"], given) for k in at]
        if len(results) == 1:
            return results[0]
        target, condition = "torch.ops.aten.where.self", self._argument(inputs[0])
        outputs = [[{"as_tensor": {"name": name}}] for name in names_of(node["outputs"])]
        return [
            self._call(target, [condition, *options], {}, {**node, "outputs": output})
            for *options, output in zip(*results, outputs, strict=True)
        ]

    def _carry_out(self, part: Mapping[str, Any], given: list[Any]) -> list[Any]:
        """Carry out the operations of a part whose names are its own."""
        outside = self.graph, self.values
        self.graph = part
        self.values = NamedValues()
        for name, value in zip(names_of(part["inputs"]), given, strict=True):
            self.values[name] = value
        try:
            for inner in part["nodes"]:
                self._step(inner)
            return [self._argument(output) for output in part["outputs"]]
        finally:
            self.graph, self.values = outside

    def _call(self, target: str, args: list[Any], kwargs: dict[str, Any], node: Any) -> Any:
        place, shapes = self.modules.place(node), self._shapes(node["outputs"])
        namespace, _, name = target.removeprefix("torch.ops.").partition(".")
        operation = operation_of(name) if namespace == "aten" else None
        if operation is None:
            reason = f"{target} is not an operation of PyTorch"
            return self.tracer.cut(place.name(target), target, list(leaves(args)), shapes, reason)
        base = name.partition(".")[0]
        if base == "sym_size":
            return args[0].shape[args[1]]
        if base in CHECKS:
            return None
        if writes_over(operation) and args:
            args[0] = self._before_writing(target, args, node)
        call = Call(operation, args, kwargs, place, shapes)
        refuse_unfit(call, target)
        if not call.has(TRACED) and not is_random(operation):
            return carry_out(call, target)
        written = writes_over(operation) and isinstance(args[0], torch.Tensor)
        before = base_of(args[0]).clone() if written else None
        result = self._follow(call, node)
        if isinstance(result, Recipe) and before is not None:
            weights_of = as_written(args[0], self.tracer.recipe(before), result)
            seen = self.values.beside(args[0])
            for name, tensor in seen.items():
                self.values[name] = weights_of(tensor)
            self.parts.update(seen if len(seen) > 1 else ())
        self._note_parts(call, node)
        if result is not None:
            return result
        # An operation on parameters for which there is no recipe: their values as they are.
        made = carry_out(call.of(_value_of, Recipe | Complex), target)
        made = made.to(self._dtype(*names_of(node["outputs"])))
        return self.tracer.give_up(replace(call, result=made)) or made

    def _before_writing(self, target: str, args: list[Any], node: Any) -> Any:
        """Return what is written over, if it is no neurons by then; see `Watch`."""
        first, name = args[0], names_of(node["inputs"][0]["arg"])
        pairs = [v for v in (first, *args[1:]) if isinstance(v, Complex) and v.is_of_weights]
        if pairs or (isinstance(first, Recipe) and self.parts.intersection(name)):
            raise TraceError(
                f"{target} writes over a part of a weight in place; save the program after "
                "program.run_decompositions(), which writes nothing in place, or pass the live "
                "model"
            )
        if not isinstance(first, torch.Tensor) or not are_neurons_written(args[1:]):
            return first
        nodes_of = as_memory(self.tracer, first)
        for seen, tensor in self.values.beside(first).items():
            self.values[seen] = nodes_of(tensor)
        return nodes_of(first)

    def _note_parts(self, call: Call, node: Any) -> None:
        """Note the names of weights that are parts of others, and of those of which they are."""
        is_part = any(r.alias_info for r in call.operation._schema.returns)
        first = next(iter(call.arguments.values()))
        if is_part and isinstance(first, Recipe) and not writes_over(call.operation):
            self.parts.update(names_of(node["inputs"][0]["arg"]), names_of(node["outputs"]))

    def _follow(self, call: Call, node: Any) -> Any:
        """Follow an operation as it is, or as the smaller ones that PyTorch makes it of."""
        refuse_large(call, call.name, self._noted(node["outputs"]))
        example = self.stand_ins.result(call)
        result = strided(call, self._lying(node)) if call.name == "as_strided" else None
        if result is None:
            result = self.tracer.attempt(replace(call, result=example))
        if isinstance(result, Nodes) and isinstance(example, torch.Tensor):
            result.look = lambda: example
        if result is None:
            result = taken_apart(self.tracer, call)
        traced = call.has(Nodes | Data)
        return self.tracer.give_up(call) if result is None and traced else result

    def _assign(self, outputs: Any, result: Any) -> None:
        results = list(result) if isinstance(result, list | tuple) else [result]
        for name, value in zip(names_of(outputs), results, strict=False):
            typed = isinstance(value, Nodes) and name in self.graph["tensor_values"]
            self.values[name] = as_typed(value, self._dtype(name)) if typed else value

    def _dtype(self, name: str) -> torch.dtype:
        return torch_dtype(self.graph["tensor_values"][name]["dtype"])

    def _shapes(self, outputs: Any) -> Any:
        """Return the shape of what an operation yields, or those of several tensors."""
        found = [self._shape(name) for name in names_of(outputs)]
        return found if len(found) != 1 or "as_tensors" in outputs[0] else found[0]

    def _noted(self, outputs: Any) -> Any:
        """Return the same, if none of the sizes is left open: what they are made of is not read."""
        noted = (self.graph["tensor_values"].get(name, {}) for name in names_of(outputs))
        sizes = [size for meta in noted for size in meta.get("sizes", [])]
        return self._shapes(outputs) if all("as_int" in size for size in sizes) else None

    def _lying(self, node: Any) -> torch.Tensor:
        """Return a tensor without values that lies in memory as the first input does."""
        meta = self.graph["tensor_values"][names_of(node["inputs"][0]["arg"])[0]]
        sizes, steps = ([self._size(n) for n in meta[key]] for key in ("sizes", "strides"))
        return torch.empty(0, device="meta").as_strided(
            sizes, steps, self._size(meta["storage_offset"])
        )

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
        """Return the value of a serialized argument."""
        (kind, value), *_ = argument.items()
        if kind in PLAIN_ARGUMENTS:
            return PLAIN_ARGUMENTS[kind](value)
        if kind == "as_tensor":
            return self.values[value["name"]]
        if kind == "as_tensors":
            return [self.values[item["name"]] for item in value]
        if kind == "as_name":
            return self.values[value]
        if kind in NUMBERS:
            return self._argument(value)
        if kind in LISTS:
            return [self._argument(item) for item in value]
        raise TraceError(f"{self.archive.path}: arguments of kind {kind} are not known")


def _value_of(recipe: Recipe | Complex) -> torch.Tensor:
    """Return the values of what is computed from parameters, in the type of the first of them."""
    if isinstance(recipe, Complex):
        parts = (v if isinstance(v, torch.Tensor) else _value_of(v) for v in recipe.parts)
        return torch.complex(*parts)
    dtype = next((parameter.dtype for parameter in recipe.parameters()), "float32")
    return torch.from_numpy(np.array(recipe.read())).to(getattr(torch, dtype))
