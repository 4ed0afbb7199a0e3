import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from components.model_formats.export import Export
from components.model_store.manifest import ModelFacts
from components.model_store.store import Store
from components.serving_check.findings import Findings
from pipeline import serving
from pipeline.config import PROJECT_DIRECTORY
from pipeline.errors import UserError
from trainer_module import features, served, signature_calls

MEASURES = {
    "size_mb": 0.29,
    "load_s": 0.5,
    "memory_mb": 600.0,
    "difference": 0.0,
    "median_ms_1": 1.0,
    "p99_ms_1": 2.0,
    "median_ms_64": 10.0,
    "p99_ms_64": 20.0,
}


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


@pytest.fixture
def store(root):
    """Three versions, of which the third is live."""
    store = Store(root / "serving" / "tinyvgg")
    for number in range(1, 4):
        model = root / f"model-{number}"
        model.mkdir(parents=True)
        (model / "saved_model.pb").write_text(f"model {number}")
        metrics = {"accuracy": 0.9 + number / 1000}
        store.push(model, ModelFacts(run=f"run-{number}", metrics=metrics))
    return store


@pytest.fixture
def run(root, capsys, monkeypatch):
    """Runs a command on the root; returns its code and its lines."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(command, *arguments):
        code = serving.main([command, *map(str, arguments), "--root", str(root)])
        return code, [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    return run


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


def test_sample_has_versions_of_its_own(store, run, root):
    _, lines = run("list", "--dataset", "sample")
    assert lines[0] == str(root / "sample" / "serving" / "tinyvgg")
    assert "No model" in lines[1]


def test_serving_directory_can_be_named(store, run):
    _, lines = run("list", "--serving-dir", store.directory.parent, "--dataset", "fashion_mnist")
    assert lines[0] == str(store.directory)


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


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["rollback", "9"], "has no version 9: there is 3, 2, 1"),
        (["pin", "9"], "has no version 9"),
        (["check", "9"], "has no version 9"),
        (["unpin"], "No version in"),
        (["export", "9", "--format", "onnx", "out"], "has no version 9"),
        (["prune", "--keep", "0"], "--keep = 0 is not allowed: it should be at least 1"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(store, run, refusal, arguments, sentence):
    with refusal(sentence):
        run(*arguments)


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


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["check", "1"],
        ["rollback"],
        ["pin", "1"],
        ["unpin"],
        ["prune", "--keep", "1", "--yes"],
    ],
)
@pytest.mark.parametrize("text", ["", "[]", "null", '{"records": 5}', "\x00", "[" * 100_000])
def test_damaged_manifest_is_one_sentence_whatever_is_asked(store, run, refusal, arguments, text):
    (store.directory / "manifest.json").write_text(text)
    with refusal("manifest.json is damaged: restore it, or remove it"):
        run(*arguments)
    (store.directory / "manifest.json").unlink()
    assert run("list")[0] == 0


def test_prune_deletes_nothing_where_nobody_can_answer(store, run, monkeypatch, refusal):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with refusal("give --yes where nobody can answer"):
        run("prune", "--keep", 1)
    assert visible(store) == [1, 2, 3]


@pytest.fixture
def report(monkeypatch):
    """What the fresh process is to report."""
    reasons = []
    monkeypatch.setattr(serving, "_read_recorded", lambda *_: None)
    monkeypatch.setattr(serving, "_probe", lambda *_: Findings(reasons, MEASURES))
    return reasons


def test_check_of_a_sound_version_says_what_was_measured(store, run, report):
    code, lines = run("check", 2)
    assert code == 0
    assert lines[0] == "files     all 1 as they were pushed"
    assert "latency   10.0 ms, 99th percentile 20.0 ms, batch of 64" in lines
    assert lines[-1] == "Version 2 is sound."


def test_check_names_what_is_wrong_with_the_model(store, run, report):
    report.append("it [crashed]")
    code, lines = run("check", 2)
    assert code == 1
    assert "• it [crashed]" in lines
    assert lines[-1] == "Version 2 is not sound."


def test_check_does_not_load_what_was_tampered_with(store, run, monkeypatch):
    monkeypatch.setattr(serving, "_probe", lambda *_: pytest.fail("loaded it"))
    (store.directory / "2" / "saved_model.pb").write_text("tampered")
    assert run("check", 2) == (
        1,
        ["• saved_model.pb was changed", "Version 2 is not sound."],
    )


def test_check_also_looks_at_what_was_moved_aside(store, run, report):
    store.rollback()
    assert run("check", 3)[0] == 0


@pytest.mark.parametrize("program", [[], ["/no/such/server"]])
def test_check_by_a_server_that_is_not_here_says_so_before_anything_is_loaded(
    store, run, monkeypatch, tmp_path, refusal, program
):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(serving, "_read_recorded", lambda *_: pytest.fail("loaded it"))
    with refusal("--server needs TensorFlow Serving, and there is no ", "leave the flag out"):
        run("check", 2, "--server", *program)


@pytest.fixture
def picture(tmp_path):
    file = tmp_path / "a [b] picture.png"
    pixels = np.zeros((40, 30), np.uint8)
    pixels[10:30, 10:20] = 200
    Image.fromarray(pixels).save(file)
    return file


@pytest.fixture
def blank(tmp_path):
    Image.new("RGB", (90, 90), "white").save(tmp_path / "blank.png")
    return tmp_path / "blank.png"


def test_predict_warns_of_a_blank_picture_instead_of_naming_a_class(
    store, run, picture, blank, monkeypatch
):
    asked = []
    answer = [[0.0] * 9 + [1.0]]
    monkeypatch.setattr(serving, "_classify", lambda _, images: asked.extend(images) or answer)
    _, lines = run("predict", blank, picture)
    assert lines[2:4] == [str(blank), "blank: nothing to classify"]
    assert lines[5] == str(picture)
    assert lines[6].split()[:3] == ["Ankle", "boot", "100.0%"]
    assert len(asked) == 1


def test_predict_loads_no_model_where_all_is_blank(store, run, blank, monkeypatch):
    monkeypatch.setattr(serving, "_classify", lambda *_: pytest.fail("loaded it"))
    assert run("predict", blank, blank)[1].count("blank: nothing to classify") == 2


def test_predict_shows_and_saves_what_the_model_saw(store, run, picture, tmp_path, monkeypatch):
    seen = []
    answer = [[1.0] + [0.0] * 9]
    monkeypatch.setattr(serving, "_classify", lambda _, images: seen.extend(images) or answer)
    _, lines = run("predict", picture, "--show", "--save", tmp_path / "seen")
    assert len([line for line in lines if "#" in line]) == 6
    saved = np.asarray(Image.open(tmp_path / "seen" / "a [b] picture-28x28.png"))
    np.testing.assert_array_equal(saved, seen[0])


def test_predict_names_the_classes_with_probabilities_and_a_bar(store, run, picture, monkeypatch):
    answers = [[0.6, 0.3, 0.09, 0.004, 0.003, 0.002, 0.001, 0, 0, 0]]
    monkeypatch.setattr(serving, "_classify", lambda model, images: answers * len(images))
    code, lines = run("predict", picture, picture)
    assert code == 0
    assert lines[0] == "version 3"
    first, second, third = (line.split() for line in lines[3:6])
    assert first == ["T-shirt/top", "60.0%", "█" * 18]
    assert second == ["Trouser", "30.0%", "█" * 9]
    assert third == ["Pullover", "9.0%", "█" * 3]
    assert lines.count(str(picture)) == 2
    assert not any("Dress" in line for line in lines)


def test_predict_asks_the_version_that_is_named(store, run, picture, monkeypatch):
    asked = []
    answer = [[1.0] + [0.0] * 9]
    monkeypatch.setattr(serving, "_classify", lambda model, _: asked.append(model) or answer)
    assert run("predict", picture, "--version", 1)[1][0] == "version 1"
    assert asked == [store.directory / "1"]


def test_predict_does_not_ask_a_tampered_version(store, run, picture, refusal):
    (store.directory / "3" / "saved_model.pb").write_text("tampered")
    with refusal("Version 3 is not as it was pushed"):
        run("predict", picture)


def test_predict_says_in_a_sentence_that_a_model_of_others_does_not_answer(
    store, run, picture, refusal, monkeypatch
):
    def fail(*_):
        raise KeyError("predict_images")

    monkeypatch.setattr(serving, "_classify", fail)
    with refusal("Version 3 can't classify pictures", "predict_images", "`check 3` says more"):
        run("predict", picture)


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """Stands for the conversion; a list of what it was asked for."""
    asked = []

    def export(version, name, directory, model, facts):
        asked.append((version, name, directory, facts))
        directory.mkdir()
        (directory / f"{model}.{name}").write_bytes(bytes(12_345))
        return Export(directory / f"{model}.{name}", 64, 63, 0.0321)

    monkeypatch.setattr(serving, "export", export)
    return asked


def test_export_says_what_was_written_and_how_it_answers(store, run, exported, tmp_path):
    code, lines = run("export", 2, "--format", "onnx", tmp_path / "out")
    assert code == 0
    assert lines == [
        f"{tmp_path}/out/tinyvgg.onnx, 12 kB; tinyvgg.json says what it takes and gives",
        "It answers as version 2 does: 63 of 64 images get the same class, at most 0.03 apart.",
    ]
    facts = {"version": 2, "run": "run-2"}
    assert exported == [(store.directory / "2", "onnx", tmp_path / "out", facts)]


def test_export_does_not_convert_a_tampered_version(store, run, exported, tmp_path, refusal):
    (store.directory / "3" / "saved_model.pb").write_text("tampered")
    with refusal("Version 3 is not as it was pushed"):
        run("export", 3, "--format", "onnx", tmp_path / "out")
    assert not exported


def test_export_into_a_directory_that_exists_is_one_sentence(store, run, tmp_path, refusal):
    with refusal(tmp_path, "exists"):
        run("export", 3, "--format", "keras", tmp_path)


def test_export_that_is_terminated_leaves_nothing(store, root, tmp_path):
    # Slow to start, as a conversion is: it waits for the end of what nobody writes to.
    program = """
import os, signal, sys, threading
from components.model_formats import export
from pipeline import serving
from pipeline.screen import command_line

export._PROGRAM = (sys.executable, "-c", "import time; print(flush=True); time.sleep(600)")
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()
command_line.exit_with(lambda: serving.main(sys.argv[1:]))
"""
    arguments = ["export", "3", "--format", "keras", tmp_path / "out", "--root", root]
    ended = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 130, ended.stderr
    assert list(tmp_path.iterdir()) == [root]


@pytest.mark.parametrize(
    "answer",
    [
        np.full([1, 5], 0.2),
        np.full([10], 0.1),
        np.full([2, 10], 0.1),
        np.full([1, 10], np.nan),
        np.full([1, 10], b"a", object),
    ],
    ids=["other classes", "no batch", "other batch", "not a number", "text"],
)
def test_predict_says_in_a_sentence_that_a_model_of_others_answers_something_else(
    store, run, picture, refusal, monkeypatch, answer
):
    monkeypatch.setattr(
        signature_calls,
        "load_signature",
        lambda model, name: lambda images: {served.PROBABILITIES: answer},
    )
    with refusal("Version 3 can't classify pictures", "`check 3` says more"):
        run("predict", picture)


def test_predict_needs_a_version(run, picture, refusal):
    with refusal("has no version to serve"):
        run("predict", picture)


ANSWER = """
import json, sys
from pipeline import serving

print(int(serving.main(json.loads(sys.argv[1]))))
print("modules:", *{name.partition(".")[0] for name in sys.modules})
"""


@pytest.mark.parametrize(
    "arguments", [["list"], ["pin", "1"], ["rollback"], ["prune", "--keep", "1", "--yes"]]
)
def test_command_answers_without_loading_what_is_slow(store, root, arguments):
    ended = subprocess.run(
        [sys.executable, "-c", ANSWER, json.dumps([*arguments, "--root", str(root)])],
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        check=True,
    )
    text, _, modules = ended.stdout.partition("modules:")
    assert text.endswith("0\n")
    slow = {"tensorflow", "keras", "tfx", "apache_beam", "ml_metadata", "tensorflow_serving"}
    assert not slow & set(modules.split())


def test_wrong_use_is_a_line_on_stderr_and_no_traceback(root):
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline.serving", "rollback", "--root", root],
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: ")
    assert len(ended.stderr.splitlines()) == 1


class TestRealModel:
    """A model with the project's signatures and warm-up requests."""

    @pytest.fixture(scope="class")
    def model(self, tmp_path_factory):
        import tensorflow as tf

        from tests import served_model

        def network(images, training):
            # The brighter, the higher the class.
            mean = tf.reduce_mean(images, [1, 2, 3])
            return tf.one_hot(tf.cast(10 * mean, tf.int32), 10)

        directory = tmp_path_factory.mktemp("model") / "model"
        served_model.export(directory, network)
        return directory

    @pytest.fixture
    def store(self, root, model):
        store = Store(root / "serving" / "tinyvgg")
        store.push(model, ModelFacts())
        return store

    def test_check_loads_it_and_compares_its_answers(self, store, run):
        code, lines = run("check", 1)
        assert code == 0, lines
        assert "answers   as recorded in it, at most 0 apart, in Python as well" in lines
        assert any(line.endswith("by TensorFlow's C API as a server does") for line in lines)

    def test_check_has_a_server_serve_it_too(self, store, run, tmp_path):
        from tests import model_server

        program = tmp_path / "model_server"
        model_server.write_program(program)
        code, lines = run("check", 1, "--server", program)
        assert code == 0, lines
        assert f"server    {program}, on this machine, over REST and gRPC" in lines

    def test_check_refuses_what_the_server_answers_otherwise(self, store, run, tmp_path):
        from tests import model_server, served_model

        # The server is given a directory, and serves another model.
        other = tmp_path / "models" / "1"
        other.parent.mkdir()
        served_model.export(other)
        program = tmp_path / "model_server"
        model_server.write_program(program)
        text = program.read_text()
        program.write_text(text.replace('"$@"', f'"$@" --model_base_path={other.parent}'))
        code, lines = run("check", 1, "--server", program)
        assert code == 1
        assert any(line.startswith("• the server answers probabilities that") for line in lines)

    def test_check_refuses_a_model_that_exceeds_a_limit(self, store, run):
        code, lines = run("check", 1, "--set", "serving.max_memory_mb=50")
        assert code == 1
        assert any(line.startswith("• the peak memory is ") for line in lines)

    def test_predict_classifies_pictures_of_any_size(self, store, run, tmp_path):
        files = []
        for level, suffix in ((10, "png"), (105, "jpg")):
            files.append(tmp_path / f"{level}.{suffix}")
            picture = Image.new("RGB", (60, 60), (level, level, level))
            picture.paste(3 * (level + 60,), (0, 0, 60, 1))
            picture.save(files[-1])
        _, lines = run("predict", *files)
        answers = [line.split()[0] for line in lines if "100.0%" in line]
        assert answers == [features.CLASS_NAMES[0], features.CLASS_NAMES[4]]


def test_user_error_is_what_the_store_refuses(store, run):
    (store.directory / "manifest.json").unlink()
    (store.directory / "manifest.json").write_text("[]")
    with pytest.raises(UserError, match="is damaged: restore it"):
        run("list")
