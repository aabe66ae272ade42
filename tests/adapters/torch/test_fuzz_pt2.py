"""Saved programs that were made to do harm: refused with a reason, and nothing in them is run.

A longer run, in processes that are watched: ``python benchmarks/fuzz.py --format pt2``.
"""

import io
import json
import resource
import tracemalloc
import warnings
import zipfile
from collections import Counter

import pytest
import torch
from oracles import mutate
from oracles.program_files import MARKER, samples, structured
from oracles.reading import outcome

import cntgraph as cg
from cntgraph.adapters.torch.aten.values import Call, Place
from cntgraph.adapters.torch.constants import refuse_large
from cntgraph.adapters.torch.serialized import compute_size, last_reads
from cntgraph.core.errors import CntGraphError, FormatError, GraphSizeError, TraceError

N = 50
NAMES = ("convolutions", "open", "branches", "recurrent", "attention", "tokens")
ERRORS = {"FormatError", "UnsafeFileError", "TraceError", "InputShapeError", "GraphSizeError",
          "ParameterError", "CntGraphError"}  # fmt: skip
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def programs():
    return {name: data for name, (_, data, _, _) in samples().items()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pt2"


@pytest.mark.parametrize("name", NAMES)
def test_damaged_programs_load_or_are_refused(programs, path, name):
    seen = Counter()
    path.write_bytes(programs[name])
    assert outcome(path) == "loaded"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of PyTorch
        for damaged in mutate.mutations(programs[name], N, structured=structured):
            path.write_bytes(damaged)
            seen[outcome(path)] += 1
            assert not MARKER.exists()
    assert seen.keys() <= ERRORS | {"loaded"}
    assert seen["FormatError"] > N / 4


# -- the archive -----------------------------------------------------------------------------------


def members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def member(found, suffix):
    (name,) = [name for name in found if name.endswith(suffix)]
    return name


def packed(found, method=zipfile.ZIP_STORED, twice=()):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in [*found.items(), *((name, found[name]) for name in twice)]:
            archive.writestr(name, data)
    return out.getvalue()


def refusal(path, data):
    """The reason for which a file is refused, and the most memory that was taken until then."""
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(CntGraphError) as error:
        cg.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return str(error.value), peak


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice(programs, path):
    found = members(programs["open"])
    program = member(found, "models/model.json")
    reason, _ = refusal(path, packed(found, twice=[program]))
    assert "two members have one name" in reason


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_to_pack(programs, path, method):
    reason, _ = refusal(path, packed(members(programs["open"]), method))
    assert "packed in a way that no such file is" in reason


@pytest.mark.parametrize("suffix", ["models/model.json", "weights_config.json"])
def test_texts_that_grow(programs, path, suffix):
    found = members(programs["open"])
    found[member(found, suffix)] += b" " * (64 * MEGABYTE)
    data = packed(found, zipfile.ZIP_DEFLATED)
    assert len(data) < MEGABYTE
    reason, peak = refusal(path, data)
    assert "packed in a way that no such file is" in reason
    assert peak < 10 * MEGABYTE


def test_members_that_grow_beyond_what_they_announce(programs, path):
    """The size in the directory is small, what comes out of the stream is not."""
    found = members(programs["open"])
    program = member(found, "models/model.json")
    size = len(found[program])
    found[program] += b" " * (64 * MEGABYTE)
    data = bytearray(packed(found, zipfile.ZIP_DEFLATED))
    at = data.find(b"PK\1\2")
    while program.encode() not in data[at : at + 46 + len(program)]:
        at = data.find(b"PK\1\2", at + 4)
    data[at + 24 : at + 28] = size.to_bytes(4, "little")
    reason, peak = refusal(path, bytes(data))
    assert "CRC" in reason
    assert peak < 20 * MEGABYTE


def test_one_member_for_many_tensors_is_unpacked_once(programs, path):
    found = members(programs["open"])
    config = member(found, "weights_config.json")
    data = json.loads(found[config])
    names = list(data["config"])
    for name in names:
        data["config"][name] = {**data["config"][names[0]], "tensor_meta": meta([1], [1])}
    found[config] = json.dumps(data).encode()
    found[member(found, "weights/weight_0")] = bytes(8 * MEGABYTE)
    _, peak = refusal(path, packed(found, zipfile.ZIP_DEFLATED))
    assert peak < 20 * MEGABYTE


def meta(sizes, strides):
    listed = {"sizes": sizes, "strides": strides}
    found = {key: [{"as_int": n} for n in value] for key, value in listed.items()}
    return {**found, "dtype": 7, "storage_offset": {"as_int": 0}, "layout": 7}


@pytest.mark.parametrize(
    ("sizes", "strides"), [([2**40], [0]), ([2**20, 2**20], [0, 0]), ([3000, 3000], [1, 0])]
)
def test_tensors_that_show_a_value_again_and_again(programs, path, sizes, strides):
    found = members(programs["open"])
    config = member(found, "weights_config.json")
    data = json.loads(found[config])
    data["config"]["conv.weight"]["tensor_meta"] = meta(sizes, strides)
    found[config] = json.dumps(data).encode()
    reason, peak = refusal(path, packed(found))
    assert "again and again" in reason or "the file holds" in reason
    assert peak < 10 * MEGABYTE


# -- the program -----------------------------------------------------------------------------------


def inserted(programs, name, k, target, *arguments):
    """Put an operation before the k-th of a program, which then reads its result."""
    found = members(programs[name])
    program = member(found, "models/model.json")
    data = json.loads(found[program])
    graph = data["graph_module"]["graph"]
    old = graph["nodes"][k]["inputs"][0]["arg"]["as_tensor"]
    inputs = [{"name": "", "arg": {"as_tensor": dict(old)} if a is None else a, "kind": 1}
              for a in arguments]  # fmt: skip
    node = {"target": target, "inputs": inputs, "outputs": [{"as_tensor": {"name": "new"}}],
            "metadata": {}}  # fmt: skip
    graph["tensor_values"]["new"] = graph["tensor_values"][old["name"]]
    old["name"] = "new"
    graph["nodes"].insert(k, node)
    found[program] = json.dumps(data).encode()
    return packed(found)


def ints(*values):
    return {"as_ints": list(values)}


def whole(value):
    return {"as_int": value}


def text(value):
    return {"as_string": value}


ATEN = "torch.ops.aten."
CALLS = {
    "repeat": (ATEN + "repeat.default", None, ints(1, 1, 2**15, 2**15)),
    "expand": (ATEN + "expand.default", None, ints(2**10, 2**10, 2**10, 2, 8, 8)),
    "pad": (ATEN + "constant_pad_nd.default", None, ints(10**9, 10**9)),
    "zeros": (ATEN + "zeros.default", ints(2**16, 2**16)),
    "full": (ATEN + "full.default", ints(2**31), whole(1)),
    "eye": (ATEN + "eye.default", whole(2**20)),
    "arange": (ATEN + "arange.default", whole(2**40)),
    "linspace": (ATEN + "linspace.default", whole(0), whole(1), whole(2**34)),
    "unfold": (ATEN + "im2col.default", None, ints(1, 1), ints(1, 1), ints(2**20, 2**20),
               ints(1, 1)),
    "upsample": (ATEN + "upsample_nearest2d.vec", None, ints(2**20, 2**20), {"as_none": True}),
    "interpolate": (ATEN + "upsample_bilinear2d.vec", None, ints(2**30, 8), {"as_bool": False},
                    {"as_none": True}),
    "adaptive": (ATEN + "adaptive_avg_pool2d.default", None, ints(2**30, 1)),
    "adaptive 2": (ATEN + "adaptive_max_pool2d.default", None, ints(2**20, 2**20)),
    "average": (ATEN + "avg_pool2d.default", None, ints(10**9, 1), ints(1, 1), ints(5 * 10**8, 0)),
    "maximum": (ATEN + "max_pool2d.default", None, ints(3, 3), ints(1, 1), ints(10**9, 10**9)),
    "strings": ("_operator.mul", text("a" * 100), whole(10**9)),
    "formats": ("_operator.mod", text("%999999999d"), whole(1)),
    "lists": ("_operator.mul", ints(1, 2), whole(10**9)),
    "powers": ("_operator.mul", whole(2**62), whole(4)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore::cntgraph.CoverageWarning")
def test_operations_that_ask_for_too_much(programs, path, name):
    """All but nothing is taken, in PyTorch's memory or in NumPy's."""
    data = inserted(programs, "convolutions", 0, *CALLS[name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reason, peak = refusal(path, data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
    assert "MemoryError" not in reason
    assert peak < 100 * MEGABYTE


def test_cells_without_end(programs, path):
    found = members(programs["recurrent"])
    program = member(found, "models/model.json")
    for n in (0, -3, 2**31, 2**62):
        data = json.loads(found[program])
        for node in data["graph_module"]["graph"]["nodes"]:
            for argument in node["inputs"]:
                if argument["name"] == "num_layers":
                    argument["arg"] = whole(n)
        reason, _ = refusal(path, packed({**found, program: json.dumps(data).encode()}))
        assert "expected weights for" in reason


def test_arithmetic_is_of_numbers():
    assert compute_size("_operator.floordiv", [7, 2]) == 3
    assert compute_size("torch.ops.aten.add.Tensor", [1, 2]) is NotImplemented
    for target, args in (("mul", ["a", 9]), ("add", [[1], [2]]), ("mul", [2**62, 2]),
                         ("mod", ["", 1]), ("add", [2**70, 1]), ("eq", [None, None])):  # fmt: skip
        with pytest.raises(TraceError, match="expected numbers"):
            compute_size(f"_operator.{target}", args)


def test_values_are_kept_until_they_are_read_for_the_last_time():
    def node(*names):
        return {"inputs": [{"name": "self", "arg": {"as_tensor": {"name": n}}} for n in names]}

    nodes = [node("x"), node("x", "a"), node("a")]
    first, second, third = last_reads(nodes, [])
    assert "x" not in first
    assert "x" in second
    assert "a" not in second
    assert "a" in third
    assert "a" not in last_reads(nodes, [{"user_output": {"as_tensor": {"name": "a"}}}])[2]


def test_sizes_that_are_far_too_large_are_no_bug_of_pytorchs(programs, path):
    """An input of terabytes, and tensors whose noted shapes are absurd."""
    found = members(programs["convolutions"])
    program = member(found, "models/model.json")
    for sizes in ([2**20, 2, 2**10, 2**10], [1, 2, 2**31, 2**31], [2**62, 2, 8, 8], [1, 2, -8, 8]):
        data = json.loads(found[program])
        values = data["graph_module"]["graph"]["tensor_values"]
        values["input"]["sizes"] = [{"as_int": n} for n in sizes]
        path.write_bytes(packed({**found, program: json.dumps(data).encode()}))
        with pytest.raises((GraphSizeError, FormatError)):
            cg.load(path)


def call(operation, *arguments):
    return Call(operation, arguments, {}, Place(), None)


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("unbind.int", (0,)), ("split.Tensor", (1,)), ("unsafe_split.Tensor", (2,)),
        ("chunk.default", (2**23,)), ("tensor_split.sections", (2**23,)),
    ],
)  # fmt: skip
def test_nothing_is_cut_into_millions_of_tensors(operation, arguments):
    """Empty ones, that hold no value, take memory too."""
    name, overload = operation.split(".")
    function = getattr(getattr(torch.ops.aten, name), overload)
    few = (20,) if name == "tensor_split" else arguments
    refuse_large(call(function, torch.empty(40, 0), *few), name)
    with pytest.raises(GraphSizeError, match=r"would make [\d,]+ tensors"):
        refuse_large(call(function, torch.empty(2**24, 0), *arguments), name)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_no_more_states_than_layers_could_have(name):
    state, weights = torch.empty(2**24, 1, 0), [torch.empty(4, 1)] * 4
    states = [state, state] if name == "lstm" else state
    arguments = (torch.empty(1, 3, 1), states, weights, True, 1, 0.0, False, False, True)
    with pytest.raises(GraphSizeError, match=r"16,777,216 tensors"):
        refuse_large(call(getattr(torch.ops.aten, name).input, *arguments), name)


# -- what does not fit -----------------------------------------------------------------------------


def nodes_of(program):
    return program["graph_module"]["graph"]["nodes"]


def rewritten(data, change):
    """A program whose description is changed."""
    found = members(data)
    name = member(found, "models/model.json")
    program = json.loads(found[name])
    change(program)
    found[name] = json.dumps(program).encode()
    return packed(found)


def test_a_number_for_a_type_of_values(programs, path):
    """PyTorch looks it up behind the end of a list, and the process ends."""

    def change(program):
        node = next(n for n in nodes_of(program) if ".select." in n["target"])  # axis 1, last
        node["target"] = "torch.ops.aten.softmax.int"

    reason, _ = refusal(path, rewritten(programs["recurrent"], change))
    assert "dtype is -1, expected none or" in reason


def test_states_of_more_layers_than_the_others_have(programs, path):
    """PyTorch reads behind the end of the shorter list, and the process ends."""

    def change(program):
        zeros = next(n for n in nodes_of(program) if ".zeros." in n["target"])
        zeros["inputs"][0]["arg"]["as_ints"][0] = 1000

    reason, _ = refusal(path, rewritten(programs["recurrent"], change))
    assert "the states of one layer" in reason


def test_a_shape_that_is_not_the_one_noted(programs, path):
    def change(program):
        node = next(n for n in nodes_of(program) if ".conv2d." in n["target"])
        stride = next(a for a in node["inputs"] if a["name"] == "stride")
        stride["arg"]["as_ints"] = [1, 1]

    reason, _ = refusal(path, rewritten(programs["convolutions"], change))
    assert "conv2d yields the shape" in reason


def test_an_input_of_very_many_values(programs, path):
    def change(program):
        specs = program["graph_module"]["signature"]["input_specs"]
        (name,) = [s["user_input"]["arg"]["as_tensor"]["name"] for s in specs if "user_input" in s]
        values = program["graph_module"]["graph"]["tensor_values"]
        values[name]["sizes"][2]["as_int"] = 1 << 24

    reason, peak = refusal(path, rewritten(programs["convolutions"], change))
    assert "pass input_shape" in reason
    assert peak < 10 * MEGABYTE
