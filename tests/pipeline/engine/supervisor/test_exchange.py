"""What a worker is given and told, and what it tells."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import config
from pipeline.config import PROJECT_DIRECTORY
from pipeline.data.kinds import OfficialFiles
from pipeline.engine.protocol import NodeEvent, Request, StepEvent
from pipeline.engine.supervisor import run_worker
from trainer_module import keras_settings


def test_worker_has_no_settings_from_the_machine_that_change_its_result(
    worker, request_, surroundings, monkeypatch
):
    monkeypatch.setenv("KERAS_HOME", "/hostile")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setenv("KERAS_MAX_EPOCHS", "1")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    monkeypatch.setenv("TF_DETERMINISTIC_OPS", "1")
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=2")
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    worker("""
        ours = ("KERAS", "TF_ENABLE", "TF_USE", "TF_DET", "TF_XLA", "TF_FORCE")
        kept = {k: v for k, v in os.environ.items() if k.startswith(ours)}
        emit("step", text=json.dumps(kept))
        emit("finished")
    """)
    events = []
    run_worker(request_, surroundings, events.append)
    assert json.loads(events[0].text) == {
        **keras_settings.ENVIRONMENT,
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }


@pytest.mark.parametrize("utf8", ["0", "1"])
def test_worker_is_understood_in_whatever_locale(tmp_path, utf8):
    worker = tmp_path / "worker.py"
    lines = [
        'events = open(int(sys.argv[1]), "w", buffering=1)',
        "asked = json.loads(sys.stdin.readline())['run_id']",
        "print(asked)",
        'failure = {"cause": f"28×28 {asked}"}',
        'event = {"kind": "finished", "failure": failure}',
        "events.write(json.dumps(event, ensure_ascii=False) + chr(10))",
    ]
    worker.write_text("import json, sys\n" + "\n".join(lines), encoding="utf-8")
    program = f"""
import sys
from pathlib import Path
from components.programs import module_program
from pipeline import config
from pipeline.data.kinds import Sample
from pipeline.engine import supervisor
from pipeline.engine.protocol import Request

supervisor.module_program = lambda module: [sys.executable, {str(worker)!r}]
request = Request(
    run_id={"Größe"!a},
    config=config.Config(),
    source=Sample(),
    from_node=None,
    to_node=None,
    cache=True,
)
surroundings = supervisor.Surroundings(Path({str(tmp_path / "log")!r}))
finished = supervisor.run_worker(request, surroundings, lambda event: None)
print(ascii(finished.failure.cause))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT_DIRECTORY,
        env={
            **os.environ,
            "LC_ALL": "C",
            "PYTHONUTF8": utf8,
            "PYTHONCOERCECLOCALE": "0",
            "PYTHONIOENCODING": "ascii:strict",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"{'28×28 Größe'!a}\n"
    assert (tmp_path / "log").read_text(encoding="utf-8") == "Größe\n"


def test_events_arrive_in_order_and_the_last_says_how_it_ended(
    worker, request_, surroundings, processes
):
    worker("""
        emit("step", text="loading")
        emit("node", node="Trainer", state="running")
        emit("node", node="Trainer", state="done")
        emit("finished", failure={"cause": "no luck", "node": "Pusher"}, usage=True)
    """)
    events = []
    finished = run_worker(request_, surroundings, events.append)
    assert events == [
        StepEvent(text="loading"),
        NodeEvent(node="Trainer", state="running"),
        NodeEvent(node="Trainer", state="done"),
        finished,
    ]
    assert finished.failure.cause == "no luck"
    assert finished.usage
    assert processes[0].returncode == 0


def test_an_event_is_handled_as_soon_as_it_is_written(worker, request_, surroundings, tmp_path):
    # The stand-in waits for the handler of its first event before it ends well.
    worker(f"""
        emit("step", text="first")
        while not os.path.exists({str(tmp_path / "handled")!r}):
            time.sleep(0.01)
        emit("finished")
    """)
    finished = run_worker(request_, surroundings, lambda event: (tmp_path / "handled").touch())
    assert finished.failure is None


def test_the_worker_gets_the_request(worker, request_, surroundings):
    worker("""
        emit("step", text=json.dumps(request))
        emit("finished")
    """)
    events = []
    run_worker(request_, surroundings, events.append)
    assert Request.model_validate_json(events[0].text) == request_


def test_temporary_files_of_a_worker_are_in_a_directory_that_goes_with_it(
    worker, request_, surroundings, tmp_path
):
    worker("""
        import tempfile
        emit("step", text=tempfile.mkstemp()[1])
        emit("finished")
    """)
    events = []
    run_worker(request_, surroundings, events.append)
    assert Path(events[0].text).parent == tmp_path / "tmp"
    assert not (tmp_path / "tmp").exists()


def test_a_worker_holds_what_it_is_given_and_is_told_of(
    worker, request_, surroundings, processes, tmp_path
):
    held = os.open(tmp_path / "held", os.O_CREAT)
    worker(f"""
        emit("step", text=os.readlink("/proc/self/fd/{held}"))
        emit("finished")
    """)
    events, started = [], []
    run_worker(request_, replace(surroundings, held=[held]), events.append, started.append)
    os.close(held)
    assert events[0].text == str(tmp_path / "held")
    assert started == [processes[0].pid]


def test_half_an_event_of_a_worker_that_died_is_not_read(worker, request_, surroundings):
    worker("""
        emit("step", text="whole")
        os.write(events, b'{"kind": "fini')
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    events = []
    finished = run_worker(request_, surroundings, events.append)
    assert events == [StepEvent(text="whole")]
    assert "SIGKILL" in finished.failure.cause


def test_the_real_worker_refuses_damaged_data_before_it_loads_tfx(
    processes, request_, surroundings, tmp_path, monkeypatch
):
    monkeypatch.chdir(PROJECT_DIRECTORY)
    data = tmp_path / "data"
    data.mkdir()
    request = request_.model_copy(
        update={
            "config": config.Config(paths=config.Paths(root=tmp_path / "root")),
            "source": OfficialFiles(data),
        }
    )
    events = []
    finished = run_worker(request, surroundings, events.append)
    assert finished.usage
    assert str(data) in finished.failure.cause
    assert events == [StepEvent(text="preparing the data"), finished]
