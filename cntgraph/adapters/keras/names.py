"""Names for the tensors of a file of weights whose model is not known."""

from __future__ import annotations

from cntgraph.adapters.keras.hdf5 import Contents, Tensor
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
    groups: dict[str, list[tuple[str, Tensor]]] = {}
    for path, tensor in contents.tensors.items():
        group, _, key = path.rpartition("/")
        groups.setdefault(group, []).append((key, tensor))
    for group, members in groups.items():
        members = sorted(members, key=_place)
        numbered = group.rpartition("/")[2] == "vars" and all(key.isdigit() for key, _ in members)
        keys = _roles([t for _, t in members]) if numbered else [key for key, _ in members]
        stem = _stem(contents, group) if numbered else group
        for key, (_, tensor) in zip(keys, members, strict=True):
            name = f"{stem}/{key}" if stem else key
            found.add(name, tensor.shape, tensor.dtype, tensor.data)
    return found


def _place(member: tuple[str, Tensor]) -> tuple[int, str]:
    return (int(member[0]) if member[0].isdigit() else 0, member[0])


def _stem(contents: Contents, group: str) -> str:
    """Return the path of a layer: the last group by the name that the layer had."""
    path = group.removesuffix("vars").rstrip("/").replace("layers/", "")
    noted = contents.texts.get((group, "name"))
    return path if noted is None else "/".join([*path.split("/")[:-1], noted[0]])


def _roles(tensors: list[Tensor]) -> list[str]:
    """Return what the variables of one layer are, told from their shapes."""
    shapes = [tensor.shape for tensor in tensors]
    if len(shapes) == 4 and len(set(shapes)) == 1 and len(shapes[0]) == 1:
        return ["gamma", "beta", "moving_mean", "moving_variance"]
    if len(shapes) == 2 and len(set(shapes)) == 1 and len(shapes[0]) == 1:
        return ["gamma", "beta"]
    roles = [str(k) for k in range(len(shapes))]
    if shapes and len(shapes[0]) > 1:
        roles[0] = "kernel"
    if len(shapes) == 2 and len(shapes[1]) < len(shapes[0]):
        if shapes[1] and shapes[0][-len(shapes[1]) :] == shapes[1]:
            roles[1] = "bias"
    if len(shapes) == 3 and len(shapes[0]) == len(shapes[1]) == 2:
        roles = ["kernel", "recurrent_kernel", "bias"]
    return roles
