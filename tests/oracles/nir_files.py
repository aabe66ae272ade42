"""Files of the Neuromorphic Intermediate Representation, written by the format's description."""

import h5py
import numpy as np


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
