"""Numbers and names as text, and files that are there at once or not at all."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.exported import clean

from cntgraph.core.errors import CntGraphError, StoreError
from cntgraph.export.markup import REPLACEMENT, escape, printable
from cntgraph.export.numbers import number_texts
from cntgraph.export.writing import new_text

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_xml_gives_names_back(text):
    read = ElementTree.fromstring(f'<a b="{escape(text)}">{escape(text)}</a>')
    assert read.get("b") == (read.text or "") == clean(text) == printable(text)


def test_what_xml_cannot_write_is_replaced():
    assert escape("\0\x0b\ud800\uffff\U0001f600") == 4 * REPLACEMENT + "\U0001f600"


@pytest.mark.parametrize(("dtype", "width"), [(np.float32, 32), (np.float64, 64), (np.float16, 16)])
def test_floats_read_back_to_the_same_bits(dtype, width):
    @given(st.lists(st.floats(width=width, allow_nan=False)))
    def check(values):
        values = np.array(values, dtype)
        texts = number_texts(values)
        assert np.array(list(map(float, texts)), dtype=float).astype(dtype).tobytes() == (
            values.tobytes()
        )
        finite = [text for text in texts if "Infinity" not in text]
        assert all(float(dtype(text)) == dtype(text) for text in finite)

    check()


def test_float32_texts_are_short():
    assert number_texts(np.float32([0.1, 1 / 3, -3e38])) == ["0.1", "0.33333334", "-3e+38"]
    assert number_texts(np.float64([0.1, 1 / 3])) == ["0.1", "0.3333333333333333"]


def test_other_numbers():
    assert number_texts(np.array([-(2**63), 7])) == ["-9223372036854775808", "7"]
    assert number_texts(np.array([2**64 - 1], dtype=np.uint64)) == ["18446744073709551615"]
    assert number_texts(np.array([True, False])) == ["true", "false"]
    assert number_texts(np.array([np.nan, np.inf, -np.inf])) == ["NaN", "Infinity", "-Infinity"]


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), StoreError("read"), OSError("disk")])
def test_a_file_that_is_not_complete_is_not_there(name, error, tmp_path):
    def write():
        with new_text(tmp_path / name) as file:
            file.write("half")
            raise error

    expected = CntGraphError if type(error) is OSError else type(error)
    with pytest.raises(expected):
        write()
    assert not list(tmp_path.iterdir())


def test_a_folder_in_the_way_is_said(tmp_path):
    Path(tmp_path / "a.txt").mkdir()
    with pytest.raises(CntGraphError, match=r"a\.txt is a folder"), new_text(tmp_path / "a.txt"):
        pytest.fail("there is nothing to write to")
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]
