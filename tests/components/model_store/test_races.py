"""What happens to a store at the same time."""

import subprocess
import sys
import threading
import time

import pytest

from components.model_store import files
from components.model_store.manifest import ModelFacts, StoreError
from components.model_store.store import Store
from tests.components.model_store.faults import CHECKOUT, size

PUSH_MANY = """
import sys
from pathlib import Path
from components.model_store.manifest import ModelFacts
from components.model_store.store import Store

for model in sys.argv[2:]:
    print(Store(Path(sys.argv[1])).push(Path(model), ModelFacts()).version)
"""


def push_at_once(store, *batches):
    """Pushes each batch of models from a process of its own; returns all the versions."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PUSH_MANY, store.directory, *batch],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for batch in batches
    ]
    return [int(line) for one in processes for line in one.communicate(timeout=60)[0].split()]


def test_two_pipelines_that_push_at_once_get_versions_of_their_own(store, served, make_model, look):
    batches = [[make_model(f"{who}{number}") for number in range(8)] for who in "xy"]
    versions = push_at_once(store, *batches)
    assert sorted(versions) == list(range(4, 20))
    digests = [files.checksums(model) for batch in batches for model in batch]
    pushed = look("two pushes at once", store, *served.values(), *digests)
    assert [pushed[version] for version in versions] == digests


def test_two_pipelines_that_push_the_same_model_at_once_push_it_once(
    store, served, make_model, look
):
    model = make_model("same")
    assert push_at_once(store, [model], [model], [model]) == [4, 4, 4]
    after = look("two pushes at once", store, *served.values(), files.checksums(model))
    assert set(after) == {1, 2, 3, 4}


def test_rollback_does_not_wait_for_a_push_that_is_copying(
    store, served, make_model, monkeypatch, look
):
    copying, proceed = threading.Event(), threading.Event()
    copy_tree = files.copy_tree

    def copy_slowly(source, target):
        copying.set()
        assert proceed.wait(30)
        return copy_tree(source, target)

    monkeypatch.setattr(files, "copy_tree", copy_slowly)
    pushed = []
    model = make_model("new")
    push = threading.Thread(target=lambda: pushed.append(store.push(model, ModelFacts())))
    push.start()
    assert copying.wait(30)
    assert store.rollback().number == 2
    fault = "rollback while a push runs"
    assert set(look(fault, store, *served.values())) == {1, 2}
    proceed.set()
    push.join(30)
    assert pushed[0].version == 4
    assert set(look(fault, store, *served.values(), files.checksums(model))) == {1, 2, 4}


def test_rollback_of_the_model_that_is_being_pushed_again_holds_it_back(
    store, served, make_model, monkeypatch, look
):
    model = make_model("bad")
    store.push(model, ModelFacts())
    copy_tree = files.copy_tree

    def roll_back_meanwhile(source, target):
        store.rollback()
        return copy_tree(source, target)

    monkeypatch.setattr(files, "copy_tree", roll_back_meanwhile)
    assert store.push(model, ModelFacts()).state == "held back"
    assert look("rollback while a push runs", store, *served.values()) == served


def test_rollback_past_the_first_version_changes_nothing(store, served, look):
    store.rollback(1)
    with pytest.raises(StoreError, match="no sound version before 1"):
        store.rollback()
    assert set(look("rollback past the first version", store, *served.values())) == {1}


def test_tampered_version_is_never_gone_back_to_and_the_next_push_moves_it_aside(
    store, served, make_model, look
):
    (store.directory / "3" / "saved_model.pb").write_text("tampered")
    (store.directory / "2" / "variables" / "variables.data-1").unlink()
    model = make_model("new")
    assert store.push(model, ModelFacts()).version == 4
    whole = (served[1], files.checksums(model))
    assert set(look("version tampered with", store, *whole)) == {1, 4}
    assert store.rollback().number == 1
    assert set(look("version tampered with", store, *whole)) == {1}


def test_cleaning_up_leaves_a_push_that_is_under_way_alone(store, served, make_model, monkeypatch):
    model, other = make_model("new"), make_model("other")
    copy_tree = files.copy_tree

    def push_other_meanwhile(source, target):
        monkeypatch.setattr(files, "copy_tree", copy_tree)
        assert Store(store.directory).push(other, ModelFacts()).version == 4
        store.recover()
        return copy_tree(source, target)

    monkeypatch.setattr(files, "copy_tree", push_other_meanwhile)
    assert store.push(model, ModelFacts()).version == 5


def test_listing_taken_all_the_time_during_pushes_never_shows_a_part_of_a_version(
    store, make_model, tally
):
    models = [make_model(str(number), size=400_000) for number in range(6)]
    listings, ended = [], threading.Event()

    def watch():
        last = False
        while not last:
            # Once more when all are pushed.
            last = ended.is_set()
            listings.append({path.name: size(path) for path in store.directory.glob("[0-9]*")})
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for model in models:
        store.push(model, ModelFacts())
    ended.set()
    watcher.join(30)
    whole = {size(model) for model in models}
    parts = [part for listing in listings for part in listing.values() if part not in whole]
    tried, halves = tally
    tried["directory listed during pushes"] += len(listings)
    halves["directory listed during pushes"] += len(parts)
    assert not parts
    assert len(listings) > 20
    assert {number for listing in listings for number in listing} == set("123456")
