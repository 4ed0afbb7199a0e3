import io
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from components.programs import module_program
from pipeline import config
from pipeline.config import PROJECT_DIRECTORY
from pipeline.data.kinds import OfficialFiles, Sample
from pipeline.engine import supervisor
from pipeline.engine.protocol import INTERRUPTED, Finished, NodeEvent, Request, StepEvent
from pipeline.engine.supervisor import Surroundings, run_worker
from trainer_module import keras_settings

# What the stand-ins for the worker have in common. Each ends by itself before long, so that a
# test whose subject broke fails instead of hanging.
PREAMBLE = """
import json, os, signal, subprocess, sys, time

events = int(sys.argv[1])
request = json.loads(sys.stdin.readline())
signal.alarm(20)

def emit(kind, **fields):
    # At once, so that a signal may come meanwhile.
    os.write(events, (json.dumps({"kind": kind, **fields}) + "\\n").encode())
"""


@pytest.fixture
def request_(tmp_path):
    return Request(
        run_id="the run",
        config=config.Config(),
        source=Sample(),
        from_node=None,
        to_node=None,
        cache=True,
    )


@pytest.fixture
def log(tmp_path):
    return tmp_path / "pipeline.log"


@pytest.fixture
def surroundings(log):
    return Surroundings(log)


@pytest.fixture
def processes(monkeypatch):
    """The processes that were started; they end with the test."""
    started = []
    popen = subprocess.Popen

    def start(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(supervisor.subprocess, "Popen", start)
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def worker(processes, monkeypatch, tmp_path):
    """Puts a program in the worker's place."""

    def worker(program: str) -> None:
        script = tmp_path / "stand_in.py"
        script.write_text(PREAMBLE + textwrap.dedent(program))
        start = supervisor.subprocess.Popen

        def start_script(command, **options):
            assert command[:3] == module_program("pipeline.engine.worker")
            return start([sys.executable, "-S", str(script), *command[3:]], **options)

        monkeypatch.setattr(supervisor.subprocess, "Popen", start_script)

    return worker


def ignore(event):
    pass


def interrupt(event):
    raise KeyboardInterrupt


def interrupt_at_step(event):
    if isinstance(event, StepEvent):
        raise KeyboardInterrupt


def assert_gone(pid: int) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            with Path(f"/proc/{pid}/stat").open() as stat:
                # Where nobody collects orphans, one that was killed stays as a zombie.
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.02)
    pytest.fail(f"process {pid} is still running")


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


def test_ctrl_c_in_the_terminal_does_not_reach_the_worker_itself(worker, request_, surroundings):
    worker("""
        emit("step", text=str(os.getpgrp()))
        emit("finished")
    """)
    events = []
    run_worker(request_, surroundings, events.append)
    assert int(events[0].text) != os.getpgrp()


PRINTING = """
    print("on stdout", flush=True)
    os.write(2, b"on stderr \\xff\\n")
    subprocess.run(["echo", "from a child"])
    emit("finished")
"""


def test_what_is_printed_goes_to_the_log_alone(worker, request_, surroundings, log, capfd):
    worker(PRINTING)
    run_worker(request_, surroundings, ignore)
    assert log.read_text(encoding="utf-8") == "on stdout\non stderr \ufffd\nfrom a child\n"
    assert capfd.readouterr() == ("", "")


def test_what_is_printed_is_echoed_if_asked(worker, request_, surroundings, log):
    worker(PRINTING)
    echo = io.StringIO()
    run_worker(request_, replace(surroundings, echo=echo), ignore)
    assert echo.getvalue() == log.read_text(encoding="utf-8")
    assert "from a child" in echo.getvalue()


TALKATIVE = """
    signal.alarm(3)
    for number in range(20_000):
        print("line", number)
    sys.stdout.flush()
    emit("finished")
"""


def test_much_output_does_not_stop_the_worker(worker, request_, surroundings, log):
    worker(TALKATIVE)
    assert run_worker(request_, surroundings, ignore).failure is None
    assert log.read_text().splitlines()[-1] == "line 19999"


def test_an_echo_that_nobody_reads_any_more_does_not_stop_the_worker(
    worker, request_, surroundings, log
):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    worker(TALKATIVE)
    assert run_worker(request_, replace(surroundings, echo=Closed()), ignore).failure is None
    assert log.read_text().splitlines()[-1] == "line 19999"


@pytest.mark.parametrize(
    ("death", "cause"),
    [
        ("sys.exit(7)", "the worker process ended with exit code 7 before the run did"),
        ("sys.exit(0)", "the worker process ended with exit code 0 before the run did"),
        ("1 / 0", "the worker process ended with exit code 1 before the run did"),
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            "the worker process was ended by SIGKILL, perhaps for want of memory",
        ),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "the worker process was ended by SIGSEGV"),
    ],
)
def test_a_worker_that_dies_is_a_failure_that_says_how(
    worker, request_, surroundings, death, cause
):
    worker(f"""
        emit("step", text="last words")
        {death}
    """)
    events = []
    finished = run_worker(request_, surroundings, events.append)
    assert events == [StepEvent(text="last words")]
    assert finished == Finished(failure={"cause": cause})


def test_a_worker_that_crashes_within_a_memory_limit_is_told_of_the_limit(
    worker, request_, surroundings
):
    before = resource.getrlimit(resource.RLIMIT_AS)
    worker("os.kill(os.getpid(), signal.SIGTRAP)")
    # Of address space, more than this process has by now.
    resource.setrlimit(resource.RLIMIT_AS, (1 << 40, before[1]))
    try:
        finished = run_worker(request_, surroundings, ignore)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert finished.failure.cause == (
        "the worker process was ended by SIGTRAP, perhaps for want of memory: it may have "
        "1,099,512 MB (`ulimit -v`)"
    )


def test_a_worker_that_ended_well_counts_though_its_process_then_died(
    worker, request_, surroundings
):
    # Libraries have crashed while the interpreter shut down.
    worker("""
        emit("finished")
        os.kill(os.getpid(), signal.SIGSEGV)
    """)
    assert run_worker(request_, surroundings, ignore) == Finished()


WITH_CHILD = """
    child = subprocess.Popen(["sleep", "20"])
    emit("step", text=str(child.pid))
    time.sleep(20)
"""


def test_an_exception_in_the_handler_ends_the_worker_and_its_children(
    worker, request_, surroundings, processes
):
    children = []

    def handle(event):
        children.append(int(event.text))
        raise ZeroDivisionError

    worker(WITH_CHILD)
    with pytest.raises(ZeroDivisionError):
        run_worker(request_, surroundings, handle)
    assert processes[0].returncode == -signal.SIGTERM
    assert_gone(children[0])


def test_children_do_not_outlive_a_worker_that_ended_well(worker, request_, surroundings):
    worker("""
        child = subprocess.Popen(["sleep", "20"])
        emit("finished", failure={"cause": str(child.pid)})
    """)
    started = time.monotonic()
    finished = run_worker(request_, surroundings, ignore)
    assert_gone(int(finished.failure.cause))
    assert time.monotonic() - started < 10


def test_an_interrupted_worker_may_clean_up(worker, request_, surroundings, log, processes):
    worker("""
        def clean_up(number, frame):
            time.sleep(0.2)
            print("cleaned up")
            sys.exit(5)

        signal.signal(signal.SIGTERM, clean_up)
        child = subprocess.Popen(["sleep", "20"])
        emit("step", text=str(child.pid))
        time.sleep(20)
    """)
    children = []

    def interrupt(event):
        children.append(int(event.text))
        raise KeyboardInterrupt

    assert run_worker(request_, surroundings, interrupt) == INTERRUPTED
    assert processes[0].returncode == 5
    assert log.read_text() == "cleaned up\n"
    assert_gone(children[0])


def test_an_interrupted_worker_tells_what_it_came_to(worker, request_, surroundings):
    worker("""
        def clean_up(number, frame):
            emit("node", node="Trainer", state="interrupted")
            emit("finished", pushed={"path": "/s/7", "version": "7"}, interrupted=True)
            sys.exit()

        signal.signal(signal.SIGTERM, clean_up)
        emit("step", text="ready")
        time.sleep(20)
    """)
    events = []

    def interrupt_once(event):
        events.append(event)
        if len(events) == 1:
            raise KeyboardInterrupt

    finished = run_worker(request_, surroundings, interrupt_once)
    assert finished.pushed.version == "7"
    assert finished.interrupted
    assert events[1:] == [NodeEvent(node="Trainer", state="interrupted"), finished]


def test_an_interrupt_loses_none_of_what_was_said_together(worker, request_, surroundings):
    worker("""
        both = [{"kind": "step", "text": "last"}, {"kind": "finished", "unfit_version": 3}]
        os.write(events, "".join(json.dumps(one) + "\\n" for one in both).encode())
    """)
    assert run_worker(request_, surroundings, interrupt_at_step).unfit_version == 3


def test_an_interrupt_after_the_end_changes_nothing(worker, request_, surroundings):
    worker("""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        emit("finished", unfit_version=3)
    """)
    assert run_worker(request_, surroundings, interrupt) == Finished(unfit_version=3)


def test_a_worker_that_does_not_end_is_killed_after_the_grace_time(
    worker, request_, surroundings, processes, monkeypatch
):
    monkeypatch.setattr(supervisor, "_GRACE_S", 0.5)
    worker("""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        emit("step", text="ready")
        time.sleep(20)
    """)
    started = time.monotonic()
    assert run_worker(request_, surroundings, interrupt) == INTERRUPTED
    assert processes[0].returncode == -signal.SIGKILL
    assert 0.5 <= time.monotonic() - started < 10


def test_a_second_interrupt_does_not_wait_for_the_cleaning_up(
    worker, request_, surroundings, processes
):
    # The stand-in answers the first interrupt by sending the second.
    worker("""
        def clean_up(number, frame):
            time.sleep(0.3)
            os.kill(os.getppid(), signal.SIGINT)
            time.sleep(20)

        signal.signal(signal.SIGTERM, clean_up)
        emit("step", text="ready")
        time.sleep(20)
    """)
    # Tests that run in the background have inherited that interrupts are ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        started = time.monotonic()
        assert run_worker(request_, surroundings, interrupt) == INTERRUPTED
        assert time.monotonic() - started < 10
    finally:
        signal.signal(signal.SIGINT, before)
    assert processes[0].returncode == -signal.SIGKILL


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


def test_a_component_that_takes_too_long_is_told_why_it_ends(worker, request_, surroundings):
    worker("""
        import faulthandler, threading
        faulthandler.register(signal.SIGUSR1)

        def tell():
            cause = sys.stdin.readline().strip()
            time.sleep(0.3)
            emit("finished", failure={"node": "Trainer", "cause": cause})
            os._exit(0)

        threading.Thread(target=tell).start()
        emit("step", text="loading")
        emit("node", node="Transform", state="running")
        emit("node", node="Transform", state="done")
        emit("node", node="Trainer", state="running")
        time.sleep(20)
    """)
    finished = run_worker(request_, replace(surroundings, time_limit_s=1.5), ignore)
    assert finished.failure.node == "Trainer"
    assert finished.failure.cause.startswith(
        "Trainer took longer than run.component_timeout_min = 0.025 allows, and was ended"
    )
    assert not finished.interrupted
    # Where it was.
    assert "stand_in.py" in surroundings.log.read_text()


def test_a_component_that_hears_nothing_is_killed_and_named(
    worker, request_, surroundings, processes, monkeypatch
):
    monkeypatch.setattr(supervisor, "_GRACE_S", 0.5)
    worker("""
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        emit("node", node="Trainer", state="running")
        time.sleep(20)
    """)
    finished = run_worker(request_, replace(surroundings, time_limit_s=0.5), ignore)
    assert finished.failure.node == "Trainer"
    assert finished.failure.cause.startswith("Trainer took longer than ")
    assert processes[0].returncode == -signal.SIGKILL


def test_each_component_has_the_whole_time(worker, request_, surroundings):
    worker("""
        for node in ("StatisticsGen", "Transform", "Trainer", "Evaluator"):
            emit("node", node=node, state="running")
            time.sleep(0.5)
            emit("node", node=node, state="done")
        emit("finished")
    """)
    assert run_worker(request_, replace(surroundings, time_limit_s=1.5), ignore) == Finished()


def test_a_component_beside_another_is_named_where_it_takes_too_long(
    worker, request_, surroundings
):
    worker("""
        emit("node", node="ImageStatistics", state="running")
        for node in ("StatisticsGen", "ExampleValidator", "SchemaGen"):
            emit("node", node=node, state="running")
            time.sleep(0.7)
            emit("node", node=node, state="done")
        time.sleep(20)
    """)
    finished = run_worker(request_, replace(surroundings, time_limit_s=1.5), ignore)
    assert finished.failure.node == "ImageStatistics"


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


def test_a_run_goes_on_without_a_log(worker, request_, surroundings, tmp_path):
    worker(TALKATIVE)
    (tmp_path / "pipeline.log.d").mkdir()
    nowhere = replace(surroundings, log=tmp_path / "pipeline.log.d")
    finished = run_worker(request_, nowhere, ignore)
    assert finished.failure is None
    [note] = finished.notes
    assert note == "the log lacks what could not be written: Is a directory"


def test_a_run_goes_on_where_the_log_can_not_be_written(worker, request_, surroundings, tmp_path):
    worker(TALKATIVE)
    full = tmp_path / "full.log"
    full.symlink_to("/dev/full")
    finished = run_worker(request_, replace(surroundings, log=full), ignore)
    assert finished.failure is None
    [note] = finished.notes
    assert note == "the log lacks what could not be written: No space left on device"


def test_a_worker_that_dies_for_want_of_something_is_a_sentence(worker, request_, surroundings):
    worker("""
        print("terminate called: what():  Resource temporarily unavailable", flush=True)
        os.abort()
    """)
    cause = run_worker(request_, surroundings, ignore).failure.cause
    assert cause.startswith("the worker process ended before the run did: no more threads")
    assert "ulimit -u" in cause


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


def test_a_process_that_outlives_the_worker_does_not_keep_the_run(worker, request_, surroundings):
    worker("""
        subprocess.Popen(["sleep", "20"], pass_fds=[events], stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL, start_new_session=True)
        emit("finished")
    """)
    started = time.monotonic()
    assert run_worker(request_, surroundings, ignore) == Finished()
    assert time.monotonic() - started < 10
