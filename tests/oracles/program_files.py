"""Small programs saved by `torch.export.save`, and what may be wrong in them on purpose."""

import io
import json
import os
import pickle
import tempfile
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path

import torch
from oracles import mutate
from oracles.mutate import pick
from torch import nn

#: What the code in a file would make, if it were run.
MARKER = Path(tempfile.gettempdir()) / f"code-of-a-file-was-run-{os.getuid()}"

_SIZES = (0, 1, 2, 3, 7, 64, 1000, 2**16, 2**20, 2**24, 2**28, 2**30, 2**31, 2**40, 2**62, 2**63,
          10**30, -1, -2, -(2**31), -(2**63))  # fmt: skip


_FLOATS = (0.0, 1.0, 2.0, 0.5, -1.0, 1e-320, 1e-9, 1e9, 1e300, "Infinity", "-Infinity", "NaN")


def samples():
    """Return, by name: suffix, bytes, how to damage what they mean, options of `load`."""
    found = {}
    for name, (model, example, options) in _models().items():
        torch.manual_seed(0)
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(model().eval(), example, **options)
            torch.export.save(program, file)
        found[name] = (".pt2", file.getvalue(), structured, {})
    return found


def _models():
    size = torch.export.Dim("size", min=4, max=64)
    image = torch.zeros(1, 2, 8, 8)
    return {
        "convolutions": (_convolutions, (image,), {}),
        "open": (_Open, (image,), {"dynamic_shapes": ({2: size, 3: size},)}),
        "branches": (_Branches, (image,), {}),
        "recurrent": (_Recurrent, (torch.zeros(1, 4, 3),), {}),
        "attention": (_Attention, (torch.zeros(1, 5, 6),), {}),
        "tokens": (_Tokens, (torch.zeros(1, 4, dtype=torch.int64),), {}),
    }


def _convolutions():
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.MaxPool2d(2, padding=1), nn.Conv2d(4, 4, 3, padding=1, groups=2),
        nn.AvgPool2d(2, ceil_mode=True), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3),
    )  # fmt: skip


class _Open(nn.Module):
    """Sizes are left open, and computed with."""

    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv2d(2, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        x = self.conv(x).relu()
        return self.out(x.reshape(x.shape[0], 4, x.shape[2] * x.shape[3]).mean(-1))


class _Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(2, 3, 2, stride=2)
        self.norm, self.gain = nn.GroupNorm(1, 3), nn.Parameter(torch.ones(3, 1, 1))
        self.register_buffer("shift", torch.arange(6.0).reshape(3, 2, 1)[:, :1])

    def forward(self, x):
        y = nn.functional.pad(self.norm(self.up(x)), (1, 0, 2, 1)) * self.gain + self.shift
        a, b = y[:, :, ::2, 1:].chunk(2, 2)
        z = nn.functional.interpolate(torch.cat([a, b.flip(3)], 1), scale_factor=2, mode="bilinear")
        return z.permute(0, 2, 3, 1).mean((1, 2)) + y.amax((2, 3)).repeat(1, 2).sigmoid()


class _Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 4, num_layers=2, batch_first=True, bidirectional=True)
        self.gru, self.out = nn.GRU(8, 3, batch_first=True), nn.Linear(3, 2)

    def forward(self, x):
        return self.out(self.gru(self.lstm(x)[0])[0][:, -1])


class _Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.positions, self.norm = nn.Embedding(5, 6), nn.LayerNorm(6)
        self.qkv, self.out = nn.Linear(6, 18), nn.Linear(6, 6, dtype=torch.float32)

    def forward(self, x):
        x = x + self.positions(torch.arange(5))
        q, k, v = self.qkv(self.norm(x)).reshape(1, 5, 3, 2, 3).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        scores = (q @ k.transpose(-1, -2)).masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf)
        mixed = mixed + scores.softmax(-1) @ v
        return x + self.out(mixed.transpose(1, 2).reshape(1, 5, 6))


class _Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.out = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
        self.out.weight = self.table.weight
        self.narrow = nn.Conv1d(4, 4, 2).to(torch.bfloat16)

    def forward(self, tokens):
        x = self.narrow(self.table(tokens).transpose(1, 2).to(torch.bfloat16))
        return self.out(x.float().transpose(1, 2))


# -- damage ----------------------------------------------------------------------------------------


def structured(data, rng):
    """Damage what a file means: the program, the tensors, the archive around them."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    for _ in range(pick(rng, (1, 1, 1, 2))):
        what = int(rng.integers(8))
        if what < 5:
            _json(members, "models/model.json", _program, rng)
        elif what < 6:
            name = pick(rng, ("model_weights_config.json", "model_constants_config.json"))
            _json(members, name, _tensors, rng)
        else:
            pick(rng, _ARCHIVE)(members, rng)
    made = _packed(members, rng)
    return bytes(mutate.flip_bits(bytearray(made), rng)) if rng.integers(15) == 0 else made


def _json(members, suffix, change, rng):
    for name in members:
        if name.endswith(suffix):
            with suppress(ValueError, RecursionError):  # damaged before
                value = json.loads(members[name])
                with suppress(TypeError, KeyError, ValueError, IndexError, AttributeError):
                    value = change(value, rng)
                members[name] = json.dumps(value).encode()


def _program(value, rng):
    """Change a program in one to three places."""
    for _ in range(pick(rng, (1, 1, 2, 3))):
        what = int(rng.integers(8))
        graph = value["graph_module"]["graph"]
        if what == 0:
            value = mutate.json_value(value, rng)
        elif what == 1:
            part = pick(rng, ("nodes", "tensor_values", "outputs", "inputs"))
            graph[part] = mutate.json_value(graph[part], rng)
        elif what == 2:
            signature = value["graph_module"]["signature"]
            value["graph_module"]["signature"] = mutate.json_value(signature, rng)
        elif what == 3:
            pick(rng, graph["nodes"])["target"] = pick(rng, _OPERATIONS)[0]
        elif what == 4:
            _insert(graph, rng)
        elif what == 5:
            _rewire(graph, rng)
        else:
            _resize(graph, rng)
    return value


def _resize(graph, rng):
    """Set a number that is an argument of an operation, or a size of a tensor."""
    node = pick(rng, graph["nodes"])
    arguments = [a["arg"] for a in node["inputs"]]
    arguments = [a for a in arguments if set(a) & {"as_int", "as_ints", "as_float", "as_bool"}]
    if arguments and rng.integers(4):
        argument = pick(rng, arguments)
        (kind, found), *_ = argument.items()
        other = (*_FLOATS, "7", None, [], True, {})
        new = pick(rng, _SIZES) if rng.integers(5) else pick(rng, other)
        if isinstance(found, list) and found:
            found[int(rng.integers(len(found)))] = new
            if rng.integers(5) == 0:
                argument[kind] = found * pick(rng, (0, 2, 50))
        else:
            argument[kind] = new
        return
    name = pick(rng, list(graph["tensor_values"]))
    pick(rng, graph["tensor_values"][name]["sizes"])["as_int"] = pick(rng, _SIZES)


def _rewire(graph, rng):
    """Let an operation read another value, drop it, or do it again."""
    nodes, names = graph["nodes"], [*graph["tensor_values"], "no such value"]
    node = pick(rng, nodes)
    what = int(rng.integers(4))
    if what == 0:
        nodes.remove(node)
    elif what == 1:
        nodes.insert(int(rng.integers(len(nodes))), json.loads(json.dumps(node)))
    else:
        argument = pick(rng, node["inputs"])
        argument["arg"] = {"as_tensor": {"name": pick(rng, names)}}
        argument["kind"] = pick(rng, (1, 1, 1, 2))


def _insert(graph, rng):
    """Put an operation behind a value; what reads that value reads its result."""
    nodes = graph["nodes"]
    k = int(rng.integers(len(nodes)))
    read = [a["arg"]["as_tensor"] for node in nodes[k:] for a in node["inputs"]
            if "as_tensor" in a["arg"]]  # fmt: skip
    if not read:
        return
    old = pick(rng, read)["name"]
    for n in range(pick(rng, (1, 1, 2, 5))):
        target, arguments = pick(rng, _OPERATIONS)
        new = f"{old}_again_{n}"
        inputs = [{"name": f"a{i}", "arg": _argument(kind, old, rng), "kind": 1}
                  for i, kind in enumerate(arguments)]  # fmt: skip
        node = {"target": target, "inputs": inputs, "outputs": [{"as_tensor": {"name": new}}],
                "metadata": {}}  # fmt: skip
        nodes.insert(k + n, node)
        graph["tensor_values"].setdefault(new, graph["tensor_values"].get(old))
        for item in read:
            item["name"] = new if item["name"] == old else item["name"]
        old = new


def _argument(kind, value, rng):
    """Return an argument: x the value, i a number, s numbers, f and F real ones, X values."""
    if kind == "x":
        return {"as_tensor": {"name": value}}
    if kind == "X":
        return {"as_tensors": [{"name": value}] * pick(rng, (1, 2, 3, 1000))}
    if kind == "i":
        return {"as_int": pick(rng, _SIZES)}
    if kind in "fF":
        found = [pick(rng, _FLOATS) for _ in range(pick(rng, (1, 2, 2, 3)))]
        return {"as_floats": found} if kind == "F" else {"as_float": found[0]}
    if kind == "t":
        return {"as_string": pick(rng, ("a" * 100, "%99999999d", "constant", "reflect"))}
    n = pick(rng, (1, 2, 3, 4, 4, 40))
    return {"as_ints": [pick(rng, _SIZES if rng.integers(2) else (0, 1, 2, 3)) for _ in range(n)]}


#: Operations, and what each is called with.
_CALLS = """
    repeat.default:xs expand.default:xs constant_pad_nd.default:xs pad.default:xst
    full.default:si zeros.default:s eye.default:i ones.default:s empty.memory_format:s
    arange.default:i linspace.default:ffi as_strided.default:xss _reshape_alias.default:xss
    view.default:xs reshape.default:xs unfold.default:xiii im2col.default:xssss
    unsqueeze.default:xi permute.default:xs cat.default:Xi stack.default:Xi
    repeat_interleave.self_int:xii index_select.default:xix select.int:xii slice.Tensor:xiiii
    roll.default:xss tile.default:xs upsample_nearest2d.default:xsff
    upsample_nearest1d.default:xsf _upsample_nearest_exact2d.default:xsff
    upsample_nearest2d.vec:xsF
    upsample_bilinear2d.vec:xsiF reflection_pad2d.default:xs replication_pad1d.default:xs
    max_pool2d.default:xssssi avg_pool2d.default:xsssiii avg_pool1d.default:xsssii
    adaptive_avg_pool2d.default:xs adaptive_max_pool1d.default:xs conv2d.default:xxxsssi
    convolution.default:xxxsssisi conv_transpose2d.input:xxxsssis mul.Tensor:xx add.Tensor:xx
    matmul.default:xx bmm.default:xx linear.default:xxx softmax.int:xi pow.Tensor_Scalar:xf
    cumsum.default:xi tril.default:xi where.self:xxx mean.dim:xsi sum.dim_IntList:xsi
    embedding.default:xx gather.default:xix scatter.value:xixi index_put_.default:xXxi
    copy_.default:xx fill_.Scalar:xf resize_.default:xs set_.source_Tensor:xx split.Tensor:xii
    unbind.int:xi chunk.default:xii layer_norm.default:xsxx native_group_norm.default:xxxiiiii
    scaled_dot_product_attention.default:xxx lstm.input:xXXiiiiii one_hot.default:xi
    diag_embed.default:xiii meshgrid.default:X block_diag.default:X cartesian_prod.default:X
    kron.default:xx bartlett_window.default:i from_file.default:tii new_empty.default:xs
    new_full.default:xsi pixel_shuffle.default:xi bilinear.default:xxx nonzero.default:x
    masked_select.default:xx flip.default:xs einsum.default:tX ones.out:s cat.out:Xi
    no_such.default:x sym_size.int:xi __class__.default:x _operator.mul:ti _operator.mul:ii
    _operator.mul:si _operator.mod:ti _operator.floordiv:ii _operator.pow:ii _operator.add:ss
"""
_OPERATIONS = tuple(
    (name if name.startswith("_operator") else f"torch.ops.aten.{name}", kinds)
    for name, _, kinds in (call.partition(":") for call in _CALLS.split())
)


# -- tensors and the archive ---------------------------------------------------------------------


def _tensors(value, rng):
    entries = value["config"]
    if not entries:
        value["config"] = {"x": {"path_name": "weight_0", "use_pickle": bool(rng.integers(2))}}
        return value
    entry = entries[pick(rng, list(entries))]
    meta, what = entry.get("tensor_meta"), int(rng.integers(6))
    if what == 0 or not isinstance(meta, dict):
        return mutate.json_value(value, rng)
    if what == 1:
        entry["path_name"] = pick(rng, ("weight_1", "../constants/x", "/etc/passwd", "", 7, None,
                                        "../../models/model.json"))  # fmt: skip
    elif what == 2:
        entry["use_pickle"] = True
    elif what == 3:
        meta["dtype"] = pick(rng, (0, 1, 4, 6, 8, 9, 12, 13, 28, 99, -1, "7", None))
    else:
        key = pick(rng, ("sizes", "strides", "storage_offset"))
        new = {"as_int": pick(rng, (*_SIZES, "1", None, 0.5))}
        if key == "storage_offset":
            meta[key] = new
        elif meta[key] and rng.integers(3):
            meta[key][int(rng.integers(len(meta[key])))] = new
        else:
            meta["sizes"] = [*meta["sizes"], new] * pick(rng, (1, 1, 9))
            meta["strides"] = [*meta["strides"], {"as_int": pick(rng, (0, 1))}] * pick(rng, (1, 9))
    return value


class _Code:
    """Makes a file when it is unpickled."""

    def __reduce__(self):
        return open, (str(MARKER), "w")


def _hide_code(members, rng):
    """Put a pickle where a loader may look for one."""
    root = next(iter(members)).partition("/")[0]
    tensors = [name for name in members if "/data/" in name]
    names = (f"{root}/data.pkl", f"{root}/data/sample_inputs/model.pt", f"{root}/models/model.pkl",
             f"{root}/data/constants/custom_obj_0", f"{root}/extra/x.pkl", *tensors)  # fmt: skip
    members[pick(rng, names)] = pickle.dumps(_Code())


def _cut(members, rng):
    name = pick(rng, list(members))
    data = members[name]
    members[name] = data[: int(rng.integers(len(data) + 1))]


def _rename(members, rng):
    name = pick(rng, list(members))
    other = pick(rng, (f"../{name}", f"/{name}", name.replace("/", "\\"), "models/model.json",
                       f"x/{name}", name + "\0x", name[:-1], "C:" + name))  # fmt: skip
    members[other] = members[name] if rng.integers(2) else members.pop(name)


def _nest(members, rng):
    """Nest the program deep, or let it be of another kind."""
    for name in members:
        if name.endswith("models/model.json"):
            deep = pick(rng, (100, 1000, 100_000))
            members[name] = pick(rng, (b"[" * deep, b'{"a":' * deep + b"1" + b"}" * deep, b"[]",
                                       b"null", b"1e999", b"9" * 10_000, b"\xff\xfe"))  # fmt: skip


def _large(members, rng):
    """Let a member be far larger than what it is packed in."""
    name = pick(rng, list(members))
    n = pick(rng, (2**20, 2**26))
    members[name] = members[name] + pick(rng, (b" ", b"\0")) * n


_ARCHIVE = (_hide_code, _hide_code, _cut, _rename, _nest, _large)


def _packed(members, rng):
    """Write an archive, at times with headers that lie."""
    out = io.BytesIO()
    method = zipfile.ZIP_STORED
    if rng.integers(5) == 0:
        method = pick(rng, (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    large = sum(map(len, members.values())) > 2**20
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as archive:
        warnings.simplefilter("ignore")
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            archive.writestr(info, data, zipfile.ZIP_DEFLATED if large else method)
        if rng.integers(8) == 0:
            name = pick(rng, list(members))
            archive.writestr(zipfile.ZipInfo(name), pick(rng, (b"", b"{}", members[name])))
    made = bytearray(out.getvalue())
    return _lying(made, rng) if rng.integers(5) == 0 else bytes(made)


def _lying(made, rng):
    """Change a size, an offset, a method or a flag in the headers of an archive."""
    signature, fields = pick(rng, (
        (b"PK\1\2", ((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (42, 4))),
        (b"PK\3\4", ((6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2))),
        (b"PK\5\6", ((8, 2), (10, 2), (12, 4), (16, 4), (20, 2))),
    ))  # fmt: skip
    places = [k for k in range(len(made)) if made.startswith(signature, k)]
    at, (offset, width) = pick(rng, places), pick(rng, fields)
    value = pick(rng, mutate.NUMBERS) % 2 ** (8 * width)
    made[at + offset : at + offset + width] = value.to_bytes(width, "little")
    return bytes(made)
