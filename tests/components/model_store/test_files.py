import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from components.model_store import files

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture
def tree(tmp_path):
    tree = tmp_path / "tree"
    (tree / "empty").mkdir(parents=True)
    (tree / "sub").mkdir()
    (tree / "a").write_bytes(b"a" * 3_000_000)
    (tree / "sub" / "b").write_text("b")
    return tree


def test_copy_is_the_same_and_its_checksums_are_the_sources(tree, tmp_path):
    digests = files.copy_tree(tree, tmp_path / "copy")
    assert digests == files.checksums(tree) == files.checksums(tmp_path / "copy")
    assert set(digests) == {"a", "sub/b"}
    assert (tmp_path / "copy" / "empty").is_dir()


def test_every_file_and_directory_of_a_copy_is_flushed_to_disk(tree, tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(
        os, "fsync", lambda fd: flushed.append(Path(f"/proc/self/fd/{fd}").readlink())
    )
    copy = tmp_path / "copy"
    files.copy_tree(tree, copy)
    wanted = {copy, *copy.rglob("*")}
    assert set(flushed) == wanted


def test_differences_are_each_named(tree):
    expected = files.checksums(tree)
    assert files.differences(expected, tree) == []
    (tree / "a").write_text("changed")
    (tree / "sub" / "b").rename(tree / "c")
    assert files.differences(expected, tree) == [
        "sub/b is missing",
        "a was changed",
        "c was added",
    ]


def test_link_that_leads_nowhere_is_a_difference(tree):
    expected = files.checksums(tree)
    (tree / "a").unlink()
    (tree / "a").symlink_to("nowhere")
    [phrase] = files.differences(expected, tree)
    assert phrase.endswith("a can't be read: No such file or directory")


def test_replaced_file_is_the_old_or_the_new_one_whatever_happens(tmp_path, monkeypatch):
    path = tmp_path / "file"
    files.write_atomically(path, "old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            files.write_atomically(path, "new")
    assert path.read_text() == "old"
    # What that left may also be another user's.
    [left] = tmp_path.glob(".file*")
    left.chmod(0o444)
    files.write_atomically(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_replaced_file_may_be_read_by_whom_it_was(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o646)
    before = os.umask(0o077)
    try:
        files.write_atomically(path, b"new")
        files.write_atomically(tmp_path / "other", "new")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o646
    assert (tmp_path / "other").stat().st_mode & 0o777 == 0o600


def test_link_to_a_replaced_file_stays_one(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    real, link = tmp_path / "elsewhere" / "file", tmp_path / "link"
    link.symlink_to(real)
    files.write_atomically(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_removed_link_leaves_what_it_leads_to(tree, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tree)
    files.remove(link)
    assert not link.is_symlink()
    files.remove(tree / "sub")
    assert (tree / "a").exists()
    assert not (tree / "sub").exists()


def test_lock_is_held_by_one_at_a_time(tmp_path):
    path = tmp_path / "lock"
    with files.lock(path, 0), pytest.raises(TimeoutError), files.lock(path, 0.05):
        pytest.fail("held twice")
    with files.lock(path, 0):
        pass


def test_lock_is_waited_for(tmp_path):
    path, held = tmp_path / "lock", threading.Event()

    def hold():
        with files.lock(path, 0):
            held.set()
            time.sleep(0.2)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    with files.lock(path, 10):
        pass
    holder.join(10)


LOCK_AS_NOBODY = """
import os, sys
from pathlib import Path
from components.model_store import files

os.chdir(sys.argv[1])
if os.getuid() == 0:
    os.setuid(65534)
with files.lock(Path("lock"), 0):
    print("held")
"""


def test_lock_of_another_user_can_be_held(tmp_path):
    tmp_path.chmod(0o755)
    with files.lock(tmp_path / "lock", 0):
        pass
    (tmp_path / "lock").chmod(0o444)
    ended = subprocess.run(
        [sys.executable, "-c", LOCK_AS_NOBODY, tmp_path],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout == "held\n", ended.stderr


@pytest.fixture
def forbidden(tmp_path, monkeypatch):
    """A directory that root could read, and this user may not, as far as it is tried."""
    directory = tmp_path / "forbidden"
    directory.mkdir()
    (directory / "a").write_text("one")
    scan = os.scandir

    def scandir(path):
        if Path(path) == directory:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    return directory


def test_directory_that_may_not_be_looked_into_is_not_told_as_empty(forbidden):
    [phrase] = files.differences({"a": "0123"}, forbidden)
    assert phrase == f"{forbidden} can't be read: Permission denied"
    assert not files.may_read(forbidden)


def test_what_is_there_or_missing_may_be_read(tmp_path):
    (tmp_path / "a").write_text("one")
    assert files.may_read(tmp_path)
    assert files.may_read(tmp_path / "missing")
