"""Texts among the attributes of an HDF5 file, found without asking HDF5 for them."""

import struct

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cntgraph.adapters.weights.hdf5_attributes import stored_attributes
from cntgraph.adapters.weights.hdf5_source import Source
from cntgraph.core.errors import FormatError

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/."), min_size=1, max_size=12)


def written(path, attributes, libver):
    with h5py.File(path, "w", libver=libver) as file:
        group = file.create_group("a/b")
        for name, value in attributes.items():
            group.attrs[name] = value
    return Source.of(path)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@given(
    attributes=st.dictionaries(NAMES, TEXTS | st.lists(TEXTS, min_size=1, max_size=4), max_size=8),
    before=st.sampled_from([b"", b"something else"]),
)
@settings(max_examples=40, deadline=None)
def test_texts_are_what_hdf5_says(libver, attributes, before, tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "a.h5"
    written(path, attributes, libver)
    data = path.read_bytes()
    path.write_bytes(before + data)
    for source in (Source(path, len(before), len(data)), Source(path, memory=data)):
        with source.open() as file:
            group = file["a/b"]
            for name, value in attributes.items():
                expected = [value] if isinstance(value, str) else value
                assert source.attribute_texts(group, name) == expected


def test_more_attributes_than_fit_into_the_first_part_of_a_header(tmp_path):
    attributes = {f"name {k}": [f"text {k}"] * k for k in range(1, 60)}
    source = written(tmp_path / "a.h5", attributes, "earliest")
    with source.open() as file:
        for name, value in attributes.items():
            assert source.attribute_texts(file["a/b"], name) == value


def test_texts_of_fixed_length_and_what_is_no_text(tmp_path):
    attributes = {"fixed": np.array([b"one", b"three"]), "numbers": np.arange(3), "one": 2.5,
                  "nothing": h5py.Empty("S4"), "square": np.array([[b"a"]])}  # fmt: skip
    source = written(tmp_path / "a.h5", attributes, "earliest")
    with source.open() as file:
        found = {name: source.attribute_texts(file["a/b"], name) for name in attributes}
    assert found == {"fixed": ["one", "three"], "numbers": None, "one": None, "nothing": None,
                     "square": None}  # fmt: skip


def test_attributes_that_are_stored_elsewhere_are_refused(tmp_path):
    attributes = {f"name {k}": f"text {k}" for k in range(9)}
    source = written(tmp_path / "a.h5", attributes, "latest")
    with source.open() as file, pytest.raises(FormatError, match="cannot be read safely"):
        source.attribute_texts(file["a/b"], "name 1")


@pytest.mark.parametrize(("field", "value"), [(0, 1 << 30), (4, 8), (12, 77)])
def test_a_text_that_is_not_as_long_as_it_says_is_refused(field, value, tmp_path, monkeypatch):
    """HDF5 would take the memory for a gigabyte before it looks."""
    path = tmp_path / "a.h5"
    source = written(path, {"layers": ["first", "second"]}, "earliest")
    data = bytearray(path.read_bytes())
    (heap,) = (k for k in range(len(data)) if data[k : k + 4] == b"GCOL")
    at = data.rindex(struct.pack("<IQ", len("second"), heap))  # where the text is referred to
    struct.pack_into("<Q" if field == 4 else "<I", data, at + field, value)
    path.write_bytes(data)
    monkeypatch.setattr(h5py.AttributeManager, "__getitem__", None)
    with source.open() as file, pytest.raises(FormatError, match="'layers' of /a/b is damaged"):
        source.attribute_texts(file["a/b"], "layers")


@given(st.binary(max_size=200), st.integers(0, 200))
def test_bytes_that_are_no_header_have_no_end_of_attributes(data, place):
    for start in (b"", b"OHDR\2", b"\1\0"):
        found = stored_attributes(start + data, 0, len(start + data), min(place, len(data)))
        assert all(isinstance(value, bytes) for value in found.values())
