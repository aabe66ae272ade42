"""What modules of a model do to each other's output: one is changed, and all later ones watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.autograd import forward_ad

from cntgraph.adapters.torch.live import evaluating
from cntgraph.core.errors import CntGraphError, InputShapeError, TraceError
from cntgraph.core.types import Array, Values

#: What becomes of the output of one part, and what is read of the others' outputs.
Change = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Part:
    """What is one node: a module, or one of the equal parts of what a module reads (a head).

    Parameters
    ----------
    module : str
        Its name in the model.
    index, number : int
        Which part of how many, along the last axis of the module's first input; of one, it is the
        module's output.
    """

    module: str
    index: int = 0
    number: int = 1

    def of(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a view of its own values."""
        size = tensor.shape[-1] // self.number
        return tensor.narrow(-1, self.index * size, size) if self.number > 1 else tensor


class ModuleEffects:
    """A model whose modules are changed one by one.

    Parameters
    ----------
    model : torch.nn.Module
        It is left as it was.
    heads : mapping of str to int
        The modules, by name, and in how many parts each is taken; 1 for its output as a whole.
    """

    def __init__(self, model: torch.nn.Module, heads: Mapping[str, int]) -> None:
        self.model, self.heads = model, heads
        self.named = dict(model.named_modules())
        #: In the order in which the modules run, known after the first batch.
        self.parts: list[Part] = []

    def ablated(self, inputs: tuple[Array, ...], of_class: Values) -> tuple[Values, Values]:
        """Return by how much outputs change where that of one part is zero.

        Parameters
        ----------
        inputs : tuple of ndarray
            A batch, as the model takes it.
        of_class : ndarray of float64, shape (n_classes, n_samples)
            One where a sample is of a class, and zero elsewhere.

        Returns
        -------
        sizes : ndarray of float64, shape (n_classes, n_parts)
            Σ over the samples of a class of ‖output‖.
        changes : ndarray of float64, shape (n_classes, n_parts, n_parts)
            Σ over samples of ‖output of the column − that without the row‖; zero for earlier ones.
        """
        return self._measured(inputs, of_class, torch.zeros_like, _value, torch.sub)

    def attributed(self, inputs: tuple[Array, ...], of_class: Values) -> tuple[Values, Values]:
        """Return the same to first order: the derivative along the output, J · output.

        Raises
        ------
        TraceError
            If PyTorch has no forward derivative of an operation on the way.
        """
        return self._measured(inputs, of_class, _along_itself, _tangent, lambda found, _: found)

    def _measured(
        self, inputs: tuple[Array, ...], of_class: Values, change: Change,
        read: Callable[[torch.Tensor], Any], compare: Callable[[Any, torch.Tensor], Any],
    ) -> tuple[Values, Values]:  # fmt: skip
        """Return the sizes of outputs, and of their changes where an earlier one is changed."""
        tensors = _tensors(self.model, inputs)
        plain = self._run(tensors, None, lambda own: own, _value)
        n = len(self.parts)
        changes = np.zeros((len(of_class), n, n))
        for k, part in enumerate(self.parts):
            with forward_ad.dual_level():
                found = self._run(tensors, part, change, read)
            for j in (j for j in range(k + 1, n) if found[j] is not None):
                norms = _norms(compare(found[j], plain[j]), self.parts[j], tensors[0])
                changes[:, k, j] = of_class @ norms
        sizes = [of_class @ _norms(plain[j], self.parts[j], tensors[0]) for j in range(n)]
        return np.stack(sizes, axis=1), changes

    # -- runs ----------------------------------------------------------------------------------

    def _run(
        self, inputs: tuple[torch.Tensor, ...], changed: Part | None, change: Change,
        read: Callable[[torch.Tensor], Any],
    ) -> list[Any]:  # fmt: skip
        """Run the model with one part changed; return what is read of each part, in order."""
        found: dict[Part, Any] = {}
        with evaluating(self.model), torch.no_grad(), self._hooks(found, changed, change, read):
            try:
                self.model(*inputs)
            except CntGraphError:
                raise
            except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
                raise TraceError(
                    f"the model could not be run on this batch: {type(error).__name__}: {error}"
                ) from error
        if not self.parts:
            missing = [name for name in self.heads if name not in {p.module for p in found}]
            if missing:
                raise TraceError(f"the model does not run its modules {', '.join(missing)}")
            self.parts = [*found]
        return [found[part] for part in self.parts]

    @contextmanager
    def _hooks(
        self, found: dict[Part, Any], changed: Part | None, change: Change,
        read: Callable[[torch.Tensor], Any],
    ) -> Iterator[None]:  # fmt: skip
        def after(name: str) -> Callable[..., Any]:
            def hook(_: Any, __: Any, result: Any) -> Any:
                first = result[0] if isinstance(result, tuple) else result
                tensor = _checked(name, first, found)
                own = change(tensor) if changed == Part(name) else tensor
                found[Part(name)] = read(own)
                return (own, *result[1:]) if isinstance(result, tuple) else own

            return hook

        def before(name: str, number: int) -> Callable[..., Any]:
            def hook(_: Any, given: tuple[Any, ...]) -> Any:
                tensor = _checked(name, given[0] if given else None, found)
                if tensor.shape[-1] % number:
                    raise CntGraphError(
                        f"expected what {name!r} reads, {tensor.shape[-1]} features, to be "
                        f"divisible by {number} heads"
                    )
                parts = [Part(name, k, number) for k in range(number)]
                own = [part.of(tensor) for part in parts]
                own = [change(x) if p == changed else x for p, x in zip(parts, own, strict=True)]
                found.update(zip(parts, map(read, own), strict=True))
                return (torch.cat(own, dim=-1), *given[1:])

            return hook

        handles = [
            self.named[name].register_forward_hook(after(name)) if number == 1
            else self.named[name].register_forward_pre_hook(before(name, number))
            for name, number in self.heads.items()
        ]  # fmt: skip
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def _checked(name: str, tensor: Any, found: Mapping[Part, Any]) -> torch.Tensor:
    """Return what a module yields or reads, refusing what is no node."""
    if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
        raise TraceError(f"expected the module {name!r} to yield a tensor of real numbers")
    if any(part.module == name for part in found):
        raise TraceError(f"the module {name!r} runs several times: it is no single node")
    return tensor


def _value(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.clone()


def _along_itself(tensor: torch.Tensor) -> torch.Tensor:
    primal = forward_ad.unpack_dual(tensor).primal
    return forward_ad.make_dual(primal, primal.clone())


def _tangent(tensor: torch.Tensor) -> torch.Tensor | None:
    found: torch.Tensor | None = forward_ad.unpack_dual(tensor).tangent
    return found


def _norms(values: torch.Tensor, part: Part, batch: torch.Tensor) -> Values:
    """Return the Euclidean norm of each sample, shape (n_samples,)."""
    n = len(batch)
    axis = next((k for k in (0, 1) if k < values.ndim and values.shape[k] == n), None)
    if axis is None:
        raise InputShapeError(
            f"expected the {n} samples along the first or second axis of the output of "
            f"{part.module!r}, got shape {tuple(values.shape)}"
        )
    rows = values.movedim(axis, 0).reshape(n, -1).double()
    return np.asarray(torch.linalg.vector_norm(rows, dim=1).cpu(), dtype=np.float64)


def _tensors(model: torch.nn.Module, inputs: tuple[Array, ...]) -> tuple[torch.Tensor, ...]:
    """Return a batch in the type, and on the device, of the model's parameters."""
    own = (x for x in model.parameters() if x.is_floating_point())
    like = next(own, torch.zeros(()))
    made = (torch.from_numpy(np.array(array)) for array in inputs)
    return tuple(x.to(like.device, like.dtype if x.is_floating_point() else x.dtype) for x in made)
