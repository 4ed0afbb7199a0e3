"""Links in a store's own places, which somebody put there: nothing is changed beyond them."""

import os

import pytest

from components.model_store import files, manifest
from components.model_store.manifest import StoreError
from tests.components.model_store.faults import found
from tests.components.model_store.stores import FACTS


@pytest.fixture
def theirs(tmp_path):
    """A directory of somebody else's, with what looks like the remains of a push, and a version."""
    directory = tmp_path / "theirs"
    for name in ("photographs", "1"):
        (directory / name).mkdir(parents=True)
        (directory / name / "saved_model.pb").write_text(name)
    return directory


def replace_by_link(place, target):
    if place.is_dir():
        files.remove(place)
    place.unlink(missing_ok=True)
    place.symlink_to(target)


def test_where_pushes_go_is_not_looked_for_beyond_a_link(store, served, make_model, theirs):
    replace_by_link(store.directory / ".incoming", theirs)
    before = files.checksums(theirs)
    for operation in (
        store.recover,
        lambda: store.push(make_model("new"), FACTS),
        lambda: store.prune(store.superfluous(1)),
    ):
        with pytest.raises(StoreError, match=r"\.incoming can't be written: it is a link, which"):
            operation()
    assert files.checksums(theirs) == before
    assert found(store.directory) == served


def test_remains_of_a_push_that_are_a_link_are_left_alone(store, served, theirs):
    (store.directory / ".incoming" / "old").symlink_to(theirs)
    before = files.checksums(theirs)
    store.recover()
    assert files.checksums(theirs) == before


def test_what_was_moved_aside_is_not_looked_for_beyond_a_link(store, served, theirs):
    replace_by_link(store.directory / ".withdrawn", theirs)
    before = files.checksums(theirs)
    with pytest.raises(StoreError, match="was given up"):
        store.rollback(1)
    assert any("no directory of its own" in one for one in store.warnings())
    assert [one.number for one in store.superfluous(9, withdrawn=True)] == []
    assert files.checksums(theirs) == before
    assert found(store.directory) == served


@pytest.mark.parametrize("name", [".manifest.json.new", "../.models.config.new"])
def test_half_written_file_that_is_a_link_is_replaced_and_not_followed(
    store, served, make_model, tmp_path, name
):
    target = tmp_path / "theirs.txt"
    target.write_text("theirs")
    (store.directory / name).symlink_to(target)
    store.push(make_model("new"), FACTS)
    assert target.read_text() == "theirs"
    assert not (store.directory / name).is_symlink()
    assert manifest.read(store.directory).last_version == 4


@pytest.mark.parametrize("name", [".lock", "../.models.config.lock"])
def test_lock_is_not_made_beyond_a_link(store, served, make_model, tmp_path, name):
    replace_by_link(store.directory / name, tmp_path / "nowhere")
    with pytest.raises(StoreError, match=r"lock can't be written: it is a link, which"):
        store.push(make_model("new"), FACTS)
    assert not (tmp_path / "nowhere").exists()


def test_pipe_for_a_lock_or_a_manifest_is_refused_at_once(store, served):
    (store.directory / ".lock").unlink()
    os.mkfifo(store.directory / ".lock")
    with pytest.raises(StoreError, match=r"\.lock can't be written"):
        store.recover()
    (store.directory / "manifest.json").unlink()
    os.mkfifo(store.directory / "manifest.json")
    with pytest.raises(StoreError, match=r"manifest\.json can't be read: Not a regular file"):
        store.versions()
