"""Small files of cntgraph's own format, and what may be wrong in them on purpose."""

import io
import json
from contextlib import suppress
from dataclasses import replace
from math import prod

import h5py
import numpy as np
from oracles import hdf5_files, mutate
from oracles.mutate import pick
from oracles.nets import attention, random_net

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.adapters.builder.recurrent import Cell, Gate, run_cell
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.measures.survey import layer_bins, survey_layers
from cntgraph.store.hdf5 import LIBVER
from cntgraph.store.measured import write_measures, write_measures_head
from cntgraph.store.writer import fixed_text, write_snapshot, write_topology

_SIZES = (0, 1, 2, 3, 7, -1, 2**16, 2**20, 2**24, 2**30, 2**31, 2**40, 2**62, 2**63, 10**30,
          0.5, 1e300, float("nan"), "7", None, True, [], {})  # fmt: skip
#: Stands for nested values that Python's encoder would not nest so deep.
_DEEP = "nested values"


def samples(folder):
    """Return, by name: suffix, bytes, how to damage what they mean, options of `load`."""
    found = {}
    for name, (nets, options) in _networks().items():
        path = folder / f"{name}.h5"
        cg.save(nets, path, overwrite=True, **options)
        found[name] = (".h5", path.read_bytes(), structured, {})
    found["earliest"] = (
        ".h5",
        hdf5_files.in_old_structures(found["convolutions"][1]),
        structured,
        {},
    )
    found["measured"] = (".h5", _measured(folder / "measured.h5"), structured, {})
    return found


def _measured(path):
    """Return a file of parameters and of what was measured on them."""
    net = random_net(3)
    bins = layer_bins(net)
    survey = survey_layers(net, bins)
    with h5py.File(path, "w", libver=LIBVER) as file:
        write_topology(file, net, measures=True)
        write_measures_head(file, bins, survey.rows, parameters=True)
        for step in range(2):
            number = write_snapshot(file, net.parameters, {"step": step})
            write_measures(file[f"snapshots/{number}"], survey.rows, survey.counts)
    return path.read_bytes()


def _networks():
    convolutions = random_net(0)
    training = [replace(net, labels={"step": k, "note": "a text"}) for k, net in
                enumerate([random_net(1)] * 3)]  # fmt: skip
    return {
        "mlp": (cg.toy("mlp"), {"accuracy": 0.5}),
        "double": (random_net(2, dtype=np.float64), {"compression": 1}),
        "cnn": (cg.toy("cnn"), {}),
        "convolutions": (convolutions, {"compression": 1}),
        "channels": (cg.coarsen(convolutions, "channel", aggregation="l2"), {}),
        "attention": (_attention(), {"compression": 9}),
        "recurrent": (_recurrent(), {}),
        "training": (training, {"compression": 4, "epoch": 1.5}),
        "rows": (training, {}),
    }


def _attention():
    builder, rng = Builder(), np.random.default_rng(0)
    x = builder.input("x", (6, 40)).T

    def project(name, ids):
        weight = Parameter.from_array(name, rng.normal(size=(6, 6)).astype("f4"))
        return builder.linear(name, ids, Recipe.of(builder.parameter(weight)), None)

    q, k, v = (project(name, x).reshape(40, 2, 3).swapaxes(0, 1) for name in "qkv")
    made = attention(builder, "attention", q, k, v, np.tri(40, dtype=bool))
    builder.output(project("out", made.swapaxes(0, 1).reshape(40, 6)))
    return builder.finish()


def _recurrent():
    builder, rng = Builder(), np.random.default_rng(0)
    ids = builder.input("x", (3, 5)).T

    def tensor(name, *shape):
        value = rng.normal(size=shape).astype("f4")
        return Recipe.of(builder.parameter(Parameter.from_array(name, value)))

    gates = [Gate(tensor(f"{k}.w", 4, 3), tensor(f"{k}.u", 4, 4), tensor(f"{k}.b", 4))
             for k in range(4)]  # fmt: skip
    _, (last, _) = run_cell(builder, ids, Cell("lstm", "lstm", gates))
    builder.output(builder.linear("out", last, tensor("out.w", 2, 4), tensor("out.b", 2)))
    return builder.finish()


# -- damage ----------------------------------------------------------------------------------------


def structured(data, rng):
    """Damage what a file means: its description, or the objects of HDF5 in it."""
    file = io.BytesIO(data)
    with h5py.File(file, "r+", libver=LIBVER) as opened:
        for _ in range(pick(rng, (1, 1, 2))):
            if rng.integers(3):
                _text(opened, rng)
            else:
                hdf5_files.damage_objects(opened, rng)
    made = file.getvalue()
    return hdf5_files.damage_headers(made, rng) if rng.integers(5) == 0 else made


def _text(file, rng):
    name = "coverage" if rng.integers(8) == 0 else "network/description"
    if "measures/description" in file and rng.integers(2):
        name = "measures/description"
    try:
        found = file.get(name)  # none if it is a link to nowhere by now
    except RuntimeError:  # or one that leads in circles
        return
    if not isinstance(found, h5py.Dataset) or found.shape != ():
        return
    try:
        value = json.loads(file[name].asstr()[()])
        text = json.dumps(_lied(value, rng))
    except (ValueError, TypeError, RecursionError):  # what was damaged before
        return
    if _DEEP in text:
        depth, kind = pick(rng, (30, 60, 100, 150, 300, 900, 10_000)), pick(rng, _NESTED)
        nested = kind[0] * depth + kind[1] + kind[2] * depth
        text = text.replace(f'"{_DEEP}"', nested)
    del file[name]
    file[name] = fixed_text(text)


_NESTED = (
    ("[", "1", "]"),
    ('{"a":', "1", "}"),
    ('{"op": "negative", "args": [', '{"constant": 1.0}', "]}"),
    ('{"op": "sum", "axes": [], "args": [', '{"constant": 1.0}', "]}"),
    ('{"op": "add", "args": [{"constant": [1, 2]}, ', '{"constant": [1, 2]}', "]}"),
    ('{"op": "reshape", "shape": [1, 2], "args": [{"op": "reshape", "shape": [2], "args": [',
     '{"constant": [1, 2]}', "]}]}"),
)  # fmt: skip


def _lied(value, rng):
    """Return a description that is wrong in one to three places."""
    for _ in range(pick(rng, (1, 1, 1, 2, 3))):
        what = int(rng.integers(6))
        if what == 0 or not isinstance(value, dict):
            value = mutate.json_value(value, rng)
        elif what == 1:
            _set_somewhere(value, rng)
        else:
            blocks = value.get("blocks")
            if isinstance(blocks, list) and blocks and isinstance(pick(rng, blocks), dict):
                with suppress(
                    TypeError, KeyError, ValueError, IndexError, AttributeError
                ):  # damaged before
                    pick(rng, _LIES)(value, pick(rng, blocks), rng)
    return value


def _places(value, where=()):
    """Where something stands in nested values."""
    found = [where] if where else []
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            found += _places(item, (*where, key))
    return found


def _get(value, where):
    for key in where:
        value = value[key]
    return value


def _set(value, where, new):
    *route, last = where
    for key in route:
        value = value[key]
    value[last] = new


def _set_somewhere(value, rng):
    """Put a strange size, nested values or a reference to an array anywhere."""
    places = _places(value)
    if rng.integers(2):  # where sizes stand
        wanted = ("shape", "start", "windows", "stencils", "axis", "axes", "indices", "labels",
                  "stop", "n", "ids", "indptr", "groups")  # fmt: skip
        places = [p for p in places if any(key in wanted for key in p)] or places
    plausible = [n for n in _SIZES if type(n) is int and n >= 0]
    new = (
        pick(rng, pick(rng, (_SIZES, plausible)))
        if rng.integers(4)
        else pick(rng, (_DEEP, {"array": 0}, {"array": 7}))
    )
    _set(value, pick(rng, places), new)


def _wrap(value, block, rng):
    """Put an operation around a recipe."""
    key = pick(rng, ("weight", "bias"))
    inner = block.get(key) or {"constant": 1.0}
    sizes = pick(rng, ((0, 1, 2, 3, -1, -7, 2**20, 2**31, 2**62, 2**70), (0, 1, 2)))
    some = [pick(rng, sizes) for _ in range(int(rng.integers(1, 4)))]
    whole = pick(rng, sizes)
    op = pick(rng, ("add", "subtract", "multiply", "divide", "sqrt", "square", "negative",
                    "absolute", "transpose", "reshape", "take", "gather", "concatenate", "sum",
                    "sum_by", "eval", "power"))  # fmt: skip
    args = [inner] * (2 if op in ("add", "multiply", "concatenate") else 1)
    block[key] = {"op": op, "args": args, "axes": some, "axis": pick(rng, (0, 1, -1, 5)),
                  "shape": some, "start": whole, "stop": pick(rng, sizes), "step": pick(rng, sizes),
                  "indices": some * pick(rng, (1, 50)), "labels": some, "n": whole}  # fmt: skip


def _grow(value, block, rng):
    """Let a recipe grow far beyond what is stored."""
    inner = block.get("weight") or {"constant": [1.0, 2.0]}
    for _ in range(int(rng.integers(1, 6))):
        row = {"op": "reshape", "shape": [1, -1], "args": [inner]}
        column = {"op": "reshape", "shape": [-1, 1], "args": [inner]}
        inner = pick(rng, (
            {"op": "multiply", "args": [row, column]},
            {"op": "concatenate", "axis": 1, "args": [row] * 9},
            {"op": "gather", "axis": 0, "indices": [0] * 80, "args": [column]},
            {"op": "sum_by", "axis": 0, "labels": [0], "n": pick(rng, (9, 2**33)), "args": [row]},
            {"op": "sum_by", "axis": 0, "labels": [0], "n": pick(rng, (2**20, 2**34)),
             "args": [{"op": "sum", "axes": [0], "args": [column]}]},
            {"constant": [], "shape": [0, pick(rng, (2**20, 2**40, 2**70))]},
        ))  # fmt: skip
        if len(json.dumps(inner)) > 200_000:
            break
    block["weight"] = inner
    if rng.integers(2):
        shape = [int(pick(rng, (1, 2, 20, 720, 2**20, 2**28))) for _ in range(2)]
        block["source"] = {"shape": [shape[0]], "start": 0}
        block["target"] = {"shape": [shape[1]], "start": 0}


def _grow_layers(value, block, rng):
    """Let a layer, and the views of a block, be large."""
    n = pick(rng, (2**20, 2**24, 2**30, 2**31, 2**40, 2**61))
    shape = pick(rng, ([n], [n, 0], [0, n], [n, n], [1, n], [2, n, 1], [1] * 40, [n, n, n, 0]))
    layer = pick(rng, value["layers"]) if value.get("layers") else None
    if isinstance(layer, dict):
        layer["shape"] = shape
    for side in ("source", "target"):
        if rng.integers(2):
            block[side] = {"shape": shape, "start": pick(rng, (0, 0, 1, 5, 2**30, 2**62))}


def _view(value, block, rng):
    """Show nodes that are not there, or not as many as the shape says."""
    ids = pick(rng, ([0], [-1], [-2, 5], [10**9], [2**63], [0.5], [], [[0, 1]], [None], "0",
                     list(range(40)), {"array": 0}, {"array": 3}, {"array": -1}))  # fmt: skip
    shape = pick(rng, ([1], [2], [40], [], [0], [5, 8], [-1], [2**40], [1] * 65))
    block[pick(rng, ("source", "target"))] = {"shape": shape, "ids": ids}


def _geometry(value, block, rng):
    """Change a window, a stencil or the edges of a list."""
    geometry = block.get("geometry")
    if not isinstance(geometry, dict):
        return
    for key in ("windows", "stencils"):
        parts = geometry.get(key)
        if isinstance(parts, list) and parts and isinstance(parts[0], dict):
            part = pick(rng, parts)
            part[pick(rng, list(part))] = pick(rng, (*_SIZES, {"array": 0}, [2**40], [-1], [0] * 5))
            if rng.integers(3) == 0:
                parts.append(dict(part))
            return
    _set_somewhere(geometry, rng) if geometry else geometry.update(parametric=1)


def _other_kind(value, block, rng):
    block["kind"] = pick(rng, ("dense", "conv", "pool", "diagonal", "identity", "sparse", "x", ""))
    block["parametric"] = bool(rng.integers(2))
    if rng.integers(2):
        n = pick(rng, (1, 5, 1000, 2**31))
        places = {"n_in": n, "n_out": n, "rows": {"array": 0}, "columns": {"array": 0},
                  "weights": {"array": 0}}  # fmt: skip
        block["geometry"] = {
            "mode": "max", "stencils": [places] * 3, "windows": [], "groups": pick(rng, _SIZES),
            "transposed": False, "parametric": True, "modulatory": True, "indptr": {"array": 0},
            "indices": {"array": 0},
        }  # fmt: skip


def _resized(value, block, rng):
    """Change a size wherever it stands, so that the parts still fit together."""
    layers = value.get("layers")
    sizes = [n for layer in layers for n in layer["shape"]]
    old, new = pick(rng, sizes), pick(rng, (0, 1, 2, 3, 5, 8, 100, 2**12, 2**20, 2**29, 2**40))
    starts = np.cumsum([0, *(int(np.prod(layer["shape"])) for layer in layers)]).tolist()
    parts = [layers, [b[key] for b in value["blocks"] for key in ("source", "target", "geometry")]]
    for place in _places(parts):
        named = set(place[-2:]) & {"shape", "fine", "coarse", "n_in", "n_out"}
        if named and _get(parts, place) == old:
            _set(parts, place, new)
    moved = 0
    for layer, start in zip(layers, starts, strict=False):
        for place in _places(value["blocks"]):
            if place[-1] == "start" and _get(value["blocks"], place) == start:
                _set(value["blocks"], place, -moved - 1)
        moved += prod(layer["shape"])
    for place in _places(value["blocks"]):
        if place[-1] == "start" and _get(value["blocks"], place) < 0:
            _set(value["blocks"], place, -_get(value["blocks"], place) - 1)


def _same_names(value, block, rng):
    for key in ("layers", "blocks", "parameters"):
        items = value.get(key)
        if isinstance(items, list) and items and rng.integers(2):
            other = pick(rng, items)
            if isinstance(other, dict):
                items.append(dict(other))


_LIES = (_wrap, _wrap, _grow, _grow_layers, _view, _geometry, _geometry, _other_kind, _same_names,
         _resized, _resized)  # fmt: skip
