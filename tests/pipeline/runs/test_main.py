"""The command `python -m pipeline.runs`."""

import io
import json

import pytest

from pipeline import inspect
from pipeline.errors import ExitCode
from pipeline.runs import __main__ as command
from pipeline.runs import database
from pipeline.upkeep.leftovers import ASIDE
from pipeline.workspace import lock, runs


@pytest.fixture
def root(tmp_path, record_run):
    """A root in which there is something to prune: what repair set aside."""
    root = tmp_path / "root"
    (root / "artifacts").mkdir(parents=True)
    record_run(root / "metadata.db", "r1", {"Trainer": "COMPLETE"})
    (runs(root) / "r1").mkdir(parents=True)
    (runs(root) / "r1" / "pipeline.log").touch()
    aside = root / f"{ASIDE}then"
    aside.mkdir()
    (aside / "metadata.db").write_bytes(bytes(2_000_000))
    return root


@pytest.fixture
def damaged(root):
    database.back_up(root / "metadata.db")
    (root / "metadata.db").write_bytes(b"no database" * 1000)
    return root


@pytest.fixture
def call(root):
    return lambda *argv: command.main([*argv, "--root", str(root)])


@pytest.fixture
def answering(monkeypatch):
    """Has a person at the terminal answer."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    return lambda text: monkeypatch.setattr("sys.stdin", Terminal(f"{text}\n"))


@pytest.mark.parametrize(
    ("argv", "asked"),
    [
        (["list"], ["runs"]),
        (["list", "--root", "list", "--json"], ["runs", "--root", "list", "--json"]),
        (["--root", "list", "list"], ["runs", "--root", "list"]),
        (["show"], []),
        (["show", "r1", "--worst", "3"], ["r1", "--worst", "3"]),
        (["--root", "r", "show", "serving", "--help"], ["--root", "r", "serving", "--help"]),
    ],
)
def test_views_are_those_of_inspect(argv, asked, monkeypatch):
    called = []
    monkeypatch.setattr(inspect, "main", lambda argv, program: called.append((argv, program)) or 7)
    assert command.main(argv) == 7
    [name] = {"list", "show"} & {one for one in argv if one in ("show", "list")}
    assert called == [(asked, f"python -m pipeline.runs {name}")]


def test_prune_says_what_it_would_free_and_does_nothing_if_asked_so(call, root, capsys):
    assert call("prune", "--keep", "1", "--dry-run") == ExitCode.OK
    out = capsys.readouterr().out
    assert "set aside after damage      1  2.0" in out
    assert list(root.glob(f"{ASIDE}*"))


@pytest.mark.parametrize("answer", ["y", "yes"])
def test_prune_deletes_after_asking(call, root, capsys, answering, answer):
    answering(answer)
    assert call("prune", "--keep", "1") == ExitCode.OK
    out = capsys.readouterr().out
    assert out.index("set aside") < out.index("Delete these 2.0 MB in") < out.index("Deleted 2.0")
    assert not list(root.glob(f"{ASIDE}*"))
    assert call("prune", "--keep", "1") == ExitCode.OK
    assert "has nothing that nobody needs" in capsys.readouterr().out


@pytest.mark.parametrize("answer", ["", "n"])
def test_prune_that_is_declined_deletes_nothing(call, root, answering, answer):
    answering(answer)
    assert call("prune", "--keep", "1") == ExitCode.FAILED
    assert list(root.glob(f"{ASIDE}*"))


def test_what_was_freed_is_one_object(call, root, capsys):
    assert call("prune", "--keep", "1", "--json", "--yes") == ExitCode.OK
    heap = {"what": "set aside after damage", "count": 1, "mb": 2.0}
    assert json.loads(capsys.readouterr().out) == {
        "root": str(root),
        "kept_runs": ["r1"],
        "heaps": [heap],
        "mb": 2.0,
        "done": True,
    }


@pytest.mark.parametrize("argv", [["prune", "--keep", "1"], ["repair"]])
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_nothing_is_done_unasked_where_nobody_can_answer(damaged, call, refusal, argv, more):
    if argv[0] == "prune":
        database.backup_of(damaged / "metadata.db").replace(damaged / "metadata.db")
    with refusal(f"{argv[0]} asks before it changes anything"):
        call(*argv, *more)
    assert list(damaged.glob(f"{ASIDE}*"))


def test_repair_says_what_it_will_do_and_does_it(damaged, call, capsys, answering):
    assert call("repair", "--dry-run") == ExitCode.OK
    told = capsys.readouterr().out
    assert "is damaged (file is not a database). Its copy, metadata.db.backup, takes " in told
    answering("y")
    assert call("repair") == ExitCode.OK
    assert told in capsys.readouterr().out
    assert call("repair", "--json") == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["way"] == "nothing"


def test_adopt_tells_what_it_did_as_one_object_too(call, root, capsys):
    assert call("adopt", "--json") == ExitCode.OK
    expected = {"root": str(root), "notes": [], "results": ["r1"]}
    assert json.loads(capsys.readouterr().out) == expected
    assert call("adopt") == ExitCode.OK
    assert f"{root} is in order; results written: 0." in capsys.readouterr().out


@pytest.mark.parametrize("argv", [["prune", "--keep", "1"], ["repair"], ["adopt"]])
def test_root_that_a_run_holds_is_left_alone(call, root, refusal, argv):
    with lock(root), refusal("Another run is using", root):
        call(*argv)


@pytest.mark.parametrize("argv", [["prune", "--keep", "1"], ["repair"], ["adopt"]])
def test_root_without_runs_is_refused(tmp_path, refusal, argv):
    with refusal(tmp_path / "none", "has no runs: name the --root of one."):
        command.main([*argv, "--root", str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("argv", [["prune", "--keep", "1", "--dry-run"], ["adopt"]])
def test_damaged_database_is_for_repair_alone(damaged, call, refusal, argv):
    with refusal("it is damaged: `python -m pipeline.runs repair` restores"):
        call(*argv)


def test_serving_directory_that_can_not_be_read_keeps_all(call, root, refusal):
    (root / "serving" / "tinyvgg").mkdir(parents=True)
    (root / "serving" / "tinyvgg" / "manifest.json").write_text("cut o")
    with refusal("manifest.json is damaged"):
        call("prune", "--keep", "1", "--yes")


def test_file_that_can_not_be_written_is_one_sentence(call, root, refusal):
    (root / "index.html").mkdir()
    with refusal("index.html", "can't be read or written ("):
        call("adopt")
