import datetime
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import local_runner, workspace
from pipeline.config import PROJECT_DIRECTORY
from pipeline.data import sources
from pipeline.data.kinds import OfficialFiles, Sample
from pipeline.engine import supervisor
from pipeline.engine.protocol import DataEvent, Finished, NodeEvent, StepEvent
from pipeline.nodes import NODES
from pipeline.runs import history
from pipeline.runs.run_result import Failure, Pushed, ServingResult
from tests.evaluations import LOW_RECALL, evaluation

BLESSED = evaluation()
UNSOUND = ServingResult(reasons=["it is too large"])
REFUSED = evaluation(LOW_RECALL)
PUSHED = Pushed(path="/served/tinyvgg/7", version="7")


@pytest.fixture(autouse=True)
def signals():
    """The command changes what these do; that ends with the test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def current_directory(tmp_path, monkeypatch):
    """What a test makes by a relative path goes with it."""
    monkeypatch.chdir(tmp_path)


class Worker:
    """Stands in for the worker: what it is asked, what it tells, how it ends."""

    def __init__(self):
        self.requests = []
        self.options = []
        self.events = []
        self.outcome = Finished(evaluation=BLESSED, pushed=PUSHED)

    def __call__(self, request, log, handle, echo=None):
        self.requests.append(request)
        self.options.append({"log": log, "echo": echo})
        for event in self.events:
            handle(event)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.fixture(autouse=True)
def worker(monkeypatch):
    worker = Worker()
    monkeypatch.setattr(local_runner, "run_worker", worker)
    return worker


@pytest.fixture
def run(tmp_path, capsys):
    """Runs the command on the sample: its exit code and what it printed."""

    def run(*argv: str):
        code = local_runner.main(["--root", str(tmp_path / "root"), "--dataset", "sample", *argv])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def found(monkeypatch, tmp_path):
    """Has the real data found."""
    source = OfficialFiles(tmp_path / "data")
    monkeypatch.setattr(sources, "find", lambda settings, progress: source)
    return source


def the_object(out: str) -> dict:
    """What `--json` printed, if that was one object on one line."""
    [line] = out.splitlines()
    return json.loads(line)


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
    assert "usage: python -m pipeline.local_runner" in capsys.readouterr().err
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


@pytest.mark.parametrize("node", ["Trainer", NODES[0], NODES[-1]])
def test_one_node_may_be_the_first_and_the_last(run, worker, node):
    run("--from-node", node, "--to-node", node)
    assert (worker.requests[0].from_node, worker.requests[0].to_node) == (node, node)


def test_flags_reach_the_worker(run, worker, tmp_path):
    run(*("--epochs", "7", "--no-cache", "--serving-dir", "s", "--set", "training.seed=3"))
    [request] = worker.requests
    assert (request.config.training.epochs, request.config.training.seed) == (7, 3)
    assert request.config.paths.serving_dir == Path("s")
    assert not request.cache
    assert not request.keep_versions
    assert request.source == Sample()


def test_cache_of_other_versions_is_kept_if_asked(run, worker):
    run("--keep-cache-across-versions")
    [request] = worker.requests
    assert request.cache
    assert request.keep_versions


def test_without_flags_the_whole_graph_runs_with_its_cache(run, worker):
    run()
    [request] = worker.requests
    assert (request.from_node, request.to_node, request.cache) == (None, None, True)


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


def test_the_samples_run_does_not_touch_the_serving_directory(run, tmp_path):
    run("--serving-dir", str(tmp_path / "served"))
    assert not (tmp_path / "served").exists()


@pytest.mark.usefixtures("found")
def test_directories_are_made_where_they_were_asked_for(tmp_path):
    assert local_runner.main(["--root", "a/b", "--serving-dir", "c/d"]) == 0
    assert (tmp_path / "a" / "b" / "runs").is_dir()
    assert (tmp_path / "c" / "d").is_dir()


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


def test_a_tilde_in_a_setting_makes_no_directory_of_that_name(worker, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    local_runner.main(["--dataset", "sample", "--set", "paths.root=~/root"])
    assert worker.options[0]["log"].is_relative_to(tmp_path / "home" / "root")
    assert not (tmp_path / "~").exists()


# Resolves the paths of the request as the worker does, in the directory it was started in.
RESOLVE = """
import json, os, sys
request = json.loads(sys.stdin.readline())
paths = request["config"]["paths"]["root"], request["source"]["directory"]
step = {"kind": "step", "text": " ".join(map(os.path.abspath, paths))}
os.write(int(sys.argv[1]), (json.dumps(step) + "\\n").encode())
"""


def test_relative_paths_mean_the_same_to_the_worker(monkeypatch, tmp_path, capsys):
    popen = subprocess.Popen

    def start(command, **options):
        return popen([sys.executable, "-S", "-c", RESOLVE, *command[3:]], **options)

    monkeypatch.setattr(supervisor.subprocess, "Popen", start)
    monkeypatch.setattr(local_runner, "run_worker", supervisor.run_worker)
    monkeypatch.setattr(sources, "find", lambda *_: OfficialFiles(Path("data")))
    local_runner.main(["--root", "root"])
    assert f"{tmp_path / 'root'} {tmp_path / 'data'} …" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("outcome", "code", "said"),
    [
        (Finished(evaluation=BLESSED, pushed=PUSHED), 0, "Blessed and pushed as version 7"),
        (Finished(), 0, "Ended before the Evaluator"),
        (Finished(evaluation=REFUSED), 3, LOW_RECALL.sentence),
        (Finished(evaluation=BLESSED, serving=UNSOUND), 3, "it is too large"),
        (
            Finished(
                evaluation=BLESSED,
                pushed=Pushed(path="/s/1", version="1", new=False, live_version="2"),
                serving_flags="--root /r",
            ),
            3,
            "`python -m pipeline.serving rollback 1 --root /r` makes version 1 live",
        ),
        (
            Finished(evaluation=BLESSED, pushed=Pushed(path="/s/3", version="3", live_version="1")),
            0,
            "Blessed and pushed as version 3 in /s/3:\n  • version 1 is pinned and stays live",
        ),
        (Finished(failure=Failure(cause="no luck", node="Trainer")), 1, "Trainer failed: no luck"),
        (Finished(failure=Failure(cause="damaged"), usage=True), 2, "The run failed: damaged"),
        # A failure counts for more than the verdict before it.
        (
            Finished(evaluation=BLESSED, failure=Failure(cause="x", node="Pusher")),
            1,
            "Pusher failed",
        ),
        (
            Finished(evaluation=REFUSED, failure=Failure(cause="x", node="Pusher")),
            1,
            "Pusher failed",
        ),
        (KeyboardInterrupt(), 130, "Interrupted: run it again"),
    ],
)
def test_the_exit_code_and_the_summary_say_how_the_run_ended(run, worker, outcome, code, said):
    worker.outcome = outcome
    ended, out, _ = run()
    assert ended == code
    assert said in out
    _, out, err = run("--json")
    assert the_object(out)["exit_code"] == code
    assert said in err


@pytest.mark.parametrize(
    "outcome",
    [
        Finished(evaluation=BLESSED, pushed=PUSHED),
        Finished(evaluation=REFUSED),
        KeyboardInterrupt(),
    ],
    ids=["pushed", "refused", "interrupted"],
)
def test_the_result_in_the_runs_directory_is_the_object_that_json_prints(
    run, worker, tmp_path, outcome
):
    worker.outcome = outcome
    _, out, _ = run("--json")
    [kept] = (tmp_path / "root" / "sample" / "runs").glob("*/result.json")
    assert json.loads(kept.read_text(encoding="utf-8")) == the_object(out)
    assert the_object(out)["run_id"] == kept.parent.name
    started = datetime.datetime.fromisoformat(the_object(out)["started"].replace("Z", "+00:00"))
    assert history.make_run_id(started) == kept.parent.name
    assert the_object(out)["log"] == str(kept.with_name("pipeline.log"))


# The command, with a worker that ends well at once, and says which descriptors it was given.
DAEMON = """
import json, os, subprocess, sys
from pipeline import local_runner
from pipeline.engine import supervisor
from pipeline.screen import command_line

WORKER = '''
import json, os, sys
sys.stdin.readline()
events = int(sys.argv[1])
assert events > 2, events
os.write(1, b"a line for the log")
os.write(events, (json.dumps({"kind": "finished"}) + chr(10)).encode())
'''
popen = subprocess.Popen

def start(command, **options):
    return popen([sys.executable, "-S", "-c", WORKER, *command[3:]], **options)

supervisor.subprocess.Popen = start
command_line.open_standard_streams()
sys.exit(local_runner.main())
"""


@pytest.mark.parametrize(
    "closed", ["", "<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"]
)
def test_command_runs_with_any_of_its_descriptors_closed(tmp_path, closed):
    argv = ["--root", str(tmp_path), "--dataset", "sample", "--verbose"]
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", DAEMON, *argv],
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    [result] = (tmp_path / "sample" / "runs").glob("*/result.json")
    assert json.loads(result.read_text())["exit_code"] == 0
    assert result.with_name("pipeline.log").read_text() == "a line for the log"
    assert bool(ended.stdout) == (" >&-" not in f" {closed}")


@pytest.mark.parametrize("flags", [[], ["--json"]])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_run_goes_on_though_nobody_reads_its_output(tmp_path, stream, flags):
    process = subprocess.Popen(
        [sys.executable, "-c", DAEMON, "--root", str(tmp_path), "--dataset", "sample", *flags],
        cwd=PROJECT_DIRECTORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    getattr(process, stream).close()
    other = process.stderr if stream == "stdout" else process.stdout
    printed = other.read()
    assert process.wait(60) == 0, printed
    assert "Traceback" not in printed
    [result] = (tmp_path / "sample" / "runs").glob("*/result.json")
    assert json.loads(result.read_text())["exit_code"] == 0
    if flags and stream == "stderr":
        assert json.loads(printed) == json.loads(result.read_text())


def test_without_json_no_object_is_printed(run):
    code, out, err = run()
    assert code == 0
    assert "run_id" not in out + err


@pytest.mark.parametrize(
    ("argv", "cause"),
    [
        (["--epochs", "0"], "training.epochs = 0 is not allowed"),
        (["--set", "training=5"], "--set takes group.key=value"),
        (["--dataset", "mnist"], 'dataset.name = "mnist" is not allowed'),
        (["--config", "none.toml"], "The configuration none.toml can't be read"),
        (["--dataset", "fashion_mnist", "--data-dir", "none"], "There is no directory "),
        (["--root", "file"], "file can't be written"),
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
    assert the_object(ended.stdout)["failure"]["cause"].startswith("The configuration none-")


@pytest.mark.parametrize("pattern", ["", "/records/{SPLIT}-*", "**{SPLIT}"])
def test_a_pattern_that_no_file_can_match_is_refused(run, tmp_path, pattern):
    own = ["--dataset", "auto", "--data-dir", str(tmp_path)]
    code, _, err = run(*own, "--set", f"dataset.pattern='{pattern}'")
    assert code == 2
    assert err.startswith("error: ")
    assert "pattern" in err


def test_an_interrupt_while_looking_for_the_data_is_not_a_traceback(run, worker, monkeypatch):
    def find(settings, progress):
        raise KeyboardInterrupt

    monkeypatch.setattr(sources, "find", find)
    code, out, err = run("--json")
    assert code == 130
    assert the_object(out)["exit_code"] == 130
    assert the_object(out)["failure"] == {"cause": "interrupted", "node": None}
    assert err.strip() == "Interrupted before anything started."
    assert not worker.requests


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_polite_kill_and_a_closed_terminal_are_interrupts(run, monkeypatch, number):
    def find(settings, progress):
        os.kill(os.getpid(), number)
        pytest.fail("went on")

    monkeypatch.setattr(sources, "find", find)
    # What a failure would leave in force would end the tests.
    signal.signal(number, lambda number, frame: None)
    assert run()[0] == 130


@pytest.mark.usefixtures("worker")
def test_a_closed_terminal_is_ignored_if_the_command_was_started_so(run):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    run()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (Finished(failure=Failure(cause="the worker process was ended by SIGKILL")), "failed"),
    ],
)
def test_the_node_that_ran_when_the_run_broke_off_is_told(run, worker, outcome, state):
    worker.events = [
        NodeEvent(node="Transform", state="running"),
        NodeEvent(node="Transform", state="done"),
        NodeEvent(node="Trainer", state="running"),
    ]
    worker.outcome = outcome
    components = the_object(run("--json")[1])["components"]
    assert list(components) == list(NODES)
    assert components["Transform"]["state"] == "done"
    assert components["Trainer"]["state"] == state
    assert components["Evaluator"]["state"] == "waiting"


def test_events_are_shown_as_they_come(run, worker):
    worker.events = [
        StepEvent(text="loading TFX"),
        DataEvent(examples={"train": 4000}),
        NodeEvent(node="Trainer", state="running"),
    ]
    lines = run()[1].splitlines()
    shown = ["loading TFX …", "examples: 4,000 train", "Trainer: running"]
    assert [line for line in lines if line in shown] == shown


def test_the_sample_is_announced_in_a_banner_with_the_place_it_stays_in(run, tmp_path):
    out = run()[1]
    words = " ".join(out.replace("│", " ").split())
    assert "SAMPLE DATA" in out
    assert "These are generated sample images, not Fashion-MNIST." in words
    assert "nothing reaches the real serving directory" in words
    place = "".join(str(tmp_path / "root" / "sample").split())
    assert place in "".join(out.replace("│", "").split())
    assert "TinyVGG on generated sample images" in out


def test_the_banner_says_why_it_is_the_sample_where_nobody_asked_for_it(run, monkeypatch):
    source = Sample(fallback_reason="The [moon] is not reachable.")
    monkeypatch.setattr(sources, "find", lambda settings, progress: source)
    out = run()[1]
    assert "not Fashion-MNIST" in out
    assert "The [moon] is not reachable." in out


def test_real_data_has_no_banner(found, tmp_path, capsys):
    assert local_runner.main(["--root", str(tmp_path / "root")]) == 0
    out = capsys.readouterr().out
    assert f"TinyVGG on the official files in {found.directory}\n" in out
    assert "sample" not in out.replace(str(tmp_path), "").lower()


def test_words_that_look_like_markup_or_emojis_are_shown_as_they_are(worker, capsys, tmp_path):
    root = tmp_path / "[bold]" / ":100:"
    worker.outcome = Finished(failure=Failure(cause="ValueError: model.py:100: [/red] is odd"))
    local_runner.main(["--root", str(root), "--dataset", "sample"])
    out = capsys.readouterr().out
    assert "ValueError: model.py:100: [/red] is odd" in out
    assert out.count(f"log: {root}") == 2


def test_the_log_is_echoed_on_stderr_if_asked(run, worker):
    run("--verbose")
    run()
    assert [options["echo"] is not None for options in worker.options] == [True, False]


def test_two_runs_at_once_in_one_root_are_refused(run, worker, tmp_path):
    run()
    with workspace.lock(tmp_path / "root" / "sample"):
        code, out, _ = run("--json")
    assert code == 2
    assert "Another run is using" in the_object(out)["failure"]["cause"]
    assert len(worker.requests) == 1
    assert len(list((tmp_path / "root" / "sample" / "runs").iterdir())) == 1
    assert run()[0] == 0


def test_the_root_is_held_while_the_worker_runs(run, monkeypatch, tmp_path):
    codes = []

    def try_again(request, log, handle, echo=None):
        codes.append(run("--json")[0])
        return Finished()

    monkeypatch.setattr(local_runner, "run_worker", try_again)
    assert run()[0] == 0
    assert codes == [2]


def test_every_run_has_a_directory_of_its_own(run, tmp_path):
    for _ in range(3):
        assert run()[0] == 0
    assert len(list((tmp_path / "root" / "sample" / "runs").iterdir())) == 3
