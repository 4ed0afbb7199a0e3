import datetime
import json
import os
import signal
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline import config
from pipeline import workspace as workspace_module
from pipeline.errors import UserError
from pipeline.workspace import (
    check_earlier,
    check_no_wildcards,
    expand,
    is_locked,
    lock,
    make_writable,
    share,
    workspace,
)


def test_everything_but_the_served_models_lies_below_the_root(tmp_path):
    place = workspace(config.Paths(root=tmp_path, serving_dir=Path("/s")), "fashion_mnist")
    assert place.root == tmp_path
    assert place.artifacts == tmp_path / "artifacts"
    assert place.metadata == tmp_path / "metadata.db"
    assert place.records == tmp_path / "records"
    assert place.run_dir("r1") == tmp_path / "runs" / "r1"
    assert place.serving_dir == Path("/s")
    assert place.serving_model_dir == Path("/s/tinyvgg")


def test_models_are_served_from_below_the_root_if_no_directory_is_named(tmp_path):
    place = workspace(config.Paths(root=tmp_path), "fashion_mnist")
    assert place.serving_model_dir == tmp_path / "serving" / "tinyvgg"


@pytest.mark.parametrize("serving_dir", [None, Path("/served")])
def test_the_sample_shares_no_name_root_or_serving_directory_with_the_real_data(
    tmp_path, serving_dir
):
    paths = config.Paths(root=tmp_path, serving_dir=serving_dir)
    real, sample = workspace(paths, "fashion_mnist"), workspace(paths, "sample")
    assert sample.pipeline_name != real.pipeline_name
    assert sample.root == tmp_path / "sample"
    assert sample.serving_dir == tmp_path / "sample" / "serving"
    assert sample.metadata != real.metadata
    assert sample.records != real.records


def test_paths_are_absolute_from_the_current_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = workspace(config.Paths(root=Path("r"), serving_dir=Path("s")), "fashion_mnist")
    assert (place.root, place.serving_dir) == (tmp_path / "r", tmp_path / "s")


def test_a_root_is_the_same_by_whatever_way_it_is_reached(tmp_path):
    # TFX finds what it made by its path.
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for root in (tmp_path / "link", tmp_path / "real" / ".." / "real"):
        place = workspace(config.Paths(root=root), "fashion_mnist")
        assert place.root == (tmp_path / "real").resolve()


def test_a_tilde_is_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    place = workspace(config.Paths(root=Path("~/r"), serving_dir=Path("~/s")), "fashion_mnist")
    assert (place.root, place.serving_dir) == (tmp_path / "r", tmp_path / "s")


def test_a_tilde_of_nobody_is_a_name_like_any_other(tmp_path, monkeypatch):
    # As in a shell.
    monkeypatch.chdir(tmp_path)
    place = workspace(config.Paths(root=Path("~no-such-user/r")), "fashion_mnist")
    assert place.root == tmp_path / "~no-such-user" / "r"


def test_a_directory_is_made_with_its_parents_and_left_empty(tmp_path):
    make_writable(tmp_path / "a" / "b", "--root")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_what_a_directory_holds_stays(tmp_path):
    (tmp_path / "file").write_text("kept")
    make_writable(tmp_path, "--root")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("name", ["file", "file/below", "link", "link/below"])
def test_what_is_in_the_way_of_a_directory_is_named_with_the_flag_for_another(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "at all")
    with pytest.raises(UserError) as caught:
        make_writable(tmp_path / name, "--serving-dir")
    way = tmp_path / name.partition("/")[0]
    assert str(caught.value) == (
        f"{tmp_path / name} can't be written: {way} is no directory; move it away, or name another "
        "directory with --serving-dir."
    )


@pytest.fixture
def place(tmp_path):
    """A root with what a run leaves in it."""
    place = workspace(config.Paths(root=tmp_path / "root"), "fashion_mnist")
    for directory in (place.artifacts / "Trainer" / "model" / "7", place.serving_model_dir):
        directory.mkdir(parents=True)
    for directory in (place.records, place.checkpoints, place.run_dir("r1")):
        directory.mkdir(parents=True)
    for file in (place.metadata, place.artifacts / "Trainer" / "model" / "7" / "weights"):
        file.touch()
        file.chmod(0o644)
    return place


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        *((name, "--root") for name in ("metadata.db", "runs", "records", "checkpoints")),
        *(
            (name, "--root")
            for name in ("artifacts", "artifacts/Trainer", "artifacts/Trainer/model")
        ),
        ("serving/tinyvgg", "--serving-dir"),
    ],
)
def test_what_another_user_made_and_nobody_else_may_write_is_named(
    place, refusal, monkeypatch, name, flag
):
    path = place.root / name
    # By root, anything may be written.
    monkeypatch.setattr(workspace_module.os, "access", lambda one, mode: one != path)
    monkeypatch.setattr(workspace_module.os, "geteuid", lambda: 2**30)
    owner = path.owner()
    with refusal(f"{path} can't be written, as it is {owner}'s: Permission denied", flag):
        check_earlier(place)


def test_a_user_without_a_name_is_told_by_number(place, refusal, monkeypatch):
    def find_nobody(number):
        raise KeyError(number)

    monkeypatch.setattr(workspace_module.os, "access", lambda *arguments: False)
    monkeypatch.setattr(workspace_module.os, "geteuid", lambda: 2**30)
    monkeypatch.setattr(workspace_module.pwd, "getpwuid", find_nobody)
    with refusal(f", as it is user {os.getuid()}'s: Permission denied"):
        check_earlier(place)


def test_a_root_that_may_be_written_is_no_obstacle(place, tmp_path):
    check_earlier(place)
    check_earlier(workspace(config.Paths(root=tmp_path / "new"), "fashion_mnist"))


def modes(top: Path) -> dict[str, int]:
    return {
        str(path.relative_to(top)): stat.S_IMODE(path.lstat().st_mode)
        for path in (top, *top.rglob("*"))
        if not path.is_symlink()
    }


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_what_a_run_made_in_a_shared_root_is_written_by_the_group_too(place, tmp_path):
    outside = tmp_path / "outside"
    outside.touch()
    outside.chmod(0o600)
    (place.root / "link").symlink_to(outside)
    place.root.chmod(0o2775)
    share(place)
    found = modes(place.root)
    assert found["artifacts/Trainer/model/7"] == 0o2775
    assert found["artifacts/Trainer/model/7/weights"] == 0o664
    assert found["metadata.db"] == 0o664
    assert found["serving/tinyvgg"] == 0o2775
    assert stat.S_IMODE(outside.stat().st_mode) == 0o600


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("mode", [0o755, 0o775, 0o2755])
def test_a_root_that_is_not_shared_stays_as_it_is(place, mode):
    place.root.chmod(mode)
    before = modes(place.root)
    share(place)
    assert modes(place.root) == before


@pytest.mark.usefixtures("umask")
def test_what_another_user_made_stays_as_it_is(place, monkeypatch):
    place.root.chmod(0o2775)
    before = modes(place.root)
    monkeypatch.setattr(workspace_module.os, "geteuid", lambda: 2**30)
    share(place)
    assert modes(place.root) == before


def test_a_root_is_held_by_one_run_at_a_time_and_the_other_is_told_by_whom(tmp_path, refusal):
    since = datetime.datetime.now().strftime("%Y-%m-%d %H:%M:")
    with (
        lock(tmp_path),
        refusal(
            f"Another run is using {tmp_path}, process {os.getpid()} since {since}",
            "wait until it ends, or name another --root.",
        ),
        lock(tmp_path),
    ):
        pass


def test_roots_are_held_apart(tmp_path):
    (tmp_path / "sample").mkdir()
    with lock(tmp_path), lock(tmp_path / "sample"):
        pass


def test_a_root_is_free_again_after_a_run_even_one_that_failed(tmp_path):
    with pytest.raises(ZeroDivisionError), lock(tmp_path):
        raise ZeroDivisionError
    with lock(tmp_path):
        pass


HOLD = """
import pathlib, subprocess, sys, time
from pipeline import workspace

with workspace.lock(pathlib.Path(sys.argv[1])) as held:
    if sys.argv[2:]:
        worker = subprocess.Popen(["sleep", sys.argv[2]], pass_fds=[held.descriptor])
        held.tell(worker=worker.pid)
        print(worker.pid, flush=True)
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def hold(tmp_path):
    """Has a process hold the root, and a worker of it for some seconds; returns the process."""
    started = []

    def hold(*worker_s: str) -> subprocess.Popen:
        command = [sys.executable, "-c", HOLD, str(tmp_path), *worker_s]
        checkout = config.PROJECT_DIRECTORY
        process = subprocess.Popen(command, cwd=checkout, stdout=subprocess.PIPE, text=True)
        started.append(process)
        process.worker = int(process.stdout.readline()) if worker_s else None
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        if process.worker:
            # It has the other end of the pipe.
            with suppress(ProcessLookupError):
                os.kill(process.worker, signal.SIGKILL)
        process.kill()
        process.communicate()


def test_a_root_is_free_again_when_the_process_is_killed(tmp_path, hold, refusal):
    process = hold()
    with refusal(f"process {process.pid} since "), lock(tmp_path):
        pass
    process.kill()
    process.wait()
    with lock(tmp_path):
        pass


def test_a_root_is_held_by_the_worker_too_which_is_waited_for(tmp_path, hold):
    process = hold("2")
    process.kill()
    process.wait()
    said = []
    with lock(tmp_path, said.append):
        assert not Path(f"/proc/{process.worker}").exists() or is_zombie(process.worker)
    assert said == ["waiting for the end of a run that was killed"]


def test_a_worker_that_does_not_end_is_named(tmp_path, hold, refusal, monkeypatch):
    monkeypatch.setattr(workspace_module, "_PATIENCE_S", 0.3)
    process = hold("30")
    # It stays as a zombie, as nobody has taken note of its end.
    process.kill()
    with (
        refusal(
            f"process {process.pid} since ",
            f", which was killed, and whose worker, process {process.worker}, has not ended: wait",
        ),
        lock(tmp_path),
    ):
        pass


def is_zombie(process_id: int) -> bool:
    status = Path(f"/proc/{process_id}/stat").read_text()
    return status.rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize("word", [b"", b"{", b"\xff", b"[1]", b'{"command": "x"}'])
def test_a_root_whose_holder_left_no_word_is_refused_all_the_same(tmp_path, refusal, word):
    with lock(tmp_path):
        (tmp_path / ".lock").write_bytes(word)
        with refusal(f"Another run is using {tmp_path}: wait until it ends"), lock(tmp_path):
            pass


def test_a_holder_on_another_machine_is_not_taken_for_killed(tmp_path, refusal):
    word = {"command": 2**22, "since": "2026-01-02T03:04:05Z", "host": "elsewhere"}
    with lock(tmp_path):
        (tmp_path / ".lock").write_text(json.dumps(word))
        with refusal(f"process {2**22} on elsewhere since 2026-01-0"), lock(tmp_path):
            pass


def test_what_a_lock_was_left_with_is_no_obstacle(tmp_path):
    (tmp_path / ".lock").write_text("from an earlier version, and longer than what is written now")
    with lock(tmp_path):
        assert json.loads((tmp_path / ".lock").read_text())["command"] == os.getpid()


@pytest.mark.parametrize("kind", ["directory", "loop"])
def test_a_lock_that_can_not_be_opened_is_a_sentence(tmp_path, refusal, kind):
    file = tmp_path / ".lock"
    if kind == "directory":
        file.mkdir()
    else:
        file.symlink_to(file)
    with (
        refusal(f"{file} can't be written: ", "name another directory with --root."),
        lock(tmp_path),
    ):
        pass


def test_a_root_is_seen_to_be_in_use_without_being_taken(tmp_path):
    assert not is_locked(tmp_path)
    assert not (tmp_path / ".lock").exists()
    with lock(tmp_path):
        assert is_locked(tmp_path)
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)
    with lock(tmp_path):
        pass


@pytest.mark.parametrize("name", ["a[1]", "{a}", "what?", "a*", "a\\b"])
def test_a_path_that_would_be_a_pattern_is_refused(tmp_path, refusal, name):
    with refusal(f"{tmp_path / name} has ", "name another directory with --root"):
        check_no_wildcards(tmp_path / name, "--root")


@pytest.mark.parametrize("url", ["gs://bucket/root", "s3://bucket", "hdfs:///data", "file:///a"])
def test_url_makes_no_directory_of_that_name(url):
    with pytest.raises(UserError) as caught:
        expand(Path(url))
    shown = url.replace(":///", "://")
    assert str(caught.value) == (
        f"{shown} is a URL, and what a run reads and keeps is in directories: mount it, by the "
        "same path here and on the workers of the engine, and name that path."
    )


@pytest.mark.parametrize("name", ["a:b", "10:30/run", "~/root"])
def test_path_with_a_colon_is_no_url(name):
    assert expand(Path(name)).is_absolute()


def test_other_marks_in_a_path_are_fine(tmp_path):
    check_no_wildcards(tmp_path / "a (b)+c, d=e~ü.f", "--root")
