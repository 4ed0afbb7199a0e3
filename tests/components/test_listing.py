import json

import pytest

from components.listing import find_fault, list_files


@pytest.fixture
def directory(tmp_path):
    directory = tmp_path / "1"
    (directory / "variables").mkdir(parents=True)
    (directory / "variables" / "data").write_bytes(b"weights")
    (directory / "graph").write_bytes(b"")
    return directory


def test_files_are_listed_by_size_or_by_checksum(directory):
    assert json.loads(list_files(directory, checksums=False)) == {"graph": 0, "variables/data": 7}
    sums = json.loads(list_files(directory, checksums=True))
    assert {name: len(one) for name, one in sums.items()} == {"graph": 64, "variables/data": 64}


@pytest.mark.parametrize("checksums", [False, True])
def test_what_is_as_it_was_listed_has_no_fault(directory, checksums):
    assert find_fault(directory, list_files(directory, checksums=checksums)) is None


@pytest.mark.parametrize("checksums", [False, True])
def test_directory_that_was_empty_may_stay_so_and_may_not_go(tmp_path, checksums):
    listing = list_files(tmp_path, checksums=checksums)
    assert find_fault(tmp_path, listing) is None
    assert find_fault(tmp_path / "gone", listing) == "is gone"


def test_only_a_checksum_finds_what_keeps_its_size(directory):
    listings = [list_files(directory, checksums=checksums) for checksums in (False, True)]
    (directory / "variables" / "data").write_bytes(b"garbled")
    fault = "has another variables/data than it was made with"
    assert [find_fault(directory, one) for one in listings] == [None, fault]


def test_file_that_can_not_be_read_is_a_fault(directory):
    listing = list_files(directory, checksums=True)
    (directory / "graph").unlink()
    (directory / "graph").symlink_to("graph")
    assert find_fault(directory, listing).startswith("can't be read (")


def test_what_nobody_listed_need_only_be_there(directory):
    assert find_fault(directory, "") is None
    assert find_fault(directory / "gone", "") == "is gone"
