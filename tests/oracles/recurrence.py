"""Recurrent layers written out step by step, in plain loops.

Each function returns the edges (source, target) → weight and the biases by node of one recurrent
layer, learned edges and structural ones; nodes are tuples (layer, unit, step).
"""

import numpy as np


class Edges:
    def __init__(self):
        self.learned, self.structural, self.modulatory, self.bias = {}, {}, {}, {}

    def dense(self, matrix, source, target):
        for j, row in enumerate(matrix):
            for i, weight in enumerate(row):
                self.learned[(source(i), target(j))] = weight

    def hand_on(self, n, source, target, gate=None, kind="structural"):
        for k in range(n):
            self.structural[(source(k), target(k))] = 1.0
            if gate is not None:
                self.modulatory[(gate(k), target(k))] = 1.0

    def add_bias(self, values, target):
        for k, value in enumerate(values):
            self.bias[target(k)] = self.bias.get(target(k), 0.0) + value


def at(layer, step):
    return lambda unit: (layer, unit, step)


def _order(n_steps, reverse):
    """Yield each step with the one before it, None for the first."""
    steps = list(range(n_steps))[:: -1 if reverse else 1]
    return list(zip(steps, [None, *steps], strict=False))


def rnn_edges(weights, n_steps, *, reverse=False, loop=False):
    e, ((w, u, b),) = Edges(), weights
    for t, before in _order(n_steps, reverse):
        e.dense(w, at("x", t), at("r", t))
        e.add_bias(b, at("r", t))
        before = t if loop else before
        if before is not None:
            e.dense(u, at("r", before), at("r", t))
    return e


def lstm_edges(weights, n_steps, *, reverse=False, loop=False, projection=None):
    e, n = Edges(), len(weights[0][0])
    names = ("r.input_gate", "r.forget_gate", "r.candidate", "r.output_gate")
    inner = "r" if projection is None else "r.hidden"
    for t, before in _order(n_steps, reverse):
        before = t if loop else before
        for name, (w, u, b) in zip(names, weights, strict=True):
            e.dense(w, at("x", t), at(name, t))
            e.add_bias(b, at(name, t))
            if before is not None:
                e.dense(u, at("r", before), at(name, t))
        e.hand_on(n, at("r.candidate", t), at("r.cell", t), at("r.input_gate", t))
        if before is not None:
            e.hand_on(n, at("r.cell", before), at("r.cell", t), at("r.forget_gate", t))
        e.hand_on(n, at("r.cell", t), at(inner, t), at("r.output_gate", t))
        if projection is not None:
            e.dense(projection, at("r.hidden", t), at("r", t))
    return e


def gru_edges(weights, n_steps, *, reverse=False, loop=False, reset_after=True):
    e, n = Edges(), len(weights[0][0])
    (w, u, b, *hidden_bias) = weights[2]
    for t, before in _order(n_steps, reverse):
        before = t if loop else before
        for name, (wg, ug, bg) in zip(("r.reset_gate", "r.update_gate"), weights[:2], strict=True):
            e.dense(wg, at("x", t), at(name, t))
            e.add_bias(bg, at(name, t))
            if before is not None:
                e.dense(ug, at("r", before), at(name, t))
        e.dense(w, at("x", t), at("r.candidate", t))
        e.add_bias(b, at("r.candidate", t))
        if reset_after:
            e.add_bias(hidden_bias[0], at("r.hidden_candidate", t))
            if before is not None:
                e.dense(u, at("r", before), at("r.hidden_candidate", t))
            e.hand_on(n, at("r.hidden_candidate", t), at("r.candidate", t), at("r.reset_gate", t))
        else:
            if before is not None:
                e.hand_on(n, at("r", before), at("r.reset_hidden", t), at("r.reset_gate", t))
            e.dense(u, at("r.reset_hidden", t), at("r.candidate", t))
        e.hand_on(n, at("r.candidate", t), at("r", t), at("r.update_gate", t))
        if before is not None:
            e.hand_on(n, at("r", before), at("r", t))
    return e


def matrix(edges, net, loop_step=None):
    """Return edges as a dense matrix over the nodes of a network, and the number of each pair."""
    total = np.zeros((net.n_nodes, net.n_nodes))
    for (source, target), weight in edges.items():
        total[node(net, source), node(net, target)] += weight
    return total


def node(net, key):
    name, unit, step = key
    layer = net.layer(name)
    steps = layer.n_nodes // layer.shape[0]
    return layer.start + unit * steps + step
