"""PyTorch checkpoints: weights without a graph, or put into the graph of a live module.

A checkpoint (.pt, .pth, .ckpt, .bin) is a zip archive with a pickle inside, and reading a pickle
can run code. It is read with ``torch.load(weights_only=True)``, which builds nothing but tensors
and plain containers, and mapped into memory rather than copied.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from cntgraph.adapters.torch.tensors import parameter_of
from cntgraph.adapters.weights.stored import read_member, zip_members
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import FormatError, ParameterError, UnsafeFileError

suffixes = (".pt", ".pth", ".ckpt", ".bin")

#: Where checkpoints keep the weights, in the order in which they are looked for.
_WEIGHTS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights",
            "params")  # fmt: skip
_LABELS = {"epoch": "epoch", "global_step": "step", "step": "step"}
_SAVE = "save the weights alone, torch.save(model.state_dict(), path), or pass the live model"


def is_state(source: object) -> bool:
    """Return whether `source` is a state dict: names, and tensors among the values."""
    return isinstance(source, Mapping) and any(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in source.items()
    )


def read_checkpoint(path: Path) -> Tensors:
    """Return the tensors of a checkpoint; their values stay in the file.

    Parameters
    ----------
    path : Path
        A state dict saved by ``torch.save``, or a dict with one among other things, as Lightning
        writes it.

    Returns
    -------
    Tensors
        With ``epoch`` and ``step`` as labels, where the checkpoint has them.

    Raises
    ------
    UnsafeFileError
        If it holds more than tensors and plain containers.
    FormatError
        If it is damaged, or holds no weights.
    """
    _check_archive(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # whatever a damaged pickle leads to
        raise _explained(path, error) from error
    try:
        return _tensors_of_checkpoint(loaded, path)
    except ParameterError as error:
        raise FormatError(f"{path}: {error}") from error


def tensors_of(state: Mapping[str, Any]) -> Tensors:
    """Return the tensors of a state dict; those that are live follow the training.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
        Values that are no tensors of real numbers are left out with a reason.
    """
    found, first = Tensors(), dict[Any, str]()
    for key, value in state.items():
        name = str(key)
        if not isinstance(value, torch.Tensor):
            continue
        try:
            parameter = parameter_of(name, value, trainable=True)
        except (ParameterError, NotImplementedError, RuntimeError, TypeError):
            dtype, layout = (str(v).removeprefix("torch.") for v in (value.dtype, value.layout))
            kind = "meta" if value.is_meta else layout
            reason = f"no plain numbers: a {kind} tensor of type {dtype}"
            found.leave_out(name, tuple(value.shape), dtype, reason)
            continue
        place = (value.data_ptr(), value.dtype, tuple(value.shape), value.stride())
        if value.numel() and place in first:
            found.same[name] = first[place]
        else:
            first[place] = name
            found.parameters.append(parameter)
    return found


# -- reading a file ---------------------------------------------------------------------------


def _check_archive(path: Path) -> None:
    """Raise unless a file is an archive as torch.save writes it, whose members it holds."""
    with path.open("rb") as file:
        head = file.read(16)
    if head[:1] == b"\x80":
        old = "\nl\xfc\x9cF\xf9 j\xa8P\x19".encode("latin-1") in head
        what = "a checkpoint of PyTorch 1.5 or older" if old else "a plain pickle"
        raise UnsafeFileError(
            f"{path}: expected a checkpoint saved by torch.save, found {what}, which can run code "
            f"when it is read; if you trust it, load it with torch.load and {_SAVE}, or use "
            "torch.export.save"
        )
    members = zip_members(path, "a checkpoint saved by torch.save")
    roots = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
    if any(name.endswith("models/model.json") for name in members):
        raise FormatError(
            f"{path}: holds a program of torch.export.save; give the file the suffix .pt2"
        )
    if any(name.endswith("constants.pkl") or "/code/" in name for name in members):
        raise UnsafeFileError(
            f"{path}: a TorchScript archive, which holds code; save the model with "
            "torch.export.save as .pt2, or pass torch.jit.load(path).state_dict() if you trust it"
        )
    if len(roots) != 1:
        raise FormatError(f"{path}: expected a checkpoint with one data.pkl, found {len(roots)}")
    if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
        raise FormatError(
            f"{path}: expected an archive as torch.save writes it, found a compressed one; "
            "load it with torch.load and save it again"
        )
    # The one thing that torch.load allows and that takes memory without having any.
    if b"bytearray\n" in read_member(path, members[roots[0]], largest=1):
        raise UnsafeFileError(f"{path}: makes a bytearray, which weights do not need; {_SAVE}")


def _explained(path: Path, error: Exception) -> FormatError:
    """Return what is wrong with a file that torch.load refuses."""
    text = re.sub(r"\x1b\[\d*m", "", str(error))
    found = re.search(r"GLOBAL (\S+)|unrecognized function (.+)|but got (<class .+>)", text)
    if found:
        what = next(filter(None, found.groups()))
        return UnsafeFileError(
            f"{path}: makes use of {what:.200}, and calling what a file names can run code; {_SAVE}"
        )
    reason = next((line for line in reversed(text.splitlines()) if line.strip()), "")
    return FormatError(
        f"{path}: expected a checkpoint saved by torch.save, found a damaged one "
        f"({type(error).__name__}: {reason[:200]}); copy it again, or {_SAVE}"
    )


def _tensors_of_checkpoint(loaded: Any, path: Path) -> Tensors:
    if isinstance(loaded, torch.Tensor):
        loaded = {path.stem: loaded}
    keys, state = _weights_in(loaded, path)
    _check_sizes(state, path)
    found = tensors_of(state)
    if keys:
        for key, value in loaded.items():
            if key != keys[0] and _holds_tensors(value):
                kind = "parameter" if is_state(value) else "buffer"  # of an optimizer
                found.leave_out(str(key), (), "", f"not of the weights in {keys[0]!r}", kind)
        found.labels.update(
            {label: loaded[key] for key, label in _LABELS.items() if type(loaded.get(key)) is int}
        )
    return found


def _weights_in(loaded: Any, path: Path) -> tuple[list[str], Any]:
    """Return the state dict of a checkpoint, and the keys that lead to it."""
    inside = [k for k, v in loaded.items() if is_state(v)] if isinstance(loaded, Mapping) else []
    ways = [[], *([key] for key in _WEIGHTS), *([inside] if len(inside) == 1 else [])]
    ways += [[key, _WEIGHTS[0]] for key in _WEIGHTS]
    for keys in ways:
        value = loaded
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if is_state(value):
            return keys, value
    if inside:
        raise FormatError(
            f"{path}: holds several models ({', '.join(map(str, inside))}); pass the weights "
            f"of one: cg.load(torch.load(path, weights_only=True)[{inside[0]!r}])"
        )
    what = ", ".join(map(repr, list(loaded)[:6])) if isinstance(loaded, Mapping) else repr(loaded)
    raise FormatError(f"{path}: expected weights by name, found {what:.200}; {_SAVE}")


def _holds_tensors(value: Any, depth: int = 3) -> bool:
    if isinstance(value, torch.Tensor):
        return True
    if isinstance(value, Mapping) and depth:
        return any(_holds_tensors(item, depth - 1) for item in islice(value.values(), 100))
    return False


def _check_sizes(state: Mapping[str, Any], path: Path) -> None:
    """Raise where tensors show more values than the file holds: one value shown many times."""
    size, seen = path.stat().st_size, dict[Any, int]()
    for value in state.values():
        if isinstance(value, torch.Tensor) and not value.is_meta and value.layout == torch.strided:
            place = (value.data_ptr(), tuple(value.shape), value.stride())
            seen[place] = value.numel() * value.element_size()
    if max(seen.values(), default=0) > size or sum(seen.values()) > 16 * size:
        raise FormatError(
            f"{path}: its tensors show more values than the file of {size} bytes holds; {_SAVE}"
        )
