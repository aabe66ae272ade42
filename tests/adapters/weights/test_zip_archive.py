import copy
import io
import zipfile

import pytest

from cntgraph.adapters.weights.zip_archive import ZipArchive
from cntgraph.core.errors import FormatError


def archive(path, *members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as out:
        for name, content in members:
            out.writestr(name, content)
    return path


def test_members_and_where_they_lie(tmp_path):
    path = archive(tmp_path / "a.zip", ("one", b"11"), ("two", b"2222"))
    found = ZipArchive(path, "an archive")
    assert list(found.members) == ["one", "two"]
    at = found.offset("two")
    assert path.read_bytes()[at : at + 4] == b"2222"


def test_archives_that_are_none(tmp_path):
    path = tmp_path / "a.zip"
    sound = archive(path, ("one", b"1" * 100)).read_bytes()
    for damaged in (b"", b"PK", sound[:-5], sound[:50], b"x" * 300):
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match="expected an archive"):
            ZipArchive(path, "an archive")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice(tmp_path):
    path = archive(tmp_path / "a.zip", ("one", b"1"), ("one", b"2"))
    with pytest.raises(FormatError, match="one name"):
        ZipArchive(path, "an archive")


def test_members_that_overlap(tmp_path):
    path = archive(tmp_path / "a.zip", ("one", b"1" * 1000), ("two", b"2" * 1000))
    out = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(out, "a") as again:
        for k in range(5):
            info = copy.copy(again.getinfo("one"))
            info.filename = f"copy{k}"
            again.filelist.append(info)
        again._didModify = True
    path.write_bytes(out.getvalue())
    with pytest.raises(FormatError, match="overlap"):
        ZipArchive(path, "an archive")


def test_a_member_that_is_cut_off(tmp_path):
    path = archive(tmp_path / "a.zip", ("one", b"1" * 100))
    found = ZipArchive(path, "an archive")
    path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(FormatError, match="cut off"):
        found.offset("one")
    path.write_bytes(b"")
    with pytest.raises(FormatError, match="cut off"):
        found.offset("one")
