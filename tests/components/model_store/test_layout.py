import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.model_store import layout
from components.model_store.manifest import StoreError

CHECKOUT = Path(__file__).resolve().parents[3]


def test_versions_models_strays_and_numbers_are_told_apart(directory, put):
    put("007")
    put("12")
    put("0012")
    (directory / "9").mkdir()
    (directory / "3").mkdir()
    (directory / "manifest.json").write_text("{}")
    listing = layout.scan(directory, recorded={3})
    assert listing.versions == {3: directory / "3", 7: directory / "007", 12: directory / "12"}
    assert listing.models == [7, 12]
    assert {stray.path.name for stray in listing.strays} == {"9", "0012"}
    assert listing.numbers == [3, 7, 9, 12]


def test_saved_model_may_be_text(directory):
    (directory / "1").mkdir(parents=True)
    (directory / "1" / "saved_model.pbtxt").write_text("")
    assert layout.scan(directory, ()).models == [1]


def test_file_of_a_model_must_be_a_file(directory):
    (directory / "1" / "saved_model.pb").mkdir(parents=True)
    assert layout.scan(directory, ()).versions == {}


def test_there_is_nothing_where_there_is_no_directory(directory):
    assert layout.scan(directory, ()).numbers == []


def test_recorded_number_does_not_make_a_version_of_what_is_no_directory(directory):
    directory.mkdir(parents=True)
    (directory / "3").write_text("a file")
    listing = layout.scan(directory, recorded={3})
    assert listing.versions == {}
    assert [stray.why for stray in listing.strays] == ["it is no directory"]


@pytest.mark.parametrize(
    ("name", "tempting"), [("9", True), ("-9", True), ("+9", True), ("9" * 30, False)]
)
def test_warning_says_whether_a_server_would_try_it(directory, name, tempting):
    (directory / name).mkdir(parents=True)
    warning = layout.warn(layout.scan(directory, ()).strays)
    assert warning.startswith(f"{directory / name} is no version, as ")
    assert ("would try to load it" in warning) is tempting
    assert warning.endswith("move it away.")


def test_several_strays_are_one_sentence(directory):
    (directory / "9").mkdir(parents=True)
    (directory / "5").write_text("a file")
    assert layout.warn(layout.scan(directory, ()).strays) == (
        f"{directory} has what is no version, 5 (it is no directory), 9 (it has no SavedModel): "
        "a server that polls the directory would try to load them; move them away."
    )


def test_link_that_was_moved_leads_from_where_it_was_made(directory, put):
    put("model", directory.parent)
    aside = directory / "aside"
    aside.mkdir(parents=True)
    (aside / "1").symlink_to("../model")
    assert layout.scan(aside, (), home=directory).models == [1]
    assert layout.scan(aside, ()).models == []


SCAN_AS_NOBODY = """
import os, sys
from pathlib import Path
from components.model_store import layout
from components.model_store.manifest import StoreError

os.chdir(sys.argv[1])
if os.getuid() == 0:
    os.setuid(65534)
try:
    print(*layout.scan(Path("serving/tinyvgg"), ()).models)
except StoreError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("part", "told"), [("1", "1"), (".", "serving/tinyvgg can't be read: Permission denied")]
)
def test_version_of_another_user_is_a_version_and_a_shut_directory_a_sentence(
    directory, put, tmp_path, part, told
):
    put("1")
    tmp_path.chmod(0o755)
    (directory / part).chmod(0)
    ended = subprocess.run(
        [sys.executable, "-c", SCAN_AS_NOBODY, tmp_path],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    (directory / part).chmod(0o755)
    assert told in ended.stdout, ended.stderr


def test_directory_that_is_none_is_a_sentence(directory):
    directory.parent.mkdir(parents=True)
    directory.write_text("a file")
    with pytest.raises(StoreError, match=f"{directory} can't be read: {os.strerror(20)}"):
        layout.scan(directory, ())
