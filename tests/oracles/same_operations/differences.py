"""Where a framework gives another graph than the one that is expected, and why.

`DRIFT` are faults: the entry goes when the fault does. `STATED` are differences that have a
reason. The test holds both to be true: an entry whose graph is the expected one fails, too.
A saved program is held against the live module, and named only where it is not the same.
"""

#: By operation and way to write it, what the graph has instead.
DRIFT = {
    ("bilinear", "jax"): "scores of all pairs, and a dense layer that reads them",
    ("hard sigmoid", "onnx:written out"): "clamp, and a scaling by 1/6",
    ("prelu", "keras"): "a choice between x and p · x, whose p has edges",
}

_ORDER = "the same in another order: Keras runs the branches in an order of its own"

#: The same, with the reason why that is right.
STATED = {
    ("relu(a) + tanh(b)", "keras"): _ORDER,
    ("sigmoid(a) · tanh(b)", "keras"): _ORDER,
    ("relu(a) / exp(b)", "keras"): _ORDER,
}
