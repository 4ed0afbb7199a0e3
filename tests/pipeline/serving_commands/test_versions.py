import json
import shutil

import pytest

from components.model_store.manifest import ModelFacts
from pipeline import serving


def visible(store):
    return sorted(version.number for version in store.versions() if version.visible)


def test_list_tells_of_each_version_what_it_is_and_which_one_is_live(store, run):
    store.rollback()
    store.pin(1)
    code, (where, heading, *rows) = run("list")
    assert code == 0
    assert where == str(store.directory)
    assert heading.split() == ["version", "pushed", "accuracy", "from", "run", "state"]
    cells = [row.split() for row in rows]
    assert [row[0] for row in cells] == ["3", "2", "1"]
    assert [row[3:5] for row in cells] == [
        ["0.9030", "run-3"],
        ["0.9020", "run-2"],
        ["0.9010", "run-1"],
    ]
    assert [row[5:] for row in cells] == [["rolled", "back"], [], ["live,", "pinned"]]


def test_list_fits_a_terminal_of_80_columns(store, run, root):
    for version in (store.directory / "1795508572", model := root / "another"):
        version.mkdir()
        (version / "saved_model.pb").write_text("another model")
    store.push(model, ModelFacts(run="2026-11-24T12-22-11.726", metrics={"accuracy": 0.9}))
    store.pin(1795508573)
    _, lines = run("list")
    row = lines[2]
    assert row.startswith("1795508573")
    assert "2026-11-24T12-22-11.726  live, pinned" in row


def test_list_says_that_nothing_was_pushed(run):
    assert run("list")[1][-1] == "No model was pushed here yet."


def test_rollback_says_what_is_live_and_what_was_moved(store, run):
    code, lines = run("rollback")
    assert code == 0
    assert lines == ["Version 2 is live, instead of 3.", "Moved aside, not deleted: 3."]
    assert visible(store) == [1, 2]


def test_rollback_goes_to_the_version_that_is_named_also_forward(store, run):
    run("rollback", 1)
    assert visible(store) == [1]
    assert run("rollback", 3)[1][0] == "Version 3 is live, instead of 1."
    assert store.find().number == 3


def test_pin_and_unpin_say_what_is_live(store, run):
    assert run("pin", 2)[1][0].startswith("Version 2 is live")
    assert "specific { versions: 2 }" in (store.directory.parent / "models.config").read_text()
    assert run("unpin")[1] == ["Version 3 is live, the newest."]


def test_server_directory_of_the_settings_goes_into_models_config(store, run):
    run("pin", 2, "--set", "serving.server_dir=/srv")
    assert 'base_path: "/srv/tinyvgg"' in (store.directory.parent / "models.config").read_text()
    # In an emergency, nobody thinks of it.
    run("rollback")
    assert 'base_path: "/srv/tinyvgg"' in (store.directory.parent / "models.config").read_text()


def test_prune_asks_and_deletes_when_told_yes(store, run, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    questions = []
    monkeypatch.setattr("builtins.input", lambda *_: questions.append(1) or "n")
    assert run("prune", "--keep", 1) == (1, ["Delete 2, 1? [y/N] Nothing was deleted."])
    assert visible(store) == [1, 2, 3]
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    assert run("prune", "--keep", 1)[0] == 0
    assert visible(store) == [3]
    assert questions


def test_prune_does_not_ask_scripts_that_say_yes(store, run):
    store.pin(1)
    assert run("prune", "--keep", 1, "--yes") == (0, ["Deleted 2."])
    assert visible(store) == [1, 3]
    assert run("prune", "--keep", 1, "--yes") == (0, ["There is nothing to delete."])


def test_prune_keeps_what_was_moved_aside_and_says_so(store, run):
    store.rollback(2)
    aside = "Moved aside, not deleted without --withdrawn: 3."
    assert run("prune", "--keep", 1, "--yes") == (0, ["Deleted 1.", aside])
    assert run("prune", "--keep", 1, "--yes") == (0, ["There is nothing to delete.", aside])
    assert run("prune", "--keep", 1, "--withdrawn", "--yes") == (0, ["Deleted 3."])
    assert [version.number for version in store.versions()] == [2]


def test_list_warns_below_the_table(store, run):
    (store.directory / "9").mkdir()
    (store.directory / "2").chmod(0o700)
    code, lines = run("list")
    assert code == 0
    stray, shut = lines[-2:]
    assert stray.startswith(f"Warning: {store.directory / '9'} is no version, as it has no Saved")
    assert shut.startswith(f"Warning: A server of another user can't read {store.directory / '2'}")


def test_list_warns_where_there_is_no_version_too(store, run):
    for number in (1, 2, 3):
        shutil.rmtree(store.directory / str(number))
    (store.directory / "9").write_text("a file")
    lines = run("list")[1]
    assert lines[1] == "No model was pushed here yet."
    assert lines[2].startswith("Warning: ")


def test_list_names_a_version_by_its_number_and_a_push_that_lost_its_model(store, run):
    (store.directory / "3").rename(store.directory / "0003")
    (store.directory / "2" / "saved_model.pb").unlink()
    cells = [line.split() for line in run("list")[1][2:]]
    assert [row[0] for row in cells] == ["3", "2", "1"]
    assert cells[0][-1] == "live"
    assert cells[1][-1] == "damaged"


@pytest.mark.parametrize(
    "arguments", [["rollback"], ["pin", "2"], ["unpin"], ["prune", "--keep", "5", "--yes"]]
)
def test_every_change_warns(store, run, arguments):
    store.pin(3)
    (store.directory / "9").mkdir()
    lines = run(*arguments)[1]
    assert lines[-1].startswith(f"Warning: {store.directory / '9'} is no version")


def test_time_that_is_none_is_left_out(store, run):
    path = store.directory / "manifest.json"
    document = json.loads(path.read_text())
    document["records"]["3"]["pushed"] = "yesterday"
    path.write_text(json.dumps(document))
    assert run("list")[1][2].split()[:2] == ["3", "–"]


def test_prune_deletes_nothing_where_nobody_can_answer(store, run, monkeypatch, refusal):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with refusal("give --yes where nobody can answer"):
        run("prune", "--keep", 1)
    assert visible(store) == [1, 2, 3]


def test_list_on_40_columns_leaves_out_columns_and_cuts_nothing(store, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    store.pin(1)
    lines = run("list")[1]
    assert [line.split()[0] for line in lines[2:5]] == ["3", "2", "1"]
    assert lines[4].endswith("live, pinned")
    assert lines[5].startswith("not shown for want of width: ")
    assert not any("…" in line for line in lines)


def test_flags_stand_before_the_command_too(store, root, capsys):
    assert serving.main(["--root", str(root), "--json", "list"]) == 0
    before = capsys.readouterr().out
    assert serving.main(["list", "--json", "--root", str(root)]) == 0
    assert capsys.readouterr().out == before
    assert str(store.directory) in before
