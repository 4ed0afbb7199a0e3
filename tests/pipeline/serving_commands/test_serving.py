import json
import subprocess
import sys

import pytest

from pipeline.config import PROJECT_DIRECTORY
from pipeline.errors import UserError


def test_sample_has_versions_of_its_own(store, run, root):
    _, lines = run("list", "--dataset", "sample")
    assert lines[0] == str(root / "sample" / "serving" / "tinyvgg")
    assert "No model" in lines[1]


def test_serving_directory_can_be_named(store, run):
    _, lines = run("list", "--serving-dir", store.directory.parent, "--dataset", "fashion_mnist")
    assert lines[0] == str(store.directory)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["rollback", "9"], "has no version 9: there is 3, 2, 1"),
        (["pin", "9"], "has no version 9"),
        (["check", "9"], "has no version 9"),
        (["unpin"], "No version in"),
        (["export", "9", "--format", "onnx", "out"], "has no version 9"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(store, run, refusal, arguments, sentence):
    with refusal(sentence):
        run(*arguments)


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


def test_user_error_is_what_the_store_refuses(store, run):
    (store.directory / "manifest.json").unlink()
    (store.directory / "manifest.json").write_text("[]")
    with pytest.raises(UserError, match="is damaged: restore it"):
        run("list")
