"""Names for the tensors of a file of weights whose model is not known."""

from __future__ import annotations

from cntgraph.adapters.keras.hdf5 import Contents
from cntgraph.adapters.weights.tensors import Tensors


def named_tensors(contents: Contents) -> Tensors:
    """Return the tensors of a file, each under the name of its layer and what it seems to be.

    Notes
    -----
    Keras 3 numbers the variables of a layer. A first one of two or more dimensions is called
    its kernel, and one of one dimension that follows and fits its bias; four of one size are
    those of a batch norm.
    """
    found = Tensors()
    for group, members in contents.groups.items():
        numbered = group.rpartition("/")[2] == "vars" and all(map(str.isdigit, members))
        keys = sorted(members, key=lambda key: (int(key) if key.isdigit() else 0, key))
        tensors = [members[key] for key in keys]
        roles = _roles([tensor.shape for tensor in tensors]) if numbered else keys
        stem = _stem(contents, group) if numbered else group
        for role, tensor in zip(roles, tensors, strict=True):
            name = f"{stem}/{role}" if stem else role
            found.add(name, tensor.shape, tensor.dtype, tensor.data)
    return found


def _stem(contents: Contents, group: str) -> str:
    """Return the path of a layer: the last group by the name that the layer had."""
    path = group.removesuffix("vars").rstrip("/").replace("layers/", "")
    noted = contents.texts.get((group, "name"))
    return path if noted is None else "/".join([*path.split("/")[:-1], noted[0]])


def _roles(shapes: list[tuple[int, ...]]) -> list[str]:
    """Return what the variables of one layer are, told from their shapes."""
    ranks, alike = [len(shape) for shape in shapes], len(set(shapes)) == 1
    if alike and ranks in ([1] * 2, [1] * 4):
        return ["gamma", "beta", "moving_mean", "moving_variance"][: len(shapes)]
    if len(ranks) == 3 and ranks[:2] == [2, 2]:
        return ["kernel", "recurrent_kernel", "bias"]
    roles = [str(k) for k in range(len(shapes))]
    if ranks and ranks[0] > 1:
        roles[0] = "kernel"
    if len(ranks) == 2 and ranks[0] > ranks[1] > 0 and shapes[0][-ranks[1] :] == shapes[1]:
        roles[1] = "bias"
    return roles
