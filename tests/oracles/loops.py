"""What blocks and measures should give, by loops written down from the definitions.

Edges are lists of (source position, target position, weight). Slow on purpose: nothing here is
shared with the package.
"""

import math
from itertools import product

import numpy as np

TRANSFORMS = {
    "signed": lambda w: w,
    "absolute": lambda w: abs(w),
    "positive": lambda w: 0.0 if w < 0 else w,
    "negative": lambda w: 0.0 if w > 0 else w,
    "square": lambda w: w * w,
    "fourth": lambda w: w**4,
    "count": lambda w: 1.0,
}


def flat_index(place, shape):
    """Rank of a place in C order."""
    rank = 0
    for k, n in zip(place, shape, strict=True):
        rank = rank * n + k
    return rank


def places(shape):
    return product(*(range(n) for n in shape))


# -- edges ---------------------------------------------------------------------------------------


def dense_edges(weight):
    """Edges of y = W x, W of shape (outputs, inputs)."""
    return [
        (i, o, float(weight[o, i])) for o in range(weight.shape[0]) for i in range(weight.shape[1])
    ]


def conv_edges(weight, axes, groups=1, transposed=False):
    """Edges of a convolution; an axis is (fine, coarse, stride, dilation, before).

    Coarse position o reads, by tap t, the fine position o·stride − before + t·dilation.
    """
    n_coarse, inner, *kernel = weight.shape
    fine_shape = (inner * groups, *(axis[0] for axis in axes))
    coarse_shape = (n_coarse, *(axis[1] for axis in axes))
    edges = []
    for c in range(n_coarse):
        group = c // (n_coarse // groups)
        for k in range(inner):
            for o in places(coarse_shape[1:]):
                for t in places(kernel):
                    q = [
                        at * stride - before + tap * dilation
                        for at, tap, (_, _, stride, dilation, before) in zip(
                            o, t, axes, strict=True
                        )
                    ]
                    if all(0 <= at < n for at, n in zip(q, fine_shape[1:], strict=True)):
                        fine = flat_index((group * inner + k, *q), fine_shape)
                        coarse = flat_index((c, *o), coarse_shape)
                        pair = (coarse, fine) if transposed else (fine, coarse)
                        edges.append((*pair, float(weight[(c, k, *t)])))
    return edges


def pool_edges(channels, axes):
    """Edges of a pooling; an axis is (n_in, list of windows), a window {position: weight}."""
    in_shape = (channels, *(n for n, _ in axes))
    out_shape = (channels, *(len(windows) for _, windows in axes))
    edges = []
    for c in range(channels):
        for o in places(out_shape[1:]):
            windows = [windows[at] for at, (_, windows) in zip(o, axes, strict=True)]
            for q in product(*windows):
                weight = math.prod(w[at] for w, at in zip(windows, q, strict=True))
                edges.append(
                    (flat_index((c, *q), in_shape), flat_index((c, *o), out_shape), weight)
                )
    return edges


def sliding_windows(fine, coarse, kernel, stride, dilation, before, divisor):
    """Windows of a pooling axis; `divisor` is "one", "kernel" or "seen"."""
    windows = []
    for o in range(coarse):
        reached = [o * stride - before + t * dilation for t in range(kernel)]
        seen = [q for q in reached if 0 <= q < fine]
        by = {"one": 1, "kernel": kernel, "seen": len(seen)}[divisor]
        windows.append(dict.fromkeys(seen, 1.0 / max(by, 1)))
    return windows


def adaptive_windows(n_in, n_out, average):
    windows = []
    for o in range(n_out):
        first, last = math.floor(o * n_in / n_out), math.ceil((o + 1) * n_in / n_out)
        by = last - first if average else 1
        windows.append(dict.fromkeys(range(first, last), 1.0 / by))
    return windows


def without_padding(edges, source_ids):
    """Leave out the edges from positions where there is no node."""
    return [(i, j, w) for i, j, w in edges if source_ids[i] >= 0]


def at_nodes(edges, source_ids, target_ids):
    """Edges between node ids rather than positions."""
    return [(int(source_ids[i]), int(target_ids[j]), w) for i, j, w in edges]


# -- measures ------------------------------------------------------------------------------------


def strengths(edges, n_rows, n_columns, transform="signed"):
    """Row sums and column sums of f(weight)."""
    f = TRANSFORMS[transform]
    rows, columns = [0.0] * n_rows, [0.0] * n_columns
    for i, j, w in edges:
        rows[i] += f(w)
        columns[j] += f(w)
    return np.array(rows), np.array(columns)


def to_matrix(edges, n_rows, n_columns):
    matrix = np.zeros((n_rows, n_columns))
    for i, j, w in edges:
        matrix[i, j] += w
    return matrix


def papers_fc_strength(weights, biases):
    """Nodes strength of a fully connected network as in the papers and their code.

    Input nodes: what goes out, and 1 coming in. Hidden nodes: what comes in, the bias, what goes
    out. Output nodes: what comes in, the bias, and 1 going out. Weights have shape (out, in).
    """
    layers = []
    for depth in range(len(weights) + 1):
        n = weights[depth].shape[1] if depth < len(weights) else weights[-1].shape[0]
        layer = []
        for k in range(n):
            if depth == 0:
                s_in = 1.0
            else:
                s_in = sum(float(w) for w in weights[depth - 1][k]) + float(biases[depth - 1][k])
            last = depth == len(weights)
            s_out = 1.0 if last else sum(float(row[k]) for row in weights[depth])
            layer.append(s_in + s_out)
        layers.append(np.array(layer))
    return layers


def fluctuation(values):
    """Y = √( Σ (s − ⟨s⟩)² / N )."""
    values = [float(v) for v in values]
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))


def moments(values):
    """Count, mean, std (ddof 0), skew and excess kurtosis (biased) of finite values."""
    values = [float(v) for v in values if math.isfinite(v)]
    n = len(values)
    mean = math.fsum(values) / n
    m2, m3, m4 = (math.fsum((v - mean) ** p for v in values) / n for p in (2, 3, 4))
    return n, mean, math.sqrt(m2), m3 / m2**1.5, m4 / m2**2 - 3.0
