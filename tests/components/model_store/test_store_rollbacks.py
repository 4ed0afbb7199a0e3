import shutil

import pytest

from components.model_store import change, files, manifest
from components.model_store.manifest import MANIFEST_FILE, ModelFacts, StoreError
from tests.components.model_store.stores import (
    FACTS,
    live,
    occupy_by_a_file,
    served_config,
    visible,
)


def state(store):
    """Everything that an operation which was refused must leave as it was."""
    text = (store.directory / MANIFEST_FILE).read_text()
    config = (store.directory.parent / "models.config").read_text()
    return visible(store), text, config


def test_damaged_copy_is_not_published(store, make_model, monkeypatch):
    monkeypatch.setattr(files, "copy_tree", spoiled(files.copy_tree))
    with pytest.raises(StoreError, match=r"not what was written .*saved_model\.pb was changed"):
        store.push(make_model("a"), FACTS)
    assert visible(store) == []


def spoiled(copy_tree):
    def copy(source, target):
        digests = copy_tree(source, target)
        (target / "saved_model.pb").write_text("flipped bits")
        return digests

    return copy


def test_rollback_goes_to_the_version_before_and_moves_the_newer_aside(store, push):
    push("a", "b", "c")
    assert store.rollback().number == 2
    assert visible(store) == [1, 2]
    assert live(store) == 2
    aside = store.find(3)
    assert (aside.visible, aside.record.withdrawn) == (False, "rolled back")
    assert not store.faults(aside)


def test_rollback_to_a_version_moves_all_newer_ones_aside_the_live_one_last(
    store, push, monkeypatch
):
    push("a", "b", "c", "d")
    moved = []
    move = change._move

    def note(source, target):
        moved.append((source.name, visible(store)[-1]))
        move(source, target)

    monkeypatch.setattr(change, "_move", note)
    store.rollback(1)
    assert moved == [("2", 4), ("3", 4), ("4", 4)]
    assert visible(store) == [1]


def test_rollback_also_goes_forward_again(store, push):
    push("a", "b")
    store.rollback()
    assert store.rollback(2).live
    assert visible(store) == [1, 2]
    assert store.find(2).record.withdrawn is None


def test_rollback_passes_over_a_damaged_version(store, push):
    push("a", "b", "c")
    (store.directory / "2" / "saved_model.pb").write_text("tampered")
    assert store.rollback().number == 1


def test_rolled_back_model_does_not_come_back_by_itself(store, push, make_model):
    model = make_model("bad")
    push("a")
    store.push(model, FACTS)
    store.rollback()
    again = store.push(model, FACTS)
    assert (again.state, again.version) == ("held back", 2)
    assert visible(store) == [1]
    assert push("c") == [3]


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (None, "no sound version before 1 to go back to"),
        (0, "has no version 0: there is 1"),
        (7, "has no version 7: there is 1"),
    ],
)
def test_rollback_to_what_is_not_there_changes_nothing(store, push, number, sentence):
    push("a")
    before = state(store)
    with pytest.raises(StoreError, match=sentence):
        store.rollback(number)
    assert state(store) == before


def test_rollback_to_a_damaged_version_changes_nothing(store, push):
    push("a", "b")
    (store.directory / "1" / "saved_model.pb").unlink()
    before = state(store)
    with pytest.raises(StoreError, match=r"Version 1 is not as it was .*saved_model.pb is missing"):
        store.rollback(1)
    assert state(store) == before


def test_rollback_needs_a_version(store):
    with pytest.raises(StoreError, match="no version to go back to"):
        store.rollback()


def interrupt_rollback(store, number):
    """As if a rollback had been killed once servers were told, and nothing had moved."""
    known = manifest.read(store.directory)
    manifest.write(store.directory, known.having(rolling_back=number))


def test_push_after_an_interrupted_rollback_ends_that_and_is_live(store, push):
    push("a", "b", "c")
    interrupt_rollback(store, 1)
    assert live(store) == 1
    assert push("d") == [4]
    assert visible(store) == [1, 4]
    assert live(store) == 4


def test_interrupted_rollback_to_a_version_that_is_gone_moves_nothing(store, push):
    push("a", "b", "c")
    interrupt_rollback(store, 1)
    shutil.rmtree(store.directory / "1")
    store.recover()
    assert visible(store) == [2, 3]
    assert live(store) == 3
    assert any("rollback to version 1 was given up" in one for one in store.warnings())


def prune_what_is_aside(store):
    store.prune(store.superfluous(1, withdrawn=True))


def tamper_with_what_is_aside(store):
    (store.directory / ".withdrawn" / "2" / "saved_model.pb").write_text("tampered")


@pytest.mark.parametrize("lose", [prune_what_is_aside, tamper_with_what_is_aside])
def test_model_that_is_held_back_can_be_rolled_back_to_though_its_files_were_lost(
    store, push, make_model, lose
):
    push("a")
    store.push(make_model("bad"), FACTS, "same")
    store.rollback()
    lose(store)
    again = make_model("bad in other bytes")
    assert store.push(again, ModelFacts(run="later"), "same").state == "held back"
    assert (visible(store), live(store)) == ([1], 1)
    version = store.rollback(2)
    assert (version.live, version.record.facts) == (True, FACTS)
    assert files.checksums(version.path) == files.checksums(again)


def test_model_that_is_held_back_and_whole_stays_as_it_is(store, push, make_model):
    push("a")
    model = make_model("bad")
    store.push(model, FACTS)
    store.rollback()
    before = (store.directory / ".withdrawn" / "2").stat().st_ino
    assert store.push(model, FACTS).state == "held back"
    assert [path.name for path in (store.directory / ".withdrawn").iterdir()] == ["2"]
    assert (store.directory / ".withdrawn" / "2").stat().st_ino == before


def test_model_of_the_same_identity_is_held_back_after_a_rollback(store, push, make_model):
    push("a")
    store.push(make_model("bad"), FACTS, "same")
    store.rollback()
    again = store.push(make_model("bad in other bytes"), FACTS, "same")
    assert (again.state, again.version) == ("held back", 2)


def lose_the_target(store):
    shutil.rmtree(store.directory / "1")


def empty_the_target(store):
    (store.directory / "1" / "saved_model.pb").unlink()


@pytest.mark.parametrize("spoil", [occupy_by_a_file, lose_the_target, empty_the_target])
@pytest.mark.parametrize(
    "operate",
    [
        lambda store, model: store.push(model, FACTS),
        lambda store, model: store.recover(),
        lambda store, model: store.pin(3),
        lambda store, model: store.prune([]),
        lambda store, model: store.rollback(2),
    ],
    ids=["push", "recover", "pin", "prune", "rollback"],
)
def test_rollback_that_can_not_end_is_given_up_and_wedges_nothing(
    store, push, make_model, spoil, operate
):
    push("a", "b", "c")
    interrupt_rollback(store, 1)
    spoil(store)
    try:
        operate(store, make_model("new"))
    except StoreError as error:
        assert spoil is occupy_by_a_file
        assert "given up" in str(error)  # noqa: PT017
    assert manifest.read(store.directory).rolling_back is None
    assert live(store) >= 2
    assert served_config(store)[3]["live"] == live(store)
    assert push("d")
    assert live(store) == (3 if store.find().pinned else max(visible(store)))


def test_given_up_rollback_is_told_until_the_next_one(store, push):
    push("a", "b", "c")
    occupy_by_a_file(store)
    with pytest.raises(StoreError, match="rollback to version 1 was given up"):
        store.rollback(1)
    assert live(store) == 3
    push("d")
    assert any("was given up" in one for one in store.warnings())
    (store.directory / ".withdrawn").unlink()
    store.rollback(3)
    assert store.warnings() == []


def test_version_whose_rename_is_refused_stays_and_is_no_damage_to_the_others(
    store, push, monkeypatch
):
    push("a", "b", "c")
    rename = change._move

    def refuse(source, target):
        if source.name == "3":
            raise PermissionError(13, "Permission denied", str(source))
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(change, "_move", refuse)
        with pytest.raises(StoreError, match=r"given up \(.*/3: Permission denied\)"):
            store.rollback(1)
    assert live(store) == 3
    assert store.find(3).record.withdrawn is None
    assert store.rollback(1).live
    assert visible(store) == [1]


def test_damaged_version_that_can_not_be_moved_does_not_fail_pushes(store, push):
    push("a", "b")
    (store.directory / "2" / "saved_model.pb").write_text("tampered")
    occupy_by_a_file(store)
    assert push("c") == [3]
    assert live(store) == 3


def contents(directory):
    return sorted(path.read_bytes() for path in directory.rglob("saved_model.pb"))


def test_restored_copy_of_a_version_and_the_one_aside_both_stay(store, push):
    push("a", "b")
    store.rollback()
    shutil.copytree(store.directory / ".withdrawn" / "2", store.directory / "2")
    (store.directory / "2" / "saved_model.pb").write_text("another one")
    before = contents(store.directory)
    assert live(store) == 2
    assert any(".withdrawn also has 2," in one for one in store.warnings())
    assert store.rollback().number == 1
    assert contents(store.directory) == before
    assert (store.find(2).path / "saved_model.pb").read_text() == "another one"
    assert any(".withdrawn also has 2.1," in one for one in store.warnings())


def test_restored_copy_that_is_gone_back_to_counts_as_back(store, push):
    push("a", "b")
    store.rollback()
    shutil.copytree(store.directory / ".withdrawn" / "2", store.directory / "2")
    assert store.rollback(2).record.withdrawn is None


def test_every_copy_that_goes_aside_is_kept(store, push):
    push("a", "b")
    for _ in range(3):
        store.rollback()
        shutil.copytree(store.directory / ".withdrawn" / "2", store.directory / "2")
    store.rollback()
    aside = {path.name for path in (store.directory / ".withdrawn").iterdir()}
    assert aside == {"2", "2.1", "2.2", "2.3"}


def test_version_does_not_come_back_over_what_has_its_number(store, push, make_stray):
    push("a", "b")
    store.rollback()
    stray = store.directory / "2"
    make_stray(stray)
    with pytest.raises(StoreError, match="/2 has the number of version 2, and is none"):
        store.rollback(2)
    assert live(store) == 1
    assert (store.directory / ".withdrawn" / "2" / "saved_model.pb").exists()
