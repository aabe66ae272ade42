"""What a recurrent layer computes, carried out through the edges of its unrolled graph."""

import re

import numpy as np

FUNCTIONS = {
    "": lambda x: x, "tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0), "hardsigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "softsign": lambda x: x / (1 + abs(x)),
}  # fmt: skip


def forward(net, inputs, *, update_gates=False):
    """Return the value of every node; `inputs` by name of the input layer.

    An edge that has a gate (named after it) is multiplied by the gate's value. A GRU hands on its
    candidate by one minus its update gate, and what was before by the update gate. The function
    of a hidden state is applied to the cell that it hands on, before the output gate.
    """
    z = np.zeros(net.n_nodes)
    for name, values in inputs.items():
        z[net.layer(name).slice] = np.asarray(values, dtype=float).reshape(-1)
    bias = net.bias()
    while True:
        before = z.copy()
        for layer in net.layers:
            if not layer.is_input:
                total = bias[layer.slice] + into(net, layer, z, update_gates)
                function = FUNCTIONS["" if layer.kind == "hidden" else layer.activation]
                z[layer.slice] = function(total)
        if np.array_equal(before, z):
            return z


def into(net, layer, z, update_gates):
    function = FUNCTIONS[layer.activation if layer.kind == "hidden" else ""]
    blocks = net.blocks_into(layer)
    gates = {label(block).removesuffix(".gate"): received(net, block, z) for block in blocks
             if block.modulatory}  # fmt: skip
    total = np.zeros(net.n_nodes)
    for block in (block for block in blocks if not block.modulatory and block.source.size):
        carried = function(received(net, block, z))
        if update_gates and layer.kind == "hidden" and layer.name in gates:
            update = gates[layer.name]
            total += carried * (1 - update if label(block) == layer.name else update)
        else:
            total += carried * gates.get(label(block), 1.0)
    return total[layer.slice]


def label(block):
    """The name of a block without the number that makes it unique."""
    return re.sub(r"_\d+$", "", block.name)


def received(net, block, values):
    total = np.zeros(net.n_nodes)
    block.target.scatter_add(total, block.rmatvec(block.source.gather(values)))
    return total
