import json
import shutil
import threading
import time

import pytest

from components.model_store import files
from components.model_store.manifest import MANIFEST_FILE, ModelFacts, StoreError
from tests.components.model_store.stores import FACTS, live, served_config, visible


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


def test_version_that_was_moved_aside_can_not_be_pinned(store, push):
    push("a", "b")
    store.rollback()
    with pytest.raises(StoreError, match="`rollback 2` makes it live"):
        store.pin(2)


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
    assert document["records"]["1"]["facts"] == FACTS.model_dump()


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


def test_pushed_is_a_saved_model_or_nothing(store, tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(StoreError, match="is no SavedModel: nothing was pushed"):
        store.push(tmp_path / "model", FACTS)
    assert not store.directory.exists()


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


def test_damaged_version_is_replaced_by_the_model_of_the_same_identity(store, make_model):
    store.push(make_model("a"), FACTS, "same")
    (store.directory / "1" / "saved_model.pb").write_text("tampered")
    assert store.push(make_model("b"), FACTS, "same").version == 2
    assert visible(store) == [2]


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
