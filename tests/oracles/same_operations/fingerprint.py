"""What a network is, without the names that a framework gave to its parts.

The text says every layer in order, the blocks that lead to it, and what became of parameters;
the numbers are the edges and biases themselves. Two networks are the same if both are.
"""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

#: Weights and biases agree to this, relative to the largest of them: frameworks have float32.
TOLERANCE = 1e-6

#: Why an operation is left out, by a word of the reason that is given.
REASONS = {
    "no neuron": "the result is no neuron",
    "mixes the samples": "mixes the samples",
    "random": "draws random numbers",
    "nothing is masked": "a mask that depends on the data",
    "product": "a product of two inputs",
    "graph is cut here": "the graph is cut",
    "which it is depends": "a choice by the data",
}


@dataclass(frozen=True)
class Fingerprint:
    """A network as text, and as the numbers that belong to it."""

    text: str
    numbers: tuple[np.ndarray, ...]

    def difference(self, other):
        """Say in which way another fingerprint is not this one; an empty text if it is."""
        if self.text != other.text:
            return f"expected\n{self.text}\ngot\n{other.text}"
        for k, (ours, theirs) in enumerate(zip(self.numbers, other.numbers, strict=True)):
            if ours.shape != theirs.shape:
                return f"numbers {k}: expected shape {ours.shape}, got {theirs.shape}"
            bound = TOLERANCE * max(1.0, np.abs(ours).max(initial=0.0))
            if np.abs(ours - theirs).max(initial=0.0) > bound:
                return f"in\n{self.text}\nnumbers {k}: expected\n{ours}\ngot\n{theirs}"
        return ""


def fingerprint(net):
    """Return the fingerprint of a network."""
    lines, numbers = [], []
    number = {layer.name: k for k, layer in enumerate(net.layers)}
    for layer in net.layers:
        blocks = [_block(net, layer, block, number) for block in net.blocks_into(layer)]
        # Blocks are in the order of a framework's operations: here by what they are.
        blocks.sort(key=lambda found: (found[0], found[1].tolist()))
        line = _layer(number[layer.name], layer)
        separator = " | " if len(blocks) == 1 else "\n  | "
        lines.append(separator.join([line, *(text for text, _ in blocks)]))
        numbers += [edges for _, edges in blocks]
    numbers.append(net.bias())
    return Fingerprint("\n".join([*lines, *_coverage(net)]), tuple(numbers))


def _layer(k, layer):
    kind = re.sub(r" \(.*\)", "", layer.kind)
    shape = "×".join(str(n) for n in layer.shape)
    marks = [layer.activation, "in" * (layer.is_input and kind != "input"),
             "out" * layer.is_output]  # fmt: skip
    return " ".join([f"{k} {kind} {shape}", *(mark for mark in marks if mark)])


def _block(net, layer, block, number):
    """The text of a block, and its edges as rows (source, target, weight)."""
    matrix = block.to_csr().tocoo()
    sources, targets = (view.as_ids() for view in (block.source, block.target))
    rows = np.array([sources[matrix.row], targets[matrix.col], matrix.data], dtype=float).T
    edges = rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]
    kind = " ".join(["learned"] * block.parametric + ["gating"] * block.modulatory + [block.kind])
    mode = f" ({block.mode})" if hasattr(block, "mode") else ""
    bias = " + bias" if block.bias is not None else ""
    start = ",".join(str(number[source.name]) for source in net.layers_of(block.source))
    ends = net.layers_of(block.target)
    assert ends == (layer,)
    n = len(edges)
    assert n == block.n_edges
    return f"{kind}{mode}{bias}, {n} from {start or 'nothing'}", edges


def _coverage(net):
    """How many parameters are included, folded or left out, and which operations are."""
    entries = [entry for entry in net.entries if entry.kind == "parameter"]
    counts = Counter(entry.status for entry in entries)
    if counts:
        yield "parameters: " + ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
    for entry in net.entries:
        if entry.kind == "operation":
            yield f"left out: {_reason(entry.reason)}"


def _reason(reason):
    found = [name for word, name in REASONS.items() if word in reason]
    return found[0] if found else reason
