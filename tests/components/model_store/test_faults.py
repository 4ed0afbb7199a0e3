"""What is tried against a push, and what a model server would find afterwards.

With `-s`, a table of the faults is printed at the end.
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from components.model_store import files, manifest
from components.model_store.manifest import ModelFacts, StoreError
from components.model_store.store import Store

CHECKOUT = Path(__file__).resolve().parents[3]

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
        [sys.executable, "-S", "-c", OPERATE, store.directory, operation, model, str(kill_at)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def found(directory):
    """What a model server finds: the files of each visible version."""
    return {int(path.name): files.checksums(path) for path in directory.glob("[0-9]*")}


@pytest.fixture
def served(store, make_model):
    """A store with three versions, the newest of them live; returns what is found there."""
    for name in ("a", "b", "c"):
        store.push(make_model(name), ModelFacts(run=name))
    return found(store.directory)


@pytest.fixture(scope="module")
def tally():
    """Counts, by fault, how often it was tried and how many halves of models were visible."""
    tried, halves = Counter(), Counter()
    yield tried, halves
    table = Table("fault", "tried", "half models visible")
    for fault in tried:
        table.add_row(fault, str(tried[fault]), str(halves[fault]))
    table.add_row("in all", str(tried.total()), str(halves.total()))
    Console().print(table)


@pytest.fixture
def look(tally):
    """Looks, after a fault, at what a server finds: nothing but these whole versions.

    `look(fault, store, whole)` returns the versions by their checksums.
    """

    def look(fault, store, *whole):
        tried, halves = tally
        after = found(store.directory)
        half = [number for number, digests in after.items() if digests not in whole]
        tried[fault] += 1
        halves[fault] += len(half)
        assert not half
        assert after.keys() <= manifest.read(store.directory).records.keys()
        return after

    return look


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
        [sys.executable, "-S", "-c", PUSH_AS_NOBODY, root],
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
        [sys.executable, "-S", "-c", PUSH_AS_NOBODY + WARN, root],
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
            [sys.executable, "-S", "-c", PUSH_MANY, store.directory, *batch],
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


def size(directory):
    """Bytes in all files, the same in all models of one size."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
