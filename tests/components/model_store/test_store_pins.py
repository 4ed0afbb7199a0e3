import shutil

import pytest

from components.model_store.manifest import StoreError
from tests.components.model_store.stores import (
    live,
    numbers,
    occupy_by_a_file,
    served_config,
    visible,
)


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


def test_version_of_the_number_zero_can_be_pinned_too(store, push, put):
    put("0")
    push("a")
    assert store.pin(0).live
    assert served_config(store)[2:] == ([0], {"live": 0})


def test_unpin_needs_a_pin(store, push):
    push("a")
    with pytest.raises(StoreError, match="is pinned"):
        store.unpin()


def test_prune_keeps_the_newest_the_live_and_the_pinned(store, push):
    push("a", "b", "c", "d", "e")
    store.pin(1)
    doomed = store.superfluous(2)
    assert [version.number for version in doomed] == [3, 2]
    assert store.prune(doomed) == doomed
    assert visible(store) == [1, 4, 5]
    assert push("f") == [6]


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


def test_given_up_rollback_keeps_the_pin(store, push):
    push("a", "b", "c")
    store.pin(2)
    occupy_by_a_file(store)
    with pytest.raises(StoreError, match="given up"):
        store.rollback(1)
    assert (live(store), store.find().pinned) == (2, True)
