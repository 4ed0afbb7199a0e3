"""A disk that is full, and directories that can't be written or vanish."""

import errno
import os
import subprocess
import sys

import pytest

from components.model_store import files
from components.model_store.manifest import ModelFacts, StoreError
from components.model_store.store import Store
from tests.components.model_store.faults import CHECKOUT, found


@pytest.mark.parametrize("size", [0, 100, 2000, 3500], ids=lambda size: f"{size}_bytes_free")
def test_full_disk_is_a_sentence_and_the_next_push_recovers(
    store, served, make_model, monkeypatch, size, look
):
    model = make_model("new")
    with monkeypatch.context() as patch:
        fill_disk(patch, size)
        with pytest.raises(StoreError, match="No space left on device; what was served still is"):
            store.push(model, ModelFacts())
    assert look("disk full", store, *served.values()) == served
    assert store.push(model, ModelFacts()).version == 4


def test_rollback_to_what_is_aside_on_a_full_disk_changes_nothing(store, served, monkeypatch, look):
    store.rollback(2)
    before = found(store.directory)
    with monkeypatch.context() as patch:
        fill_disk(patch, 0)
        with pytest.raises(StoreError, match="No space left on device; what was served still is"):
            store.rollback(3)
    assert look("rollback on a full disk", store, *served.values()) == before
    assert store.find().number == 2
    assert store.rollback(3).live
    assert found(store.directory) == served


def fill_disk(patch, free):
    """Lets the disk take so many bytes more."""
    left = [free]
    flush = files._flush

    def flush_if_there_is_room(file):
        left[0] -= file.tell()
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.name)
        flush(file)

    patch.setattr(files, "_flush", flush_if_there_is_room)


# Root may write anywhere, so the push is another user's, who is put where it may not walk to.
PUSH_AS_NOBODY = """
import os, sys
from pathlib import Path
from components.model_store.manifest import ModelFacts, StoreError
from components.model_store.store import Store

os.chdir(sys.argv[1])
if os.getuid() == 0:
    os.setuid(65534)
try:
    Store(Path("serving/tinyvgg")).push(Path("models/new"), ModelFacts())
except StoreError as error:
    print(error)
"""


WARN = """
print(*Store(Path("serving/tinyvgg")).warnings())
"""


@pytest.mark.parametrize("part", [".", ".incoming"], ids=["whole", "where_pushes_go"])
def test_read_only_directory_is_a_sentence_and_what_is_served_stays(
    served, store, make_model, part, look
):
    model = make_model("new")
    root = store.directory.parents[1]
    root.chmod(0o755)
    if part == ".":
        store.directory.chmod(0o555)
    else:
        store.directory.chmod(0o777)
        (store.directory / part).chmod(0o555)
        (store.directory / ".lock").chmod(0o666)
    ended = subprocess.run(
        [sys.executable, "-c", PUSH_AS_NOBODY, root],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    store.directory.chmod(0o755)
    (store.directory / ".incoming").chmod(0o755)
    assert "Permission denied; what was served still is" in ended.stdout, ended.stderr
    assert look("directory read-only", store, *served.values()) == served
    assert store.push(model, ModelFacts()).state == "pushed"


def test_serving_directory_of_another_user_does_not_fail_pushes(served, store, make_model, look):
    model = make_model("new")
    root = store.directory.parents[1]
    root.chmod(0o755)
    for path in (store.directory, store.directory / ".incoming"):
        path.chmod(0o777)
    for path in (store.directory / ".lock", store.directory / "manifest.json"):
        path.chmod(0o666)
    store.directory.parent.chmod(0o555)
    before = (store.directory.parent / "models.config").read_text()
    ended = subprocess.run(
        [sys.executable, "-c", PUSH_AS_NOBODY + WARN, root],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    store.directory.parent.chmod(0o755)
    assert "models.config does not say what is live, as serving can't be written" in ended.stdout
    assert 4 in look("serving directory read-only", store, *served.values(), files.checksums(model))
    assert (store.directory.parent / "models.config").read_text() == before
    store.recover()
    assert "value: 4" in (store.directory.parent / "models.config").read_text()


def test_directory_that_vanishes_during_a_push_is_a_sentence_and_the_next_push_makes_it(
    store, served, make_model, monkeypatch, look
):
    model = make_model("new")
    with monkeypatch.context() as patch:
        copy_tree = files.copy_tree

        def copy_and_lose(source, target):
            digests = copy_tree(source, target)
            store.directory.rename(store.directory.with_name("lost"))
            return digests

        patch.setattr(files, "copy_tree", copy_and_lose)
        with pytest.raises(StoreError):
            store.push(model, ModelFacts())
    lost = Store(store.directory.with_name("lost"))
    assert look("directory vanished", lost, *served.values()) == served
    assert store.push(model, ModelFacts()).version == 1
    assert list(found(store.directory).values()) == [files.checksums(model)]
