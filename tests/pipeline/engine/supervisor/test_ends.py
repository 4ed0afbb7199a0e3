"""How a worker ended, by itself or because it took too long, and what ends with it."""

import resource
import signal
import time
from dataclasses import replace

import pytest

from pipeline.engine import supervisor
from pipeline.engine.protocol import Finished, StepEvent
from pipeline.engine.supervisor import run_worker
from tests.pipeline.engine.supervisor.handling import assert_gone, ignore


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


def test_a_worker_that_dies_for_want_of_something_is_a_sentence(worker, request_, surroundings):
    worker("""
        print("terminate called: what():  Resource temporarily unavailable", flush=True)
        os.abort()
    """)
    cause = run_worker(request_, surroundings, ignore).failure.cause
    assert cause.startswith("the worker process ended before the run did: no more threads")
    assert "ulimit -u" in cause


def test_a_worker_that_ended_well_counts_though_its_process_then_died(
    worker, request_, surroundings
):
    # Libraries have crashed while the interpreter shut down.
    worker("""
        emit("finished")
        os.kill(os.getpid(), signal.SIGSEGV)
    """)
    assert run_worker(request_, surroundings, ignore) == Finished()


def test_children_do_not_outlive_a_worker_that_ended_well(worker, request_, surroundings):
    worker("""
        child = subprocess.Popen(["sleep", "20"])
        emit("finished", failure={"cause": str(child.pid)})
    """)
    started = time.monotonic()
    finished = run_worker(request_, surroundings, ignore)
    assert_gone(int(finished.failure.cause))
    assert time.monotonic() - started < 10


def test_a_process_that_outlives_the_worker_does_not_keep_the_run(worker, request_, surroundings):
    worker("""
        subprocess.Popen(["sleep", "20"], pass_fds=[events], stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL, start_new_session=True)
        emit("finished")
    """)
    started = time.monotonic()
    assert run_worker(request_, surroundings, ignore) == Finished()
    assert time.monotonic() - started < 10


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
