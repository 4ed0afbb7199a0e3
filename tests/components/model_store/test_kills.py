"""Pushes, rollbacks and prunes that are killed before each of their file operations."""

import shutil
import signal
import subprocess
import sys

from components.model_store import files
from components.model_store.manifest import ModelFacts
from components.model_store.store import Store
from tests.components.model_store.faults import CHECKOUT, found

# A push, a rollback or a prune that kills itself before one of its file operations.
OPERATE = """
import os, signal, sys
from pathlib import Path
from components.model_store.manifest import ModelFacts
from components.model_store.store import Store

store, operation, model, kill_at = Store(Path(sys.argv[1])), *sys.argv[2:4], int(sys.argv[4])
EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.listdir", "os.scandir"}
names = []

def watch(event, arguments):
    if event in EVENTS:
        names.append(event)
        if len(names) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
if operation == "push":
    store.push(Path(model), ModelFacts())
elif operation == "rollback":
    store.rollback(1)
elif operation == "pin":
    store.pin(2)
else:
    store.prune(store.superfluous(1))
print(*names)
"""


def operate(store, operation, model="", kill_at=0):
    return subprocess.run(
        [sys.executable, "-c", OPERATE, store.directory, operation, model, str(kill_at)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def kill_points(store, operation, model=""):
    """The number of points at which an operation can be killed, tried on a copy."""
    copy = Store(store.directory.parent.with_name("trial") / "tinyvgg")
    shutil.copytree(store.directory, copy.directory)
    return len(operate(copy, operation, model).stdout.split())


def some(points):
    """Twenty of them, the last ones included, where the version becomes visible."""
    return sorted({round(1 + number * (points - 1) / 19) for number in range(20)})


def test_push_that_is_killed_leaves_what_was_served_or_the_whole_new_version(
    store, served, make_model, look
):
    model = make_model("new")
    new = files.checksums(model)
    points = kill_points(store, "push", model)
    assert points > 20
    outcomes = set()
    for point in some(points):
        ended = operate(store, "push", model, point)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        after = look("push killed", store, *served.values(), new)
        assert {number: after[number] for number in served} == served
        outcomes.add(len(after) - len(served))
        push = store.push(model, ModelFacts())
        assert found(store.directory)[push.version] == new
        assert not list((store.directory / ".incoming").iterdir())
        # The next point starts from where this one did.
        shutil.rmtree(push.path)
    assert outcomes == {0, 1}
    assert found(store.directory) == served


def test_rollback_that_is_killed_serves_the_old_or_the_new_live_version_and_the_next_run_ends_it(
    store, served, look
):
    for point in some(kill_points(store, "rollback")):
        assert operate(store, "rollback", kill_at=point).returncode == -signal.SIGKILL
        after = look("rollback killed", store, *served.values())
        assert 1 in after
        assert store.find().number in (1, 3)
        assert max(after) in (1, 3)
        begun = not store.find(3).live
        store.recover()
        assert found(store.directory) == ({1: served[1]} if begun else served)
        assert not store.find().pinned
        for number in (2, 3):
            store.rollback(number)
        assert found(store.directory) == served


OTHERS = """# Hand-written.
model_config_list {
  config { name: "theirs" base_path: "/models/theirs" }  # theirs
}
"""


def test_edit_of_a_shared_models_config_that_is_killed_leaves_the_old_or_the_new_text(
    store, served, make_model, look
):
    shared = store.directory.parent / "models.config"
    shared.write_text(OTHERS)
    old = shared.read_bytes()
    points = kill_points(store, "pin")
    outcomes = set()
    for point in range(1, points + 1):
        assert operate(store, "pin", kill_at=point).returncode == -signal.SIGKILL
        assert look("edit of models.config killed", store, *served.values()) == served
        text = shared.read_bytes()
        outcomes.add(text == old)
        theirs, *ours = served_models(text)
        assert (theirs.name, theirs.base_path) == ("theirs", "/models/theirs")
        assert [one.name for one in ours] == ([] if text == old else ["tinyvgg"])
        # What the next run finds, it mends; the next point starts from where this one did.
        store.recover()
        assert served_models(shared.read_bytes())[1].version_labels["live"] == store.find().number
        if store.find().pinned:
            store.unpin()
        shared.write_bytes(old)
    assert outcomes == {True, False}


def served_models(text):
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    read = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    return list(read.model_config_list.config)


def test_rollback_over_strays_that_is_killed_leaves_them_where_they_are(
    store, served, make_model, tmp_path, look
):
    for name in ("7", "0002"):
        (store.directory / name).mkdir()
    (store.directory / "9").write_text("a file")
    for point in some(kill_points(store, "rollback")):
        copy = Store(tmp_path / str(point) / "tinyvgg")
        shutil.copytree(store.directory, copy.directory)
        assert operate(copy, "rollback", kill_at=point).returncode == -signal.SIGKILL
        hide = copy.directory.with_name("strays")
        hide.mkdir()
        strays = {name: (copy.directory / name) for name in ("7", "0002", "9")}
        assert (copy.directory / "9").read_text() == "a file"
        for name, place in strays.items():
            place.rename(hide / name)
        after = look("rollback over strays killed", copy, *served.values())
        for name, place in strays.items():
            (hide / name).rename(place)
        assert 1 in after
        assert copy.find().number in (1, 3)
        begun = not copy.find(3).live
        copy.recover()
        assert copy.find().number == (1 if begun else 3)
        assert all(place.exists() for place in strays.values())
        assert copy.push(make_model(f"new-{point}"), ModelFacts()).version == 10


def test_rollback_to_where_a_copy_is_that_is_killed_loses_neither(store, served, tmp_path, look):
    store.rollback(2)
    shutil.copytree(store.directory / ".withdrawn" / "3", store.directory / "3")
    whole = [path.read_bytes() for path in store.directory.rglob("saved_model.pb")]
    for point in some(kill_points(store, "rollback")):
        copy = Store(tmp_path / str(point) / "tinyvgg")
        shutil.copytree(store.directory, copy.directory)
        assert operate(copy, "rollback", kill_at=point).returncode == -signal.SIGKILL
        look("rollback over a copy killed", copy, *served.values())
        copy.rollback(1)
        assert copy.find().number == 1
        left = [path.read_bytes() for path in copy.directory.rglob("saved_model.pb")]
        assert sorted(left) == sorted(whole)


def test_prune_that_is_killed_never_leaves_half_a_version(store, served, tmp_path, look):
    for point in some(kill_points(store, "prune")):
        copy = Store(tmp_path / str(point) / "tinyvgg")
        shutil.copytree(store.directory, copy.directory)
        assert operate(copy, "prune", kill_at=point).returncode == -signal.SIGKILL
        assert 3 in look("prune killed", copy, *served.values())
        copy.prune(copy.superfluous(1))
        copy.recover()
        assert found(copy.directory) == {3: served[3]}
        assert not list((copy.directory / ".incoming").iterdir())
