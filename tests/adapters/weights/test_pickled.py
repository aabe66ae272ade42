import pickle
import time
import tracemalloc
from collections import Counter, OrderedDict
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cntgraph.adapters.weights.checkpoint_values import Other
from cntgraph.adapters.weights.pickled import read_pickle
from cntgraph.core.errors import FormatError, UnsafeFileError

PATH = Path("model.pt")

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary()
)  # fmt: skip
keys = st.text() | st.integers(-(2**60), 2**60) | st.tuples(st.text(), st.booleans())
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(keys, inner),
    max_leaves=20,
)


@given(value=values, protocol=st.sampled_from([2, 3, 4, 5]))
def test_plain_values_are_those_that_pickle_makes(value, protocol):
    data = pickle.dumps(value, protocol)
    if b"_codecs" not in data:  # bytes by the old protocols
        assert read_pickle(data, PATH) == value


def test_shared_values_and_containers_of_the_library():
    shared = ["a"]
    value = {"x": shared, "y": shared, "o": OrderedDict(b=1, a=2), "c": Counter("aab"), "s": {3}}
    found = read_pickle(pickle.dumps(value, 2), PATH)
    assert found["x"] is found["y"]
    assert found["o"] == {"b": 1, "a": 2}
    assert found["c"] == {"a": 2, "b": 1}
    assert found["s"] == [3]


def test_what_is_not_looked_into_keeps_its_name():
    found = read_pickle(pickle.dumps({"folder": Path("/tmp")}), PATH)
    assert isinstance(found["folder"], Other)
    assert str(found["folder"].name) == "pathlib.PosixPath"


class Calls:
    def __init__(self, function, *arguments):
        self.made = function, arguments

    def __reduce__(self):
        return self.made


@pytest.mark.parametrize("function", [open, eval, exec, getattr, bytearray, print, time.sleep])
@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
def test_functions_are_named_and_not_called(function, protocol, tmp_path):
    marker = tmp_path / "ran"
    data = pickle.dumps(Calls(function, str(marker), "w"), protocol)
    with pytest.raises(UnsafeFileError, match=function.__name__):
        read_pickle(data, PATH)
    assert not marker.exists()


MANY = 100_000


#: The last value, twice, in a tuple.
DOUBLE = b"q\x00h\x00\x86"


def nested_key(depth):
    return b"\x80\x02}" + b")" + b"\x85" * depth + b"K\x01s."


def doubled(times, key):
    """A tuple of the last tuple, twice; as a value, or as the key of a dict."""
    twice = DOUBLE * times
    return b"\x80\x02})" + twice + b"K\x01s." if key else b"\x80\x02)" + twice + b"."


@pytest.mark.parametrize(
    "data",
    [
        nested_key(MANY), doubled(60, key=True), b"\x80\x02)" + DOUBLE * 60 + b"h\x00\x93.",
        b"\x80\x02(X\x07\x00\x00\x00storagectorch\nFloatStorage\n)" + DOUBLE * 60 + b"tQ.",
        b"\x80\x02}](K\x01s.", b"\x80\x02}}K\x01s.",
        b"\x80\x02}" + b"\x8b" + (1 << 20).to_bytes(4, "little") + b"\x01" * (1 << 20) + b"K\x01s.",
    ],
)  # fmt: skip
def test_keys_that_take_long_to_look_up_are_refused(data):
    with pytest.raises(FormatError, match="damaged"):
        read_pickle(data, PATH)


@pytest.mark.parametrize(
    "data",
    [b"\x80\x02" + b"]" * MANY + b"a" * (MANY - 1) + b".", doubled(200, key=False),
     b"\x80\x02)" + b"\x85" * MANY + b".",
     b"\x80\x02c__builtin__\nset\nq\x01](" + b"K\x00" * MANY + b"e\x85q\x02" + b"h\x01h\x02R" * 1000
     + b"."],
)  # fmt: skip
def test_nested_and_shared_containers_take_no_more_than_the_file(data):
    tracemalloc.start()
    read_pickle(data, PATH)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 200 * len(data) + 1_000_000


@pytest.mark.parametrize(
    "data",
    [b"", b"\x80\x02", b"\x80\x02}", b".", b"\x80\x02a.", b"\x80\x02(.", b"\x80\x02t.",
     b"\x80\x02h\x05.", b"\x80\x02K\x01K\x02R.", b"\x80\x02K\x01Q.",
     b"\x80\x02]}b.", b"\x80\x02(K\x01K\x02K\x03u.", b"\x80\x02ctorch\nload\n)R.",
     b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(K\x01K\x00)))}tR."],
)  # fmt: skip
def test_damaged_pickles(data):
    with pytest.raises((FormatError, UnsafeFileError)):
        read_pickle(data, PATH)


@given(data=st.data())
def test_changed_bytes_lead_to_values_or_clear_errors(data):
    whole = bytearray(pickle.dumps({"epoch": 3, "names": ["a", ("b", 1.5)], "d": {"x": None}}, 2))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(2, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(FormatError):
        read_pickle(bytes(whole), PATH)
