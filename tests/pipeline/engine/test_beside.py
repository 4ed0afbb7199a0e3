"""A node that runs beside another: at the same time, in the books, and ended with the run."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.orchestration import metadata
from tfx.types import standard_artifacts

from pipeline import config, nodes
from pipeline.engine import beside, interrupts
from pipeline.engine.beside import Forked, NodeFailedError
from pipeline.engine.dag_runner import ObservedDagRunner
from pipeline.engine.interrupts import BrokenOffError, InterruptedRunError, Interrupts
from pipeline.errors import UserError

Execution = metadata_store_pb2.Execution
Model = standard_artifacts.Model
Input = tfx.dsl.components.InputArtifact
Output = tfx.dsl.components.OutputArtifact
Parameter = tfx.dsl.components.Parameter

PATIENCE_S = 20


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not file.exists():
        assert time.monotonic() < deadline, f"{file.name} did not come"
        time.sleep(0.01)


class Refusal(Exception):  # noqa: N818
    """One that pickle can't make again, as it takes more than its message."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")


def work(directory: str, node: str, made: Model) -> None:
    """Does what a file says that has the node's name, and leaves its process's number."""
    (Path(directory) / f"{node}.began").write_text(str(os.getpid()))
    program = Path(directory) / node
    if program.exists():
        exec(program.read_text(), {"here": Path(directory), "wait_for": wait_for, **globals()})
    (Path(made.uri) / "from").write_text(node)


@tfx.dsl.components.component
def Spin(directory: Parameter[str], yarn: Output[Model]):  # noqa: N802
    work(directory, "Spin", yarn)


@tfx.dsl.components.component
def Dye(directory: Parameter[str], yarn: Input[Model], dyed: Output[Model]):  # noqa: N802
    work(directory, "Dye", dyed)


@tfx.dsl.components.component
def Weave(directory: Parameter[str], yarn: Input[Model], cloth: Output[Model]):  # noqa: N802
    work(directory, "Weave", cloth)


@tfx.dsl.components.component
def Sew(  # noqa: N802
    directory: Parameter[str], dyed: Input[Model], cloth: Input[Model], dress: Output[Model]
):
    assert [(Path(one.uri) / "from").read_text() for one in (dyed, cloth)] == ["Dye", "Weave"]
    work(directory, "Sew", dress)


class Mill:
    """A root in which Dye runs beside Weave; both take what Spin makes, and Sew takes theirs."""

    def __init__(self, root: Path):
        self.root = root
        self.seen: list[tuple[str, str]] = []
        self.interrupts = Interrupts()

    def told(self, node: str, program: str) -> None:
        (self.root / node).write_text(textwrap.dedent(program))

    def run(self, run_id: str = "first") -> None:
        spin = Spin(directory=str(self.root))
        yarn = spin.outputs["yarn"]
        dye = Dye(directory=str(self.root), yarn=yarn)
        weave = Weave(directory=str(self.root), yarn=yarn)
        made = {"dyed": dye.outputs["dyed"], "cloth": weave.outputs["cloth"]}
        self.connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(self.root / "metadata.db")
        )
        pipeline = tfx.dsl.Pipeline(
            pipeline_name="mill",
            pipeline_root=str(self.root / "artifacts"),
            components=[spin, dye, weave, Sew(directory=str(self.root), **made)],
            enable_cache=True,
            metadata_connection_config=self.connection,
        )
        self.seen = []
        ObservedDagRunner(
            run_id,
            lambda node, state, note: self.seen.append((node, state)),
            interrupts=self.interrupts,
            beside=["Dye"],
        ).run(pipeline)

    @property
    def ended(self) -> dict[str, str]:
        """The last that was told of each node."""
        return dict(self.seen)

    def process_of(self, node: str) -> int:
        return int((self.root / f"{node}.began").read_text())

    def recorded(self, node: str) -> list[int]:
        """The states of a node's executions."""
        with metadata.Metadata(self.connection) as handle:
            context = handle.store.get_context_by_type_and_name("node", f"mill.{node}")
            found = handle.store.get_executions_by_context(context.id)
            return [one.last_known_state for one in found]


@pytest.fixture
def mill(tmp_path):
    """One whose main thread can be interrupted and broken off, as a worker's."""
    mill = Mill(tmp_path)
    mill.interrupts._taken = True
    handlers = {
        signal.SIGTERM: mill.interrupts._handle,
        interrupts._BREAK_OFF: mill.interrupts._handle_break_off,
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield mill
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def forked():
    forked = Forked()
    yield forked
    forked.end()


def is_gone(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return True
    return False


def test_two_nodes_run_at_the_same_time(mill):
    mill.told("Dye", "wait_for(here / 'Weave.began')")
    mill.told("Weave", "wait_for(here / 'Dye.began')")
    mill.run()
    assert mill.ended == dict.fromkeys(("Spin", "Dye", "Weave", "Sew"), "done")
    assert mill.process_of("Weave") == os.getpid() != mill.process_of("Dye")
    assert is_gone(mill.process_of("Dye"))
    assert mill.recorded("Dye") == [Execution.COMPLETE]


def test_node_waits_for_what_it_takes_from_one_beside_it(mill):
    mill.told("Dye", "wait_for(here / 'Weave.began'); time.sleep(0.5)")
    mill.run()
    assert mill.seen.index(("Dye", "done")) < mill.seen.index(("Sew", "running"))


def test_node_beside_others_comes_from_the_cache_too(mill):
    mill.run()
    mill.run("second")
    assert mill.ended == dict.fromkeys(("Spin", "Dye", "Weave", "Sew"), "cached")


def test_failure_beside_breaks_off_the_node_here_and_is_what_is_told(mill):
    mill.told("Dye", "wait_for(here / 'Weave.began'); raise RuntimeError('the colour is out')")
    mill.told("Weave", "time.sleep(PATIENCE_S)")
    began = time.monotonic()
    with pytest.raises(NodeFailedError) as failure:
        mill.run()
    assert time.monotonic() - began < PATIENCE_S
    assert failure.value.node == "Dye"
    assert str(failure.value.__cause__) == "the colour is out"
    assert mill.ended == {"Spin": "done", "Dye": "failed", "Weave": "interrupted"}
    assert mill.recorded("Dye") == mill.recorded("Weave") == [Execution.FAILED]
    # What was broken off can be run again at once.
    mill.told("Dye", "")
    mill.told("Weave", "")
    mill.run("second")
    assert mill.ended == {"Spin": "cached", "Dye": "done", "Weave": "done", "Sew": "done"}


def test_failure_beside_that_the_node_here_does_not_notice_ends_the_run_after_it(mill):
    mill.told("Dye", "wait_for(here / 'deaf'); raise RuntimeError('the colour is out')")
    mill.told(
        "Weave",
        """
        try:
            (here / "deaf").touch()
            time.sleep(PATIENCE_S)
        except BaseException:
            pass
        """,
    )
    with pytest.raises(NodeFailedError) as failure:
        mill.run()
    assert failure.value.node == "Dye"
    assert mill.ended == {"Spin": "done", "Dye": "failed", "Weave": "done"}


def test_failure_here_ends_the_node_beside(mill):
    mill.told("Dye", "time.sleep(PATIENCE_S)")
    mill.told("Weave", "wait_for(here / 'Dye.began'); raise RuntimeError('the loom broke')")
    with pytest.raises(NodeFailedError) as failure:
        mill.run()
    assert failure.value.node == "Weave"
    assert mill.ended == {"Spin": "done", "Dye": "interrupted", "Weave": "failed"}
    assert mill.recorded("Dye") == [Execution.FAILED]
    assert is_gone(mill.process_of("Dye"))


@pytest.mark.parametrize(
    "program",
    [
        "wait_for(here / 'Dye.began'); signal.raise_signal(signal.SIGTERM); time.sleep(PATIENCE_S)",
        # While the main thread waits for the other.
        "import threading; wait_for(here / 'Dye.began'); "
        "threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()",
    ],
    ids=["in a node", "between nodes"],
)
def test_interrupt_ends_both(mill, program):
    mill.told("Dye", "time.sleep(PATIENCE_S)")
    mill.told("Weave", program)
    began = time.monotonic()
    with pytest.raises((NodeFailedError, InterruptedRunError)) as failure:
        mill.run()
    assert time.monotonic() - began < PATIENCE_S
    error = failure.value
    cause = error.__cause__ if isinstance(error, NodeFailedError) else error
    assert type(cause) is InterruptedRunError
    assert mill.ended["Dye"] == "interrupted"
    assert mill.recorded("Dye") == [Execution.FAILED]
    assert is_gone(mill.process_of("Dye"))


def test_process_that_is_killed_is_told_of(mill):
    mill.told("Dye", "os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(NodeFailedError) as failure:
        mill.run()
    assert failure.value.node == "Dye"
    assert "perhaps for want of memory" in str(failure.value.__cause__)


def test_call_returns_what_the_function_does(forked):
    assert forked.call(divmod, 7, 2) == (3, 1)
    assert forked.call(os.getpid) == forked.call(os.getpid) != os.getpid()


def test_call_raises_what_the_function_does_with_where_that_was(forked):
    with pytest.raises(ZeroDivisionError) as caught:
        forked.call(divmod, 1, 0)
    assert "Traceback" in str(caught.value.__cause__)


def test_exception_that_can_not_be_pickled_is_told_in_words(forked):
    with pytest.raises(UserError) as caught:
        forked.call(_refuse, "wool")
    assert str(caught.value) == "Refusal: wool: it itches"


def _refuse(what: str) -> None:
    raise Refusal(what, "it itches")


def test_process_that_is_ended_tells_where_it_was(mill, capfd):
    mill.told("Dye", "time.sleep(PATIENCE_S)")
    mill.told("Weave", "wait_for(here / 'Dye.began'); raise RuntimeError('the loom broke')")
    with pytest.raises(NodeFailedError):
        mill.run()
    assert "in Dye" in capfd.readouterr().err


def test_process_without_work_ends_in_silence(forked, capfd):
    forked.end()
    assert not capfd.readouterr().err
    with pytest.raises(InterruptedRunError):
        forked.call(os.getpid)


def test_process_ends_with_the_one_from_which_it_was_forked(tmp_path):
    program = """
        import os, time
        from pipeline.engine.beside import Forked
        forked = Forked()
        print(forked.call(os.getpid), flush=True)
        forked.call(time.sleep, 60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=config.PROJECT_DIRECTORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        process_id = int(process.stdout.readline())
        process.kill()
    deadline = time.monotonic() + PATIENCE_S
    while not is_gone(process_id):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_broken_off_is_taken_back():
    asked = Interrupts()
    asked.break_off()
    with pytest.raises(BrokenOffError):
        asked.breakable(lambda: None)
    asked.go_on()
    assert asked.breakable(lambda: 1) == 1


@pytest.mark.parametrize(
    ("assignments", "processors", "chosen"),
    [
        ((), 2, nodes.BESIDE),
        ((), 1, frozenset()),
        (("run.side_by_side=false",), 2, frozenset()),
        (("engine.workers=2",), 2, frozenset()),
        (("engine.name=prism", "engine.address=localhost:1"), 2, frozenset()),
        (('beam.args=["--runner=PrismRunner"]',), 2, frozenset()),
    ],
)
def test_nodes_run_beside_others_where_there_is_room_and_beam_is_here(
    assignments, processors, chosen, monkeypatch
):
    monkeypatch.setattr(beside.os, "sched_getaffinity", lambda _: set(range(processors)))
    assert beside.choose_nodes(config.load_config(None, assignments)) == chosen
