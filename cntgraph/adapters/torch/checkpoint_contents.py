"""Where in a checkpoint the weights are, and what is in it besides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cntgraph.adapters.torch.state_dict import holds_tensors, is_state
from cntgraph.adapters.weights.checkpoint_values import StoredTensor
from cntgraph.adapters.weights.pickled import SAVE
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import FormatError

#: Where checkpoints keep the weights, in the order in which they are looked for.
_WEIGHTS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights",
            "params")  # fmt: skip
_LABELS = {"epoch": "epoch", "global_step": "step", "step": "step"}


def weights_in(loaded: Any, path: Path) -> tuple[list[str], Any]:
    """Return the state dict of a checkpoint, and the keys that lead to it."""
    inside = [k for k, v in loaded.items() if is_state(v)] if isinstance(loaded, Mapping) else []
    ways = [*([key] for key in _WEIGHTS), *([key, _WEIGHTS[0]] for key in _WEIGHTS), []]
    ways += [inside] if len(inside) == 1 else []
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
    what = f"a {type(loaded).__name__}"  # its text could take any time and memory
    if isinstance(loaded, Mapping):
        what = ", ".join(map(repr, list(loaded)[:6])) or "nothing"
    raise FormatError(f"{path}: expected weights by name, found {what:.200}; {SAVE}")


def note_others(loaded: Mapping[str, Any], keys: list[str], found: Tensors) -> None:
    """Note what there is besides the weights: other tensors are left out, counts are labels."""
    if not keys:
        return
    for key, value in loaded.items():
        if key != keys[0] and holds_tensors(value):
            weights = is_state(value) or isinstance(value, StoredTensor)
            kind = "parameter" if weights else "buffer"  # of an optimizer
            found.leave_out(str(key), (), "", f"not of the weights in {keys[0]!r}", kind)
    found.labels.update(
        {label: loaded[key] for key, label in _LABELS.items() if type(loaded.get(key)) is int}
    )
