import os

import pytest

from cntgraph.core.errors import CntGraphError
from cntgraph.core.new_file import check_free, new_file


def test_what_is_there_stays(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    said = r"a\.csv exists: .*overwrite=True \(--overwrite\)"
    with pytest.raises(CntGraphError, match=said), new_file(path):
        pytest.fail("nothing is computed for a file that is not written")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_what_is_there_is_replaced_at_once_if_asked(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with new_file(path, overwrite=True) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("error", [OSError("full"), ValueError("not so"), KeyError("bug")])
def test_half_a_file_is_none(tmp_path, error):
    path = tmp_path / "a.csv"
    path.write_text("old")

    def write():
        with new_file(path, overwrite=True) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(KeyError if isinstance(error, KeyError) else CntGraphError):
        write()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_what_came_in_between_stays(tmp_path):
    path = tmp_path / "a.csv"

    def write():
        with new_file(path) as temporary:
            temporary.write_text("ours")
            path.write_text("theirs")

    with pytest.raises(CntGraphError, match="exists"):
        write()
    assert path.read_text() == "theirs"


def test_an_input_is_never_an_output(tmp_path):
    path, link = tmp_path / "run.h5", tmp_path / "link.h5"
    path.write_text("a recording")
    link.symlink_to(path)
    for target in (path, link):
        with pytest.raises(CntGraphError, match="is what is read"):
            check_free(target, [tmp_path / "other.h5", path], overwrite=True)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(CntGraphError, match="is a folder"):
        check_free(tmp_path, overwrite=True)
