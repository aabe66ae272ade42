"""The graph that is expected of each operation, as `fingerprint` writes it.

One line per layer: its number, kind, shape and activation, then the blocks that lead to it, each
with its number of edges and the layers that these come from.
"""

from oracles.same_operations.weights import COMPUTED

GRAPHS = {
    "linear": """\
0 input 4
1 dense 3 out | learned dense + bias, 12 from 0
parameters: 2 included""",
    "linear, no bias": """\
0 input 4
1 dense 3 out | learned dense, 12 from 0
parameters: 1 included""",
    "linear at every position": """\
0 input 2×4
1 dense 3×2 out | learned conv + bias, 24 from 0
parameters: 2 included""",
    "matmul, parameter on the left": """\
0 input 4×2
1 dense 3×2 out | learned conv, 24 from 0
parameters: 1 included""",
    "one matrix per head": """\
0 input 2×6
1 dense 4×2 out | learned conv, 24 from 0
2 dense 4×2 out | learned conv, 24 from 0
parameters: 1 included""",
    "one matrix per head, einsum": """\
0 input 2×6
1 dense 4×2 out | learned conv, 24 from 0
2 dense 4×2 out | learned conv, 24 from 0
parameters: 1 included""",
    "one matrix per head, one position": """\
0 input 2×3
1 dense 4 out | learned dense, 12 from 0
2 dense 4 out | learned dense, 12 from 0
parameters: 1 included""",
    "einsum to heads": """\
0 input 2×4
1 dense 6×2 out | learned conv, 48 from 0
parameters: 1 included""",
    "einsum of two axes": """\
0 input 2×6
1 dense 4×2 out | learned conv, 48 from 0
parameters: 1 included""",
    "bilinear": """\
0 input 3
1 input 2
2 unknown 4 out
parameters: 1 skipped
left out: a product of two inputs""",
    "embedding": """\
0 input 5×2
1 dense 3×2 out | learned conv, 30 from 0
parameters: 1 included""",
    "position embedding": """\
0 input 5×2
1 dense 3×2 out | learned conv + bias, 30 from 0
parameters: 1 folded, 1 included""",
    "tokens, some of which become others": """\
0 input 5×4
1 dense 3×4 out | learned conv, 30 from 0
2 learned 3 out | learned sparse + bias, 0 from nothing
parameters: 1 included
left out: what the input selects is taken as for the example""",
    "tokens, masked": """\
0 input 5×4
1 dense 3×4 out | learned conv, 45 from 0
2 learned 3 out | learned sparse + bias, 0 from nothing
parameters: 1 included
left out: what the input selects is taken as for the example""",
    "tokens, constants at some places": """\
0 input 5×4
1 dense 3×4 out | learned conv, 45 from 0
2 learned 3 out | learned sparse + bias, 0 from nothing
parameters: 1 included""",
    "tokens within bounds": """\
0 input 5×4
1 dense 3×4 out | learned conv, 30 from 0
2 learned 3 out | learned sparse + bias, 0 from nothing
3 learned 3 out | learned sparse + bias, 0 from nothing
parameters: 1 included
left out: what the input selects is taken as for the example""",
    "a weight that is computed": """\
0 input 4
1 dense 3 out | learned dense, 12 from 0
parameters: 1 included""",
    "two weights multiplied": """\
0 input 4
1 dense 3 out | learned dense, 12 from 0
parameters: 2 included""",
    "tied weights": """\
0 input 4
1 dense 3 tanh | learned dense, 12 from 0
2 dense 4 out | learned dense, 12 from 1
parameters: 1 included""",
    "low rank": """\
0 input 4
1 dense 1 | learned dense, 4 from 0
2 add 3 out
  | learned dense + bias, 12 from 0
  | learned dense, 3 from 1
parameters: 4 included""",
    "two outputs": """\
0 input 4
1 dense 3 out | learned dense + bias, 12 from 0
2 activation 3 relu | identity, 3 from 1
3 dense 2 out | learned dense + bias, 6 from 2
parameters: 4 included""",
    "relu": """\
0 input 4
1 dense 3 relu | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "maximum(x, 0)": """\
0 input 4
1 dense 3 relu | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "maximum(x, 1)": """\
0 input 4
1 dense 3 clamp | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "clip to (-1, 2)": """\
0 input 4
1 dense 3 clamp | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "relu6": """\
0 input 4
1 dense 3 hardtanh | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "hard tanh": """\
0 input 4
1 dense 3 hardtanh | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "leaky relu": """\
0 input 4
1 dense 3 leaky_relu | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "sigmoid": """\
0 input 4
1 dense 3 sigmoid | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "tanh": """\
0 input 4
1 dense 3 tanh | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "softplus": """\
0 input 4
1 dense 3 softplus | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "elu": """\
0 input 4
1 dense 3 elu | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "selu": """\
0 input 4
1 dense 3 selu | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "softsign": """\
0 input 4
1 dense 3 softsign | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "abs": """\
0 input 4
1 dense 3 abs | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "exp": """\
0 input 4
1 dense 3 exp | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "sin": """\
0 input 4
1 dense 3 sin | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "erf": """\
0 input 4
1 dense 3 erf | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "round": """\
0 input 4
1 dense 3 round | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "reciprocal": """\
0 input 4
1 dense 3 reciprocal | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "sign": """\
0 input 4
1 dense 3 sign | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "sqrt": """\
0 input 4
1 dense 3 abs+sqrt | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "log": """\
0 input 4
1 dense 3 abs+log | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "rsqrt": """\
0 input 4
1 dense 3 abs+rsqrt | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "square": """\
0 input 4
1 dense 3 pow | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "cube": """\
0 input 4
1 dense 3 pow | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "gelu": """\
0 input 4
1 dense 3 gelu | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "gelu by tanh": """\
0 input 4
1 dense 3 gelu | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "silu": """\
0 input 4
1 dense 3 silu | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "hard sigmoid": """\
0 input 4
1 dense 3 hardsigmoid | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "hard swish": """\
0 input 4
1 dense 3 hardswish | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "mish": """\
0 input 4
1 dense 3 mish | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "log sigmoid": """\
0 input 4
1 dense 3 log_sigmoid | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "softmax": """\
0 input 4
1 dense 3 softmax | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "log softmax": """\
0 input 4
1 dense 3 log_softmax | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "prelu": """\
0 input 4
1 dense 3 prelu | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 1 folded, 4 included""",
    "dropout": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "identity": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "times a constant": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "divided by a constant": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "a constant minus x": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "negate": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "times a constant vector": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "plus a constant": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 4 included""",
    "times a parameter": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 1 folded, 4 included""",
    "plus a parameter": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 1 folded, 4 included""",
    "relu times a parameter": """\
0 input 4
1 dense 3 relu | learned dense + bias, 12 from 0
2 scale 3 | learned diagonal, 3 from 1
3 dense 2 out | learned dense + bias, 6 from 2
parameters: 5 included""",
    "relu plus a parameter": """\
0 input 4
1 dense 3 relu | learned dense + bias, 12 from 0
2 scale 3 | identity + bias, 3 from 1
3 dense 2 out | learned dense + bias, 6 from 2
parameters: 5 included""",
    "maximum(x, parameter)": """\
0 input 4
1 dense 3 clamp | learned dense + bias, 12 from 0
2 dense 2 out | learned dense + bias, 6 from 1
parameters: 1 folded, 4 included""",
    "scaling of the input": """\
0 input 4
1 scale 4 | diagonal + bias, 4 from 0
2 dense 3 out | learned dense + bias, 12 from 1
parameters: 2 included""",
    "a + b": """\
0 input 4
1 add 3 out
  | learned dense + bias, 12 from 0
  | learned dense + bias, 12 from 0
parameters: 4 included""",
    "relu(a) + tanh(b)": """\
0 input 4
1 dense 3 relu | learned dense + bias, 12 from 0
2 dense 3 tanh | learned dense + bias, 12 from 0
3 add 3 out
  | identity, 3 from 1
  | identity, 3 from 2
parameters: 4 included""",
    "a - b": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 add 3 out
  | diagonal, 3 from 1
  | learned dense + bias, 12 from 0
parameters: 4 included""",
    "a + 2 b": """\
0 input 4
1 add 3 out
  | learned dense + bias, 12 from 0
  | learned dense + bias, 12 from 0
parameters: 4 included""",
    "average of a and b": """\
0 input 4
1 add 3 out
  | learned dense + bias, 12 from 0
  | learned dense + bias, 12 from 0
parameters: 4 included""",
    "a · b": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 dense 3 | learned dense + bias, 12 from 0
3 multiply 3 out
  | gating identity, 3 from 2
  | identity, 3 from 1
parameters: 4 included""",
    "sigmoid(a) · b": """\
0 input 4
1 dense 3 sigmoid | learned dense + bias, 12 from 0
2 dense 3 | learned dense + bias, 12 from 0
3 multiply 3 out
  | gating identity, 3 from 1
  | identity, 3 from 2
parameters: 4 included""",
    "sigmoid(a) · tanh(b)": """\
0 input 4
1 dense 3 sigmoid | learned dense + bias, 12 from 0
2 dense 3 tanh | learned dense + bias, 12 from 0
3 multiply 3 out
  | gating identity, 3 from 1
  | identity, 3 from 2
parameters: 4 included""",
    "silu(a) · b": """\
0 input 4
1 dense 3 silu | learned dense + bias, 12 from 0
2 dense 3 | learned dense + bias, 12 from 0
3 multiply 3 out
  | gating identity, 3 from 1
  | identity, 3 from 2
parameters: 4 included""",
    "gelu(a) · b": """\
0 input 4
1 dense 3 gelu | learned dense + bias, 12 from 0
2 dense 3 | learned dense + bias, 12 from 0
3 multiply 3 out
  | gating identity, 3 from 1
  | identity, 3 from 2
parameters: 4 included""",
    "tanh(a) · b": """\
0 input 4
1 dense 3 tanh | learned dense + bias, 12 from 0
2 dense 3 | learned dense + bias, 12 from 0
3 multiply 3 out
  | gating identity, 3 from 1
  | identity, 3 from 2
parameters: 4 included""",
    "softmax(a) · b": """\
0 input 4
1 dense 3 softmax | learned dense + bias, 12 from 0
2 dense 3 | learned dense + bias, 12 from 0
3 multiply 3 out
  | gating identity, 3 from 1
  | identity, 3 from 2
parameters: 4 included""",
    "hard sigmoid(a) · b": """\
0 input 4
1 dense 3 hardsigmoid | learned dense + bias, 12 from 0
2 dense 3 | learned dense + bias, 12 from 0
3 multiply 3 out
  | gating identity, 3 from 1
  | identity, 3 from 2
parameters: 4 included""",
    "a / b": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 dense 3 reciprocal | learned dense + bias, 12 from 0
3 multiply 3 out
  | gating identity, 3 from 2
  | identity, 3 from 1
parameters: 4 included""",
    "sigmoid(a) / b": """\
0 input 4
1 dense 3 sigmoid | learned dense + bias, 12 from 0
2 dense 3 reciprocal | learned dense + bias, 12 from 0
3 multiply 3 out
  | gating identity, 3 from 2
  | identity, 3 from 1
parameters: 4 included""",
    "relu(a) / exp(b)": """\
0 input 4
1 dense 3 relu | learned dense + bias, 12 from 0
2 dense 3 exp+reciprocal | learned dense + bias, 12 from 0
3 multiply 3 out
  | gating identity, 3 from 2
  | identity, 3 from 1
parameters: 4 included""",
    "2 / b + a": """\
0 input 4
1 dense 3 reciprocal | learned dense + bias, 12 from 0
2 add 3 out
  | diagonal, 3 from 1
  | learned dense + bias, 12 from 0
parameters: 4 included""",
    "maximum(a, b)": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 dense 3 | learned dense + bias, 12 from 0
3 max 3 out
  | identity, 3 from 1
  | identity, 3 from 2
parameters: 4 included""",
    "minimum(a, b)": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 dense 3 | learned dense + bias, 12 from 0
3 min 3 out
  | identity, 3 from 1
  | identity, 3 from 2
parameters: 4 included""",
    "where(constant mask, a, b)": """\
0 input 4
1 dense 3 out | learned dense + bias, 12 from 0
2 dense 3 out | learned dense + bias, 12 from 0
parameters: 4 included""",
    "where(a > 0, a, b)": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 dense 3 | learned dense + bias, 12 from 0
3 where 3 out
  | identity, 3 from 1
  | identity, 3 from 2
parameters: 4 included""",
    "a mix by a gate": """\
0 input 4
1 dense 3 sigmoid | learned dense + bias, 12 from 0
2 dense 3 | learned dense + bias, 12 from 0
3 scale 3 | diagonal + bias, 3 from 1
4 activation 3 tanh | identity, 3 from 2
5 add 3 out
  | gating identity, 3 from 1
  | gating identity, 3 from 4
  | identity, 3 from 2
  | identity, 3 from 3
parameters: 4 included""",
    "sine and cosine": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 activation 3 sin | identity, 3 from 1
3 activation 3 cos | identity, 3 from 1
4 dense 2 out | learned dense + bias, 12 from 2,3
parameters: 4 included""",
    "relu(x) beside x": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 activation 3 relu | identity, 3 from 1
3 add 3
  | identity, 3 from 1
  | identity, 3 from 2
4 dense 2 out | learned dense + bias, 6 from 3
parameters: 4 included""",
    "residual": """\
0 input 3
1 dense 3 relu | learned dense + bias, 9 from 0
2 add 3
  | identity, 3 from 0
  | identity, 3 from 1
3 dense 2 out | learned dense + bias, 6 from 2
parameters: 4 included""",
    "x + x": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 add 3 out
  | identity, 3 from 1
  | identity, 3 from 1
parameters: 2 included""",
    "a sort is a choice": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 add 1×3 out
  | learned dense + bias, 12 from 0
  | pool (choice), 9 from 1
parameters: 4 included
left out: a choice by the data""",
    "variance over units": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 pool 1×1 | pool (average), 3 from 1
3 add 3 pow
  | diagonal, 3 from 2
  | identity, 3 from 1
4 pool 1×1 out | pool (average), 3 from 3
parameters: 2 included""",
    "reshape": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 dense 2 out | learned dense, 12 from 1
parameters: 2 included""",
    "transpose": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 dense 2 out | learned dense, 12 from 1
parameters: 2 included""",
    "slice": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 dense 2 out | learned dense, 6 from 1
parameters: 2 included""",
    "slice with a step": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 dense 2 out | learned dense, 8 from 1
parameters: 2 included""",
    "crop": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 dense 2 out | learned dense, 8 from 1
parameters: 2 included""",
    "split": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 dense 2 out | learned dense, 12 from 1
parameters: 2 included""",
    "concatenation": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 activation 3×2 relu | identity, 6 from 1
3 dense 2 out | learned dense, 24 from 1,2
parameters: 2 included""",
    "stack": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 dense 2 out | learned dense, 12 from 1
parameters: 2 included""",
    "squeeze": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 dense 2 out | learned dense, 6 from 1
parameters: 2 included""",
    "tile": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 dense 2 out | learned dense, 24 from 1
parameters: 2 included""",
    "repeat": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 dense 2 out | learned dense, 24 from 1
parameters: 2 included""",
    "gather of constant places": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 dense 2 out | learned dense, 18 from 1
parameters: 2 included""",
    "flip": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 dense 2 out | learned dense, 12 from 1
parameters: 2 included""",
    "roll": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 dense 2 out | learned dense, 12 from 1
parameters: 2 included""",
    "padding": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 dense 2 out | learned dense, 12 from 1
parameters: 2 included""",
    "padding by reflection": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 dense 2 out | learned dense, 20 from 1
parameters: 2 included""",
    "padding by a number": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 learned 1 | learned sparse + bias, 0 from nothing
3 dense 2 out | learned dense, 16 from 1,2
parameters: 2 included""",
    "triangle": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 dense 2 out | learned dense, 6 from 1
parameters: 2 included""",
    "zeros by a constant mask": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 dense 2 out | learned dense, 6 from 1
parameters: 2 included""",
    "times a mask of ones and zeros": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 scale 3×2 | diagonal, 6 from 1
3 dense 2 out | learned dense, 12 from 2
parameters: 2 included""",
    "expansion": """\
0 input 2×4
1 dense 3×2 | learned conv, 24 from 0
2 dense 2 out | learned dense, 24 from 1
parameters: 2 included""",
    "concatenation of branches": """\
0 input 4
1 dense 3 | learned dense + bias, 12 from 0
2 dense 3 | learned dense + bias, 12 from 0
3 dense 2 out | learned dense, 12 from 1,2
parameters: 5 included""",
    "a learned token": """\
0 input 2×3
1 learned 3 | learned sparse + bias, 0 from nothing
2 dense 2×3 out | learned conv, 18 from 0,1
parameters: 2 included""",
    "depth to space": """\
0 input 2×2×2
1 conv 4×2×2 | learned conv, 32 from 0
2 conv 2×3×3 out | learned conv, 72 from 1
parameters: 2 included""",
    "real part of a Fourier transform of features": """\
0 input 2×4
1 dense 3×2 | learned conv + bias, 24 from 0
2 dense 3×2 out | conv, 18 from 1
parameters: 2 included""",
    "half of the frequencies of positions": """\
0 input 5×4
1 dense 3×5 | learned conv + bias, 60 from 0
2 pool 3×3 out | pool (linear), 45 from 1
3 pool 3×3 out | pool (linear), 24 from 1
parameters: 2 included""",
    "frequencies and back": """\
0 input 5×4
1 dense 3×5 | learned conv + bias, 60 from 0
2 pool 3×3 | pool (linear), 45 from 1
3 pool 3×3 | pool (linear), 24 from 1
4 add 3×5 out
  | pool (linear), 24 from 3
  | pool (linear), 45 from 2
parameters: 2 included""",
    "in two dimensions and back": """\
0 input 3×4
1 dense 3×3 | learned conv + bias, 36 from 0
2 dense 3×3 | conv, 27 from 1
3 dense 3×3 | conv, 27 from 1
4 add 3×3
  | pool (linear), 12 from 3
  | pool (linear), 27 from 2
5 add 3×3
  | pool (linear), 12 from 2
  | pool (linear), 27 from 3
6 add 3×3
  | conv, 27 from 4
  | conv, 27 from 5
7 add 3×3
  | conv, 27 from 4
  | conv, 27 from 5
8 add 3×3 out
  | pool (linear), 12 from 6
  | pool (linear), 27 from 7
parameters: 2 included""",
    "rotation by complex numbers": """\
0 input 2×3
1 dense 4×2 | learned conv + bias, 24 from 0
2 add 2×2 out
  | diagonal, 4 from 1
  | diagonal, 4 from 1
3 add 2×2 out
  | diagonal, 4 from 1
  | diagonal, 4 from 1
parameters: 2 included""",
    "complex weights": """\
0 input 2×4
1 dense 3×2 | learned conv + bias, 24 from 0
2 dense 2×2 out | learned conv, 12 from 1
3 dense 2×2 | learned conv, 12 from 1
parameters: 3 included""",
}
GRAPHS |= {
    name: f"""\
0 input 4
1 dense 3 out | learned dense, 12 from 0
parameters: {n} included"""
    for name, n in COMPUTED.items()
}
# Half of its weights are pruned: what takes them out is no parameter.
GRAPHS["a weight: triu"] = """\
0 input 4
1 dense 3 out | learned dense, 6 from 0
parameters: 1 included"""
