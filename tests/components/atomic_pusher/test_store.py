import dataclasses
import json
import shutil
import threading
import time

import pytest
from google.protobuf import text_format

from components.atomic_pusher import files, manifest
from components.atomic_pusher.manifest import MANIFEST_FILE, Facts, StoreError
from components.atomic_pusher.store import Store

FACTS = Facts(run="r1", source="0123456789abcdef", dataset="drawn", metrics={"accuracy": 0.9})


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


def test_version_is_higher_than_all_that_ever_were(store, push):
    (store.directory / "1795508572").mkdir(parents=True)
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
    again = store.push(model, Facts(run="r2"))
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
    rename = Store._move

    def note(self, source, target):
        moved.append((source.name, visible(store)[-1]))
        rename(self, source, target)

    monkeypatch.setattr(Store, "_move", note)
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


def test_prune_takes_what_was_moved_aside(store, push):
    push("a", "b", "c")
    store.rollback(1)
    assert [version.number for version in store.superfluous(1)] == [3, 2]
    store.prune(store.superfluous(1))
    assert [version.number for version in store.versions()] == [1]


def test_prune_spares_what_became_live_after_it_asked(store, push):
    push("a", "b", "c")
    doomed = store.superfluous(1)
    store.rollback(1)
    assert [version.number for version in store.prune(doomed)] == [2]
    assert visible(store) == [1]
    assert [version.number for version in store.versions()] == [3, 1]


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


def test_versions_are_listed_without_writing_anything(store, directory):
    directory.mkdir(parents=True)
    (directory / "5").mkdir()
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
    monkeypatch.setattr("components.atomic_pusher.store._PATIENCE_S", 0.05)
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


def test_model_that_was_rolled_back_is_held_back_though_its_files_are_gone(store, push, make_model):
    model = make_model("bad")
    push("a")
    store.push(model, FACTS)
    store.rollback()
    store.prune(store.superfluous(1))
    assert store.push(model, FACTS).state == "held back"
