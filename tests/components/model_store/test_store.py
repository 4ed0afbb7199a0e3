import dataclasses
import json
import os
import shutil
import subprocess
import threading
import time

import pytest
from google.protobuf import text_format

from components.model_store import change, files, manifest
from components.model_store.manifest import MANIFEST_FILE, ModelFacts, StoreError
from components.model_store.store import Store

FACTS = ModelFacts(run="r1", source="0123456789abcdef", dataset="drawn", metrics={"accuracy": 0.9})


def visible(store):
    """The versions that a model server finds."""
    return sorted(int(path.name) for path in store.directory.glob("[0-9]*"))


def state(store):
    """Everything that an operation which was refused must leave as it was."""
    text = (store.directory / MANIFEST_FILE).read_text()
    config = (store.directory.parent / "models.config").read_text()
    return visible(store), text, config


@pytest.fixture
def push(store, make_model):
    """Pushes models of these names, each a new one."""

    def push(*names):
        return [store.push(make_model(name), FACTS).version for name in names]

    return push


def live(store):
    return store.find().number


def test_first_push_makes_the_directory_and_is_live(store, make_model):
    model = make_model("a")
    push = store.push(model, FACTS)
    assert (push.state, push.version, push.path) == ("pushed", 1, store.directory / "1")
    assert files.checksums(push.path) == files.checksums(model)
    assert (push.path / "assets").is_dir()
    assert live(store) == 1


def test_push_is_recorded_with_where_it_comes_from_and_the_checksum_of_each_file(store, make_model):
    model = make_model("a")
    store.push(model, FACTS)
    [version] = store.versions()
    assert version.record.facts == FACTS
    assert version.record.files == files.checksums(model)
    assert len(version.record.files) == 4
    assert version.record.pushed.endswith("+00:00")


def test_versions_rise(store, push):
    assert push("a", "b", "c") == [1, 2, 3]
    assert [version.number for version in store.versions()] == [3, 2, 1]


def test_version_is_higher_than_all_that_ever_were(store, push, put):
    put("1795508572")
    assert push("a") == [1795508573]
    shutil.rmtree(store.directory / "1795508573")
    assert push("b") == [1795508574]
    store.rollback(1795508572)
    (store.directory / MANIFEST_FILE).unlink()
    assert push("c") == [1795508575]


def test_same_model_is_not_pushed_twice(store, make_model):
    model, other = make_model("a"), make_model("b")
    store.push(model, FACTS)
    store.push(other, FACTS)
    again = store.push(model, ModelFacts(run="r2"))
    assert (again.state, again.version) == ("there", 1)
    assert visible(store) == [1, 2]


def test_version_that_was_removed_by_hand_is_pushed_again_under_a_new_number(store, make_model):
    model = make_model("a")
    shutil.rmtree(store.push(model, FACTS).path)
    assert store.push(model, FACTS).version == 2
    assert visible(store) == [2]


def test_nothing_of_a_push_is_left_but_the_version(store, push):
    push("a")
    left = {path.name for path in store.directory.iterdir()}
    assert left == {"1", MANIFEST_FILE, ".lock", ".incoming"}
    assert not list((store.directory / ".incoming").iterdir())


def test_version_can_be_read_by_a_server_of_another_user(store, push):
    push("a")
    assert (store.directory / "1").stat().st_mode & 0o055 == 0o055


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


def test_pinned_version_stays_live_when_others_are_pushed(store, push):
    push("a", "b")
    assert store.pin(1).live
    push("c")
    assert live(store) == 1
    assert store.unpin().number == 3


def test_rollback_takes_the_pin_away(store, push):
    push("a", "b", "c")
    store.pin(2)
    assert store.rollback().number == 1
    assert not store.find().pinned
    assert visible(store) == [1]


def test_pin_on_a_version_that_is_gone_does_not_keep_others_from_being_served(store, push):
    push("a", "b")
    store.pin(1)
    shutil.rmtree(store.directory / "1")
    assert live(store) == 2
    assert not store.find().pinned


def test_version_that_was_moved_aside_can_not_be_pinned(store, push):
    push("a", "b")
    store.rollback()
    with pytest.raises(StoreError, match="`rollback 2` makes it live"):
        store.pin(2)


def test_version_of_the_number_zero_can_be_pinned_too(store, push, put):
    put("0")
    push("a")
    assert store.pin(0).live
    assert served_config(store)[2:] == ([0], {"live": 0})


def test_unpin_needs_a_pin(store, push):
    push("a")
    with pytest.raises(StoreError, match="is pinned"):
        store.unpin()


def served_config(store):
    """What TensorFlow Serving reads in models.config: name, path, versions, labels."""
    from tensorflow_serving.config import model_server_config_pb2

    text = (store.directory.parent / "models.config").read_text()
    read = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    [model] = read.model_config_list.config
    policy = model.model_version_policy
    chosen = policy.latest.num_versions or list(policy.specific.versions)
    return model.name, model.base_path, chosen, dict(model.version_labels)


def test_models_config_follows_every_change(store, push):
    push("a")
    assert served_config(store) == ("tinyvgg", "/models/tinyvgg", 2, {"live": 1})
    push("b", "c")
    assert served_config(store)[2:] == (2, {"live": 3, "previous": 2})
    store.pin(1)
    assert served_config(store)[2:] == ([1], {"live": 1})
    push("d")
    assert served_config(store)[2:] == ([1], {"live": 1})
    store.unpin()
    assert served_config(store)[2:] == (2, {"live": 4, "previous": 3})
    store.rollback()
    assert served_config(store)[2:] == (2, {"live": 3, "previous": 2})


def test_models_config_has_the_path_that_the_server_sees(directory, make_model):
    store = Store(directory, "/srv/models/")
    store.push(make_model("a"), FACTS)
    assert served_config(store)[1] == "/srv/models/tinyvgg"


def test_prune_keeps_the_newest_the_live_and_the_pinned(store, push):
    push("a", "b", "c", "d", "e")
    store.pin(1)
    doomed = store.superfluous(2)
    assert [version.number for version in doomed] == [3, 2]
    assert store.prune(doomed) == doomed
    assert visible(store) == [1, 4, 5]
    assert push("f") == [6]


def numbers(versions):
    return [version.number for version in versions]


def test_prune_keeps_what_was_moved_aside_unless_that_is_asked_for(store, push):
    push("a", "b", "c", "d")
    store.rollback(2)
    assert numbers(store.prune(store.superfluous(1))) == [1]
    assert numbers(store.versions()) == [4, 3, 2]
    assert numbers(store.prune(store.superfluous(1, withdrawn=True))) == [4, 3]
    assert numbers(store.versions()) == [2]


def test_prune_counts_the_visible_ones_alone(store, push):
    push("a", "b", "c", "d")
    store.rollback(2)
    assert store.superfluous(2) == []
    assert numbers(store.superfluous(2, withdrawn=True)) == [4, 3]


def test_prune_never_deletes_the_live_or_the_pinned_one(store, push):
    push("a", "b", "c", "d")
    store.rollback(3)
    store.pin(1)
    assert numbers(store.prune(store.superfluous(1, withdrawn=True))) == [4, 2]
    assert visible(store) == [1, 3]
    assert store.find(1).pinned


def test_prune_never_deletes_a_pinned_one_that_is_damaged(store, push):
    push("a", "b", "c")
    store.pin(1)
    (store.directory / "1" / "saved_model.pb").unlink()
    assert numbers(store.superfluous(1, withdrawn=True)) == [2]


def test_prune_spares_what_a_rollback_changed_after_it_asked(store, push):
    push("a", "b", "c")
    doomed = store.superfluous(1)
    store.rollback(1)
    assert store.prune(doomed) == []
    assert numbers(store.versions()) == [3, 2, 1]


def test_prune_of_a_link_deletes_the_link_alone(store, push, put, tmp_path):
    elsewhere = put("kept", tmp_path)
    store.directory.mkdir(parents=True)
    (store.directory / "1").symlink_to(elsewhere)
    push("a")
    assert numbers(store.prune(store.superfluous(1))) == [1]
    assert (elsewhere / "saved_model.pb").exists()


def test_tampered_version_is_moved_aside_once_a_sound_one_takes_its_place(store, push):
    push("a", "b")
    (store.directory / "2" / "variables" / "variables.data-0").write_text("tampered")
    assert push("c") == [3]
    assert visible(store) == [1, 3]
    assert store.find(2).record.withdrawn == "damaged"


def test_tampered_version_is_replaced_by_the_same_model(store, make_model):
    model = make_model("a")
    store.push(model, FACTS)
    (store.directory / "1" / "more").write_text("tampered")
    assert store.push(model, FACTS).version == 2
    assert visible(store) == [2]
    assert not store.faults(store.find(2))


def test_damaged_manifest_is_named_with_the_way_out(store, push, make_model):
    push("a")
    (store.directory / MANIFEST_FILE).write_text('{"last_version": 1}')
    with pytest.raises(StoreError, match="is damaged: restore it, or remove it"):
        store.push(make_model("b"), FACTS)
    (store.directory / MANIFEST_FILE).unlink()
    assert push("c") == [2]


def test_manifest_can_be_read_by_any_program(store, push):
    push("a")
    document = json.loads((store.directory / MANIFEST_FILE).read_text())
    assert document["last_version"] == 1
    assert document["records"]["1"]["facts"] == dataclasses.asdict(FACTS)


def test_versions_are_listed_without_writing_anything(store, directory, put):
    put("5")
    [version] = store.versions()
    assert (version.number, version.record, version.live) == (5, None, True)
    assert [path.name for path in directory.iterdir()] == ["5"]


def test_other_process_that_holds_the_store_is_waited_for(store, push, make_model):
    push("a")
    with files.lock(store.directory / ".lock", 0):
        pushing = threading.Thread(target=store.push, args=(make_model("b"), FACTS))
        pushing.start()
        time.sleep(0.1)
        assert visible(store) == [1]
    pushing.join(10)
    assert visible(store) == [1, 2]


def test_other_process_that_never_lets_go_is_a_sentence(store, push, monkeypatch):
    push("a")
    monkeypatch.setattr("components.model_store.store._PATIENCE_S", 0.05)
    with (
        files.lock(store.directory / ".lock", 0),
        pytest.raises(StoreError, match="Another process is changing"),
    ):
        store.pin(1)


def interrupt_rollback(store, number):
    """As if a rollback had been killed once servers were told, and nothing had moved."""
    known = manifest.read(store.directory)
    manifest.write(store.directory, dataclasses.replace(known, rolling_back=number))


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


def test_pushed_is_a_saved_model_or_nothing(store, tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(StoreError, match="is no SavedModel: nothing was pushed"):
        store.push(tmp_path / "model", FACTS)
    assert not store.directory.exists()


# The same model by its weights and graph.


def test_model_of_the_same_identity_is_not_pushed_twice_whatever_its_bytes(store, make_model):
    store.push(make_model("a"), FACTS, "same")
    store.push(make_model("b"), FACTS, "other")
    again = store.push(make_model("a in other bytes"), FACTS, "same")
    assert (again.state, again.version) == ("there", 1)
    assert live(store) == 2
    assert store.find(1).record.identity == "same"


def test_models_without_an_identity_are_told_by_their_files(store, make_model):
    model = make_model("a")
    store.push(model, FACTS)
    assert store.push(make_model("b"), FACTS).state == "pushed"
    assert store.push(model, FACTS, "known by now").state == "there"


def test_model_of_the_same_identity_is_held_back_after_a_rollback(store, push, make_model):
    push("a")
    store.push(make_model("bad"), FACTS, "same")
    store.rollback()
    again = store.push(make_model("bad in other bytes"), FACTS, "same")
    assert (again.state, again.version) == ("held back", 2)


def test_damaged_version_is_replaced_by_the_model_of_the_same_identity(store, make_model):
    store.push(make_model("a"), FACTS, "same")
    (store.directory / "1" / "saved_model.pb").write_text("tampered")
    assert store.push(make_model("b"), FACTS, "same").version == 2
    assert visible(store) == [2]


# What has a number for a name.


def test_name_keeps_its_spelling_on_the_disk(store, put, push):
    place = put("00000123")
    assert store.find(123).path == place
    assert live(store) == 123
    assert push("a", "b") == [124, 125]
    store.rollback(123)
    assert [path.name for path in store.directory.glob("[0-9]*")] == ["00000123"]
    store.rollback(125)
    store.rollback(124)
    store.rollback(123)
    assert store.rollback(125).number == 125
    assert sorted(path.name for path in store.directory.glob("[0-9]*")) == ["00000123", "125"]


def test_version_with_leading_zeros_goes_aside_and_comes_back_as_it_was(store, put, push):
    put("0007")
    put("0009")
    store.rollback(7)
    assert (store.directory / ".withdrawn" / "0009").is_dir()
    assert store.find(9).path == store.directory / ".withdrawn" / "0009"
    assert store.rollback(9).path == store.directory / "0009"
    assert push("a") == [10]


def test_stray_is_no_version_and_never_moves(store, push, make_stray):
    push("a", "b")
    stray = store.directory / "9"
    make_stray(stray)
    before = os.lstat(stray)
    assert live(store) == 2
    assert store.rollback().number == 1
    with pytest.raises(StoreError, match="no sound version before 1"):
        store.rollback()
    for operate in (store.find, store.rollback, store.pin):
        with pytest.raises(StoreError, match="/9 is no version, as it "):
            operate(9)
    assert os.lstat(stray).st_ino == before.st_ino
    assert push("c") == [10]
    assert live(store) == 10
    assert numbers(store.prune(store.superfluous(1, withdrawn=True))) == [2, 1]
    assert os.lstat(stray).st_ino == before.st_ino


def test_stray_is_named_with_what_to_do(store, push, make_stray):
    push("a")
    make_stray(store.directory / "9")
    [warning] = store.warnings()
    assert str(store.directory / "9") in warning
    assert "a server that polls the directory would try to load it; move it away" in warning


def test_stray_alone_is_nothing_to_serve(store, directory, make_stray):
    directory.mkdir(parents=True)
    make_stray(directory / "9")
    assert store.versions() == []
    with pytest.raises(StoreError, match="no version to serve"):
        store.find()


def test_server_that_reads_models_config_is_not_sent_to_a_stray(store, push, make_stray):
    push("a", "b", "c")
    make_stray(store.directory / "9")
    store.recover()
    assert served_config(store)[2:] == ([3, 2], {"live": 3, "previous": 2})


@pytest.mark.parametrize(
    ("names", "number", "chosen"),
    [
        (["123", "00000123"], 123, "123"),
        (["0123", "00000123"], 123, "0123"),
        (["0", "00"], 0, "0"),
    ],
)
def test_second_spelling_of_a_number_is_a_stray(store, put, push, names, number, chosen):
    for name in names:
        put(name)
    [version] = store.versions()
    assert (version.number, version.path.name, version.live) == (number, chosen, True)
    assert any(f"as {chosen} is version {number} already" in one for one in store.warnings())
    assert push("a") == [number + 1]
    store.rollback(number)
    assert {path.name for path in store.directory.glob("[0-9]*")} == set(names)


def test_spelling_that_is_a_model_is_the_version(store, put, make_stray):
    place = put("00000123")
    make_stray(store.directory / "123")
    assert store.find().path == place
    assert any(str(store.directory / "123") in one for one in store.warnings())


@pytest.mark.parametrize("name", ["9" * 19, "9" * 200, "-" + "9" * 30])
def test_number_that_no_server_reads_is_no_version(store, put, push, name):
    put(name)
    assert push("a") == [1]
    assert live(store) == 1
    assert any("no server reads a number of that size" in one for one in store.warnings())


def test_no_push_follows_the_highest_number_that_a_server_reads(store, put, make_model):
    put(str(2**63 - 1))
    assert live(store) == 2**63 - 1
    with pytest.raises(StoreError, match="a server reads no higher number"):
        store.push(make_model("a"), FACTS)


@pytest.mark.parametrize("name", ["-5", "+5", " 5"])
def test_name_that_a_server_reads_as_a_number_is_a_stray(store, put, push, name):
    put(name)
    push("a")
    assert numbers(store.versions()) == [6 if name != "-5" else 1]
    assert any("has digits alone" in one for one in store.warnings())


@pytest.mark.parametrize("name", ["٥", "五", "5a", "5.0", "five", "1_000", "²"])
def test_name_that_no_server_reads_as_a_number_is_left_alone(store, put, push, name):
    put(name)
    assert push("a") == [1]
    assert numbers(store.versions()) == [1]
    assert store.warnings() == []


def test_link_to_a_model_is_a_version_that_goes_aside_and_comes_back(store, push, put, tmp_path):
    push("a")
    put("elsewhere", tmp_path / "serving")
    for number, target in ((2, "../elsewhere"), (3, tmp_path / "serving" / "elsewhere")):
        (store.directory / str(number)).symlink_to(target)
    assert live(store) == 3
    store.rollback(1)
    assert visible(store) == [1]
    for number in (2, 3):
        assert store.rollback(number).live
        assert (store.directory / str(number) / "saved_model.pb").exists()


def test_push_that_lost_its_model_is_not_live_and_moved_aside_by_the_next(store, push):
    push("a", "b", "c")
    (store.directory / "3" / "saved_model.pb").unlink()
    assert live(store) == 2
    assert served_config(store)[3] == {"live": 3, "previous": 2}
    store.recover()
    assert served_config(store)[2:] == ([2, 1], {"live": 2, "previous": 1})
    push("d")
    assert visible(store) == [1, 2, 4]
    assert store.find(3).record.withdrawn == "damaged"


# Rollbacks that can't come to their end.


def occupy_by_a_file(store):
    (store.directory / ".withdrawn").write_text("in the way")


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


def test_given_up_rollback_keeps_the_pin(store, push):
    push("a", "b", "c")
    store.pin(2)
    occupy_by_a_file(store)
    with pytest.raises(StoreError, match="given up"):
        store.rollback(1)
    assert (live(store), store.find().pinned) == (2, True)


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


# models.config, and the server's directory.


def test_server_directory_is_kept_until_another_is_given(directory, store, push, make_model):
    Store(directory, "/srv").push(make_model("first"), FACTS)
    push("a", "b")
    store.rollback()
    store.pin(1)
    store.unpin()
    store.recover()
    assert served_config(store)[1] == "/srv/tinyvgg"
    Store(directory, "/mnt/x").recover()
    assert served_config(store)[1] == "/mnt/x/tinyvgg"
    store.prune(store.superfluous(1))
    assert served_config(store)[1] == "/mnt/x/tinyvgg"


@pytest.mark.parametrize(
    "operate",
    [
        lambda store, model: store.push(model, FACTS),
        lambda store, model: store.rollback(),
        lambda store, model: store.pin(1),
        lambda store, model: store.recover(),
        lambda store, model: store.prune(store.superfluous(1)),
    ],
    ids=["push", "rollback", "pin", "recover", "prune"],
)
def test_every_operation_keeps_the_server_directory_that_it_is_given(
    directory, store, push, make_model, operate
):
    push("a", "b")
    operate(Store(directory, "/srv"), make_model("new"))
    assert manifest.read(directory).server_directory == "/srv"
    assert served_config(store)[1] == "/srv/tinyvgg"


def forget_server_directory(store):
    """As if an earlier version of the project had written the manifest."""
    path = store.directory / MANIFEST_FILE
    document = json.loads(path.read_text())
    del document["server_directory"]
    path.write_text(json.dumps(document))


def test_server_directory_that_an_earlier_version_told_the_server_is_kept(directory, store, push):
    push("a", "b")
    Store(directory, "/srv").recover()
    forget_server_directory(store)
    store.rollback()
    assert served_config(store)[1] == "/srv/tinyvgg"
    assert manifest.read(directory).server_directory == "/srv"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "custom_model_config { }",
        "model_config_list { }",
        'model_config_list { config { name: "tinyvgg" } }',
        'model_config_list { config { name: "tinyvgg" base_path: "/elsewhere" } }',
        'model_config_list { config { name: "tinyvgg" base_path: 5 } }',
    ],
)
def test_server_directory_that_nobody_told_is_models(store, push, text):
    push("a")
    forget_server_directory(store)
    (store.directory.parent / "models.config").write_text(text)
    assert manifest.read(store.directory).server_directory == "/models"


SHARED = """# Of another team.
model_config_list {
  config { name: 'theirs' base_path: "/models/theirs" }  # keep
}
"""


@pytest.fixture
def shared(directory):
    """A hand-written models.config of another team."""
    directory.parent.mkdir(parents=True)
    path = directory.parent / "models.config"
    path.write_text(SHARED)
    return path


def test_run_that_pushes_nothing_leaves_the_file_of_others_alone(store, shared, put):
    put("00000123")
    before = shared.stat()
    store.recover()
    assert shared.read_text() == SHARED
    assert shared.stat() == before
    shared.write_text("custom_model_config { }")
    assert store.warnings() == []


def test_push_adds_its_entry_to_the_file_of_others(store, shared, push):
    push("a")
    text = shared.read_text()
    before, after = SHARED.rsplit("}\n", 1)[0], "}\n"
    assert text.startswith(before)
    assert text.endswith(after)
    assert 'name: "tinyvgg"' in text[len(before) :]
    push("b")
    store.rollback()
    assert shared.read_text() == text


def test_file_is_not_written_where_the_entry_says_so_already(store, push):
    push("a")
    path = store.directory.parent / "models.config"
    before = path.stat()
    store.recover()
    assert path.stat() == before


def test_file_that_can_not_be_edited_is_left_alone_and_ours_goes_beside(store, shared, push):
    shared.write_text("custom_model_config { }")
    push("a")
    assert shared.read_text() == "custom_model_config { }"
    [warning] = store.warnings()
    assert "models.config is left alone, as it has custom_model_config" in warning
    assert "models.config.tinyvgg" in warning
    push("b")
    assert "value: 2" in (shared.parent / "models.config.tinyvgg").read_text()


# What other users can read.


def test_what_a_server_of_another_user_can_not_read_is_told_once(store, push):
    before = os.umask(0o077)
    try:
        push("a", "b")
    finally:
        os.umask(before)
    [warning] = store.warnings()
    assert warning.endswith(f"`chmod -R a+rX {store.directory.parent}` lets it.")
    subprocess.run(["chmod", "-R", "a+rX", store.directory.parent], check=True)
    assert store.warnings() == []


@pytest.mark.parametrize(
    ("part", "mode", "remedy"),
    [
        ("..", 0o750, "serving"),
        (".", 0o751, "serving/tinyvgg"),
        ("1", 0o755 & ~0o004, "serving/tinyvgg"),
        ("1/variables", 0o754, "serving/tinyvgg"),
        ("1/saved_model.pb", 0o640, "serving/tinyvgg"),
        ("../models.config", 0o640, "serving"),
    ],
)
def test_each_part_of_the_way_to_a_version_is_looked_at(store, push, tmp_path, part, mode, remedy):
    push("a")
    assert store.warnings() == []
    (store.directory / part).chmod(mode)
    [warning] = store.warnings()
    assert str((store.directory / part).resolve()) in warning
    assert f"`chmod -R a+rX {tmp_path / remedy}`" in warning


def test_directory_without_a_version_need_not_be_readable(store, directory):
    directory.mkdir(parents=True)
    directory.chmod(0o700)
    assert store.warnings() == []


def test_version_that_is_aside_need_not_be_readable(store, push):
    push("a", "b")
    store.rollback()
    (store.directory / ".withdrawn").chmod(0o700)
    assert store.warnings() == []


# Directories that are damaged in other ways.


def test_directory_that_is_a_file_is_a_sentence(store, directory):
    directory.parent.mkdir(parents=True)
    directory.write_text("a file")
    with pytest.raises(StoreError, match="can't be read: Not a directory"):
        store.versions()
    assert len(store.warnings()) == 1
    with pytest.raises(StoreError):
        store.recover()


def test_warnings_of_a_damaged_store_are_a_warning(store, push):
    push("a")
    (store.directory / MANIFEST_FILE).write_text("[]")
    [warning] = store.warnings()
    assert "is damaged: restore it, or remove it" in warning


def test_version_that_this_user_may_not_read_stays_in_service(store, make_model, monkeypatch):
    store.push(make_model("boot"), ModelFacts())
    live = store.find().path
    read = files.sha256

    def sha256(path):
        if live in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(files, "sha256", sha256)
    assert store.push(make_model("sandal"), ModelFacts()).version == 2
    assert [one.number for one in store.versions() if one.visible] == [2, 1]
