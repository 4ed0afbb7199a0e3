import socket
import subprocess
import sys

import pytest

from pipeline import local_runner, workspace
from pipeline.config import PROJECT_DIRECTORY
from pipeline.data import sources
from tests.pipeline.job_servers import serve
from tests.pipeline.local_runner.workers import the_object

HELP = """
import sys
from pipeline import local_runner

try:
    local_runner.main(["--help"])
finally:
    print("modules:", *{name.partition(".")[0] for name in sys.modules})
"""


SLOW = {
    *("tensorflow", "keras", "tfx", "tfx_bsl", "apache_beam", "ml_metadata", "pandas", "pyarrow"),
    *("tensorflow_data_validation", "tensorflow_transform", "tensorflow_model_analysis", "scipy"),
}


def test_help_answers_without_loading_what_is_slow():
    ended = subprocess.run(
        [sys.executable, "-c", HELP],
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    text, _, modules = ended.stdout.partition("modules:")
    assert "--from-node" in text
    assert "pipeline" in modules.split()
    assert not SLOW & set(modules.split())


def test_wrong_use_is_a_line_on_stderr_and_no_traceback():
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline.local_runner", "--set", "training.epoch=1"],
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "error: There is no setting training.epoch: did you mean epochs?\n"


@pytest.mark.parametrize(
    "argv", [["--bogus"], ["--epochs", "x"], ["--from-node", "Oven"], ["--to-node"], ["sample"]]
)
def test_wrong_flags_exit_with_2(argv, worker, capsys):
    with pytest.raises(SystemExit) as ended:
        local_runner.main(argv)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not worker.requests


@pytest.mark.parametrize("flag", ["--from-node", "--to-node"])
def test_a_finder_that_is_left_out_can_not_be_named(run, worker, flag):
    code, _, err = run(flag, "LearningRateFinder", "--set", "learning_rate.source=fixed")
    assert code == 2
    assert not worker.requests
    assert 'LearningRateFinder is left out by learning_rate.source = "fixed"' in err


def test_nodes_in_the_wrong_order_are_refused_before_anything_starts(
    run, worker, monkeypatch, tmp_path
):
    monkeypatch.setattr(sources, "find", lambda *_: pytest.fail("looked for the data"))
    code, _, err = run("--from-node", "Pusher", "--to-node", "Trainer")
    assert code == 2
    assert "--from-node Pusher comes after --to-node Trainer" in err
    assert not worker.requests
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize(
    ("start", "end"),
    [("SchemaGen", "Trainer"), ("ExampleValidator", "SchemaGen"), ("ImportSchemaGen", "SchemaGen")],
)
def test_part_in_which_nothing_would_run_is_refused(run, worker, start, end):
    code, _, err = run("--from-node", start, "--to-node", end)
    assert code == 2
    assert f"--from-node {start} does not lead to --to-node {end}" in err
    assert not worker.requests


def test_an_engine_that_does_not_answer_is_refused_before_anything_starts(run, worker, tmp_path):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"localhost:{held.getsockname()[1]}"
        code, _, err = run("--engine", "prism", "--set", f"engine.address={address}")
    assert code == 2
    assert f"error: No job server answers at {address} (connection refused); start it" in err
    assert not worker.requests
    assert not (tmp_path / "root").exists()


def test_an_engine_that_is_no_job_server_is_refused_before_anything_starts(run, worker, tmp_path):
    with serve() as address:
        code, _, err = run("--engine", "prism", "--set", f"engine.address={address}")
    assert code == 2
    assert f"error: No job server answers at {address} (what listens there is no job server" in err
    assert not worker.requests
    assert not (tmp_path / "root").exists()


def test_an_argument_that_beam_would_pass_over_is_refused(run, worker):
    code, _, err = run("--set", "beam.args=['--environment_tpye=EXTERNAL']")
    assert code == 2
    assert "Beam has no argument --environment_tpye" in err
    assert not worker.requests


def test_an_engine_by_name_goes_to_the_worker(run, worker):
    assert run("--engine", "flink")[0] == 0
    assert worker.requests[-1].config.engine.name == "flink"


@pytest.mark.usefixtures("found")
def test_a_root_that_is_a_url_is_refused(worker, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert local_runner.main(["--root", "gs://bucket/root"]) == 2
    assert "gs://bucket/root is a URL" in capsys.readouterr().err
    assert not [*tmp_path.glob("gs*")]


@pytest.mark.parametrize("flag", ["--root", "--serving-dir"])
@pytest.mark.usefixtures("found")
def test_a_directory_that_cannot_be_written_is_refused(flag, worker, tmp_path, capsys):
    (tmp_path / "file").touch()
    directory = tmp_path / "file" / "below"
    argv = ["--root", str(tmp_path / "root"), flag, str(directory)]
    assert local_runner.main(argv) == 2
    err = capsys.readouterr().err
    assert f"error: {directory} can't be written: " in err
    assert f"name another directory with {flag}" in err
    assert not worker.requests


def test_a_root_that_cannot_be_written_is_refused_before_a_download(monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "find", lambda *_: pytest.fail("looked for the data"))
    (tmp_path / "file").touch()
    assert local_runner.main(["--root", str(tmp_path / "file")]) == 2


def test_infra_validator_without_its_server_is_refused_before_anything_starts(
    run, worker, monkeypatch
):
    switched_on = ("--set", "serving.check=infra_validator")
    monkeypatch.setattr(local_runner, "find_obstacle", lambda: "there is no docker command")
    code, _, err = run(*switched_on)
    assert code == 2
    assert "needs TensorFlow Serving in Docker, and there is no docker command; " in err
    assert not worker.requests
    assert run()[0] == 0
    monkeypatch.setattr(local_runner, "find_obstacle", lambda: None)
    assert run(*switched_on)[0] == 0


@pytest.mark.parametrize(
    ("argv", "cause"),
    [
        (["--epochs", "0"], "training.epochs = 0 is not allowed"),
        (["--set", "training=5"], "--set takes group.key=value"),
        (["--dataset", "mnist"], 'dataset.name = "mnist" is not allowed'),
        (["--config", "none.toml"], "The configuration none.toml can't be read"),
        (["--dataset", "fashion_mnist", "--data-dir", "none"], "There is no directory "),
        (["--root", "file"], "file can't be written"),
        (["--root", "a[1]"], "a[1] has [ and ] in its name"),
        (["--set", "dataset.pattern=*.gz"], "dataset.pattern = '*.gz' is not allowed"),
        (["--from-node", "Pusher", "--to-node", "Trainer"], "--from-node Pusher comes after"),
    ],
)
def test_a_refusal_is_a_line_on_stderr_and_with_json_an_object_too(run, tmp_path, argv, cause):
    (tmp_path / "file").touch()
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert len(err.strip().splitlines()) == 1
    code, out, _ = run("--json", *argv)
    assert (code, the_object(out)["exit_code"]) == (2, 2)
    assert cause in the_object(out)["failure"]["cause"]
    assert the_object(out)["components"] == {}


def test_an_argument_that_is_not_utf_8_is_refused_like_any_other():
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline.local_runner", "--json", "--config", b"none-\xff"],
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert the_object(ended.stdout)["failure"]["cause"].startswith("There is no preset 'none-")


@pytest.mark.parametrize("pattern", ["", "/records/{SPLIT}-*", "**{SPLIT}"])
def test_a_pattern_that_no_file_can_match_is_refused(run, tmp_path, pattern):
    own = ["--dataset", "auto", "--data-dir", str(tmp_path)]
    code, _, err = run(*own, "--set", f"dataset.pattern='{pattern}'")
    assert code == 2
    assert err.startswith("error: ")
    assert "pattern" in err


def test_two_runs_at_once_in_one_root_are_refused(run, worker, tmp_path):
    run()
    with workspace.lock(tmp_path / "root" / "sample"):
        code, out, _ = run("--json")
    assert code == 2
    assert "Another run is using" in the_object(out)["failure"]["cause"]
    assert len(worker.requests) == 1
    assert len(list((tmp_path / "root" / "sample" / "runs").iterdir())) == 1
    assert run()[0] == 0
