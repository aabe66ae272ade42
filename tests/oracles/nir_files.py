"""Files of the Neuromorphic Intermediate Representation, written by the format's description."""

import io

import h5py
import numpy as np
from oracles import hdf5_files
from oracles.mutate import pick


def node(kind, **fields):
    return {"type": kind, **fields}


def population(kind, shape):
    """Neurons whose constants are ones and zeros."""
    names = {"LIF": "tau r v_leak v_reset v_threshold", "IF": "r v_reset v_threshold",
             "LI": "tau r v_leak", "I": "r", "CubaLI": "tau_mem tau_syn r v_leak w_in",
             "CubaLIF": "tau_mem tau_syn r v_leak v_reset v_threshold w_in"}  # fmt: skip
    return node(kind, **{name: np.ones(shape, np.float32) for name in names[kind].split()})


def graph(nodes, edges):
    return node("NIRGraph", nodes=nodes, edges=np.array(edges, dtype=object).reshape(-1, 2))


def chain(*layers):
    """Layers one after another, called by their places."""
    nodes = {f"{k}": layer for k, layer in enumerate(layers)}
    return graph(nodes, [(f"{k}", f"{k + 1}") for k in range(len(layers) - 1)])


def write(path, found):
    """Write a graph as a file: fields as datasets, packed as the package does."""
    with h5py.File(path, "w") as file:
        file.create_dataset("version", data="1.0", dtype=h5py.string_dtype())
        _write(file.create_group("node"), found)
    return path


def _write(group, fields):
    for name, value in fields.items():
        if isinstance(value, dict):
            _write(group.create_group(name), value)
        elif isinstance(value, str) or (isinstance(value, np.ndarray) and value.dtype == object):
            group.create_dataset(name, data=value, dtype=h5py.string_dtype())
        elif isinstance(value, np.ndarray) and value.ndim:
            group.create_dataset(name, data=value, compression="gzip")
        else:
            group.create_dataset(name, data=value)


# -- sound files, and damage to what they mean ----------------------------------------------------


def samples(folder):
    """Return, by name: suffix, bytes, how to damage what they mean, options of `load`."""
    rng = np.random.default_rng(0)

    def values(*shape):
        return rng.normal(size=shape).astype(np.float32)

    ends = node("Input", shape=np.array([2, 6, 6])), node("Output", shape=np.array([3]))
    conv = node("Conv2d", weight=values(4, 2, 3, 3), bias=values(4), stride=np.array([1, 1]),
                padding=np.array([1, 1]), dilation=np.array([1, 1]), groups=1)  # fmt: skip
    pool = node("AvgPool2d", kernel_size=np.array([2, 2]), stride=np.array([2, 2]),
                padding=np.array([0, 0]))  # fmt: skip
    flat = node("Flatten", start_dim=0, end_dim=-1, input_type=np.array([4, 3, 3]))
    images = chain(ends[0], conv, population("IF", (4, 6, 6)), pool, flat,
                   node("Linear", weight=values(3, 36)), ends[1])  # fmt: skip
    inner = graph({"in": node("Input", shape=np.array([5])),
                   "fc": node("Linear", weight=values(5, 5)),
                   "out": node("Output", shape=np.array([5]))},
                  [("in", "fc"), ("fc", "out")])  # fmt: skip
    loop = graph(
        {"x": node("Input", shape=np.array([4])), "a": node("Affine", weight=values(5, 4),
         bias=values(5)), "cells": population("CubaLIF", 5), "back": inner, "y": ends[1],
         "b": node("Affine", weight=values(3, 5), bias=values(3))},
        [("x", "a"), ("a", "cells"), ("cells", "back"), ("back", "cells"), ("cells", "b"),
         ("b", "y")])  # fmt: skip
    found = {"images": images, "loop": loop}
    return {name: (".nir", write(folder / f"{name}.nir", one).read_bytes(), structured, {})
            for name, one in found.items()}  # fmt: skip


def structured(data, rng):
    """Damage the objects of a file, the headers of the objects, or types, settings and edges."""
    if rng.integers(4) == 0:
        return hdf5_files.damage_headers(data, rng)
    file = io.BytesIO(data)
    with h5py.File(file, "r+") as opened:
        if rng.integers(2):
            hdf5_files.damage_objects(opened, rng)
        else:
            _damage_graph(opened, rng)
    return file.getvalue()


def _damage_graph(file, rng):
    """Give a node another type or setting, or an edge another end."""
    nodes = file["node/nodes"]
    one = nodes[pick(rng, list(nodes))]
    kinds = ("NIRGraph", "Affine", "Conv2d", "Conv1d", "Flatten", "LIF", "Input", "Output", "Scale",
             "SumPool2d", "Delay", "Izhikevich", "", "x" * 10_000)  # fmt: skip
    numbers = (0, -1, 2**31, 2**62, np.array([1, 2, 3]), np.array([]), np.array([2**40] * 2), 1.5)
    change = rng.integers(3)
    if change == 0:
        _put(one, "type", pick(rng, kinds))
    elif change == 1:
        names = ("stride", "padding", "dilation", "groups", "kernel_size", "start_dim", "end_dim",
                 "shape", "input_type")  # fmt: skip
        _put(one, pick(rng, names), pick(rng, (*numbers, "same", "valid", "other")))
    else:
        names = [*nodes, "", "nowhere", "y"]
        ends = [[pick(rng, names) for _ in range(int(pick(rng, (1, 2, 2, 3))))] for _ in range(9)]
        ends = [pair for pair in ends if len(pair) == len(ends[0])]
        edges = np.array(pick(rng, (ends, [], [["x", "x"]] * 1000)), dtype=object)
        _put(file["node"], "edges", edges)


def _put(group, name, value):
    if name in group:
        del group[name]
    text = isinstance(value, str) or np.asarray(value).dtype.kind == "O"
    group.create_dataset(name, data=value, dtype=h5py.string_dtype() if text else None)
